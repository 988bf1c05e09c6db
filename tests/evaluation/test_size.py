"""The number of a pipeline's parameters."""

import numpy
import pytest
import spacy

from spacy_distill.evaluation import parameters
from spacy_distill.evaluation.systems import needs_torch
from spacy_distill.training.compact import compact
from spacy_distill.training.prune import prune


def test_parameters_are_those_of_the_models_and_the_word_vectors():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    pipe = nlp.add_pipe("ner_student", config={"model": {"encode": {"width": 8, "depth": 1}}})
    pipe.add_label("LOC")
    nlp.initialize()
    sizes = {name: array.size for name, array in named_parameters(pipe.model)}
    assert len(sizes) > 10 and parameters(nlp) == sum(sizes.values())
    nlp.vocab.set_vector("Oslo", numpy.zeros(5, dtype="float32"))
    assert parameters(nlp) == sum(sizes.values()) + nlp.vocab.vectors.data.size


def test_a_compact_students_word_vectors_count():
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("Oslo", numpy.ones(5, dtype="float32"))
    nlp.add_pipe("ner_student", config={"model": {"encode": {"width": 8, "depth": 1}}}).add_label(
        "LOC"
    )
    nlp.initialize()
    assert parameters(compact(nlp)) == parameters(nlp)


def named_parameters(model):
    for node in model.walk():
        for name in node.param_names:
            yield (node.id, name), node.get_param(name)


def test_a_pruned_student_has_fewer_parameters():
    nlp = spacy.blank("en")
    encode = {"@architectures": "spacy-distill.DenseBiLSTM.v1", "width": 8, "depth": 3}
    nlp.add_pipe("ner_student", config={"model": {"encode": encode}}).add_label("LOC")
    nlp.initialize()
    before = parameters(nlp)
    assert 0 < parameters(prune(nlp, layers=1)) < before


def test_parameters_of_a_torch_module_count():
    torch = pytest.importorskip("torch", reason="the train extra is not installed")
    from thinc.api import PyTorchWrapper

    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("tagger")
    assert not needs_torch(nlp)
    pipe.model = PyTorchWrapper(torch.nn.Linear(3, 4))
    assert needs_torch(nlp)
    assert parameters(nlp) == 3 * 4 + 4
