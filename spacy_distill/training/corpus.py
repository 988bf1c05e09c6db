"""Corpora of a config: find them by name, read them, and align them with the student's tokens."""

from pathlib import Path
from typing import IO, Callable, Iterable, Iterator, List

from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Corpus, Example, biluo_tags_to_spans
from spacy.util import registry
from thinc.api import Config
from wasabi import Printer

from ..corpora.gold_spans import spans_keys_without_entities, warn_about_spans_without_entities
from ..corpora.labeled import MixedReader
from ..documents import plain_copy, same_tokens
from ..loading import DAMAGE_ERRORS
from ..pipeline.entities import is_annotated
from .output_folder import DEVELOPMENT

Reader = Callable[[Language], Iterable[Example]]


def find_corpus(config: Config, name: str) -> Reader:
    """Create the reader of a corpus of the config, such as "corpora.dev"."""
    section, _, key = name.partition(".")
    if key not in config.get(section, {}):
        known = ", ".join(f"corpora.{key}" for key in config.get("corpora", {})) or "none"
        raise ValueError(
            f"[D108] The config has no corpus '{name}'. Its corpora are: {known}. Correct the name "
            "under [distillation] corpus or [training] dev_corpus."
        )
    return registry.resolve({"corpora": {key: config[section][key]}})["corpora"][key]


def read_corpus(reader: Reader, nlp: Language, config: Config, name: str) -> List[Example]:
    """Read all examples of a corpus of the config.

    reader (Reader): The reader of the corpus.
    nlp (Language): The student.
    config (Config): The config.
    name (str): The corpus's name, such as "corpora.dev".
    RETURNS (List[Example]): The examples, at least one.
    RAISES (ValueError): The corpus cannot be read, or has no documents.
    """
    section, _, key = name.partition(".")
    settings = config[section][key].items()
    paths = [value for key, value in settings if isinstance(value, str) and key[0] != "@"]
    where = f"({', '.join(paths) or 'no path'}). Correct its paths in [paths] or [corpora]."
    try:
        examples = list(reader(nlp))
    except (OSError, *DAMAGE_ERRORS) as error:
        raise ValueError(f"[D332] The corpus '{name}' cannot be read: {error} {where}") from error
    if not examples:
        raise ValueError(f"[D333] The corpus '{name}' has no documents {where}")
    if not isinstance(reader, MixedReader):
        # A MixedReader gives this warning itself, for its labeled documents only.
        warn_about_spans_without_entities(
            (spans_keys_without_entities(example.reference) for example in examples), name
        )
    return examples


def read_scored(nlp: Language, folder: Path) -> List[Example]:
    """Read the development corpus that a training has scored a student on: that with the teachers'
    entities, if the training has saved one.

    nlp (Language): The student, whose config names the corpus.
    folder (Path): The output folder of the training.
    RETURNS (List[Example]): The examples.
    """
    if (folder / DEVELOPMENT).exists():
        return list(Corpus(folder / DEVELOPMENT)(nlp))
    config = nlp.config.interpolate()
    name = config["training"]["dev_corpus"]
    return read_corpus(find_corpus(config, name), nlp, config, name)


def with_student_tokens(examples: Iterable[Example]) -> Iterator[Example]:
    """Align gold entities with the student's tokens where a corpus has other tokens.

    examples (Iterable[Example]): The examples of a corpus reader.
    YIELDS (Example): An example whose reference document has the predicted document's tokens.
        Where an entity does not fit these, its tokens count as not annotated.
    """
    for example in examples:
        if same_tokens(example.predicted, example.reference):
            yield example
            continue
        reference = plain_copy(example.predicted)
        tags = example.get_aligned_ner()
        known = ["O" if tag in (None, "-") else tag for tag in tags]
        unknown = [Span(reference, i, i + 1) for i, tag in enumerate(tags) if tag in (None, "-")]
        if len(unknown) < len(tags):
            reference.set_ents(biluo_tags_to_spans(reference, known), missing=unknown)
        yield Example(example.predicted, reference)


def is_labeled(example: Example) -> bool:
    """RETURNS (bool): Whether the reference document is annotated, with entities or without. An
    empty document is not."""
    return is_annotated(example.reference)


def warn_of_unknown_labels(
    known: Iterable[str], examples: Iterable[Example], name: str, stdout: IO
) -> None:
    """Warn of labels in a labeled corpus that the student does not have.

    known (Iterable[str]): The student's labels.
    examples (Iterable[Example]): The examples of the corpus.
    name (str): The corpus's name, such as "corpora.dev".
    stdout (IO): Stream for the warning.
    RAISES (ValueError): The student has none of the corpus's labels, so all scores would be 0.
    """
    known = sorted(set(known))
    gold = sorted({span.label_ for example in examples for span in example.reference.ents})
    unknown = [label for label in gold if label not in known]
    if gold and unknown == gold:
        raise ValueError(
            f"[D506] The corpus '{name}' has the labels {', '.join(gold)}, but the student has "
            f"none of these: its labels are {', '.join(known)}. Name another corpus, or rename the "
            "labels of the corpus or of the teacher."
        )
    if unknown:
        title = f"[D913] The student does not know labels of '{name}'"
        text = f"{', '.join(unknown)}: these entities count as missed, predictions there as wrong"
        stdout.write(Printer(no_print=True).warn(title, text) + "\n")
