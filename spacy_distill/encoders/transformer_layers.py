"""A transformer's hidden states as features of tokens: every layer's, frozen or fine-tuned."""

from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, List, Optional, Tuple, Union

import srsly
from spacy.tokens import Doc
from thinc.api import Model, PyTorchShim, get_torch_default_device, torch2xp, xp2torch
from thinc.types import Ragged

from .encoder import WINDOW, Encoder
from .feature_cache import cached_states
from .loading import load_transformer


def TransformerLayers(
    name: Union[str, Path],
    frozen: bool = True,
    learn_rate_factor: float = 1.0,
    window: int = WINDOW,
) -> Model[List[Doc], Ragged]:
    """Give each token the mean hidden states of its wordpieces at each layer.

    A frozen transformer reads a document once, and its features are kept (`feature_cache.py`). The
    layers above then train at their own speed.

    name (Union[str, Path]): The transformer: a folder, or `hf:OWNER/NAME`. A trained model does not
        need it any more.
    frozen (bool): Whether the transformer keeps its weights, or is fine-tuned.
    learn_rate_factor (float): Multiplies the learning rate for a fine-tuned transformer, which
        wants a lower one than the layers above.
    window (int): Wordpieces that the transformer reads at once. Windows overlap by a quarter.
    RETURNS (Model[List[Doc], Ragged]): (tokens, layers, width) for documents; the first "layer" is
        the transformer's embedding. Zeros for tokens without a wordpiece.
    RAISES (ImportError): When it is initialized: the train extra is not installed.
    RAISES (ValueError): When it is initialized: there is no such transformer, or it does not fit.
        At a call: hidden states are too large to be kept in half precision.
    """
    return Model(
        "transformer_layers",
        forward,
        init=init,
        dims={"nO": None},
        attrs={"frozen": frozen, "learn_rate_factor": learn_rate_factor},
        shims=[TransformerShim(str(name), window)],
    )


class TransformerShim(PyTorchShim):
    """Saves, moves and updates a transformer with the layer that it belongs to."""

    def __init__(self, name: str, window: int) -> None:
        super().__init__(None)
        self.name, self.window = name, window
        self.encoder: Optional[Encoder] = None

    @property
    def transformer(self) -> Any:
        """The transformer (torch.nn.Module)."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer (PreTrainedTokenizerFast)."""
        return None if self.encoder is None else self.encoder.tokenizer

    def load(self, name: Union[str, Path]) -> None:
        """Load the transformer onto the device of the current ops, from a folder or the hub."""
        model, tokenizer = load_transformer(name)
        self._model = model.to(get_torch_default_device())
        self.encoder = Encoder(model, tokenizer, name=self.name, window=self.window)

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The files that transformers writes; none before it is initialized."""
        files = {}
        if self.encoder is not None:
            # The window is a setting of the config, not of the tokenizer.
            tokenizer = deepcopy(self.tokenizer)
            tokenizer.backend_tokenizer.no_truncation()
            with TemporaryDirectory() as folder:
                self.transformer.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
                files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
        return srsly.msgpack_dumps(files)

    def from_bytes(self, bytes_data: bytes) -> "TransformerShim":
        """Load what `to_bytes` gave."""
        files = srsly.msgpack_loads(bytes_data)
        if files:
            # Windows removes no file that is mapped into memory.
            with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                for name, content in files.items():
                    (Path(folder) / name).write_bytes(content)
                self.load(folder)
        return self


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    (shim,) = model.shims
    if shim.encoder is None:
        shim.load(shim.name)
    model.set_dim("nO", shim.encoder.width)


def forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    import torch

    encoder: Encoder = model.shims[0].encoder
    layers = range(encoder.depth + 1)
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
