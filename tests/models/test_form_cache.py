"""The cache of word forms: its results, its memory limit, and threads."""

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace

import numpy
import pytest

from spacy_distill import kernels
from spacy_distill.models.form_cache import FormCache, FormIndex

WIDTH = 3
BYTES_A_FORM = 4 * WIDTH


@pytest.fixture(params=[FormIndex, *([kernels.forms.FormIndex] if kernels.forms else [])])
def index_type(request):
    return request.param


@pytest.fixture(autouse=True)
def each_index(index_type, monkeypatch):
    """Runs a test with each kind of index."""
    module = SimpleNamespace(FormIndex=index_type)
    monkeypatch.setattr("spacy_distill.models.form_cache.form_kernels", lambda: module)


class Table:
    """Computes rows from which the form can be read, and records the requested forms."""

    def __init__(self):
        self.asked = []

    def __call__(self, forms):
        assert len(set(forms.tolist())) == len(forms)
        self.asked.append(forms.tolist())
        return (forms[:, None] * numpy.asarray([1.0, -1.0, 0.0])).astype("float32")


def look_up(cache, forms, compute):
    """RETURNS (List[int]): The forms of the returned rows."""
    with cache.look_up(numpy.asarray(forms, dtype="uint64"), compute) as (table, rows):
        assert table.dtype == "float32" and (table[rows, 1] == -table[rows, 0]).all()
        return table[rows, 0].astype("int64").tolist()


def test_a_form_is_computed_once():
    cache, compute = FormCache(WIDTH, 1000), Table()
    assert look_up(cache, [5, 3, 5], compute) == [5, 3, 5]
    assert look_up(cache, [3, 9, 5, 1], compute) == [3, 9, 5, 1]
    assert look_up(cache, [1, 9], compute) == [1, 9]
    assert compute.asked == [[3, 5], [1, 9]]
    assert look_up(cache, [], compute) == []


def test_forms_are_compared_by_all_64_bits():
    big = 2**64 - 1
    cache, compute = FormCache(WIDTH, 1000), Table()
    with cache.look_up(numpy.asarray([big, big - 1, 7], dtype="uint64"), compute) as (_, rows):
        assert len(set(rows.tolist())) == 3 and compute.asked == [[7, big - 1, big]]


@pytest.mark.parametrize("capacity", [1, 4, 100])
def test_the_cache_is_never_larger_than_its_limit(capacity, rng):
    cache, compute = FormCache(WIDTH, capacity * BYTES_A_FORM), Table()
    for _ in range(30):
        forms = rng.integers(1, 50, size=rng.integers(1, 12)).tolist()
        assert look_up(cache, forms, compute) == forms
        assert len(cache) <= capacity
        contents = cache._contents
        rows, n_missing = contents.form_rows.find(contents.form_rows.forms, 0.0)
        assert rows.tolist() == list(range(len(cache))) and not n_missing
        assert len(contents.table) == capacity


def test_more_forms_than_fit_are_computed_but_not_kept():
    cache, compute = FormCache(WIDTH, 2 * BYTES_A_FORM), Table()
    assert look_up(cache, [1, 2], compute) == [1, 2]
    assert look_up(cache, [4, 1, 3, 2, 5], compute) == [4, 1, 3, 2, 5]
    assert look_up(cache, [2, 1], compute) == [2, 1]
    # The earlier forms are still in the cache.
    assert compute.asked == [[1, 2], [3, 4, 5]]


def test_a_full_cache_drops_the_least_used_forms():
    cache, compute = FormCache(WIDTH, 5 * BYTES_A_FORM), Table()
    for forms in ([1, 2, 3, 4, 5], [1, 1, 3, 5], [2, 3], [6]):  # 4 was looked up only once
        assert look_up(cache, forms, compute) == forms
    assert compute.asked == [[1, 2, 3, 4, 5], [6]]
    assert look_up(cache, [1, 2, 3, 5, 6], compute) == [1, 2, 3, 5, 6]
    assert look_up(cache, [4], compute) == [4]
    assert compute.asked == [[1, 2, 3, 4, 5], [6], [4]]


