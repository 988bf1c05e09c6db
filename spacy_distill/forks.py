"""Caches in a process that is forked while a thread uses them."""

import os
from threading import Lock
from typing import List
from weakref import WeakSet


class Shared:
    """Something that threads share behind a lock, which is held while the process is forked. So
    the new process finds nothing half done, in memory or on disk."""

    def __init__(self) -> None:
        self._lock = Lock()
        _SHARED.add(self)

    def after_fork(self) -> None:
        """Forget what other threads were about, in a process that was forked."""


_SHARED: "WeakSet[Shared]" = WeakSet()
# One fork at a time: two that wait for each other's locks would wait for ever.
_FORKING = Lock()
_held: List[Shared] = []


def _before_fork() -> None:
    _FORKING.acquire()
    for shared in list(_SHARED):
        shared._lock.acquire()
        _held.append(shared)


def _after_fork() -> None:
    while _held:
        _held.pop()._lock.release()
    _FORKING.release()


def _after_fork_in_child() -> None:
    for shared in _held:
        shared.after_fork()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )
