"""Delete layers of a transformer."""

from copy import deepcopy
from typing import Any, List, Optional, Sequence

# The largest difference of hidden states that rounding explains.
TOLERANCE = 1e-4
# Wordpieces of the input that compares the states before and after.
N_PIECES = 8


def truncated(model: Any, depth: int) -> Any:
    """Delete the upper layers of a transformer.

    model (torch.nn.Module): The transformer, which is not changed.
    depth (int): The number of layers to keep, without the embedding. At least one is kept.
    RETURNS (torch.nn.Module): A copy with these layers. It is the given transformer if its layers
        are no plain stack, or if their states would differ. This is the case where the transformer
        normalizes the output of its last layer.
    """
    n_layers = model.config.num_hidden_layers
    depth = max(depth, 1)
    if depth >= n_layers or layer_stack(model) is None:
        return model
    smaller = with_layers(deepcopy(model), range(depth))
    if _difference(_states(model)[depth], _states(smaller)[depth]) > TOLERANCE:
        return model
    return smaller


def with_layers(model: Any, layers: Sequence[int]) -> Any:
    """Delete all layers of a transformer but some. Each kept layer then reads the output of the
    kept layer below, so its states change if a layer between them is deleted.

    model (torch.nn.Module): The transformer, a plain stack of layers; it is changed.
    layers (Sequence[int]): The layers to keep, counted from 0 and without the embedding.
    RETURNS (torch.nn.Module): The transformer.
    """
    stack = layer_stack(model)
    assert stack is not None
    for number in reversed(range(len(stack))):
        if number not in layers:
            del stack[number]
    # Some configs name the kind of each layer.
    kinds: Optional[List[str]] = getattr(model.config, "layer_types", None)
    if kinds is not None:
        model.config.layer_types = [kinds[number] for number in layers]
    model.config.num_hidden_layers = len(stack)
    return model


def layer_stack(model: Any) -> Any:
    """RETURNS (Optional[torch.nn.ModuleList]): The layers of a transformer; None if they are not a
    single list."""
    from torch.nn import ModuleList

    depth = model.config.num_hidden_layers
    lists = [m for m in model.modules() if isinstance(m, ModuleList) and len(m) == depth]
    return lists[0] if len(lists) == 1 else None


def _states(model: Any) -> Any:
    import torch

    n_pieces = min(N_PIECES, model.config.vocab_size)
    pieces = torch.arange(n_pieces, device=next(model.parameters()).device)[None]
    with torch.inference_mode():
        # Without a mask, transformers warns that one of the pieces may be padding.
        mask = torch.ones_like(pieces)
        options = {"output_hidden_states": True, "return_dict": True}
        return model(input_ids=pieces, attention_mask=mask, **options).hidden_states


def _difference(one: Any, other: Any) -> float:
    return float((one - other).abs().max())
