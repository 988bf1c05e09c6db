"""Compute the hidden states of tokens with a transformer and its tokenizer."""

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
from .truncation import layer_stack

# The wordpieces of a window for features. The context of a token has at least an eighth of them on
# each side.
WINDOW = 256
# The wordpieces of a batch, including padding.
BATCH_SIZE = 4096
# The documents of a stream that are read at once, sorted by length.
DOCS_PER_STEP = 512
# Tokenizers without a maximum input length have the value 1e30.
NO_LIMIT = 10**6
DEFAULT_LIMIT = 512
# Settings of a model's config that have no effect on its output.
IGNORED_SETTINGS = {"architectures", "torch_dtype", "dtype", "transformers_version"}

Offsets = List[Tuple[int, int]]


class Encoder:
    """Runs a transformer on documents of any length.

    A text is cut into windows that overlap by a quarter. If a wordpiece is in two windows, the
    output is taken from the window whose edge is farther away. The output of a document does not
    depend on its batch, except for rounding.
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
        """Create the encoder.

        model (torch.nn.Module): A transformer, or a transformer with a head.
        tokenizer (PreTrainedTokenizerFast): Its tokenizer.
        name (str): The name of the model in error messages.
        window (Optional[int]): The maximum number of wordpieces of a window, including special
            ones. It is reduced to the maximum input length of the model. None for the latter.
        batch_size (int): The maximum number of wordpieces of a batch, including padding.
        RAISES (ValueError): The tokenizer does not return offsets.
        """
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"[D234] The tokenizer of '{name}', {type(tokenizer).__name__}, does not return "
                "the positions of wordpieces in the text. Choose a model with a fast tokenizer "
                "(tokenizer.json). For a transformer of a pipeline, set `use_fast = true`."
            )
        self.model, self.tokenizer, self.name = model, tokenizer, name
        limit = max_input_length(model, tokenizer)
        self.window = limit if window is None else min(window, limit)
        self._overlap = self.window // 4
        # Windows start at the beginning of the text.
        tokenizer.truncation_side = "right"
        # `_windows` uses the same settings, so its calls do not change the tokenizer. Calls in
        # several threads would otherwise interfere.
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.enable_truncation(self.window, stride=self._overlap)
        self.batch_size = batch_size
        accepted = inspect.signature(model.forward).parameters
        padding = {
            "input_ids": tokenizer.pad_token_id or 0,
            "attention_mask": 0,
            "token_type_ids": tokenizer.pad_token_type_id,
        }
        # The inputs of the model, with their padding values.
        self._padding: Dict[str, int] = {key: padding[key] for key in padding if key in accepted}

    @cached_property
    def depth(self) -> int:
        """The number of layers. RAISES (ValueError): The model is not an encoder with layers."""
        depth = getattr(self.model.config, "num_hidden_layers", None)
        if depth is None or getattr(self.model.config, "is_encoder_decoder", False):
            raise ValueError(
                f"[D627] The model '{self.name}', {type(self.model).__name__}, is not an encoder "
                "with hidden layers. Choose an encoder such as BERT, RoBERTa or XLM-R."
            )
        return int(depth)

    @property
    def width(self) -> int:
        """The width of the hidden states."""
        return int(self.model.config.hidden_size)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights, the config and the tokenizer. Only for frozen weights."""
        import torch

        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().tobytes())
        config = self.model.config.to_dict()
        # Keys with an underscore depend on the path of the model.
        used = {k: v for k, v in config.items() if k[0] != "_" and k not in IGNORED_SETTINGS}
        parts = [used, self._padding, self.tokenizer.backend_tokenizer.to_str()]
        digest.update(json.dumps(parts, sort_keys=True, default=str).encode())
        return digest.hexdigest()

    def pipe(
        self, docs: Iterable[Doc], layer: int, *, desc: str, total: Optional[int] = None
    ) -> Iterator[Tuple[List[Doc], Floats2d, Ints1d]]:
        """Compute the hidden states of a stream of documents, and show a progress bar.

        docs (Iterable[Doc]): The documents.
        layer (int): The layer, 0 for the transformer's embeddings.
        desc (str): The title of the bar.
        total (Optional[int]): The number of tokens, if it is known.
        YIELDS (Tuple[List[Doc], Floats2d, Ints1d]): Some of the documents, the states of their
            tokens, (tokens, width), and the number of wordpieces of each token, (tokens,).
        """
        import torch

        with ProgressBar(desc=desc, total=total, unit="word") as progress:
            for batch in minibatch(docs, DOCS_PER_STEP):
                with torch.inference_mode():
                    states, n_pieces = self.states(batch, [layer])
                yield batch, states[:, 0].cpu().numpy(), n_pieces
                progress.update(len(n_pieces))

    def states(self, docs: Sequence[Doc], layers: Sequence[int]) -> Tuple[Any, Ints1d]:
        """Compute the hidden states of tokens: the means over their wordpieces (Bommasani, Davis,
        Cardie 2020, "Interpreting Pretrained Contextualized Representations via Reductions to
        Static Embeddings"). Gradients can flow through it, unless torch's gradients are disabled.

        docs (Sequence[Doc]): The documents.
        layers (Sequence[int]): The layers, 0 for the transformer's embeddings.
        RETURNS (Tuple[torch.Tensor, Ints1d]): The states, (tokens, layers, width) float32 on the
            model's device, zeros for tokens without wordpieces; and the number of wordpieces of
            each token, (tokens,).
        """
        import torch

        def run(inputs: Dict[str, Any]) -> Any:
            return torch.stack(self._hidden_states(inputs, layers), dim=2).float()

        pieces, offsets = self.read(docs, run, (len(layers), self.width))
        starts = numpy.cumsum([0, *map(len, offsets)])
        first_pieces, counts = [numpy.zeros(0, dtype="int64")], [numpy.zeros(0, dtype="int64")]
        for doc, start, doc_offsets in zip(docs, starts, offsets, strict=False):
            first, count = token_pieces(doc, doc_offsets)
            first_pieces.append(first + start)
            counts.append(count)
        n_pieces = numpy.concatenate(counts)
        # The index of each wordpiece within its token.
        index = numpy.arange(n_pieces.sum()) - numpy.repeat(n_pieces.cumsum() - n_pieces, n_pieces)
        rows, tokens, divisors = (
            torch.from_numpy(array).to(pieces.device)
            for array in (
                numpy.repeat(numpy.concatenate(first_pieces), n_pieces) + index,
                numpy.repeat(numpy.arange(len(n_pieces)), n_pieces),
                numpy.maximum(n_pieces, 1),
            )
        )
        sums = pieces.new_zeros((len(n_pieces), *pieces.shape[1:]))
        return sums.index_add(0, tokens, pieces[rows]) / divisors[:, None, None], n_pieces

    def read(
        self, docs: Sequence[Doc], run: Callable[[Dict[str, Any]], Any], shape: Tuple[int, ...]
    ) -> Tuple[Any, List[Offsets]]:
        """Run the model on the wordpieces of documents.

        docs (Sequence[Doc]): The documents.
        run (Callable[[Dict[str, torch.Tensor]], torch.Tensor]): From the model's inputs, each
            (windows, wordpieces), to the output, (windows, wordpieces, *shape).
        shape (Tuple[int, ...]): The shape of a wordpiece's output.
        RETURNS (Tuple[torch.Tensor, List[Offsets]]): The output at the wordpieces of all documents,
            without special ones, (wordpieces, *shape); and the offsets of each document's
            wordpieces: the first character and the one after the last.
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
        empty = torch.zeros((0, *shape), device=device)
        return torch.cat([empty, *(outputs[index] for index in range(len(windows)))]), offsets

    def _windows(
        self, docs: Sequence[Doc]
    ) -> Tuple[List[Dict[str, List[int]]], List[slice], List[Offsets]]:
        """RETURNS: The model's inputs of each window; the wordpieces whose output is taken from
        this window; and the offsets of each document's wordpieces."""
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
            # Special wordpieces have no sequence id.
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
        """Compute the hidden states of layers. If the transformer is a single list of layers, as
        most encoders are, the layers above the highest one are not run.
        """
        found: Dict[int, Any] = {}

        def keep(layer: int) -> Callable[[Any, Tuple[Any, ...]], None]:
            def hook(module: Any, arguments: Tuple[Any, ...]) -> None:
                if arguments:
                    found[layer] = arguments[0]
                    if layer == max(layers):
                        raise LayerReached(layer)

            return hook

        stack = layer_stack(self.model) if max(layers) < self.depth else None
        hooks = (
            [stack[layer].register_forward_pre_hook(keep(layer)) for layer in layers]
            if stack is not None
            else []
        )
        try:
            output = self.model(**inputs, output_hidden_states=True, return_dict=True)
            return [output.hidden_states[layer] for layer in layers]
        except LayerReached:
            return [found[layer] for layer in layers]
        finally:
            for hook in hooks:
                hook.remove()


class LayerReached(Exception):
    """Ends a forward pass after the highest layer that is needed."""


def max_input_length(model: Any, tokenizer: Any) -> int:
    """RETURNS (int): The maximum number of wordpieces of a model's input, including special
    ones."""
    limits = [tokenizer.model_max_length]
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions and positions > 0:
        # RoBERTa's positions start after the position of padding.
        unused = (
            module.padding_idx + 1
            for name, module in model.named_modules()
            if name.endswith("position_embeddings")
            and getattr(module, "padding_idx", None) is not None
        )
        limits.append(positions - next(unused, 0))
    return min([limit for limit in limits if limit < NO_LIMIT], default=DEFAULT_LIMIT)
