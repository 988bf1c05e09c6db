"""Compiled loops over tokens: LSTM steps, stacks of LSTM layers, Viterbi, forward-backward.
`forms.pyx` has those over word forms.

A kernel is called once for a batch, numpy once for each step of it. Each caller also has a numpy
version, for GPUs and for installs without a compiler.

The environment variable SPACY_DISTILL_KERNELS selects the version: one of CHOICES (an instruction
set, or `numpy`), one of PRECISIONS, or both, such as `avx2,float32`. The default is the best
instruction set of the machine, and the precision of each layer.
"""

import importlib
import os
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Iterator, Optional

import numpy

compiled: Any
forms: Any
try:
    compiled = importlib.import_module(f"{__name__}.compiled")
    forms = importlib.import_module(f"{__name__}.forms")
except ModuleNotFoundError:  # installed without a compiler
    compiled = forms = None
except ImportError as error:
    warnings.warn(
        f"[D901] spacy-distill's compiled kernels cannot be loaded ({error}), so numpy is used. "
        "Install spacy-distill again on this machine.",
        stacklevel=2,
    )
    compiled = forms = None

CHOICES = (*(reversed(compiled.INSTRUCTION_SETS) if compiled else ()), "numpy")
PRECISIONS = ("int8", "float32")


def use(choice: str) -> None:
    """Select the kernels of the whole process.

    choice (str): One of CHOICES, one of PRECISIONS, or both with a comma between them. Without one
        of CHOICES, the first of them is used. `float32` keeps layers from computing in integers.
    RAISES (ValueError): The choice is not available.
    """
    global in_use, allows_integers
    words = [word.strip() for word in choice.split(",")]
    chosen = [word for word in words if word in CHOICES] or [CHOICES[0]]
    precisions = [word for word in words if word in PRECISIONS] or ["int8"]
    if len(chosen) > 1 or len(precisions) > 1 or not {*words} <= {*CHOICES, *PRECISIONS}:
        raise ValueError(
            f"[D803] The kernels '{choice}' are not available here. Choose one of "
            f"{', '.join(CHOICES)}, one of {', '.join(PRECISIONS)}, or both with a comma between "
            "them, with SPACY_DISTILL_KERNELS or `spacy_distill.kernels.use`. Compiled kernels "
            "need a C++ compiler when the package is installed."
        )
    if chosen[0] != "numpy":
        compiled.use_instruction_set(chosen[0])
    in_use, allows_integers = chosen[0], precisions[0] == "int8"


def kernels(*arrays) -> Optional[Any]:
    """RETURNS (Optional[Any]): The module of compiled kernels, if they are in use and all arrays
    are float32 arrays of numpy; else None."""
    if in_use == "numpy":
        return None
    can_run = all(isinstance(array, numpy.ndarray) and array.dtype == "float32" for array in arrays)
    return compiled if can_run else None


def form_kernels() -> Optional[Any]:
    """RETURNS (Optional[Any]): The module of compiled loops over word forms, if kernels are in use;
    else None."""
    return None if in_use == "numpy" else forms


@contextmanager
def use_threads(n_threads: int) -> Iterator[None]:
    """Set the number of threads of a prediction, in a `with` block.

    n_threads (int): The number of threads, on which no result depends.
    """
    token = prediction_threads.set(n_threads)
    try:
        yield
    finally:
        prediction_threads.reset(token)


def count_threads() -> int:
    """RETURNS (int): OMP_NUM_THREADS, or the number of this process's processors."""
    chosen = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if chosen.isdigit() and int(chosen):
        return int(chosen)
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


in_use: str = CHOICES[-1]
allows_integers: bool = True
# The threads of a training step, and of a prediction in the current context.
n_training_threads: int = count_threads()
prediction_threads: ContextVar[int] = ContextVar("prediction_threads", default=1)
use(os.environ.get("SPACY_DISTILL_KERNELS") or CHOICES[0])
