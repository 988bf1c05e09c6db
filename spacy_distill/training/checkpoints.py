"""The output folder of a training, and other things that are checked before a long run."""

import shutil
from pathlib import Path
from typing import Optional

from thinc.api import require_gpu
from thinc.util import gpu_is_available

MODEL_BEST = "model-best"
MODEL_LAST = "model-last"


def require_output_dir(path: Path, *, overwrite: bool) -> None:
    """Make sure that results can go to a folder, which need not exist; raise ValueError if not.
    Earlier models in it may be replaced with `overwrite`."""
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
    """Create the output folder, if there is to be one, and remove earlier models from it."""
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
        for name in (MODEL_BEST, MODEL_LAST):
            if (path / name).exists():
                shutil.rmtree(path / name)


def require_device(use_gpu: int) -> None:
    """Switch to a GPU if its number is not negative; raise ValueError if there is none."""
    if use_gpu < 0:
        return
    if not gpu_is_available():
        raise ValueError(
            f"[D730] GPU {use_gpu} was asked for, but none can be used here. Install cupy for your "
            "CUDA version, or leave out --gpu-id to run on the CPU."
        )
    require_gpu(use_gpu)


def require_range(name: str, value: int, least: int, most: Optional[int] = None) -> None:
    """Make sure that a number is in its range; raise ValueError if not."""
    if value < least or (most is not None and value > most):
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"[D705] {name} has to be {limits}: found {value}.")
