"""The selection of kernels, also without compiled ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_distill import kernels

# The kernels import numpy alone. The package around them would import spaCy for seconds.
BARE = f"""
import sys, types
sys.modules["spacy_distill"] = types.ModuleType("spacy_distill")
sys.modules["spacy_distill"].__path__ = [{str(Path(kernels.__file__).parents[1])!r}]
"""


def in_a_process(code, **environment):
    """RETURNS (CompletedProcess): The result of code in a new process, with these variables."""
    inherited = {k: v for k, v in os.environ.items() if k != "SPACY_DISTILL_KERNELS"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_unavailable_kernels_are_rejected():
    with pytest.raises(
        ValueError, match=r"kernels 'sse9' are not available here. Choose one of .*numpy"
    ):
        kernels.use("sse9")


@pytest.mark.parametrize("choice", ["avx9,float32", "float32,int8", "numpy,baseline", "baseline,"])
def test_an_impossible_combination_is_refused(choice):
    with pytest.raises(ValueError, match="D803"):
        kernels.use(choice)


@pytest.mark.parametrize("choice", ["float32", "numpy,float32", "float32,numpy", "numpy", "int8"])
def test_the_environment_variable_selects_the_precision(choice):
    code = BARE + "from spacy_distill import kernels as k; print(k.in_use, k.allows_integers)"
    in_use = "numpy" if "numpy" in choice else kernels.CHOICES[0]
    expected = f"{in_use} {'float32' not in choice}"
    assert in_a_process(code, SPACY_DISTILL_KERNELS=choice).stdout.strip() == expected


@pytest.mark.parametrize("choice", kernels.CHOICES)
def test_the_environment_variable_selects_the_kernels(choice):
    code = BARE + "from spacy_distill import kernels; print(kernels.in_use)"
    assert in_a_process(code, SPACY_DISTILL_KERNELS=choice).stdout.strip() == choice


def test_the_best_is_used_by_default():
    code = BARE + "from spacy_distill import kernels as k; print(k.in_use == k.CHOICES[0])"
    assert in_a_process(code).stdout.strip() == "True"


HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == "spacy_distill.kernels.compiled":
            raise {error}

sys.meta_path.insert(0, Hidden())
from spacy_distill import kernels
"""
DECODE = """
import numpy
from spacy_distill.chain import LinearChain

size = numpy.zeros(3, dtype="float32")
chain = LinearChain(numpy.eye(3, dtype="float32"), [3], numpy.zeros((3, 3), "f"), size, size)
print(chain.argmax().tolist())
"""
SHOW = "\nprint(kernels.CHOICES, kernels.in_use)"
NUMPY = "('numpy',) numpy"


def test_numpy_is_used_without_compiled_kernels():
    hide = HIDE.format(error="ModuleNotFoundError(name, name=name)")
    done = in_a_process(hide + DECODE + SHOW)
    assert (
        done.stdout.split("\n")[:2] == ["[0, 1, 2]", NUMPY]
        and "cannot be loaded" not in done.stderr
    )


def test_broken_kernels_give_a_warning():
    done = in_a_process(BARE + HIDE.format(error="ImportError('no GLIBCXX')") + SHOW)
    assert done.stdout.strip() == NUMPY
    assert "kernels cannot be loaded (no GLIBCXX)" in done.stderr


@pytest.mark.parametrize("chosen, expected", [("3", "3"), ("2,4", "2"), ("", None), ("many", None)])
def test_training_uses_omp_num_threads(chosen, expected):
    code = BARE + "from spacy_distill import kernels; print(kernels.n_training_threads)"
    found = in_a_process(code, OMP_NUM_THREADS=chosen).stdout.strip()
    processors = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    assert found == (expected or str(len(processors)))
