"""Weights of losses, which a schedule may change at each step."""

from itertools import repeat
from math import inf
from numbers import Real
from typing import Iterable, Iterator, Union

# A constant, or one value per step, such as Thinc's schedules.
Weight = Union[float, Iterable[float]]


class StepWeight:
    """The weight of a loss at the current step.

    value (float): The weight.
    """

    def __init__(self, name: str, weight: Weight) -> None:
        """Take the weight of the first step.

        name (str): The setting, for errors.
        weight (Weight): The weight, at least 0, or a schedule. A schedule that ends keeps its last
            value.
        RAISES (ValueError): The weight is invalid.
        """
        self._name = name
        self._values = self._per_step(weight)
        self.value = 0.0
        self.advance()

    def advance(self) -> None:
        """Take the weight of the next step. Raise ValueError if it is negative or infinite."""
        value = next(self._values, self.value)
        if not 0 <= value < inf:
            raise ValueError(
                f"[D122] {self._name} = {value} cannot be used: it has to be 0 or more at each "
                "step. Correct it in the config."
            )
        self.value = float(value)

    def _per_step(self, weight: Weight) -> Iterator[float]:
        if isinstance(weight, (float, int, Real)):
            return repeat(float(weight))
        if isinstance(weight, str):
            raise ValueError(
                f"[D121] {self._name} has to be a number or a schedule: found the text "
                f"'{weight}'. Correct it in the config."
            )
        return iter(weight)
