"""What runs the shards of a job: processes of this machine, or a Ray cluster."""

from functools import partial
from pathlib import Path
from typing import Callable, ContextManager, Optional

from ..checks import require_range
from .plan import Advance, Plan, Workers

# Starts the workers of a job, from its plan, its output folder and a function that counts.
Executor = Callable[[Plan, Path, Advance], ContextManager[Workers]]

EXECUTORS = ("local", "ray")


def find_executor(
    name: str, *, n_process: int, address: Optional[str], n_workers: Optional[int]
) -> Executor:
    """Find an executor by its name.

    name (str): "local" or "ray".
    n_process (int): Number of processes of the local executor.
    address (Optional[str]): The address of a Ray cluster.
    n_workers (Optional[int]): Number of Ray's workers; None for one a processor of the cluster.
    RETURNS (Executor): The executor.
    RAISES (ValueError): There is no such executor, or a setting belongs to the other one.
    """
    require_range("n_process", n_process, 1)
    if name not in EXECUTORS:
        raise ValueError(
            f"[D750] '{name}' is not an executor: expected one of {', '.join(EXECUTORS)} "
            "(--executor)."
        )
    if name == "local":
        if address is not None or n_workers is not None:
            raise ValueError(
                "[D751] --address and --workers are settings of Ray. Add --executor ray, or use "
                "--n-process for processes of this machine."
            )
        from .processes import workers as local_workers

        return partial(local_workers, n_process=n_process)
    if n_process != 1:
        raise ValueError(
            "[D752] --n-process starts processes of this machine. With --executor ray, set the "
            "number of processes with --workers."
        )
    if n_workers is not None:
        require_range("workers", n_workers, 1)
    from .ray_workers import workers as ray_workers

    return partial(ray_workers, address=address, n_workers=n_workers)
