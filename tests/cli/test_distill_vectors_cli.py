"""`python -m spacy distill-vectors`."""

import re

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner

import spacy_distill.cli.distill_vectors  # noqa: F401 - what `python -m spacy` finds by its entry point

torch = pytest.importorskip("torch", reason="the transformer runs in torch")
transformers = pytest.importorskip("transformers", reason="the transformer is Hugging Face's")

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "anna", "sails", "to", "oslo", "it", "rains", "##s"]
SENTENCES = ["Anna sails to Oslo", "it rains", "Anna sails"]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with a transformer, a corpus and a word list."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"))
    config = transformers.BertConfig(
        vocab_size=len(PIECES),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
    )
    torch.manual_seed(0)
    for part in (transformers.BertModel(config), tokenizer):
        part.save_pretrained(folder / "teacher")
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=sentence.split()) for sentence in SENTENCES]
    DocBin(docs=docs).to_disk(folder / "corpus.spacy")
    (folder / "words.txt").write_text("Oslos\nrains\n")
    return folder


@pytest.fixture
def run(given, tmp_path):
    """Run the command in this process, with teacher, input and output before the options."""

    def invoke(*more, teacher=given / "teacher", source=given / "corpus.spacy", output=None):
        output = output or tmp_path / "vectors"
        arguments = ["distill-vectors", teacher, source, "--output", output, *more]
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


def test_quotes_of_tables(run, tmp_path):
    table = tmp_path / "texts.csv"
    table.write_text('text\n"Anna sails\nto Oslo"\n', encoding="utf8")
    with pytest.warns(UserWarning, match=r"D940.* row 1 \(line 2\)"):
        assert run("--dim", "2", source=table).exit_code == 0
    result = run("--dim", "2", "--quoting", "none", source=table, output=tmp_path / "other")
    assert result.exit_code == 0, result.output
    assert "D361" in message(run("--quoting", "some", source=table, output=tmp_path / "third"))


def message(result):
    """Return the last paragraph that a failed command prints, after progress bars."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    output = re.sub(r"\x1b\[[\d;]*m", "", result.output)
    assert output.count("✘") == 1 and "Traceback" not in output, output
    return " ".join(output.partition("✘")[2].split())


def words_of(nlp):
    return {nlp.vocab.strings[key] for key in nlp.vocab.vectors}


def test_the_command_writes_vectors_for_a_student(run, given, tmp_path):
    result = run("--dim", 4, "--words", given / "words.txt", "--lang", "en", "--layer", 1)
    assert result.exit_code == 0, result.output
    assert "7 vectors of 4 dimensions" in " ".join(result.stdout.split())
    nlp = spacy.load(tmp_path / "vectors")
    assert nlp.lang == "en" and nlp.vocab.vectors.shape == (7, 4)
    assert words_of(nlp) == {"anna", "sails", "to", "oslo", "it", "rains", "oslos"}
    student = spacy.blank("en")
    student.config["initialize"]["vectors"] = str(tmp_path / "vectors")
    student.initialize()
    assert student.vocab.vectors.shape == (7, 4)
    # Progress bars go to standard error, so they do not get into a pipe.
    assert "word" in result.stderr and "word/s" not in result.stdout


def test_options_reach_their_functions(run, tmp_path):
    result = run("--dim", 2, "--limit", 2, "--min-count", 1, "--batch-size", 1)
    assert result.exit_code == 0, result.output
    assert len(words_of(spacy.load(tmp_path / "vectors"))) == 6
    assert run("--dim", 2, "--min-count", 2, "--force").exit_code == 0
    assert words_of(spacy.load(tmp_path / "vectors")) == {"anna", "sails"}


@pytest.mark.parametrize(
    "more, text",
    [
        (["--layer", "3"], "no layer 3: it has 2 layers"),
        (["--dim", "100"], "A transformer of width 16 cannot give vectors with 100 dimensions"),
        (["--words", "nowhere.txt"], "nowhere.txt: found no such word list"),
        (["--gpu-id", "99"], "GPU 99 was requested"),
        (["--matmul-precision", "low"], "no precision 'low'"),
        (["--dim", "2", "--lang", "nolanguage"], "nolanguage"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_option_is_answered_in_one_line(run, tmp_path, more, text):
    assert text in message(run(*more))
    assert not (tmp_path / "vectors").exists()


def test_a_teacher_or_an_input_that_is_not_there(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "found neither a spaCy pipeline" in message(run(teacher=tmp_path / "empty"))
    # Paths are checked first, since the teacher may take minutes to load.
    said = message(run(teacher=tmp_path / "empty", source=tmp_path / "nowhere.spacy"))
    assert "nowhere.spacy" in said


def test_an_output_folder_with_something_else_is_refused_before_any_work(run, tmp_path):
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "thesis.txt").touch()
    # The teacher does not exist either, but the path is checked first.
    assert "vectors is a file, or a folder that is not empty" in message(
        run(teacher=tmp_path / "nowhere")
    )
    assert [path.name for path in (tmp_path / "vectors").iterdir()] == ["thesis.txt"]
    assert "[D725]" in message(run(output="s3://bucket/vectors"))


def test_a_table_is_joined_with_the_teachers_vectors(run, tmp_path):
    (tmp_path / "glove.txt").write_text("oslo 1 0\nrains 0 1\nanna 2 1\nkiel 1 1\n")
    table = ["--table", tmp_path / "glove.txt", "--prune", 2, "--lang", "en"]
    result = run("--dim", 3, *table)
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "vectors")
    assert nlp.lang == "en" and words_of(nlp) == {"oslo", "rains", "anna", "kiel"}
    assert "vectors of 5 dimensions for 4 words" in " ".join(result.stdout.split())


def test_a_table_is_read_without_a_teacher(tmp_path):
    (tmp_path / "glove.txt").write_text("oslo 1 0\nrains 0 1\nanna 2 1\n")
    command = ["distill-vectors", "--table", tmp_path / "glove.txt", "--output", tmp_path / "out"]
    result = CliRunner().invoke(app, [*map(str, command), "--truncate", "2"])
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "out")
    assert nlp.lang == "xx" and nlp.vocab.vectors.shape == (2, 2)
    assert words_of(nlp) == {"oslo", "rains"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["teacher"],
        ["teacher", "text.txt", "--prune", "2"],
        ["--table", "glove.txt", "--dim", "50"],
        ["--table", "glove.txt", "--limit", "50"],
    ],
)
def test_missing_arguments_are_named(arguments, tmp_path):
    command = ["distill-vectors", *arguments, "--output", str(tmp_path / "out")]
    assert "[D298]" in message(CliRunner().invoke(app, command))


def test_input_options_reach_the_reader(run, monkeypatch):
    asked = []

    def read(source, **settings):
        asked.append((source, settings))
        raise ValueError("[D301] nothing is read")

    monkeypatch.setattr("spacy_distill.cli.distill_vectors.Input", read)
    more = ("--split", "test", "--text-field", "body", "--quoting", "none")
    assert "nothing is read" in message(run(*more, source="hf:owner/news"))
    assert asked == [("hf:owner/news", {"text_field": "body", "split": "test", "quoting": "none"})]
