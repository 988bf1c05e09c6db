"""A frozen transformer's features of documents, kept in memory and, where wanted, on disk."""

import hashlib
import os
import sqlite3
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats3d

# A folder in which features stay from run to run: several teachers over one frozen transformer
# then read each document once. A matter of the machine, so no setting of a model's config.
FOLDER = "SPACY_DISTILL_FEATURES"
# What is kept in memory; the 14,041 sentences of CoNLL-2003 have 1.1 GB with seven layers of 384.
MAX_BYTES = 2**31
# Seconds to wait for another process that writes.
PATIENCE = 120


class FeatureCache:
    """Arrays by the documents' words. Oldest ones leave memory when it has too many."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Make an empty cache.

        max_bytes (int): What is kept in memory.
        """
        self.max_bytes = max_bytes
        # Which transformer the features are of.
        self.model_key = ""
        self._arrays: Dict[bytes, Floats3d] = {}
        self._n_bytes = 0
        self._database: Optional[sqlite3.Connection] = None

    def __deepcopy__(self, memo: Any) -> "FeatureCache":
        """Of a copy of the model the weights may be others soon."""
        return FeatureCache(self.max_bytes)

    def __reduce__(self):
        return FeatureCache, (self.max_bytes,)

    def __len__(self) -> int:
        """Documents in memory."""
        return len(self._arrays)

    def get_all(self, keys: Sequence[bytes]) -> Dict[bytes, Floats3d]:
        """RETURNS (Dict[bytes, Floats3d]): Those of the documents that there are, float16."""
        found = {key: self._arrays[key] for key in keys if key in self._arrays}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        database = self._open() if missing else None
        if database is not None:
            query = "SELECT shape, data FROM features WHERE key = ?"
            for key in missing:
                row = database.execute(query, (key,)).fetchone()
                if row is not None:
                    shape = numpy.frombuffer(row[0], dtype="int64")
                    array = numpy.frombuffer(row[1], dtype="float16").reshape(shape)
                    found[key] = array
                    self._keep(key, array)
        return found

    def set_all(self, arrays: Mapping[bytes, Floats3d]) -> None:
        """Keep features, float16, by the documents' keys."""
        for key, array in arrays.items():
            self._keep(key, array.copy())
        database = self._open()
        if database is not None:
            rows = [
                (key, numpy.asarray(array.shape, dtype="int64").tobytes(), array.tobytes())
                for key, array in arrays.items()
            ]
            with database:
                database.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", rows)

    def _keep(self, key: bytes, array: Floats3d) -> None:
        self._arrays[key] = array
        self._n_bytes += array.nbytes
        while self._n_bytes > self.max_bytes:
            oldest = next(iter(self._arrays))
            self._n_bytes -= self._arrays.pop(oldest).nbytes

    def _open(self) -> Optional[sqlite3.Connection]:
        folder = os.environ.get(FOLDER)
        if not folder:
            return None
        if self._database is None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            path = Path(folder) / f"{self.model_key}.sqlite"
            self._database = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, shape BLOB, data BLOB)"
            )
        return self._database


def document_key(doc: Doc) -> bytes:
    """RETURNS (bytes): What a transformer sees of a document: its words and spaces."""
    attributes = doc.to_array(["ORTH", "SPACY"])
    return hashlib.blake2b(attributes.tobytes(), digest_size=16).digest()


def model_key(transformer: Model) -> str:
    """RETURNS (str): What tells a transformer of spacy-transformers from others: its weights, its
    vocabulary and how documents are cut into windows for it."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in transformer.transformer.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    tokenizer, get_spans = transformer.tokenizer, transformer.attrs["get_spans"]
    function = getattr(get_spans, "func", get_spans)
    parts = [
        type(tokenizer).__name__,
        sorted(tokenizer.get_vocab().items()),
        tokenizer.init_kwargs.get("do_lower_case"),
        getattr(function, "__qualname__", type(function).__name__),
        sorted(getattr(get_spans, "keywords", {}).items()),
    ]
    digest.update(repr(parts).encode())
    return digest.hexdigest()
