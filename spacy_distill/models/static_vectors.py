"""The vocabulary's pretrained word vectors, as they are."""

from typing import Callable, Tuple

from spacy.attrs import LOWER, ORTH
from spacy.vectors import Mode
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from .word_forms import ATTRIBUTES, WordForms


def static_vectors() -> Model[WordForms, Floats2d]:
    """Look up each form's vector in the vocabulary's table, as written or in lower case; zeros for
    forms that have none.

    The vectors are neither trained nor projected: the layer after this one does that. Without a
    table in the vocabulary the output has no columns. `nO` is set at initialization.
    """
    return Model("static_vectors", forward, init=init, dims={"nO": None})


def forward(
    model: Model[WordForms, Floats2d], forms: WordForms, is_train: bool
) -> Tuple[Floats2d, Callable]:
    width = model.get_dim("nO")
    vectors = forms.vocab.vectors
    found = vectors.shape[1]
    if width and found != width:
        raise ValueError(
            f"The model was trained with word vectors of {width} dimensions, but the pipeline's "
            f"vocabulary has {f'vectors of {found}' if found else 'none'}. Load the pipeline it "
            "was trained in, or set `nlp.vocab.vectors` to that pipeline's table first."
        )
    if not width or not vectors.data.size or not len(forms):
        output = model.ops.alloc2f(len(forms), width)
    elif vectors.mode == Mode.floret:
        output = model.ops.asarray2f(vectors.get_batch(_keys(forms, vectors.attr)))
    else:
        # spaCy does not save which attribute a table's keys are. So a form is looked up as it is
        # written, then in lower case: right for cased and for lower-cased tables.
        rows = vectors.find(keys=_keys(forms, ORTH))
        lower_rows = vectors.find(keys=_keys(forms, LOWER))
        rows = model.ops.xp.where(rows >= 0, rows, lower_rows)
        output = model.ops.asarray2f(vectors.data[rows])
        output[rows < 0] = 0

    def backprop(d_output: Floats2d) -> None:
        return None

    return output, backprop


def _keys(forms: WordForms, attribute: int) -> Ints1d:
    return forms.attributes[:, ATTRIBUTES.index(attribute)]


def init(model: Model[WordForms, Floats2d], X=None, Y=None) -> None:
    if X is not None:
        model.set_dim("nO", X.vocab.vectors.shape[1], force=True)
