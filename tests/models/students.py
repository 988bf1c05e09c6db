"""Create small taggers."""

from spacy_distill.models.bilstm import BiLSTM
from spacy_distill.models.chain_head import CRF, Softmax
from spacy_distill.models.chain_tagger import ChainTagger
from spacy_distill.models.character_cnn import CharacterCNN
from spacy_distill.models.form_features import FormFeatures
from spacy_distill.models.word_forms import WordEmbedding
from spacy_distill.models.word_vectors import WordVectors


def word_embedding(filters=6, char_width=4, feature_width=4, rows=None):
    return WordEmbedding(
        WordVectors(), FormFeatures(feature_width, rows), CharacterCNN(filters, char_width)
    )


def lstm_cnn(width=8, depth=2, crf=True, nL=None, precision="float32", **embedding):
    head = CRF(nL) if crf else Softmax(nL)
    return ChainTagger(word_embedding(**embedding), head, BiLSTM(width, depth, precision))
