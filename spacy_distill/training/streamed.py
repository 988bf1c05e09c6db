"""Streams of training documents: their words are forgotten after each step."""

from contextlib import contextmanager
from typing import Any, Iterator, List, Mapping, Sequence

from spacy.language import Language
from spacy.training import Example

from ..corpora.labeled import Item, MixedReader, PendingExample
from ..jobs.memory_zones import memory_zones, pipelines_with_zones
from .corpus import Reader, with_student_tokens

# Words that are kept before forgetting begins: spaCy's tokenizer remembers the tokens of a word
# only outside of memory zones, and should know the frequent ones.
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


def takes_lengths(batcher: Mapping[str, Any]) -> bool:
    """RETURNS (bool): Whether a batcher looks at nothing but the lengths of examples, as those of
    spaCy do. batcher (Mapping[str, Any]): Its block of the config."""
    is_spacys = str(batcher.get("@batchers", "")).startswith("spacy.")
    return is_spacys and batcher.get("get_length") is None


class ExampleMaker:
    """Creates the documents of a stream's batches, and frees their words after the step."""

    def __init__(self, nlp: Language, *, forgets: bool) -> None:
        """Create the maker.

        nlp (Language): The student's pipeline.
        forgets (bool): Whether words may be freed: nothing keeps a batch's documents, or writes to
            labeled ones.
        """
        self._zones = pipelines_with_zones([nlp]) if forgets else []
        self._n_words = 0

    @contextmanager
    def made(self, batch: Sequence[Item]) -> Iterator[List[Example]]:
        """Create the documents of a batch. They must not be used after the context.

        batch (Sequence[Item]): Examples, some of which may be pending.
        YIELDS (List[Example]): The examples. The list is empty after the context.
        """
        zones = self._zones_of(batch)
        self._count(batch)
        with memory_zones(zones):
            examples = [item.make() if isinstance(item, PendingExample) else item for item in batch]
            try:
                yield examples
            finally:
                examples.clear()

    def replay(self, batch: Sequence[Item]) -> None:
        """Read a batch that an earlier run trained on. If the vocabulary kept its words, they are
        added again."""
        if not self._zones_of(batch):
            for item in batch:
                if isinstance(item, PendingExample):
                    item.make()
        self._count(batch)

    def _zones_of(self, batch: Sequence[Item]) -> List[Language]:
        is_warm = self._n_words >= WARM_UP
        is_pending = any(isinstance(item, PendingExample) for item in batch)
        return self._zones if is_warm and is_pending else []

    def _count(self, batch: Sequence[Item]) -> None:
        self._n_words += sum(len(item) for item in batch if isinstance(item, PendingExample))
