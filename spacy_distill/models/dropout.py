"""Apply dropout to the token vectors of a batch."""

from contextlib import contextmanager
from typing import Callable, Iterator, Tuple

import numpy
from thinc.api import Model
from thinc.types import Floats2d, Ragged

# The number of values of a uint16.
N_VALUES = 2**16
# The attribute with the rate of word dropout. It is there in a training pass alone.
WORD_RATE_ATTR = "word_rate"


def dropout(rate: float = 0.0, *, variational: bool = False) -> Model[Ragged, Ragged]:
    """Build a dropout layer: in training it sets random values to zero and scales the others up
    (Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting").

    It has the same attributes as Thinc's dropout, so `set_dropout_rate` works. It is faster,
    because it draws 16 random bits per value instead of 64.

    rate (float): The probability that a value becomes zero.
    variational (bool): Whether the same columns become zero in all tokens of a document (Gal,
        Ghahramani 2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural
        Networks").
    """
    attrs = {"dropout_rate": rate, "is_enabled": True, "variational": variational}
    return Model("dropout", forward, attrs=attrs)


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    rate, word_rate = model.attrs["dropout_rate"], model.attrs.get(WORD_RATE_ATTR, 0.0)
    if not (is_train and model.attrs["is_enabled"] and (rate or word_rate)):
        return X, lambda dY: dY
    n_tokens, width = X.dataXd.shape
    if model.attrs["variational"]:
        # numpy, because some versions of cupy cannot repeat each element by its own count.
        lengths = model.ops.to_numpy(X.lengths)
        documents = model.ops.xp.asarray(numpy.repeat(numpy.arange(len(lengths)), lengths))
        mask = draw_mask(model, (len(lengths), width), rate)[documents]
    else:
        mask = draw_mask(model, (n_tokens, width), rate)
    if word_rate:
        mask *= draw_mask(model, (n_tokens, 1), word_rate) > 0

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(dY.dataXd * mask, dY.lengths)

    return Ragged(X.dataXd * mask, X.lengths), backprop


@contextmanager
def without_words(model: Model, rate: float) -> Iterator[None]:
    """Set the vectors of random tokens to zero in training passes that begin within the block. The
    others are not scaled up.

    model (Model): A model. Its first dropout layer that is not inside of another part is used: in
        a tagger, the one after the embedding.
    rate (float): The probability that a token is dropped.
    """
    layer = next((node for node in model.walk() if "variational" in node.attrs), None)
    if not rate or layer is None:
        yield
        return
    layer.attrs[WORD_RATE_ATTR] = rate
    try:
        yield
    finally:
        del layer.attrs[WORD_RATE_ATTR]


def draw_mask(model: Model, shape: Tuple[int, int], rate: float) -> Floats2d:
    """RETURNS (Floats2d): 0 with probability `rate`, otherwise the factor that makes the mean 1."""
    # Seeded from numpy's global state, like Thinc's layers.
    generator = numpy.random.default_rng(numpy.random.randint(2**31))
    drawn = generator.integers(N_VALUES, size=shape, dtype="uint16")
    mask = (model.ops.xp.asarray(drawn) >= rate * N_VALUES).astype("float32")
    mask /= max(1.0 - rate, 1 / N_VALUES)  # avoids a division by 0 for a rate of 1
    return mask
