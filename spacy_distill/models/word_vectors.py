"""Pretrained word vectors that are not trained further."""

from typing import Callable, Tuple

import numpy
from spacy.attrs import IDS, LOWER, NORM, ORTH
from spacy.vectors import Mode, Vectors
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from .vector_table import VectorTable, look_up, n_dimensions
from .word_forms import ATTRIBUTES, WordForms

# The attributes that floret vectors may have: those that depend on the word form alone.
KEYS = (*ATTRIBUTES, NORM)


def WordVectors() -> Model[WordForms, Floats2d]:
    """Build the layer that looks up pretrained word vectors: of the form as written, otherwise of
    its lower case, otherwise zeros. The vectors are neither trained nor projected.

    The vectors of a compact student are a `VectorTable` in the attribute `vector_table` of this
    layer. Otherwise they are the vocabulary's. If both have none, the output has no columns. At
    initialization the vectors of the vocabulary are preferred, and the width is set.

    RETURNS (Model[WordForms, Floats2d]): From word forms to (forms, dimensions).
    """
    attrs = {"vector_table": VectorTable()}
    return Model("word_vectors", forward, init=init, dims={"nO": None}, attrs=attrs)


def forward(
    model: Model[WordForms, Floats2d], forms: WordForms, is_train: bool
) -> Tuple[Floats2d, Callable]:
    table = model.attrs["vector_table"]
    if table:
        output = model.ops.asarray2f(look_up(table, _keys(forms, ORTH), _keys(forms, LOWER)))
    else:
        output = _from_vocab(model, forms)

    def backprop(d_output: Floats2d) -> None:
        return None

    return output, backprop


def _from_vocab(model: Model[WordForms, Floats2d], forms: WordForms) -> Floats2d:
    width = model.get_dim("nO")
    vectors = forms.vocab.vectors
    found = vectors.shape[1]
    if width and found != width:
        raise ValueError(
            f"[D603] The model was trained with word vectors of {width} dimensions, but the "
            f"pipeline's vocabulary has {f'vectors of {found}' if found else 'none'}. Load the "
            "pipeline in which it was trained, or first set `nlp.vocab.vectors` to the vectors of "
            "that pipeline, or move them into the component with `python -m spacy distill-compact`."
        )
    if not width or not vectors.data.size or not len(forms):
        return model.ops.alloc2f(len(forms), width)
    if vectors.mode == Mode.floret:
        _require_attribute_of_forms(vectors)
        return model.ops.asarray2f(vectors.get_batch(_keys(forms, vectors.attr)))
    # spaCy does not save the attribute of a table's keys. Looking up the form as written, then its
    # lower case, is right for cased and for lower-cased tables.
    rows = vectors.find(keys=_keys(forms, ORTH))
    lower_rows = vectors.find(keys=_keys(forms, LOWER))
    rows = model.ops.xp.where(rows >= 0, rows, lower_rows)
    output = model.ops.asarray2f(vectors.data[rows])
    output[rows < 0] = 0
    finite = model.ops.xp.isfinite(output).all(axis=1)
    if not finite.all():
        word = forms.texts[int(finite.argmin())]
        raise ValueError(
            f"[D787] The word vector of '{word:.50}' has values that are NaN or infinite. Create "
            "the vectors of the vocabulary again, without them."
        )
    return output


def _keys(forms: WordForms, attribute: int) -> Ints1d:
    if attribute == NORM:
        # The norm of the lexeme. Tokens of a form can have other norms, from tokenizer exceptions.
        norms = (forms.vocab[orth].norm for orth in forms.attributes[:, 0].tolist())
        return numpy.fromiter(norms, "uint64", len(forms))
    return forms.attributes[:, ATTRIBUTES.index(attribute)]


def _require_attribute_of_forms(vectors: Vectors) -> None:
    if vectors.attr not in KEYS:
        names = {number: name for name, number in IDS.items()}
        known = ", ".join(names[key] for key in KEYS)
        raise ValueError(
            f"[D631] The floret vectors have the attribute {names.get(vectors.attr)}, which a word "
            f"form alone does not have: expected one of {known}. Create the vectors again with "
            "`python -m spacy init vectors --mode floret --attr ORTH`."
        )


def init(model: Model[WordForms, Floats2d], X=None, Y=None) -> None:
    if X is None:
        return
    vectors = X.vocab.vectors
    width = vectors.shape[1]
    if vectors.mode == Mode.floret:
        _require_attribute_of_forms(vectors)
    table = model.attrs["vector_table"]
    if width or not table:
        table = VectorTable()
    else:
        width = n_dimensions(table)
    if model.has_dim("nO") and model.get_dim("nO") != width:
        raise ValueError(
            f"[D632] The vocabulary has word vectors of {width} dimensions, but the model was made "
            f"for {model.get_dim('nO')}. Add the component to a new pipeline with these vectors, "
            "or use the vectors that the model was made for."
        )
    model.attrs["vector_table"] = table
    model.set_dim("nO", width)
