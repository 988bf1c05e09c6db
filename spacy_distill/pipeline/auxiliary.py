"""Losses that exist in training only, next to that of a student's chain."""

from abc import ABC, abstractmethod
from typing import Callable, ContextManager, Dict, List, Optional, Sequence, Tuple

from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, Optimizer

from ..chain import ChainCounts, LinearChain
from ..losses.weights import StepWeight, Weight

# From the chain of a training pass: the loss, a mean per token, and its gradient with respect to
# the chain's scores, None for zero.
PassLoss = Callable[[LinearChain], Tuple[float, Optional[ChainCounts]]]


class AuxiliaryLoss(ABC):
    """A loss of what a student's layers compute. Its own models, such as heads, learn with the
    student and are not saved with it."""

    # Its key in the losses, after the student's name.
    name: str

    def __init__(self, weight: Weight) -> None:
        """Take the weight of the loss, a number or a schedule. Raise ValueError if it is
        invalid."""
        self._weight = StepWeight(f"[distillation.{self.name}] weight", weight)
        self._models: Dict[str, Dict[str, Model]] = {}

    @property
    def weight(self) -> float:
        """The weight of the loss at this step."""
        return self._weight.value

    def advance(self) -> None:
        """Take the weight of the next step."""
        self._weight.advance()

    def models(self, student: str, model: Model[List[Doc], LinearChain]) -> Dict[str, Model]:
        """Find the loss's own models for a student, or make them.

        student (str): The student's name.
        model (Model[List[Doc], LinearChain]): The student's model, initialized.
        RETURNS (Dict[str, Model]): The models by their names.
        RAISES (ValueError): The student has no layer that the loss needs.
        """
        if student not in self._models:
            self._models[student] = self.make_models(student, model)
        return self._models[student]

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters of the loss's own models with their accumulated gradients."""
        for models in self._models.values():
            for model in models.values():
                model.finish_update(optimizer)

    @abstractmethod
    def make_models(self, student: str, model: Model[List[Doc], LinearChain]) -> Dict[str, Model]:
        """Make the loss's own models for a student, as `models` does."""

    @abstractmethod
    def observed(
        self,
        student: str,
        model: Model[List[Doc], LinearChain],
        examples: Sequence[Example],
        teacher: LinearChain,
        share: float = 1.0,
    ) -> ContextManager[PassLoss]:
        """Observe a student's training pass, which begins within the block.

        student (str): The student's name.
        model (Model[List[Doc], LinearChain]): The student's model. Its dropout may be off
            afterwards.
        examples (Sequence[Example]): The batch.
        teacher (LinearChain): The teacher's chain for it, over the student's tags.
        share (float): A factor of the loss and of its gradients.
        YIELDS (PassLoss): Computes the loss after the forward pass. It accumulates the gradients of
            the loss's own models, and leaves those of the student's layers to the backward pass.
        RAISES (ValueError): The student has no layer that the loss needs.
        """
