import numpy
import pytest
import spacy

from spacy_distill.corpora.word_list import read_words
from spacy_distill.vectors.table import vectors_pipeline, write_pipeline


@pytest.fixture
def nlp():
    return vectors_pipeline(["oslo", "skien"], numpy.eye(2), "nb")


def test_the_table_is_a_configs_vectors(nlp, tmp_path):
    write_pipeline(nlp, tmp_path / "new" / "vectors")
    other = spacy.blank("nb")
    other.config["initialize"]["vectors"] = str(tmp_path / "new" / "vectors")
    other.initialize()
    assert [list(token.vector) for token in other.make_doc("skien oslo bergen")] == [
        [0, 1],
        [1, 0],
        [0, 0],
    ]


def test_vectors_are_replaced_and_nothing_else(nlp, tmp_path):
    output = tmp_path / "vectors"
    write_pipeline(vectors_pipeline(["a"], numpy.ones((1, 3)), "en"), output)
    write_pipeline(nlp, output)
    assert spacy.load(output).vocab.vectors.shape == (2, 2)
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "meta.json").write_text("[1]")
    trained = spacy.blank("en")
    trained.add_pipe("sentencizer")
    trained.to_disk(tmp_path / "trained")
    for folder in (thesis, tmp_path / "trained"):
        before = sorted(folder.iterdir())
        with pytest.raises(ValueError, match=folder.name):
            write_pipeline(nlp, folder)
        assert sorted(folder.iterdir()) == before
    assert {path.name for path in tmp_path.iterdir()} == {"vectors", "thesis", "trained"}


def test_a_table_that_cannot_be_written_leaves_the_old_one(nlp, tmp_path, monkeypatch):
    output = tmp_path / "vectors"
    write_pipeline(nlp, output)
    other = vectors_pipeline(["a"], numpy.ones((1, 3)), "en")

    def fail(path):
        (path / "vocab").mkdir(parents=True)
        raise OSError("no space left on device")

    monkeypatch.setattr(other, "to_disk", fail)
    with pytest.raises(OSError, match="no space"):
        write_pipeline(other, output)
    assert spacy.load(output).vocab.vectors.shape == (2, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["vectors"]


def test_words_of_a_file_and_of_a_pipeline(nlp, tmp_path):
    (tmp_path / "words.txt").write_text("Ærø\n\n  new york \nOslo", encoding="utf8")
    assert list(read_words(tmp_path / "words.txt")) == ["Ærø", "new york", "Oslo"]
    write_pipeline(nlp, tmp_path / "vectors")
    assert set(read_words(tmp_path / "vectors")) == {"oslo", "skien"}


def test_word_lists_that_are_none(tmp_path):
    (tmp_path / "latin.txt").write_bytes("Ærø\n".encode("latin-1"))
    spacy.blank("en").to_disk(tmp_path / "blank")
    for name, text in [
        ("nowhere.txt", "no such word list"),
        ("latin.txt", "not UTF-8"),
        ("blank", "no word vectors"),
    ]:
        with pytest.raises(ValueError, match=rf"{name}: .*{text}"):
            list(read_words(tmp_path / name))
