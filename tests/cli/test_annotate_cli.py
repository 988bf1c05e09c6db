"""`python -m spacy distill-annotate`."""

import json
import re
import sys
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from typer.testing import CliRunner

from spacy_distill.cli import annotate as annotate_cli
from spacy_distill.corpora.soft_shards import Manifest, Shard, read_shard
from spacy_distill.teachers import TeacherOptions


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("Anna sails to Oslo\nIt rains\n")
    return path


@pytest.fixture
def run(files, text, tmp_path):
    """Run the command in this process, with more arguments after teacher, input and output."""

    def invoke(*more, teacher=files["teacher"], source=text, output=None, typed=None):
        output = output or tmp_path / "soft"
        arguments = ["distill-annotate", str(teacher), str(source), "--output", str(output)]
        arguments += map(str, more)
        return CliRunner().invoke(app, arguments, input=typed)

    return invoke


@pytest.fixture
def passed(monkeypatch):
    """Record the arguments of `annotate`, which is not run."""
    found = {}

    def annotate(*arguments, **settings):
        found.update(settings, arguments=arguments)
        return made(shard("a", 1000, 20000, 300, 0), shard("b", 1, 1, 1, 2))

    monkeypatch.setattr(annotate_cli, "annotate", annotate)
    return found


def shard(file, documents, tokens, entities, misfits, skipped_ids=()):
    counts = {"documents": documents, "tokens": tokens, "entities": entities, "misfits": misfits}
    skipped = {"skipped": len(skipped_ids), "skipped_ids": [*skipped_ids]}
    return Shard(file=file, sha256="", input_hash="", **counts, **skipped)


def made(*shards):
    return Manifest(labels=[], teacher={}, settings={}, input={}, complete=True, shards=[*shards])


