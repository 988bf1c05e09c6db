"""A convolution over the characters of a word with max pooling (Ma, Hovy 2016, "End-to-end Sequence
Labeling via Bi-directional LSTM-CNNs-CRF")."""

from typing import Callable, Dict, List, Mapping, Tuple

import numpy
from thinc.api import Model, glorot_uniform_init, uniform_init
from thinc.types import Floats2d, Ints1d, Ints2d

from ..checks import require_range
from ..kernels import form_kernels
from .word_forms import WordForms

WINDOW = 3
# Only the first and last characters of longer words are read: affixes are the most informative.
MAX_CHARACTERS = 20
BOUNDARY = 0


def CharacterCNN(filters: int = 64, width: int = 16, rows: int = 512) -> Model[WordForms, Floats2d]:
    """Build a character CNN. It embeds characters, convolves windows of three characters, and keeps
    the highest response of each filter.

    filters (int): The number of filters, which is the output width.
    width (int): The width of the character embeddings.
    rows (int): The number of character embeddings. One is for word boundaries; the code points of
        characters share the others, modulo their number.
    RETURNS (Model[WordForms, Floats2d]): From word forms to (forms, filters).
    RAISES (ValueError): A number is too small.
    """
    for name, value, least in (("filters", filters, 1), ("width", width, 1), ("rows", rows, 2)):
        require_range(name, value, least)
    return Model(
        "character_cnn",
        forward,
        init=init,
        dims={"nO": filters, "nC": width, "nV": rows},
        params={"E": None, "W": None, "b": None},
        attrs={"shapes": shapes},
    )


def shapes(dims: Mapping[str, int]) -> Dict[str, Tuple[int, ...]]:
    """RETURNS (Dict[str, Tuple[int, ...]]): The shapes of the parameters."""
    n_filters, width = dims["nO"], dims["nC"]
    return {"E": (dims["nV"], width), "W": (n_filters, WINDOW * width), "b": (n_filters,)}


def forward(
    model: Model[WordForms, Floats2d], forms: WordForms, is_train: bool
) -> Tuple[Floats2d, Callable]:
    E, W, b = model.get_param("E"), model.get_param("W"), model.get_param("b")
    ops, xp = model.ops, model.ops.xp
    (n_rows, width), n_filters = E.shape, len(b)
    compiled = form_kernels()
    if not is_train and compiled and xp is numpy:
        filters = numpy.ascontiguousarray(W.reshape(n_filters, WINDOW, width).transpose(1, 2, 0))
        Y = compiled.convolve_characters(forms.texts, MAX_CHARACTERS, E, filters, b)
        return Y, lambda dY: forward(model, forms, True)[1](dY)
    rows, n_windows = character_windows(forms.texts, n_rows)
    # The distinct rows, and the index of each character's row among these.
    is_used = numpy.zeros(n_rows, dtype=bool)
    is_used[rows] = True
    distinct_rows = ops.asarray(numpy.flatnonzero(is_used))
    characters = ops.asarray((numpy.cumsum(is_used) - 1)[rows])
    lengths = ops.asarray1i(n_windows)
    # A filter's response is a sum over the positions of a window. Each summand depends on a single
    # character, and there are fewer distinct characters than windows.
    filters = W.reshape(n_filters, WINDOW, width).transpose(1, 2, 0)
    embedded = E[distinct_rows]
    summands = embedded @ filters  # (window, characters, filters)
    responses = summands[0][characters[0]]
    for position, at_position in zip(summands[1:], characters[1:], strict=True):
        responses += position[at_position]
    Y, winners = ops.reduce_max(responses, lengths)
    Y += b

    def backprop(dY: Floats2d) -> None:
        starts = xp.cumsum(lengths) - lengths
        # (window, forms, filters): the characters of the window with the highest response
        best = characters[:, starts[:, None] + winners]
        d_summands = xp.stack(
            [
                xp.bincount(index.ravel(), weights=dY.ravel(), minlength=summands[0].size)
                for index in best * n_filters + xp.arange(n_filters)
            ]
        )
        d_summands = d_summands.reshape(summands.shape).astype("float32")
        dW = d_summands.transpose(2, 0, 1) @ embedded  # (filters, window, width)
        dE = xp.zeros_like(E)
        dE[distinct_rows] = (d_summands @ filters.transpose(0, 2, 1)).sum(axis=0)
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
    """Convert words to windows of three characters, one window around each character.

    texts (List[str]): The words.
    n_rows (int): The number of character embeddings.
    RETURNS (Tuple[Ints2d, Ints1d]): The embedding rows of the characters in each window, (3,
        windows), with BOUNDARY beyond the ends of a word; and the number of windows of each word,
        (words,). An empty word has one window.
    """
    half = MAX_CHARACTERS // 2
    texts = [text if len(text) <= MAX_CHARACTERS else text[:half] + text[-half:] for text in texts]
    # Spaces become boundaries: before each word, after the last one, and instead of an empty word.
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
    (centers,) = numpy.nonzero(inside)
    return rows[centers + numpy.asarray([[-1], [0], [1]])], n_windows
