"""Students that teach the next student."""

import shutil

import pytest
import spacy
from numpy.testing import assert_array_equal

from spacy_distill import annotate
from spacy_distill.teachers import PipelineTeacher
from spacy_distill.training.checkpoints import MODEL_BEST, MODEL_LAST, Checkpoints
from spacy_distill.training.generations import with_student


@pytest.fixture
def run(quietly, config, teacher, tmp_path):
    def distilled(teacher=teacher, generations=2, **options):
        output = tmp_path / "out"
        return quietly(teacher, config(), output, generations=generations, **options)

    return distilled


def parameters(folder):
    model = spacy.load(folder).get_pipe("ner_student").model
    return [node.get_param(name) for node in model.walk() for name in node.param_names]


def assert_equal(one, other):
    for mine, theirs in zip(one, other, strict=True):
        assert_array_equal(mine, theirs)


def test_the_first_student_is_the_usual_one_and_teaches_the_second(
    run, quietly, config, teacher, tmp_path
):
    run()
    first, last = tmp_path / "out" / "generation-1", tmp_path / "out"
    quietly(teacher, config(), tmp_path / "usual")
    assert_equal(parameters(first / MODEL_LAST), parameters(tmp_path / "usual" / MODEL_LAST))
    assert (parameters(last / MODEL_LAST)[0] != parameters(first / MODEL_LAST)[0]).any()
    quietly([teacher, first / MODEL_BEST], config(), tmp_path / "of-both")
    for mine, theirs in zip(
        parameters(last / MODEL_LAST), parameters(tmp_path / "of-both" / MODEL_LAST), strict=True
    ):
        # The cache of the teacher rounds to half precision.
        assert abs(mine - theirs).max() < 0.01
    assert len(spacy.load(last / MODEL_LAST).meta["distillation"]["teachers"]) == 2


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


@pytest.mark.parametrize("killed_in", ["generation-1", "out"])
def test_a_run_that_was_killed_continues(run, quietly, tmp_path, monkeypatch, killed_in):
    run()
    expected = parameters(tmp_path / "out" / MODEL_LAST)
    shutil.rmtree(tmp_path / "out")
    save_state = Checkpoints.save_state

    def killed(self, state):
        save_state(self, state)
        if self.output.name == killed_in:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.setattr(Checkpoints, "save_state", save_state)
    run(resume=True)
    assert_equal(parameters(tmp_path / "out" / MODEL_LAST), expected)
    run(resume=True)
    assert "nothing to resume" in quietly.output


def test_what_cannot_be_combined(run, quietly, config, teacher, corpora, tmp_path):
    with pytest.raises(ValueError, match=r"\[D828\]"):
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
