"""The cache of features: in memory, on disk, in threads and in forked processes."""

import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy
import pytest
from numpy.testing import assert_array_equal
from spacy.tokens import Doc

from spacy_distill.encoders import feature_cache
from spacy_distill.encoders.feature_cache import (
    FEATURES,
    FOLDER_VARIABLE,
    LOCK_TIMEOUT,
    FeatureCache,
    cached_states,
    features_key,
    read_once,
)
from spacy_distill.encoders.matmul_precision import in_precision
from tests.encoders.conftest import WORDS
from tests.encoders.test_encoder import make_docs

ARRAY = numpy.zeros((2, 3, 4), dtype="float16")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork processes")
ALL = range(3)


def test_features_on_disk_are_shared_by_encoders_with_the_same_weights(
    encoder, vocab, tmp_path, monkeypatch
):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "features"))
    docs = make_docs(vocab)
    expected = cached_states(encoder(), docs, ALL)
    FEATURES.clear()
    (file,) = (tmp_path / "features").glob("*.sqlite")
    again = encoder()
    again.model.forward = None  # must not be called
    assert_array_equal(cached_states(again, docs, ALL), expected)
    # Other weights have other features.
    other = encoder()
    next(other.model.parameters()).data[0] += 1
    cached_states(other, docs, ALL)
    assert len(list(file.parent.glob("*.sqlite"))) == 2


def test_a_full_cache_keeps_its_documents(encoder, vocab, monkeypatch):
    monkeypatch.setattr(FEATURES, "max_bytes", 5 * 3 * 16 * 2)
    reader = encoder()
    docs = [doc for doc in make_docs(vocab) if len(doc)]
    name, keys = reader.fingerprint, [features_key(reader, doc, ALL) for doc in docs]
    for doc in docs[::-1]:
        cached_states(reader, [doc], ALL)
    # Documents with two and three tokens fit, one with eleven does not.
    assert list(FEATURES.get_all(name, keys)) == keys[1:]
    FEATURES.set_all(name, {keys[1]: numpy.zeros((3, 3, 16), dtype="float16")})
    assert FEATURES.get_all(name, keys)[keys[1]].any()


def test_a_document_that_is_too_large_for_the_disk_stays_in_memory(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(feature_cache, "MAX_ROW_BYTES", ARRAY.nbytes - 1)
    cache = FeatureCache()
    cache.set_all("model", {b"one": ARRAY})
    assert b"one" in cache.get_all("model", [b"one"])
    cache.clear()
    assert not cache.get_all("model", [b"one"])


def test_of_documents_that_are_read_once_the_last_ones_stay():
    cache = FeatureCache(max_recent_bytes=2 * ARRAY.nbytes)
    with read_once():
        for key in (b"one", b"two", b"three"):
            cache.set_all("model", {key: ARRAY})
        assert list(cache.get_all("model", [b"one", b"two", b"three"])) == [b"two", b"three"]
    assert len(cache) == 2
    # What is read again, such as by a student in training, stays.
    assert list(cache.get_all("model", [b"two"])) == [b"two"]
    with read_once():
        cache.set_all("model", {b"four": ARRAY, b"five": ARRAY})
    assert list(cache.get_all("model", [b"two", b"three"])) == [b"two"]
    cache.clear()
    assert len(cache) == 0


def test_documents_that_are_read_once_leave_room_for_others():
    cache = FeatureCache(max_bytes=ARRAY.nbytes)
    with read_once():
        cache.set_all("model", {b"one": ARRAY})
    cache.set_all("model", {b"two": ARRAY})
    assert list(cache.get_all("model", [b"one", b"two"])) == [b"one", b"two"]
    # A document that is larger than the memory is not kept.
    with read_once():
        large = FeatureCache(max_recent_bytes=1)
        large.set_all("model", {b"one": ARRAY})
    assert len(large) == 0


def test_threads_share_a_cache_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "features"))
    arrays = {bytes([n]): numpy.full((1, 3, 16), n, dtype="float16") for n in range(19)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: FEATURES.set_all("model", {key: arrays[key]}), arrays))
        FEATURES.clear()
        found = list(pool.map(lambda key: FEATURES.get_all("model", [key])[key][0, 0, 0], arrays))
    assert found == list(range(19))


