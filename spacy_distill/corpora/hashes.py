"""Hashes of files."""

from pathlib import Path
from typing import Any


def update_with_file(digest: Any, path: Path) -> None:
    """Feed a file's bytes to a hash, some at a time.

    digest (hashlib hash): The hash, changed in place.
    path (Path): The file.
    """
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
