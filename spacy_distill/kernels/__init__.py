"""Compiled loops over tokens: LSTM steps, stacks of LSTM layers, Viterbi, forward-backward.

A kernel is called once for a batch, numpy once for each step of it. Each caller also has a numpy
version, for GPUs and for installs without a compiler. The environment variable
SPACY_DISTILL_KERNELS selects the version: `avx2`, `baseline` (runs on every machine of the
architecture) or `numpy`. The default is the first of these that is available.
"""

import importlib
import os
import warnings
from typing import Any, Optional

import numpy

compiled: Any
try:
    compiled = importlib.import_module(f"{__name__}.compiled")
except ModuleNotFoundError:  # installed without a compiler
    compiled = None
except ImportError as error:
    warnings.warn(
        f"[D901] spacy-distill's compiled kernels cannot be loaded ({error}), so numpy is used. "
        "Install spacy-distill again on this machine.",
        stacklevel=2,
    )
    compiled = None

CHOICES = (*(reversed(compiled.INSTRUCTION_SETS) if compiled else ()), "numpy")


def use(choice: str) -> None:
    """Select the kernels of the whole process.

    choice (str): One of CHOICES.
    RAISES (ValueError): The choice is not available.
    """
    global in_use
    if choice not in CHOICES:
        raise ValueError(
            f"[D803] The kernels '{choice}' are not available here. Choose one of "
            f"{', '.join(CHOICES)} with SPACY_DISTILL_KERNELS or `spacy_distill.kernels.use`. "
            "Compiled kernels need a C++ compiler when the package is installed."
        )
    if choice != "numpy":
        compiled.use_instruction_set(choice)
    in_use = choice


def kernels(*arrays) -> Optional[Any]:
    """RETURNS (Optional[Any]): The module of compiled kernels, if they are in use and all arrays
    are float32 arrays of numpy; else None."""
    if in_use == "numpy":
        return None
    can_run = all(isinstance(array, numpy.ndarray) and array.dtype == "float32" for array in arrays)
    return compiled if can_run else None


in_use: str = CHOICES[-1]
use(os.environ.get("SPACY_DISTILL_KERNELS") or CHOICES[0])
