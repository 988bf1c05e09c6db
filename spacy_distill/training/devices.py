"""CPU or GPU."""

from thinc.api import require_gpu
from thinc.util import gpu_is_available


def require_device(use_gpu: int) -> None:
    """Switch to a GPU if one is asked for; fail if there is none."""
    if use_gpu < 0:
        return
    if not gpu_is_available():
        raise ValueError(
            f"[D730] GPU {use_gpu} was asked for, but none can be used here. Install cupy for your "
            "CUDA version, or leave out --gpu-id to run on the CPU."
        )
    require_gpu(use_gpu)
