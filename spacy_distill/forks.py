"""Keep caches consistent when a process is forked while other threads use them."""

import os
from threading import Lock
from typing import List
from weakref import WeakSet


class Shared:
    """An object that threads share, protected by a lock. The lock is held during a fork, so that
    the child process never finds the object in the middle of a change."""

    def __init__(self) -> None:
        self._lock = Lock()
        _SHARED.add(self)

    def after_fork(self) -> None:
        """Reset the object in the child process, where the other threads do not exist."""


_SHARED: "WeakSet[Shared]" = WeakSet()
# One fork at a time: two forks could deadlock on each other's locks.
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
