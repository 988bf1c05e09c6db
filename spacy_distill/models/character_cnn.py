"""A convolution over a word's characters with max pooling (Ma, Hovy 2016, "End-to-end Sequence
Labeling via Bi-directional LSTM-CNNs-CRF")."""

from typing import Callable, List, Tuple

import numpy
from thinc.api import Model, glorot_uniform_init, uniform_init
from thinc.types import Floats2d, Ints1d, Ints2d

from .word_forms import WordForms

WINDOW = 3
# Of longer words the first and last characters are read, for affixes say more than middles.
MAX_CHARACTERS = 20
BOUNDARY = 0


def CharacterCNN(filters: int = 64, width: int = 16, rows: int = 512) -> Model[WordForms, Floats2d]:
    """Embed characters, convolve windows of three of them, keep each filter's highest response.

    filters (int): Filters, the output's width.
    width (int): Width of the character embeddings.
    rows (int): Character embeddings: code points share them modulo this number, less the one that
        stands for a word's boundary.
    RETURNS (Model[WordForms, Floats2d]): (forms, filters).
    """
    return Model(
        "character_cnn",
        forward,
        init=init,
        dims={"nO": filters, "nC": width, "nV": rows},
        params={"E": None, "W": None, "b": None},
    )


def forward(
    model: Model[WordForms, Floats2d], forms: WordForms, is_train: bool
) -> Tuple[Floats2d, Callable]:
    E, W, b = model.get_param("E"), model.get_param("W"), model.get_param("b")
    ops, xp = model.ops, model.ops.xp
    (n_rows, width), n_filters = E.shape, len(b)
    numbers, n_windows = character_windows(forms.texts, n_rows)
    # The distinct characters, and the place of each one among these.
    there = numpy.zeros(n_rows, dtype=bool)
    there[numbers] = True
    different = ops.asarray(numpy.flatnonzero(there))
    characters = ops.asarray((numpy.cumsum(there) - 1)[numbers])
    lengths = ops.asarray1i(n_windows)
    # A filter's response is a sum over the places of a window, and each summand depends on one
    # character alone. There are fewer characters than windows.
    places = W.reshape(n_filters, WINDOW, width).transpose(1, 2, 0)
    embedded = E[different]
    parts = embedded @ places  # (window, characters, filters)
    responses = parts[0][characters[0]]
    for part, row in zip(parts[1:], characters[1:], strict=True):
        responses += part[row]
    Y, winners = ops.reduce_max(responses, lengths)
    Y += b

    def backprop(dY: Floats2d) -> None:
        starts = xp.cumsum(lengths) - lengths
        # (window, forms, filters): the characters of the window that won
        seen = characters[:, starts[:, None] + winners]
        places_of_sums = seen * n_filters + xp.arange(n_filters)
        d_parts = xp.stack(
            [
                xp.bincount(sums.ravel(), weights=dY.ravel(), minlength=len(different) * n_filters)
                for sums in places_of_sums
            ]
        )
        d_parts = d_parts.reshape(parts.shape).astype("float32")
        dW = d_parts.transpose(2, 0, 1) @ embedded  # (filters, window, width)
        dE = xp.zeros_like(E)
        dE[different] = (d_parts @ places.transpose(0, 2, 1)).sum(axis=0)
        model.inc_grad("W", dW.reshape(W.shape))
        model.inc_grad("b", dY.sum(axis=0))
        model.inc_grad("E", dE)

    return Y, backprop


def init(model: Model[WordForms, Floats2d], X=None, Y=None) -> None:
    n_filters, width, rows = (model.get_dim(name) for name in ("nO", "nC", "nV"))
    model.set_param("E", uniform_init(model.ops, (rows, width), lo=-0.3, hi=0.3))
    model.set_param("W", glorot_uniform_init(model.ops, (n_filters, WINDOW * width)))
    model.set_param("b", model.ops.alloc1f(n_filters))


def character_windows(texts: List[str], n_rows: int) -> Tuple[Ints2d, Ints1d]:
    """Number the characters of words, each with its neighbours.

    texts (List[str]): The words.
    n_rows (int): How many numbers there are.
    RETURNS (Tuple[Ints2d, Ints1d]): (3, windows) numbers of the characters before, at and after
        each place of the words, one word after another, BOUNDARY beyond a word's ends; and (words,)
        how many places each word has, one if it is empty.
    """
    half = MAX_CHARACTERS // 2
    texts = [text if len(text) <= MAX_CHARACTERS else text[:half] + text[-half:] for text in texts]
    # A boundary before each word, one more after the last, and an empty word is one.
    joined = " ".join(["", *(text or " " for text in texts), ""])
    code_points = numpy.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    rows = 1 + code_points.astype("int64") % (n_rows - 1)
    lengths = numpy.asarray([len(text) for text in texts], dtype="int64")
    n_windows = numpy.maximum(lengths, 1)
    boundaries = numpy.cumsum(numpy.concatenate(([0], n_windows + 1)))
    rows[boundaries] = BOUNDARY
    rows[boundaries[:-1][lengths == 0] + 1] = BOUNDARY
    inside = numpy.ones(len(rows), dtype=bool)
    inside[boundaries] = False
    (at,) = numpy.nonzero(inside)
    return rows[at + numpy.asarray([[-1], [0], [1]])], n_windows
