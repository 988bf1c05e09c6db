"""The page as text."""

import copy
import json
import re
from html.parser import HTMLParser

import pytest

from spacy_distill.reports.page import (
    DASH,
    confusions,
    interval,
    number,
    overview,
    percent,
    render_page,
    signed,
    summary,
)
from tests.reports.nasty import LONG_WORD, SCRIPT


class Outline(HTMLParser):
    """Collects the elements of a page, and checks that its tags are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.headings, self.ids, self.links, self.tags = [], [], [], [], []
        self.addresses, self.header_scopes, self.alts = [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        if tag not in ("meta", "link", "img", "source", "br"):
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "th":
            self.header_scopes.append(attributes.get("scope"))
        if tag == "img":
            self.alts.append(attributes["alt"])
        for name in ("src", "srcset", "href"):
            if name in attributes:
                (self.links if tag == "a" else self.addresses).append(attributes[name])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(page):
    parsed = Outline()
    parsed.feed(page)
    assert parsed.open == []
    return parsed


@pytest.fixture(scope="module")
def page(nasty, nasty_pictures):
    return render_page(nasty, nasty_pictures)


def test_a_page_loads_nothing_from_elsewhere(page):
    found = outline(page)
    assert found.addresses and all(address.startswith("data:") for address in found.addresses)
    assert "script" not in found.tags and "http" not in re.sub(r"data:[^\"]*", "", page)
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert "@import" not in style and "url(" not in style


def test_texts_and_labels_are_no_markup(page):
    assert SCRIPT not in page and "&lt;script&gt;" in page
    assert "<b>" not in page and "&lt;b&gt;&amp;amp;" in page
    assert LONG_WORD[:100] in page and "🙂" in page and "{text}" in page


def test_headings_links_and_tables_can_be_followed(page):
    found = outline(page)
    assert found.headings[0] == 1 and found.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(found.headings, found.headings[1:], strict=False))
    assert len(set(found.ids)) == len(found.ids)
    assert found.links and {link[1:] for link in found.links} <= set(found.ids)
    assert set(found.header_scopes) == {"row", "col"}
    assert len(found.alts) == 5 and all(found.alts)


def test_texts_are_written_in_their_own_direction(page):
    assert page.count('<div class="entities"') == page.count('<div class="entities" dir="auto">')


def test_a_student_alone_has_a_page_too(plain):
    page = render_page(plain, {"f1": next(iter([PICTURE]))})
    found = outline(page)
    assert not {"disagreements", "excerpts", "speed", "learning", "calibration"} & set(found.ids)
    assert "The test set is one document" in page and "None" not in page and "nan" not in page


class PICTURE:
    wide = narrow = b""
    alt = "nothing"


def test_all_results_of_the_page_are_in_the_json_file(nasty):
    assert json.loads(json.dumps(nasty, allow_nan=False)) == nasty


def test_numbers_are_written_the_same_everywhere():
    score = {"value": 0.81234, "low": 0.7, "high": 1.0}
    assert percent(score) == "81.2" and interval(score) == "70.0 to 100.0"
    assert percent({"value": None}) == number(None) == "\N{EN DASH}"
    difference = {"value": -0.0312, "low": -0.06, "high": 0.0001}
    assert signed(difference) == "\N{MINUS SIGN}3.1; \N{MINUS SIGN}6.0 to 0.0"
    assert signed({"value": 0.02, "low": None, "high": None}) == "+2.0"
    assert number(1234567.8) == "1,234,568"


def made(value, low, high, words=(None, None), size=(None, None), documents=9):
    systems = [
        {"role": role, "scores": {"f1": {"value": 0.8, "low": 0.7, "high": 0.9}}} for role in ROLES
    ]
    for system, speed, megabytes in zip(systems, words, size, strict=True):
        system.update(words_per_second=speed, megabytes=megabytes)
    difference = {"to": "teacher", "f1": {"value": value, "low": low, "high": high}}
    return {
        "systems": systems,
        "differences": [difference],
        "data": {"name": "a", "documents": documents},
        "bootstrap": {"level": 0.95},
    }


ROLES = ("student", "teacher")


def test_the_summary_claims_no_difference_if_the_interval_contains_0():
    start = "The student finds the entities of a with an F1 of 80.0 (95 % interval 70.0 to 90.0): "
    assert summary(made(0.02, 0.01, 0.03)) == f"{start}2.0 more than the teacher."
    assert summary(made(-0.02, -0.03, -0.01)) == f"{start}2.0 less than the teacher."
    unclear = summary(made(0.02, -0.01, 0.05))
    assert "no clear difference from the teacher (+2.0; \N{MINUS SIGN}1.0 to +5.0)" in unclear


def test_the_summary_claims_no_difference_without_an_interval():
    one = summary(made(0.0, None, None, documents=1))
    assert one.endswith("): one document is too few for a difference from the teacher (0.0).")
    few = summary(made(-0.02, None, None))
    assert few.endswith("no interval for the difference from the teacher (\N{MINUS SIGN}2.0).")
    assert "0.0 less" not in summary(made(-0.0003, -0.0004, -0.0002))


def test_a_label_called_none_is_not_no_entity():
    matrix = [[5, 1, 2], [0, 3, 0], [0, 4, 0]]
    assert confusions(matrix, ["A", "none"]) == [
        (None, "none", 4),
        ("A", None, 2),
        ("A", "none", 1),
    ]


def test_captions_say_which_picture_merges_labels(nasty, nasty_pictures):
    def caption(n_labels):
        labels = nasty["labels"][:n_labels]
        few = copy.deepcopy({**nasty, "labels": labels})
        few["disagreements"]["matrix"] = [[0] * (n_labels + 1)] * (n_labels + 1)
        few["disagreements"]["shown"] = []
        few["data"]["entities_per_label"] = {}
        found = render_page(few, nasty_pictures)
        return found.partition("Boundaries may differ.")[2].partition("</figcaption>")[0]

    merged = "are merged to <i>others</i>"
    assert merged in caption(13) and "on-narrow" not in caption(13)
    assert merged in caption(12) and 'class="on-narrow"' in caption(12)
    assert caption(6) == ""


def test_scores_without_interval_have_a_dash(plain):
    page = render_page(plain, {"f1": PICTURE})
    assert '100.0 <span class="interval">\N{EN DASH}</span>' in page
    assert "fewer than 5 documents count" in page


def test_the_overview_has_a_row_for_each_system():
    report = made(0.02, 0.01, 0.03, words=(5000, None), size=(10, None))
    for system, size in zip(report["systems"], (3_000_000, None), strict=True):
        system.update(parameters=size, per_label={"LOC": {"f1": {"value": None}}})
    assert overview({**report, "labels": ["LOC"]}) == [
        ("", "F1", "LOC", "parameters", "MB", "words/s"),
        ("student", "80.0", DASH, "3.00 M", "10.0", "5,000"),
        ("teacher", "80.0", DASH, DASH, DASH, DASH),
    ]
    many = overview({**report, "labels": [str(number) for number in range(9)]})
    assert many[0] == ("", "F1", "parameters", "MB", "words/s")


def test_the_summary_says_what_is_faster_and_smaller():
    text = summary(made(0.02, 0.01, 0.03, words=(5000, 50), size=(10, 45)))
    assert text.endswith("It is 100 times faster than the teacher and takes 4.5 times less disk.")
    text = summary(made(0.02, 0.01, 0.03, words=(1010, 1000), size=(20, 20.1)))
    assert text.endswith("It is as fast as the teacher and takes as much disk.")
    text = summary(made(0.02, 0.01, 0.03, words=(50, 100), size=(40, 20)))
    assert text.endswith("It is 2.0 times slower than the teacher and takes 2.0 times more disk.")
