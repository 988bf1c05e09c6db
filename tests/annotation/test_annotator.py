"""Annotation of documents by a teacher."""

import numpy
import pytest
import spacy
from spacy.language import Language

from spacy_distill.annotation.annotator import Annotator
from spacy_distill.chain import BiluoTags, LinearChain, constraints
from spacy_distill.corpora.inputs import InputDocument
from spacy_distill.corpora.soft_shards import write_shard
from spacy_distill.jobs import memory_zones
from spacy_distill.teachers import EnsembleTeacher, MappedTeacher, PipelineTeacher, load_teacher
from spacy_distill.teachers.pipeline_teacher import pipelines_of


@Language.component("spacy_distill_tests_afraid_of_storms", assigns=["doc.ents"])
def afraid_of_storms(doc):
    if "storm" in doc.text:
        raise RuntimeError("no pipeline for bad weather")
    return doc


@Language.component("spacy_distill_tests_with_a_memory", assigns=["doc.ents"])
def with_a_memory(doc):
    kept_documents.append(doc)
    return doc


kept_documents = []


class PeakedTeacher:
    """Predicts as a good model does: most tokens have one probable tag, some have several. It
    has the 18 labels of OntoNotes, which make 73 tags."""

    labels = tuple(f"LABEL{number}" for number in range(18))

    def predict_chain(self, docs):
        rng = numpy.random.default_rng(len(docs))
        lengths = numpy.asarray([len(doc) for doc in docs])
        emissions = 2 * rng.normal(size=(lengths.sum(), 73))
        emissions[:, 0] += rng.choice([14, 8, 2], p=[0.8, 0.15, 0.05], size=len(emissions))
        return LinearChain(emissions.astype("float32"), lengths, *constraints_of(18))


def constraints_of(n_labels):
    start, transitions, end = constraints(n_labels)
    return transitions, start, end


def as_documents(texts):
    return [InputDocument(f"texts:{number}", text) for number, text in enumerate(texts, 1)]


def test_the_order_of_the_input_stays(teacher):
    texts = ["Anna Berg sails to Oslo .", "x", "It rains .", "In Kiel waits Carl Lund ."] * 3
    annotator = Annotator(PipelineTeacher(teacher), top_k=9, batch_size=2)
    documents, entities, misfits, skipped = annotator.annotate(as_documents(texts))
    assert [doc.id for doc in documents] == [f"texts:{n}" for n in range(1, 13)]
    assert [" ".join(doc.words) for doc in documents] == texts
    assert misfits == 0 and not skipped
    tags = BiluoTags(annotator.teacher.labels)
    found = [tags.spans(doc.targets.best) for doc in documents]
    assert found[0] == [(0, 2, "PER"), (4, 5, "LOC")] and found[3] == found[7] == found[11]
    assert entities == sum(map(len, found))


class Counting(PeakedTeacher):
    n_misfits = 0

    def predict_chain(self, docs):
        self.n_misfits += len(docs)
        return super().predict_chain(docs)


@pytest.mark.parametrize("wrap", ["alone", "mapped", "ensemble"])
def test_entities_that_do_not_fit_the_words_of_the_input_are_counted(teacher, wrap):
    inner = PipelineTeacher(teacher)
    wraps = {
        "alone": lambda: inner,
        "mapped": lambda: MappedTeacher(inner, {"PER": "NAME", "LOC": "NAME"}),
        "ensemble": lambda: EnsembleTeacher([inner]),
    }
    annotator = Annotator(wraps[wrap](), top_k=9, batch_size=2)
    text, words = "Anna Berg sails to Oslo .", ["Anna", "Berg sails", "to", "Oslo", "."]
    document = InputDocument("a", text, words, [True, True, True, True, False])
    for _ in range(2):
        (soft,), _, misfits, _ = annotator.annotate([document])
        assert misfits == 1
        assert soft.words == words
        # The tokens of an entity with a boundary inside a token are unknown.
        assert [count > 0 for count in soft.targets.counts] == [False, False, True, True, True]


