"""The weights of task and teacher."""

import pytest
from spacy.util import registry
from thinc.api import warmup_linear

from spacy_distill.losses import ChainDistillation


def test_schedules_give_each_batch_its_weights(tiny):
    student, teacher = tiny.chain(0), tiny.chain(1)
    task = ChainDistillation(alpha=1.0, beta=0.0)(student, teacher, tiny.unlabeled)[0]
    taught = ChainDistillation(alpha=0.0, beta=1.0)(student, teacher, tiny.unlabeled)[0]
    loss = ChainDistillation(
        alpha=warmup_linear(1.0, 4, 1000), beta=iter([1.0, 0.5, 0.0, 0.0, 0.0])
    )
    found = [loss(student, teacher, tiny.unlabeled)[0] for _ in range(4)]
    weights = [(0.0, 1.0), (0.25, 0.5), (0.5, 0.0), (0.75, 0.0)]
    assert found == pytest.approx([a * task + b * taught for a, b in weights], rel=1e-5)


@pytest.mark.parametrize(
    "name", ["ChainDistillation", "TokenDistillation", "KBestDistillation", "ConfidentSentences"]
)
def test_a_config_finds_every_loss(tiny, name):
    chain = {"@losses": "spacy-distill.ChainDistillation.v1"}
    schedule = {
        "@schedules": "warmup_linear.v1",
        "initial_rate": 1.0,
        "warmup_steps": 10,
        "total_steps": 20,
    }
    settings = {"loss": chain} if name == "ConfidentSentences" else {"alpha": schedule, "beta": 0.5}
    block = {"@losses": f"spacy-distill.{name}.v1", **settings}
    loss = registry.resolve({"loss": block})["loss"]
    value, gradient = loss(tiny.chain(0), tiny.chain(1), tiny.unlabeled)
    assert value > 0 and gradient.emissions.any()
