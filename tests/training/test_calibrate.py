import io
from itertools import count
from math import log

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from spacy.util import registry

from spacy_distill import distill
from spacy_distill.chain import BiluoTags, LinearChain, constraints
from spacy_distill.training.calibrate import (
    HIGHEST,
    LOWEST,
    PRIOR_DEVIATION,
    calibrate,
    golden_section,
    predicted_entities,
)


def annotate(nlp, path):
    return list(Corpus(path)(nlp))


def log_likelihood(nlp, examples, temperature):
    """Compute the log probability of the outcomes: which predicted entities are right and which
    are wrong."""
    ((_, pipe),) = nlp.pipeline
    total = 0.0
    for example in examples:
        doc = nlp(example.reference.text)
        gold = {(ent.start, ent.end, ent.label_) for ent in example.reference.ents}
        chain = pipe.predict_chain([doc]).scaled(temperature)
        for ent in doc.ents:
            span = ent.start, ent.end, ent.label_
            (probability,) = chain.span_marginal(*pipe.tags.segments([span]))
            total += log(probability if span in gold else 1 - probability)
    return total


def test_entities_on_tokens_without_annotation_are_left_out():
    """The predictions are a right entity, one of another length, and one on a token without
    annotation."""
    tags = BiluoTags(["PER"])
    tag_ids = tags.tag_ids(["B-PER", "L-PER", "O", "B-PER", "L-PER", "O", "U-PER"])
    emissions = numpy.zeros((7, len(tags.names)), dtype="float32")
    emissions[range(7), tag_ids] = 9
    start, transitions, end = constraints(1)
    chain = LinearChain(emissions, numpy.asarray([7]), transitions, start, end)
    allowed = tags.allowed(tags.tag_ids(["B-PER", "L-PER", "O", "U-PER", "O", "O", "O"]))
    allowed[6] = True
    _, (rows, _), is_right = predicted_entities(tags, chain, allowed)
    assert rows.tolist() == [0, 3] and is_right.tolist() == [True, False]


@pytest.mark.parametrize("lowest", [-1.3, 0.0, 0.4, 2.9])
def test_golden_section_finds_the_minimum(lowest):
    calls = []

    def function(x):
        calls.append(x)
        return (x - lowest) ** 2 + 0.3 * abs(x - lowest)

    assert golden_section(function, -2.0, 3.0, 0.01) == pytest.approx(lowest, abs=0.01)
    assert len(calls) == len(set(calls)) < 18


@pytest.fixture
def trained(teacher):
    return spacy.util.load_model_from_config(teacher.config).from_bytes(teacher.to_bytes())


@pytest.fixture
def noisy(trained, corpora):
    """Documents on which the teacher makes errors: every third one has the entities of another."""
    examples = annotate(trained, corpora["dev"])
    for example in examples[::3]:
        example.reference.set_ents([])
    return examples


def test_the_temperature_maximizes_the_posterior_probability(trained, noisy):
    temperature = calibrate(trained, noisy)
    assert trained.get_pipe("ner_teacher").cfg["temperature"] == temperature
    assert LOWEST < temperature < HIGHEST

    def posterior(temperature):
        prior = -0.5 * (log(temperature) / PRIOR_DEVIATION) ** 2
        return log_likelihood(trained, noisy, temperature) + prior

    assert posterior(temperature) > max(posterior(temperature * factor) for factor in (0.9, 1.1))


def test_scores_that_are_larger_get_a_higher_temperature(trained, noisy):
    before = calibrate(trained, noisy)
    head = trained.get_pipe("ner_teacher").model.get_ref("output_layer")
    for name in head.param_names:
        head.set_param(name, head.get_param(name) * 1.5)
    assert calibrate(trained, noisy) == pytest.approx(1.5 * before, rel=0.1)


def test_documents_without_annotation_do_not_calibrate(trained, noisy):
    plain = [Example(Doc(trained.vocab, ["Oslo"]), Doc(trained.vocab, ["Oslo"]))]
    with pytest.raises(ValueError, match="no annotated tokens"):
        calibrate(trained, plain)
    assert calibrate(trained, noisy + plain) == pytest.approx(calibrate(trained, noisy), rel=0.001)
    with pytest.raises(ValueError, match="Expected a ner_student 'other', found ner_teacher"):
        calibrate(trained, noisy, "other")


def test_a_component_without_predictions_is_not_calibrated(trained, noisy):
    pipe = trained.get_pipe("ner_teacher")
    pipe.cfg["temperature"] = 1.25
    head = pipe.model.get_ref("output_layer")
    bias = head.get_param("b")
    bias[0] += 1000
    head.set_param("b", bias)
    with pytest.raises(ValueError, match=r"D515.*finds no entity in .* 16 documents"):
        calibrate(trained, noisy)
    assert pipe.cfg["temperature"] == 1.25


def test_distilled_students_are_calibrated(teacher, config, corpora, tmp_path, quietly):
    nlp = quietly(teacher, config(distillation={"max_steps": 40}), tmp_path / "student")
    assert "Calibrated" in quietly.output
    for name in ("model-best", "model-last"):
        saved = spacy.load(tmp_path / "student" / name)
        found = saved.get_pipe("ner_student").cfg["temperature"]
        expected = calibrate(saved, annotate(saved, corpora["dev"]))
        assert found == pytest.approx(expected, rel=0.01) != 1.0
    assert nlp.get_pipe("ner_student").cfg["temperature"] == pytest.approx(found, rel=0.01)
    assert quietly.output.count("Calibrated on the development corpus") == 1
    nlp = quietly(teacher, config(distillation={"calibrate": False}))
    assert nlp.get_pipe("ner_student").cfg["temperature"] == 1.0


