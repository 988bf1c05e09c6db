"""Learning rates for parts of a model."""

import warnings
from typing import Callable, Tuple

from thinc.api import Model, Optimizer
from thinc.types import FloatsXd

# From key, parameters and gradient to both.
Update = Callable[[Tuple[int, str], FloatsXd, FloatsXd], Tuple[FloatsXd, FloatsXd]]


def with_learn_rate_factors(model: Model, optimizer: Optimizer) -> Update:
    """Wrap an optimizer so that fine-tuned transformers have their own learning rates.

    model (Model): A model, in which there may be some `TransformerLayers`.
    optimizer (Optimizer): Updates parameters.
    RETURNS (Update): The optimizer, or a function to call in its place.
    RAISES (ValueError): There is a factor, and the optimizer cannot apply it.
    """
    layers = [node for node in model.walk() if "learn_rate_factor" in node.attrs]
    tuned = [layer for layer in layers if not layer.attrs.get("frozen")]
    if tuned and getattr(optimizer, "averages", None) is not None:
        warnings.warn(
            "[D931] Averages of a fine-tuned transformer's parameters are never used, those of the "
            "layers above are. Set `use_averages = false` in the optimizer's block of the config.",
            stacklevel=2,
        )
    factors = {
        part.id: layer.attrs["learn_rate_factor"]
        for layer in tuned
        for node in layer.walk()
        for part in (node, *node.shims)
    }
    if not set(factors.values()) - {1.0}:
        return optimizer
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            "[D522] `nlp.rehearse` takes no `learn_rate_factor`, as a transformer has one here. "
            "Call `rehearse(examples, sgd=optimizer)` of the component instead."
        )
    if optimizer.use_radam:
        raise ValueError(
            "[D606] RAdam takes no `learn_rate_factor`, as a transformer has one here. Use Adam in "
            "the optimizer's block of the config."
        )

    def update(key: Tuple[int, str], weights: FloatsXd, gradient: FloatsXd):
        return optimizer(key, weights, gradient, lr_scale=factors.get(key[0], 1.0))

    return update
