"""Corpora of a config: found by name, read to the end, and named when they cannot be."""

from typing import IO, Callable, Iterable, List, Set

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry
from thinc.api import Config
from wasabi import Printer

from ..corpora.gold_spans import keys_of_spans_alone, warn_of_spans_alone
from ..corpora.labeled import MixedReader
from ..loading import DAMAGED


def find_corpus(config: Config, name: str) -> Callable[[Language], Iterable[Example]]:
    """RETURNS (Callable[[Language], Iterable[Example]]): The reader of a corpus, such as
    "corpora.dev"."""
    section, _, key = name.partition(".")
    if key not in config.get(section, {}):
        known = ", ".join(f"corpora.{key}" for key in config.get("corpora", {})) or "none"
        raise ValueError(
            f"[D108] The config has no corpus '{name}'. Its corpora are: {known}. Correct the name "
            "under [distillation] corpus or [training] dev_corpus."
        )
    return registry.resolve({"corpora": {key: config[section][key]}})["corpora"][key]


def read_corpus(
    reader: Callable[[Language], Iterable[Example]], nlp: Language, config: Config, name: str
) -> List[Example]:
    """Read a corpus to its end.

    reader (Callable[[Language], Iterable[Example]]): The corpus.
    nlp (Language): The student.
    config (Config): The config that has the corpus.
    name (str): The corpus' name, such as "corpora.dev".
    RETURNS (List[Example]): The examples, at least one.
    RAISES (ValueError): It cannot be read, or has no documents.
    """
    section, _, key = name.partition(".")
    settings = config[section][key].items()
    paths = [value for key, value in settings if isinstance(value, str) and key[0] != "@"]
    where = f"({', '.join(paths) or 'no path'}). Correct its paths in [paths] or [corpora]."
    try:
        examples = list(reader(nlp))
    except (OSError, *DAMAGED) as error:
        raise ValueError(f"[D332] The corpus '{name}' cannot be read: {error} {where}") from error
    if not examples:
        raise ValueError(f"[D333] The corpus '{name}' has no documents {where}")
    if not isinstance(reader, MixedReader):
        # The package's own readers say it themselves, of their labeled documents alone.
        warn_of_spans_alone((keys_of_spans_alone(example.reference) for example in examples), name)
    return examples


def pipeline_labels(nlp: Language) -> Set[str]:
    """RETURNS (Set[str]): The labels of all components."""
    return {label for pipe in nlp.pipe_names for label in getattr(nlp.get_pipe(pipe), "labels", ())}


def warn_of_unknown_labels(
    known: Iterable[str], examples: Iterable[Example], name: str, stdout: IO
) -> None:
    """Say which labels of a labeled corpus a student does not have, if there are any.

    known (Iterable[str]): The student's labels.
    examples (Iterable[Example]): The corpus.
    name (str): What it is called, such as "corpora.dev".
    stdout (IO): Where it is said.
    RAISES (ValueError): The student has none of the corpus' labels.
    """
    unknown = unknown_labels(set(known), examples, name)
    if unknown:
        title = f"[D913] The student does not know labels of '{name}'"
        text = f"{', '.join(unknown)}: these count as missed, and what is found there as wrong"
        stdout.write(Printer(no_print=True).warn(title, text) + "\n")


def unknown_labels(known: Set[str], examples: Iterable[Example], name: str) -> List[str]:
    """RETURNS (List[str]): Labels of gold entities that a student does not have, sorted; ValueError
    if it has none of them, as every score would be 0."""
    gold = {span.label_ for example in examples for span in example.reference.ents}
    if gold and gold.isdisjoint(known):
        raise ValueError(
            f"[D506] The corpus '{name}' has the labels {', '.join(sorted(gold))}, of which the "
            f"student knows none: its labels are {', '.join(sorted(known))}. Name another corpus, "
            "or bring its labels and the student's together."
        )
    return sorted(gold - known)
