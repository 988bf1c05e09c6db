"""Any text, in every batch, order, thread and process. `benchmarks/robustness` has the long run."""

import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from benchmarks.robustness.any_text import digest, read_again
from benchmarks.robustness.documents import KINDS, LONE_SURROGATES, make_doc, make_text
from benchmarks.robustness.reading import (
    Findings,
    best_tags,
    check_annotation,
    check_probabilities,
    check_readings,
)
from benchmarks.robustness.students import make_students

N_DOCUMENTS, GROUP = 2000, 100
# Numpy's loops over tokens are slow.
NUMPY_SHARE = 5


@pytest.fixture(scope="module")
def students():
    return make_students(width=16, steps=40)


def test_generated_documents(students):
    names, totals = list(students), {name: Findings() for name in students}
    for first in range(0, N_DOCUMENTS, GROUP):
        name = names[first // GROUP % len(names)]
        nlp = students[name]
        docs = [make_doc(nlp, number) for number in range(first, first + GROUP)]
        check_readings(
            nlp,
            docs,
            seed=first,
            findings=totals[name],
            exact=name != "float32",
            with_numpy=first // GROUP % NUMPY_SHARE == 0,
        )
    for name, found in totals.items():
        assert not found.wrong, (name, found.wrong)
        assert found.counts["entities"] > 100
    assert sum(found.counts["documents"] for found in totals.values()) == N_DOCUMENTS


def test_all_kinds_of_text_are_generated(students):
    texts = [make_text(seed) for seed in range(N_DOCUMENTS)]
    assert "" in texts and any(text.isspace() for text in texts)
    for characters in ("\x00", "\u200b", "\u202e", "א", "\u0301", "\u200d", "\U0001f600"):
        assert any(characters in text for text in texts)
    assert len(KINDS) > 20 and max(map(len, texts)) > 10_000


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5),
    seed=st.integers(0, 10),
)
def test_any_unicode_text(students, texts, seed):
    nlp = students["int8"]
    pipe = nlp.get_pipe("ner_student")
    docs = [nlp.make_doc(text) for text in texts]
    alone = [pipe.predict([doc]).tags.tolist() for doc in docs]
    order = random.Random(seed).sample(range(len(docs)), len(docs))
    found = best_tags(pipe, [docs[i] for i in order]) if docs else []
    assert [tags.tolist() for tags in found] == [alone[i] for i in order]
    findings = Findings()
    check_probabilities(pipe, docs, "text", findings)
    check_annotation(nlp, docs, "text", findings)
    assert not findings.wrong


@pytest.mark.parametrize("text", LONE_SURROGATES)
def test_spacy_refuses_lone_surrogates(students, text):
    """No document can have them, so no student can meet them."""
    with pytest.raises(UnicodeEncodeError):
        students["int8"](text)
    with pytest.raises(UnicodeEncodeError):
        Doc(students["int8"].vocab, words=[text])


def test_another_process_finds_the_same(students, tmp_path):
    jobs, expected = [], []
    for name in ("float32", "int8"):
        nlp = students[name]
        nlp.to_disk(tmp_path / name)
        docs = [make_doc(nlp, number) for number in range(GROUP)]
        tags = best_tags(nlp.get_pipe("ner_student"), docs)
        expected.append((name, 0, digest(tags)))
        jobs.append((str(tmp_path / name), name, 0, GROUP))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert list(pool.map(read_again, jobs)) == expected


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_a_token_of_a_million_characters(students, name):
    nlp = students[name]
    doc = Doc(nlp.vocab, words=["Anna", "Berg", "met", "x" * 10**6, "in", "Oslo"])
    findings = Findings()
    check_annotation(nlp, [doc], name, findings)
    assert not findings.wrong


def test_windows_of_a_long_document_do_not_depend_on_the_batch(students):
    nlp = students["int8"]
    pipe = nlp.get_pipe("ner_student")
    words = ["Anna", "Berg", "sails", "to", "Oslo", "."] * 4000
    long, short = Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words[:6])
    alone = pipe.predict([long]).tags
    first, second, third = best_tags(pipe, [short, long, short])
    assert numpy.array_equal(alone, second) and numpy.array_equal(first, third)
    assert numpy.array_equal(first, pipe.predict([short]).tags)
