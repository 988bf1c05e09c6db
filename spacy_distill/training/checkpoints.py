"""Pipelines on disk: whole, or not at all."""

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

from spacy.language import Language

MODEL_BEST = "model-best"
MODEL_LAST = "model-last"


def require_output_dir(path: Path, *, overwrite: bool) -> None:
    """Make sure that results can go to a folder; nothing is changed yet.

    path (Path): The folder, which need not be there.
    overwrite (bool): Whether earlier models in it may be replaced.
    RAISES (ValueError): It is a file, or has something in it and nothing may be replaced.
    """
    require_no_file(path)
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ValueError(
            f"[D721] The output folder '{path}' is not empty. Name another one, or allow with "
            f"--overwrite that {MODEL_BEST} and {MODEL_LAST} in it are replaced."
        )


def require_no_file(path: Path) -> None:
    """Make sure that a path can be a folder; raise ValueError if it is a file."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"[D720] The output path '{path}' is a file. Name a folder.")


def clear_output_dir(path: Optional[Path]) -> None:
    """Make the output folder, if there is to be one, and remove earlier models from it."""
    if path is None:
        return
    path.mkdir(parents=True, exist_ok=True)
    for name in (MODEL_BEST, MODEL_LAST):
        if (path / name).exists():
            shutil.rmtree(path / name)


def save_whole(nlp: Language, path: Path) -> None:
    """Write a pipeline beside its place and put it there when it is complete.

    nlp (Language): The pipeline.
    path (Path): Its folder; an earlier one is replaced.
    """
    with unfinished_dir(path) as unfinished:
        nlp.to_disk(unfinished)


def copy_whole(source: Path, path: Path) -> None:
    """Copy a saved pipeline's folder; an earlier one at the new place is replaced."""
    with unfinished_dir(path) as unfinished:
        shutil.copytree(source, unfinished)


@contextmanager
def unfinished_dir(path: Path) -> Iterator[Path]:
    """Give a place beside a folder's; put what is written there in the folder's place if all went
    well, and remove it if not."""
    unfinished = path.with_name(f".{path.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        yield unfinished
        if path.exists():
            shutil.rmtree(path)
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
