"""The cache of word forms: its answers, its bound, its threads."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest

from spacy_distill.models.form_cache import FormCache

WIDTH = 3
BYTES_A_FORM = 4 * WIDTH


class Table:
    """Computes rows that tell the form, and keeps a record of what was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, forms):
        assert len(set(forms.tolist())) == len(forms)
        self.asked.append(forms.tolist())
        return (forms[:, None] * numpy.asarray([1.0, -1.0, 0.0])).astype("float32")


def look_up(cache, forms, compute):
    """RETURNS (List[int]): The forms that the rows tell."""
    table, rows = cache.look_up(numpy.asarray(forms, dtype="uint64"), compute)
    assert table.dtype == "float32" and (table[rows, 1] == -table[rows, 0]).all()
    return table[rows, 0].astype("int64").tolist()


def test_a_form_is_computed_once():
    cache, compute = FormCache(WIDTH), Table()
    assert look_up(cache, [5, 3, 5], compute) == [5, 3, 5]
    assert look_up(cache, [3, 9, 5, 1], compute) == [3, 9, 5, 1]
    assert look_up(cache, [1, 9], compute) == [1, 9]
    assert compute.asked == [[3, 5], [1, 9]]
    assert look_up(cache, [], compute) == []


def test_numbers_of_64_bits_are_told_apart():
    big = 2**64 - 1
    cache, compute = FormCache(WIDTH), Table()
    _, rows = cache.look_up(numpy.asarray([big, big - 1, 7], dtype="uint64"), compute)
    assert len(set(rows.tolist())) == 3 and compute.asked == [[7, big - 1, big]]


@pytest.mark.parametrize("capacity", [1, 4, 100])
def test_it_never_has_more_than_its_bytes(capacity, rng):
    cache, compute = FormCache(WIDTH, capacity * BYTES_A_FORM), Table()
    for _ in range(30):
        forms = rng.integers(1, 50, size=rng.integers(1, 12)).tolist()
        assert look_up(cache, forms, compute) == forms
        assert len(cache) <= capacity
        assert len(cache._known.table) <= capacity


def test_more_forms_than_fit_are_answered_and_not_kept():
    cache, compute = FormCache(WIDTH, 3 * BYTES_A_FORM), Table()
    assert look_up(cache, [1, 2], compute) == [1, 2]
    assert look_up(cache, [4, 1, 3, 2, 5], compute) == [4, 1, 3, 2, 5]
    assert look_up(cache, [2, 1], compute) == [2, 1]
    # What was there is still there.
    assert compute.asked == [[1, 2], [1, 2, 3, 4, 5]]


def test_a_full_cache_drops_what_was_not_asked_for_lately():
    cache, compute = FormCache(WIDTH, 6 * BYTES_A_FORM), Table()
    look_up(cache, [1, 2, 3, 4, 5, 6], compute)
    look_up(cache, [6, 2], compute)
    # 3 is needed now, 2 and 6 were needed a moment ago; 3 more are the half that is dropped.
    assert look_up(cache, [7, 3], compute) == [7, 3]
    assert len(cache) == 4
    assert look_up(cache, [2, 3, 6, 7], compute) == [2, 3, 6, 7]
    assert compute.asked == [[1, 2, 3, 4, 5, 6], [7]]
    assert look_up(cache, [1, 4, 5, 2, 7], compute) == [1, 4, 5, 2, 7]
    assert compute.asked[2:] == [[1, 4, 5]]


def test_what_is_asked_for_stays_though_other_threads_ask_for_more_meanwhile():
    cache, compute = FormCache(WIDTH, 6 * BYTES_A_FORM), Table()
    look_up(cache, [1, 2, 3, 4, 5, 6], compute)
    # Those threads' clocks are ahead.
    cache._known.used[:] = [9, 99, 99, 99, 99, 99]
    assert look_up(cache, [1, 7, 8], compute) == [1, 7, 8]


def test_threads_share_it(rng):
    cache, compute = FormCache(WIDTH, 40 * BYTES_A_FORM), Table()
    batches = [rng.integers(1, 60, size=20).tolist() for _ in range(2000)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda forms: look_up(cache, forms, compute), batches))
    assert found == batches


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork processes")
def test_a_process_that_is_forked_meanwhile_does_not_wait():
    cache, compute = FormCache(WIDTH), Table()
    context = multiprocessing.get_context("fork")
    child = context.Process(target=look_up, args=(cache, [1, 2], Table()))

    def forking(forms):
        child.start()
        return compute(forms)

    look_up(cache, [1, 2], forking)
    child.join(20)
    code = child.exitcode
    child.kill()
    assert code == 0
