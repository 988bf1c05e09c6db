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


@contextmanager
def in_precision(precision: Optional[str]) -> Iterator[None]:
    """Let torch multiply float32 matrices in another precision within this context, in all threads.

    precision (Optional[str]): As in `torch.set_float32_matmul_precision`: "highest" is float32;
        with "medium", a processor or GPU that can multiply bfloat16 faster does so, and adds the
        products in float32. None leaves the precision as it is.
    RAISES (ImportError): torch is not installed.
    RAISES (ValueError): There is no such precision.
    """
    require_precision(precision)
    if precision is None:
        yield
        return
    torch = import_library("torch")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
