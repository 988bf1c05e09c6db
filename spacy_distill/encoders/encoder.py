"""A transformer and its tokenizer: documents in, hidden states of their tokens out."""

import hashlib
import inspect
import json
from functools import cached_property
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.types import Floats2d, Ints1d

from ..progress import ProgressBar
from .alignment import token_pieces
from .batches import length_batches, restore_attention

# Wordpieces of a window from which features of tokens are taken. A token's context is at least an
# eighth of it on each side.
WINDOW = 256
# Wordpieces that a transformer reads at once, padding included.
BATCH_SIZE = 4096
# Documents of a stream that are sorted by length together.
DOCS_PER_STEP = 512
# Tokenizers without a longest input give 1e30.
NO_LIMIT = 10**6
DEFAULT_LIMIT = 512
# Settings of a model's config that do not change its output.
IGNORED_SETTINGS = {"architectures", "torch_dtype", "dtype", "transformers_version"}

Offsets = List[Tuple[int, int]]


class Encoder:
    """Reads documents of any length with a transformer.

    A text is cut into windows that overlap by a quarter. Of a wordpiece in two windows, the output
    is taken from the one whose edge is farther away. Windows are batched such that a document's
    output does not depend on the documents that are read with it, but for rounding.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        window: Optional[int] = WINDOW,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """Put a transformer and its tokenizer together.

        model (torch.nn.Module): A transformer, or a model with a head over one.
        tokenizer (PreTrainedTokenizerFast): Its tokenizer.
        name (str): What errors call the model.
        window (Optional[int]): Wordpieces of a window, special ones included; at most as many as
            the model reads. None is as many as it reads.
        batch_size (int): Wordpieces that are read at once, padding included.
        RAISES (ValueError): The tokenizer has no offsets.
        """
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"[D234] The tokenizer of '{name}', {type(tokenizer).__name__}, does not say where "
                "in the text a wordpiece stands. Take a model that has a fast tokenizer "
                "(tokenizer.json), and set `use_fast = true` for that of a pipeline."
            )
        self.model, self.tokenizer, self.name = model, tokenizer, name
        limit = max_input_length(model, tokenizer)
        self.window = limit if window is None else min(window, limit)
        self._overlap = self.window // 4
        # Windows are counted from the text's beginning.
        tokenizer.truncation_side = "right"
        # Those of `_windows`, which then changes no setting that another thread may read.
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.enable_truncation(self.window, stride=self._overlap)
        self.batch_size = batch_size
        accepted = inspect.signature(model.forward).parameters
        padding = {
            "input_ids": tokenizer.pad_token_id or 0,
            "attention_mask": 0,
            "token_type_ids": tokenizer.pad_token_type_id,
        }
        # What the model takes of the tokenizer's output, and the value of the padding.
        self._padding: Dict[str, int] = {key: padding[key] for key in padding if key in accepted}

    @cached_property
    def depth(self) -> int:
        """The number of layers. RAISES (ValueError): The model is no stack of layers."""
        depth = getattr(self.model.config, "num_hidden_layers", None)
        if depth is None or getattr(self.model.config, "is_encoder_decoder", False):
            raise ValueError(
                f"[D627] The model '{self.name}', {type(self.model).__name__}, has no stack of "
                "hidden layers to take states of tokens from. Name an encoder such as BERT, "
                "RoBERTa or XLM-R."
            )
        return int(depth)

    @property
    def width(self) -> int:
        """The width of the hidden states."""
        return int(self.model.config.hidden_size)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights, the config and the tokenizer, for weights that do not change."""
        import torch

        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().tobytes())
        config = self.model.config.to_dict()
        # Keys with an underscore say where the model was loaded from.
        used = {k: v for k, v in config.items() if k[0] != "_" and k not in IGNORED_SETTINGS}
        parts = [used, self._padding, self.tokenizer.backend_tokenizer.to_str()]
        digest.update(json.dumps(parts, sort_keys=True, default=str).encode())
        return digest.hexdigest()

    def pipe(
        self, docs: Iterable[Doc], layer: int, *, desc: str, total: Optional[int] = None
    ) -> Iterator[Tuple[List[Doc], Floats2d, Ints1d]]:
        """Read a stream of documents, and show a progress bar.

        docs (Iterable[Doc]): The documents.
        layer (int): The layer whose states are wanted, 0 for the transformer's embeddings.
        desc (str): The title of the bar.
        total (Optional[int]): The number of tokens, if it is known.
        YIELDS (Tuple[List[Doc], Floats2d, Ints1d]): Some of the documents, their tokens' states,
            (tokens, width), and the numbers of their wordpieces, (tokens,).
        """
        import torch

        with ProgressBar(desc=desc, total=total, unit="word") as progress:
            for batch in minibatch(docs, DOCS_PER_STEP):
                with torch.inference_mode():
                    states, n_pieces = self.states(batch, [layer])
                yield batch, states[:, 0].cpu().numpy(), n_pieces
                progress.update(len(n_pieces))

    def states(self, docs: Sequence[Doc], layers: Sequence[int]) -> Tuple[Any, Ints1d]:
        """Read the hidden states of tokens: means over their wordpieces (Bommasani, Davis, Cardie
        2020, "Interpreting Pretrained Contextualized Representations via Reductions to Static
        Embeddings").

        Gradients are recorded, unless torch is told otherwise.

        docs (Sequence[Doc]): The documents.
        layers (Sequence[int]): The layers, 0 for the transformer's embeddings.
        RETURNS (Tuple[torch.Tensor, Ints1d]): (tokens, layers, width) float32 on the model's
            device, zeros for tokens without a wordpiece; and the tokens' numbers of wordpieces,
            (tokens,).
        """
        import torch

        def run(inputs: Dict[str, Any]) -> Any:
            return torch.stack(self._hidden_states(inputs, layers), dim=2).float()

        pieces, offsets = self.read(docs, run, (len(layers), self.width))
        starts = numpy.cumsum([0, *map(len, offsets)])
        firsts, numbers = [numpy.zeros(0, dtype="int64")], [numpy.zeros(0, dtype="int64")]
        for doc, start, places in zip(docs, starts, offsets, strict=False):
            first, number = token_pieces(doc, places)
            firsts.append(first + start)
            numbers.append(number)
        n_pieces = numpy.concatenate(numbers)
        # How far a wordpiece stands behind the first one of its token.
        behind = numpy.arange(n_pieces.sum()) - numpy.repeat(n_pieces.cumsum() - n_pieces, n_pieces)
        rows, owners, divisors = (
            torch.from_numpy(array).to(pieces.device)
            for array in (
                numpy.repeat(numpy.concatenate(firsts), n_pieces) + behind,
                numpy.repeat(numpy.arange(len(n_pieces)), n_pieces),
                numpy.maximum(n_pieces, 1),
            )
        )
        sums = pieces.new_zeros((len(n_pieces), *pieces.shape[1:]))
        return sums.index_add(0, owners, pieces[rows]) / divisors[:, None, None], n_pieces

    def read(
        self, docs: Sequence[Doc], run: Callable[[Dict[str, Any]], Any], shape: Tuple[int, ...]
    ) -> Tuple[Any, List[Offsets]]:
        """Run the model on documents.

        docs (Sequence[Doc]): The documents.
        run (Callable[[Dict[str, torch.Tensor]], torch.Tensor]): From the model's inputs, each
            (windows, wordpieces), to the output, (windows, wordpieces, *shape).
        shape (Tuple[int, ...]): The shape of a wordpiece's output.
        RETURNS (Tuple[torch.Tensor, List[Offsets]]): The output at all documents' wordpieces,
            special ones left out, (wordpieces, *shape); and for each document the first character
            of its wordpieces and the one after the last.
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        device = next(self.model.parameters()).device
        windows, kept, offsets = self._windows(docs)
        outputs: Dict[int, Any] = {}
        lengths = [len(window["input_ids"]) for window in windows]
        for batch in length_batches(lengths, self.batch_size, self.model.config):
            restore_attention(self.model)
            inputs = {
                key: pad_sequence(
                    [torch.tensor(windows[index][key]) for index in batch],
                    batch_first=True,
                    padding_value=self._padding[key],
                ).to(device)
                for key in windows[0]
            }
            for index, output in zip(batch, run(inputs), strict=True):
                outputs[index] = output[kept[index]]
        nothing = torch.zeros((0, *shape), device=device)
        return torch.cat([nothing, *(outputs[index] for index in range(len(windows)))]), offsets

    def _windows(
        self, docs: Sequence[Doc]
    ) -> Tuple[List[Dict[str, List[int]]], List[slice], List[Offsets]]:
        """RETURNS: The model's inputs for each window; the wordpieces whose output is taken from
        it; and the places of each document's wordpieces."""
        windows: List[Dict[str, List[int]]] = []
        kept: List[slice] = []
        offsets: List[Offsets] = [[] for _ in docs]
        if not docs:
            return windows, kept, offsets
        encoded = self.tokenizer(
            [doc.text for doc in docs],
            truncation=True,
            max_length=self.window,
            stride=self._overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=True,
        )
        sources = encoded["overflow_to_sample_mapping"]
        for index, source in enumerate(sources):
            # Special wordpieces belong to no text.
            content = [n for n, text in enumerate(encoded.sequence_ids(index)) if text == 0]
            if index and sources[index - 1] == source:
                content = content[(self._overlap + 1) // 2 :]
            if index + 1 < len(sources) and sources[index + 1] == source:
                content = content[: len(content) - self._overlap // 2]
            if content:
                kept.append(slice(content[0], content[-1] + 1))
                offsets[source].extend(encoded["offset_mapping"][index][kept[-1]])
                windows.append({k: encoded[k][index] for k in self._padding if k in encoded})
        return windows, kept, offsets

    def _hidden_states(self, inputs: Dict[str, Any], layers: Sequence[int]) -> List[Any]:
        """Run the transformer up to the highest of the layers, where its layers are one list of
        modules that take hidden states first, as those of most encoders are. Others run to the end.
        """
        from torch.nn import ModuleList

        found: Dict[int, Any] = {}

        def keep(layer: int) -> Callable[[Any, Tuple[Any, ...]], None]:
            def hook(module: Any, arguments: Tuple[Any, ...]) -> None:
                if arguments:
                    found[layer] = arguments[0]
                    if layer == max(layers):
                        raise LayerReached(layer)

            return hook

        lists = [m for m in self.model.modules() if isinstance(m, ModuleList)]
        stacks = [modules for modules in lists if len(modules) == self.depth]
        is_early = len(stacks) == 1 and max(layers) < self.depth
        hooks = [
            stacks[0][layer].register_forward_pre_hook(keep(layer))
            for layer in (layers if is_early else ())
        ]
        try:
            output = self.model(**inputs, output_hidden_states=True, return_dict=True)
            return [output.hidden_states[layer] for layer in layers]
        except LayerReached:
            return [found[layer] for layer in layers]
        finally:
            for hook in hooks:
                hook.remove()


class LayerReached(Exception):
    """The hidden states of a layer are there, and the layers above need not run."""


def max_input_length(model: Any, tokenizer: Any) -> int:
    """RETURNS (int): The most wordpieces that a model reads at once, special ones included."""
    limits = [tokenizer.model_max_length]
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions and positions > 0:
        # RoBERTa's positions start behind that of padding.
        unused = (
            module.padding_idx + 1
            for name, module in model.named_modules()
            if name.endswith("position_embeddings")
            and getattr(module, "padding_idx", None) is not None
        )
        limits.append(positions - next(unused, 0))
    return min([limit for limit in limits if limit < NO_LIMIT], default=DEFAULT_LIMIT)
