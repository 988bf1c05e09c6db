"""Labels of any text, and as many as an ontology has: from the teacher to all that is written."""

import io
import json
from itertools import product

import numpy
import pyarrow.parquet
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.scorer import get_ner_prf
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_distill import TeacherOptions, annotate, distill, load_teacher, tag
from spacy_distill.chain import BiluoTags
from spacy_distill.corpora.soft_corpus import SoftCorpus
from spacy_distill.evaluation import speed
from spacy_distill.teachers.label_map import parse_label_map

LABELS = ["first aid kit", "B-CELL", "I-CELL", "O", "L", "Straße", "人名", "مدينة", "é", "e\u0301"]
LABELS += ["a|b", "x,y", "PER=SON", "org: ngo", '"quoted"', "'", "<b>", "[x]", "#1", "2024"]
LABELS += ["per.son", "tab\there", "null"]
# A word for each label.
WORDS = ["".join(letters) for letters in product("bcdfghklmnprstvz", "aiou", "lnst")]
MANY = 200
SHORT = {
    "distillation.max_steps": 100,
    "distillation.calibrate": False,
    "distillation.batcher.size": 200,
    "distillation.dropout": 0.0,
    "distillation.optimizer.learn_rate.initial_rate": 0.02,
    "distillation.optimizer.learn_rate.warmup_steps": 5,
    "distillation.optimizer.use_averages": False,
    "training.eval_frequency": 100,
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
    """A folder with text, rules, and a student that has learnt all labels from these."""
    folder = tmp_path_factory.mktemp("labels")
    text = write_texts(folder / "texts.jsonl", make_texts(len(LABELS), 115))
    rules = make_rules(LABELS)
    rules.to_disk(folder / "rules")
    learn(rules, text, folder / "trained")
    return folder


@pytest.fixture(scope="module")
def student(folder):
    return spacy.load(folder / "trained" / "student")


@pytest.fixture(scope="module")
def texts():
    """Texts in which each label occurs."""
    return make_texts(len(LABELS), 46)


def entities(docs):
    return [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in docs]


def test_any_labels_are_learnt_and_saved(student, texts):
    assert set(student.get_pipe("ner_student").labels) == {*LABELS}
    assert f1(student, make_rules(LABELS), texts) > 0.7
    assert len({ent.label_ for doc in student.pipe(texts) for ent in doc.ents}) > len(LABELS) - 5


def test_the_card_has_any_labels(folder):
    card = (folder / "trained" / "student" / "README.md").read_text(encoding="utf8")
    for label in LABELS:
        assert f"`{label}`" in card.replace("\\|", "|"), label


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "spacy"])
def test_files_of_entities_have_any_labels(folder, student, texts, tmp_path, file_format):
    source = write_texts(tmp_path / "texts.jsonl", texts)
    model, output = folder / "trained" / "student", tmp_path / "tags"
    tag(model, source, output, file_format=file_format, stderr=io.StringIO())
    (shard,) = output.glob("shard-*")
    if file_format == "spacy":
        docs = DocBin().from_disk(shard).get_docs(Vocab())
        found = [ent.label_ for doc in docs for ent in doc.ents]
    elif file_format == "jsonl":
        found = [json.loads(line)["label"] for line in shard.read_text("utf8").splitlines()]
    else:
        found = pyarrow.parquet.read_table(shard)["label"].to_pylist()
    assert found == [label for doc in entities(student.pipe(texts)) for *_, label in doc]


def test_a_soft_corpus_has_any_labels(folder, texts, tmp_path):
    source, soft = write_texts(tmp_path / "texts.jsonl", texts), tmp_path / "soft"
    annotate(str(folder / "rules"), source, soft, stderr=io.StringIO())
    teacher = load_teacher(str(soft))
    docs = [example.reference for example in SoftCorpus(soft)(spacy.blank("en"))]
    chain = teacher.predict_chain(docs)
    tags = BiluoTags(teacher.labels)
    best = numpy.split(chain.argmax(), numpy.cumsum(chain.lengths)[:-1])
    rules = make_rules(LABELS)
    assert len(docs) == len(texts)
    for doc, numbers in zip(docs, best, strict=True):
        found = [(doc[start:end].text, label) for start, end, label in tags.spans(numbers)]
        assert found == [(ent.text, ent.label_) for ent in rules(doc.text).ents]


def test_a_map_of_labels_has_any_labels():
    pairs = {label: f"{label}!" for label in LABELS}
    options = TeacherOptions(label_map=parse_label_map(json.dumps(pairs)))
    assert set(load_teacher(make_rules(LABELS), options).labels) == {*pairs.values()}


def test_two_hundred_labels(tmp_path):
    labels = [f"Label {number}" for number in range(MANY)]
    rules, texts = make_rules(labels), make_texts(MANY, 40)
    text = write_texts(tmp_path / "texts.jsonl", texts)
    learn(rules, text, tmp_path / "trained", **{"distillation.max_steps": 2})
    nlp = spacy.load(tmp_path / "trained" / "student")
    assert len(nlp.get_pipe("ner_student").labels) == MANY
    (marginals,) = nlp.get_pipe("ner_student").posteriors([nlp.make_doc(texts[0])])
    assert marginals.shape == (7, 4 * MANY + 1)
    assert_allclose(marginals.sum(axis=1), 1, rtol=1e-4)
    # The first sentence of the card.
    assert nlp.meta["description"].startswith("Finds Label 0, ")
    assert "and 180 more labels: F1" in nlp.meta["description"]
