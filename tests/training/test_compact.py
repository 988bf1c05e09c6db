"""Compact students, compared with the original ones."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.vectors import Vectors

from spacy_distill.models.vector_table import BITS, bits_per_value, look_up
from spacy_distill.training.compact import compact

WORDS = ["Anna", "Berg", "sails", "from", "Oslo", "to", "the", "lake", "with", "Ines", "."]
TEXT = " ".join(WORDS)
SETTINGS = {
    "model": {
        "embed": {"features": {"width": 4}, "characters": {"filters": 8}},
        "encode": {"width": 16, "depth": 1},
    }
}


def make_student(words=WORDS):
    numpy.random.seed(0)
    nlp = spacy.blank("xx")
    if words:
        data = numpy.random.normal(size=(len(words), 6)).astype("float32")
        keys = [nlp.vocab.strings.add(word) for word in words]
        nlp.vocab.vectors = Vectors(data=data, keys=keys, strings=nlp.vocab.strings)
    pipe = nlp.add_pipe("ner_student", config=SETTINGS)
    pipe.add_label("PER")
    nlp.initialize()
    return nlp


def posteriors(nlp):
    """Compute the marginals of the tags of TEXT."""
    (found,) = nlp.get_pipe("ner_student").posteriors([nlp.make_doc(TEXT)])
    return found


@pytest.mark.parametrize("bits", BITS)
def test_a_compact_student_predicts_the_same(bits, tmp_path):
    nlp = make_student()
    expected = posteriors(nlp)
    small = compact(nlp, bits=bits)
    small.to_disk(tmp_path / "small")
    again = spacy.load(tmp_path / "small")
    assert again.vocab.vectors.n_keys == 0 and "lake" not in again.vocab.strings
    assert_allclose(posteriors(small), expected, atol=1e-2)
    assert_allclose(posteriors(again), expected, atol=1e-2)
    assert again.meta["name"] == nlp.meta["name"] and again.pipe_names == nlp.pipe_names
    # The original pipeline is not changed.
    assert nlp.vocab.vectors.n_keys == len(WORDS)
    assert_allclose(posteriors(nlp), expected)


def test_vectors_can_be_pruned():
    small = compact(make_student(), prune=3, bits=16)
    (table,) = (node.attrs["vector_table"] for node in layers(small) if node.attrs["vector_table"])
    assert table["data"].shape == (3, 6) and len(table["keys"]) == len(WORDS)
    assert posteriors(small).shape == (len(WORDS), 5)


@pytest.mark.parametrize("before", [16, 8, 4])
def test_a_compact_student_can_be_made_smaller(before, tmp_path):
    words = [f"word{number}" for number in range(700)]
    nlp = make_student(words)
    compact(nlp, bits=before).to_disk(tmp_path)
    (straight,), (again,) = (
        layers(compact(one, prune=600, bits=2)) for one in (nlp, spacy.load(tmp_path))
    )
    keys = numpy.asarray([nlp.vocab.strings[word] for word in words], dtype="uint64")
    tables = [layer.attrs["vector_table"] for layer in (straight, again)]
    assert [len(table["data"]) for table in tables] == [600, 600]
    assert [bits_per_value(table) for table in tables] == [2, 2]
    vectors = nlp.vocab.vectors.data[:600]
    errors = [numpy.abs(look_up(table, keys[:600]) - vectors).mean() for table in tables]
    assert errors[1] < 1.2 * errors[0]


def layers(nlp):
    return [
        node for node in nlp.get_pipe("ner_student").model.walk() if "vector_table" in node.attrs
    ]


def test_dimensions_that_the_student_reads_have_smaller_errors():
    words = [f"word{number}" for number in range(600)]
    nlp = make_student(words)
    encode = next(node for node in nlp.get_pipe("ner_student").model.walk() if node.has_param("U"))
    weights = encode.get_param("W").copy()
    weights[:, [0, 2, 4]] = 0
    encode.set_param("W", weights)
    (layer,) = layers(compact(nlp, bits=2))
    keys = numpy.asarray([nlp.vocab.strings[word] for word in words], dtype="uint64")
    errors = look_up(layer.attrs["vector_table"], keys) - nlp.vocab.vectors.data
    squares = (errors**2).mean(axis=0)
    assert squares[[1, 3, 5]].max() < 0.1 * squares[[0, 2, 4]].min()


def test_students_that_share_a_table_share_its_metric():
    nlp = make_student()
    nlp.add_pipe("ner_student", "other", source=nlp)
    small = compact(nlp, bits=4)
    tables = [
        node.attrs["vector_table"]
        for _, pipe in small.components
        for node in pipe.model.walk()
        if "vector_table" in node.attrs
    ]
    assert len(tables) == 2 and tables[0] is tables[1]
    assert_allclose(posteriors(small), posteriors(nlp), atol=1e-3)


def test_it_takes_its_vectors_along_into_another_pipeline():
    small = compact(make_student())
    other = spacy.blank("xx")
    other.add_pipe("ner_student", source=small)
    assert_allclose(posteriors(other), posteriors(small))
    # Other vectors in the vocabulary do not matter.
    other.vocab.vectors = make_student(WORDS[:4]).vocab.vectors
    assert_allclose(posteriors(other), posteriors(small))


def test_it_can_learn_more():
    small = compact(make_student())
    doc = small.make_doc(TEXT)
    doc.set_ents([doc.char_span(0, 9, label="PER")])
    example = spacy.training.Example(small.make_doc(TEXT), doc)
    optimizer = small.resume_training()
    optimizer.learn_rate = 0.02
    for _ in range(40):
        small.update([example], sgd=optimizer)
    assert [(ent.text, ent.label_) for ent in small(TEXT).ents] == [("Anna Berg", "PER")]


def test_the_vocabulary_stays_where_other_trained_components_need_it():
    nlp = make_student()
    tagger = nlp.add_pipe("tagger")
    tagger.add_label("lake")
    doc = Doc(nlp.vocab, words=["a"], tags=["lake"])
    tagger.initialize(lambda: [spacy.training.Example(doc, doc)], nlp=nlp)
    small = compact(nlp)
    assert small.vocab.vectors.n_keys == len(WORDS) and "lake" in small.vocab.strings
    assert_allclose(posteriors(small), posteriors(nlp), atol=1e-2)
    assert small(TEXT)[0].tag_ == nlp(TEXT)[0].tag_ == "lake"


def test_disabled_components_count(tmp_path):
    nlp = make_student()
    tagger = nlp.add_pipe("tagger")
    doc = Doc(nlp.vocab, words=["a"], tags=["lake"])
    tagger.initialize(lambda: [spacy.training.Example(doc, doc)], nlp=nlp)
    nlp.disable_pipe("tagger")
    small = compact(nlp)
    assert small.disabled == ["tagger"] and small.vocab.vectors.n_keys == len(WORDS)
    nlp.disable_pipe("ner_student")
    compact(nlp).to_disk(tmp_path)
    again = spacy.load(tmp_path)
    again.enable_pipe("ner_student")
    assert posteriors(again).shape == (len(WORDS), 5)


def test_pipelines_without_vectors_are_refused():
    with pytest.raises(ValueError, match="found ner_student, expected"):
        compact(make_student(words=[]))
    with pytest.raises(ValueError, match=r"D613.* have 8 bits a value already"):
        compact(compact(make_student()))
    with pytest.raises(ValueError, match="found no components"):
        compact(spacy.blank("xx"))
    with pytest.raises(ValueError, match=r"in 3 bits a value\. Choose one of 16, 8, 4, 2"):
        compact(make_student(), bits=3)


def test_it_can_be_serialized_to_bytes():
    small = compact(make_student())
    assert small(Doc(small.vocab, words=WORDS)).has_annotation("ENT_IOB")
    again = spacy.util.load_model_from_config(small.config).from_bytes(small.to_bytes())
    assert_allclose(posteriors(again), posteriors(small))