def test_older_look_ups_have_less_weight(monkeypatch):
    monkeypatch.setattr("spacy_distill.models.form_cache.HALF_LIFE", 1)
    cache, compute = FormCache(WIDTH, 2 * BYTES_A_FORM), Table()
    for forms in ([1], [1], [1], [2], [3]):
        look_up(cache, forms, compute)
    # A recent look-up of 2 has more weight than three earlier look-ups of 1.
    assert look_up(cache, [2, 3], compute) == [2, 3]
    assert compute.asked == [[1], [2], [3]]
    for number in range(2000):  # without scaling, the weights would overflow
        assert look_up(cache, [number % 3], compute) == [number % 3]
    assert cache._weight <= 1e101 and numpy.isfinite(cache._contents.form_rows.scores).all()


def test_scores_are_sums_of_weights(index_type):
    index = index_type(4)
    index.add(numpy.asarray([7, 2**64 - 1], dtype="uint64"), numpy.asarray([1.0, 2.0]))
    index.add(numpy.asarray([3], dtype="uint64"), numpy.asarray([0.5]))
    tokens = numpy.asarray([3, 7, 8, 7, 9], dtype="uint64")
    rows, n_missing = index.find(tokens, 2.0)
    assert (rows.tolist(), n_missing) == ([2, 0, -1, 0, -1], 2)
    assert index.forms.tolist() == [7, 2**64 - 1, 3]
    index.divide_scores(0.5)
    assert index.scores.tolist() == [10.0, 4.0, 5.0] and len(index) == 3


def test_vectors_keep_their_type():
    cache = FormCache(WIDTH, 6 * WIDTH, "float16")
    assert cache.capacity == 3
    forms = numpy.asarray([4, 1, 4], dtype="uint64")
    for n_rows in (2, 2, 4):  # the last time they do not fit
        forms = numpy.append(forms, numpy.arange(n_rows, dtype="uint64") + 10)[-5:]
        with cache.look_up(forms, lambda forms: Table()(forms).astype("float16")) as (table, rows):
            assert table.dtype == "float16" and table[rows, 0].tolist() == forms.tolist()


def test_rows_do_not_change_while_they_are_read():
    cache, compute = FormCache(WIDTH, 4 * BYTES_A_FORM), Table()
    memory = cache._contents.table
    tables = []
    with cache.look_up(numpy.asarray([1, 2], dtype="uint64"), compute) as (table, rows):
        for forms in ([3, 4], [5, 6], [7, 8, 9], [10, 11, 12, 13]):
            assert look_up(cache, forms, compute) == forms
            assert table[rows, 0].tolist() == [1, 2]
            tables.append(cache._contents.table)
    # The other readers needed one copy.
    assert table is memory is tables[0] is not tables[1]
    assert all(one is tables[1] for one in tables[1:])


def test_forms_are_dropped_without_a_copy():
    cache, compute = FormCache(WIDTH, 4 * BYTES_A_FORM), Table()
    memory = cache._contents.table
    for forms in ([1, 2, 3, 4], [5, 1, 5], [6, 7, 1, 8], [9], [10, 1, 11, 12, 1, 9, 13, 14]):
        assert look_up(cache, forms, compute) == forms
    assert cache._contents.table is memory and cache._contents.n_readers == 0


@pytest.mark.parametrize("rows_moved", [1, 3, 512])
def test_the_forms_that_are_kept_have_their_rows(rows_moved, monkeypatch, rng):
    monkeypatch.setattr("spacy_distill.models.form_cache.ROWS_MOVED", rows_moved)
    cache, compute = FormCache(WIDTH, 40 * BYTES_A_FORM), Table()
    for _ in range(50):
        forms = rng.zipf(1.3, size=30).clip(max=10_000).tolist()
        assert look_up(cache, forms, compute) == forms
    kept = cache._contents.form_rows.forms.tolist()
    compute.asked.clear()
    assert look_up(cache, kept, compute) == kept and not compute.asked


