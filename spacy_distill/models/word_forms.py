"""From documents to their distinct word forms, and from a vector per form to one per token."""

from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Callable, List, Tuple

import numpy
from spacy.attrs import LOWER, ORTH, PREFIX, SHAPE, SUFFIX
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
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
    """Find forms by their hashes.

    vocab (Vocab): A vocabulary that knows them.
    orths (Ints1d): (forms,) uint64.
    RETURNS (WordForms): The forms, in this order.
    """
    lexemes = [vocab[orth] for orth in orths.tolist()]
    # (An array of tuples takes numpy several times as long.)
    others = map(attrgetter("lower", "prefix", "suffix", "shape"), lexemes)
    numbers = numpy.fromiter(chain.from_iterable(others), "uint64", 4 * len(lexemes))
    return WordForms(vocab, numpy.column_stack((orths, numbers.reshape(-1, 4))))


def with_word_forms(layer: Model[WordForms, Floats2d]) -> Model[List[Doc], Ragged]:
    """Apply a layer that sees nothing but word forms to documents, once per distinct form.

    layer (Model[WordForms, Floats2d]): The layer. Prediction keeps what it computed of a form.
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
