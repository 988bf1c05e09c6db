import shutil

import pytest
import spacy
from spacy.util import registry

from spacy_distill.pipeline import ChainNER
from spacy_distill.pipeline.chain_ner import NonFiniteLossError
from spacy_distill.teachers import PipelineTeacher

FILES = ["checkpoint", "model-best", "model-last"]


@registry.loggers("spacy-distill-tests.Interrupting.v1")
def interrupting(at: int, error: str = "KeyboardInterrupt"):
    """Create a logger that raises an error at a step."""
    errors = {
        "KeyboardInterrupt": KeyboardInterrupt,
        "OSError": OSError,
        "ValueError": ValueError,
        "NonFiniteLossError": NonFiniteLossError,
    }

    def setup(nlp, stdout, stderr):
        steps = iter(range(at + 1))

        def log_step(info):
            if next(steps) == at:
                raise errors[error]("stopped by the test")

        def finalize():
            stdout.write("The logger was closed.\n")

        return log_step, finalize

    return setup


def logger(at, error="KeyboardInterrupt"):
    settings = {"@loggers": "spacy-distill-tests.Interrupting.v1", "at": at, "error": error}
    return {"logger": settings, "eval_frequency": 2}


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "OSError", "ValueError"])
def test_an_interrupted_training_saves_its_parameters(quietly, teacher, config, tmp_path, error):
    """This includes errors of a damaged shard or document in the middle of a stream."""
    output = tmp_path / "output"
    with pytest.raises((KeyboardInterrupt, OSError, ValueError), match="stopped by the test"):
        quietly(teacher, config(training=logger(3, error)), output)
    assert "The logger was closed." in quietly.output
    assert sorted(path.name for path in output.iterdir()) == FILES
    last, best = (spacy.load(output / name) for name in ("model-last", "model-best"))
    assert last("Anna Berg sails to Oslo .").has_annotation("ENT_IOB")
    # The steps after the last checkpoint are saved too.
    weights = [nlp.get_pipe("ner_student").model.to_bytes() for nlp in (last, best)]
    assert weights[0] != weights[1]


def test_parameters_are_not_saved_after_a_nan_loss(quietly, teacher, config, tmp_path):
    output = tmp_path / "output"
    with pytest.raises(NonFiniteLossError, match="stopped by the test"):
        quietly(teacher, config(training=logger(3, "NonFiniteLossError")), output)
    # They are averaged, as in the evaluation.
    last, best = (spacy.load(output / name) for name in ("model-last", "model-best"))
    weights = [nlp.get_pipe("ner_student").model.to_bytes() for nlp in (last, best)]
    assert weights[0] == weights[1]


@pytest.mark.filterwarnings("ignore")
def test_a_nan_loss_is_reported(quietly, teacher, config):
    with pytest.raises(NonFiniteLossError, match="The loss of 'ner_student' is"):
        quietly(teacher, config(distillation={"optimizer": {"learn_rate": 1e38}}))


def interrupt_call(monkeypatch, name, number):
    """Let one call of a method of the component be interrupted."""
    method, calls = getattr(ChainNER, name), []

    def interrupted(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return method(self, *args, **kwargs)

    monkeypatch.setattr(ChainNER, name, interrupted, raising=False)


def test_an_interruption_within_an_update(quietly, teacher, config, tmp_path, monkeypatch):
    interrupt_call(monkeypatch, "distill", 4)
    with pytest.raises(KeyboardInterrupt):
        quietly(teacher, config(), tmp_path / "output")
    names = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert names == FILES
    spacy.load(tmp_path / "output/model-last")


def test_an_interruption_while_a_checkpoint_is_copied(
    quietly, teacher, config, tmp_path, monkeypatch
):
    copytree = shutil.copytree

    def interrupted(source, target, *args, **kwargs):
        copytree(source, target, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copytree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quietly(teacher, config(), tmp_path / "output")
    names = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert names == ["checkpoint", "model-last"]
    spacy.load(tmp_path / "output/model-last")


def test_an_interruption_while_a_checkpoint_is_written(
    quietly, teacher, config, tmp_path, monkeypatch
):
    interrupt_call(monkeypatch, "to_disk", 2)
    with pytest.raises(KeyboardInterrupt):
        quietly(teacher, config(training={"eval_frequency": 1}), tmp_path / "output")
    names = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert names == FILES
    spacy.load(tmp_path / "output/model-last")


@pytest.mark.parametrize(
    "error, expected", [(KeyboardInterrupt, KeyboardInterrupt), (RuntimeError, ValueError)]
)
def test_nothing_is_written_before_the_first_step(
    quietly, teacher, config, tmp_path, monkeypatch, error, expected
):
    def interrupted(self, docs):
        raise error

    monkeypatch.setattr(PipelineTeacher, "predict_chain", interrupted)
    with pytest.raises(expected):
        quietly(teacher, config(), tmp_path / "output")
    assert not (tmp_path / "output").exists()
