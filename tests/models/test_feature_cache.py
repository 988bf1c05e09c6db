import multiprocessing
import os
import threading
import time

import numpy
import pytest

from spacy_distill.models.feature_cache import FOLDER, FeatureCache

FEATURES = numpy.zeros((2, 3, 4), dtype="float16")
pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="the system does not fork processes"
)


def use(cache: FeatureCache) -> None:
    cache.set_all("model", {b"child": FEATURES})
    assert b"child" in cache.get_all("model", [b"child", b"one"])
    assert cache._n_bytes == len(cache) * FEATURES.nbytes


def run_in_fork(cache):
    """RETURNS (Optional[int]): The exit status of a process that uses the cache; None if it does
    not end."""
    child = multiprocessing.get_context("fork").Process(target=use, args=(cache,))
    child.start()
    child.join(20)
    code = child.exitcode
    child.kill()
    return code


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_process_that_is_forked_meanwhile_does_not_wait(monkeypatch, tmp_path, on_disk):
    """A thread that the new process does not have holds the lock, in the middle of what it does:
    an array is kept and not counted yet, and a transaction is open."""
    if on_disk:
        monkeypatch.setenv(FOLDER, str(tmp_path))
    cache = FeatureCache()
    cache.set_all("model", {b"one": FEATURES})
    holding = threading.Event()

    def hold():
        with cache._lock:
            database = cache._open("model")
            if database is not None:
                row = (b"two", b"", FEATURES.tobytes())
                database.execute("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", row)
            counted, cache._n_bytes = cache._n_bytes, 0
            holding.set()
            time.sleep(0.5)
            cache._n_bytes = counted
            if database is not None:
                database.rollback()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(10)
    assert run_in_fork(cache) == 0
    thread.join()


def test_forks_while_a_thread_writes(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    cache, done = FeatureCache(max_bytes=0), threading.Event()
    cache.set_all("model", {b"one": FEATURES})

    def write():
        number = 0
        while not done.is_set():
            number += 1
            cache.set_all("model", {str(number).encode(): FEATURES})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert [run_in_fork(cache) for _ in range(10)] == [0] * 10
    finally:
        done.set()
        thread.join()


def test_two_threads_may_fork_at_once():
    caches = [FeatureCache() for _ in range(20)]
    codes = []
    threads = [
        threading.Thread(target=lambda: codes.append(run_in_fork(caches[0]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 4
