"""Reports that are drawn once for all tests."""

import pytest

from tests.reports.nasty import nasty_report, plain_report


@pytest.fixture(scope="session")
def nasty():
    return nasty_report()


@pytest.fixture(scope="session")
def plain():
    return plain_report()


@pytest.fixture(scope="session")
def nasty_pictures(nasty):
    pytest.importorskip("matplotlib", reason="the report extra is not installed")
    from spacy_distill.reports.pictures import draw_all

    return draw_all(nasty)
