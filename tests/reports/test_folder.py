"""The files of a report, and their replacement by a second report."""

import copy

import pytest

from spacy_distill.reports import write_report

pytest.importorskip("matplotlib", reason="the report extra is not installed")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_only_the_pictures_of_a_report_are_removed(nasty, plain, tmp_path):
    write_report(nasty, tmp_path)
    assert (tmp_path / "confusion.png").is_file()
    (tmp_path / "holiday.png").write_bytes(b"mine")
    write_report(plain, tmp_path)
    assert contents(tmp_path).keys() == {"f1.png", "holiday.png", "index.html", "report.json"}
    assert (tmp_path / "holiday.png").read_bytes() == b"mine"


def test_a_report_that_cannot_be_written_keeps_the_earlier_one(plain, tmp_path, monkeypatch):
    write_report(plain, tmp_path)
    before = contents(tmp_path)
    broken = copy.deepcopy(plain)
    broken["bootstrap"]["seed"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(broken, tmp_path)
    assert contents(tmp_path) == before
    # The disk is full.
    monkeypatch.setattr("spacy_distill.reports.folder.PAGE", "no/such/folder.html")
    with pytest.raises(OSError, match="No such file"):
        write_report(plain, tmp_path)
    assert contents(tmp_path) == before
