"""Batch windows for transformers so that the output of a window does not depend on its batch."""

from itertools import groupby
from typing import Any, Iterator, List, Sequence

# The types of transformers (`config.model_type`) that mask padding: it changes probabilities by
# rounding only, up to 1e-5. tests/encoders/test_padding.py tests each type. Padding may affect the
# output of other types (convolutions, pooling, Fourier transforms). With batches of a single
# length, a model of MiniLM's size reads a fifth fewer words per second on a CPU.
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


# A batch ends before a window that is shorter than this share of its longest one, if it has this
# number of wordpieces already. Single words are then read 1.7 times as fast, sentences 1.5 times.
LEAST_SHARE = 0.75
LEAST_PIECES = 512


def masks_padding(config: Any) -> bool:
    """RETURNS (bool): Whether a transformer with this config is known to mask padding."""
    return getattr(config, "model_type", None) in MASKING


def length_batches(lengths: Sequence[int], batch_size: int, config: Any) -> Iterator[List[int]]:
    """Batch windows of similar lengths, or of equal lengths if the transformer is not known to mask
    padding. The longest windows come first, so that a lack of memory shows at once.

    lengths (Sequence[int]): The lengths of the windows in wordpieces.
    batch_size (int): The maximum number of wordpieces in a batch, including padding. A longer
        window is a batch of its own.
    config (PretrainedConfig): The config of the transformer.
    YIELDS (List[int]): The indices of the windows in a batch.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    groups = [order]
    if not masks_padding(config):
        groups = [list(group) for _, group in groupby(order, key=lengths.__getitem__)]
    for group in groups:
        while group:
            longest = max(1, lengths[group[0]])
            batch = group[: max(1, batch_size // longest)]
            n_windows = sum(lengths[index] >= LEAST_SHARE * longest for index in batch)
            n_windows = min(max(n_windows, -(-LEAST_PIECES // longest)), len(batch))
            yield batch[:n_windows]
            group = group[n_windows:]


def restore_attention(model: Any) -> None:
    """Reset the type of attention to the one in the config. BigBird switches to full attention at
    the first short batch, and would keep it for longer ones.

    model (torch.nn.Module): The transformer, or a model that contains it.
    """
    for module in model.modules():
        if hasattr(module, "set_attention_type") and hasattr(module, "config"):
            module.set_attention_type(module.config.attention_type)
