"""Documents with gold entities in `doc.spans`."""

import warnings

import pytest
import spacy
from spacy.tokens import DocBin, Span
from thinc.api import Config

from spacy_distill.corpora.labeled import read_examples
from spacy_distill.corpora.mixed import MixedCorpus
from spacy_distill.training.corpus import find_corpus, read_corpus

NLP = spacy.blank("en")


@pytest.fixture
def write(tmp_path):
    def write_docs(*spans, key="sc", text="Anna Berg sails. Oslo is far."):
        """Each argument is a list of a document's spans: first token, end and label."""
        docs = []
        for group in spans:
            doc = NLP.make_doc(text)
            doc.set_ents([], missing=[doc[:]])
            for token in doc:
                token.is_sent_start = token.i in (0, 4)
            if group is not None:
                doc.spans[key] = [Span(doc, *span) for span in group]
            docs.append(doc)
        path = tmp_path / "corpus.spacy"
        DocBin(docs=docs).to_disk(path)
        return path

    return write_docs


def entities(examples):
    return [
        [(ent.text, ent.label_) for ent in example.reference.ents]
        if example.reference.has_annotation("ENT_IOB")
        else None
        for example in examples
    ]


ANNA, OSLO = (0, 2, "PER"), (4, 5, "LOC")


def test_spans_alone_are_reported(write):
    path = write([ANNA], None, [OSLO])
    pattern = r"\[D942\] '.*corpus.spacy': 2 documents have spans under 'sc' and no entities"
    with pytest.warns(UserWarning, match=pattern):
        assert entities(read_examples(path, NLP)) == [None, None, None]
    with pytest.warns(UserWarning, match=pattern):
        assert entities(MixedCorpus(labeled=path)(NLP)) == [None, None, None]


def test_spans_of_text_without_labels_are_not_reported(write):
    path = write([ANNA], [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert entities(MixedCorpus(unlabeled=path)(NLP)) == [None, None]
        assert entities(read_examples(write([], None), NLP)) == [None, None]


@pytest.mark.parametrize("max_length", [0, 6])
def test_spans_can_be_the_gold_entities(write, max_length):
    path = write([ANNA, OSLO], [], None)
    anna, oslo = [("Anna Berg", "PER")], [("Oslo", "LOC")]
    whole = [anna + oslo, [], None]
    expected = [anna, oslo, [], [], None, None] if max_length else whole
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert entities(read_examples(path, NLP, max_length, spans_key="sc")) == expected
        corpus = MixedCorpus(labeled=path, spans_key="sc", max_length=max_length)
        assert entities(corpus(NLP)) == expected


def test_of_spans_that_overlap_the_longest_are_entities(write):
    path = write([ANNA, (0, 1, "NAME"), (1, 2, "NAME"), OSLO])
    with pytest.warns(UserWarning, match=r"\[D943\] .*: 2 spans under the key 'sc' are ignored"):
        found = entities(read_examples(path, NLP, spans_key="sc"))
    assert found == [[("Anna Berg", "PER"), ("Oslo", "LOC")]]


def test_spans_of_equal_extent_are_reported(write):
    path = write([ANNA, (0, 2, "ORG")])
    with pytest.warns(
        UserWarning, match=r"\[D943\] .*: 1 spans .* are ignored, because they overlap"
    ):
        assert entities(read_examples(path, NLP, spans_key="sc")) == [[("Anna Berg", "PER")]]


def test_spans_without_labels_do_not_count_as_no_entities(write):
    path = write([ANNA], [(4, 5, "LOC"), (0, 2, "")])
    message = r"\[D365\] '.*corpus.spacy', document 2: found the span 'Anna Berg' .* key 'sc'"
    with pytest.raises(ValueError, match=message):
        list(read_examples(path, NLP, spans_key="sc"))
    with pytest.raises(ValueError, match=message):
        list(MixedCorpus(labeled=path, spans_key="sc")(NLP))


def test_a_key_that_no_document_has_is_refused(write):
    path = write([ANNA], None)
    with pytest.raises(ValueError, match=r"\[D363\] .*the key 'gold'. The keys are: sc\."):
        list(read_examples(path, NLP, spans_key="gold"))


@pytest.mark.parametrize("reader", ["spacy.Corpus.v1", "spacy-distill.MixedCorpus.v1"])
def test_a_corpus_of_a_config_is_reported_once(write, reader):
    path = str(write([ANNA], None))
    block = {"@readers": reader, "path" if reader == "spacy.Corpus.v1" else "labeled": path}
    if reader == "spacy.Corpus.v1":
        block.update(gold_preproc=False, max_length=0, limit=0, augmenter=None)
    config = Config({"corpora": {"dev": block}})
    with pytest.warns(UserWarning, match=r"\[D942\] .*: 1 documents have spans") as found:
        read_corpus(find_corpus(config, "corpora.dev"), NLP, config, "corpora.dev")
    assert len(found) == 1
