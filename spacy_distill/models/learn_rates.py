"""Use other learning rates for parts of a model."""

import warnings
from typing import Callable, Tuple

from thinc.api import Model, Optimizer
from thinc.types import FloatsXd

# (key, parameters, gradient) -> (new parameters, new gradient): the signature of an optimizer.
Update = Callable[[Tuple[int, str], FloatsXd, FloatsXd], Tuple[FloatsXd, FloatsXd]]


def with_learn_rate_factors(model: Model, optimizer: Optimizer) -> Update:
    """Wrap an optimizer so that it applies the learning rate factors of fine-tuned transformers.

    model (Model): A model, which may contain `TransformerLayers`.
    optimizer (Optimizer): The optimizer.
    RETURNS (Update): The optimizer, or a function to call instead of it.
    RAISES (ValueError): The optimizer cannot apply a factor.
    """
    layers = [node for node in model.walk() if "learn_rate_factor" in node.attrs]
    fine_tuned = [layer for layer in layers if not layer.attrs.get("frozen")]
    if fine_tuned and getattr(optimizer, "averages", None) is not None:
        warnings.warn(
            "[D931] Averaged parameters are used for all layers except for the fine-tuned "
            "transformer. Set `use_averages = false` in the optimizer's block of the config.",
            stacklevel=2,
        )
    factors = {
        node_or_shim.id: layer.attrs["learn_rate_factor"]
        for layer in fine_tuned
        for node in layer.walk()
        for node_or_shim in (node, *node.shims)
    }
    if not set(factors.values()) - {1.0}:
        return optimizer
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            "[D522] `nlp.rehearse` cannot apply the `learn_rate_factor` of a transformer. Call "
            "`rehearse(examples, sgd=optimizer)` of the component instead."
        )
    if optimizer.use_radam:
        raise ValueError(
            "[D606] RAdam cannot apply the `learn_rate_factor` of a transformer. Use Adam in the "
            "optimizer's block of the config."
        )

    def update(key: Tuple[int, str], weights: FloatsXd, gradient: FloatsXd):
        return optimizer(key, weights, gradient, lr_scale=factors.get(key[0], 1.0))

    return update
