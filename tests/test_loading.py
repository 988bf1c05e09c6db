"""Pipelines and corpora that cannot be loaded."""

import random

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from spacy_distill import loading
from spacy_distill.corpora.labeled import read_examples
from spacy_distill.loading import load_pipeline
from spacy_distill.training.corpus import read_corpus


@pytest.fixture
def folder(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student").add_label("PER")
    nlp.vocab.set_vector("Oslo", numpy.ones(2, dtype="float32"))
    nlp.to_disk(tmp_path / "damaged")
    return tmp_path / "damaged"


@pytest.fixture
def corpus(tmp_path):
    docs = [Doc(spacy.blank("en").vocab, words=["Oslo", "is", str(n)]) for n in range(20)]
    DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")
    return tmp_path / "corpus.spacy"


def damaged(data, rng):
    """YIELDS (bytes): Other bytes, as half a copy or a bad disk leaves them."""
    yield from (b"", b"cut off", data[: len(data) // 2], rng.randbytes(len(data)))
    for n_changes in (1, 3, 30):
        changed = bytearray(data)
        for _ in range(n_changes if data else 0):
            changed[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(changed)


def test_a_damaged_pipeline_is_named(folder):
    """Each file, damaged in several ways: what is raised, if anything is, names the pipeline."""
    rng, n_raised = random.Random(0), 0
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        whole = path.read_bytes()
        for data in damaged(whole, rng):
            path.write_bytes(data)
            try:
                load_pipeline(folder)
            except ValueError as error:
                assert str(error).startswith(f"[D706] The pipeline '{folder}' cannot be loaded")
                n_raised += 1
        path.write_bytes(whole)
    assert n_raised > 50


@pytest.mark.parametrize(
    "name, before, after",
    [
        ("tokenizer", b"(?<=", b"(?<\\"),
        ("config.cfg", b"[initialize]", b"[initialize]\n\n[initialize]"),
        ("config.cfg", b"[nlp]", b"[nlp]\nlang = 1"),
    ],
)
def test_damage_that_libraries_of_python_report(folder, name, before, after):
    path = folder / name
    assert before in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(before, after, 1))
    with pytest.raises(ValueError, match=r"^\[D706\]"):
        load_pipeline(folder)


def test_a_damaged_corpus_is_named(corpus):
    rng, whole, n_raised = random.Random(0), corpus.read_bytes(), 0
    for data in damaged(whole, rng):
        corpus.write_bytes(data)
        try:
            list(read_examples(corpus, spacy.blank("en")))
        except ValueError as error:
            assert str(error).startswith(f"[D330] '{corpus}' cannot be read")
            n_raised += 1
    assert n_raised > 4


def test_of_a_pipeline_that_is_not_there_spacy_speaks(tmp_path):
    with pytest.raises(OSError, match="E052"):
        load_pipeline(tmp_path / "nowhere")


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_what_is_no_damage_keeps_its_name(folder, corpus, monkeypatch, error):
    """Who lacks memory would copy a sound model again and again."""

    def fail(*args, **kwargs):
        raise error("out of memory")

    monkeypatch.setattr(loading, "load_model", fail)
    with pytest.raises(error, match=r"^out of memory"):
        load_pipeline(folder)
    nlp = spacy.blank("en")
    config = {"corpora": {"dev": {"@readers": "spacy.Corpus.v1", "path": str(corpus)}}}
    with pytest.raises(error, match=r"^out of memory"):
        read_corpus(fail, nlp, config, "corpora.dev")
    monkeypatch.setattr(Corpus, "__call__", fail)
    with pytest.raises(error, match=r"^out of memory"):
        list(read_examples(corpus, nlp))


@pytest.mark.parametrize(
    "shape, reason",
    [
        (b"(10000000000, 2), }", "mmap length is greater than file ?size"),
        (b"(10000000000, 0), }", "10,000,000,000 rows without numbers"),
    ],
)
def test_word_vectors_that_are_only_announced_take_no_memory(folder, shape, reason):
    path = folder / "vocab" / "vectors"
    data = path.read_bytes()
    header = b"(100, 2), }" + b" " * 8
    assert header in data
    path.write_bytes(data.replace(header, shape))
    with pytest.raises(ValueError, match=rf"^\[D706\].*{reason}"):
        load_pipeline(folder)
