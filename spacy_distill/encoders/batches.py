"""Batches of windows for transformers, whose output must not depend on the rest of a batch."""

from itertools import groupby
from typing import Any, Iterator, List, Sequence

# Kinds of transformers (`config.model_type`) whose output at a window does not change with the
# padding behind it, but for rounding: up to 1e-5 of a probability. tests/encoders/test_padding.py
# tries each. Others may mix padding in (convolutions, pooling, Fourier transforms). With batches of
# one length, a model of MiniLM's size reads a fifth fewer words per second on a CPU.
MASKING = {
    "albert",
    "bert",
    "camembert",
    "data2vec-text",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "esm",
    "ibert",
    "layoutlm",
    "longformer",
    "megatron-bert",
    "modernbert",
    "mpnet",
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "roformer",
    "squeezebert",
    "xlm-roberta",
    "xlm-roberta-xl",
}


def masks_padding(config: Any) -> bool:
    """RETURNS (bool): Whether a transformer with this config is known to mask padding."""
    return getattr(config, "model_type", None) in MASKING


def length_batches(lengths: Sequence[int], batch_size: int, config: Any) -> Iterator[List[int]]:
    """Batch windows of about the same length, or of exactly the same length for a transformer that
    is not known to mask padding. The longest come first, so that a lack of memory shows at once.

    lengths (Sequence[int]): The windows' lengths in wordpieces.
    batch_size (int): Wordpieces in a batch at most, padding included. A longer window is a batch.
    config (PretrainedConfig): The transformer's.
    YIELDS (List[int]): The indices of a batch's windows.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    groups = [order]
    if not masks_padding(config):
        groups = [list(group) for _, group in groupby(order, key=lengths.__getitem__)]
    for group in groups:
        while group:
            n_windows = max(1, batch_size // max(1, lengths[group[0]]))
            yield group[:n_windows]
            group = group[n_windows:]


def restore_attention(model: Any) -> None:
    """Undo what a transformer remembers of a batch: BigBird switches to full attention at the first
    short one, and would keep it.

    model (torch.nn.Module): The transformer, or a model over it.
    """
    for module in model.modules():
        if hasattr(module, "set_attention_type") and hasattr(module, "config"):
            module.set_attention_type(module.config.attention_type)
