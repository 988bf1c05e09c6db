import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.util import registry

from spacy_distill.corpora.mixed import MixedCorpus

LABELED = [("Anna sails", (0, 1, "PER")), ("Oslo waits", (0, 1, "LOC"))]
UNLABELED = [("Carl walks", (0, 1, "PER")), ("Kiel sleeps", (0, 1, "LOC")), ("It rains", None)]


@pytest.fixture
def nlp():
    return spacy.blank("en")


@pytest.fixture
def paths(nlp, tmp_path):
    paths = {}
    for name, sentences in (("labeled", LABELED), ("unlabeled", UNLABELED)):
        docs = []
        for text, span in sentences:
            doc = Doc(nlp.vocab, words=text.split())
            doc.set_ents([Span(doc, *span[:2], label=span[2])] if span else [])
            docs.append(doc)
        paths[name] = tmp_path / f"{name}.spacy"
        DocBin(docs=docs).to_disk(paths[name])
    return paths


def summary(examples):
    return [
        (
            example.predicted.text.strip(),
            [ent.label_ for ent in example.reference.ents],
            example.reference.has_annotation("ENT_IOB"),
        )
        for example in examples
    ]


def test_labeled_documents_keep_their_entities_and_others_lose_them(nlp, paths):
    assert sorted(summary(MixedCorpus(**paths)(nlp))) == [
        ("Anna sails", ["PER"], True),
        ("Carl walks", [], False),
        ("It rains", [], False),
        ("Kiel sleeps", [], False),
        ("Oslo waits", ["LOC"], True),
    ]


def test_each_kind_alone(nlp, paths):
    labeled = summary(MixedCorpus(labeled=paths["labeled"])(nlp))
    unlabeled = summary(MixedCorpus(unlabeled=paths["unlabeled"])(nlp))
    assert [len(labeled), len(unlabeled)] == [len(LABELED), len(UNLABELED)]
    assert sorted(labeled + unlabeled) == sorted(summary(MixedCorpus(**paths)(nlp)))


@pytest.mark.parametrize("share, count", [(0.0, 2), (0.1, 2), (0.4, 2), (0.6, 4), (0.9, 27)])
def test_labeled_documents_are_repeated_up_to_their_share(nlp, paths, share, count):
    texts = [text for text, _, _ in summary(MixedCorpus(**paths, labeled_share=share)(nlp))]
    in_turn = [text for text, _ in LABELED] * 14
    expected = in_turn[:count] + [text for text, _ in UNLABELED]
    assert sorted(texts) == sorted(expected)


def test_labeled_documents_are_mixed_among_the_others(nlp, paths):
    """A streamed corpus is not shuffled."""
    texts = [text for text, _, _ in summary(MixedCorpus(**paths, labeled_share=0.5)(nlp))]
    labeled = {text for text, _ in LABELED}
    assert [text in labeled for text in texts] == [False, True] * len(UNLABELED)


def test_the_limit_is_one_of_unlabeled_documents(nlp, paths):
    texts = [text for text, _, _ in summary(MixedCorpus(**paths, limit=1)(nlp))]
    assert sorted(texts) == ["Anna sails", "Carl walks", "Oslo waits"]


def test_long_documents_are_left_out(nlp, paths):
    long = Doc(nlp.vocab, words=["word"] * 30)
    DocBin(docs=[long]).to_disk(paths["unlabeled"])
    assert len(list(MixedCorpus(**paths, max_length=10)(nlp))) == 2


def test_it_can_be_read_again(nlp, paths):
    corpus = MixedCorpus(**paths)
    assert summary(corpus(nlp)) == summary(corpus(nlp))


def test_a_folder_of_files_is_a_corpus(nlp, paths):
    folder = paths["labeled"].parent
    assert len(list(MixedCorpus(unlabeled=folder)(nlp))) == len(LABELED) + len(UNLABELED)


def test_words_and_spaces_stay_as_they_are(nlp, tmp_path):
    doc = Doc(nlp.vocab, words=["Mr", ".", "\n", "Lund"], spaces=[False, True, False, False])
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "odd.spacy")
    (example,) = MixedCorpus(unlabeled=tmp_path / "odd.spacy")(nlp)
    assert [token.text_with_ws for token in example.reference] == ["Mr", ". ", "\n", "Lund"]


def test_without_any_path_the_settings_are_named(nlp):
    with pytest.raises(ValueError, match="neither `labeled` nor `unlabeled`"):
        next(iter(MixedCorpus()(nlp)))


@pytest.mark.parametrize("name", ["labeled", "unlabeled"])
def test_a_missing_file_is_named(nlp, paths, name):
    paths[name].unlink()
    # Creating the corpus raises nothing: `spacy debug config` creates all corpora of a config.
    corpus = MixedCorpus(**paths)
    with pytest.raises(ValueError, match=rf"The {name} corpus '.*{name}.spacy' does not exist"):
        next(iter(corpus(nlp)))


@pytest.mark.parametrize("name", ["gold.jsonl", "folder"])
def test_a_corpus_of_another_format_is_named(nlp, paths, tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "gold.jsonl").write_text('{"text": "It rains."}')
    with pytest.raises(ValueError, match=rf"\[D337\] The corpus '.*{name}' has no .spacy file"):
        list(MixedCorpus(labeled=tmp_path / name, unlabeled=paths["unlabeled"])(nlp))


@pytest.mark.parametrize("name", ["labeled", "unlabeled"])
def test_a_file_that_cannot_be_read_is_named(nlp, paths, name):
    paths[name].write_bytes(b"This is no DocBin.")
    with pytest.raises(ValueError, match=rf"{name}\.spacy"):
        list(MixedCorpus(**paths)(nlp))


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(paths, share):
    with pytest.raises(ValueError, match=rf"labeled_share={share} .* is out of range"):
        MixedCorpus(**paths, labeled_share=share)


def test_a_config_finds_the_reader(nlp, paths):
    block = {"@readers": "spacy-distill.MixedCorpus.v1", "labeled": str(paths["labeled"])}
    assert len(list(registry.resolve({"corpus": block})["corpus"](nlp))) == len(LABELED)
