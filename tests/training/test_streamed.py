"""Documents of a streamed soft corpus are made for the step that trains on them."""

import io

import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy.training import Example

from spacy_distill.corpora.labeled import PendingExample
from spacy_distill.corpora.soft_corpus import SoftCorpus
from spacy_distill.jobs.memory_zones import HAS_SAFE_ZONES
from spacy_distill.training import streamed
from spacy_distill.training.annotate import annotate
from spacy_distill.training.checkpoints import MODEL_LAST
from tests.training.conftest import PEOPLE, PLACES, parameters

zones = pytest.mark.skipif(not HAS_SAFE_ZONES, reason="memory zones of this spaCy are not safe")
NEW = [f"Neu{number}wort" for number in range(40)]


@pytest.fixture(scope="module")
def soft(teacher, tmp_path_factory):
    """A soft corpus in which each document has a word of its own."""
    folder = tmp_path_factory.mktemp("streamed")
    teacher.to_disk(folder / "teacher")
    lines = [
        f"{PEOPLE[n % len(PEOPLE)]} {word} sails to {PLACES[n % len(PLACES)]} ."
        for n, word in enumerate(NEW)
    ]
    (folder / "texts.txt").write_text("\n".join(lines), encoding="utf8")
    annotate(folder / "teacher", folder / "texts.txt", folder / "soft", stderr=io.StringIO())
    return folder / "soft"


@pytest.fixture
def trained(quietly, config, soft, tmp_path):
    def train(name, **corpus):
        reader = {"@readers": "spacy-distill.SoftCorpus.v1", "path": str(soft), **corpus}
        student = config(distillation={"max_steps": 12, "max_epochs": -1})
        student["corpora"]["soft"] = reader
        student["distillation"]["corpus"] = "corpora.soft"
        return quietly(soft, student, tmp_path / name)

    return train


@zones
def test_a_student_forgets_the_words_of_its_stream(trained, tmp_path, monkeypatch):
    nlp = trained("kept")
    assert set(NEW) & set(nlp.vocab.strings)
    monkeypatch.setattr(streamed, "WARM_UP", 0)
    nlp = trained("forgotten")
    # The corpus is opened with its first document, and the pipeline initialized with ten.
    assert len(set(NEW) & set(nlp.vocab.strings)) <= 11
    for mine, theirs in zip(
        parameters(tmp_path / "kept" / MODEL_LAST),
        parameters(tmp_path / "forgotten" / MODEL_LAST),
        strict=True,
    ):
        assert_array_equal(mine, theirs)


@zones
def test_words_are_kept_if_another_component_writes_to_documents(
    monkeypatch,
):
    monkeypatch.setattr(streamed, "WARM_UP", 0)
    nlp = spacy.blank("en")
    maker = streamed.ExampleMaker(nlp, forgets=False)
    pending = PendingExample(["Neuwort"], None, lambda: example_of(nlp, "Neuwort"))
    with maker.made([pending]) as (example,):
        assert example.reference.text == "Neuwort"
    assert "Neuwort" in nlp.vocab.strings
    maker = streamed.ExampleMaker(nlp, forgets=True)
    other = PendingExample(["Altwort"], None, lambda: example_of(nlp, "Altwort"))
    with maker.made([other]):
        assert "Altwort" in nlp.vocab.strings
    assert "Altwort" not in nlp.vocab.strings


def example_of(nlp, text):
    return Example(nlp.make_doc(text), nlp.make_doc(text))


def test_labeled_documents_stay(trained, corpora, monkeypatch):
    monkeypatch.setattr(streamed, "WARM_UP", 0)
    nlp = trained("labeled", labeled=str(corpora["labeled"]), labeled_share=0.3)
    assert nlp.get_pipe("ner_student").labels == ("PER", "LOC")


@pytest.mark.parametrize("max_length", [0, 7])
def test_what_is_made_later_is_what_is_read(soft, max_length):
    nlp = spacy.blank("en")
    reader = SoftCorpus(soft, seed=1, max_length=max_length)
    read = [example.reference.text for example in reader(nlp)]
    again = SoftCorpus(soft, seed=1, max_length=max_length)
    items = list(streamed.read_stream(again, nlp))
    assert all(isinstance(item, PendingExample) for item in items) == (not max_length)
    made = [item.make() if isinstance(item, PendingExample) else item for item in items]
    assert [example.reference.text for example in made] == read
    assert [len(item) for item in items] == [len(example.reference) for example in made]
