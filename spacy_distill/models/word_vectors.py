"""Pretrained word vectors, as they are."""

from typing import Callable, Tuple

import numpy
from spacy.attrs import IDS, LOWER, NORM, ORTH
from spacy.vectors import Mode, Vectors
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from .vector_table import look_up
from .word_forms import ATTRIBUTES, WordForms

# What the keys of a floret table may be: all that a word form has as a string.
KEYS = (*ATTRIBUTES, NORM)


def WordVectors() -> Model[WordForms, Floats2d]:
    """Look up each form's vector, as written or in lower case; zeros for forms that have none.

    The vectors are neither trained nor projected: the layer after this one does that. They are the
    vocabulary's, or those of a `VectorTable` in the attribute `vector_table`, where a compact
    student has them. Without either the output has no columns. `nO` is set at initialization, which
    prefers the vocabulary's.

    RETURNS (Model[WordForms, Floats2d]): (forms, dimensions).
    """
    attrs = {"vector_table": None}
    return Model("word_vectors", forward, init=init, dims={"nO": None}, attrs=attrs)


def forward(
    model: Model[WordForms, Floats2d], forms: WordForms, is_train: bool
) -> Tuple[Floats2d, Callable]:
    table = model.attrs["vector_table"]
    if table is None:
        output = _from_vocab(model, forms)
    else:
        output = model.ops.asarray2f(look_up(table, _keys(forms, ORTH), _keys(forms, LOWER)))

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
            "pipeline it was trained in, set `nlp.vocab.vectors` to that pipeline's table first, "
            "or let `python -m spacy distill-compact` put the vectors into the component."
        )
    if not width or not vectors.data.size or not len(forms):
        return model.ops.alloc2f(len(forms), width)
    if vectors.mode == Mode.floret:
        _require_attribute_of_forms(vectors)
        return model.ops.asarray2f(vectors.get_batch(_keys(forms, vectors.attr)))
    # spaCy does not save which attribute a table's keys are. So a form is looked up as it is
    # written, then in lower case: right for cased and for lower-cased tables.
    rows = vectors.find(keys=_keys(forms, ORTH))
    lower_rows = vectors.find(keys=_keys(forms, LOWER))
    rows = model.ops.xp.where(rows >= 0, rows, lower_rows)
    output = model.ops.asarray2f(vectors.data[rows])
    output[rows < 0] = 0
    return output


def _keys(forms: WordForms, attribute: int) -> Ints1d:
    if attribute == NORM:
        # The form's own: tokens of one form may have other norms, by the tokenizer's exceptions.
        norms = (forms.vocab[orth].norm for orth in forms.attributes[:, 0].tolist())
        return numpy.fromiter(norms, "uint64", len(forms))
    return forms.attributes[:, ATTRIBUTES.index(attribute)]


def _require_attribute_of_forms(vectors: Vectors) -> None:
    if vectors.attr not in KEYS:
        names = {number: name for name, number in IDS.items()}
        known = ", ".join(names[key] for key in KEYS)
        raise ValueError(
            f"[D631] The floret vectors are of the attribute {names.get(vectors.attr)}, but a word "
            f"form has none: expected one of {known}. Make the table again with `python -m spacy "
            "init vectors --mode floret --attr ORTH`."
        )


def init(model: Model[WordForms, Floats2d], X=None, Y=None) -> None:
    if X is None:
        return
    vectors = X.vocab.vectors
    width = vectors.shape[1]
    if vectors.mode == Mode.floret:
        _require_attribute_of_forms(vectors)
    if width or model.attrs["vector_table"] is None:
        model.attrs["vector_table"] = None
    else:
        width = model.attrs["vector_table"]["data"].shape[1]
    model.set_dim("nO", width, force=True)
