"""Threads of an app that share a pipeline."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import spacy


@pytest.fixture(scope="module")
def student(two_names, tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    two_names.to_disk(folder)
    return folder


@pytest.fixture
def load(student):
    """A pipeline that has read nothing yet."""
    config = {"components.ner_student.confidence": True}
    return lambda: spacy.load(student, config=config)


def read(nlp, texts):
    return [
        [(str(ent), ent.label_, ent._.confidence) for ent in doc.ents] for doc in map(nlp, texts)
    ]


@pytest.mark.parametrize("n_threads", [4, 16])
def test_threads_find_what_one_finds(load, n_threads):
    """All read the same words, which are new to the pipeline, at the same time."""
    texts = [f"Anna{n} Berg sails to Oslo again{n} ." for n in range(100)]
    expected = read(load(), texts)
    nlp, start = load(), Barrier(n_threads)

    def read_in_thread(_):
        start.wait()
        return read(nlp, texts)

    with ThreadPoolExecutor(n_threads) as threads:
        found = list(threads.map(read_in_thread, range(n_threads)))
    assert found == [expected] * n_threads
    assert any(expected)
