"""Limits for files that a stranger made. Sizes are checked before memory is taken for them."""

import re
import zlib
from pathlib import Path
from typing import Any, BinaryIO, List

from srsly.msgpack import Unpacker
from srsly.msgpack.exceptions import UnpackException

# A compressed file may become this many times as large, and any file may become LEAST bytes.
# Documents of the same few words become some 60 times as large.
LARGEST_RATIO, LEAST = 200, 2**28
# A manifest in JSON takes some ten times its size in memory.
LARGEST_MANIFEST = 2**27
# The shards that a manifest of this size can list: an entry has about 300 bytes.
MOST_SHARDS = 400_000
_PLAIN_NAME = re.compile(r"[\w-][\w.-]*")


def is_plain_name(name: Any) -> bool:
    """RETURNS (bool): Whether a file name has no folder in it, so that it cannot lead anywhere
    else."""
    return isinstance(name, str) and bool(_PLAIN_NAME.fullmatch(name)) and len(name) < 200


def require_file_size(path: Path, most: int) -> None:
    """Raise ValueError if a file is larger than a number of bytes."""
    size = path.stat().st_size
    if size > most:
        raise ValueError(
            f"[D780] '{path}' has {size:,} bytes: expected at most {most:,}. It is damaged, or was "
            "not made by this package."
        )


def require_msgpack(data: bytes) -> None:
    """Raise ValueError if bytes are not one complete msgpack object. Nothing is allocated for what
    the bytes only announce."""
    unpacker = Unpacker(max_buffer_size=len(data) + 1)
    unpacker.feed(data)
    try:
        unpacker.skip()
    except UnpackException as error:
        problem = str(error) or type(error).__name__
    else:
        if unpacker.tell() == len(data):
            return
        problem = "there are bytes after the end"
    raise ValueError(
        f"[D781] The data is not complete msgpack: {problem}. Copy the file again, or save it "
        "again."
    )


def largest_size(n_compressed: int) -> int:
    """RETURNS (int): The bytes that a compressed file of a size may become."""
    return max(LARGEST_RATIO * n_compressed, LEAST)


def read_at_most(file: BinaryIO, most: int, name: str) -> bytes:
    """Read a stream to its end.

    file (BinaryIO): The stream.
    most (int): The maximum number of bytes.
    name (str): The name of the file, for the error.
    RETURNS (bytes): The content.
    RAISES (ValueError): The stream is longer.
    """
    parts: List[bytes] = []
    rest = most
    while part := file.read(min(rest + 1, 1 << 20)):
        rest -= len(part)
        if rest < 0:
            raise too_large_error(name, most)
        parts.append(part)
    return b"".join(parts)


def too_large_error(name: str, most: int) -> ValueError:
    """RETURNS (ValueError): The error for a file that takes too much memory."""
    return ValueError(
        f"[D782] {name} takes more than {most:,} bytes of memory when it is unpacked. It is "
        "damaged, or made to fill the memory. Split it into smaller files if it is yours."
    )


def require_documents(data: bytes, name: str) -> None:
    """Raise ValueError if spaCy's binary format of documents takes too much memory. Data of other
    kinds is left to spaCy.

    data (bytes): The compressed data.
    name (str): The name of the file, for the error.
    """
    most = largest_size(len(data))
    stream = zlib.decompressobj()
    n_bytes = 0
    try:
        while data and not stream.eof:
            part = stream.decompress(data, 1 << 20)
            data = stream.unconsumed_tail
            n_bytes += len(part)
            if n_bytes > most:
                raise too_large_error(name, most)
    except zlib.error:
        return
