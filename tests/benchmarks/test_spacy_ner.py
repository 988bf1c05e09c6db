"""spaCy's own ner on the project's labels."""

import numpy
import spacy
from spacy.cli.train import train

from benchmarks import spacy_ner
from benchmarks.spacy_ner import main
from spacy_distill.vectors.word_tables import vectors_pipeline


def test_spacys_own_ner_is_trained_with_the_words_as_they_are_written(
    two_names, tmp_path, monkeypatch
):
    (tmp_path / "corpus").mkdir()
    for name in ("train", "dev"):
        docs = spacy.tokens.DocBin(docs=[two_names("Anna Berg sails to Oslo .")])
        docs.to_disk(tmp_path / "corpus" / f"{name}.spacy")
    table = vectors_pipeline(["oslo", "kiel"], numpy.ones((2, 4), dtype="float32"), "en")
    (tmp_path / "assets").mkdir()
    table.to_disk(tmp_path / "assets" / "vectors")
    short = {"training.max_steps": 2, "training.eval_frequency": 1}
    monkeypatch.setattr(
        spacy_ner,
        "train",
        lambda *paths, overrides: train(*paths, overrides={**overrides, **short}),
    )
    main(tmp_path / "training" / "ner", tmp_path / "corpus", tmp_path / "assets" / "vectors")
    nlp = spacy.load(tmp_path / "training" / "ner" / "model-best")
    assert nlp.pipe_names == ["tok2vec", "ner"] and nlp.get_pipe("ner").labels == ("LOC", "PER")
    assert nlp.vocab["Oslo"].has_vector and not nlp.vocab["oslo"].has_vector
