"""Students of other kinds, and other losses, for the low-resource benchmark."""

from itertools import combinations

import numpy
import pytest
from spacy.training import Example
from thinc.api import Adam, Config, fix_random_seed

from benchmarks.commands import ROOT
from benchmarks.low_resource.kinds import CROSS_VIEW, KINDS, LOSSES, kind_config
from benchmarks.low_resource.scores import find_entities, with_entities
from benchmarks.low_resource.systems import SYSTEMS
from spacy_distill.chain import LinearChain
from spacy_distill.losses import ChainDistillation
from spacy_distill.training.settings import fill_settings, resolve_settings
from spacy_distill.vectors.word_tables import vectors_pipeline
from tests.benchmarks.conftest import GOLD


@pytest.mark.parametrize("kind", KINDS)
def test_students_of_other_kinds_learn_and_load(kind, tmp_path):
    config = kind_config(kind)
    fix_random_seed(0)
    words = ["Anna", "Berg", "in", "Oslo"]
    nlp = vectors_pipeline(words, numpy.eye(4, dtype="float32"), "en")
    nlp.add_pipe("ner_student", config={"model": config["components"]["ner_student"]["model"]})
    doc = with_entities(nlp.make_doc("Anna Berg in Oslo ."), GOLD[0])
    examples = [Example(nlp.make_doc(doc.text), doc)]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "model")
    assert find_entities([tmp_path / "model"], [doc]) == [GOLD[0]]


def make_chains():
    """Create a student's chain, a teacher's chain and missing annotation, for four tokens and
    one label."""
    rng = numpy.random.default_rng(0)
    n_tags = 5

    def scores(*shape):
        return rng.normal(size=shape).astype("float32")

    student, teacher = (
        LinearChain(
            scores(4, n_tags),
            numpy.array([4]),
            scores(n_tags, n_tags),
            scores(n_tags),
            scores(n_tags),
        )
        for _ in range(2)
    )
    teacher.emissions[0] *= 20  # one token of which the teacher is sure
    return student, teacher, numpy.ones((4, n_tags), dtype=bool)


def make_loss(kind, **settings):
    config = kind_config(kind)
    config["distillation"].update(settings)
    return resolve_settings(fill_settings(config).interpolate())["loss"]


def test_each_loss_is_another_one():
    gradients = {}
    for kind in ("softmax", *LOSSES):  # the first one has the default
        _, gradients[kind] = make_loss(kind)(*make_chains())
    for (one, first), (other, second) in combinations(gradients.items(), 2):
        assert not numpy.allclose(first.emissions, second.emissions, atol=1e-4), (one, other)


@pytest.mark.parametrize("name", CROSS_VIEW)
def test_cross_view_systems(name):
    """Those that learn from themselves have no teacher."""
    config = fill_settings(kind_config(name)).interpolate()
    views, plain = (resolve_settings(one)["cross_view"] for one in (config, usual()))
    assert plain is None
    assert bool(views.word_dropout) == name.startswith("word-dropout") == (not views.views)
    assert SYSTEMS[name].needs == (() if views.targets == "self" else ("teacher",))


def usual():
    return fill_settings(kind_config("loss-hard")).interpolate()


def test_the_weight_of_an_annealed_teacher_falls():
    annealed = make_loss("loss-annealed", max_steps=4)
    for step in range(6):  # the last two are after the end
        alpha = min(step / 4, 1.0)
        expected, _ = ChainDistillation(alpha=alpha, beta=1.0 - alpha)(*make_chains())
        assert annealed(*make_chains())[0] == pytest.approx(expected, rel=1e-3)
        annealed.advance()
    page = (ROOT / "docs" / "losses.md").read_text(encoding="utf8")
    blocks = [block.partition("```")[0] for block in page.split("```ini\n")[1:]]
    (shown,) = (block for block in blocks if "loss.alpha" in block)
    config = Config().from_str(f"[distillation]\n{shown}", interpolate=False)
    assert config["distillation"]["loss"] == LOSSES["loss-annealed"]
