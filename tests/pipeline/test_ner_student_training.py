import numpy
import pytest
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from spacy_distill.losses import ChainDistillation, negative_log_likelihood


@pytest.mark.parametrize("crf", [True, False], ids=["crf", "softmax"])
def test_ten_sentences_can_be_memorized(newsroom, crf):
    nlp = newsroom.student(crf=crf)
    examples = newsroom.examples(nlp)
    assert nlp.evaluate(newsroom.examples(nlp))["ents_f"] < 0.9
    curve = newsroom.train(nlp, examples)
    assert curve[-1] < curve[0] / 20
    scores = nlp.evaluate(newsroom.examples(nlp))
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"]) == (1.0, 1.0, 1.0)
    assert {label: part["f"] for label, part in scores["ents_per_type"].items()} == {
        "LOC": 1.0,
        "ORG": 1.0,
        "PER": 1.0,
    }


def test_new_parameters_are_not_calibrated(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    pipe.cfg["temperature"] = 2.0
    pipe.update(newsroom.examples(nlp))
    assert pipe.cfg["temperature"] == 2.0
    nlp.initialize(lambda: newsroom.examples(nlp))
    assert pipe.cfg["temperature"] == 1.0


def test_dropout_is_applied_in_training_only(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    examples = newsroom.examples(nlp)
    before = pipe.posteriors([example.predicted for example in examples])
    quiet = pipe.update(examples, drop=0.0)["ner_student"]
    noisy = pipe.update(examples, drop=0.5)["ner_student"]
    assert noisy > 2 * quiet
    after = pipe.posteriors([example.predicted for example in examples])
    for first, second in zip(before, after, strict=True):
        numpy.testing.assert_array_equal(first, second)


def test_without_an_optimizer_gradients_are_accumulated(newsroom):
    together, apart = newsroom.student(), newsroom.student()
    examples = newsroom.examples(together)
    model = together.get_pipe("ner_student").model
    together.get_pipe("ner_student").update(examples[:1])
    once = model.get_ref("output_layer").get_grad("W").copy()
    together.get_pipe("ner_student").update(examples[:1])
    twice = model.get_ref("output_layer").get_grad("W")
    numpy.testing.assert_allclose(twice, 2 * once, rtol=1e-5)
    assert together.to_bytes() == apart.to_bytes()


def test_two_runs_with_one_seed_give_equal_bytes(newsroom):
    runs = []
    for seed in (3, 3, 4):
        nlp = newsroom.student(seed=seed)
        newsroom.train(nlp, newsroom.examples(nlp), steps=5, drop=0.3)
        runs.append(nlp.get_pipe("ner_student").to_bytes(exclude=["vocab"]))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_loss_is_the_mean_negative_log_likelihood_of_the_gold_tags(newsroom):
    nlp = newsroom.student()
    pipe = nlp.get_pipe("ner_student")
    examples = newsroom.examples(nlp)
    chain = pipe.predict_chain([example.predicted for example in examples])
    gold = [number for eg in examples for number in pipe.tags.tag_ids(eg.get_aligned_ner())]
    expected = (chain.log_partition - chain.score(numpy.asarray(gold))).sum() / len(gold)
    loss, _ = pipe.get_loss(examples, chain)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_documents_without_annotation_are_ignored(newsroom):
    nlp = newsroom.student()
    before = nlp.to_bytes()
    unknown = [Example(nlp.make_doc(words), nlp.make_doc(words)) for words, _ in newsroom.sentences]
    losses = nlp.update(unknown, sgd=Adam(0.01))
    assert losses["ner_student"] == pytest.approx(0.0, abs=1e-6)
    assert nlp.to_bytes() == before


def test_partial_annotation_is_enough_to_learn(newsroom):
    # Only the entities and one O are annotated; all other tokens are unknown.
    nlp = newsroom.student()
    examples = []
    for words, spans in newsroom.sentences:
        doc = Doc(nlp.vocab, words=words.split(" "))
        outside = [doc[len(doc) - 1 : len(doc)]] if words.endswith(".") else []
        partial = newsroom.doc(nlp.vocab, words, spans, outside=outside, default="missing")
        examples.append(Example(doc, partial))
    assert any(tag is None for example in examples for tag in example.get_aligned_ner())
    curve = newsroom.train(nlp, examples)
    assert curve[-1] < curve[0] / 20
    for words, spans in newsroom.sentences:
        assert set(spans) <= set(newsroom.entities(nlp(nlp.make_doc(words))))


def test_gold_documents_can_have_other_tokens(newsroom):
    nlp = newsroom.student()
    pipe = nlp.get_pipe("ner_student")
    predicted = Doc(nlp.vocab, words=["Anna", "Berg's", "boat"], spaces=[True, True, False])
    reference = Doc(
        nlp.vocab, words=["Anna", "Berg", "'s", "boat"], spaces=[True, False, True, False]
    )
    reference.set_ents([reference.char_span(0, 9, label="PER")])
    chain = pipe.predict_chain([predicted])
    loss, _ = pipe.get_loss([Example(predicted, reference)], chain)
    # The entity ends inside a token, so only "boat" is known.
    allowed = pipe.tags.allowed(numpy.asarray([-1, -1, 0]))
    assert loss == pytest.approx(negative_log_likelihood(chain, allowed)[0] / 3, rel=1e-5)
    nlp.update([Example(predicted, reference)], sgd=Adam(0.01))


def test_an_unknown_label_in_the_gold_is_named(newsroom):
    nlp = newsroom.student()
    panda = newsroom.examples(nlp, [("The red panda sleeps .", [(1, 3, "ANIMAL")])])
    with pytest.raises(
        ValueError, match=r"has the label 'ANIMAL', but the labels are: LOC, ORG, PER"
    ):
        nlp.update(panda)


def test_averaged_parameters_are_used_temporarily(newsroom):
    nlp = newsroom.student()
    examples = newsroom.examples(nlp)
    optimizer = Adam(0.02, use_averages=True)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    doc = nlp.make_doc("Anna Berg sails to Oslo .")
    pipe = nlp.get_pipe("ner_student")
    own = pipe.posteriors([doc])[0]
    with nlp.use_params(optimizer.averages):
        averaged = pipe.posteriors([doc])[0]
        saved = nlp.to_bytes()
    assert not numpy.array_equal(averaged, own)
    numpy.testing.assert_array_equal(pipe.posteriors([doc])[0], own)
    copy = newsroom.copy(nlp).from_bytes(saved)
    numpy.testing.assert_array_equal(copy.get_pipe("ner_student").posteriors([doc])[0], averaged)


# Distillation


def unlabeled(newsroom, nlp):
    return [Example(nlp.make_doc(words), nlp.make_doc(words)) for words, _ in newsroom.sentences]


@pytest.mark.parametrize("crf", [True, False], ids=["crf", "softmax"])
def test_a_student_learns_from_its_teacher(newsroom, learned, crf):
    nlp = newsroom.student(crf=crf, seed=5)
    pipe, teacher = nlp.get_pipe("ner_student"), learned.get_pipe("ner_student")
    examples = unlabeled(newsroom, nlp)
    optimizer = Adam(0.01)
    before = teacher.to_bytes(exclude=["vocab"])
    curve = []
    for _ in range(60):
        losses = pipe.distill(teacher, examples, sgd=optimizer, losses={"ner_student": 1.0})
        curve.append(losses["ner_student"] - 1.0)
    assert curve[-1] < curve[0] / 20
    for words, spans in newsroom.sentences:
        assert newsroom.entities(nlp(nlp.make_doc(words))) == spans
    assert teacher.to_bytes(exclude=["vocab"]) == before
    assert not any(example.predicted.has_annotation("ENT_IOB") for example in examples)


def test_gold_and_teacher_are_combined(newsroom, learned):
    # The teacher predicts no entity here, but the gold annotation has an ORG.
    nlp = newsroom.student(seed=5)
    pipe, teacher = nlp.get_pipe("ner_student"), learned.get_pipe("ner_student")
    gold = newsroom.examples(nlp, [("Nobody called .", [(0, 1, "ORG")])])
    losses = {}
    for alpha in (0.0, 1.0):
        loss = ChainDistillation(alpha=alpha, beta=1 - alpha)
        losses[alpha] = pipe.distill(teacher, gold, loss=loss)["ner_student"]
    # The scores of training, as inference rounds to integers.
    scores, _ = pipe.model.begin_update([gold[0].predicted])
    own, _ = pipe.get_loss(gold, scores)
    assert losses[1.0] == pytest.approx(own, rel=1e-5)
    assert losses[0.0] != pytest.approx(own, rel=1e-4)


def test_a_chain_compared_with_itself_has_no_divergence(newsroom, learned):
    pipe = learned.get_pipe("ner_student")
    chain = pipe.predict_chain([learned.make_doc(words) for words, _ in newsroom.sentences])
    loss, gradient = pipe.get_teacher_student_loss(
        chain, chain, loss=ChainDistillation(alpha=0.0, beta=1.0)
    )
    assert loss == pytest.approx(0.0, abs=1e-6)
    assert numpy.abs(gradient.emissions).max() < 1e-6
    # The task trains the student on the teacher's best sequence.
    loss, gradient = pipe.get_teacher_student_loss(chain, chain)
    assert loss > 1e-5 and numpy.abs(gradient.emissions).max() > 1e-6


def test_different_tokens_of_teacher_and_student_are_an_error(newsroom, learned):
    nlp = newsroom.student()
    words = ["Anna", "Berg", "sails"]
    for other in (["Anna Berg", "sails"], ["Anna", "Ber", "gsails"]):
        example = Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words))
        example.reference = Doc(nlp.vocab, words=other)
        with pytest.raises(ValueError, match="have to have the same tokens"):
            nlp.get_pipe("ner_student").distill(learned.get_pipe("ner_student"), [example])


def test_the_error_names_labels_that_the_teacher_lacks(newsroom, learned):
    nlp = newsroom.student(sentences=[("A red panda", [(1, 3, "ANIMAL")])])
    example = Example(nlp.make_doc("A red panda"), nlp.make_doc("A red panda"))
    with pytest.raises(ValueError, match=r"Only the teacher has: LOC, ORG, PER.*has: ANIMAL"):
        nlp.get_pipe("ner_student").distill(learned.get_pipe("ner_student"), [example])
