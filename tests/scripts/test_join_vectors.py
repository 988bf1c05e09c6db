import join_vectors
import numpy
import pytest
import spacy
import typer
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from spacy_distill.vectors.table import vectors_pipeline

FIRST = numpy.asarray([[1, 0], [0, 1], [1, 1]], dtype="float32")
SECOND = numpy.asarray([[2, 2, 2], [4, 0, 0]], dtype="float32")


def save(path, words, data):
    vectors_pipeline(words, data, "en").to_disk(path)
    return path


def run(*arguments):
    app = typer.Typer()
    app.command()(join_vectors.main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_words_of_the_first_get_both_vectors_at_the_same_scale(tmp_path):
    first = save(tmp_path / "first", ["oslo", "berg", "anna"], FIRST)
    second = save(tmp_path / "second", ["anna", "oslo"], SECOND)
    result = run(first, second, tmp_path / "joined")
    assert result.exit_code == 0, result.output
    vocab = spacy.load(tmp_path / "joined").vocab
    assert vocab.vectors.shape == (3, 5) and "kiel" not in vocab.vectors
    both = numpy.stack([vocab.get_vector(word) for word in ("oslo", "berg", "anna")])
    assert_allclose(both[:, :2], FIRST * 0.5 / numpy.sqrt(4 / 6), rtol=1e-5)
    scale = 0.5 / numpy.sqrt((12 + 16) / 6)
    assert_allclose(
        both[:, 2:], numpy.asarray([SECOND[1], [0, 0, 0], SECOND[0]]) * scale, rtol=1e-5
    )


def test_words_that_share_a_row_may_get_vectors_of_their_own(tmp_path):
    nlp = vectors_pipeline(["oslo", "berg"], FIRST[:2], "en")
    nlp.vocab.strings.add("anna")
    nlp.vocab.vectors.add("anna", row=0)
    second = vectors_pipeline(["anna", "oslo"], SECOND, "en")
    joined = join_vectors.join(nlp, second).vocab
    assert_allclose(joined.get_vector("anna")[:2], joined.get_vector("oslo")[:2])
    assert (joined.get_vector("anna")[2:] != joined.get_vector("oslo")[2:]).any()


def test_words_that_share_a_row_share_what_only_the_first_of_them_has(tmp_path):
    nlp = vectors_pipeline(["oslo", "berg"], FIRST[:2], "en")
    for word, row in (("anna", 0), ("vik", 1)):
        nlp.vocab.strings.add(word)
        nlp.vocab.vectors.add(word, row=row)
    second = vectors_pipeline(["oslo", "vik"], SECOND, "en")
    joined = join_vectors.join(nlp, second).vocab
    assert joined.vectors.shape == (3, 5) and joined.vectors.n_keys == 4
    assert_allclose(joined.get_vector("anna"), joined.get_vector("oslo"))
    assert not joined.get_vector("berg")[2:].any() and joined.get_vector("vik")[2:].any()


def test_a_pipeline_without_vectors_is_refused_in_one_line(tmp_path):
    first = save(tmp_path / "first", ["oslo", "berg", "anna"], FIRST)
    spacy.blank("en").to_disk(tmp_path / "blank")
    result = run(first, tmp_path / "blank", tmp_path / "joined")
    assert result.exit_code == 1 and "without a table of words" in " ".join(result.output.split())
    other = save(tmp_path / "other", ["vik", "fjell"], SECOND)
    result = run(first, other, tmp_path / "joined")
    assert result.exit_code == 1 and "no word that both" in " ".join(result.output.split())
    assert run(first, tmp_path / "nothing", tmp_path / "joined").exit_code == 1
    assert not (tmp_path / "joined").exists()
    with pytest.raises(ValueError, match="without a table"):
        join_vectors.join(spacy.blank("en"), spacy.load(first))


def test_what_is_no_table_is_not_replaced(tmp_path):
    first = save(tmp_path / "first", ["oslo", "berg", "anna"], FIRST)
    other = save(tmp_path / "other", ["oslo", "berg"], SECOND)
    thesis = tmp_path / "thesis" / "important.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work", encoding="utf8")
    trained = spacy.blank("en")
    trained.add_pipe("sentencizer")
    trained.to_disk(tmp_path / "trained")
    for output in (thesis.parent, tmp_path / "trained"):
        result = run(first, other, output)
        assert result.exit_code == 1 and "D723" in result.output
    assert thesis.exists() and spacy.load(tmp_path / "trained").pipe_names == ["sentencizer"]
    assert run(first, other, tmp_path / "joined").exit_code == 0
    assert run(first, other, tmp_path / "joined").exit_code == 0
