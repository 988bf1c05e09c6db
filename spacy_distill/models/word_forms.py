"""Embed tokens by their word form alone. Each distinct form of a batch is computed once."""

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

    vocab (Vocab): The vocabulary of the documents.
    attributes (Ints2d): (forms, 5) the ATTRIBUTES of each form, uint64, a numpy array.
    """

    vocab: Vocab
    attributes: Ints2d

    @property
    def texts(self) -> List[str]:
        """The texts of the forms."""
        return [self.vocab.strings[orth] for orth in self.attributes[:, 0].tolist()]

    def __len__(self) -> int:
        return len(self.attributes)


def read_word_forms(vocab: Vocab, orths: Ints1d) -> WordForms:
    """Look up the attributes of forms by their hashes.

    vocab (Vocab): The vocabulary of the hashes.
    orths (Ints1d): (forms,) uint64 hashes.
    RETURNS (WordForms): The forms, in the same order.
    """
    lexemes = [vocab[orth] for orth in orths.tolist()]
    # Several times as fast as an array of a list of tuples.
    rest = map(attrgetter("lower", "prefix", "suffix", "shape"), lexemes)
    hashes = numpy.fromiter(chain.from_iterable(rest), "uint64", 4 * len(lexemes))
    return WordForms(vocab, numpy.column_stack((orths, hashes.reshape(-1, 4))))


def WordEmbedding(
    vectors: Optional[Model[WordForms, Floats2d]] = None,
    features: Optional[Model[WordForms, Floats2d]] = None,
    characters: Optional[Model[WordForms, Floats2d]] = None,
) -> Model[List[Doc], Ragged]:
    """Build an embedding that depends on the word form alone. It concatenates the outputs of up to
    three layers. Each form of a batch is computed once. In inference the results are cached.

    vectors (Optional[Model[WordForms, Floats2d]]): `spacy-distill.WordVectors.v1`, or another layer
        over word forms; null for none.
    features (Optional[Model[WordForms, Floats2d]]): `spacy-distill.FormFeatures.v1`, or another
        layer over word forms; null for none.
    characters (Optional[Model[WordForms, Floats2d]]): `spacy-distill.CharacterCNN.v1`, or another
        layer over word forms; null for none.
    RETURNS (Model[List[Doc], Ragged]): From documents to (tokens, width).
    RAISES (ValueError): All layers are null.
    """
    layers = [layer for layer in (vectors, features, characters) if layer is not None]
    if not layers:
        raise ValueError(
            "[D607] spacy-distill.WordEmbedding.v1 has no layers: vectors, features and characters "
            "are all null. Set at least one of them."
        )
    return with_word_forms(layers[0] if len(layers) == 1 else concatenate(*layers))


def with_word_forms(layer: Model[WordForms, Floats2d]) -> Model[List[Doc], Ragged]:
    """Build a layer over documents from a layer over word forms. The latter is applied once to each
    distinct form.

    layer (Model[WordForms, Floats2d]): The layer over word forms.
    RETURNS (Model[List[Doc], Ragged]): From documents to (tokens, width).
    """
    dims = {"nO": layer.get_dim("nO") if layer.has_dim("nO") else None}
    attrs = {"depends_on_form": True}
    return Model("with_word_forms", forward, init=init, layers=[layer], dims=dims, attrs=attrs)


def depends_on_form(embed: Model) -> bool:
    """RETURNS (bool): Whether an embedding was created by `with_word_forms`."""
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
    RETURNS (Tuple[WordForms, Ints1d]): The forms, and the row of each token's form, (tokens,).
    """
    attributes = numpy.concatenate([doc.to_array(ATTRIBUTES) for doc in docs])
    _, first_tokens, form_of_token = numpy.unique(
        attributes[:, 0], return_index=True, return_inverse=True
    )
    return WordForms(docs[0].vocab, attributes[first_tokens]), form_of_token
