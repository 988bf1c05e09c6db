import multiprocessing
import os

import numpy
import pytest

from spacy_distill.models.feature_cache import FOLDER, FeatureCache

FEATURES = numpy.zeros((2, 3, 4), dtype="float16")


def use(cache: FeatureCache) -> None:
    cache.set_all("model", {b"two": FEATURES})
    assert set(cache.get_all("model", [b"one", b"two"])) == {b"one", b"two"}
    assert cache._n_bytes == 2 * FEATURES.nbytes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork processes")
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_process_that_is_forked_meanwhile_does_not_wait(monkeypatch, tmp_path, on_disk):
    """The lock is held by a thread that the new process does not have, between keeping an array
    and counting it."""
    if on_disk:
        monkeypatch.setenv(FOLDER, str(tmp_path))
    cache = FeatureCache()
    cache.set_all("model", {b"one": FEATURES})
    child = multiprocessing.get_context("fork").Process(target=use, args=(cache,))
    with cache._lock:
        cache._n_bytes = 0
        child.start()
    child.join(20)
    code = child.exitcode
    child.kill()
    assert code == 0
