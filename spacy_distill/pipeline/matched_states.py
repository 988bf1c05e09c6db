"""Hidden states as targets: layers of a student learn the states of a transformer's layers."""

from contextlib import contextmanager
from typing import Dict, Iterator, List, NamedTuple, Sequence

from spacy.tokens import Doc
from thinc.api import Linear, Model, Optimizer
from thinc.types import Floats2d, Ragged

from ..chain import LinearChain
from ..losses.objective import Weight, checked, per_step
from ..losses.states import standardized, states_distance
from ..models.taps import Tap, find_directions, tapped

Projections = List[Model[Floats2d, Floats2d]]


class LayerPair(NamedTuple):
    """Two layers of which the first learns the states of the second.

    own (int): The layer of the student, from 1, or from the last one as -1.
    place (int): The place of the other layer among those that the transformer returns, from 0.
    """

    own: int
    place: int


class StateMatching:
    """A transformer, and projections of students to its width. The students' models contain
    neither."""

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
        self._weights, self.weight = per_step(weight), 0.0
        self._projections: Dict[str, Projections] = {}
        self.advance()

    def advance(self) -> None:
        """Take the weight of the next step. A schedule that ends keeps its last value."""
        self.weight = checked("weight", next(self._weights, self.weight))

    def projections(self, student: str, model: Model[List[Doc], LinearChain]) -> Projections:
        """Find the projections of a student, one for each pair of layers, or create them.

        student (str): The student's name.
        model (Model[List[Doc], LinearChain]): The student's model, initialized.
        RETURNS (Projections): From the width of the student's layer to the transformer's.
        RAISES (ValueError): The student has no such layer, or the transformer cannot be loaded.
        """
        if student not in self._projections:
            layers = self._find_layers(student, model)
            if not self._projections:
                self.transformer.initialize()
            width = self.transformer.get_dim("nO")
            self._projections[student] = [
                Linear(width, layer.get_dim("nO")).initialize() for layer in layers
            ]
        return self._projections[student]

    @contextmanager
    def observed(self, student: str, model: Model[List[Doc], LinearChain]) -> Iterator[List[Tap]]:
        """Observe the layers of a student that learn. Its training pass begins within the block.

        student (str): The student's name.
        model (Model[List[Doc], LinearChain]): The student's model.
        YIELDS (List[Tap]): The tap of the layer of each pair; none if the weight is 0.
        RAISES (ValueError): The student has no such layer.
        """
        with tapped(self._find_layers(student, model) if self.weight else []) as taps:
            yield taps

    def match(
        self,
        student: str,
        model: Model[List[Doc], LinearChain],
        taps: Sequence[Tap],
        docs: List[Doc],
        share: float = 1.0,
    ) -> float:
        """Compare the states of a training pass with the transformer's. Add the gradients to the
        pass, and accumulate those of the projections.

        student (str): The student's name.
        model (Model[List[Doc], LinearChain]): The student's model.
        taps (Sequence[Tap]): The taps of `observed`, after the forward pass.
        docs (List[Doc]): The documents of the pass.
        share (float): A factor of the loss and of its gradients.
        RETURNS (float): The loss, a mean per token and pair of layers.
        """
        if not taps:
            return 0.0
        projections = self.projections(student, model)
        targets = self.transformer.predict(docs).dataXd
        weight = share * self.weight / max(len(targets) * len(taps), 1)
        value = 0.0
        for tap, projection, pair in zip(taps, projections, self.pairs, strict=True):
            assert tap.states is not None
            states, backprop = projection.begin_update(tap.states.dataXd)
            distance, gradient = states_distance(states, standardized(targets[:, pair.place]))
            value += weight * distance
            tap.add(backprop(gradient * weight))
        return value

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters of all projections with their accumulated gradients."""
        for projections in self._projections.values():
            for projection in projections:
                projection.finish_update(optimizer)

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
