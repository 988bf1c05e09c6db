"""Embed words by their form alone: each distinct form of a batch is computed once."""

from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Callable, List, Optional, Tuple

import numpy
from spacy.attrs import LOWER, ORTH, PREFIX, SHAPE, SUFFIX
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, concatenate
from thinc.types import Floats2d, Ints1d, Ints2d, Ragged

ATTRIBUTES = [ORTH, LOWER, PREFIX, SUFFIX, SHAPE]


@dataclass(frozen=True, eq=False)
class WordForms:
    """The distinct word forms of a batch of documents.

    vocab (Vocab): The documents' vocabulary.
    attributes (Ints2d): (forms, 5) the forms' ATTRIBUTES, uint64, a numpy array.
    """

    vocab: Vocab
    attributes: Ints2d

    @property
    def texts(self) -> List[str]:
        """The forms as written."""
        return [self.vocab.strings[orth] for orth in self.attributes[:, 0].tolist()]

    def __len__(self) -> int:
        return len(self.attributes)


def read_word_forms(vocab: Vocab, orths: Ints1d) -> WordForms:
    """Look up the attributes of forms by their hashes.

    vocab (Vocab): The vocabulary that the hashes are of.
    orths (Ints1d): (forms,) uint64.
    RETURNS (WordForms): The forms, in this order.
    """
    lexemes = [vocab[orth] for orth in orths.tolist()]
    # An array of tuples takes numpy several times as long.
    rest = map(attrgetter("lower", "prefix", "suffix", "shape"), lexemes)
    hashes = numpy.fromiter(chain.from_iterable(rest), "uint64", 4 * len(lexemes))
    return WordForms(vocab, numpy.column_stack((orths, hashes.reshape(-1, 4))))


def WordEmbedding(
    vectors: Optional[Model[WordForms, Floats2d]] = None,
    features: Optional[Model[WordForms, Floats2d]] = None,
    characters: Optional[Model[WordForms, Floats2d]] = None,
) -> Model[List[Doc], Ragged]:
    """Embed words by their form: up to three layers, side by side. Each form of a batch is computed
    once, and in prediction it is kept for the next batches.

    vectors (Optional[Model[WordForms, Floats2d]]): `spacy-distill.WordVectors.v1`, or another layer
        over word forms; null to leave it out.
    features (Optional[Model[WordForms, Floats2d]]): `spacy-distill.FormFeatures.v1`, another, or
        null.
    characters (Optional[Model[WordForms, Floats2d]]): `spacy-distill.CharacterCNN.v1`, another, or
        null.
    RETURNS (Model[List[Doc], Ragged]): (tokens, width) for documents.
    RAISES (ValueError): There is no layer.
    """
    layers = [layer for layer in (vectors, features, characters) if layer is not None]
    if not layers:
        raise ValueError(
            "[D607] spacy-distill.WordEmbedding.v1 has no layer: vectors, features and characters "
            "are all null. Give at least one of them."
        )
    return with_word_forms(layers[0] if len(layers) == 1 else concatenate(*layers))


def with_word_forms(layer: Model[WordForms, Floats2d]) -> Model[List[Doc], Ragged]:
    """Apply a layer over word forms to documents, once for each distinct form.

    layer (Model[WordForms, Floats2d]): The layer. Prediction keeps its output for a form.
    RETURNS (Model[List[Doc], Ragged]): A layer whose output has one row a token.
    """
    dims = {"nO": layer.get_dim("nO") if layer.has_dim("nO") else None}
    attrs = {"depends_on_form": True}
    return Model("with_word_forms", forward, init=init, layers=[layer], dims=dims, attrs=attrs)


def depends_on_form(embed: Model) -> bool:
    """RETURNS (bool): Whether a layer is one that `with_word_forms` returned."""
    return bool(embed.attrs.get("depends_on_form"))


def forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable]:
    layer: Model[WordForms, Floats2d] = model.layers[0]
    lengths = [len(doc) for doc in docs]
    forms, form_of_token = distinct_word_forms(docs)
    if not len(forms):
        empty = model.ops.alloc2f(0, model.get_dim("nO"))
        return Ragged(empty, model.ops.asarray1i(lengths)), lambda d_tokens: []
    rows = model.ops.asarray1i(form_of_token)
    vectors, backprop_layer = layer(forms, is_train)

    def backprop(d_tokens: Ragged) -> List[Doc]:
        d_vectors = model.ops.alloc2f(*vectors.shape)
        model.ops.scatter_add(d_vectors, rows, d_tokens.dataXd)
        backprop_layer(d_vectors)
        return []

    return Ragged(vectors[rows], model.ops.asarray1i(lengths)), backprop


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    layer = model.layers[0]
    layer.initialize(X=distinct_word_forms(X)[0] if X else None)
    model.set_dim("nO", layer.get_dim("nO"))


def distinct_word_forms(docs: List[Doc]) -> Tuple[WordForms, Ints1d]:
    """Find the distinct word forms of documents that share a vocabulary.

    docs (List[Doc]): The documents, at least one.
    RETURNS (Tuple[WordForms, Ints1d]): The forms, and the form's row for each token (tokens,).
    """
    attributes = numpy.concatenate([doc.to_array(ATTRIBUTES) for doc in docs])
    _, first_tokens, form_of_token = numpy.unique(
        attributes[:, 0], return_index=True, return_inverse=True
    )
    return WordForms(docs[0].vocab, attributes[first_tokens]), form_of_token
