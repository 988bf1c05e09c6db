import numpy
import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_distill.encoders.encoder import Encoder
from spacy_distill.models.word_forms import with_word_forms
from spacy_distill.models.word_vectors import WordVectors
from spacy_distill.vectors import distill_vectors
from spacy_distill.vectors.distill_vectors import contextual_means, word_vectors
from spacy_distill.vectors.word_encoder import load_word_encoder

SENTENCES = ["Anna Berg sails to Oslo .", "it rains", "OSLO rains .", "it sails to Anna"]
WORDS = ["anna", "berg", "sails", "to", "oslo", ".", "it", "rains"]


@pytest.fixture
def documents(text):
    return [text(sentence) for sentence in SENTENCES]


def words_of(nlp):
    return {nlp.vocab.strings[key] for key in nlp.vocab.vectors}


def test_every_word_of_the_text_gets_a_vector(transformer, documents):
    nlp = distill_vectors(str(transformer), documents, dim=5)
    assert words_of(nlp) == set(WORDS)
    assert nlp.vocab.vectors.shape == (8, 5) and nlp.lang == "xx" and not nlp.pipe_names
    assert numpy.isfinite(nlp.vocab.vectors.data).all()
    again = distill_vectors(str(transformer), iter(documents), dim=5, batch_size=20)
    for word in WORDS:
        assert again.vocab[word].vector == pytest.approx(nlp.vocab[word].vector, abs=1e-3)


def test_a_vector_is_of_all_contexts(transformer, documents):
    """Test all parts together: means over contexts, and encodings of isolated words."""
    encoder, _ = load_word_encoder(str(transformer), layer=2)
    docs = [Doc(Vocab(), words=document.words) for document in documents]
    means = contextual_means(encoder, docs)
    encoded = [next(encoder.pipe([doc], desc="Test"))[1] for doc in docs]
    of_oslo = [encoded[0][4], encoded[2][0]]
    assert means.means[means.words.index("oslo")] == pytest.approx(
        numpy.mean(of_oslo, axis=0), abs=1e-5
    )
    words, vectors, weights = word_vectors(encoder, means, ["Skien", "oslo"], prior=0.0)
    by_frequency = means.select(lambda word, count: True)
    assert words == [*by_frequency.words, "skien"]
    assert vectors[:-1] == pytest.approx(by_frequency.means, abs=1e-5)
    assert vectors[-1].any() and weights[-1] == weights.min() > 0


def test_the_transformer_reads_in_another_precision(transformer, documents, monkeypatch):
    torch = pytest.importorskip("torch", reason="the precision is torch's")
    found = set()
    states = Encoder.states

    def observed(encoder, *arguments):
        found.add(torch.get_float32_matmul_precision())
        return states(encoder, *arguments)

    monkeypatch.setattr(Encoder, "states", observed)
    distill_vectors(str(transformer), documents, dim=5, matmul_precision="medium")
    assert found == {"medium"} and torch.get_float32_matmul_precision() == "highest"


def test_words_are_listed_limited_and_counted(transformer, documents):
    name = str(transformer)
    assert words_of(distill_vectors(name, documents, dim=2, limit=2)) == set(WORDS)
    assert words_of(distill_vectors(name, documents, dim=2, limit=1)) == set(WORDS[:6])
    frequent = {"anna", "sails", "to", "oslo", ".", "it", "rains"}
    assert words_of(distill_vectors(name, documents, dim=2, min_count=2)) == frequent
    listed = distill_vectors(name, documents, dim=2, min_count=2, more_words=["Berg", "Skien"])
    assert words_of(listed) == {*frequent, "berg", "skien"}


def test_the_limit_reads_no_further(transformer, documents):
    def endless():
        while True:
            yield from documents

    assert len(distill_vectors(str(transformer), endless(), dim=2, limit=10).vocab.vectors) == 8


def test_text_without_words_is_tokenized(transformer, text):
    document = text("Anna sails to Oslo.")._replace(words=None, spaces=None)
    nlp = distill_vectors(str(transformer), [document], dim=2, lang="en")
    assert words_of(nlp) == {"anna", "sails", "to", "oslo", "."} and nlp.lang == "en"


def test_a_cased_transformer_keeps_case_and_has_lower_forms(make_transformer, documents):
    nlp = distill_vectors(str(make_transformer(lower=False)), documents, dim=3)
    assert {"Oslo", "OSLO", "oslo", "Anna", "anna"} <= words_of(nlp)
    assert nlp.vocab["Oslo"].vector != pytest.approx(nlp.vocab["OSLO"].vector, abs=1e-3)


def test_the_student_finds_the_vectors(transformer, documents):
    nlp = distill_vectors(str(transformer), documents, dim=4)
    layer = with_word_forms(WordVectors())
    docs = [nlp.make_doc("Anna ANNA anna Nobody")]
    layer.initialize(docs)
    found = layer.predict(docs).data
    assert (found[:3] == nlp.vocab["anna"].vector).all() and not found[3].any()


def test_a_text_without_words_is_refused(transformer):
    with pytest.raises(ValueError, match="The text has no words"):
        distill_vectors(str(transformer), [], dim=2)
    alone = distill_vectors(str(transformer), [], dim=2, more_words=["oslo", "skien", "\n"])
    assert words_of(alone) == {"oslo", "skien"}


def test_dimensions_that_the_words_do_not_have(transformer, documents):
    with pytest.raises(
        ValueError, match=r"8 words with vectors .* cannot be reduced to 9 dimensions"
    ):
        distill_vectors(str(transformer), documents, dim=9)


def test_dimensions_that_the_transformer_does_not_have(transformer):
    """The error must come before the text is read, which may take hours."""

    def unread():
        raise AssertionError("the text was read")
        yield

    with pytest.raises(ValueError, match=r"transformer of width 16 .* 17 dimensions"):
        distill_vectors(str(transformer), unread(), dim=17)
