"""Long sequences in windows."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_distill.models.windows import cut_windows

LENGTHS = st.lists(st.integers(0, 60), max_size=5)


@given(lengths=LENGTHS, core=st.integers(1, 12), context=st.integers(0, 5))
def test_each_token_is_kept_once_with_its_context(lengths, core, context):
    windows = cut_windows(numpy.asarray(lengths, dtype="int64"), core, context)
    n_tokens = sum(lengths)
    # The rows that are kept have all tokens in order.
    assert windows.rows[windows.kept].tolist() == list(range(n_tokens))
    assert windows.lengths.sum() == len(windows.rows)
    assert windows.lengths.max(initial=0) <= core + 2 * context
    ends = numpy.cumsum(windows.lengths)
    bounds = numpy.cumsum([0, *lengths])
    for token, row in enumerate(windows.kept.tolist()):
        window = numpy.searchsorted(ends, row, "right")
        inside = windows.rows[ends[window] - windows.lengths[window] : ends[window]]
        assert (numpy.diff(inside) == 1).all()
        document = numpy.searchsorted(bounds, token, "right") - 1
        first, last = max(bounds[document], token - context), token + context
        assert inside[0] <= first and inside[-1] >= min(bounds[document + 1] - 1, last)


def test_short_sequences_are_not_cut():
    windows = cut_windows(numpy.asarray([3, 0, 5]), 3, 1)
    assert windows.lengths.tolist() == [3, 0, 5]
    assert windows.rows.tolist() == windows.kept.tolist() == list(range(8))


@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_without_tokens_there_are_no_rows(lengths):
    windows = cut_windows(numpy.asarray(lengths, dtype="int64"))
    assert windows.lengths.tolist() == lengths and not len(windows.rows)


def test_windows_of_a_sequence_have_similar_sizes():
    windows = cut_windows(numpy.asarray([101]), 20, 0)
    assert len(windows.lengths) == 6 and set(windows.lengths.tolist()) <= {16, 17}
