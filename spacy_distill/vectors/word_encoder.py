"""Vectors of words in context: a transformer's hidden states, averaged over each word's pieces."""

from typing import Any, Iterator, List, Optional, Sequence, Tuple

import numpy
from thinc.types import Floats2d, Ints1d

from ..padding import length_batches, restore_attention

# Pieces of a document that the transformer sees at once: the window of configs/teacher.cfg.
WINDOW = 128
# Which layer, as a share of the layers: docs/vectors.md has the measurement.
DEFAULT_LAYER = 1 / 2
# A document's words, and whether a space follows each.
Words = Tuple[Sequence[str], Sequence[bool]]


class WordEncoder:
    """A transformer as a function from words in context to vectors.

    A word's vector is the mean of the hidden states of its pieces (Bommasani, Davis, Cardie 2020,
    "Interpreting Pretrained Contextualized Representations via Reductions to Static Embeddings").
    Longer documents are cut into windows, which do not overlap, between words.

    model (torch.nn.Module): A Hugging Face encoder, as AutoModel loads it. It is moved to the
        device and set to evaluation.
    tokenizer (PreTrainedTokenizerFast): Its tokenizer.
    layer (int): Which hidden states: 0 are the embeddings, 1 is the first layer; -1 is the last,
        as an index of Python; None is DEFAULT_LAYER of the layers.
    device (str): Where to run it, in torch's words.
    batch_size (int): Windows that run at once.
    RAISES (ValueError): The model has no such layer or is no encoder, or the tokenizer cannot tell
        which characters a piece comes from.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        layer: Optional[int] = None,
        device: str = "cpu",
        batch_size: int = 64,
    ):
        depth = getattr(model.config, "num_hidden_layers", None)
        if depth is None or getattr(model.config, "is_encoder_decoder", False):
            raise ValueError(
                f"[D627] A {type(model).__name__} has no stack of hidden layers to read word "
                "vectors from. Name an encoder such as BERT, RoBERTa or XLM-R."
            )
        if layer is None:
            layer = round(DEFAULT_LAYER * depth)
        if not -depth - 1 <= layer <= depth:
            raise ValueError(
                f"[D628] The transformer has no layer {layer}: it has {depth} layers. Choose 0 "
                f"(its embeddings) to {depth}."
            )
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"[D629] A {type(tokenizer).__name__} does not tell which characters its pieces "
                "come from. Load the transformer with a fast tokenizer (`use_fast = true`)."
            )
        self.model = model.to(device).eval()
        self.tokenizer = tokenizer
        self.layer = layer % (depth + 1)
        self.device = device
        self.batch_size = batch_size
        stop_at_layer(self.model, self.layer, depth)
        self.width = int(model.config.hidden_size)
        self.is_uncased = tokenizer.tokenize("Oslo UN") == tokenizer.tokenize("oslo un")
        self._before, self._after = _special_pieces(tokenizer)
        positions = getattr(model.config, "max_position_embeddings", None) or WINDOW
        # RoBERTa's positions start after the padding's.
        room = positions - len(self._before) - len(self._after) - 2
        self.window = max(1, min(WINDOW, room))

    def key(self, word: str) -> str:
        """RETURNS (str): What the transformer tells apart of a word: its lower-cased form if the
        tokenizer is uncased."""
        return word.lower() if self.is_uncased else word

    def encode(self, documents: Sequence[Words]) -> Tuple[Floats2d, Ints1d]:
        """Encode the words of documents.

        documents (Sequence[Words]): Words and following spaces of each.
        RETURNS (Tuple[Floats2d, Ints1d]): A float32 vector for each word of all documents, (words,
            width), and its number of pieces (words,): 0 for a word that the tokenizer drops, such
            as a line break, whose vector is zero.
        """
        import torch

        pieces, owners = self._pieces(documents)
        total = sum(len(words) for words, _ in documents)
        counts = numpy.bincount(numpy.concatenate([*owners, [total]]), minlength=total)[:total]
        sums = torch.zeros((total + 1, self.width), device=self.device)
        windows = [
            (ids[start:end], owner[start:end])
            for ids, owner in zip(pieces, owners, strict=True)
            for start, end in cut(owner, self.window)
        ]
        lengths = [len(ids) for ids, _ in windows]
        with torch.inference_mode():
            for numbers in length_batches(lengths, self.batch_size, self.model.config):
                batch = [windows[number] for number in numbers]
                restore_attention(self.model)
                owner = torch.from_numpy(numpy.concatenate([owner for _, owner in batch]))
                states = self._hidden_states([ids for ids, _ in batch])
                sums.index_add_(0, owner.to(self.device), states)
        vectors = sums[:total].cpu().numpy()
        vectors /= numpy.maximum(counts, 1)[:, None]
        return vectors, counts

    def _pieces(self, documents: Sequence[Words]) -> Tuple[List[List[int]], List[Ints1d]]:
        """RETURNS: Each document's pieces, and for each piece the number of its word, counted over
        all documents; the number of words for a piece of none."""
        texts, ends = [], []
        for words, spaces in documents:
            parts = [word + " " * space for word, space in zip(words, spaces, strict=True)]
            borders = numpy.cumsum([len(part) for part in parts], dtype="int64")
            texts.append("".join(parts))
            ends.append(borders - numpy.asarray(spaces, dtype="int64").reshape(len(parts)))
        if not texts:
            return [], []
        found = self.tokenizer(
            texts,
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            truncation=False,
            verbose=False,
        )
        total = sum(map(len, ends))
        owners, first = [], 0
        for offsets, word_ends in zip(found["offset_mapping"], ends, strict=True):
            starts = numpy.array([start for start, _ in offsets], dtype="int64")
            # Some tokenizers count the space before a word to its first piece: the piece is the
            # first word's that ends after it.
            owner = numpy.searchsorted(word_ends, starts, side="right")
            owners.append(numpy.where(owner < len(word_ends), owner + first, total))
            first += len(word_ends)
        return found["input_ids"], owners

    def _hidden_states(self, windows: Sequence[List[int]]) -> Any:
        """RETURNS (torch.Tensor): The hidden states of all windows' pieces, one after the other,
        (pieces, width), without those of special pieces and padding."""
        import torch

        length = max(map(len, windows)) + len(self._before) + len(self._after)
        padding = self.tokenizer.pad_token_id or 0
        ids = torch.full((len(windows), length), padding)
        mask = torch.zeros((len(windows), length), dtype=torch.int64)
        own = torch.zeros((len(windows), length), dtype=torch.bool)
        for i, window in enumerate(windows):
            row = [*self._before, *window, *self._after]
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
            own[i, len(self._before) : len(self._before) + len(window)] = True
        try:
            output = self.model(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                output_hidden_states=True,
                return_dict=True,
            )
            states = output.hidden_states[self.layer]
        except LayerReached as reached:
            states = reached.states
        return states[own.to(self.device)].float()


class LayerReached(Exception):
    """The hidden states that are asked for are there: the layers above need not run.

    states (torch.Tensor): They, (windows, pieces, width).
    """

    def __init__(self, states: Any):
        self.states = states


def stop_at_layer(model: Any, layer: int, depth: int) -> None:
    """Let a model raise LayerReached once it has the hidden states of a layer, where its layers are
    one list of modules that get their hidden states first, as those of most encoders do. Others
    run to their end, which costs time only.

    model (torch.nn.Module): The model.
    layer (int): The layer, from 0 for the embeddings to `depth`.
    depth (int): How many layers the model has.
    """
    from torch.nn import ModuleList

    stacks = [m for m in model.modules() if isinstance(m, ModuleList) and len(m) == depth]
    if layer == depth or len(stacks) != 1:
        return

    def stop(module: Any, inputs: Tuple[Any, ...]) -> None:
        if inputs:
            raise LayerReached(inputs[0])

    stacks[0][layer].register_forward_pre_hook(stop)


def cut(owners: Ints1d, window: int) -> Iterator[Tuple[int, int]]:
    """Cut a document's pieces into windows, between words where that can be.

    owners (Ints1d): The word of each piece, (pieces,).
    window (int): The longest window, in pieces.
    YIELDS (Tuple[int, int]): Start and end of each window.
    """
    borders = numpy.flatnonzero(numpy.diff(owners, prepend=-1)) if len(owners) else owners
    start = 0
    while start < len(owners):
        end = min(start + window, len(owners))
        if end < len(owners):
            border = int(borders[numpy.searchsorted(borders, end, side="right") - 1])
            # A word that is longer than the window has to be cut.
            end = border if border > start else end
        yield start, end
        start = end


def _special_pieces(tokenizer: Any) -> Tuple[List[int], List[int]]:
    """RETURNS (Tuple[List[int], List[int]]): The pieces that the tokenizer puts before and after a
    text: not every tokenizer can add them to pieces that are there already."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return full[:start], full[start + len(bare) :]
    raise ValueError(
        f"[D630] A {type(tokenizer).__name__} changes a text's pieces where it adds special ones. "
        "Use a transformer with another tokenizer."
    )
