"""Labeled documents, and how they are mixed among others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from spacy.language import Language
from spacy.training import Corpus, Example

from ..loading import DAMAGED
from .gold_spans import SpansCorpus, keys_of_spans_alone, warn_of_spans_alone
from .input_files import InputError


class CorpusSize(NamedTuple):
    """What a pass over a corpus reads, labeled documents included.

    documents, words (int): How many.
    lengths (Sequence[int]): The words of some of the documents.
    """

    documents: int
    words: int
    lengths: Sequence[int]


@dataclass(frozen=True)
class MixedReader:
    """What reads a corpus of labeled documents and others: called, it reads all of them, as any
    corpus reader does.

    read (Callable[[Language], Iterator[Example]]): Reads all documents, once.
    labeled (Callable[[Language], Iterator[Example]]): Reads the labeled ones alone, in their order:
        few enough to be looked at before a stream of the others begins.
    size (Optional[Callable[[], CorpusSize]]): Tells what a pass reads, if that is known without
        reading it.
    """

    read: Callable[[Language], Iterator[Example]]
    labeled: Callable[[Language], Iterator[Example]]
    size: Optional[Callable[[], CorpusSize]] = None

    def __call__(self, nlp: Language) -> Iterator[Example]:
        return self.read(nlp)


def read_examples(
    path: Path,
    nlp: Language,
    max_length: int = 0,
    limit: int = 0,
    *,
    spans_key: Optional[str] = None,
    labeled: bool = True,
) -> Iterator[Example]:
    """Read `.spacy` files as spaCy's Corpus does.

    path (Path): A file, or a folder of these.
    nlp (Language): The pipeline.
    max_length (int): Longer documents are split into sentences or left out; 0 is no limit.
    limit (int): Read at most so many; 0 is no limit.
    spans_key (Optional[str]): Take the spans under this key for gold entities.
    labeled (bool): Warn of documents that have spans and no entities.
    YIELDS (Example): The documents.
    RAISES (ValueError): A file that cannot be read, or has no spans under the key.
    """
    corpus = Corpus(path, max_length=max_length, limit=limit)
    if spans_key is not None:
        corpus = SpansCorpus(path, spans_key=spans_key, max_length=max_length, limit=limit)
    spans_alone: List[List[str]] = []
    try:
        for example in corpus(nlp):
            if labeled:
                spans_alone.append(keys_of_spans_alone(example.reference))
            yield example
    except InputError:
        raise
    except DAMAGED as error:
        # What is raised depends on the damage, and does not name the file.
        raise ValueError(
            f"[D330] '{path}' cannot be read as a .spacy file. Convert the corpus "
            f"again. spaCy says: {error}"
        ) from error
    warn_of_spans_alone(spans_alone, str(path))


def interleave(
    labeled: List[Example], others: Iterable[Example], labeled_share: float
) -> Iterator[Example]:
    """Mix labeled documents among others, again and again, so that few labels are not lost among
    much text.

    labeled (List[Example]): The labeled documents.
    others (Iterable[Example]): The others.
    labeled_share (float): The share of all documents that are labeled, from 0 to below 1.
    YIELDS (Example): The others in their order, with labeled ones among them; each of these comes
        at least once.
    """
    per_other = labeled_share / (1 - labeled_share)
    n_labeled = 0
    for n_others, example in enumerate(others, start=1):
        yield example
        while labeled and n_labeled < round(n_others * per_other):
            yield labeled[n_labeled % len(labeled)]
            n_labeled += 1
    yield from labeled[n_labeled:]


def n_repeated(n_labeled: int, n_others: int, labeled_share: float) -> int:
    """RETURNS (int): How often labeled documents come in a pass of `interleave`, all together."""
    if not n_labeled:
        return 0
    return max(n_labeled, round(n_others * labeled_share / (1 - labeled_share)))


def require_share(labeled_share: float, reader: str) -> None:
    """Make sure that a share is one; raise ValueError if not."""
    if not 0 <= labeled_share < 1:
        raise ValueError(
            f"[D133] labeled_share={labeled_share} of {reader} is no share of the documents: give "
            "a number from 0 to below 1."
        )


def require_path(path: Optional[Path], name: str) -> None:
    """Make sure that a corpus is there, if one is asked for; raise ValueError if not."""
    if path is not None and not Path(path).exists():
        raise ValueError(
            f"[D331] The {name} corpus '{path}' does not exist. Make it, or correct the path."
        )