def test_rows_dropped_by_another_thread_are_returned():
    cache, compute = FormCache(WIDTH, 3 * BYTES_A_FORM), Table()
    look_up(cache, [1, 2], compute)

    def slowly(forms):
        assert look_up(cache, [7, 8, 9], compute) == [7, 8, 9]  # no room for 1 and 2
        return compute(forms)

    assert look_up(cache, [1, 3, 2], slowly) == [1, 3, 2]


def test_forms_of_a_table_that_was_replaced_are_returned():
    cache, compute = FormCache(WIDTH, 10 * BYTES_A_FORM), Table()
    look_up(cache, list(range(1, 11)), compute)

    def slowly(forms):
        look_up(cache, [12], compute)  # drops forms in a copy, which has room again
        return compute(forms)

    assert look_up(cache, [1, 11, 2], slowly) == [1, 11, 2]


def test_rows_of_a_third_reader_do_not_change():
    cache, compute = FormCache(WIDTH, 4 * BYTES_A_FORM), Table()
    look_up(cache, [1, 2, 3, 4], compute)
    with ExitStack() as readers:
        held = []

        def slowly(forms):
            look_up(cache, [5], compute)  # drops forms in a copy
            reader = cache.look_up(numpy.asarray([5], dtype="uint64"), compute)
            held.append(readers.enter_context(reader))
            return compute(forms)

        assert look_up(cache, [1, 8, 9, 10], slowly) == [1, 8, 9, 10]
        ((table, rows),) = held
        assert table[rows, 0].tolist() == [5]


def test_an_error_while_rows_move_leaves_no_wrong_row(monkeypatch):
    monkeypatch.setattr("spacy_distill.models.form_cache.ROWS_MOVED", 1)
    cache, compute = FormCache(WIDTH, 4 * BYTES_A_FORM), Table()
    look_up(cache, [1, 2, 3, 4], compute)
    look_up(cache, [2, 3, 4], compute)

    class Interrupted(numpy.ndarray):
        n_writes = 0

        def __setitem__(self, key, value):
            Interrupted.n_writes += 1
            if Interrupted.n_writes == 2:
                raise KeyboardInterrupt
            super().__setitem__(key, value)

    cache._contents.table = cache._contents.table.view(Interrupted)
    with pytest.raises(KeyboardInterrupt):
        look_up(cache, [5], compute)
    for form in range(1, 6):
        assert look_up(cache, [form], compute) == [form]


def test_scores_are_kept_when_forms_are_dropped():
    cache, compute = FormCache(WIDTH, 5 * BYTES_A_FORM), Table()
    for forms in ([1, 2, 3, 4, 5], [2, 2, 2, 3, 4, 5], [6]):  # 1 is dropped
        assert look_up(cache, forms, compute) == forms
    index = cache._contents.form_rows
    scores = dict(zip(index.forms.tolist(), index.scores.tolist(), strict=True))
    assert scores == pytest.approx({2: 4.0, 3: 2.0, 4: 2.0, 5: 2.0, 6: 1.0}, rel=1e-3)


def test_the_cache_works_after_an_error():
    cache, compute = FormCache(WIDTH, 4 * BYTES_A_FORM), Table()
    look_up(cache, [1, 2, 3], compute)

    def fail(forms):
        raise RuntimeError("no vectors")

    with pytest.raises(RuntimeError, match="no vectors"):
        look_up(cache, [2, 3, 8, 9], fail)
    assert look_up(cache, [2, 3, 1], compute) == [2, 3, 1]
    assert compute.asked == [[1, 2, 3]] and cache._contents.n_readers == 0


def test_threads_share_the_cache(rng):
    cache, compute = FormCache(WIDTH, 30 * BYTES_A_FORM), Table()
    batches = [rng.integers(1, 60, size=12).tolist() for _ in range(1000)]

    def slowly(forms):
        """Give other threads the time to drop forms."""
        with cache.look_up(numpy.asarray(forms, dtype="uint64"), compute) as (table, rows):
            time.sleep(0)
            return table[rows, 0].astype("int64").tolist()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(slowly, batches))
    assert found == batches


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork processes")
def test_a_forked_process_does_not_wait_for_the_lock():
    cache, compute = FormCache(WIDTH, 1000), Table()
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
