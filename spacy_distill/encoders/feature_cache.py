"""A cache of the hidden states of frozen transformers, in memory and optionally on disk."""

import hashlib
import os
import sqlite3
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Iterator, Mapping, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc
from spacy.training.batchers import minibatch_by_padded_size
from thinc.types import Floats3d

from ..forks import ForkSafe
from .matmul_precision import current_precision

if TYPE_CHECKING:
    from .encoder import Encoder

# The environment variable with a folder for the cache on disk. Later runs reuse its features, and
# so do other teachers over the same transformer.
FOLDER_VARIABLE = "SPACY_DISTILL_FEATURES"
# The maximum memory. The 14,041 sentences of CoNLL-2003 take 1.1 GB with seven layers of width 384,
# and 4 GB with 13 layers of width 768.
MAX_BYTES = 2**31
# The maximum memory for documents that are read once: some 25,000 tokens with 13 layers of width
# 768, so several teachers over one transformer can share a batch.
MAX_RECENT_BYTES = 2**29
# The maximum of a document on disk, below the billion bytes that sqlite allows.
MAX_ROW_BYTES = 900_000_000
# Seconds to wait while another process writes.
LOCK_TIMEOUT = 120
# With pages of 64 KiB, the maximum of sqlite, a sentence with 13 layers of width 768 is read five
# times as fast as with the default pages of 4 KiB.
SCHEMA = """
PRAGMA page_size = 65536;
CREATE TABLE IF NOT EXISTS features (
    key BLOB PRIMARY KEY, tokens INTEGER, layers INTEGER, data BLOB
);
"""


_is_read_once: ContextVar[bool] = ContextVar("is_read_once", default=False)


@contextmanager
def read_once() -> Iterator[None]:
    """Keep only the features of the last documents in memory within this context. It is for
    documents that will not be read again, such as by a teacher whose predictions are stored."""
    token = _is_read_once.set(True)
    try:
        yield
    finally:
        _is_read_once.reset(token)


class FeatureCache(ForkSafe):
    """A cache of features by transformer and document.

    When the memory is full, no more documents are added. Each epoch reads the same documents, so if
    the oldest ones were dropped, each would be dropped just before it is read again. Documents that
    are read once are kept apart, and there the oldest ones are dropped.
    """

    def __init__(
        self, max_bytes: int = MAX_BYTES, max_recent_bytes: int = MAX_RECENT_BYTES
    ) -> None:
        """Create an empty cache.

        max_bytes (int): The maximum memory in bytes.
        max_recent_bytes (int): The maximum memory for documents that are read once.
        """
        self.max_bytes = max_bytes
        self.max_recent_bytes = max_recent_bytes
        self._arrays: Dict[Tuple[str, bytes], Floats3d] = {}
        # In the order in which they were added.
        self._recent: Dict[Tuple[str, bytes], Floats3d] = {}
        self._n_bytes = self._n_recent_bytes = 0
        # By process, because a connection of sqlite cannot be used after a fork.
        self._databases: Dict[Tuple[int, Path], sqlite3.Connection] = {}
        super().__init__()

    def __len__(self) -> int:
        """RETURNS (int): The number of documents in memory."""
        return len({*self._arrays, *self._recent})

    def clear(self) -> None:
        """Delete all features in memory."""
        with self._lock:
            self._arrays.clear()
            self._recent.clear()
            self._n_bytes = self._n_recent_bytes = 0

    def get_all(self, model: str, docs: Sequence[bytes]) -> Dict[bytes, Floats3d]:
        """Look up the features of documents.

        model (str): The key of the transformer.
        docs (Sequence[bytes]): The keys of the documents.
        RETURNS (Dict[bytes, Floats3d]): The features that were found, float16, by the documents'
            keys.
        """
        found = {}
        with self._lock, _usable_database():
            database = self._open(model)
            for key in dict.fromkeys(docs):
                array = self._find(model, key)
                if array is None and database is not None:
                    array = _read(database, key)
                if array is not None:
                    found[key] = array
                    self._keep(model, key, array)
        return found

    def set_all(self, model: str, arrays: Mapping[bytes, Floats3d]) -> None:
        """Add the features of documents.

        model (str): The key of the transformer.
        arrays (Mapping[bytes, Floats3d]): (tokens, layers, width) float16, by the documents' keys.
        """
        with self._lock, _usable_database():
            for key, array in arrays.items():
                self._keep(model, key, array)
            database = self._open(model)
            if database is not None:
                rows = [
                    (key, *array.shape[:2], array.tobytes())
                    for key, array in arrays.items()
                    if array.nbytes <= MAX_ROW_BYTES
                ]
                with database:
                    database.executemany(
                        "INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?)", rows
                    )

    def _find(self, model: str, key: bytes) -> Optional[Floats3d]:
        array = self._arrays.get((model, key))
        return self._recent.get((model, key)) if array is None else array

    def _keep(self, model: str, key: bytes, array: Floats3d) -> None:
        place = model, key
        if place in self._arrays:
            return
        if not _is_read_once.get():
            if self._n_bytes + array.nbytes <= self.max_bytes:
                self._arrays[place] = array.copy()
                self._n_bytes += array.nbytes
        elif place not in self._recent:
            self._recent[place] = array.copy()
            self._n_recent_bytes += array.nbytes
            while self._n_recent_bytes > self.max_recent_bytes:
                oldest = next(iter(self._recent))
                self._n_recent_bytes -= self._recent.pop(oldest).nbytes

    def _open(self, model: str) -> Optional[sqlite3.Connection]:
        folder = os.environ.get(FOLDER_VARIABLE)
        if not folder:
            return None
        path = Path(folder) / f"{model}.sqlite"
        key = os.getpid(), path
        if key not in self._databases:
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=LOCK_TIMEOUT, check_same_thread=False)
            try:
                database.executescript(SCHEMA)
            except sqlite3.OperationalError:
                raise  # not damaged: `_usable_database` reports it
            except sqlite3.DatabaseError as error:
                database.close()
                raise _damage(path, error) from error
            self._databases[key] = database
        return self._databases[key]


