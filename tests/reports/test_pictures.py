"""Pictures, checked by their pixels and texts."""

import io
import re
import subprocess
import sys
import warnings
from importlib.resources import files

import numpy
import pytest

pytest.importorskip("matplotlib", reason="the report extra is not installed")
from matplotlib import image

from spacy_distill.reports.drawing import NARROW, ON_DARK, SYSTEMS, WIDE, label_colors
from spacy_distill.reports.pictures import DPI, NAMES, draw_all, grouped_matrix


def test_all_are_drawn_for_both_widths(nasty_pictures):
    assert set(nasty_pictures) == set(NAMES)
    for name, picture in nasty_pictures.items():
        for png, inches in ((picture.wide, WIDE), (picture.narrow, NARROW)):
            pixels = image.imread(io.BytesIO(png))
            assert pixels.shape[1] == pytest.approx(inches * DPI, abs=1), name
            # The edges are empty, so nothing is cut off.
            edges = [pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]]
            assert all((edge[..., :3] == 1).all() for edge in edges), name
        assert picture.alt


def test_pictures_without_results_are_not_drawn(plain):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(draw_all(plain)) == {"f1"}


def test_the_least_confused_labels_are_merged():
    matrix = numpy.zeros((6, 6), dtype=int)
    matrix[0, 1], matrix[2, 2], matrix[3, 5], matrix[4, 3] = 7, 100, 2, 1
    grouped, labels, mixed = grouped_matrix(matrix.tolist(), list("abcde"), 3)
    assert labels == ["a", "b", "others"]
    assert grouped.sum() == matrix.sum()
    # Confusions among the merged labels, and of these with no entity.
    assert grouped[0, 1] == 7 and grouped[2, 2] == 101 and grouped[2, 3] == 2
    assert mixed == 1
    same, all_labels, mixed = grouped_matrix(matrix.tolist(), list("abcde"), 5)
    assert (same == matrix).all() and all_labels == list("abcde") and mixed == 0
    matrix[4, 3] = 0
    assert grouped_matrix(matrix.tolist(), list("abcde"), 3)[2] == 0


def test_labels_have_colors_of_their_own_that_letters_can_be_read_on():
    colors = label_colors([str(number) for number in range(40)])
    assert len(set(colors.values())) == 40
    assert all(contrast("#16191c", color) > 7 for color in colors.values())


@pytest.mark.parametrize("number, colors", [(0, SYSTEMS), (1, ON_DARK)])
def test_systems_can_be_read_on_light_and_dark_pages(number, colors):
    """The Web Content Accessibility Guidelines require this contrast of text (AA)."""
    style = (files("spacy_distill.reports") / "page.css").read_text(encoding="utf8")
    paper = re.findall(r"--paper: (#\w{6});", style)[number]
    assert all(contrast(paper, color) >= 4.5 for color in colors.values())


def contrast(one, other):
    """Compute the contrast ratio of the Web Content Accessibility Guidelines."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_matplotlib_is_imported_late_and_reported_if_missing():
    code = """
import sys
sys.modules["matplotlib"] = None
import spacy_distill.cli.report
from spacy_distill.reports import write_report
from spacy_distill.reports.pictures import draw_all
try:
    draw_all({})
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'pip install "spacy-distill[report]"' in done.stdout.splitlines()[0]
