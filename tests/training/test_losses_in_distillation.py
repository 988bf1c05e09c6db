"""Whole distillations with every loss, and the weights at each step."""

import io
import re
from pathlib import Path

import pytest
from numpy.testing import assert_allclose
from spacy.training import Example
from spacy.util import registry
from thinc.api import Config

from spacy_distill.losses import ChainDistillation, objective
from spacy_distill.pipeline.cross_view import CrossViewHeads
from spacy_distill.pipeline.find_component import find_component
from spacy_distill.teachers import TeacherOptions, load_teacher
from spacy_distill.training.loop import Students
from spacy_distill.training.skipped import SkippedDocuments

DOCS = Path(__file__).parents[2] / "docs" / "losses.md"
SCHEDULE = {
    "@schedules": "warmup_linear.v1",
    "initial_rate": 1.0,
    "warmup_steps": 4,
    "total_steps": 1000,
}
CHAIN = {"@losses": "spacy-distill.ChainDistillation.v1"}


def blocks_of_docs():
    found = re.findall(r"```ini\n(.*?)```", DOCS.read_text(encoding="utf8"), re.DOTALL)
    return [block for block in found if "[distillation.loss]" in block]


@pytest.mark.parametrize("block", blocks_of_docs())
def test_the_blocks_of_the_docs_distil(quietly, teacher, config, block):
    loss = Config().from_str("[distillation]\n\n" + block, interpolate=False)["distillation"][
        "loss"
    ]
    nlp = quietly(teacher, config(distillation={"max_steps": 40, "loss": loss}))
    assert nlp("Anna Berg sails to Oslo .").ents


@pytest.mark.parametrize("name", ["TokenDistillation", "KBestDistillation"])
def test_every_loss_distils(quietly, teacher, config, name):
    loss = {"@losses": f"spacy-distill.{name}.v1"}
    nlp = quietly(teacher, config(distillation={"max_steps": 40, "loss": loss}))
    assert [ent.text for ent in nlp("Anna Berg sails to Oslo .").ents] == ["Anna Berg", "Oslo"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_loss_may_be_a_function(quietly, teacher, config, wrapped):
    registry.losses.register("tests.own_loss.v1", func=lambda: lambda *parts: whole(*parts))
    whole, own = ChainDistillation(), {"@losses": "tests.own_loss.v1"}
    confident = {"@losses": "spacy-distill.ConfidentSentences.v1", "loss": own}
    loss = confident if wrapped else own
    nlp = quietly(teacher, config(distillation={"max_steps": 40, "loss": loss}))
    assert [ent.text for ent in nlp("Anna Berg sails to Oslo .").ents] == ["Anna Berg", "Oslo"]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_weights_change_from_step_to_step(quietly, teacher, config, monkeypatch, accumulate):
    used = []
    call = objective.Objective.__call__

    def noted(self, student, teacher, allowed):
        used.append(self.alpha)
        return call(self, student, teacher, allowed)

    monkeypatch.setattr(objective.Objective, "__call__", noted)
    loss = {**CHAIN, "alpha": SCHEDULE}
    training = {"accumulate_gradient": accumulate}
    quietly(teacher, config(training=training, distillation={"max_steps": 6, "loss": loss}))
    steps = sorted(set(used))
    assert steps == [0.0, 0.25, 0.5, 0.75, *(s for s in steps if s > 0.9)]
    assert len(steps) == 7 and used == sorted(used, key=used.index)
    assert len(used) == 7 * accumulate  # the last step is step 6


def test_a_schedule_without_steps_is_refused(quietly, teacher, config):
    loss = {**CHAIN, "alpha": {**SCHEDULE, "total_steps": 0}}
    with pytest.raises(ValueError, match=r"\[distillation.loss.alpha\] total_steps is 0"):
        quietly(teacher, config(distillation={"loss": loss}))


def test_parts_of_a_batch_have_the_gradient_of_the_batch(teacher):
    name, pipe = find_component(teacher)
    texts = ["It rains", "Anna Berg sails .", "In Oslo waits Maria Holm at night . " * 3, "Kiel"]
    docs = [teacher.make_doc(text) for text in texts]
    examples = [Example(doc, doc.copy()) for doc in docs]
    students = Students(
        teacher,
        {name: load_teacher([teacher], TeacherOptions())},
        ChainDistillation(temperature=2.0),
        SkippedDocuments(0, io.StringIO()),
        # The views of hidden words have a loss of their own.
        auxiliary=[CrossViewHeads(views=[], word_dropout=1e-9, targets="teacher")],
    )
    found = []
    for n_parts in (1, 2):
        losses = {}
        students.update_in_parts(examples, n_parts, drop=0.0, losses=losses)
        gradients = [
            node.get_grad(key)
            for node in pipe.model.walk()
            for key in node.param_names
            if node.has_grad(key)
        ]
        found.append((losses, [gradient.copy() for gradient in gradients]))
        for gradient in gradients:
            gradient[...] = 0
    (whole, gradients), (in_parts, others) = found
    assert in_parts == pytest.approx(whole, rel=1e-4)
    assert whole[f"{name}_cross_view"] > 0 and whole[f"{name}_task"] > 0
    assert any(abs(gradient).max() > 1e-6 for gradient in gradients)
    for gradient, other in zip(gradients, others, strict=True):
        assert_allclose(other, gradient, rtol=1e-3, atol=1e-8)
