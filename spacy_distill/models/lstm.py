"""An LSTM that reads from left to right."""

from typing import Callable, List, Tuple

from thinc.api import Model, chain, with_ragged
from thinc.types import Ragged

from .bilstm import bilstm_layer
from .dropout import dropout


def LSTM(width: int = 100, depth: int = 2) -> Model[Ragged, Ragged]:
    """Build LSTM layers that see what is left of a token, with dropout between them. Each is the
    forward half of a bidirectional layer, the other half of which is computed and left out.

    width (int): Output width of each layer.
    depth (int): Layers.
    RETURNS (Model[Ragged, Ragged]): (tokens, inputs) to (tokens, width).
    """
    layers: List[Model[Ragged, Ragged]] = [bilstm_layer(2 * width), forward_direction()]
    for _ in range(depth - 1):
        layers += [dropout(), bilstm_layer(2 * width), forward_direction()]
    return with_ragged(chain(*layers))


def forward_direction() -> Model[Ragged, Ragged]:
    """Keep the states of the forward direction, which are the first half of the columns."""
    return Model("forward_direction", forward)


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    width = X.dataXd.shape[1] // 2

    def backprop(dY: Ragged) -> Ragged:
        dX = model.ops.alloc2f(len(dY.dataXd), 2 * width)
        dX[:, :width] = dY.dataXd
        return Ragged(dX, dY.lengths)

    return Ragged(model.ops.as_contig(X.dataXd[:, :width]), X.lengths), backprop
