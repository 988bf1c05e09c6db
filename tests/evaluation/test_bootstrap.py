"""Intervals, compared with a loop over draws and with known values."""

import numpy
import pytest

from spacy_distill.evaluation import Bootstrap, paired_difference, score_intervals
from spacy_distill.evaluation import bootstrap as module


def random_counts(rng, *shape):
    return rng.integers(0, 5, size=(*shape, 3))


def test_draws_are_those_of_a_loop_over_documents(monkeypatch):
    rng = numpy.random.default_rng(1)
    counts = random_counts(rng, 11, 2, 4)
    # Several blocks, of which the last one is smaller.
    monkeypatch.setattr(module, "BLOCK_SIZE", 11 * 8)
    found = Bootstrap(11, resamples=20, seed=3).sums(counts)
    expected = []
    draws = numpy.random.default_rng(3)
    for n_draws in (8, 8, 4):
        for documents in draws.integers(11, size=(n_draws, 11)):
            total = numpy.zeros_like(counts[0])
            for document in documents:
                total += counts[document]
            expected.append(total)
    assert (found.draws == numpy.stack(expected)).all()
    assert (found.total == counts.sum(axis=0)).all()
    assert (found[1][2].draws == found.draws[:, 1, 2]).all()
    assert (found[1].summed().draws == found.draws[:, 1].sum(axis=1)).all()


def test_percentiles_of_a_loops_scores():
    counts = random_counts(numpy.random.default_rng(2), 30)
    bootstrap = Bootstrap(30, resamples=500, seed=5, level=0.9)
    sums = bootstrap.sums(counts)
    f1 = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in sums.draws.tolist()]
    found = score_intervals(sums, bootstrap)["f1"]
    assert [found["low"], found["high"]] == pytest.approx(numpy.quantile(f1, [0.05, 0.95]))
    right, wrong, missed = counts.sum(axis=0)
    assert found["value"] == pytest.approx(2 * right / (2 * right + wrong + missed))


def test_intervals_cover_the_true_score():
    """The score is the recall of entities that are found with a probability of 0.7, one in each
    document."""
    rng = numpy.random.default_rng(0)
    covered = 0
    for seed in range(200):
        right = rng.random(150) < 0.7
        counts = numpy.stack([right, numpy.zeros(150), ~right], axis=1).astype("int64")
        bootstrap = Bootstrap(150, resamples=300, seed=seed)
        found = score_intervals(bootstrap.sums(counts), bootstrap)["recall"]
        covered += found["low"] <= 0.7 <= found["high"]
    assert 0.9 <= covered / 200 <= 0.985


def test_differences_are_paired():
    """Documents that are hard for one system are hard for the other, so the difference is
    certain."""
    rng = numpy.random.default_rng(0)
    right = rng.integers(0, 20, size=60)
    mine = numpy.stack([right + 1, numpy.zeros(60), 20 - right], axis=1).astype("int64")
    other = numpy.stack([right, numpy.zeros(60), 21 - right], axis=1).astype("int64")
    bootstrap = Bootstrap(60, resamples=500)
    sums = bootstrap.sums(numpy.stack([mine, other], axis=1))
    difference = paired_difference(sums[0], sums[1], bootstrap)
    alone = score_intervals(sums[0], bootstrap)["f1"]
    assert 0 < difference["low"] < difference["value"] < difference["high"]
    assert difference["high"] - difference["low"] < 0.2 * (alone["high"] - alone["low"])
    same = paired_difference(sums[0], sums[0], bootstrap)
    assert same == {"value": 0, "low": None, "high": None}


def test_one_document_has_no_interval():
    bootstrap = Bootstrap(1)
    found = score_intervals(bootstrap.sums(numpy.asarray([[3, 1, 1]])), bootstrap)
    assert found["f1"] == {"value": 0.75, "low": None, "high": None}


def test_a_label_of_few_documents_has_no_interval():
    """Precision counts documents with predicted entities, recall those with gold entities, and
    F1 those with either."""
    counts = numpy.zeros((50, 3), dtype="int64")
    counts[:4] = (2, 1, 0)
    counts[4] = (0, 0, 3)
    bootstrap = Bootstrap(50, resamples=200)
    found = score_intervals(bootstrap.sums(counts), bootstrap)
    assert found["precision"] == {"value": pytest.approx(2 / 3), "low": None, "high": None}
    assert 0 < found["recall"]["low"] < found["recall"]["value"] < found["recall"]["high"] <= 1
    assert found["f1"]["low"] is not None
    sums = bootstrap.sums(numpy.stack([counts[:, [0, 2, 1]] * (counts[:, 1:2] > 0)] * 2, axis=1))
    assert paired_difference(sums[0], sums[1], bootstrap)["low"] is None
    nothing = score_intervals(bootstrap.sums(0 * counts), bootstrap)
    assert nothing["f1"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("outcome, score", [(0, 1), (1, 0), (2, 0)])
def test_equal_draws_have_no_interval(outcome, score):
    counts = numpy.zeros((30, 3), dtype="int64")
    counts[:10, outcome] = 1
    bootstrap = Bootstrap(30, resamples=200)
    found = score_intervals(bootstrap.sums(counts), bootstrap)["f1"]
    assert found == {"value": score, "low": None, "high": None}
