"""Read the states of an encoder's layers in a training pass, and add gradients to them."""

from contextlib import ExitStack, contextmanager
from typing import Iterator, List, Optional, Sequence

from thinc.api import Model
from thinc.types import Floats2d, Ragged

# The attribute of an encoder that finds its layers with two directions: a function of the model,
# which returns them from the first to the last. The first half of the columns of such a layer has
# the states of the forward direction, the other half those of the backward direction. Thinc does
# not save functions.
DIRECTIONS_ATTR = "directions"
# The attribute of a layer that is observed. It is there in a training pass alone.
TAP_ATTR = "tap"


class Tap:
    """Keeps the output of a layer, and a gradient that its backward pass adds.

    states (Optional[Ragged]): The output; None before the forward pass.
    gradient (Optional[Floats2d]): The gradient to add to that of the output; None for none.
    """

    def __init__(self) -> None:
        self.states: Optional[Ragged] = None
        self.gradient: Optional[Floats2d] = None

    def add(self, gradient: Floats2d) -> None:
        """Add to the gradient that the backward pass will add."""
        self.gradient = self.add_to(gradient)

    def add_to(self, gradient: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): The sum of a gradient and the tap's. Arguments are not changed."""
        return gradient if self.gradient is None else gradient + self.gradient


def find_directions(model: Model) -> List[Model]:
    """Find the layers of a model that have a forward and a backward direction.

    model (Model): A model with an encoder.
    RETURNS (List[Model]): The layers from the first to the last; empty if the encoder has none.
    """
    for node in model.walk():
        if DIRECTIONS_ATTR in node.attrs:
            return node.attrs[DIRECTIONS_ATTR](node)
    return []


@contextmanager
def tapped(layers: Sequence[Model]) -> Iterator[List[Tap]]:
    """Observe layers. A training pass that begins within the block keeps the taps for its backward
    pass.

    layers (Sequence[Model]): Layers that look for `TAP_ATTR`; a layer may be there twice.
    YIELDS (List[Tap]): The tap of each layer.
    """
    with ExitStack() as stack:
        for layer in layers:
            if TAP_ATTR not in layer.attrs:
                layer.attrs[TAP_ATTR] = Tap()
                stack.callback(layer.attrs.pop, TAP_ATTR)
        yield [layer.attrs[TAP_ATTR] for layer in layers]
