"""`nlp.rehearse`: a student does not forget its labels while it learns a new one."""

import numpy
import pytest
import spacy
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

ANIMALS = [
    ("The red panda sleeps .", [(1, 3, "ANIMAL")]),
    ("A hedgehog waits .", [(1, 2, "ANIMAL")]),
    ("The lynx hears a hedgehog .", [(1, 2, "ANIMAL"), (4, 5, "ANIMAL")]),
]


def parameters(pipe):
    return {
        (node.name, number, name): node.get_param(name).copy()
        for number, node in enumerate(pipe.model.walk())
        for name in node.param_names
        if node.has_param(name)
    }


def test_an_unchanged_component_has_no_gradient(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    nlp.resume_training()
    before = parameters(pipe)
    losses = nlp.rehearse(newsroom.examples(nlp), sgd=Adam(0.01, L2=0.0))
    assert losses == {"ner_student": pytest.approx(0, abs=1e-5)}
    for key, values in parameters(pipe).items():
        numpy.testing.assert_allclose(values, before[key], atol=1e-2)


def test_rehearsal_restores_a_changed_component(newsroom, learned):
    """Rehearsal alone restores it, without annotation."""
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    docs = [example.predicted for example in newsroom.examples(nlp)]
    before = pipe.predict_chain(docs)
    optimizer = nlp.resume_training(sgd=Adam(0.005))
    nothing = newsroom.examples(nlp, [(words, []) for words, _ in newsroom.sentences])
    for _ in range(30):
        nlp.update(nothing, sgd=optimizer)
    forgotten = float(before.kl(pipe.predict_chain(docs)).sum())
    losses = [nlp.rehearse(nothing, sgd=optimizer)["ner_student"] for _ in range(60)]
    assert 0 < losses[-1] < 0.2 * losses[0]
    assert float(before.kl(pipe.predict_chain(docs)).sum()) < 0.2 * forgotten
    assert nlp.evaluate(newsroom.examples(nlp))["ents_f"] > 0.9


@pytest.mark.parametrize("rehearse", [False, True])
def test_a_new_label_is_learnt_without_forgetting_the_others(newsroom, learned, rehearse):
    nlp = newsroom.copy(learned)
    optimizer = nlp.resume_training(sgd=Adam(0.01))
    nlp.get_pipe("ner_student").add_label("ANIMAL")
    animals, others = newsroom.examples(nlp, ANIMALS), newsroom.examples(nlp)
    for _ in range(40):
        nlp.update(animals, sgd=optimizer)
        if rehearse:
            nlp.rehearse(others, sgd=optimizer)
    old = nlp.evaluate(newsroom.examples(nlp))["ents_f"]
    assert (old > 0.9) is rehearse
    assert nlp.evaluate(newsroom.examples(nlp, ANIMALS))["ents_f"] == 1.0


def test_rehearsal_needs_a_copy(newsroom, learned):
    nlp = newsroom.copy(learned)
    with pytest.raises(ValueError, match=r"\[D520\] .*'ner_student'.*resume_training"):
        nlp.rehearse(newsroom.examples(nlp))
    nlp.resume_training()
    nlp.rehearse(newsroom.examples(nlp))
    nlp.initialize(lambda: newsroom.examples(nlp))
    with pytest.raises(ValueError, match=r"\[D520\]"):
        nlp.rehearse(newsroom.examples(nlp))


@pytest.mark.parametrize("way", ["bytes", "disk"])
def test_loading_parameters_deletes_the_copy(newsroom, learned, way, tmp_path):
    nlp = newsroom.copy(learned)
    nlp.resume_training()
    if way == "bytes":
        nlp.from_bytes(learned.to_bytes())
    else:
        learned.to_disk(tmp_path)
        nlp.from_disk(tmp_path)
    with pytest.raises(ValueError, match=r"\[D520\]"):
        nlp.rehearse(newsroom.examples(nlp))


def test_untrained_labels_are_not_rehearsed(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    pipe.add_label("ANIMAL")
    optimizer = nlp.resume_training(sgd=Adam(0.01))
    words, _ = ANIMALS[0]
    former, before = (
        model.predict([newsroom.doc(nlp.vocab, words)]).emissions
        for model in (pipe._rehearsal_model, learned.get_pipe("ner_student").model)
    )
    numpy.testing.assert_array_equal(former, before)
    for _ in range(40):
        nlp.update(newsroom.examples(nlp, ANIMALS), sgd=optimizer)
        nlp.rehearse(newsroom.examples(nlp), sgd=optimizer)
    assert nlp.evaluate(newsroom.examples(nlp))["ents_f"] > 0.9
    assert nlp.evaluate(newsroom.examples(nlp, ANIMALS))["ents_f"] == 1.0
    # The label is trained now, so a new copy has it.
    nlp.resume_training()
    former = pipe._rehearsal_model.predict([nlp.make_doc("The lynx")])
    assert former.emissions.shape[1] == len(pipe.tags)


def test_documents_without_tokens(newsroom, learned):
    nlp = newsroom.copy(learned)
    nlp.resume_training()
    empty = [Example(nlp.make_doc(""), nlp.make_doc(""))]
    assert nlp.rehearse(empty) == {"ner_student": 0.0}
    both = [*empty, *newsroom.examples(nlp)]
    assert nlp.rehearse(both)["ner_student"] == pytest.approx(0, abs=1e-5)


def test_gradients_are_accumulated_without_an_optimizer(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    nlp.resume_training()
    pipe.add_label("ANIMAL")
    before = parameters(pipe)
    pipe.rehearse(newsroom.examples(nlp))
    head = pipe.model.get_ref("output_layer")
    assert numpy.abs(head.get_grad("W")).max() > 0
    for key, values in parameters(pipe).items():
        numpy.testing.assert_array_equal(values, before[key])


def test_moments_are_kept_if_rehearsal_follows_a_new_label(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    head = pipe.model.get_ref("output_layer")
    examples = newsroom.examples(nlp)
    nothing = newsroom.examples(nlp, [(words, []) for words, _ in newsroom.sentences])
    optimizer = nlp.resume_training(sgd=Adam(1e-5))
    for _ in range(10):
        nlp.update(nothing, sgd=optimizer)
    before = numpy.abs(optimizer.mom1[(head.id, "W")]).max()
    former = head.id
    pipe.add_label("ANIMAL")
    nlp.rehearse(examples, sgd=optimizer)
    nlp.update(nothing, sgd=optimizer)
    assert numpy.abs(optimizer.mom1[(head.id, "W")]).max() > 0.5 * before
    states = (optimizer.mom1, optimizer.mom2, optimizer.averages, optimizer.nr_update)
    assert former not in {key[0] for state in states for key in state}


def test_no_gradients_are_left_if_spacy_updates_another_component(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    nlp.add_pipe("tagger").add_label("N")
    examples = newsroom.examples(nlp, [(words, []) for words, _ in newsroom.sentences])
    for example in examples:
        for token in example.reference:
            token.tag_ = "N"
    nlp.get_pipe("tagger").initialize(lambda: examples, nlp=nlp)
    optimizer = nlp.resume_training(sgd=Adam(0.01))
    nlp.update(examples, sgd=optimizer)
    rehearsed = set()
    for seed in range(8):
        fix_random_seed(seed)
        before = parameters(pipe)
        nlp.rehearse(examples, sgd=optimizer)
        rehearsed.add(any((parameters(pipe)[key] != before[key]).any() for key in before))
        gradients = [
            node.get_grad(name)
            for node in pipe.model.walk()
            for name in node.param_names
            if node.has_grad(name)
        ]
        assert gradients and not any(gradient.any() for gradient in gradients)
    assert rehearsed == {True, False}


def test_rehearsal_of_a_listening_component_is_an_error():
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": {"width": 16, "depth": 1, "embed_size": 100}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}
    nlp.add_pipe("ner_teacher", config={"model": {"embed": listener}})
    gold = nlp.make_doc("Anna sails")
    gold.set_ents([Span(gold, 0, 1, label="PER")])
    examples = [Example(nlp.make_doc("Anna sails"), gold)]
    nlp.initialize(lambda: examples)
    nlp.resume_training()
    with pytest.raises(ValueError, match=r"\[D521\] .*'ner_teacher' cannot rehearse.*exclude"):
        nlp.rehearse(examples)
    nlp.rehearse(examples, exclude=["ner_teacher"])
