import logging

import pytest
from spacy import util

from spacy_distill.cli.failures import explained


@pytest.fixture(autouse=True)
def log_level():
    before = util.logger.level
    yield
    util.logger.setLevel(before)


@pytest.mark.parametrize(
    "error, text",
    [
        (ValueError("[D202] There is no\nteacher 'x'."), "[D202] There is no teacher 'x'."),
        (ImportError("[D305] This input needs the library y."), "[D305] This input needs"),
        (ValueError("[E985] Can't load model"), "[E985] Can't load model"),
        (OSError(28, "No space left on device", "model"), "No space left on device: 'model'"),
    ],
)
def test_what_a_person_can_mend_is_one_line(error, text, capsys):
    with pytest.raises(SystemExit) as ended, explained(verbose=False):
        raise error
    assert ended.value.code == 1
    output = capsys.readouterr().out.strip()
    assert text in output and "\n" not in output
    with pytest.raises(type(error)), explained(verbose=True):
        raise error
    assert util.logger.level == logging.DEBUG


@pytest.mark.parametrize(
    "error",
    [
        ValueError("operands could not be broadcast together with shapes (2,) (3,)"),
        MemoryError("Unable to allocate 8 GiB"),
        RuntimeError("CUDA out of memory"),
        ImportError("No module named 'torch'"),
        KeyError("[D202]"),
    ],
)
def test_a_bug_keeps_its_traceback(error, capsys):
    with pytest.raises(type(error)), explained(verbose=False):
        raise error
    assert not capsys.readouterr().out
