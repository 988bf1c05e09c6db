"""Paths that a person gives: files of this machine, or of any file system that fsspec knows."""

import re
from pathlib import Path
from typing import Union
from urllib.request import url2pathname

from .loading import import_library

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# A URL that became a path: `Path` leaves out one slash. Drives of Windows have a single letter.
_URL_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")
FILE_SCHEME = "file://"


def to_path(name: Union[str, Path]) -> Path:
    """Get the path of a name.

    name (Union[str, Path]): A path, or a URL such as `s3://BUCKET/FOLDER`.
    RETURNS (Path): A path of `pathlib` for a local file, also for `file://`. Otherwise a `UPath`,
        which has the same methods.
    RAISES (ValueError): The file system is not known, or its library is not installed.
    RAISES (ImportError): The library universal-pathlib is not installed.
    """
    text = str(name)
    if isinstance(name, Path) and was_url(name):
        raise ValueError(
            f"[D726] The path '{text}' was a URL before it became a Path, which has lost a slash. "
            "Pass the URL as text."
        )
    if isinstance(name, Path) or not _URL.match(text):
        return Path(name)
    if text.startswith(FILE_SCHEME):
        return Path(without_file_scheme(text))
    upath = import_library("upath", "cloud")
    try:
        # Other processes write too, so no listing is kept.
        path = upath.UPath(text, use_listings_cache=False)
        path.fs  # noqa: B018 Imports the library of the file system.
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"[D757] The path '{text}' cannot be used: {str(error).rstrip('.')}. Correct it, or "
            "install the library that fsspec names."
        ) from error
    return path


def is_url(name: str) -> bool:
    """RETURNS (bool): Whether a name is a URL."""
    return _URL.match(name) is not None


def was_url(path: Path) -> bool:
    """RETURNS (bool): Whether a path of this machine was made of a URL."""
    return _URL_AS_PATH.match(str(path)) is not None


def without_file_scheme(name: str) -> str:
    """RETURNS (str): The path that a URL of a local file stands for; other names unchanged."""
    is_file = name.startswith(FILE_SCHEME)
    return url2pathname(name.removeprefix(FILE_SCHEME)) if is_file else name


def is_local(path: Path) -> bool:
    """RETURNS (bool): Whether a path is one of this machine."""
    # Paths of other file systems are no instances of Path.
    return isinstance(path, Path)
