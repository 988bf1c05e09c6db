"""Hidden states as targets: layers of a student learn the states of a transformer's layers."""

from contextlib import contextmanager
from functools import partial
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Linear, Model
from thinc.types import Floats2d, Ragged

from ..chain import ChainCounts, LinearChain
from ..losses.states import standardized, states_distance
from ..losses.weights import Weight
from ..models.taps import Tap, find_directions, tapped
from .auxiliary import AuxiliaryLoss, PassLoss


class LayerPair(NamedTuple):
    """Two layers of which the first learns the states of the second.

    own (int): The layer of the student, from 1, or from the last one as -1.
    place (int): The place of the other layer among those that the transformer returns, from 0.
    """

    own: int
    place: int


class StateMatching(AuxiliaryLoss):
    """A transformer, and projections of students to its width."""

    name = "states"

    def __init__(
        self, transformer: Model[List[Doc], Ragged], pairs: Sequence[LayerPair], weight: Weight
    ) -> None:
        """Create the settings.

        transformer (Model[List[Doc], Ragged]): From documents to (tokens, layers, width) states. It
            is initialized with the first student.
        pairs (Sequence[LayerPair]): The layers that learn, at least one.
        weight (Weight): The weight of the loss, a number or a schedule.
        RAISES (ValueError): The weight is invalid.
        """
        self.transformer = transformer
        self.pairs = pairs
        super().__init__(weight)

    def make_models(self, student: str, model: Model[List[Doc], LinearChain]) -> Dict[str, Model]:
        """Make the projections, one for each pair of layers, from the width of the student's layer
        to the transformer's. Raise ValueError if the transformer cannot be loaded, too."""
        layers = self._find_layers(student, model)
        if not self._models:
            self.transformer.initialize()
        width = self.transformer.get_dim("nO")
        return {
            str(number): Linear(width, layer.get_dim("nO")).initialize()
            for number, layer in enumerate(layers)
        }

    @contextmanager
    def observed(
        self,
        student: str,
        model: Model[List[Doc], LinearChain],
        examples: Sequence[Example],
        teacher: LinearChain,
        share: float = 1.0,
    ) -> Iterator[PassLoss]:
        if not self.weight:
            yield lambda chain: (0.0, None)
            return
        docs = [example.predicted for example in examples]
        projections = list(self.models(student, model).values())
        with tapped(self._find_layers(student, model)) as taps:
            yield partial(self._loss, projections, taps, docs, share)

    def _loss(
        self,
        projections: Sequence[Model[Floats2d, Floats2d]],
        taps: Sequence[Tap],
        docs: List[Doc],
        share: float,
        chain: LinearChain,
    ) -> Tuple[float, Optional[ChainCounts]]:
        """Compute the loss of a training pass, as `PassLoss` says: a mean per token and pair."""
        targets = self.transformer.predict(docs).dataXd
        weight = share * self.weight / max(len(targets) * len(taps), 1)
        value = 0.0
        for tap, projection, pair in zip(taps, projections, self.pairs, strict=True):
            assert tap.states is not None
            states, backprop = projection.begin_update(tap.states.dataXd)
            distance, gradient = states_distance(states, standardized(targets[:, pair.place]))
            value += weight * distance
            tap.add(backprop(gradient * weight))
        return value, None

    def _find_layers(self, student: str, model: Model[List[Doc], LinearChain]) -> List[Model]:
        """Find the layers of a student that learn, one for each pair."""
        found = find_directions(model)
        for own, _ in self.pairs:
            if abs(own) > len(found):
                layers = f"{len(found)} of them" if found else "none that can be observed"
                raise ValueError(
                    f"[D840] The layer {own} of '{student}' cannot learn states: its encoder has "
                    f"{layers}. Correct `layers` in [distillation.states], or use "
                    "spacy-distill.BiLSTM.v1 as the encoder."
                )
        return [found[own - 1 if own > 0 else own] for own, _ in self.pairs]
