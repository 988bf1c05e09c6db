"""Tables of robustness and clusters agree with the measurements."""

import shutil

import pytest

from benchmarks.cluster.report import main as write_cluster
from benchmarks.commands import ROOT
from benchmarks.robustness.report import main as write_robustness

PAGES = {"robustness.md": write_robustness, "how-to/cluster.md": write_cluster}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_has_the_measured_figures(tmp_path, name):
    page = ROOT / "docs" / name
    copy = tmp_path / page.name
    shutil.copy(page, copy)
    PAGES[name](copy)
    assert copy.read_text(encoding="utf8") == page.read_text(encoding="utf8")
