"""The threads of numpy."""

import sys

import numpy
import pytest

from spacy_distill import kernels
from spacy_distill.threads import one_blas_thread


def blas_threads(threadpoolctl):
    """RETURNS (Set[int]): The numbers of threads of OpenBLAS."""
    libraries = threadpoolctl.ThreadpoolController().select(internal_api="openblas")
    return {library["num_threads"] for library in libraries.info()}


@pytest.mark.parametrize("in_use", ["numpy", "avx2"])
def test_blas_has_one_thread_beside_kernels(in_use, monkeypatch):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    numpy.ones((2, 2)) @ numpy.ones((2, 2))
    monkeypatch.setattr(kernels, "in_use", in_use)
    with threadpoolctl.threadpool_limits(limits=2):
        if blas_threads(threadpoolctl) != {2}:
            pytest.skip("numpy has another library than OpenBLAS, or no threads")
        with one_blas_thread():
            assert blas_threads(threadpoolctl) == ({2} if in_use == "numpy" else {1})
        assert blas_threads(threadpoolctl) == {2}


def test_threadpoolctl_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with one_blas_thread():
        assert (numpy.ones((2, 2)) @ numpy.ones((2, 2)) == 2).all()