def test_keys_depend_on_all_that_changes_features(encoder, vocab):
    reader = encoder()
    doc = Doc(vocab, words=WORDS)
    keys = {
        features_key(reader, doc, ALL),
        features_key(reader, doc, [1]),
        features_key(encoder(window=8), doc, ALL),
        features_key(reader, Doc(vocab, words=WORDS[1:]), ALL),
        features_key(reader, Doc(vocab, words=WORDS, spaces=[False] * len(WORDS)), ALL),
    }
    with in_precision("medium"):
        keys.add(features_key(reader, doc, ALL))
    assert len(keys) == 6
    assert features_key(encoder(), Doc(vocab, words=WORDS), [0, 1, 2]) in keys


def use(cache: FeatureCache) -> None:
    cache.set_all("model", {b"child": ARRAY})
    assert b"child" in cache.get_all("model", [b"child", b"one"])
    assert cache._n_bytes == len(cache) * ARRAY.nbytes


def run_in_fork(cache):
    """RETURNS (Optional[int]): The exit status of a process that uses the cache; None if it does
    not end."""
    # `multiprocessing` would lose the status where several threads start processes: each start
    # collects the processes of all threads that have ended.
    child = os.fork()
    if not child:
        status = 1
        try:
            use(cache)
            status = 0
        finally:
            os._exit(status)
    # sqlite waits this long while another process writes.
    end = time.monotonic() + LOCK_TIMEOUT
    while time.monotonic() < end:
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(code)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@forks
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_forked_process_does_not_wait_for_the_lock(monkeypatch, tmp_path, on_disk):
    """At the fork, another thread holds the lock in the middle of a change: an array is added but
    not counted yet, and a transaction is open. The new process does not have this thread."""
    if on_disk:
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    cache = FeatureCache()
    cache.set_all("model", {b"one": ARRAY})
    holding = threading.Event()

    def hold():
        with cache._lock:
            database = cache._open("model")
            if database is not None:
                row = (b"two", 2, 3, ARRAY.tobytes())
                database.execute("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?)", row)
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


@forks
def test_forks_while_a_thread_writes(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    cache, done = FeatureCache(max_bytes=0), threading.Event()
    cache.set_all("model", {b"one": ARRAY})

    def write():
        number = 0
        # The forked process gets its turn at the file between two of these writes.
        while not done.wait(0.001):
            number += 1
            cache.set_all("model", {str(number).encode(): ARRAY})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert [run_in_fork(cache) for _ in range(10)] == [0] * 10
    finally:
        done.set()
        thread.join()


@forks
def test_two_threads_can_fork_at_once():
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


@pytest.mark.parametrize("damage", ["text", "shape", "bytes", "type"])
def test_a_damaged_cache_is_named(monkeypatch, tmp_path, damage):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    path = tmp_path / "model.sqlite"
    FeatureCache().set_all("model", {b"one": ARRAY})
    if damage == "text":
        path.write_bytes(b"no database at all " * 100)
    else:
        change = {"shape": "tokens = 7", "bytes": "data = x'00'", "type": "data = 'text'"}[damage]
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(f"UPDATE features SET {change}")
    with pytest.raises(ValueError, match=r"^\[D791\] The cache of features '.*model\.sqlite'"):
        FeatureCache().get_all("model", [b"one"])


def test_a_database_that_cannot_be_used_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    cache = FeatureCache()
    cache.set_all("bert", {b"one": ARRAY})
    (database,) = cache._databases.values()
    database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(ValueError, match=r"\[D792\].*database or disk is full") as found:
        cache.set_all("bert", {b"two": numpy.zeros((50, 13, 768), dtype="float16")})
    assert isinstance(found.value.__cause__, sqlite3.OperationalError)


def test_a_folder_that_cannot_be_made_is_reported(monkeypatch, tmp_path):
    path = tmp_path / "file"
    path.write_text("no folder", encoding="utf8")
    monkeypatch.setenv(FOLDER_VARIABLE, str(path))
    with pytest.raises(ValueError, match=r"\[D792\].*SPACY_DISTILL_FEATURES = '.*file'"):
        FeatureCache().get_all("bert", [b"one"])
