"""A Thinc layer that returns the hidden states of the layers of a transformer, frozen or
fine-tuned."""

from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

import srsly
from spacy.tokens import Doc
from thinc.api import Model, PyTorchShim, get_torch_default_device, torch2xp, xp2torch
from thinc.types import Ragged

from ..limits import is_plain_name, require_msgpack
from .encoder import WINDOW, Encoder
from .feature_cache import cached_states
from .loading import load_transformer
from .truncation import truncated

# Numbers of layers, or one layer at a share of the depth.
Layers = Union[float, List[int]]
# The files of a saved transformer: none of them has code or pickles.
SUFFIXES = (".json", ".safetensors", ".txt", ".model")


def TransformerLayers(
    name: Union[str, Path],
    frozen: bool = True,
    learn_rate_factor: float = 1.0,
    window: int = WINDOW,
    layers: Optional[Layers] = None,
) -> Model[List[Doc], Ragged]:
    """Build a layer over a transformer. For each token it returns the mean hidden states of its
    wordpieces at each layer.

    A frozen transformer reads a document once, and the features are cached (`feature_cache.py`).
    Later epochs then need no more time than the layers above it.

    name (Union[str, Path]): The transformer: a folder, or `hf:OWNER/NAME`. It is not needed after
        initialization, because the weights are saved with the model.
    frozen (bool): Whether the weights of the transformer are constant. Otherwise it is fine-tuned.
    learn_rate_factor (float): Multiplies the learning rate of a fine-tuned transformer, which
        usually needs a lower one than the layers above it.
    window (int): The number of wordpieces of a window. Windows overlap by a quarter.
    layers (Optional[Union[float, List[int]]]): The numbers of the layers to return, in ascending
        order; 0 is the transformer's embedding. Or one layer, at this share of the depth: 0.6 is
        layer 7 of 12.
        Null for all. Layers above the last one are not computed. `distill-prune` sets it.
    RETURNS (Model[List[Doc], Ragged]): From documents to (tokens, layers, width). Zeros for tokens
        without wordpieces.
    RAISES (ImportError): At initialization: the train extra is not installed.
    RAISES (ValueError): At initialization: there is no such transformer, or it cannot be used. At a
        call: hidden states are too large for half precision.
    """
    return Model(
        "transformer_layers",
        forward,
        init=init,
        dims={"nO": None},
        attrs={"frozen": frozen, "learn_rate_factor": learn_rate_factor},
        shims=[TransformerShim(str(name), window, layers)],
    )


class TransformerShim(PyTorchShim):
    """Saves, loads and updates a transformer together with its Thinc layer."""

    def __init__(self, name: str, window: int, layers: Optional[Layers] = None) -> None:
        super().__init__(None)
        self.name, self.window = name, window
        self.chosen = layers
        self.encoder: Optional[Encoder] = None

    @property
    def transformer(self) -> Any:
        """The transformer (torch.nn.Module)."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer (PreTrainedTokenizerFast)."""
        return None if self.encoder is None else self.encoder.tokenizer

    @property
    def layers(self) -> List[int]:
        """The layers whose states are returned. RAISES (ValueError): There are no such layers."""
        assert self.encoder is not None
        depth = self.encoder.depth
        if self.chosen is None:
            return list(range(depth + 1))
        numbers: List[int] = []
        if isinstance(self.chosen, list):
            numbers = list(self.chosen)
        # No integers: 1 would be read as the first layer, and mean the last one.
        elif isinstance(self.chosen, float) and 0 <= self.chosen <= 1:
            numbers = [round(self.chosen * depth)]
        if not numbers or numbers != sorted(set(range(depth + 1)) & set(numbers)):
            raise ValueError(
                f"[D641] The layers {self.chosen!r} of the transformer '{self.name}' cannot be "
                f"used: expected a list of numbers from 0 to {depth} in ascending order, such as "
                "[1], or a share of the depth from 0.0 to 1.0. Correct `layers` in the config."
            )
        return numbers

    def pruned(self, kept: Sequence[int]) -> bytes:
        """Save the transformer without the layers above the highest one that is kept.

        kept (Sequence[int]): The numbers of the kept states among those that are returned.
        RETURNS (bytes): The files of the smaller transformer, as `to_bytes` returns them.
        """
        highest = max(self.layers[number] for number in kept)
        smaller = TransformerShim(self.name, self.window)
        smaller._model = truncated(self.transformer, highest)
        smaller.encoder = Encoder(
            smaller._model, self.tokenizer, name=self.name, window=self.window
        )
        return smaller.to_bytes()

    def load(self, name: Union[str, Path]) -> None:
        """Load the transformer from a folder or the hub, onto the device of the current ops."""
        model, tokenizer = load_transformer(name)
        self._model = model.to(get_torch_default_device())
        self.encoder = Encoder(model, tokenizer, name=self.name, window=self.window)

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The files of the transformer; no files before initialization."""
        files = {}
        if self.encoder is not None:
            # The window is a setting of the config, so it is not saved with the tokenizer.
            tokenizer = deepcopy(self.tokenizer)
            tokenizer.backend_tokenizer.no_truncation()
            with TemporaryDirectory() as folder:
                self.transformer.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
                files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
        return srsly.msgpack_dumps(files)

    def from_bytes(self, bytes_data: bytes) -> "TransformerShim":
        """Load the files that `to_bytes` returned."""
        require_msgpack(bytes_data)
        files = srsly.msgpack_loads(bytes_data)
        if not isinstance(files, dict) or not all(map(_is_file_of_model, files.items())):
            raise ValueError(
                "[D786] The saved transformer has something else than files of a model: expected "
                f"names with {', '.join(SUFFIXES)} and no folders. Save the teacher again."
            )
        if files:
            # On Windows, files that are mapped into memory cannot be removed.
            with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                for name, content in files.items():
                    (Path(folder) / name).write_bytes(content)
                self.load(folder)
        return self


def _is_file_of_model(item: Tuple[Any, Any]) -> bool:
    name, content = item
    return is_plain_name(name) and Path(name).suffix in SUFFIXES and isinstance(content, bytes)


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    (shim,) = model.shims
    if shim.encoder is None:
        shim.load(shim.name)
    shim.layers  # noqa: B018 - raises an error if there are no such layers
    model.set_dim("nO", shim.encoder.width)


def forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    import torch

    encoder: Encoder = model.shims[0].encoder
    layers = model.shims[0].layers
    lengths = model.ops.asarray1i([len(doc) for doc in docs])
    if model.attrs["frozen"]:
        features = model.ops.asarray3f(cached_states(encoder, docs, layers))
        return Ragged(features, lengths), lambda d_output: docs
    with torch.set_grad_enabled(is_train):
        encoder.model.train(is_train)
        tokens, _ = encoder.states(docs, layers)
        encoder.model.eval()

    def backprop(d_output: Ragged) -> List[Doc]:
        if tokens.requires_grad:
            tokens.backward(xp2torch(d_output.dataXd, device=tokens.device))
        return docs

    return Ragged(torch2xp(tokens.detach(), ops=model.ops), lengths), backprop
