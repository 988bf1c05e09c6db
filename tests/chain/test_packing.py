import numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spacy_distill.chain import pack

# Equal lengths and zeros are the difficult cases of the order.
ragged = st.lists(st.integers(0, 5), max_size=7)


def places_by_definition(lengths):
    """(step, sequence) of each packed row, as described in `Packing`."""
    places = [(step, sequence) for sequence, n in enumerate(lengths) for step in range(n)]
    return sorted(places, key=lambda place: (place[0], -lengths[place[1]], place[1]))


@given(ragged)
def test_rows_are_sorted_by_position_then_by_falling_length(lengths):
    packing = pack(numpy.asarray(lengths, dtype="int64"))
    starts = numpy.cumsum([0, *lengths]).tolist()
    places = places_by_definition(lengths)
    assert packing.sequences.tolist() == [sequence for _, sequence in places]
    assert packing.rows.tolist() == [starts[sequence] + step for step, sequence in places]
    assert packing.reversed_rows.tolist() == [
        starts[sequence + 1] - 1 - step for step, sequence in places
    ]
    last = [row for row, (step, number) in enumerate(places) if step + 1 == lengths[number]]
    assert packing.last.tolist() == last
    assert (
        packing.offsets.tolist()
        == numpy.searchsorted(
            [step for step, _ in places], range(max(lengths, default=0) + 1)
        ).tolist()
    )


@given(ragged)
def test_steps_and_previous_agree(lengths):
    """Both give the row before in the same sentence."""
    packing = pack(numpy.asarray(lengths, dtype="int64"))
    visited = list(range(packing.first.stop))
    assert packing.rows[packing.first].tolist() == [
        start
        for start, n in sorted(
            zip(numpy.cumsum([0, *lengths]).tolist(), lengths, strict=False),
            key=lambda pair: -pair[1],
        )
        if n
    ]
    for step, before in packing.steps():
        assert_array_equal(packing.sequences[step], packing.sequences[before])
        assert_array_equal(packing.rows[step], packing.rows[before] + 1)
        later = slice(step.start - packing.first.stop, step.stop - packing.first.stop)
        assert_array_equal(packing.previous[later], numpy.arange(before.start, before.stop))
        visited.extend(range(step.start, step.stop))
    assert visited == list(range(sum(lengths)))
