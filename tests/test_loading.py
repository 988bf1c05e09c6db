"""Pipelines that cannot be loaded."""

import pytest
import spacy

from spacy_distill.loading import load_pipeline


def test_a_damaged_pipeline_is_named(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student").add_label("PER")
    nlp.to_disk(tmp_path / "damaged")
    (tmp_path / "damaged" / "ner_student" / "model").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"D706.*damaged"):
        load_pipeline(tmp_path / "damaged")


def test_of_a_pipeline_that_is_not_there_spacy_speaks(tmp_path):
    with pytest.raises(OSError, match="E052"):
        load_pipeline(tmp_path / "nowhere")
