"""Loops over tokens, compiled: the steps of an LSTM, layers of them, Viterbi, forward-backward.

numpy has to be called for each step of a batch, a kernel once for the whole batch. Callers of these
have the same in numpy too, for GPUs and for installs without a compiler. The environment variable
SPACY_DISTILL_KERNELS chooses: `avx2`, `baseline` (compiled for any machine of the architecture) or
`numpy`. The default is the first of these that is installed.
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
        f"[D901] spacy-distill's compiled kernels cannot be loaded ({error}), so numpy does the "
        "work. Install spacy-distill again on this machine.",
        stacklevel=2,
    )
    compiled = None

CHOICES = (*(reversed(compiled.INSTRUCTION_SETS) if compiled else ()), "numpy")


def use(choice: str) -> None:
    """Choose the kernels of the whole process.

    choice (str): One of CHOICES.
    RAISES (ValueError): It is none of them.
    """
    global in_use
    if choice not in CHOICES:
        raise ValueError(
            f"[D803] There are no kernels '{choice}' here: choose of {', '.join(CHOICES)}, by "
            "SPACY_DISTILL_KERNELS or `spacy_distill.kernels.use`. Compiled ones need a C++ "
            "compiler when the package is installed."
        )
    if choice != "numpy":
        compiled.use_instruction_set(choice)
    in_use = choice


def kernels(*arrays) -> Optional[Any]:
    """RETURNS (Optional[Any]): The compiled kernels, if they are in use and all arrays are numpy's
    of float32."""
    if in_use == "numpy":
        return None
    fit = all(isinstance(array, numpy.ndarray) and array.dtype == "float32" for array in arrays)
    return compiled if fit else None


in_use: str = CHOICES[-1]
use(os.environ.get("SPACY_DISTILL_KERNELS") or CHOICES[0])
