"""The reader of soft corpora."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.util import registry

from spacy_distill.corpora import soft_corpus
from spacy_distill.corpora.soft_corpus import SoftCorpus
from spacy_distill.corpora.soft_targets import USER_DATA_KEY
from spacy_distill.teachers import SoftTeacher

N_DOCUMENTS = 60


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


@pytest.fixture(scope="module")
def path(make_soft, write_soft, tmp_path_factory):
    """A soft corpus with 6 shards of 10 documents."""
    documents = [make_soft(["Doc", str(n), "sails"], id_=str(n)) for n in range(N_DOCUMENTS)]
    shards = [documents[start : start + 10] for start in range(0, N_DOCUMENTS, 10)]
    return write_soft(tmp_path_factory.mktemp("corpora") / "soft", shards)


@pytest.fixture
def labeled(nlp, tmp_path):
    """Two documents with entities. One of them is also in the soft corpus."""
    docs = [Doc(nlp.vocab, words=words) for words in (["Doc", "7", "sails"], ["Anna", "sails"])]
    for doc in docs:
        doc.set_ents([Span(doc, 0, 1, "PER")])
    DocBin(docs=docs).to_disk(tmp_path / "labeled.spacy")
    return tmp_path / "labeled.spacy"


def texts(examples):
    return [example.reference.text.strip() for example in examples]


def every_text():
    return [f"Doc {n} sails" for n in range(N_DOCUMENTS)]


def test_documents_have_the_students_tokens_and_their_targets(nlp, path, make_soft):
    examples = list(SoftCorpus(path, shuffle_buffer=0)(nlp))
    assert texts(examples) == every_text()
    for n, example in enumerate(examples):
        assert example.predicted.text == example.reference.text
        targets = example.reference.user_data[USER_DATA_KEY]
        expected = make_soft(["Doc", str(n), "sails"]).targets
        numpy.testing.assert_array_equal(targets.probabilities, expected.probabilities)
        assert targets.source is None
        assert not example.reference.has_annotation("ENT_IOB")


def test_passes_differ_and_repeat_with_the_seed(nlp, path):
    first, again, other = (SoftCorpus(path, seed=seed) for seed in (1, 1, 2))
    passes = [texts(first(nlp)) for _ in range(3)]
    assert all(sorted(found) == sorted(every_text()) for found in passes)
    assert len({tuple(found) for found in [*passes, every_text()]}) == 4
    assert [texts(again(nlp)) for _ in range(3)] == passes
    assert texts(other(nlp)) != passes[0]


def test_a_small_buffer_shuffles_too(nlp, path):
    found = texts(SoftCorpus(path, shuffle_buffer=5)(nlp))
    assert sorted(found) == sorted(every_text()) and found != every_text()


@pytest.mark.parametrize("limit", [1, 10, 11, 60, 1000])
def test_the_limit_takes_the_first_documents(nlp, path, limit):
    for shuffle_buffer in (0, 1000):
        corpus = SoftCorpus(path, limit=limit, shuffle_buffer=shuffle_buffer)
        for _ in range(2):
            assert sorted(texts(corpus(nlp))) == sorted(every_text()[:limit])


def test_gold_wins_over_the_same_text(nlp, path, labeled):
    examples = list(SoftCorpus(path, labeled, labeled_share=0.0)(nlp))
    assert sorted(texts(examples)) == sorted([*every_text(), "Anna sails"])
    gold = [example for example in examples if example.reference.has_annotation("ENT_IOB")]
    assert sorted(texts(gold)) == ["Anna sails", "Doc 7 sails"]
    assert all(USER_DATA_KEY not in example.reference.user_data for example in gold)


def test_gold_wins_whatever_the_white_space(nlp, make_soft, write_soft, tmp_path):
    """Gold documents from a CoNLL file have words without spaces, which spaCy joins by spaces."""
    words = ["Anna", "met", "Acme", "."]
    gold = Doc(nlp.vocab, words=words)
    gold.set_ents([Span(gold, 0, 1, "PER")])
    DocBin(docs=[gold]).to_disk(tmp_path / "gold.spacy")
    of_the_same_text = [
        make_soft(words, [True, True, False, False]),
        make_soft(words, [True, True, True, True]),
        make_soft(
            ["Anna", "  ", "met", "Acme", ".", "\n"], [True, False, True, False, True, False]
        ),
    ]
    # `--augment` makes other texts, for which there are no gold labels.
    variant = make_soft(["Carl", "met", "Acme", "."], [True, True, False, False], id_="a#1")
    folder = write_soft(tmp_path / "soft", [[*of_the_same_text, variant]])
    found = texts(SoftCorpus(folder, tmp_path / "gold.spacy", labeled_share=0.0)(nlp))
    assert found == ["Carl met Acme.", "Anna met Acme ."]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_the_share_of_labeled_documents(nlp, path, labeled, share):
    found = texts(SoftCorpus(path, labeled, labeled_share=share)(nlp))
    n_labeled = sum(text in ("Doc 7 sails", "Anna sails") for text in found)
    expected = max(2, share * (N_DOCUMENTS - 1) / (1 - share))
    assert n_labeled == pytest.approx(expected, abs=1)
    assert len(found) - n_labeled == N_DOCUMENTS - 1
    if share:
        first = found[: len(found) // 2]
        assert sum(text in ("Doc 7 sails", "Anna sails") for text in first) > n_labeled / 3


def test_long_documents_are_left_out(nlp, make_soft, write_soft, tmp_path):
    write_soft(tmp_path / "soft", [[make_soft(["w"] * 20), make_soft(["short"])]])
    corpus = SoftCorpus(tmp_path / "soft", max_length=10)
    assert texts(corpus(nlp)) == ["short"]
    assert corpus.size() == (1, 1, [1])


def test_other_tokens_than_the_students(nlp, make_soft, write_soft, tmp_path):
    document = make_soft(["Anna's", "cat", "sa", "ils"], [True, True, False, False])
    write_soft(tmp_path / "soft", [[document]])
    (example,) = SoftCorpus(tmp_path / "soft")(nlp)
    words = ["Anna", "'s", "cat", "sails"]
    assert [token.text for token in example.predicted] == words
    assert [token.text for token in example.reference] == words
    source = example.reference.user_data[USER_DATA_KEY].source
    assert [token.text for token in source] == document.words
    chain = SoftTeacher(("LOC", "PER")).predict_chain([example.reference])
    assert chain.lengths.tolist() == [4]


def test_the_first_example_does_not_need_the_whole_corpus(nlp, path, monkeypatch):
    """With a buffer of 5, one shard of 10 is enough."""
    opened = []

    def read_shard(file, sha256=None, n_tags=None):
        opened.append(file.name)
        return real(file, sha256)

    real = soft_corpus.read_shard
    monkeypatch.setattr(soft_corpus, "read_shard", read_shard)
    examples = iter(SoftCorpus(path, shuffle_buffer=5)(nlp))
    next(examples)
    assert len(opened) == 1
    list(examples)
    assert len(set(opened)) == len(opened) == 6


def test_a_shard_is_checked_once(nlp, make_soft, write_soft, tmp_path, monkeypatch):
    folder = write_soft(tmp_path / "soft", [[make_soft(["a"])], [make_soft(["b"])]])
    corpus = SoftCorpus(folder)
    assert sorted(texts(corpus(nlp))) == ["a", "b"]
    monkeypatch.setattr("spacy_distill.corpora.shard_manifest.file_hash", None)
    assert sorted(texts(corpus(nlp))) == ["a", "b"]


def test_a_damaged_shard_is_refused(nlp, make_soft, write_soft, tmp_path):
    folder = write_soft(tmp_path / "soft", [[make_soft(["a"])], [make_soft(["b"])]])
    shard = folder / "shard-000001.parquet"
    shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"The checksum of the shard .* differs"):
        list(SoftCorpus(folder)(nlp))


def test_an_unfinished_corpus_is_refused(nlp, make_soft, write_soft, tmp_path):
    folder = write_soft(tmp_path / "soft", [[make_soft(["a"])]], complete=False)
    with pytest.raises(ValueError, match=r"is not complete\. Run the same `distill-annotate`"):
        list(SoftCorpus(folder)(nlp))


def test_a_path_is_needed_only_when_the_corpus_is_read(nlp, tmp_path):
    corpus = SoftCorpus()
    with pytest.raises(ValueError, match=r"has no `path`"):
        list(corpus(nlp))
    with pytest.raises(ValueError, match="is not a soft corpus"):
        list(SoftCorpus(tmp_path)(nlp))
    with pytest.raises(ValueError, match=r"labeled corpus '.*none\.spacy' does not exist"):
        list(SoftCorpus(tmp_path, tmp_path / "none.spacy")(nlp))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(path, share):
    with pytest.raises(ValueError, match=rf"labeled_share={share} .* is out of range"):
        SoftCorpus(path, labeled_share=share)


def test_a_config_finds_the_reader(nlp, path):
    block = {"@readers": "spacy-distill.SoftCorpus.v1", "path": str(path), "limit": 3}
    assert len(list(registry.resolve({"corpus": block})["corpus"](nlp))) == 3


def test_labels_may_be_spans(nlp, path, tmp_path):
    doc = Doc(nlp.vocab, words=["Anna", "sails"])
    doc.spans["gold"] = [Span(doc, 0, 1, "PER")]
    DocBin(docs=[doc]).to_disk(tmp_path / "spans.spacy")
    corpus = SoftCorpus(path, tmp_path / "spans.spacy", spans_key="gold")
    (example,) = corpus.labeled(nlp)
    assert [ent.label_ for ent in example.reference.ents] == ["PER"]
    with pytest.warns(UserWarning, match="D942"):
        list(SoftCorpus(path, tmp_path / "spans.spacy")(nlp))
