"""The weights of the task loss and the distillation loss."""

import numpy
import pytest
from spacy.util import registry
from thinc.api import warmup_linear

from spacy_distill.chain import chain_from_marginals
from spacy_distill.losses import (
    ChainDistillation,
    ConfidentSentences,
    KBestDistillation,
    TokenDistillation,
)

SCHEDULE = {
    "@schedules": "warmup_linear.v1",
    "initial_rate": 1.0,
    "warmup_steps": 4,
    "total_steps": 1000,
}


def both_parts(tiny):
    """RETURNS (Tuple[Callable, float, float]): A function that computes a loss of two chains, the
    value of the task loss alone, and the value of the distillation loss alone."""
    student, teacher = tiny.chain(0), tiny.chain(1)

    def value(loss):
        return loss(student, teacher, tiny.unlabeled)[0]

    task, taught = (ChainDistillation(alpha=a, beta=1.0 - a) for a in (1.0, 0.0))
    return value, value(task), value(taught)


@pytest.mark.parametrize("wrap", [lambda loss: loss, lambda loss: ConfidentSentences(loss, 0.0)])
def test_schedules_set_the_weights_of_each_step(tiny, wrap):
    value, task, taught = both_parts(tiny)
    # A schedule that ends keeps its last value.
    loss = wrap(ChainDistillation(alpha=warmup_linear(1.0, 4, 1000), beta=iter([1.0, 0.5, 0.0])))
    for alpha, beta in [(0.0, 1.0), (0.25, 0.5), (0.5, 0.0), (0.75, 0.0), (1.0, 0.0)]:
        expected = pytest.approx(alpha * task + beta * taught, rel=1e-5)
        # Several calls in a step: for several components, or for parts of a batch.
        assert value(loss) == expected and value(loss) == expected
        loss.advance()


@pytest.mark.parametrize("number", [numpy.float32(0.5), numpy.float64(0.5), 0.5])
def test_weights_can_have_any_numeric_type(tiny, number):
    value, task, taught = both_parts(tiny)
    found = value(ChainDistillation(alpha=number, beta=numpy.int64(1)))
    assert found == pytest.approx(0.5 * task + taught, rel=1e-5)


def test_weights_of_a_schedule_are_checked(tiny):
    loss = ChainDistillation(alpha=iter([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"alpha = -1.0 cannot be used"):
        loss.advance()
    with pytest.raises(ValueError, match=r"a number or a schedule: found the text .0\.5"):
        ChainDistillation(alpha="0.5")


@pytest.mark.parametrize(
    "name, settings",
    [
        ("ChainDistillation", {"temperature": 2.0}),
        ("TokenDistillation", {"temperature": 2.0}),
        ("KBestDistillation", {"k": 2}),
        ("KBestDistillation", {"k": 3, "fuzzy": True}),
    ],
)
def test_every_loss_can_be_created_from_a_config(tiny, name, settings):
    def value(settings):
        block = {"@losses": f"spacy-distill.{name}.v1", "alpha": SCHEDULE, **settings}
        loss = registry.resolve({"loss": block})["loss"]
        assert loss.alpha == 0.0
        loss.advance()
        assert loss.alpha == 0.25
        return loss(tiny.chain(0), tiny.chain(1), tiny.unlabeled)[0]

    values = [value(settings), value({**settings, "beta": 0.7}), value({"beta": 0.5})]
    assert len(set(numpy.round(values, 5))) == 3


@pytest.mark.parametrize("name", ["ConfidentSentences", "ConfidentTokens"])
def test_confident_losses_can_be_created_from_a_config(tiny, name):
    block = {
        "@losses": f"spacy-distill.{name}.v1",
        "least_confidence": 0.9,
        "loss": {"@losses": "spacy-distill.ChainDistillation.v1", "alpha": 0.2},
    }
    loss = registry.resolve({"loss": block})["loss"]
    assert (loss.least_confidence, loss.loss.alpha) == (0.9, 0.2)


@pytest.mark.parametrize(
    "loss",
    [
        ChainDistillation(temperature=3.0),
        TokenDistillation(temperature=3.0),
        KBestDistillation(k=3),
        KBestDistillation(k=3, fuzzy=True),
        ConfidentSentences(ChainDistillation()),
    ],
)
def test_the_loss_is_finite_if_the_teacher_excludes_tags(loss, tiny):
    """The teacher has probability 1 for one sequence, such as gold entities."""
    best = tiny.chain(1).argmax()
    certain = numpy.eye(1 + 4 * tiny.n_labels, dtype="float32")[best]
    teacher = chain_from_marginals(certain, tiny.lengths)
    value, gradient = loss(tiny.chain(0), teacher, tiny.unlabeled)
    assert numpy.isfinite(value) and value > 0
    for name in ("emissions", "transitions", "start", "end"):
        assert numpy.isfinite(getattr(gradient, name)).all()
    # The gradient raises the teacher's tags only.
    assert (gradient.emissions[numpy.arange(len(best)), best] <= 1e-7).all()
