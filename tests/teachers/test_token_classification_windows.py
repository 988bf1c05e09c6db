"""Documents that are longer than what a model reads at once."""

import itertools

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose

from spacy_distill.teachers.token_classification import TokenClassificationTeacher
from tests.teachers.token_classifiers import (
    CLOSE,
    IOB2,
    IOB2_COLUMNS,
    TEXT,
    UNICODE,
    Reference,
    assert_emissions,
    byte_level,
    make_doc,
    wordpiece,
)

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytestmark = pytest.mark.usefixtures("quiet")


def read_in_windows(reference, ids, window):
    """What a model says of each wordpiece where it is farthest from an edge, found by trying."""
    size, overlap = window - 2, window // 4
    best = {}
    for start in itertools.count(0, size - overlap):
        end = min(start + size, len(ids))
        rows = reference.probabilities(ids[start:end])
        for place in range(start, end):
            left = place - start if start else len(ids)
            right = end - 1 - place if end < len(ids) else len(ids)
            if place not in best or min(left, right) > best[place][0]:
                best[place] = min(left, right), rows[place - start]
        if end == len(ids):
            return numpy.asarray([best[place][1] for place in range(len(ids))])


@pytest.mark.parametrize("window, side", [(16, "right"), (21, "right"), (24, "left")])
def test_long_documents_are_read_where_wordpieces_have_most_around_them(save, window, side):
    folder = save(IOB2, wordpiece(truncation_side=side), window=window)
    teacher, reference = TokenClassificationTeacher(folder), Reference(folder)
    assert teacher.encoder.window == window
    texts = [f"{TEXT} {TEXT}".replace(" ", "")[:n] for n in (window - 2, window - 1, 46, 100)]
    # Each letter is a word and a wordpiece.
    docs = [make_doc(" ".join(text)) for text in texts]
    expected = [read_in_windows(reference, reference.ids(text), window) for text in texts]
    chain = teacher.predict_chain(docs)
    assert_emissions(chain, teacher.labels, numpy.concatenate(expected), IOB2_COLUMNS)


def test_windows_and_one_pass_are_the_same_to_a_model_that_sees_no_neighbours(save):
    texts = [f"{TEXT} {UNICODE} " * 6, "\n".join(TEXT * 3)]
    docs = [spacy.blank("en").make_doc(text) for text in texts]
    chains = []
    for window in (20, 1000):
        folder = save(IOB2, window=window, max_position_embeddings=1000)
        teacher = TokenClassificationTeacher(folder)
        assert teacher.encoder.window == window
        with torch.no_grad():
            for name, parameter in teacher.encoder.model.named_parameters():
                if "attention" in name or "position_embeddings" in name:
                    parameter.zero_()
        chains.append(teacher.predict_chain(docs))
    assert numpy.ptp(chains[0].emissions[:, 0]) > 1
    assert_allclose(chains[0].emissions, chains[1].emissions, **CLOSE)


@pytest.mark.parametrize(
    "kind, window, positions, expected",
    [
        ("Bert", 16, 512, 16),
        ("Bert", 512, 20, 20),
        ("Bert", int(1e30), 20, 20),
        ("Roberta", int(1e30), 20, 18),
        ("Roberta", 16, 20, 16),
        ("Bloom", int(1e30), None, 512),
    ],
)
def test_the_window_fits_the_model(save, kind, window, positions, expected):
    """A model that is given more than it has positions for fails."""
    folder = save(IOB2, byte_level(), kind, window, max_position_embeddings=positions)
    teacher = TokenClassificationTeacher(folder)
    assert teacher.encoder.window == expected
    chain = teacher.predict_chain([make_doc(" ".join([UNICODE] * 20))])
    assert numpy.isfinite(chain.log_partition).all()
