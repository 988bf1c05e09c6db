import numpy
import pytest
import spacy

from spacy_distill.corpora.word_list import read_words
from spacy_distill.vectors.table import vectors_pipeline


@pytest.fixture
def nlp():
    return vectors_pipeline(["oslo", "skien"], numpy.eye(2), "nb")


def test_the_table_is_a_configs_vectors(nlp, tmp_path):
    nlp.to_disk(tmp_path / "vectors")
    other = spacy.blank("nb")
    other.config["initialize"]["vectors"] = str(tmp_path / "vectors")
    other.initialize()
    assert [list(token.vector) for token in other.make_doc("skien oslo bergen")] == [
        [0, 1],
        [1, 0],
        [0, 0],
    ]


def test_words_of_a_file_and_of_a_pipeline(nlp, tmp_path):
    (tmp_path / "words.txt").write_text("Ærø\n\n  new york \nOslo", encoding="utf8")
    assert list(read_words(tmp_path / "words.txt")) == ["Ærø", "new york", "Oslo"]
    nlp.to_disk(tmp_path / "vectors")
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
