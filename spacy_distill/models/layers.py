"""The parameters of LSTM layers."""

from typing import NamedTuple

from thinc.types import Floats1d, Floats2d, Floats3d


class Layer(NamedTuple):
    """A bidirectional LSTM's parameters. Gates are input, forget, output and candidate, those of
    the forward before those of the backward direction.

    U (Floats3d): (2, hidden, 4 * hidden) states to gates.
    W (Floats2d): (inputs, 8 * hidden) inputs to gates.
    b (Floats1d): (8 * hidden,)
    """

    U: Floats3d
    W: Floats2d
    b: Floats1d
