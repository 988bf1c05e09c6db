"""Dropout over the token vectors of a batch."""

from typing import Callable, Tuple

import numpy
from thinc.api import Model
from thinc.types import Floats2d, Ragged

# Different values of 16 random bits.
N_VALUES = 2**16


def dropout(rate: float = 0.0, *, variational: bool = False) -> Model[Ragged, Ragged]:
    """Set values to zero at random and scale the rest up (Srivastava et al. 2014, "Dropout: A
    Simple Way to Prevent Neural Networks from Overfitting"), in training.

    It has the attributes of Thinc's layer, for `set_dropout_rate`. It draws 16 random bits for each
    value instead of 64, which took much of an update's time.

    rate (float): Probability of each value to become zero.
    variational (bool): Whether the tokens of a document lose the same columns (Gal, Ghahramani
        2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks").
    """
    attrs = {"dropout_rate": rate, "is_enabled": True, "variational": variational}
    return Model("dropout", forward, attrs=attrs)


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    rate = model.attrs["dropout_rate"]
    if not (is_train and model.attrs["is_enabled"] and rate):
        return X, lambda dY: dY
    n_tokens, width = X.dataXd.shape
    if model.attrs["variational"]:
        # numpy's repeat takes a count for each element; not every cupy's does.
        lengths = model.ops.to_numpy(X.lengths)
        documents = model.ops.xp.asarray(numpy.repeat(numpy.arange(len(lengths)), lengths))
        mask = draw_mask(model, (len(lengths), width), rate)[documents]
    else:
        mask = draw_mask(model, (n_tokens, width), rate)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(dY.dataXd * mask, dY.lengths)

    return Ragged(X.dataXd * mask, X.lengths), backprop


def draw_mask(model: Model, shape: Tuple[int, int], rate: float) -> Floats2d:
    """RETURNS (Floats2d): 0 with this probability, else the factor that makes the mean 1."""
    # Seeded by numpy's global state, as Thinc's own layers are.
    generator = numpy.random.default_rng(numpy.random.randint(2**31))
    drawn = generator.integers(N_VALUES, size=shape, dtype="uint16")
    mask = (model.ops.xp.asarray(drawn) >= rate * N_VALUES).astype("float32")
    mask /= max(1.0 - rate, 1 / N_VALUES)  # of a rate of 1 nothing is left to be scaled
    return mask
