"""A student written to disk with its model card."""

from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Union

from spacy.language import Language
from spacy.training import Example

from ..corpora.labeled import read_examples
from ..loading import load_pipeline
from ..saving import replaced_directory
from ..teachers.written_attributes import entity_labels
from .model_card import measure, model_card, summary
from .speed import processor, words_per_second


def write_card(
    student: Union[str, Path, Language],
    corpus: Union[str, Path],
    output: Union[str, Path],
    *,
    data: str = "",
    gold_spans_key: Optional[str] = None,
    **meta: Any,
) -> Dict[str, Any]:
    """Evaluate a student, and write it with the results in meta.json and README.md.

    student (Union[str, Path, Language]): The pipeline, loaded or as a package or a folder.
    corpus (Union[str, Path]): The test set, a `.spacy` file of labeled documents.
    output (Union[str, Path]): The folder to write. An existing folder is replaced.
    data (str): A description of the test set; by default the file's name.
    gold_spans_key (Optional[str]): Read the gold entities from `doc.spans[gold_spans_key]`.
    **meta (Any): Values for meta.json: name, version, description, license, author, sources (a
        list) and notes. None keeps the value of the pipeline.
    RETURNS (Dict[str, Any]): The pipeline's meta.
    RAISES (ValueError): The pipeline or the corpus cannot be read, or the corpus has no entities.
    """
    nlp = student if isinstance(student, Language) else load_pipeline(student)
    corpus = Path(corpus)
    examples = list(read_examples(corpus, nlp, spans_key=gold_spans_key))
    return save_with_card(nlp, examples, Path(output), data=data or corpus.name, **meta)


def save_with_card(
    nlp: Language, examples: Sequence[Example], output: Path, *, data: str, **meta: Any
) -> Dict[str, Any]:
    """Evaluate a student on examples, and write it as `write_card` does.

    nlp (Language): The student.
    examples (Sequence[Example]): The test set.
    output, data, **meta: As in `write_card`.
    RETURNS (Dict[str, Any]): The pipeline's meta.
    RAISES (ValueError): The examples have no entities.
    """
    performance = measure(nlp, examples)
    texts = [example.reference.text for example in examples]
    performance["speed"] = words_per_second(nlp, texts)
    is_carded = "labels" in nlp.meta.get("evaluation", {}) and "speed" in nlp.meta["performance"]
    former = summary(nlp.meta) if is_carded else ""
    nlp.meta.update({key: value for key, value in meta.items() if value is not None})
    nlp.meta["performance"] = performance
    nlp.meta["evaluation"] = {
        "data": data,
        "machine": processor(),
        "labels": list(entity_labels(nlp)),
    }
    if nlp.meta["description"] in ("", former):
        nlp.meta["description"] = summary(nlp.meta)
    with replaced_directory(output) as unfinished:
        nlp.to_disk(unfinished)
        (unfinished / "README.md").write_text(model_card(nlp.meta), encoding="utf8")
    return nlp.meta
