"""Read labeled documents, and mix them with unlabeled ones."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Callable,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    TypeVar,
    Union,
)

from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.training.corpus import walk_corpus

from ..limits import require_documents
from ..loading import DAMAGE_ERRORS
from .gold_spans import SpansCorpus, spans_keys_without_entities, warn_about_spans_without_entities
from .input_files import InputError


class CorpusSize(NamedTuple):
    """The size of a pass over a corpus, labeled documents included.

    documents, words (int): The numbers of documents and words.
    lengths (Sequence[int]): The numbers of words in a sample of the documents.
    """

    documents: int
    words: int
    lengths: Sequence[int]


@dataclass(frozen=True, eq=False)
class PendingExample:
    """An example of a stream whose documents are made when they are trained on. Its `len` is the
    number of words.

    words (Sequence[str]): The words.
    spaces (Optional[Sequence[bool]]): Whether each word is followed by a space; None if unknown.
    make (Callable[[], Example]): Makes the example.
    """

    words: Sequence[str]
    spaces: Optional[Sequence[bool]]
    make: Callable[[], Example]

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class MixedReader:
    """A corpus reader of labeled and unlabeled documents.

    read (Callable[[Language], Iterator[Example]]): Reads all documents once. Calling the object
        does the same.
    labeled (Callable[[Language], Iterator[Example]]): Reads only the labeled documents, in their
        order. They can be checked before a long stream of unlabeled documents begins.
    size (Optional[Callable[[], CorpusSize]]): Returns the size of a pass. None if the size is not
        known before all documents are read.
    pending (Optional[Callable[[Language], Iterator[Item]]]): Reads as `read` does, but makes the
        unlabeled documents later. None if there is no such reader.
    """

    read: Callable[[Language], Iterator[Example]]
    labeled: Callable[[Language], Iterator[Example]]
    size: Optional[Callable[[], CorpusSize]] = None
    pending: Optional[Callable[[Language], Iterator["Item"]]] = None

    def __call__(self, nlp: Language) -> Iterator[Example]:
        return self.read(nlp)


Item = Union[Example, PendingExample]
AnyItem = TypeVar("AnyItem", bound=Item)


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

    path (Path): A `.spacy` file, or a folder of `.spacy` files.
    nlp (Language): The pipeline.
    max_length (int): Longer documents are split into sentences or skipped; 0 means no limit.
    limit (int): The maximum number of documents to read; 0 means no limit.
    spans_key (Optional[str]): Use the spans under this key as gold entities.
    labeled (bool): Warn about documents that have spans and no entities.
    YIELDS (Example): The documents.
    RAISES (ValueError): There is no such file, one cannot be read, or has no spans under the key.
    """
    require_path(path, "labeled" if labeled else "unlabeled")
    with warnings.catch_warnings():
        # Without files, spaCy only warns, and reads nothing.
        warnings.simplefilter("ignore")
        files = walk_corpus(Path(path), ".spacy")
    if not files:
        raise InputError(
            f"[D337] The corpus '{path}' has no .spacy file. Convert its files with "
            "`python -m spacy convert`, or correct the path."
        )
    for file in files:
        require_documents(file.read_bytes(), f"'{file}'")
    corpus = Corpus(path, max_length=max_length, limit=limit)
    if spans_key is not None:
        corpus = SpansCorpus(path, spans_key=spans_key, max_length=max_length, limit=limit)
    spans_alone: List[List[str]] = []
    try:
        for example in corpus(nlp):
            if labeled:
                spans_alone.append(spans_keys_without_entities(example.reference))
            yield example
    except InputError:
        raise
    except DAMAGE_ERRORS as error:
        # The type of the error depends on the damage, and the message does not name the file.
        raise ValueError(
            f"[D330] '{path}' cannot be read as a .spacy file. Convert the corpus "
            f"again. spaCy says: {error}"
        ) from error
    warn_about_spans_without_entities(spans_alone, str(path))


def labeled_reader(
    path: Optional[Path], max_length: int, spans_key: Optional[str]
) -> Callable[[Language], Iterator[Example]]:
    """Create a reader of labeled documents.

    path (Optional[Path]): The corpus. If None, the reader yields nothing.
    max_length (int): As in `read_examples`.
    spans_key (Optional[str]): As in `read_examples`.
    RETURNS (Callable[[Language], Iterator[Example]]): The reader.
    """

    def read(nlp: Language) -> Iterator[Example]:
        require_path(path, "labeled")
        if path is None:
            return iter(())
        return read_examples(path, nlp, max_length, spans_key=spans_key)

    return read


def interleave(
    labeled: List[Example], unlabeled: Iterable[AnyItem], labeled_share: float
) -> Iterator[Union[Example, AnyItem]]:
    """Mix labeled documents among unlabeled ones. The labeled documents are repeated, so that a few
    of them still have weight among many unlabeled ones.

    labeled (List[Example]): The labeled documents.
    unlabeled (Iterable[AnyItem]): The unlabeled documents.
    labeled_share (float): The share of labeled documents among all, at least 0 and below 1.
    YIELDS (Union[Example, AnyItem]): The unlabeled documents in their order, with the labeled ones
        among them. Each labeled document is yielded at least once.
    """
    per_unlabeled = labeled_share / (1 - labeled_share)
    n_labeled = 0
    for n_unlabeled, example in enumerate(unlabeled, start=1):
        yield example
        while labeled and n_labeled < round(n_unlabeled * per_unlabeled):
            yield labeled[n_labeled % len(labeled)]
            n_labeled += 1
    yield from labeled[n_labeled:]


def n_labeled_in_pass(n_labeled: int, n_unlabeled: int, labeled_share: float) -> int:
    """RETURNS (int): The number of labeled documents in a pass of `interleave`."""
    if not n_labeled:
        return 0
    return max(n_labeled, round(n_unlabeled * labeled_share / (1 - labeled_share)))


def require_share(labeled_share: float, reader: str) -> None:
    """Raise ValueError if a share is not in the range from 0 to below 1."""
    if not 0 <= labeled_share < 1:
        raise ValueError(
            f"[D133] labeled_share={labeled_share} of {reader} is out of range: expected a number "
            "of at least 0 and below 1. Correct the config."
        )


def require_path(path: Optional[Path], name: str) -> None:
    """Raise ValueError if a path is set and does not exist."""
    if path is not None and not Path(path).exists():
        raise ValueError(
            f"[D331] The {name} corpus '{path}' does not exist. Create it, or correct the path."
        )
