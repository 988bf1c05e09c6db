"""Streams of training documents: their words are forgotten after each step."""

from contextlib import contextmanager
from typing import Iterator, List, Sequence

from spacy.language import Language
from spacy.training import Example

from ..corpora.labeled import Item, MixedReader, PendingExample
from ..jobs.memory_zones import memory_zones, pipelines_with_zones
from .corpus import Reader, with_student_tokens

# The number of words after which they are forgotten. spaCy's tokenizer remembers the tokens of a
# word only outside of memory zones, and then knows the frequent ones.
WARM_UP = 200_000


def read_stream(corpus: Reader, nlp: Language) -> Iterator[Item]:
    """Read a corpus once. Documents that nobody labeled are made later, if the reader can do that.

    corpus (Reader): The corpus.
    nlp (Language): The student's pipeline.
    YIELDS (Item): The examples, with the student's tokens.
    """
    pending = corpus.pending if isinstance(corpus, MixedReader) else None
    if pending is None:
        yield from with_student_tokens(corpus(nlp))
        return
    for item in pending(nlp):
        if isinstance(item, PendingExample):
            yield item
        else:
            yield from with_student_tokens([item])


class ExampleMaker:
    """Makes the documents of a stream's batches, and lets the vocabulary forget them."""

    def __init__(self, nlp: Language, *, forgets: bool) -> None:
        """Create the maker.

        nlp (Language): The student's pipeline.
        forgets (bool): Whether words may be forgotten: nothing keeps a batch's documents, or writes
            to labeled ones.
        """
        self._zones = pipelines_with_zones([nlp]) if forgets else []
        self._n_words = 0

    @contextmanager
    def made(self, batch: Sequence[Item]) -> Iterator[List[Example]]:
        """Make the documents of a batch. They must not be used after the context.

        batch (Sequence[Item]): Examples, some of which may be pending.
        YIELDS (List[Example]): The examples.
        """
        with memory_zones(self._zones if self._is_forgotten(batch) else []):
            yield [item.make() if isinstance(item, PendingExample) else item for item in batch]

    def skip(self, batch: Sequence[Item]) -> None:
        """Make the documents of a batch that an earlier run trained on, if the vocabulary kept
        their words."""
        if not self._is_forgotten(batch):
            for item in batch:
                if isinstance(item, PendingExample):
                    item.make()

    def _is_forgotten(self, batch: Sequence[Item]) -> bool:
        n_pending = sum(len(item) for item in batch if isinstance(item, PendingExample))
        is_warm = self._n_words >= WARM_UP
        self._n_words += n_pending
        return bool(self._zones) and is_warm and n_pending > 0
