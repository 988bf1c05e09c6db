"""The student's config: what is filled in, what may be overridden, and what a run leaves."""

import pytest
from thinc.api import Config

from tests.training.conftest import parameters


def test_the_saved_config_keeps_every_setting_of_the_block(quietly, teacher, config, tmp_path):
    quietly(teacher, config(), tmp_path / "output")
    saved = Config().from_disk(tmp_path / "output/model-last/config.cfg")
    block = saved["distillation"]
    assert (block["max_steps"], block["dropout"]) == (6, 0.1)
    assert block["batcher"]["@batchers"] == "spacy.batch_by_words.v1"
    assert block["loss"]["@losses"] == "spacy-distill.ChainDistillation.v1"
    # The saved config is a student's config.
    nlp = quietly(teacher, tmp_path / "output/model-last/config.cfg")
    assert nlp.get_pipe("ner_student").labels == ("PER", "LOC")


@pytest.mark.parametrize("form", ["dict", "path"])
def test_the_config_is_not_changed(quietly, teacher, config, tmp_path, form):
    student = config()
    before = student.to_str(interpolate=False)
    if form == "path":
        student.to_disk(tmp_path / "student.cfg", interpolate=False)
        quietly(teacher, tmp_path / "student.cfg")
    else:
        quietly(teacher, student)
    assert student.to_str(interpolate=False) == before


def test_settings_that_the_config_leaves_out_can_be_overridden(quietly, teacher, config, corpora):
    settings = config()
    del settings["distillation"]
    overrides = {
        "distillation.max_steps": 3,
        "distillation.loss.alpha": 0.25,
        "distillation.corpus": "corpora.train",
        "paths.dev": corpora["dev"],
    }
    nlp = quietly(teacher, settings, overrides=overrides)
    assert nlp.config["distillation"]["max_steps"] == 3
    assert nlp.config["distillation"]["loss"]["alpha"] == 0.25
    assert nlp.config["paths"]["dev"] == str(corpora["dev"])


def test_a_student_of_a_source_learns_on(quietly, teacher, config, tmp_path):
    quietly(teacher, config(), tmp_path / "before")
    settings = config()
    settings["components"]["ner_student"] = {"source": str(tmp_path / "before" / "model-last")}
    quietly(teacher, settings, tmp_path / "after")
    before, after = (parameters(tmp_path / name / "model-last") for name in ("before", "after"))
    assert any((old != new).any() for old, new in zip(before, after, strict=True))
    settings["components"]["ner_student"] = {"source": str(tmp_path / "nowhere")}
    with pytest.raises(ValueError, match=r"\[D127\] The source '.*nowhere' of the component"):
        quietly(teacher, settings)


def test_overrides_change_settings(quietly, teacher, config, tmp_path):
    overrides = {"distillation.max_steps": 3, "components.ner_student.model.encode.width": 16}
    nlp = quietly(teacher, config(), tmp_path / "output", overrides=overrides)
    assert nlp.config["distillation"]["max_steps"] == 3
    assert nlp.config["components"]["ner_student"]["model"]["encode"]["width"] == 16
    # The table has a row for each evaluation, here at the first and the last step.
    rows = [line for line in quietly.output.splitlines() if line.strip()[:1].isdigit()]
    assert [row.split()[1] for row in rows] == ["0", "3"]
