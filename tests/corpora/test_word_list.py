"""Lists of words, in files and in pipelines."""

import numpy
import pytest
import spacy

from spacy_distill.corpora.word_list import read_words
from spacy_distill.vectors.word_tables import vectors_pipeline


def test_words_of_a_file_and_of_a_pipeline(tmp_path):
    nlp = vectors_pipeline(["oslo", "skien"], numpy.eye(2), "nb")
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


def test_a_byte_order_mark_is_no_part_of_a_word(tmp_path):
    (tmp_path / "words.txt").write_text("Oslo\nRome\n", encoding="utf-8-sig")
    assert list(read_words(tmp_path / "words.txt")) == ["Oslo", "Rome"]
