"""Checks before a long run: its output path, its code, its device and its numbers."""

from pathlib import Path
from typing import Optional, Union

from thinc.api import require_gpu
from thinc.util import gpu_is_available

from .paths import was_url


def require_local(path: Path) -> None:
    """Raise ValueError if the path of an output was a URL."""
    if was_url(path):
        raise ValueError(
            f"[D725] The output '{path}' is a URL: only distill-annotate and distill-tag write to "
            "URLs. Name a local folder, and copy it afterwards."
        )


def require_no_file(path: Path) -> None:
    """Raise ValueError if a path that has to be a folder is a file."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"[D720] The output path '{path}' is a file. Name a folder.")


def require_free(
    output: Path, *, overwrite: bool, kind: str = "pipeline", mark: str = "meta.json"
) -> None:
    """Raise ValueError if the output folder has other files, or a result that must not be replaced.

    output (Path): The folder, which need not exist.
    overwrite (bool): Whether an earlier result of the same kind may be replaced.
    kind (str): The kind of the result, for errors.
    mark (str): A file that each result of this kind has.
    """
    require_local(output)
    is_taken = output.exists() and (not output.is_dir() or any(output.iterdir()))
    if is_taken and not (overwrite and (output / mark).is_file()):
        raise ValueError(
            f"[D722] {output} is a file, or a folder that is not empty. Name a new folder, or "
            f"replace an earlier {kind} with --force."
        )


def require_python_file(path: Optional[Union[str, Path]]) -> None:
    """Raise ValueError if a path is not None and is no file."""
    if path is not None and not Path(path).is_file():
        raise ValueError(f"[D707] There is no Python file '{path}'. Correct the path (--code).")


def require_device(use_gpu: int) -> None:
    """Switch to the GPU with this id, or stay on the CPU if it is negative. Raise ValueError if
    there is no GPU."""
    if use_gpu < 0:
        return
    if not gpu_is_available():
        raise ValueError(
            f"[D730] GPU {use_gpu} cannot be used: found no usable GPU. Install cupy for your "
            "CUDA version, or leave out --gpu-id to run on the CPU."
        )
    require_gpu(use_gpu)


def require_range(name: str, value: float, least: float, most: Optional[float] = None) -> None:
    """Raise ValueError if a number is out of its range."""
    if not (value >= least and (most is None or value <= most)):  # also if it is NaN
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"[D705] {name} has to be {limits}: found {value}.")
