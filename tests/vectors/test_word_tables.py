"""Reading, pruning and joining of word vectors."""

import gzip

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose

from spacy_distill.vectors.make_vectors import make_vectors
from spacy_distill.vectors.word_tables import (
    SCALE,
    WordTable,
    join,
    pipeline_of_table,
    prune,
    read_word_table,
    vectors_pipeline,
)

WORDS = ["the", "in", "london", "fog", "skien"]
DATA = numpy.arange(1, 16, dtype="float32").reshape(5, 3)
TEXT = "\n".join(f"{word} {' '.join(map(str, row))}" for word, row in zip(WORDS, DATA, strict=True))


def table(words, data, rows=None):
    rows = range(len(words)) if rows is None else rows
    return WordTable(words, numpy.asarray(rows), numpy.asarray(data, dtype="float32"))


@pytest.fixture(params=["txt", "header", "gz", "npy and txt", "npy and parquet", "pipeline"])
def source(request, tmp_path):
    """The same vectors in each format."""
    path = tmp_path / "vectors.txt"
    if request.param == "txt":
        path.write_text(TEXT + "\n")
    elif request.param == "header":
        path.write_text(f"5 3\n{TEXT}\n")
    elif request.param == "gz":
        path = tmp_path / "vectors.txt.gz"
        path.write_bytes(gzip.compress(f"5 3\n{TEXT}\n".encode()))
    elif request.param == "npy and txt":
        path = tmp_path / "array.npy"
        numpy.save(path, DATA)
        (tmp_path / "words.txt").write_text("\n".join(WORDS))
    elif request.param == "npy and parquet":
        pyarrow = pytest.importorskip("pyarrow", reason="the word list is a parquet file")
        parquet = pytest.importorskip("pyarrow.parquet")
        path = tmp_path
        numpy.save(path / "array.npy", DATA)
        parquet.write_table(pyarrow.table({"index": WORDS}), path / "index.parquet")
    else:
        path = tmp_path / "pipeline"
        pipeline_of_table(table(WORDS, DATA), "en").to_disk(path)
    return path


def test_every_format_is_read(source):
    found = read_word_table(source)
    assert found.words == WORDS
    assert_allclose(found.data[found.rows], DATA)
    found = read_word_table(source, truncate=2)
    assert found.words == WORDS[:2] and found.data.shape == (2, 3)


def test_the_first_vector_of_a_repeated_word_is_taken(tmp_path):
    (tmp_path / "vectors.txt").write_text("a 1 1\nb 2 2\na 3 3\n")
    found = read_word_table(tmp_path / "vectors.txt")
    assert found.words == ["a", "b"] and found.data[found.rows].tolist() == [[1, 1], [2, 2]]


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"D293.*no word vectors"):
        read_word_table("owner/vectors")
    with pytest.raises(ValueError, match=r"D295.*found 0 \.npy files and 0 word lists"):
        read_word_table(tmp_path)
    numpy.save(tmp_path / "array.npy", DATA[:4])
    (tmp_path / "words.txt").write_text("\n".join(WORDS))
    with pytest.raises(ValueError, match=r"D295.*found 5 words and an array of the shape \(4, 3\)"):
        read_word_table(tmp_path)
    (tmp_path / "vectors.vec").write_text("the 1 2 3\nin 1 2\n")
    with pytest.raises(ValueError, match=r"D294.*vectors\.vec' cannot be read"):
        read_word_table(tmp_path / "vectors.vec")
    (tmp_path / "marked.vec").write_text("2 3\nthe 1 2 3\nin 1 2 3\n", encoding="utf-8-sig")
    with pytest.raises(ValueError, match=r"D294.*byte order mark"):
        read_word_table(tmp_path / "marked.vec")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ValueError, match=r"D296.*blank' has no table of words"):
        read_word_table(tmp_path / "blank")


def test_a_list_of_numbers_is_no_word_list(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the tag extra is not installed")
    numpy.save(tmp_path / "array.npy", DATA[:2])
    arrow = pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table({"ids": [1, 2]}), tmp_path / "words.parquet")
    with pytest.raises(ValueError, match=r"D246.*words.parquet', ids, has something else"):
        read_word_table(tmp_path)


