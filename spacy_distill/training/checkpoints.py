"""The output folder of a training."""

import shutil
from pathlib import Path
from typing import Optional

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
            f"--force that {MODEL_BEST} and {MODEL_LAST} in it are replaced."
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