def new_words(seed):
    """Make documents of new words, and of some words that repeat."""
    rng = numpy.random.default_rng(seed)
    names = ["".join(chr(97 + n) for n in rng.integers(26, size=12)).title() for _ in range(120)]
    return as_documents(f"Anna {name} sails to Oslo-{name} ." for name in names)


def known_strings(annotator):
    return [len(pipeline.nlp.vocab.strings) for pipeline in pipelines_of(annotator.teacher)]


@pytest.mark.skipif(not memory_zones.HAS_SAFE_ZONES, reason="spaCy's zones are not safe")
@pytest.mark.parametrize("wrap", ["alone", "mapped", "ensemble", "one vocabulary"])
@pytest.mark.parametrize("lang", [None, "en"])
def test_vocabularies_do_not_grow_with_the_text(ner_folder, tmp_path, monkeypatch, wrap, lang):
    """The shards are the same as with growing vocabularies."""

    def make():
        nlp = spacy.load(ner_folder)
        other = spacy.load(ner_folder, vocab=nlp.vocab if wrap == "one vocabulary" else True)
        teachers = {
            "alone": lambda: PipelineTeacher(nlp),
            "mapped": lambda: MappedTeacher(PipelineTeacher(nlp), {"PER": "NAME"}),
        }
        both = lambda: EnsembleTeacher([PipelineTeacher(nlp), PipelineTeacher(other)])  # noqa: E731
        return Annotator(teachers.get(wrap, both)(), lang=lang, top_k=9, batch_size=8)

    forgetful = make()
    monkeypatch.setattr(memory_zones, "HAS_SAFE_ZONES", False)
    growing = make()
    monkeypatch.undo()
    before = known_strings(forgetful)
    assert known_strings(growing) == before
    for shard in range(3):
        # The first document comes twice, so its words are added to the vocabulary again.
        documents = new_words(shard % 2)
        for name, annotator in (("a", forgetful), ("b", growing)):
            write_shard(tmp_path / name, annotator.annotate(documents).documents)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        assert known_strings(forgetful) == before
    assert min(known_strings(growing)) > max(before) + 200
    assert not any(
        pipeline.nlp.vocab.in_memory_zone for pipeline in pipelines_of(forgetful.teacher)
    )


@pytest.mark.parametrize("where", ["itself", "in an ensemble"])
def test_a_component_that_keeps_documents_finds_their_words(ner_folder, where):
    """Components of unknown packages switch memory zones off, also for pipelines with the same
    vocabulary."""
    nlp = spacy.load(ner_folder)
    keeping = spacy.blank(nlp.lang, vocab=nlp.vocab)
    keeping.add_pipe("spacy_distill_tests_with_a_memory")
    teachers = [PipelineTeacher(keeping, labels=["LOC", "PER"])]
    if where != "itself":
        teachers.insert(0, PipelineTeacher(nlp))
    kept_documents.clear()
    documents = new_words(0)
    Annotator(EnsembleTeacher(teachers), top_k=9, batch_size=8).annotate(documents)
    assert sorted(doc.text for doc in kept_documents) == sorted(doc.text for doc in documents)


def test_vocabularies_do_not_grow_after_a_failure(ner_folder, monkeypatch):
    def fail(*_):
        raise RuntimeError("no predictions in bad weather")

    annotator = Annotator(load_teacher([spacy.load(ner_folder)]), top_k=3, batch_size=8)
    before = known_strings(annotator)
    monkeypatch.setattr(PipelineTeacher, "predict_chain", fail)
    with pytest.raises(ValueError, match="bad weather"):
        annotator.annotate(new_words(0))
    monkeypatch.undo()
    if memory_zones.HAS_SAFE_ZONES:
        assert known_strings(annotator) == before
    assert len(annotator.annotate(new_words(0)).documents) == 120


def test_entities_that_do_not_fit_are_counted_by_all_kinds_of_teachers():
    annotator = Annotator(EnsembleTeacher([Counting()]), lang="en", top_k=2, batch_size=2)
    for n in (3, 1):
        assert annotator.annotate(as_documents(["Anna sails"] * n)).misfits == n


