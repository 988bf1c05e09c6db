"""Several students in one pipeline, each with its own teacher. Some do not learn."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Adam, Config, fix_random_seed

from spacy_distill.documents import plain_copy
from tests.training.conftest import make_docs

NARROW = {
    "embed": {"features": {"width": 8}, "characters": {"filters": 8}},
    "encode": {"width": 16, "depth": 1},
}
LABELS = {"people": "PER", "places": "LOC"}


@pytest.fixture(scope="module")
def two_teachers():
    """A pipeline with a component for people and a component for places."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    for name, label in LABELS.items():
        pipe = nlp.add_pipe("ner_student", name=name, config={"model": NARROW})
        examples = []
        for doc in make_docs(nlp.vocab):
            gold = Doc(nlp.vocab, words=[token.text for token in doc])
            named = [ent for ent in doc.ents if ent.label_ == label]
            gold.set_ents([Span(gold, ent.start, ent.end, label) for ent in named])
            examples.append(Example(plain_copy(doc), gold))
        pipe.initialize(lambda examples=examples: examples, nlp=nlp)
        optimizer = Adam(0.02)
        for _ in range(40):
            pipe.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture
def two_students(config, corpora, tmp_path):
    """The config of a pipeline with two students and no labels; the function takes changes."""

    def make(**changes):
        docs = [plain_copy(doc) for doc in make_docs(spacy.blank("xx").vocab)]
        DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
        made = config(
            nlp={"pipeline": list(LABELS)},
            paths={"labeled": None, "dev": str(tmp_path / "dev.spacy")},
            distillation={
                "student_to_teacher": {name: name for name in LABELS},
                "max_steps": 60,
                "calibrate": False,
            },
        )
        student = made["components"].pop("ner_student")
        made["components"].update({name: dict(student) for name in LABELS})
        return Config(Config(made).merge(changes), is_interpolated=False)

    return make


def parameters(nlp, name):
    return nlp.get_pipe(name).model.to_bytes()


def test_both_students_are_scored_by_their_teachers(quietly, two_teachers, two_students):
    nlp = quietly(two_teachers, two_students())
    found = {ent.label_ for doc in nlp.pipe(["In Kiel waits Carl Lund ."]) for ent in doc.ents}
    assert found == {"PER", "LOC"}
    # With the first teacher's entities only, all entities of the second student would be wrong.
    assert nlp.meta["performance"]["ents_f"] > 0.9


@pytest.mark.parametrize("where", ["frozen", "disabled"])
def test_a_component_that_is_not_trained_is_not_distilled(
    quietly, two_teachers, two_students, tmp_path, where
):
    two_teachers.to_disk(tmp_path / "before")
    changes = {"components": {"people": {"source": str(tmp_path / "before")}}}
    if where == "frozen":
        changes["training"] = {"frozen_components": ["people"]}
    else:
        changes["nlp"] = {"disabled": ["people"]}
    config = two_students(distillation={"max_steps": 3}, **changes)
    config["components"]["people"].pop("factory")
    config["components"]["people"].pop("model")
    nlp = quietly(two_teachers, config)
    assert parameters(nlp, "people") == parameters(two_teachers, "people")
    assert nlp.get_pipe("places").labels == ("LOC",)
    assert "Loss people" not in quietly.output and "LOSS PEOPLE" not in quietly.output


def test_a_pipeline_without_learning_components_is_refused(quietly, two_teachers, two_students):
    config = two_students(training={"frozen_components": list(LABELS)})
    message = r"\[D531\] Nothing would learn: .* has all components .* \(people, places\)\."
    with pytest.raises(ValueError, match=message):
        quietly(two_teachers, config)


def test_of_two_students_the_one_that_is_not_frozen_is_found(quietly, teacher, two_students):
    config = two_students(
        nlp={"disabled": ["people"]},
        training={"frozen_components": ["people"]},
        distillation={"max_steps": 1},
    )
    config["distillation"]["student_to_teacher"] = {}
    nlp = quietly(teacher, config)
    assert nlp.get_pipe("places").labels == ("PER", "LOC")
