"""Hashes of files."""

from pathlib import Path
from typing import Any


def update_with_file(digest: Any, path: Path) -> None:
    """Update a hash with the bytes of a file, read in chunks.

    digest (Any): The hash object of `hashlib`, changed in place.
    path (Path): The file.
    """
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
