from dataclasses import replace

import numpy
import pytest
from spacy.util import registry

from spacy_distill.chain import BiluoTags
from spacy_distill.losses import ChainDistillation
from spacy_distill.losses.chain_distillation import kl_divergence

TAGS = BiluoTags(("PER",))

# Sentences of 3, 1, 0 and 2 tokens: completely annotated, unannotated, and mixed.
ANNOTATIONS = {
    "labeled": ["B-PER", "I-PER", "L-PER", "O", "U-PER", "O"],
    "unlabeled": [None] * 6,
    "mixed": [None, "O", None, None, "U-PER", "O"],
}


def mask(tags):
    return TAGS.allowed(TAGS.tag_ids(tags))


def expected_loss(tiny, student, teacher, tags, alpha, beta, temperature):
    """The loss according to its documentation, by enumeration."""
    best = [TAGS.names[number] for number in tiny.enumerate(teacher).best()]
    targets = []
    for rows in numpy.split(numpy.arange(6), numpy.cumsum(tiny.lengths)[:-1]):
        known = any(tags[row] is not None for row in rows)
        targets += [tags[row] if known else best[row] for row in rows]
    task = sum(tiny.enumerate(student).negative_log_likelihoods(mask(targets)))
    softened = (tiny.enumerate(chain, temperature) for chain in (teacher, student))
    soft_teacher, soft_student = softened
    divergence = soft_teacher.divergence_of(soft_student)
    return (alpha * task + beta * temperature**2 * divergence) / 6


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize(
    "alpha, beta, temperature",
    [(0.5, 0.5, 1.0), (0.0, 1.0, 1.0), (1.0, 0.0, 2.0), (0.3, 0.7, 2.5), (2.0, 1.0, 0.5)],
)
def test_the_value_equals_enumeration(tiny, annotation, alpha, beta, temperature):
    student, teacher = tiny.chain(0), tiny.chain(1)
    tags = ANNOTATIONS[annotation]
    loss = ChainDistillation(alpha=alpha, beta=beta, temperature=temperature)
    value, _ = loss(student, teacher, mask(tags))
    expected = expected_loss(tiny, student, teacher, tags, alpha, beta, temperature)
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize("alpha, beta, temperature", [(0.5, 0.5, 1.0), (0.2, 0.8, 3.0)])
def test_the_gradient_equals_finite_differences(tiny, annotation, alpha, beta, temperature):
    student, teacher = tiny.chain(2), tiny.chain(3)
    tags = ANNOTATIONS[annotation]
    loss = ChainDistillation(alpha=alpha, beta=beta, temperature=temperature)
    _, gradient = loss(student, teacher, mask(tags))

    def by_enumeration(student):
        return expected_loss(tiny, student, teacher, tags, alpha, beta, temperature)

    tiny.check_gradient(by_enumeration, student, gradient)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_gradient_is_zero_if_the_student_equals_the_teacher(tiny, temperature):
    chain = tiny.chain(4)
    loss = ChainDistillation(alpha=0.0, beta=1.0, temperature=temperature)
    value, gradient = loss(chain, chain, mask(ANNOTATIONS["labeled"]))
    assert value == pytest.approx(0, abs=1e-5)
    for name in ("emissions", "transitions", "start", "end"):
        assert numpy.abs(getattr(gradient, name)).max() < 1e-6


def test_with_beta_zero_the_teacher_is_used_for_unlabeled_sentences_only(tiny):
    student, loss = tiny.chain(0), ChainDistillation(alpha=1.0, beta=0.0)
    labeled = {loss(student, tiny.chain(seed), mask(ANNOTATIONS["labeled"]))[0] for seed in (1, 2)}
    assert len(labeled) == 1
    unlabeled = {
        loss(student, tiny.chain(seed), mask(ANNOTATIONS["unlabeled"]))[0] for seed in (1, 2)
    }
    assert len(unlabeled) == 2


def test_the_teacher_is_used_where_the_annotation_is_invalid(tiny):
    student, teacher = tiny.chain(5), tiny.chain(6)
    impossible = ["B-PER", "O", "O", "L-PER", "L-PER", "O"]
    with pytest.warns(UserWarning, match="are ignored"):
        value, _ = ChainDistillation(alpha=0.5, beta=0.5)(student, teacher, mask(impossible))
    divergence = tiny.enumerate(teacher).divergence_of(tiny.enumerate(student))
    assert value == pytest.approx(0.5 * divergence / 6, rel=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": -0.1},
        {"beta": -1.0},
        {"alpha": 0.0, "beta": 0.0},
        {"temperature": 0.0},
        {"temperature": -2.0},
        {"alpha": float("nan")},
        {"temperature": float("inf")},
    ],
)
def test_invalid_settings_are_rejected(settings):
    with pytest.raises(ValueError, match=r"cannot be used|are both 0"):
        ChainDistillation(**settings)


