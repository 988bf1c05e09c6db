"""Batches of a training without a teacher: labeled and unlabeled ones in turn."""

from itertools import count
from typing import Any, Callable, Iterable, Iterator, List, Tuple

from spacy.language import Language
from spacy.training import Example
from spacy.training.loop import create_train_batches

from ..corpora.labeled import MixedReader
from .corpus import Reader, is_labeled, with_student_tokens

Batch = Tuple[int, List[Example]]


def alternating_batches(
    nlp: Language,
    read: Reader,
    read_labeled: Reader,
    batcher: Callable[[Iterable[Example]], Iterable[Any]],
    max_epochs: int,
    labeled_share: float,
) -> Iterator[Batch]:
    """Create batches of labeled documents and batches of unlabeled ones, in turn.

    nlp (Language): The pipeline.
    read (Reader): Reads all documents.
    read_labeled (Reader): Reads the labeled documents, which have to fit into memory.
    batcher (Callable): Makes batches of examples.
    max_epochs (int): The number of passes over the unlabeled documents; 0 for no limit. With -1
        these are read anew in each pass.
    labeled_share (float): The share of labeled batches, between 0 and 1.
    YIELDS (Tuple[int, List[Example]]): A batch, with the number of passes over the unlabeled
        documents before it.
    """

    def read_unlabeled(student: Language) -> Iterator[Example]:
        return (example for example in read(student) if not is_labeled(example))

    labeled = create_train_batches(nlp, read_labeled, batcher, 0)
    unlabeled = create_train_batches(nlp, read_unlabeled, batcher, max_epochs)
    epoch = 0
    for step in count():
        if int((step + 1) * labeled_share) > int(step * labeled_share):
            yield epoch, next(labeled)[1]
            continue
        item = next(unlabeled, None)
        if item is None:
            return
        epoch = item[0]
        yield item


def require_both_kinds(read: Reader, read_labeled: Reader, nlp: Language, name: str) -> None:
    """Raise ValueError if a corpus has no labeled or no unlabeled document, of which a training
    without a teacher needs both.

    read, read_labeled, nlp: As in `alternating_batches`.
    name (str): The name of the corpus in the config.
    """
    kinds = {
        "labeled": any(is_labeled(example) for example in read_labeled(nlp)),
        "unlabeled": any(not is_labeled(example) for example in read(nlp)),
    }
    for kind, found in kinds.items():
        if not found:
            instead = "with `spacy train`" if kind == "unlabeled" else "with a teacher"
            raise ValueError(
                f"[D814] The corpus '{name}' has no {kind} documents, which a training without a "
                f"teacher needs. Name some in [paths], or train {instead}."
            )


def reader_of_labeled(corpus: Any, examples: List[Example]) -> Reader:
    """Make the reader of a corpus's labeled documents.

    corpus (Any): The reader of a corpus that is streamed; None if `examples` has all documents.
    examples (List[Example]): All documents of a corpus that is not streamed. Labeled ones may be
        there several times.
    RETURNS (Reader): The reader.
    """

    def read(student: Language) -> Iterable[Example]:
        if corpus is None:
            return {id(item): item for item in examples if is_labeled(item)}.values()
        found = corpus.labeled(student) if isinstance(corpus, MixedReader) else corpus(student)
        return (item for item in with_student_tokens(found) if is_labeled(item))

    return read
