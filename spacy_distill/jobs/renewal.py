"""Load what writes shards again from time to time, so that memory does not grow with the text."""

import gc
from pathlib import Path
from typing import List, Optional, Sequence

from ..corpora.inputs import InputDocument
from .plan import Advance, Plan, ShardWriter, Written

# Characters that are read before the pipelines are loaded again: some 100 shards.
CHARACTERS = 50_000_000


class RenewedWriter:
    """The writer of a plan, which is loaded again after every 50 million characters.

    A memory zone forgets the words of a text, but spaCy's indices of words keep a place for each
    word that was ever read. They go with the pipeline. Pipelines with components of other packages
    or with a user's code are not loaded again, since their code may not support it. Neither are
    those that have changed on the disk.
    """

    def __init__(self, plan: Plan, folder: Path, advance: Advance, *, frozen: bool = False) -> None:
        """Load the writer.

        plan (Plan): How shards are made.
        folder (Path): The output folder.
        advance (Advance): Called after each batch.
        frozen (bool): Whether the garbage collector should not look at what is loaded, since the
            process does nothing else.
        """
        self._plan = plan
        self._folder = folder
        self._advance = advance
        self._frozen = frozen
        # What the plan uses, when the job began.
        self.identity = plan.identity()
        self._writer: Optional[ShardWriter] = self._load()
        self._n_characters = 0

    @property
    def labels(self) -> Sequence[str]:
        """The labels of entities."""
        return self._loaded().labels

    def __call__(self, number: int, documents: List[InputDocument], input_hash: str) -> Written:
        """Write a shard."""
        if self._n_characters >= CHARACTERS:
            self._n_characters = 0
            if self._can_renew():
                self._drop()
                self._writer = self._load()
        self._n_characters += sum(len(document.text) for document in documents)
        return self._loaded()(number, documents, input_hash)

    def _can_renew(self) -> bool:
        is_safe = self._loaded().has_zones and self._plan.code is None
        return is_safe and self._plan.identity() == self.identity

    def _load(self) -> ShardWriter:
        writer = self._plan.writer(self._folder, self._advance)
        if self._frozen:
            gc.freeze()
        return writer

    def _drop(self) -> None:
        # Pipelines have references in circles, and the new one needs their memory.
        self._writer = None
        if self._frozen:
            gc.unfreeze()
        gc.collect()

    def _loaded(self) -> ShardWriter:
        assert self._writer is not None
        return self._writer
