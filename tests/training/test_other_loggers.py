"""spaCy's loggers, and those of spacy-loggers, in a distillation."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest
import spacy
from thinc.api import Config

from spacy_distill.training import train

LOSSES = {f"loss_ner_student{part}" for part in ("", "_task", "_distillation")}
STATISTICS = ["^(step|words)"]


@pytest.fixture
def logged(quietly, teacher, config, tmp_path):
    """Distil four steps with a logger, evaluate every second step, and return the folder."""

    def run(logger, **changes):
        settings = config(training={"eval_frequency": 2}, distillation={"max_steps": 4, **changes})
        # Replaced, not merged: this logger may not have the settings of the fixture's logger.
        settings["training"]["logger"] = logger
        quietly(teacher, settings, tmp_path / "student")
        return tmp_path / "student"

    return run


@pytest.fixture
def spy():
    """Create a logger that records its calls."""
    notes = {"steps": []}

    @spacy.registry.loggers("spacy_distill_tests.Spy.v1")
    def make_spy():
        def setup(nlp, stdout, stderr):
            notes["max_steps"] = nlp.config["training"]["max_steps"]

            def end():
                assert "end" not in notes
                notes["end"] = len(notes["steps"])
                if "model" in notes:
                    notes["saved"] = spacy.load(notes["model"])

            return notes["steps"].append, end

        return setup

    return notes


SPY = {"@loggers": "spacy_distill_tests.Spy.v1"}


def test_loggers_find_the_steps_of_the_distillation(logged, spy):
    """spaCy's console logger shows this number of steps; [training] has another one."""
    folder = logged(SPY)
    assert spy["max_steps"] == 4
    saved = spacy.load(folder / "model-last")
    assert saved.config["training"]["max_steps"] not in (None, 4)


def test_loggers_end_when_confidences_are_calibrated(logged, spy, tmp_path):
    """Loggers may copy the saved student, which has to be the final one."""
    spy["model"] = tmp_path / "student" / "model-best"
    logged(SPY)
    assert spy["end"] == 5
    assert spy["saved"].get_pipe("ner_student").cfg["temperature"] != 1


def test_loggers_end_after_an_error_too(logged, spy, monkeypatch):
    def fail(*_):
        raise OSError("The disk is full.")

    monkeypatch.setattr(train, "calibrate", fail)
    with pytest.raises(OSError, match="disk"):
        logged(SPY)
    assert spy["end"] == 5


@pytest.mark.parametrize("version, bar", [("v1", False), ("v2", True), ("v3", "train")])
def test_the_console(logged, quietly, version, bar):
    logged({"@loggers": f"spacy.ConsoleLogger.{version}", "progress_bar": bar})
    lines = quietly.output.splitlines()
    # Above it: the share of the text that is read, and the components.
    header, _, *rows = lines[2:7]
    assert header.split()[:2] == ["E", "#"]
    assert [row.split()[1] for row in rows] == ["0", "2", "4"]


def test_the_jsonl_logger_calls_a_chain_of_loggers(logged, quietly, tmp_path):
    path = tmp_path / "run.jsonl"
    console = {"@loggers": "spacy.ConsoleLogger.v3"}
    chain = {"@loggers": "spacy.ChainLogger.v1", "logger1": console}
    logged({"@loggers": "spacy-distill.JSONLLogger.v1", "path": str(path), "logger": chain})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 2, 4]
    assert {f"loss_{name}" for name in lines[-1]["losses"]} == LOSSES
    assert "ENTS_F" in quietly.output


def loggers_of_the_page():
    page = Path(__file__).parents[2] / "docs" / "how-to" / "logging.md"
    for block in re.findall("```ini\n(.*?)```", page.read_text(encoding="utf8"), re.DOTALL):
        yield Config().from_str(f"[training]\n\n{block}")["training"]["logger"]


@pytest.mark.parametrize("logger", loggers_of_the_page(), ids=str)
def test_the_loggers_of_the_page(logged, logger, offline, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, module in {"Wandb": "wandb", "MLflow": "mlflow"}.items():
        if name in str(logger):
            pytest.importorskip(module, reason=f"{module} is not installed (extra: loggers)")
    if "MLflow" in str(logger):
        use_database(monkeypatch, tmp_path)
    logged(logger)
    for place in re.findall(r"[\w/]+\.jsonl", str(logger)):
        assert len(Path(place).read_text().splitlines()) == 3
    assert ("Wandb" in str(logger)) == bool(list(tmp_path.glob("wandb/offline-run-*/*.wandb")))
    assert ("MLflow" in str(logger)) == (tmp_path / "mlflow.db").exists()


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Let Weights & Biases write to the test's folder. A teardown is needed, as its settings
    outlive a run."""
    for name, value in {"MODE": "offline", "DIR": str(tmp_path), "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


def use_database(monkeypatch, folder):
    """Let MLflow write to a database, and return the list of pipelines that it would save."""
    pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed (extra: loggers)")
    saved = []
    # MLflow runs pip to find the pipeline's requirements, which takes 20 seconds.
    flavor = importlib.import_module("mlflow.spacy")
    monkeypatch.setattr(flavor, "log_model", lambda nlp, name: saved.append(nlp.pipe_names))
    # MLflow's own setting would outlive the test.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    return saved


def test_weights_and_biases(logged, offline, monkeypatch, tmp_path):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed (extra: loggers)")
    init, runs, summary = wandb.init, [], {}

    def noted_init(**settings):
        runs.append(init(**settings))
        # Which `wandb.init` has put there: the log of this run.
        log = wandb.log
        monkeypatch.setattr(wandb, "log", lambda values: (summary.update(values), log(values)))
        return runs[-1]

    monkeypatch.setattr(wandb, "init", noted_init)
    settings = {"project_name": "tests", "log_custom_stats": STATISTICS}
    logged({"@loggers": "spacy.WandbLogger.v5", **settings})
    (run,) = runs
    assert summary.keys() >= LOSSES | {"score", "ents_f", "ents_per_type"}
    assert summary["step"] == 4 and summary["words"] > 0
    parts = [summary[name] for name in sorted(LOSSES - {"loss_ner_student"})]
    assert summary["loss_ner_student"] == pytest.approx(sum(parts))
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert run.config["distillation"]["max_steps"] == 4
    assert run.config["components"]["ner_student"]["model"]["encode"]["width"] == 32


def test_mlflow(logged, monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (extra: loggers)")
    saved = use_database(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    settings = {"run_name": "test", "log_custom_stats": STATISTICS}
    logged({"@loggers": "spacy.MLflowLogger.v2", **settings})
    (run,) = mlflow.MlflowClient().search_runs(["0"])
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "step")
    assert run.info.status == "FINISHED" and run.info.run_name == "test"
    metrics = run.data.metrics
    assert metrics.keys() >= LOSSES | {"score", "ents_f", "ents_per_type.PER.f", "words"}
    parts = [metrics[name] for name in sorted(LOSSES - {"loss_ner_student"})]
    assert metrics["loss_ner_student"] == pytest.approx(sum(parts))
    assert [metric.value for metric in history] == [0, 2, 4]
    assert run.data.params["distillation.max_steps"] == "4"
    assert saved and all(names == ["ner_student"] for names in saved)
