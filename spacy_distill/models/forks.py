"""Caches in a process that is forked while a thread uses them."""

import os
from typing import Protocol
from weakref import WeakSet


class Shared(Protocol):
    """Something that threads share behind a lock."""

    def after_fork(self) -> None:
        """Make a new lock, and mend what other threads may have left half done: the new process
        has their locks, and nobody to release them."""
        ...


_SHARED: "WeakSet[Shared]" = WeakSet()


def renew_after_fork(shared: Shared) -> None:
    """Call `after_fork` in each process that is forked from now on.

    shared (Shared): It is not kept alive by this.
    """
    _SHARED.add(shared)


def _after_fork() -> None:
    for shared in _SHARED:
        shared.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
