"""A pipeline without a trained model, which tags and teaches quickly, and text for it."""

import os
import re
import subprocess
import sys

import pytest
import spacy
from spacy.cli._util import app
from spacy.util import registry
from typer.testing import CliRunner

# Signals as in a shell, whatever the tests are run by: `nohup` and shells without job control let
# their children ignore some.
START = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
END = "sys.argv[0] = 'spacy'\nrunpy.run_module('spacy', run_name='__main__')\n"


@pytest.fixture(scope="session")
def rules(tmp_path_factory):
    """The folder of a pipeline with an entity ruler."""
    nlp = spacy.blank("xx")
    patterns = [{"label": "LOC", "pattern": "Oslo"}, {"label": "PER", "pattern": "Anna Berg"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    folder = tmp_path_factory.mktemp("rules") / "rules"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    """A file of 400 documents, all different."""
    path = tmp_path_factory.mktemp("text") / "texts.txt"
    path.write_text("".join(f"Anna Berg sails to Oslo on day {n} .\n" for n in range(400)))
    return path


@pytest.fixture
def spacy_command():
    """Run a command of spaCy in this process. Return its exit code and what it printed."""

    # As `python -m spacy` does, which finds the commands by their entry points.
    registry.cli.get_all()

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        output = re.sub(r"\x1b\[[\d;]*m", "", result.output)
        return result.exit_code, " ".join(output.split())

    return run


@pytest.fixture
def start_command():
    """Start a command of spaCy in a process of its own, which runs some code before it."""
    started = []

    def start(*arguments, code=""):
        command = [sys.executable, "-c", START + code + END, *map(str, arguments)]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
