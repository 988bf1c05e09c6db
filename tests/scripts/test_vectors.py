import numpy
import pytest
import spacy
import typer
from make_vectors import main
from spacy.tokens import Doc, DocBin
from spacy.util import load_model
from typer.testing import CliRunner

pyarrow = pytest.importorskip("pyarrow", reason="word vectors come in parquet files")
parquet = pytest.importorskip("pyarrow.parquet")

WORDS = ["the", "in", "london", "fog", "skien"]


@pytest.fixture
def glove(tmp_path):
    folder = tmp_path / "glove"
    folder.mkdir()
    data = numpy.arange(1, len(WORDS) * 3 + 1, dtype="float32").reshape(len(WORDS), 3)
    numpy.save(folder / "emb.npy", data)
    parquet.write_table(pyarrow.table({"index": WORDS}), folder / "index.parquet")
    return folder


def run(*arguments):
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_first_rows_are_taken(glove, tmp_path):
    result = run(glove, tmp_path / "vectors", "--rows", 3)
    assert result.exit_code == 0, result.output
    nlp = load_model(tmp_path / "vectors")
    assert nlp.vocab.vectors.shape == (3, 3)
    doc = nlp.make_doc("london fog")
    assert [list(token.vector) for token in doc] == [[7, 8, 9], [0, 0, 0]]


def test_words_with_vectors_of_their_own_are_listed(glove, tmp_path):
    words = tmp_path / "words.txt"
    result = run(glove, tmp_path / "vectors", "--rows", 2, "--prune", "--word-list", words)
    assert result.exit_code == 0, result.output
    assert words.read_text(encoding="utf8").split() == WORDS[:2]
    assert load_model(tmp_path / "vectors").vocab.vectors.n_keys == len(WORDS)


def test_initialize_uses_the_vectors(glove, tmp_path):
    run(glove, tmp_path / "vectors", "--rows", 3)
    nlp = spacy.blank("en")
    nlp.config["initialize"]["vectors"] = str(tmp_path / "vectors")
    nlp.initialize()
    assert list(nlp.make_doc("london")[0].vector) == [7, 8, 9]


def test_words_of_documents_are_kept(glove, tmp_path):
    vocab = spacy.blank("en").vocab
    options = []
    for name, word in {"train": "Skien", "dev": "Narvik"}.items():
        path = tmp_path / f"{name}.spacy"
        DocBin(docs=[Doc(vocab, words=[word, "in"])]).to_disk(path)
        options += ["--words", path]
    result = run(glove, tmp_path / "vectors", "--rows", 1, *options)
    assert result.exit_code == 0, result.output
    nlp = load_model(tmp_path / "vectors")
    assert "Narvik" not in nlp.vocab.strings
    doc = nlp.make_doc("the in skien narvik london")
    assert [token.has_vector for token in doc] == [True, True, True, False, False]
    assert list(doc[2].vector) == [13, 14, 15]


def test_an_old_pipeline_is_replaced_and_nothing_else(glove, tmp_path):
    output = tmp_path / "vectors"
    for rows in (5, 2):
        assert run(glove, output, "--rows", rows).exit_code == 0
    assert load_model(output).vocab.vectors.shape == (2, 3)
    result = run(glove, glove)
    assert result.exit_code == 1
    assert "D723" in result.output
    assert sorted(path.name for path in glove.iterdir()) == ["emb.npy", "index.parquet"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["glove", "vectors"]


def test_bad_input_is_refused_in_one_line(glove, tmp_path):
    result = run(tmp_path, tmp_path / "vectors")
    assert result.exit_code == 1
    assert "found 0 files *.npy" in " ".join(result.output.split())
    result = run(glove, tmp_path / "vectors", "--words", tmp_path / "nowhere.spacy")
    assert result.exit_code == 1
    assert "no such file" in " ".join(result.output.split())
    numpy.save(glove / "emb.npy", numpy.zeros((4, 3), dtype="float32"))
    result = run(glove, tmp_path / "vectors")
    assert result.exit_code == 1
    assert "found 5 words and vectors of the shape (4, 3)" in " ".join(result.output.split())
    assert not (tmp_path / "vectors").exists()


def test_pruned_words_share_the_most_similar_row(tmp_path, glove):
    data = numpy.asarray([[1, 0, 0], [0, 1, 0], [0, 3, 0.1], [5, 1, 0], [0, 0, 0]], dtype="float32")
    numpy.save(glove / "emb.npy", data)
    result = run(glove, tmp_path / "vectors", "--rows", 2, "--prune")
    assert result.exit_code == 0, result.output
    vectors = load_model(tmp_path / "vectors").vocab.vectors
    assert vectors.shape == (2, 3)
    assert [vectors.find(key=word) for word in WORDS[:4]] == [0, 1, 1, 0]
    assert vectors.n_keys == len(WORDS)
