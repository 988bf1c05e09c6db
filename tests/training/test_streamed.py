"""Documents of a streamed soft corpus are made for the step that trains on them."""

import io

import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy.training import Example

from spacy_distill.annotation.annotate import annotate
from spacy_distill.corpora.labeled import PendingExample
from spacy_distill.corpora.soft_corpus import SoftCorpus
from spacy_distill.jobs.memory_zones import HAS_SAFE_ZONES
from spacy_distill.teachers import PipelineTeacher, SoftTeacher
from spacy_distill.training import streamed
from spacy_distill.training.loop import Students
from spacy_distill.training.output_folder import MODEL_LAST
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
    def train(name, batcher=None, **corpus):
        reader = {"@readers": "spacy-distill.SoftCorpus.v1", "path": str(soft), **corpus}
        changes = {} if batcher is None else {"batcher": batcher}
        student = config(distillation={"max_steps": 12, "max_epochs": -1, **changes})
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
    assert_same_parameters(tmp_path / "kept", tmp_path / "forgotten")


def assert_same_parameters(one, other):
    pairs = zip(parameters(one / MODEL_LAST), parameters(other / MODEL_LAST), strict=True)
    for mine, theirs in pairs:
        assert_array_equal(mine, theirs)


@zones
def test_words_are_forgotten_only_where_nothing_keeps_documents(two_names):
    soft, own = SoftTeacher(["PER"]), PipelineTeacher(two_names)

    def may_forget(teacher, annotating=()):
        students = Students(two_names, {"ner_student": teacher}, None, None, annotating=annotating)
        return students.may_forget()

    assert may_forget(soft)
    assert not may_forget(own) and not may_forget(soft, annotating=["tagger"])


@zones
def test_the_documents_of_a_batch_are_gone_after_it(monkeypatch):
    monkeypatch.setattr(streamed, "WARM_UP", 3)
    nlp = spacy.blank("en")
    maker = streamed.ExampleMaker(nlp, forgets=True)
    words = ["Neuwort", "Altwort", "Drittwort", "Viertwort", "Letztwort"]
    made = []

    def batch(word):
        def make():
            made.append(word)
            return Example(nlp.make_doc(word), nlp.make_doc(word))

        return [PendingExample([word], None, make)]

    for word in words[:2]:
        with maker.made(batch(word)) as examples:
            assert [example.reference.text for example in examples] == [word]
        assert not examples
    maker.replay(batch(words[2]))  # as the two before, it is in the saved vocabulary
    with maker.made(batch(words[3])):
        assert words[3] in nlp.vocab.strings
    maker.replay(batch(words[4]))
    assert [word for word in words if word in nlp.vocab.strings] == words[:3]
    assert made == words[:4]


def test_batchers_of_a_user_get_examples(trained):
    @spacy.registry.batchers("spacy_distill_tests.by_words_of_references")
    def make(size: int):
        def batches(items):
            batch = []
            for item in items:
                batch.append(item)
                if sum(len(example.reference) for example in batch) >= size:
                    yield batch
                    batch = []

        return batches

    assert streamed.takes_lengths({"@batchers": "spacy.batch_by_words.v1", "get_length": None})
    block = {"@batchers": "spacy.batch_by_words.v1", "get_length": {"@misc": "own"}}
    assert not streamed.takes_lengths(block)
    own = {"@batchers": "spacy_distill_tests.by_words_of_references", "size": 50}
    assert trained("own", batcher=own).get_pipe("ner_student").labels == ("PER", "LOC")


@zones
def test_labeled_documents_outlive_a_step(trained, corpora, tmp_path, monkeypatch):
    settings = {"labeled": str(corpora["labeled"]), "labeled_share": 0.3}
    trained("kept", **settings)
    monkeypatch.setattr(streamed, "WARM_UP", 0)
    trained("forgotten", **settings)
    assert_same_parameters(tmp_path / "kept", tmp_path / "forgotten")


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
