"""Batches of windows for transformers, whose results must not depend on what else is in a batch."""

from itertools import groupby
from typing import Any, Iterator, List, Sequence

# Kinds of transformers (`config.model_type`) whose results at a window do not change with padding
# behind it, but for rounding: up to 1e-5 of a probability. tests/teachers/test_padding.py
# tries each. Others may mix padding in (convolutions, pooling, Fourier transforms). With batches of
# one length, a model of MiniLM's size reads a fifth fewer words a second on a CPU.
MASKING = frozenset(
    (
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
    )
)


def masks_padding(config: Any) -> bool:
    """RETURNS (bool): Whether a transformer with this config is known to mask padding."""
    return getattr(config, "model_type", None) in MASKING


def length_batches(lengths: Sequence[int], batch_size: int, config: Any) -> Iterator[List[int]]:
    """Batch windows: those of about the same length together or, for a transformer that is not
    known to mask padding, of exactly the same length. The longest come first: what does not fit
    into memory shows at once.

    lengths (Sequence[int]): The windows' lengths.
    batch_size (int): Windows in a batch, at most.
    config (PretrainedConfig): The transformer's.
    YIELDS (List[int]): The numbers of a batch's windows.
    """
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    groups = [order]
    if not masks_padding(config):
        groups = [list(group) for _, group in groupby(order, key=lengths.__getitem__)]
    for group in groups:
        for start in range(0, len(group), batch_size):
            yield group[start : start + batch_size]


def restore_attention(model: Any) -> None:
    """Undo what a transformer remembers of a batch: BigBird goes over to full attention at the
    first short one, and would stay there.

    model (torch.nn.Module): The transformer, or a model over it.
    """
    for module in model.modules():
        if hasattr(module, "set_attention_type") and hasattr(module, "config"):
            module.set_attention_type(module.config.attention_type)
