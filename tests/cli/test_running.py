import logging

import pytest
from spacy import util
from spacy.cli import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_distill.cli.running import running
from spacy_distill.configs import make_config


@pytest.fixture(autouse=True)
def log_level():
    before = util.logger.level
    yield
    util.logger.setLevel(before)


@pytest.mark.parametrize(
    "error, text",
    [
        (ValueError("[D202] There is no\nteacher 'x'."), "[D202] There is no teacher 'x'."),
        (ImportError("[D305] The library y is needed."), "[D305] The library y"),
        (ValueError("[E985] Can't load model"), "[E985] Can't load model"),
        (OSError(13, "Permission denied", "model"), "Permission denied: 'model'"),
    ],
)
def test_errors_of_users_are_one_line(error, text, capsys):
    with pytest.raises(SystemExit) as ended, running(verbose=False):
        raise error
    assert ended.value.code == 1
    output = capsys.readouterr().out.strip()
    assert text in output and "\n" not in output
    with pytest.raises(type(error)), running(verbose=True):
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
    with pytest.raises(type(error)), running(verbose=False):
        raise error
    assert not capsys.readouterr().out


COMMANDS = {
    "distill": ["nowhere", "student.cfg", "--output", "out"],
    "distill-annotate": ["nowhere", "text.txt", "-o", "out"],
    "distill-calibrate": ["nowhere", "corpus.spacy", "-o", "out"],
    "distill-card": ["nowhere", "corpus.spacy", "-o", "out"],
    "distill-compact": ["nowhere", "-o", "out"],
    "distill-init": ["-o", "student.cfg"],
    "distill-prune": ["nowhere", "-o", "out"],
    "distill-report": ["nowhere", "corpus.spacy"],
    "distill-threshold": ["nowhere", "corpus.spacy"],
    "distill-vectors": ["nowhere", "nowhere.txt", "-o", "out"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_tracebacks_with_verbose(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "student.cfg").write_text(make_config())
    (tmp_path / "text.txt").write_text("Oslo\n")
    DocBin().to_disk(tmp_path / "corpus.spacy")
    util.registry.cli.get_all()  # imports the commands of entry points
    runner, arguments = CliRunner(), [command, *COMMANDS[command]]
    short = runner.invoke(app, arguments)
    assert short.exit_code == 1 and isinstance(short.exception, SystemExit)
    assert "✘ [" in short.output and "Traceback" not in short.output
    long = runner.invoke(app, [*arguments, "--verbose"])
    assert isinstance(long.exception, (ValueError, OSError)), long.output
