"""The precision of torch's matrix products."""

from contextlib import contextmanager
from typing import Iterator, Optional

from ..loading import import_library

PRECISIONS = ("highest", "high", "medium")


def require_precision(precision: Optional[str]) -> None:
    """Raise ValueError if there is no such precision."""
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(
            f"[D238] There is no precision '{precision}' of matrix products. Choose among "
            f"{', '.join(PRECISIONS)}."
        )


def current_precision() -> str:
    """Find the precision in which torch multiplies float32 matrices, as it has been set: for all
    backends, or for each of them."""
    torch = import_library("torch", "train")
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # since torch 2.9, if it was set by backend
        backends = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
        return " ".join(str(backend.fp32_precision) for backend in backends)


@contextmanager
def in_precision(precision: Optional[str]) -> Iterator[None]:
    """Let torch multiply float32 matrices in another precision within this context. It is a setting
    of the process, so contexts of several threads must not overlap.

    precision (Optional[str]): As in `torch.set_float32_matmul_precision`: "highest" is float32;
        with "medium", a processor or GPU that can multiply bfloat16 faster does so, and adds the
        products in float32. None leaves the precision as it is.
    RAISES (ImportError): torch is not installed.
    RAISES (ValueError): There is no such precision, or torch's own was set by backend.
    """
    require_precision(precision)
    if precision is None:
        yield
        return
    torch = import_library("torch", "train")
    before = current_precision()
    if before not in PRECISIONS:
        raise ValueError(
            f"[D239] The precision of matrix products was set by backend ({before}), which cannot "
            "be combined with another precision. Use torch.set_float32_matmul_precision instead."
        )
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
