"""Hidden states as targets: layers of a student learn the states of a transformer's layers."""

from contextlib import contextmanager
from typing import Dict, Iterator, List, Sequence

from spacy.tokens import Doc
from thinc.api import Linear, Model, Optimizer
from thinc.types import Floats2d, Ragged

from ..chain import LinearChain
from ..losses.objective import Weight, checked, per_step
from ..losses.states import states_distance
from ..models.taps import Tap, find_directions, tapped

Projections = List[Model[Floats2d, Floats2d]]


class StateMatching:
    """A transformer, and projections of students to its width. The students' models contain
    neither."""

    def __init__(
        self, transformer: Model[List[Doc], Ragged], layers: Sequence[Sequence[int]], weight: Weight
    ) -> None:
        """Create the settings. `MatchedStates` documents and checks the arguments."""
        self.transformer = transformer
        self.layers = [(own, other) for own, other in layers]
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
        RAISES (ValueError): One of them has no such layer, or the student's cannot be read.
        """
        if student not in self._projections:
            own = self._find_layers(student, model)
            width = self._initialize()
            self._projections[student] = [
                Linear(width, layer.get_dim("nO")).initialize() for layer in own
            ]
        return self._projections[student]

    @contextmanager
    def observed(self, student: str, model: Model[List[Doc], LinearChain]) -> Iterator[List[Tap]]:
        """Observe the layers of a student that learn. Its training pass begins within the block.

        student (str): The student's name.
        model (Model[List[Doc], LinearChain]): The student's model.
        YIELDS (List[Tap]): The tap of the layer of each pair; none if the weight is 0.
        RAISES (ValueError): The student has no such layer, or its layers cannot be read.
        """
        with tapped(self._find_layers(student, model) if self.weight else []) as taps:
            yield taps

    def match(
        self,
        student: str,
        model: Model[List[Doc], LinearChain],
        taps: Sequence[Tap],
        docs: List[Doc],
    ) -> float:
        """Compare the states of a training pass with the transformer's. Add the gradients to the
        pass, and accumulate those of the projections.

        student (str): The student's name.
        model (Model[List[Doc], LinearChain]): The student's model.
        taps (Sequence[Tap]): The taps of `observed`, after the forward pass.
        docs (List[Doc]): The documents of the pass.
        RETURNS (float): The loss, a mean per token and pair of layers.
        """
        if not taps:
            return 0.0
        projections = self.projections(student, model)
        targets = self.transformer.predict(docs).dataXd
        weight = self.weight / max(len(targets) * len(taps), 1)
        value = 0.0
        for tap, projection, (_, other) in zip(taps, projections, self.layers, strict=True):
            assert tap.states is not None
            states, backprop = projection.begin_update(tap.states.dataXd)
            distance, gradient = states_distance(states, targets[:, other])
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
        highest = max(own for own, _ in self.layers)
        if highest > len(found):
            layers = f"{len(found)} layers" if found else "no layers that can be observed"
            raise ValueError(
                f"[D840] The layer {highest} of '{student}' cannot learn states: its encoder has "
                f"{layers}. Correct `layers` in [distillation.states], or use "
                "spacy-distill.BiLSTM.v1 as the encoder."
            )
        return [found[own - 1] for own, _ in self.layers]

    def _initialize(self) -> int:
        """Load the transformer unless it is loaded. RETURNS (int): The width of its states."""
        if not self._projections:
            self.transformer.initialize()
        n_layers = self.transformer.predict([]).dataXd.shape[1]
        highest = max(other for _, other in self.layers)
        if highest >= n_layers:
            raise ValueError(
                f"[D841] The transformer of [distillation.states] returns the states of {n_layers} "
                f"layers, counted from 0: found the number {highest}. Correct `layers`."
            )
        return self.transformer.get_dim("nO")


def MatchedStates(
    transformer: Model[List[Doc], Ragged],
    layers: Sequence[Sequence[int]],
    weight: Weight = 1.0,
) -> StateMatching:
    """Let layers of a student's BiLSTM learn the hidden states of a transformer's layers, next to
    the loss (as in the first stage of XtremeDistil: Mukherjee, Awadallah 2020, "XtremeDistil:
    Multi-stage Distillation for Massive Multilingual Models"). A linear projection of the student's
    states is compared with the transformer's by `states_distance`. The projection learns too, and
    exists in training only: a saved student has none.

    The transformer is mostly that of the teacher. If it is frozen, it reads each document once, and
    its features are kept in memory, or in the folder that `SPACY_DISTILL_FEATURES` names.

    transformer (Model[List[Doc], Ragged]): From documents to (tokens, layers, width) states, such
        as `spacy-distill.TransformerLayers.v1`.
    layers (Sequence[Sequence[int]]): Pairs of a layer of the student, counted from 1, and the layer
        whose states it learns. That is counted from 0 among the layers that `transformer` returns;
        with all of them, 0 is its embedding.
    weight (Weight): The weight of this loss, a number or a schedule. While it is 0, the transformer
        does not read.
    RETURNS (StateMatching): The settings.
    RAISES (ValueError): The pairs are none, or their numbers are out of range.
    """
    lowest = (1, 0)
    if not layers or any(
        len(pair) != 2 or any(n < least for n, least in zip(pair, lowest, strict=True))
        for pair in layers
    ):
        raise ValueError(
            f"[D842] [distillation.states] layers = {list(layers)}: expected pairs of a layer of "
            "the student, from 1, and a layer of the transformer, from 0, such as [[2, 9]]. "
            "Correct the config."
        )
    return StateMatching(transformer, layers, weight)
