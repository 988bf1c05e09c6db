import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from thinc.api import Config
from thinc.util import gpu_is_available
from typer.testing import CliRunner

from spacy_distill.cli import distill as distill_cli
from spacy_distill.configs import make_config


@pytest.fixture
def run(files, tmp_path):
    """Run the command in this process, with more arguments after teacher, config and output."""

    def invoke(*more, teacher=files["teacher"], config=files["config"], output=None):
        output = output or tmp_path / "output"
        arguments = ["distill", str(teacher), str(config), "--output", str(output), *more]
        return CliRunner().invoke(app, arguments)

    return invoke


def message(result):
    """Return the only message of a failed command, without line breaks and colours."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    output = re.sub(r"\x1b\[[\d;]*m", "", result.output).strip()
    assert output.startswith("✘") and output.count("✘") == 1, output
    # Terminals wrap it, but it is one paragraph.
    assert "\n\n" not in output and "Traceback" not in output, output
    return " ".join(output.split())


def test_the_command_distils(files, tmp_path):
    output = tmp_path / "new" / "output"
    command = [sys.executable, "-m", "spacy", "distill", files["teacher"], files["config"]]
    command += ["--output", str(output), "--gpu-id", "-1"]
    command += [
        "--distillation.max_steps",
        "3",
        "--components.ner_student.model.encode.width",
        "24",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ENTS_F" in done.stdout and str(output / "model-last") in done.stdout.replace("\n", "")
    assert "Traceback" not in done.stderr
    nlp = spacy.load(output / "model-last")
    assert nlp.get_pipe("ner_student").labels == ("LOC", "PER")
    assert nlp.config["distillation"]["max_steps"] == 3
    assert nlp.config["components"]["ner_student"]["model"]["encode"]["width"] == 24
    spacy.load(output / "model-best")


def test_there_may_be_no_teacher(run, files, tmp_path):
    corpus, plain = Path(files["config"]).parent / "corpus.spacy", tmp_path / "plain.spacy"
    nlp = spacy.blank("en")
    texts = [doc.text for doc in DocBin().from_disk(corpus).get_docs(nlp.vocab)]
    DocBin(docs=list(nlp.pipe(texts))).to_disk(plain)
    block = {"@readers": "spacy-distill.MixedCorpus.v1", "labeled": str(corpus)}
    config = Config().from_disk(files["config"], interpolate=False)
    config["corpora"]["train"] = {**block, "unlabeled": str(plain)}
    config.to_disk(tmp_path / "student.cfg", interpolate=False)
    result = run(teacher="none", config=tmp_path / "student.cfg")
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "output" / "model-last")
    assert nlp.meta["distillation"]["teachers"] == []


def test_several_sizes(run, tmp_path):
    result = run("--sizes", "8x1, 16x1", "--distillation.max_steps", "3", "--max-mb", "50")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "output" / "sizes.json").read_text())
    assert [item["size"] for item in found["sizes"]] == ["8x1", "16x1"]
    assert found["chosen"] in ("8x1", "16x1")
    for name in ("8x1/model-best", "16x1/model-last", "model-best"):
        assert spacy.load(tmp_path / "output" / name).pipe_names == ["ner_student"]


def test_bits_are_for_compact_students(run):
    assert "4 bits only in a compact student" in message(run("--bits", "4"))
    assert "cannot be stored in 3 bits" in message(run("--compact", "--bits", "3"))


def test_limits_choose_among_all_sizes(run, monkeypatch, tmp_path):
    monkeypatch.setattr(distill_cli, "SIZES", {"8x1": (8, 1)})
    assert run("--max-mb", "50", "--distillation.max_steps", "3").exit_code == 0
    assert json.loads((tmp_path / "output" / "sizes.json").read_text())["chosen"] == "8x1"
    assert "--max-mb has to be more than 0" in message(run("--max-mb", "0"))
    assert "'tiny' is not a size" in message(run("--sizes", "tiny"))


def test_several_generations(run, tmp_path):
    result = run("--generations", "2", "--distillation.max_steps", "3")
    assert result.exit_code == 0, result.output
    for name in ("generation-1/model-best", "model-best"):
        assert spacy.load(tmp_path / "output" / name).pipe_names == ["ner_student"]
    both = ("--generations", "2", "--sizes", "8x1", "--force")
    assert "--generations and --sizes cannot be combined" in message(run(*both))


def test_help_names_the_settings():
    result = CliRunner().invoke(app, ["distill", "--help"])
    assert result.exit_code == 0
    for word in ("teacher", "student_config", "--output", "--gpu-id", "--force", "--code"):
        assert word in result.output.lower()


@pytest.mark.parametrize(
    "more, text",
    [
        (["--distillation.max_step", "3"], "max_step"),
        (["--distillation.max_steps", "many"], "max_steps has to be of type int: found 'many'"),
        (["--distillation.corpus", "corpora.none"], "corpora.none"),
        (["--distillation.corpus", "none"], "none"),
        (["--paths.train", "nowhere.spacy"], "[D334] The training corpus"),
        (["--corpora.dev.path", "null"], "[D335] A corpus has no path (dev)"),
        (["--max_steps", "3"], "[D709] There is no option '--max_steps'"),
        (["--components.ner_student.model.widht", "8"], "widht"),
        (["--components.ner_student.model.embed.features.rows", '{"FORM": 10}'], "FORM"),
        (["--training.eval_frequency", "often"], "eval_frequency"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_override_is_answered_in_one_line(run, tmp_path, more, text):
    assert text in message(run(*more))
    assert not (tmp_path / "output" / "model-last").exists()


def test_a_config_that_is_another_file(run, tmp_path):
    (tmp_path / "corpus.spacy").write_bytes(b"\x78\x9c\xff")
    text = message(run(config=tmp_path / "corpus.spacy"))
    assert text.startswith("✘ [D112]") and "corpus.spacy" in text


@pytest.mark.parametrize("more", ["[training]\nseed = 1", "[paths]"])
def test_a_config_with_a_section_twice(run, tmp_path, more):
    text = make_config("student", lang="en")
    (tmp_path / "student.cfg").write_text(f"{text}\n{more}\n", encoding="utf8")
    found = message(run(config=tmp_path / "student.cfg"))
    line = len(text.splitlines()) + 2
    assert found.startswith("✘ [D119]") and f"Line {line}: section" in found


def test_a_teacher_that_is_not_there(run, tmp_path):
    assert "no-teacher" in message(run(teacher=tmp_path / "no-teacher"))


def test_a_teacher_that_cannot_teach(run, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "teacher")
    said = message(run(teacher=tmp_path / "teacher"))
    assert "none known to find entities" in said and "sentencizer" in said


def test_a_config_that_is_not_there(run, tmp_path):
    result = run(config=tmp_path / "no.cfg")
    assert result.exit_code == 2 and "no.cfg" in re.sub(r"[\s│]", "", result.output)


@pytest.mark.parametrize("text", ["This is no config.", "[nlp]\nlang = en\n", ""])
def test_a_file_that_is_no_config(run, tmp_path, text):
    (tmp_path / "bad.cfg").write_text(text)
    assert "bad.cfg" in message(run(config=tmp_path / "bad.cfg"))


def test_a_corpus_that_cannot_be_read(run, tmp_path):
    (tmp_path / "broken.spacy").write_bytes(b"\x00\x01 no corpus")
    assert "broken.spacy" in message(run("--paths.train", str(tmp_path / "broken.spacy")))


def test_an_output_folder_that_is_not_empty(run, tmp_path):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "thesis.txt").touch()
    said = message(run())
    assert str(tmp_path / "output") in said and "--force" in said
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["thesis.txt"]
    assert run("--force", "--distillation.max_steps", "1").exit_code == 0
    assert (tmp_path / "output" / "model-last").is_dir()


@pytest.mark.skipif(gpu_is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(run):
    assert "GPU 0 cannot be used" in message(run("--gpu-id", "0"))


def test_code_is_imported(run, tmp_path):
    code = (
        "from spacy.util import registry\n"
        "@registry.misc('spacy-distill-tests.Imported.v1')\n"
        "def imported():\n"
        "    return 1\n"
    )
    (tmp_path / "functions.py").write_text(code)
    assert run("--code", str(tmp_path / "functions.py")).exit_code == 0
    assert spacy.registry.has("misc", "spacy-distill-tests.Imported.v1")


def test_ctrl_c_keeps_what_was_learnt(files, tmp_path):
    # A shell without job control lets its children ignore SIGINT. Restore the default handler.
    start = (
        "import runpy, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv[0] = 'spacy'\n"
        "runpy.run_module('spacy', run_name='__main__')"
    )
    output = tmp_path / "output"
    command = [sys.executable, "-c", start, "distill", files["teacher"], files["config"]]
    command += ["--output", str(output), "--distillation.max_steps", "0"]
    command += ["--training.patience", "0", "--training.eval_frequency", "100"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
    )
    try:
        while not (output / "model-best").exists():
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "Interrupted" in said and "model-last" in said and "Traceback" not in said
    names = sorted(path.name for path in output.iterdir())
    assert names == ["checkpoint", "model-best", "model-last"]
    spacy.load(output / "model-last")


@pytest.mark.parametrize("is_earlier", [False, True])
def test_ctrl_c_before_anything_was_learnt_does_not_promise_a_model(
    run, tmp_path, monkeypatch, is_earlier
):
    from spacy_distill.teachers import PipelineTeacher

    def interrupted(self, docs):
        raise KeyboardInterrupt

    monkeypatch.setattr(PipelineTeacher, "predict_chain", interrupted)
    earlier = tmp_path / "output" / "model-last"
    if is_earlier:
        earlier.mkdir(parents=True)
    result = run("--force")
    assert result.exit_code == 130
    assert "model-last" not in result.output
    # An earlier student stays until the training begins.
    assert earlier.exists() == is_earlier


@pytest.mark.parametrize(
    "options, expected",
    [
        ([], {"max_errors": 0, "compact": False, "calibrate": None, "overwrite": False}),
        (["--max-errors", "7", "--compact"], {"max_errors": 7, "compact": True}),
        (["--calibrate", "-F"], {"calibrate": True, "overwrite": True}),
        (["--no-calibrate"], {"calibrate": False}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_reach_the_function(run, monkeypatch, options, expected):
    passed = {}

    def distill(*_, **settings):
        passed.update(settings)

    monkeypatch.setattr(distill_cli, "distill", distill)
    assert run(*options).exit_code == 0
    assert {name: passed[name] for name in expected} == expected
