"""Students that teach the next student."""

import shutil

import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy.tokens import DocBin

from spacy_distill import annotate
from spacy_distill.teachers import PipelineTeacher
from spacy_distill.training.checkpoints import Checkpoints
from spacy_distill.training.generations import with_student
from spacy_distill.training.output_folder import MODEL_BEST, MODEL_LAST
from tests.training.conftest import parameters


@pytest.fixture
def run(quietly, config, teacher, tmp_path):
    def distilled(teacher=teacher, generations=2, student=None, **options):
        output = tmp_path / "out"
        student = student or config(training={"eval_frequency": 2})
        return quietly(teacher, student, output, generations=generations, **options)

    return distilled


def difference(one, other):
    pairs = zip(parameters(one), parameters(other), strict=True)
    return max(abs(mine - theirs).max() for mine, theirs in pairs)


def assert_equal(one, other):
    for mine, theirs in zip(one, other, strict=True):
        assert_array_equal(mine, theirs)


def test_the_first_student_is_the_usual_one_and_teaches_the_second(
    run, quietly, config, teacher, tmp_path
):
    run()
    first, last = tmp_path / "out" / "generation-1", tmp_path / "out"
    student = config(training={"eval_frequency": 2})
    quietly(teacher, student, tmp_path / "usual")
    assert_equal(parameters(first / MODEL_LAST), parameters(tmp_path / "usual" / MODEL_LAST))
    assert (parameters(last / MODEL_LAST)[0] != parameters(first / MODEL_LAST)[0]).any()
    quietly([teacher, first / MODEL_BEST], student, tmp_path / "of-both")
    # The cache of the teacher rounds to half precision.
    assert difference(last / MODEL_LAST, tmp_path / "of-both" / MODEL_LAST) < 0.002
    assert difference(last / MODEL_LAST, first / MODEL_LAST) > 0.02
    assert len(spacy.load(last / MODEL_LAST).meta["distillation"]["teachers"]) == 2


def test_each_student_has_a_log_of_its_own(run, config, tmp_path):
    path = tmp_path / "logs" / "log.jsonl"
    logger = {"@loggers": "spacy-distill.JSONLLogger.v1", "path": str(path), "logger": None}
    run(student=config(training={"logger": logger}))
    names = {log.name for log in path.parent.iterdir()}
    assert names == {"log-generation-1.jsonl", "log.jsonl"}


def test_the_teacher_reads_each_document_once(run, teacher):
    read = []

    class Counting(PipelineTeacher):
        def predict_chain(self, docs):
            read.extend(doc.text for doc in docs)
            return super().predict_chain(docs)

    run(Counting(teacher), generations=3)
    assert read
    assert len(read) == len(set(read))


def test_a_student_weighs_as_much_as_one_of_the_teachers(teacher):
    joined = with_student(PipelineTeacher(teacher), teacher, "ner_teacher", 3)
    assert joined.weights == [0.75, 0.25]


def killing(monkeypatch, folder, step):
    """Interrupt a training in a folder when it has saved its state after a step."""
    save_state = Checkpoints.save_state

    def killed(self, state):
        save_state(self, state)
        if self.output.name == folder and state.step >= step:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save_state", killed)


@pytest.mark.parametrize(("folder", "step"), [("generation-1", 2), ("out", 0), ("out", 4)])
def test_a_run_that_was_killed_continues(run, quietly, tmp_path, monkeypatch, folder, step):
    run()
    expected = parameters(tmp_path / "out" / MODEL_LAST)
    shutil.rmtree(tmp_path / "out")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        killing(patch, folder, step)
        run()
    run(resume=True)
    assert_equal(parameters(tmp_path / "out" / MODEL_LAST), expected)
    run(resume=True)
    assert "nothing to resume" in quietly.output


def test_students_of_an_earlier_run_do_not_count(run, config, tmp_path, monkeypatch):
    """With --force, also if the new run is killed."""
    other = config(training={"eval_frequency": 2, "seed": 1})
    run(student=other)
    expected = parameters(tmp_path / "out" / MODEL_LAST)
    run(generations=3, overwrite=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        killing(patch, "generation-1", 2)
        run(student=other, overwrite=True)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"generation-1", "checkpoint"}
    run(student=other, resume=True)
    assert_equal(parameters(tmp_path / "out" / MODEL_LAST), expected)


def test_students_are_scored_against_the_given_teacher(run, config, corpora, tmp_path):
    """If the development documents have no labels."""
    nlp = spacy.blank("xx")
    docs = [nlp(doc.text) for doc in DocBin().from_disk(corpora["dev"]).get_docs(nlp.vocab)]
    DocBin(docs=docs).to_disk(tmp_path / "plain.spacy")
    run(student=config(paths={"dev": str(tmp_path / "plain.spacy")}))
    first, last = (
        [
            [(ent.text, ent.label_) for ent in doc.ents]
            for doc in DocBin().from_disk(folder / "dev.spacy").get_docs(nlp.vocab)
        ]
        for folder in (tmp_path / "out" / "generation-1", tmp_path / "out")
    )
    assert first == last
    assert any(first)


def test_what_cannot_be_combined(run, quietly, config, teacher, corpora, tmp_path):
    with pytest.raises(ValueError, match="generations"):
        run(generations=0)
    with pytest.raises(ValueError, match=r"\[D829\].* no teacher"):
        run("none")
    with pytest.raises(ValueError, match=r"\[D829\].* no output folder"):
        quietly(teacher, config(), generations=2)
    annotate(teacher, str(corpora["unlabeled"]), tmp_path / "soft")
    soft = {"@readers": "spacy-distill.SoftCorpus.v1", "path": str(tmp_path / "soft")}
    changed = config()
    changed["corpora"]["train"] = soft
    with pytest.raises(ValueError, match=r"\[D831\]"):
        quietly(tmp_path / "soft", changed, tmp_path / "out", generations=2)
