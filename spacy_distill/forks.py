"""Keep caches consistent when a process is forked while other threads use them."""

import os
from threading import Lock
from typing import List
from weakref import WeakSet


class ForkSafe:
    """An object that threads share, protected by a lock. The lock is held during a fork, so that
    the child process never finds the object in the middle of a change."""

    def __init__(self) -> None:
        self._lock = Lock()
        _OBJECTS.add(self)


_OBJECTS: "WeakSet[ForkSafe]" = WeakSet()
# One fork at a time: two forks could deadlock on each other's locks.
_FORKING = Lock()
_held: List[Lock] = []


def _before_fork() -> None:
    _FORKING.acquire()
    for item in list(_OBJECTS):
        item._lock.acquire()
        _held.append(item._lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()
    _FORKING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
