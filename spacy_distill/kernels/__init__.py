"""Loops over tokens, compiled: the steps of an LSTM, layers of them, Viterbi, forward-backward.

numpy has to be called for each step of a batch, a kernel once for the whole batch. Callers of these
have the same in numpy too, for GPUs and for installs without a compiler.

The environment variable SPACY_DISTILL_KERNELS chooses the instruction set, the precision of
prediction, or both: `avx2`, `float32`, `avx2,float32`. By default it is the best instruction set of
the machine, and the precision that a layer is set to (`precision` of `spacy-distill.BiLSTM.v1`).
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


PRECISIONS = ("int8", "float32")


def use(choice: str) -> None:
    """Choose the kernels of the whole process.

    choice (str): One of CHOICES, one of PRECISIONS, or both with a comma between them. Without one
        of CHOICES it is the first of them. With `float32`, nothing is computed in integers; with
        `int8`, what layers allow.
    RAISES (ValueError): It is none of them.
    """
    global in_use, allows_integers
    words = [word.strip() for word in choice.split(",")]
    chosen = [word for word in words if word in CHOICES] or [CHOICES[0]]
    precisions = [word for word in words if word in PRECISIONS] or ["int8"]
    if len(chosen) > 1 or len(precisions) > 1 or not {*words} <= {*CHOICES, *PRECISIONS}:
        raise ValueError(
            f"[D803] There are no kernels '{choice}' here: choose of {', '.join(CHOICES)}, of "
            f"{', '.join(PRECISIONS)}, or one of each with a comma between them, by "
            "SPACY_DISTILL_KERNELS or `spacy_distill.kernels.use`. Compiled ones need a C++ "
            "compiler when the package is installed."
        )
    if chosen[0] != "numpy":
        compiled.use_instruction_set(chosen[0])
    in_use, allows_integers = chosen[0], precisions[0] == "int8"


def kernels(*arrays) -> Optional[Any]:
    """RETURNS (Optional[Any]): The compiled kernels, if they are in use and all arrays are numpy's
    of float32."""
    if in_use == "numpy":
        return None
    fit = all(isinstance(array, numpy.ndarray) and array.dtype == "float32" for array in arrays)
    return compiled if fit else None


in_use: str = CHOICES[-1]
allows_integers: bool = True
use(os.environ.get("SPACY_DISTILL_KERNELS") or CHOICES[0])
