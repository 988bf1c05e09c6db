"""The table that compares pipelines."""

import numpy
import pytest
import spacy
from compare import parameters, words_per_second
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_distill.models.feature_cache import FEATURES
from spacy_distill.training.compact import compact


def test_parameters_are_those_of_the_models_and_the_word_vectors():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    pipe = nlp.add_pipe("ner_student", config={"model": {"width": 8, "depth": 1}})
    pipe.add_label("LOC")
    nlp.initialize()
    sizes = {name: array.size for name, array in named_parameters(pipe.model)}
    assert len(sizes) > 10 and parameters(nlp) == sum(sizes.values())
    nlp.vocab.set_vector("Oslo", numpy.zeros(5, dtype="float32"))
    assert parameters(nlp) == sum(sizes.values()) + nlp.vocab.vectors.data.size


def test_a_compact_students_word_vectors_count():
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("Oslo", numpy.ones(5, dtype="float32"))
    nlp.add_pipe("ner_student", config={"model": {"width": 8, "depth": 1}}).add_label("LOC")
    nlp.initialize()
    assert parameters(compact(nlp)) == parameters(nlp)


@Language.component("reader_that_remembers")
def reader_that_remembers(doc):
    key = doc.text.encode()
    found = FEATURES.get_all("reader", [key])
    READ.append(not found)
    FEATURES.set_all("reader", {key: numpy.zeros((1, 1, 1), dtype="float16")})
    return doc


READ = []


def test_no_round_of_the_timing_finds_what_a_transformer_said_in_another(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("reader_that_remembers")
    docs = [nlp.make_doc(text) for text in ("Anna sails", "Oslo sleeps")]
    DocBin(docs=docs).to_disk(tmp_path / "test.spacy")
    READ.clear()
    FEATURES.clear()
    words_per_second({"teacher": nlp, "student": nlp}, tmp_path / "test.spacy", 2)
    # Two texts to warm up with, known to the second pipeline, then two rounds of two pipelines.
    assert READ == [True, True, False, False] + [True, True] * 4


def named_parameters(model):
    for node in model.walk():
        for name in node.param_names:
            yield (node.id, name), node.get_param(name)


def test_parameters_of_a_torch_module_count():
    torch = pytest.importorskip("torch", reason="the train extra is not installed")
    from thinc.api import PyTorchWrapper

    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("tagger")
    pipe.model = PyTorchWrapper(torch.nn.Linear(3, 4))
    assert parameters(nlp) == 3 * 4 + 4
