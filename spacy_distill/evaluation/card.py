"""A student written to disk with its model card."""

from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Union

from spacy.language import Language
from spacy.training import Example

from ..checks import require_free
from ..corpora.labeled import read_examples
from ..loading import load_pipeline
from ..saving import replaced_directory
from ..teachers.written_attributes import entity_labels
from .model_card import measure, model_card, summary
from .speed import processor, words_per_second
from .systems import needs_torch


def write_card(
    student: Union[str, Path, Language],
    corpus: Union[str, Path],
    output: Union[str, Path],
    *,
    data: str = "",
    name: Optional[str] = None,
    version: Optional[str] = None,
    description: Optional[str] = None,
    license: Optional[str] = None,
    author: Optional[str] = None,
    sources: Optional[Sequence[str]] = None,
    notes: Optional[str] = None,
    gold_spans_key: Optional[str] = None,
    overwrite: bool = False,
) -> Dict[str, Any]:
    """Evaluate a student, and write it with the results in meta.json and README.md.

    student (Union[str, Path, Language]): The pipeline, loaded or as a package or a folder.
    corpus (Union[str, Path]): The test set, a `.spacy` file of labeled documents.
    output (Union[str, Path]): The folder to write.
    data (str): A description of the test set; by default the file's name.
    name, version, description, license, author (Optional[str]): Values for meta.json. None keeps
        the value of the pipeline.
    sources (Optional[Sequence[str]]): Data and teachers, each with its license.
    notes (Optional[str]): Further notes for users, in Markdown.
    gold_spans_key (Optional[str]): Read the gold entities from `doc.spans[gold_spans_key]`.
    overwrite (bool): Whether to replace a pipeline that is in the folder.
    RETURNS (Dict[str, Any]): The pipeline's meta.
    RAISES (ValueError): The pipeline or the corpus cannot be read, the corpus has no entities, or
        the folder has other files.
    """
    output = Path(output)
    require_free(output, overwrite=overwrite)
    nlp = student if isinstance(student, Language) else load_pipeline(student)
    corpus = Path(corpus)
    examples = list(read_examples(corpus, nlp, spans_key=gold_spans_key))
    return save_with_card(
        nlp,
        examples,
        output,
        data=data or corpus.name,
        name=name,
        version=version,
        description=description,
        license=license,
        author=author,
        sources=list(sources) if sources is not None else None,
        notes=notes,
    )


def save_with_card(
    nlp: Language, examples: Sequence[Example], output: Path, *, data: str, **meta: Any
) -> Dict[str, Any]:
    """Evaluate a student on examples, and write it as `write_card` does. An existing folder is
    replaced.

    nlp (Language): The student.
    examples (Sequence[Example]): The test set.
    output, data: As in `write_card`.
    **meta (Any): Its values for meta.json.
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
        (unfinished / "README.md").write_text(
            model_card(nlp.meta, needs_torch(nlp)), encoding="utf8"
        )
    return nlp.meta
