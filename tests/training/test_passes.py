"""How much of a corpus in memory the steps of a training read."""

from itertools import islice

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_distill.training.passes import draw_for_steps, message_on_passes, new_batcher

WORDS = {"@batchers": "spacy.batch_by_words.v1", "size": 50, "tolerance": 0.2}
KEPT = {**WORDS, "discard_oversize": False}
SCHEDULE = {"@schedules": "compounding.v1", "start": 10, "stop": 100, "compound": 1.1}


def block(batcher, max_steps):
    return {"batcher": batcher, "max_steps": max_steps, "max_epochs": 0}


def examples(lengths):
    vocab = spacy.blank("xx").vocab
    docs = [Doc(vocab, words=["word"] * length) for length in lengths]
    return [Example(doc, doc) for doc in docs]


@pytest.mark.parametrize(
    "batcher, lengths",
    [
        (KEPT, [10] * 4000),
        ({**KEPT, "size": SCHEDULE}, [10] * 4000),
        # Long documents among short ones, at even places.
        ({"@batchers": "spacy.batch_by_sequence.v1", "size": 4}, [5, 90] * 2000),
        # Half of the documents are left out of all batches.
        ({**WORDS, "discard_oversize": True}, [10, 500] * 2000),
        (KEPT, [0, 10, 500, 20] * 1000),
    ],
)
def test_the_draw_has_what_the_steps_read(batcher, lengths):
    n_steps = 30
    corpus = examples(lengths)
    found = draw_for_steps(corpus, block(batcher, n_steps), 0).examples
    assert len(found) < len(corpus) / 2 and len({id(one) for one in found}) == len(found)
    batches = list(islice(new_batcher(batcher)(found), n_steps + 1))
    assert len(batches) == n_steps + 1
    # And hardly more.
    assert sum(map(len, batches)) > 0.45 * len(found)


def test_a_training_of_more_than_a_pass_has_all_examples():
    corpus = examples([10] * 100)
    found = draw_for_steps(corpus, block(KEPT, 1000), None)
    assert found.examples is corpus and found.words_per_step == pytest.approx(50, rel=0.1)


def test_the_draw_depends_on_the_seed_alone():
    corpus = examples([10] * 1000)
    draws = [draw_for_steps(corpus, block(KEPT, 3), seed).examples for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_the_message_names_the_steps_of_a_pass():
    said = " ".join(message_on_passes(1000, 50.0, block(KEPT, 2)).split())
    assert "[D914] 2 steps read 10.00% of the corpus" in said
    assert "--distillation.max_steps 20" in said
    assert "1,000 words 2.0 times" in message_on_passes(1000, 50.0, block(KEPT, 40))
    assert message_on_passes(1000, 50.0, {**block(KEPT, 2), "max_epochs": 1}) == ""