def test_a_failing_teacher_names_the_documents():
    nlp = spacy.blank("en")
    nlp.add_pipe("spacy_distill_tests_afraid_of_storms")
    teacher = PipelineTeacher(nlp, labels=["PER"])
    texts = ["It rains", "It rains and rains", "A storm comes up on the sea"]
    annotator = Annotator(teacher, top_k=3, batch_size=1)
    message = r"failed on the document 'texts:3': RuntimeError: no pipeline for bad weather"
    with pytest.raises(ValueError, match=message):
        annotator.annotate(as_documents(texts))
    assert len(annotator.annotate(as_documents(texts[:2])).documents) == 2


def test_a_teacher_without_tokenizer_needs_a_language():
    with pytest.raises(ValueError, match=r"has no tokenizer of words.*--lang en"):
        Annotator(PeakedTeacher(), top_k=8, batch_size=4)
    annotator = Annotator(PeakedTeacher(), lang="en", top_k=8, batch_size=4)
    (soft,), *_ = annotator.annotate(as_documents(["Don't sail"]))
    assert soft.words == ["Do", "n't", "sail"]


def test_a_language_replaces_the_teachers_tokenizer(ner_folder):
    nlp = spacy.load(ner_folder)
    nlp.tokenizer = spacy.tokenizer.Tokenizer(nlp.vocab)
    for lang, words in ((None, ["Anna", "sails."]), ("en", ["Anna", "sails", "."])):
        annotator = Annotator(load_teacher([nlp]), lang=lang, top_k=8, batch_size=4)
        (soft,), *_ = annotator.annotate(as_documents(["Anna sails."]))
        assert soft.words == words


def test_long_documents_are_read_as_a_whole(ner_folder):
    text = "Anna Berg sails to Oslo . " * 2000
    annotator = Annotator(load_teacher([spacy.load(ner_folder)]), top_k=2, batch_size=4)
    (soft,), entities, *_ = annotator.annotate(as_documents([text]))
    assert len(soft.words) == 12_000
    assert len(soft.targets.best) == 12_000 and entities > 1000


def test_a_document_that_no_soft_corpus_may_have_is_left_out(ner_folder, monkeypatch):
    monkeypatch.setattr("spacy_distill.annotation.annotator.LONGEST_DOCUMENT", 5)
    documents = as_documents(["Anna Berg sails .", "Anna Berg sails to Oslo ."])
    annotator = Annotator(load_teacher([spacy.load(ner_folder)]), top_k=2, batch_size=4)
    with pytest.raises(ValueError, match=r"\[D427\].*it has 6 tokens, more than 5"):
        annotator.annotate(documents)
    read = []
    found = annotator.annotate(documents, lambda *counts: read.append(counts), max_errors=1)
    assert sorted(read) == [(1, 4), (1, 6)]
    assert len(found.documents) == 1 and [one.id for one in found.skipped] == [documents[1].id]


def test_a_token_takes_at_most_48_bytes_on_disk(tmp_path):
    rng = numpy.random.default_rng(0)
    words = ["".join(chr(97 + n) for n in rng.integers(26, size=2 + n % 9)) for n in range(8000)]
    # With the frequencies of words in a language.
    ranks = numpy.minimum(rng.zipf(1.3, size=40_000) - 1, len(words) - 1)
    texts = [" ".join(words[rank] for rank in ranks[n : n + 25]) for n in range(0, 40_000, 25)]
    annotator = Annotator(PeakedTeacher(), lang="en", top_k=8, batch_size=64)
    documents = annotator.annotate(as_documents(texts)).documents
    kept = numpy.concatenate([doc.targets.counts for doc in documents])
    assert kept.max() == 8 and kept.mean() > 3
    write_shard(tmp_path / "a.parquet", documents)
    n_tokens = sum(len(doc.words) for doc in documents)
    assert (tmp_path / "a.parquet").stat().st_size / n_tokens <= 48