@registry.schedules("spacy-distill-tests.rising.v1")
def rising():
    """Create a learning rate with which a student forgets all after step 40."""
    return (0.01 if step < 40 else 1.0 for step in count())


@pytest.mark.parametrize("max_steps, n_times", [(40, 1), (60, 2)])
def test_equal_models_are_calibrated_once(
    teacher, config, corpora, tmp_path, contents, max_steps, n_times
):
    """The best evaluation is at step 40."""
    stderr = io.StringIO()
    rate = {"learn_rate": {"@schedules": "spacy-distill-tests.rising.v1"}, "use_averages": False}
    settings = config(
        training={"eval_frequency": 40},
        distillation={"max_steps": max_steps, "optimizer": rate},
    )
    distill(teacher, settings, tmp_path / "student", stdout=io.StringIO(), stderr=stderr)
    assert stderr.getvalue().count("Calibrate: 100%") == n_times
    best, last = (contents(tmp_path / "student" / name) for name in ("model-best", "model-last"))
    assert (best == last) == (n_times == 1)
    saved = spacy.load(tmp_path / "student" / "model-best")
    found = saved.get_pipe("ner_student").cfg["temperature"]
    expected = calibrate(saved, annotate(saved, corpora["dev"]))
    assert found == pytest.approx(expected, rel=0.01) and found != 1.0


def test_a_student_that_finds_nothing_is_saved_uncalibrated(config, tmp_path, quietly):
    """Its teacher predicts no entities either."""
    blind = spacy.blank("en")
    patterns = [{"label": label, "pattern": "nowhere"} for label in ("PER", "LOC")]
    blind.add_pipe("entity_ruler").add_patterns(patterns)
    settings = config(paths={"labeled": None}, distillation={"max_steps": 20})
    nlp = quietly(blind, settings, tmp_path / "student")
    assert "[D911] Confidences of model-last are not calibrated" in quietly.output
    assert "[D515]" in quietly.output and "Calibrated" not in quietly.output
    for student in (nlp, spacy.load(tmp_path / "student" / "model-best")):
        assert student.get_pipe("ner_student").cfg["temperature"] == 1.0


def test_other_errors_are_raised(config, teacher, tmp_path, quietly, monkeypatch):
    def fail(predicted):
        raise ValueError("operands could not be broadcast together")

    monkeypatch.setattr("spacy_distill.training.calibrate.best_temperature", fail)
    with pytest.raises(ValueError, match="broadcast"):
        quietly(teacher, config(distillation={"max_steps": 40}), tmp_path / "student")
    # The student is saved anyway.
    assert spacy.load(tmp_path / "student" / "model-last").get_pipe("ner_student").labels


def test_few_sentences_change_the_temperature_little(trained, corpora):
    (example, *_) = annotate(trained, corpora["dev"])
    assert 0.3 < calibrate(trained, [example]) < 3


def test_labels_that_the_student_lacks_do_not_spoil_a_run(
    teacher, config, corpora, tmp_path, quietly
):
    """Only the development corpus has them. They are found after the training, when the student
    is saved."""
    docs = list(DocBin().from_disk(corpora["dev"]).get_docs(teacher.vocab))
    docs[0].set_ents([Span(docs[0], 0, 1, label="SHIP")])
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    settings = config(paths={"dev": str(tmp_path / "dev.spacy")}, distillation={"max_steps": 40})
    nlp = quietly(teacher, settings, tmp_path / "output")
    assert "[D913]" in quietly.output and "SHIP: these entities count" in quietly.output
    assert "Calibrated" in quietly.output and "not calibrated" not in quietly.output
    assert nlp.get_pipe("ner_student").cfg["temperature"] != 1.0


def test_predictions_on_entities_of_unknown_labels_are_wrong(trained, corpora):
    """The gold entity counts as if it were O."""
    examples = annotate(trained, corpora["dev"])
    temperatures = [calibrate(trained, examples)]
    for label in ("SHIP", None):
        for example in examples[::3]:
            doc = example.reference
            ents = [Span(doc, ent.start, ent.end, label) for ent in doc.ents] if label else []
            doc.set_ents(ents)
        temperatures.append(calibrate(trained, examples))
    assert temperatures[0] < temperatures[1] == temperatures[2]


def test_documents_without_any_label_of_the_component_are_refused(trained, corpora):
    """An entity ruler has the label, so the pipeline as a whole lacks none."""
    examples = annotate(trained, corpora["dev"])
    trained.add_pipe("entity_ruler").add_patterns([{"label": "SHIP", "pattern": "Aurora"}])
    for example in examples:
        doc = example.reference
        doc.set_ents([Span(doc, ent.start, ent.end, label="SHIP") for ent in doc.ents])
    _, pipe = trained.pipeline[0]
    before = pipe.cfg["temperature"]
    with pytest.raises(ValueError, match=r"D516.*SHIP"):
        calibrate(trained, examples)
    assert pipe.cfg["temperature"] == before
