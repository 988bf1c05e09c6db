"""Labels of any text, and as many as an ontology has: from the teacher to all that is written."""

import io
import json
from itertools import product

import pyarrow.parquet
import pytest
import spacy
from spacy import displacy
from spacy.scorer import get_ner_prf
from spacy.training import Example

from spacy_distill import annotate, distill, tag
from spacy_distill.evaluation import speed

LABELS = ["first aid kit", "B-CELL", "I-CELL", "O", "L", "Straße", "人名", "مدينة", "é", "e\u0301"]
LABELS += ["a|b", "x,y", "PER=SON", "org: ngo", '"quoted"', "'", "<b>", "[x]", "#1", "2024"]
LABELS += ["per.son", "tab\there", "null"]
# A word for each label.
WORDS = ["".join(letters) for letters in product("bcdfghklmnprstvz", "aiou", "lnst")]
MANY = 200
SHORT = {
    "distillation.max_steps": 60,
    "distillation.batcher.size": 200,
    "distillation.dropout": 0.0,
    "distillation.optimizer.learn_rate.initial_rate": 0.02,
    "distillation.optimizer.learn_rate.warmup_steps": 5,
    "training.eval_frequency": 60,
    "components.ner_student.model.embed.features.rows.LOWER": 500,
    "components.ner_student.model.encode.width": 32,
    "components.ner_student.model.encode.depth": 1,
}


def make_rules(labels):
    """Create a pipeline that finds one word of each label."""
    nlp = spacy.blank("en")
    patterns = [
        {"label": label, "pattern": word} for label, word in zip(labels, WORDS, strict=False)
    ]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


def make_texts(n_labels, n_texts):
    words = WORDS[:n_labels]
    return [
        f"The {words[i % n_labels]} was near a {words[(7 * i + i // n_labels) % n_labels]} ."
        for i in range(n_texts)
    ]


def write_texts(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


def learn(teacher, text, output, **more):
    """Distil a teacher without output."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "LEAST_SECONDS", 0.0)
        streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        return distill(teacher, None, output, text=text, overrides={**SHORT, **more}, **streams)


def f1(nlp, teacher, texts):
    pairs = zip(nlp.pipe(texts), teacher.pipe(texts), strict=True)
    return get_ner_prf([Example(*pair) for pair in pairs])["ents_f"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with text, and with a student that has learnt all labels from rules."""
    folder = tmp_path_factory.mktemp("labels")
    text = write_texts(folder / "texts.jsonl", make_texts(len(LABELS), 115))
    rules = make_rules(LABELS)
    rules.to_disk(folder / "rules")
    learn(rules, text, folder / "trained")
    return folder


def test_any_labels_are_learnt_and_saved(folder):
    nlp = spacy.load(folder / "trained" / "student")
    assert set(nlp.get_pipe("ner_student").labels) == {*LABELS}
    texts = make_texts(len(LABELS), 46)
    assert f1(nlp, make_rules(LABELS), texts) > 0.95
    assert {ent.label_ for doc in nlp.pipe(texts) for ent in doc.ents} == {*LABELS}
    card = (folder / "trained" / "student" / "README.md").read_text(encoding="utf8")
    assert all(label.replace("|", "\\|") in card for label in LABELS)
