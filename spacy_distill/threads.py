"""Limit the threads of numpy, with threadpoolctl."""

from contextlib import contextmanager
from types import ModuleType
from typing import Iterator, Optional

from . import kernels


def find_threadpoolctl() -> Optional[ModuleType]:
    """Import threadpoolctl, which comes with the extras; return None without it."""
    try:
        import threadpoolctl
    except ImportError:
        return None
    return threadpoolctl


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let OpenBLAS multiply numpy's matrices on one thread, in a `with` block.

    Its other threads wait for the next product in a busy loop, and would take the processors from
    the threads of the kernels. Nothing changes without compiled kernels or without threadpoolctl.
    """
    threadpoolctl = find_threadpoolctl()
    if threadpoolctl is None or kernels.in_use == "numpy":
        yield
    else:
        libraries = threadpoolctl.ThreadpoolController().select(internal_api="openblas")
        with libraries.limit(limits=1):
            yield
