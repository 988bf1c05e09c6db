"""Timing of pipelines."""

import numpy
import pytest
import spacy
from spacy.language import Language

from spacy_distill.encoders.feature_cache import FEATURES
from spacy_distill.evaluation import speed, speeds

TEXTS = ["Anna sails", "Oslo sleeps"]
SEEN = []


@Language.component("reader_that_remembers")
def reader_that_remembers(doc):
    key = doc.text.encode()
    SEEN.append(not FEATURES.get_all("reader", [key]))
    FEATURES.set_all("reader", {key: numpy.zeros((1, 1, 1), dtype="float16")})
    return doc


def test_rounds_of_timing_do_not_use_the_feature_cache():
    nlp = spacy.blank("en")
    nlp.add_pipe("reader_that_remembers")
    SEEN.clear()
    FEATURES.clear()
    speeds({"teacher": nlp, "student": nlp}, TEXTS, rounds=2)
    # Two texts for the warm-up, then two rounds of two pipelines.
    assert SEEN == [True, True, False, False] + [True, True] * 4


@Language.component("reader_that_counts_threads")
def reader_that_counts_threads(doc):
    from threadpoolctl import threadpool_info

    SEEN.append(max(pool["num_threads"] for pool in threadpool_info()))
    return doc


def test_pipelines_are_timed_on_one_thread():
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="no report extra")
    nlp = spacy.blank("en")
    nlp.add_pipe("reader_that_counts_threads")
    SEEN.clear()
    with threadpoolctl.threadpool_limits(limits=2):
        nlp(TEXTS[0])
        speeds({"student": nlp}, TEXTS, rounds=1)
        nlp(TEXTS[0])
    assert SEEN == [2, 1, 1, 1, 1, 2]
    assert speed.holds_one_thread()


@pytest.mark.parametrize("threads, held", [("1", True), ("2", False), (None, False)])
def test_numpy_may_be_limited_to_one_thread_already(monkeypatch, threads, held):
    monkeypatch.setattr(speed, "find_threadpoolctl", lambda: None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert speed.holds_one_thread() is held
    nlp = spacy.blank("en")
    assert len(speeds({"student": nlp}, TEXTS, rounds=1)["student"]) == 1