@contextmanager
def _usable_database() -> Iterator[None]:
    """Raise ValueError if the database cannot be used now: the disk is full, another process has
    locked it, or its folder cannot be made."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise ValueError(
            f"[D792] The cache of features in {FOLDER_VARIABLE} = '{os.environ[FOLDER_VARIABLE]}' "
            f"cannot be used: {error}. Free space on the disk, wait for the other process, or name "
            "another folder."
        ) from error


def _read(database: sqlite3.Connection, key: bytes) -> Optional[Floats3d]:
    query = "SELECT tokens, layers, data FROM features WHERE key = ?"
    try:
        row = database.execute(query, (key,)).fetchone()
        if row is None:
            return None
        return numpy.frombuffer(row[2], dtype="float16").reshape((row[0], row[1], -1))
    except sqlite3.OperationalError:
        raise  # not damaged: `_usable_database` reports it
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        raise _damage(database.execute("PRAGMA database_list").fetchone()[2], error) from error


def _damage(path: Union[Path, str], error: Exception) -> ValueError:
    return ValueError(
        f"[D791] The cache of features '{path}' is damaged: {error}. Delete it: it is made again."
    )


# One cache per process, so that all layers over the same transformer share its features.
FEATURES = FeatureCache()


def cached_states(encoder: "Encoder", docs: Sequence[Doc], layers: Sequence[int]) -> Floats3d:
    """Look up the hidden states of documents, and compute the missing ones.

    encoder (Encoder): A frozen transformer.
    docs (Sequence[Doc]): The documents.
    layers (Sequence[int]): The layers, 0 for the transformer's embeddings.
    RETURNS (Floats3d): (tokens, layers, width) float32, a numpy array.
    RAISES (ValueError): Hidden states are too large for half precision.
    """
    import torch

    docs = [doc for doc in docs if len(doc)]
    keys = [features_key(encoder, doc, layers) for doc in docs]
    found = FEATURES.get_all(encoder.fingerprint, keys)
    every = list(range(encoder.depth + 1))
    if list(layers) != every:  # another one may have read all layers
        whole = {
            features_key(encoder, doc, every): key
            for key, doc in zip(keys, docs, strict=True)
            if key not in found
        }
        for key, array in FEATURES.get_all(encoder.fingerprint, list(whole)).items():
            found[whole[key]] = array[:, list(layers)]
    unread = {key: doc for key, doc in zip(keys, docs, strict=True) if key not in found}
    for batch in minibatch_by_padded_size(
        unread.items(), encoder.batch_size, get_length=lambda item: len(item[1])
    ):
        with torch.inference_mode():
            states, _ = encoder.states([doc for _, doc in batch], layers)
        halves = states.half().cpu().numpy()
        if not numpy.isfinite(halves).all():
            raise ValueError(
                f"[D604] Hidden states of the transformer '{encoder.name}' are NaN, or too large "
                "for half precision, in which they are cached. Set `frozen = false`."
            )
        ends = numpy.cumsum([len(doc) for _, doc in batch])[:-1]
        new = {key: part for (key, _), part in zip(batch, numpy.split(halves, ends), strict=True)}
        FEATURES.set_all(encoder.fingerprint, new)
        found.update(new)
    empty = numpy.zeros((0, len(layers), encoder.width), dtype="float32")
    return numpy.concatenate([empty, *(found[key] for key in keys)])


def features_key(encoder: "Encoder", doc: Doc, layers: Sequence[int]) -> bytes:
    """RETURNS (bytes): A hash of all that features depend on except for the transformer: the words
    and spaces of the document, the window, the layers, and the precision of matrix products."""
    digest = hashlib.blake2b(doc.to_array(["ORTH", "SPACY"]).tobytes(), digest_size=16)
    digest.update(repr((encoder.window, list(layers))).encode())
    precision = current_precision()
    if precision != "highest":
        digest.update(precision.encode())
    return digest.digest()
