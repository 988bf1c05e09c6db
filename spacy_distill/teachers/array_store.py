"""Store arrays in memory up to a limit, and in a temporary file beyond it."""

import tempfile
import weakref
from typing import Any, NamedTuple, Optional, Tuple, Union

import numpy


class _Place(NamedTuple):
    """The place of an array in the file."""

    offset: int
    shape: Tuple[int, ...]
    dtype: str


# A reference to an array in the store: the array itself, or its place in the file.
Stored = Union[numpy.ndarray, _Place]


class ArrayStore:
    """Stores arrays. The first arrays stay in memory. Each epoch reads all arrays in turn, so a
    least-recently-used cache would drop each array just before it is needed.

    The file is temporary: it is deleted with the store, or when the process ends.
    """

    def __init__(self, max_bytes: int) -> None:
        """Create an empty store.

        max_bytes (int): The maximum number of bytes in memory. With 0, all arrays are in the file.
        """
        self.max_bytes = max_bytes
        self.n_bytes_in_memory = 0
        self._file: Optional[Any] = None
        self._end = 0

    @property
    def n_bytes_on_disk(self) -> int:
        """The number of bytes in the file."""
        return self._end

    def put(self, array: numpy.ndarray) -> Stored:
        """Store an array.

        array (numpy.ndarray): The array, which is copied.
        RETURNS (Stored): The reference to pass to `get`.
        RAISES (OSError): The file cannot be written.
        """
        if self.n_bytes_in_memory + array.nbytes <= self.max_bytes:
            self.n_bytes_in_memory += array.nbytes
            return array.copy()
        place = _Place(self._end, array.shape, array.dtype.str)
        try:
            if self._file is None:
                # The file stays open as long as the store exists.
                self._file = tempfile.TemporaryFile(prefix="spacy-distill-")  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            self._file.write(array.tobytes())
            self._file.flush()
        except OSError as error:
            raise OSError(
                "[D279] The teacher's predictions cannot be stored in the temporary folder "
                f"'{tempfile.gettempdir()}': {error}. Free some space, choose another folder with "
                "the environment variable TMPDIR, or write a soft corpus with distill-annotate."
            ) from error
        self._end += array.nbytes
        return place

    def get(self, stored: Stored) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The stored array. It must not be changed."""
        if isinstance(stored, numpy.ndarray):
            return stored
        assert self._file is not None
        self._file.seek(stored.offset)
        dtype = numpy.dtype(stored.dtype)
        n_bytes = dtype.itemsize * int(numpy.prod(stored.shape))
        return numpy.frombuffer(self._file.read(n_bytes), dtype).reshape(stored.shape)

    def close(self) -> None:
        """Delete the file. Arrays in memory stay."""
        if self._file is not None:
            self._file.close()