def test_pruned_words_get_the_most_similar_row():
    data = [[1, 0, 0], [0, 1, 0], [0, 3, 0.1], [5, 1, 0], [0, 0, 0]]
    pruned = prune(table(WORDS, data), 2)
    assert pruned.words == WORDS and pruned.data.shape == (2, 3)
    assert pruned.rows.tolist()[:4] == [0, 1, 1, 0]
    assert pruned.words_with_own_row == WORDS[:2]
    vectors = pipeline_of_table(pruned, "en").vocab.vectors
    assert vectors.shape == (2, 3) and vectors.n_keys == len(WORDS)


FIRST = [[1, 0], [0, 1], [1, 1]]
SECOND = [[2, 2, 2], [4, 0, 0]]


def vectors_of(joined):
    return dict(zip(joined.words, joined.data[joined.rows], strict=True))


def test_words_of_the_first_table_get_both_vectors_at_the_same_scale():
    joined = join(table(["oslo", "berg", "anna"], FIRST), table(["anna", "oslo"], SECOND))
    assert joined.data.shape == (3, 5) and joined.words == ["oslo", "berg", "anna"]
    both = joined.data[joined.rows]
    assert_allclose(both[:, :2], numpy.asarray(FIRST) * SCALE / numpy.sqrt(4 / 6), rtol=1e-5)
    expected = numpy.asarray([SECOND[1], [0, 0, 0], SECOND[0]])
    assert_allclose(both[:, 2:], expected * SCALE / numpy.sqrt((12 + 16) / 6), rtol=1e-5)


def test_words_that_share_a_row_may_get_vectors_of_their_own():
    first = table(["oslo", "berg", "anna"], FIRST[:2], [0, 1, 0])
    found = vectors_of(join(first, table(["anna", "oslo"], SECOND)))
    assert_allclose(found["anna"][:2], found["oslo"][:2])
    assert (found["anna"][2:] != found["oslo"][2:]).any()


def test_words_that_share_a_row_share_what_only_the_first_of_them_has():
    first = table(["oslo", "berg", "anna", "vik"], FIRST[:2], [0, 1, 0, 1])
    joined = join(first, table(["oslo", "vik"], SECOND))
    found = vectors_of(joined)
    assert joined.data.shape == (3, 5)
    assert_allclose(found["anna"], found["oslo"])
    assert not found["berg"][2:].any() and found["vik"][2:].any()


def test_tables_without_a_common_word_are_refused():
    with pytest.raises(ValueError, match=r"D297.*no word in common"):
        join(table(["oslo"], FIRST[:1]), table(["vik"], SECOND[:1]))


def test_tables_are_joined_and_initialize_uses_them(tmp_path):
    (tmp_path / "glove.txt").write_text(TEXT)
    (tmp_path / "other.txt").write_text("fog 1 0\nlondon 0 1\n")
    nlp = make_vectors([tmp_path / "glove.txt", tmp_path / "other.txt"], prune_to=4, lang="en")
    nlp.to_disk(tmp_path / "vectors")
    student = spacy.blank("en")
    student.config["initialize"]["vectors"] = str(tmp_path / "vectors")
    student.initialize()
    doc = student.make_doc("london skien oslo")
    assert [token.has_vector for token in doc] == [True, True, False]
    assert doc[0].vector.shape == (5,) and doc[0].vector[-1] > 0


def test_vectors_of_words_are_a_configs_vectors(tmp_path):
    nlp = vectors_pipeline(["oslo", "skien"], numpy.eye(2), "nb")
    nlp.to_disk(tmp_path / "vectors")
    other = spacy.blank("nb")
    other.config["initialize"]["vectors"] = str(tmp_path / "vectors")
    other.initialize()
    assert [list(token.vector) for token in other.make_doc("skien oslo bergen")] == [
        [0, 1],
        [1, 0],
        [0, 0],
    ]


def test_options_of_a_teacher_need_one(tmp_path):
    (tmp_path / "glove.txt").write_text("oslo 1 0\n")
    with pytest.raises(ValueError, match=r"\[D245\] .* no effect: more_words, dim\."):
        make_vectors([tmp_path / "glove.txt"], more_words=["rome"], dim=50)
