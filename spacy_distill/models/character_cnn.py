"""A convolution over a word's characters with max pooling (Ma, Hovy 2016, "End-to-end Sequence
Labeling via Bi-directional LSTM-CNNs-CRF")."""

from typing import Callable, List, Optional, Tuple

import numpy
from thinc.api import Model, glorot_uniform_init, uniform_init
from thinc.types import Floats2d, Ints2d

from .word_forms import WordForms

WINDOW = 3
# Longer words are read by their first and last characters: affixes tell more than middles.
MAX_CHARACTERS = 20
BOUNDARY = 0


def character_cnn(
    nO: Optional[int] = None, *, width: int = 16, rows: int = 512
) -> Model[WordForms, Floats2d]:
    """Embed characters, convolve windows of three of them, keep each filter's highest response.

    nO (Optional[int]): Filters, the output's width.
    width (int): Width of the character embeddings.
    rows (int): Character embeddings: code points share them modulo this number, less the one that
        stands for a word's boundary.
    """
    return Model(
        "character_cnn",
        forward,
        init=init,
        dims={"nO": nO, "nC": width, "nV": rows},
        params={"E": None, "W": None, "b": None},
    )


def forward(
    model: Model[WordForms, Floats2d], forms: WordForms, is_train: bool
) -> Tuple[Floats2d, Callable]:
    E, W, b = model.get_param("E"), model.get_param("W"), model.get_param("b")
    xp = model.ops.xp
    n_forms, n_filters = len(forms), len(b)
    rows, n_characters = character_rows(forms.texts, model.get_dim("nV"))
    rows = xp.asarray(rows)
    n_windows = rows.shape[1] - WINDOW + 1
    # (forms, windows, window * width): each character beside its neighbours
    embedded = E[rows]
    windows = xp.concatenate([embedded[:, i : i + n_windows] for i in range(WINDOW)], axis=2)
    responses = windows.reshape(n_forms * n_windows, windows.shape[2]) @ W.T
    responses = responses.reshape(n_forms, n_windows, n_filters)
    beyond = xp.arange(n_windows) >= xp.maximum(xp.asarray(n_characters), 1)[:, None]
    responses[beyond] = -xp.inf
    Y = responses.max(axis=1) + b

    def backprop(dY: Floats2d) -> None:
        d_responses = xp.zeros((n_forms, n_windows, n_filters), dtype="float32")
        winners = responses.argmax(axis=1)
        forms_index, filters_index = xp.ogrid[:n_forms, :n_filters]
        d_responses[forms_index, winners, filters_index] = dY
        d_flat = d_responses.reshape(n_forms * n_windows, n_filters)
        model.inc_grad("b", dY.sum(axis=0))
        model.inc_grad("W", d_flat.T @ windows.reshape(n_forms * n_windows, windows.shape[2]))
        d_windows = (d_flat @ W).reshape(windows.shape)
        d_embedded = xp.zeros_like(embedded)
        for i, part in enumerate(xp.split(d_windows, WINDOW, axis=2)):
            d_embedded[:, i : i + n_windows] += part
        dE = xp.zeros_like(E)
        model.ops.scatter_add(dE, rows.ravel(), d_embedded.reshape(rows.size, E.shape[1]))
        model.inc_grad("E", dE)

    return Y, backprop


def init(model: Model[WordForms, Floats2d], X=None, Y=None) -> None:
    n_filters, width, rows = (model.get_dim(name) for name in ("nO", "nC", "nV"))
    model.set_param("E", uniform_init(model.ops, (rows, width), lo=-0.3, hi=0.3))
    model.set_param("W", glorot_uniform_init(model.ops, (n_filters, WINDOW * width)))
    model.set_param("b", model.ops.alloc1f(n_filters))


def character_rows(texts: List[str], n_rows: int) -> Tuple[Ints2d, numpy.ndarray]:
    """Number the characters of words.

    texts (List[str]): The words.
    n_rows (int): How many numbers there are.
    RETURNS (Tuple[Ints2d, numpy.ndarray]): (words, longest word + 2) character numbers, BOUNDARY
        before the word, after it and as filling; and (words,) how many characters each word has.
    """
    half = MAX_CHARACTERS // 2
    texts = [text if len(text) <= MAX_CHARACTERS else text[:half] + text[-half:] for text in texts]
    lengths = numpy.asarray([len(text) for text in texts], dtype="int64")
    rows = numpy.full((len(texts), lengths.max(initial=1) + 2), BOUNDARY, dtype="int32")
    code_points = numpy.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    inside = (numpy.arange(rows.shape[1]) >= 1) & (numpy.arange(rows.shape[1]) <= lengths[:, None])
    rows[inside] = 1 + code_points % (n_rows - 1)
    return rows, lengths