def test_the_loss_can_be_created_from_a_config(tiny):
    block = {"@losses": "spacy-distill.ChainDistillation.v1", "alpha": 0.0, "beta": 1.0}
    loss = registry.resolve({"loss": block})["loss"]
    value, _ = loss(tiny.chain(0), tiny.chain(0), mask(ANNOTATIONS["unlabeled"]))
    assert value == pytest.approx(0, abs=1e-5)


def expected_divergence(tiny, teacher, student):
    """The divergence of sentences without unknown tokens: here, the last two."""
    pairs = zip(tiny.enumerate(teacher).sentences, tiny.enumerate(student).sentences, strict=True)
    divergences = [
        sum(numpy.exp(log) * (log - theirs[tags]) for tags, log in ours.items())
        for ours, theirs in pairs
    ]
    return sum(divergences[2:])


def test_unknown_tokens_are_ignored(tiny):
    student, teacher = tiny.chain(7), replace(tiny.chain(8), known=tiny.known)
    value, gradient = kl_divergence(teacher, student)
    assert value == pytest.approx(expected_divergence(tiny, teacher, student), rel=1e-4)
    difference = student.marginals() - teacher.marginals()
    numpy.testing.assert_allclose(gradient.emissions[tiny.known], difference[tiny.known], atol=1e-6)
    assert not gradient.emissions[~tiny.known].any()
    # Transitions are learnt from sentences without unknown tokens.
    only_last = numpy.asarray([0.0, 0.0, 1.0, 1.0])
    for name in ("transitions", "start", "end"):
        ours, theirs = (getattr(c.expected_counts(only_last), name) for c in (student, teacher))
        numpy.testing.assert_allclose(getattr(gradient, name), ours - theirs, atol=1e-6)


def test_a_mask_without_unknown_tokens_has_no_effect(tiny):
    student, teacher = tiny.chain(9), tiny.chain(10)
    plain = kl_divergence(teacher, student)
    masked = kl_divergence(replace(teacher, known=numpy.ones(6, dtype=bool)), student)
    assert masked[0] == pytest.approx(plain[0], rel=1e-6)
    for name in ("emissions", "transitions", "start", "end"):
        numpy.testing.assert_allclose(getattr(masked[1], name), getattr(plain[1], name), atol=1e-6)


def test_the_loss_is_zero_without_gold_and_known_tokens(tiny):
    student = tiny.chain(11)
    teacher = replace(tiny.chain(12), known=numpy.zeros(6, dtype=bool))
    value, gradient = ChainDistillation()(student, teacher, mask(ANNOTATIONS["unlabeled"]))
    assert value == pytest.approx(0, abs=1e-5)
    for name in ("emissions", "transitions", "start", "end"):
        assert numpy.abs(getattr(gradient, name)).max() < 1e-6


def test_pseudo_labels_are_used_at_known_tokens_only(tiny):
    student, teacher = tiny.chain(13), replace(tiny.chain(14), known=tiny.known)
    best = [TAGS.names[number] for number in tiny.enumerate(teacher).best()]
    partial = [tag if known else None for tag, known in zip(best, tiny.known, strict=True)]
    loss = ChainDistillation(alpha=1.0, beta=0.0)
    value, gradient = loss(student, teacher, mask(ANNOTATIONS["unlabeled"]))
    losses = tiny.enumerate(student).negative_log_likelihoods(mask(partial))
    assert value == pytest.approx(sum(losses) / 6, rel=1e-4)

    def by_enumeration(student):
        return sum(tiny.enumerate(student).negative_log_likelihoods(mask(partial))) / 6

    tiny.check_gradient(by_enumeration, student, gradient)


def test_gold_is_used_at_unknown_tokens(tiny):
    student, teacher = tiny.chain(15), replace(tiny.chain(16), known=numpy.zeros(6, dtype=bool))
    allowed = mask(ANNOTATIONS["labeled"])
    value, _ = ChainDistillation(alpha=0.5, beta=0.5)(student, teacher, allowed)
    losses = tiny.enumerate(student).negative_log_likelihoods(allowed)
    assert value == pytest.approx(0.5 * sum(losses) / 6, rel=1e-4)
