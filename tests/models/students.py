"""Create small taggers, and check how they predict."""

import numpy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc

from spacy_distill.models.bilstm import BiLSTM
from spacy_distill.models.chain_head import CRF, Softmax
from spacy_distill.models.chain_tagger import ChainTagger
from spacy_distill.models.character_cnn import CharacterCNN
from spacy_distill.models.form_features import FormFeatures
from spacy_distill.models.word_forms import WordEmbedding
from spacy_distill.models.word_vectors import WordVectors
from tests.models.batches import WORDS


def word_embedding(filters=6, char_width=4, feature_width=4, rows=None):
    return WordEmbedding(
        WordVectors(), FormFeatures(feature_width, rows), CharacterCNN(filters, char_width)
    )


def lstm_cnn(width=8, depth=2, crf=True, nL=None, precision="float32", **embedding):
    head = CRF(nL) if crf else Softmax(nL)
    return ChainTagger(word_embedding(**embedding), head, BiLSTM(width, depth, precision))


def check_any_batch(model, docs, limit):
    """Make sure that documents get the same scores in any batch, and that a copy predicts the same.

    limit (float): By what scores may differ from those of a training.
    """
    trained, _ = model.begin_update(docs)
    together = model.predict(docs)
    assert_allclose(together.emissions, trained.emissions, atol=limit)
    rows = numpy.split(together.emissions, numpy.cumsum(together.lengths)[:-1])
    for doc, scores in zip(docs, rows, strict=True):
        assert_allclose(model.predict([doc]).emissions, scores, rtol=1e-4, atol=1e-6)
    long = Doc(docs[0].vocab, words=WORDS.split() * 60)
    assert model.predict([long]).emissions.shape[0] == len(long)
    copied = model.copy().from_bytes(model.to_bytes())
    assert_array_equal(copied.predict(docs).emissions, together.emissions)
