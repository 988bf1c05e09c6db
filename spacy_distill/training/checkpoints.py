"""Pipelines on disk: whole, or not at all."""

import shutil
from pathlib import Path

from spacy.language import Language

MODEL_BEST = "model-best"
MODEL_LAST = "model-last"


def require_output_dir(path: Path, *, overwrite: bool) -> None:
    """Make sure that results can go to a folder.

    path (Path): The folder; made if it is not there.
    overwrite (bool): Whether earlier models in it may be replaced.
    RAISES (ValueError): It is a file, or has something in it and nothing may be replaced.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"The output path '{path}' is a file. Name a folder.")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ValueError(
            f"The output folder '{path}' is not empty. Name another one, or allow with --overwrite "
            f"that {MODEL_BEST} and {MODEL_LAST} in it are replaced."
        )
    path.mkdir(parents=True, exist_ok=True)
    for name in (MODEL_BEST, MODEL_LAST):
        if (path / name).exists():
            shutil.rmtree(path / name)


def save_whole(nlp: Language, path: Path) -> None:
    """Write a pipeline beside its place and put it there when it is complete.

    nlp (Language): The pipeline.
    path (Path): Its folder; an earlier one is replaced.
    """
    unfinished = path.with_name(f".{path.name}-unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    nlp.to_disk(unfinished)
    put_in_place(unfinished, path)


def copy_whole(source: Path, path: Path) -> None:
    """Copy a saved pipeline's folder; an earlier one at the new place is replaced."""
    unfinished = path.with_name(f".{path.name}-unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    shutil.copytree(source, unfinished)
    put_in_place(unfinished, path)


def put_in_place(unfinished: Path, path: Path) -> None:
    """Rename a complete folder to its name."""
    if path.exists():
        shutil.rmtree(path)
    unfinished.rename(path)
