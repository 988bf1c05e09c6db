"""All entities above a threshold, compared with the marginals of all spans with all labels."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_distill.chain import BiluoTags, likely_spans
from tests.chain.random_chains import LABELS, biluo_chain, few


def every_span(chain, tags):
    ends = numpy.cumsum(chain.lengths).tolist()
    return [
        (start, end, label)
        for first, last in zip([0, *ends], ends, strict=False)
        for start in range(first, last)
        for end in range(start + 1, last + 1)
        for label in tags.labels
    ]


@few
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    n_labels=st.integers(1, 3),
    scale=st.sampled_from([0.3, 2.0, 8.0]),
    threshold=st.sampled_from([0.01, 0.1, 0.5, 0.9]),
)
def test_spans_are_those_with_a_marginal_above_the_threshold(
    seed, lengths, n_labels, scale, threshold
):
    chain = biluo_chain(numpy.random.default_rng(seed), lengths, n_labels, scale)
    tags = BiluoTags(LABELS[:n_labels])
    spans = every_span(chain, tags)
    marginals = chain.span_marginal(*tags.segments(spans))
    # Marginals within the rounding error of the threshold are not compared.
    expected = {
        span: p for span, p in zip(spans, marginals.tolist(), strict=True) if p >= threshold + 1e-6
    }
    found, probabilities = likely_spans(chain, tags, threshold)
    assert probabilities.shape == (len(found),) and (probabilities >= threshold).all()
    assert found == sorted(found, key=lambda span: (*span[:2], tags.labels.index(span[2])))
    by_span = dict(zip(found, probabilities.tolist(), strict=True))
    assert len(by_span) == len(found) and expected.keys() <= by_span.keys()
    assert expected == pytest.approx({span: by_span[span] for span in expected}, abs=1e-6)
    assert all(marginals[spans.index(span)] >= threshold - 1e-6 for span in found)


@pytest.mark.parametrize("threshold", [0.0, 1e-6, 1e-4])
def test_low_thresholds_are_exact(threshold):
    chain = biluo_chain(numpy.random.default_rng(0), [12], 2, scale=1.0)
    tags = BiluoTags(LABELS[:2])
    spans = every_span(chain, tags)
    marginals = chain.span_marginal(*tags.segments(spans))
    expected = [span for span, p in zip(spans, marginals.tolist(), strict=True) if p >= threshold]
    assert (marginals < 0.001).sum() > 0 and (threshold or len(expected) == len(spans))
    found, _ = likely_spans(chain, tags, threshold)
    assert set(found) == set(expected)


def test_impossible_spans_are_never_likely():
    chain = biluo_chain(numpy.random.default_rng(0), [4], 1, scale=1.0)
    outside = numpy.asarray([True] + [False] * 4)
    chain = chain.restricted(numpy.ones((4, 1), dtype=bool) * outside)
    assert likely_spans(chain, BiluoTags(LABELS[:1]), 0.0)[0] == []
