"""Students and soft corpora of released versions load, and say what they said when they were
written."""

import json

import pytest

from tests.golden.read import FOLDER, read_soft, read_student

VERSIONS = sorted(path.parent for path in FOLDER.glob("*/expected.json"))
# Probabilities may differ by rounding, with another numpy or another processor.
TOLERANCE = 2e-3


def expected_of(folder):
    return json.loads((folder / "expected.json").read_text(encoding="utf8"))


def assert_same(found, expected):
    """Words, tags and entities are equal, and probabilities nearly so."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for key, value in other.items():
            if key in ("confidences", "scores", "probabilities"):
                assert one[key] == pytest.approx(value, abs=TOLERANCE)
            else:
                assert one[key] == value


def test_there_are_golden_files():
    assert VERSIONS


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_students_find_what_they_found(folder):
    expected = expected_of(folder)
    assert any(doc["entities"] for doc in expected["students"]["student"])
    for name, answers in expected["students"].items():
        assert_same(read_student(folder / name, expected["texts"]), answers)


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_soft_corpora_teach_what_they_taught(folder):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra: train)")
    assert_same(read_soft(folder / "soft"), expected_of(folder)["soft"])
