"""A student together with other components, and with all of spaCy's ways to run a pipeline."""

import pickle

import numpy
import pytest
import spacy
from spacy.cli import app
from spacy.training import Example
from spacy.vectors import Vectors
from thinc.api import Config, fix_random_seed
from typer.testing import CliRunner

TEXT = "Anna Berg sails to Oslo ."


@pytest.fixture
def tagging(newsroom):
    """A pipeline with a tagger and an ner that listen to one tok2vec."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": {"width": 16, "depth": 1, "embed_size": 100}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}
    tagger = nlp.add_pipe("tagger", config={"model": {"tok2vec": listener}})
    for label in ("NOUN", "VERB", "PUNCT"):
        tagger.add_label(label)
    nlp.add_pipe("ner", config={"model": {"tok2vec": listener}}).add_label("DATE")
    nlp.initialize()
    return nlp


@pytest.mark.parametrize("place", [{"before": "ner"}, {"last": True}, {"first": True}])
def test_listeners_of_other_components_work(newsroom, learned, tagging, place):
    tagger = tagging.get_pipe("tagger")
    before = tagger.model.predict([tagging(TEXT)])[0]
    tagging.add_pipe("ner_student", source=learned, **place)
    found = newsroom.entities(tagging(TEXT))
    if "last" not in place:
        # spaCy's ner is untrained. It keeps the student's entities and adds others.
        assert set(newsroom.entities(learned(TEXT))) <= set(found)
    assert tagging.get_pipe("tok2vec").listening_components == ["tagger", "ner"]
    numpy.testing.assert_array_equal(tagger.model.predict([tagging(TEXT)])[0], before)


def test_a_student_can_replace_spacys_ner(newsroom, learned, tagging, tmp_path):
    tagging.remove_pipe("ner")
    tagging.add_pipe("ner_student", source=learned)
    tagging.to_disk(tmp_path / "combined")
    nlp = spacy.load(tmp_path / "combined")
    assert nlp.pipe_names == ["tok2vec", "tagger", "ner_student"]
    assert newsroom.entities(nlp(TEXT)) == newsroom.entities(learned(TEXT))


def test_settings_come_from_the_source_and_are_saved(learned, tmp_path):
    learned.to_disk(tmp_path / "student")
    config = {"components.ner_student.overwrite_ents": True}
    student = spacy.load(tmp_path / "student", config=config)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student", source=student, config={"overwrite_ents": False})
    nlp.to_disk(tmp_path / "combined")
    assert spacy.load(tmp_path / "combined").get_pipe("ner_student").overwrite_ents is True


def test_pickled(newsroom, learned):
    nlp = pickle.loads(pickle.dumps(learned))
    assert newsroom.entities(nlp(TEXT)) == newsroom.entities(learned(TEXT)) != []


def test_switched_off_and_on(newsroom, learned):
    with learned.select_pipes(disable="ner_student"):
        assert not learned(TEXT).ents
    assert learned(TEXT).ents


def test_in_memory_zones(newsroom, learned):
    nlp = newsroom.copy(learned)
    expected = newsroom.entities(learned(TEXT))
    for number in range(3):
        with nlp.memory_zone():
            (doc, _) = nlp.pipe([TEXT, f"transient{number} words{number}"])
            assert newsroom.entities(doc) == expected
    assert newsroom.entities(nlp(TEXT)) == expected


@pytest.fixture
def with_vectors():
    """A student that uses the word vectors of the vocabulary."""
    student = spacy.blank("en")
    keys = [student.vocab.strings.add(word) for word in TEXT.split()]
    student.vocab.vectors = Vectors(data=numpy.eye(len(keys), dtype="float32"), keys=keys)
    model = {"embed": {"characters": {"filters": 4}}, "encode": {"width": 8, "depth": 1}}
    student.add_pipe("ner_student", config={"model": model}).add_label("PER")
    doc = student.make_doc(TEXT)
    student.initialize(lambda: [Example(doc, doc)])
    return student


def test_a_student_without_its_word_vectors_is_an_error(with_vectors):
    # spaCy warns when the component is added, and the student raises an error for a document.
    student, nlp = with_vectors, spacy.blank("en")
    with pytest.warns(UserWarning, match="W113"):
        nlp.add_pipe("ner_student", source=student)
    with pytest.raises(ValueError, match=r"D603.* vectors of 6 dimensions.* has none"):
        nlp(TEXT)
    nlp.vocab.vectors = student.vocab.vectors
    assert nlp(TEXT).text == TEXT


def test_word_vectors_of_an_assembled_pipeline(with_vectors, tmp_path):
    folder = tmp_path / "student"
    with_vectors.to_disk(folder)
    config = {
        "nlp": {"lang": "en", "pipeline": ["ner_student"]},
        "components": {"ner_student": {"source": str(folder)}},
        "initialize": {"vectors": str(folder)},
    }
    Config(config).to_disk(tmp_path / "config.cfg")
    arguments = ["assemble", str(tmp_path / "config.cfg"), str(tmp_path / "combined")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    expected = with_vectors.get_pipe("ner_student").posteriors([with_vectors.make_doc(TEXT)])
    nlp = spacy.load(tmp_path / "combined")
    found = nlp.get_pipe("ner_student").posteriors([nlp.make_doc(TEXT)])
    numpy.testing.assert_allclose(found[0], expected[0], atol=1e-6)