def message(result):
    """Return the only message of a failed command, without line breaks and colours."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    output = re.sub(r"\x1b\[[\d;]*m", "", result.output).strip()
    assert output.count("✘") == 1 and "Traceback" not in output, output
    said = output[output.index("✘") :]
    assert "\n\n" not in said, output
    return " ".join(said.split())


def test_options_reach_the_function(run, text, tmp_path, passed):
    options = "--top-k 3 --batch-size 5 --n-process 2 --limit 7 --text-field body --lang de"
    options += " --shard-size 99 --gpu-id 1 --force --teacher-pipe ner --spans-key sc"
    options += " --score-attr sureness"
    options += " --max-errors 6"
    options += " --labels PER,LOC --assumed-confidence 0.7,0.6 --partial-labels"
    options += " --label-map PER=P,LOC=L --weights 2,1"
    (tmp_path / "words.txt").write_text("oslo\nkiel\n")
    options += " --quoting none --matmul-precision medium"
    options += (
        f" --scheme io --split test --augment 2 --words {tmp_path / 'words.txt'} --code code.py"
    )
    result = run(*options.split(), teacher="one, two")
    assert result.exit_code == 0, result.output
    assert passed == {
        "arguments": (["one", "two"], str(text), str(tmp_path / "soft")),
        "teacher_options": TeacherOptions(
            teacher_pipe="ner",
            spans_key="sc",
            score_attr="sureness",
            assumed_confidence=(0.7, 0.6),
            labels=("PER", "LOC"),
            partial_labels=True,
            label_map={"PER": "P", "LOC": "L"},
            weights=(2.0, 1.0),
            scheme="io",
            matmul_precision="medium",
        ),
        "text_field": "body",
        "split": "test",
        "quoting": "none",
        "lang": "de",
        "top_k": 3,
        "batch_size": 5,
        "n_process": 2,
        "executor": "local",
        "address": None,
        "n_workers": None,
        "shard_size": 99,
        "limit": 7,
        "augment": 2,
        "max_errors": 6,
        "words": ["oslo", "kiel"],
        "code": Path("code.py"),
        "use_gpu": 1,
        "overwrite": True,
    }
    said = " ".join(result.output.split())
    assert "1,001 documents, 20,001 tokens and 301 entities" in said
    assert "2 entities did not fit the tokens" in said


def test_labels_of_json_are_read_as_typed_ones(run, passed):
    assert run("--labels", '["PER ", "A, B"]').exit_code == 0
    assert passed["teacher_options"].labels == ("PER", "A, B")
    for wrong in ('["PER", 1]', '["PER", " "]', "[PER]"):
        result = run("--labels", wrong)
        assert result.exit_code == 1 and "[D285]" in result.output


def test_a_confidence_of_0_is_not_ignored(run, passed):
    assert run("--assumed-confidence", "0").exit_code == 0
    assert passed["teacher_options"].assumed_confidence == 0


def test_short_options_and_defaults(run, passed):
    assert run("-b", 3, "-n", 4, "-l", "de", "-g", 0, "-F").exit_code == 0
    short = ("batch_size", "n_process", "lang", "use_gpu", "overwrite")
    assert [passed[name] for name in short] == [3, 4, "de", 0, True]
    assert run().exit_code == 0
    assert [passed[name] for name in short] == [64, 1, None, -1, False]
    assert passed["teacher_options"] == TeacherOptions()
    assert [passed[name] for name in ("text_field", "split", "top_k")] == ["text", "train", 8]


def test_a_column_of_a_table_is_read(run, tmp_path):
    rows = [{"title": "Sea", "body": "Anna sails"}, {"title": "Sky", "body": "It rains"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    assert "--text-field" in message(run(source=path))
    result = run("--text-field", "body", source=path)
    assert result.exit_code == 0 and "2 documents, 4 tokens" in result.output


def test_standard_input_is_read(run, tmp_path):
    output = tmp_path / "new" / "soft"
    typed = "Anna sails\n\nIt rains\nmore\n"
    result = run("--limit", 2, "--lang", "en", source="-", output=output, typed=typed)
    assert result.exit_code == 0, result.output
    assert "2 documents, 4 tokens and" in result.output
    (shard,) = Manifest.from_disk(output).shards
    documents = [(document.id, document.words) for document in read_shard(output / shard.file)]
    assert documents == [("-:1", ["Anna", "sails"]), ("-:3", ["It", "rains"])]


def test_another_setting_is_refused_and_overwritten_when_asked(run, tmp_path):
    assert run().exit_code == 0
    assert run().exit_code == 0
    said = message(run("--top-k", 2))
    assert "the setting top_k" in said and "--force" in said and str(tmp_path / "soft") in said
    assert run("--top-k", 2, "--force").exit_code == 0
    assert Manifest.from_disk(tmp_path / "soft").settings["top_k"] == 2


@pytest.mark.parametrize(
    "more, said",
    [
        (["--label-map", "PERSON"], "'PERSON' is not a pair of labels"),
        (["--label-map", "GPE=LOC2"], "names GPE, but the teachers' labels are: LOC, PER"),
        (["--weights", "2,many"], "--weights 2,many"),
        (["--weights", "2,1"], "found 1 teachers and the weights"),
        (["--teacher-pipe", "ner"], "no component 'ner'"),
        (["--spans-key", "sc"], "none known to write spans"),
        (["--top-k", "0"], "top_k has to be from 1 to 255"),
        (["--lang", "xx-none"], "xx-none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_answered_in_one_line(run, more, said):
    assert said in message(run(*more))


def test_missing_files_are_named(run, tmp_path):
    assert "no_teacher" in message(run(teacher="no_teacher"))
    assert "none.txt" in message(run(source=tmp_path / "none.txt"))
    (tmp_path / "file").touch()
    assert "is a file" in message(run(output=tmp_path / "file"))


@pytest.mark.parametrize("n_process", [1, 2])
def test_code_that_cannot_be_imported(run, tmp_path, n_process):
    assert "[D707]" in message(run("--code", tmp_path / "none.py"))
    (tmp_path / "code.py").write_text("import no_such_module\n")
    said = message(run("--code", tmp_path / "code.py", "--n-process", n_process))
    assert "[D708]" in said and "No module named 'no_such_module'" in said


def test_a_teacher_that_cannot_teach(run, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "teacher")
    assert "sentencizer (sentencizer)" in message(run(teacher=tmp_path / "teacher"))


def test_a_missing_library_is_reported_in_one_line(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "spacy-distill[train]" in message(run())


def test_text_without_documents_is_reported(run, tmp_path):
    (tmp_path / "blank.txt").write_text("\n \n\n")
    said = message(run(source=tmp_path / "blank.txt"))
    assert "blank.txt" in said and "no text" in said


def test_quotes_of_tables(run, tmp_path):
    table = tmp_path / "texts.tsv"
    table.write_text('text\tid\n"Oslo" it is\ta\n"It ""rains"""\tb\n', encoding="utf8")
    with pytest.warns(UserWarning, match=r"D941.* row 2 \(line 3\)"):
        assert run(source=table).exit_code == 0
    documents = read_shard(tmp_path / "soft" / "shard-000000.parquet")
    assert [document.words[0] for document in documents] == ['"', '"']
    assert "the quoting of tables" in message(run("--quoting", "double", source=table))
    said = message(run("--quoting", "double", "--force", source=table))
    assert "[D359]" in said and "row 1, line 2" in said


def test_ctrl_c_says_how_to_continue(run, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(annotate_cli, "annotate", interrupted)
    result = run()
    assert result.exit_code == 130
    assert "Run the same command again" in " ".join(result.output.split())


def test_help_names_the_settings():
    result = CliRunner().invoke(app, ["distill-annotate", "--help"])
    assert result.exit_code == 0
    words = ("teacher", "input", "output", "--top-k", "--batch-size", "--n-process", "--gpu-id")
    for word in (*words, "--limit", "--force", "--label-map", "--teacher-pipe"):
        assert word in result.output.lower()


def test_documents_that_the_teacher_fails_on(run, passed, monkeypatch):
    result = run("--max-errors", "4")
    assert result.exit_code == 0 and passed["max_errors"] == 4
    assert "were left out" not in result.output

    def annotate(*arguments, **settings):
        return made(shard("a", 10, 200, 3, 1, skipped_ids=["text:1", "text:7"]))

    monkeypatch.setattr(annotate_cli, "annotate", annotate)
    told = " ".join(run().output.split())
    assert (
        "1 entities did not fit the tokens, which are marked as unknown; 2 documents were left out"
        in told
    )
