"""A transformer's hidden states as features of tokens: every layer's, frozen or fine-tuned."""

from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Hashable,
    Iterator,
    List,
    Mapping,
    Tuple,
    TypeVar,
)

import numpy
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats3d, Ragged

from ..names import model_place
from ..padding import masks_padding, restore_attention
from .feature_cache import FEATURES, document_key, model_key

if TYPE_CHECKING:
    # The entry point is loaded in installs without torch too, when spaCy lists its architectures.
    from spacy_transformers.data_classes import FullTransformerBatch

Key = TypeVar("Key", bound=Hashable)
# Tokens that a transformer reads at once, with the padding.
BATCH_TOKENS = 4096


def TransformerLayers(
    transformer: Model[List[Doc], "FullTransformerBatch"],
    frozen: bool = True,
    learn_rate_factor: float = 1.0,
) -> Model[List[Doc], Ragged]:
    """Give each token the hidden states of its wordpieces, on average, at each layer.

    A frozen transformer reads a document once: its features are kept (`feature_cache.py`), and so
    the layers above train at their own speed.

    transformer (Model[List[Doc], FullTransformerBatch]): Such as
        `spacy-transformers.TransformerModel.v3`, whose `transformer_config` has to have
        `output_hidden_states` set to true. Its `convert_outputs` is replaced: spacy-transformers
        lets gradients pass into the last layer only.
    frozen (bool): Whether the transformer keeps its weights, or is fine-tuned.
    learn_rate_factor (float): What the learning rate is multiplied by for a fine-tuned transformer,
        which wants a lower one than the layers above.
    RETURNS (Model[List[Doc], Ragged]): (tokens, layers, width) for documents; the first "layer" is
        the transformer's embedding. Zeros for tokens without a wordpiece.
    RAISES (ValueError): At the first call, if the transformer gives no hidden states, or too large
        ones to be kept in half precision.
    """
    transformer.layers[0].attrs["convert_outputs"] = hidden_states
    return Model(
        "transformer_layers",
        forward,
        init=init,
        layers=[transformer],
        dims={"nO": None},
        attrs={"frozen": frozen, "learn_rate_factor": learn_rate_factor},
    )


def forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    lengths = model.ops.asarray1i([len(doc) for doc in docs])
    if not any(len(doc) for doc in docs):
        n_layers = model.layers[0].transformer.config.num_hidden_layers + 1
        return Ragged(model.ops.alloc3f(0, n_layers, model.get_dim("nO")), lengths), lambda dY: docs
    if model.attrs["frozen"]:
        features = read_once(model, docs)
        return Ragged(model.ops.asarray3f(features), lengths), lambda d_output: docs
    if not is_train:
        parts = dict(enumerate(docs))
        read = {key: array for batch in read_all(model, parts) for key, array in batch.items()}
        tokens = model.ops.xp.concatenate([read[n] for n in parts if len(parts[n])])
        return Ragged(tokens, lengths), lambda d_output: docs
    return fine_tuned(model, docs)


def fine_tuned(
    model: Model[List[Doc], Ragged], docs: List[Doc]
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    from transformers.file_utils import ModelOutput

    batch, backprop_transformer = model.layers[0].begin_update(docs)
    tokens, backprop_pooling = pool(model, batch)

    def backprop(d_output: Ragged) -> List[Doc]:
        batch.model_output = ModelOutput(hidden_states=backprop_pooling(d_output.dataXd))
        return backprop_transformer(batch)

    return Ragged(tokens, model.ops.asarray1i([len(doc) for doc in docs])), backprop


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    transformer = model.layers[0]
    if not transformer.attrs["has_transformer"]:
        transformer.attrs["name"] = model_place(transformer.attrs["name"])
    transformer.initialize(X=X)
    model.set_dim("nO", transformer.get_dim("nO"))


def read_once(model: Model[List[Doc], Ragged], docs: List[Doc]) -> Floats3d:
    """RETURNS (Floats3d): (tokens, layers, width) float32, of documents that are read only if the
    cache does not have them; a numpy array."""
    transformer = model.layers[0]
    name = model_key(transformer)
    docs = [doc for doc in docs if len(doc)]
    keys = [document_key(transformer, doc) for doc in docs]
    found = FEATURES.get_all(name, keys)
    unread = {key: doc for key, doc in zip(keys, docs, strict=True) if key not in found}
    for batch in read_all(model, unread):
        with numpy.errstate(over="ignore"):
            new = {key: model.ops.to_numpy(array).astype("float16") for key, array in batch.items()}
        if not all(numpy.isfinite(array).all() for array in new.values()):
            raise ValueError(
                "[D604] The transformer's hidden states are no numbers in half precision, in which "
                "those of a frozen one are kept. Set `frozen = false`."
            )
        FEATURES.set_all(name, new)
        found.update(new)
    return numpy.concatenate([found[key] for key in keys]).astype("float32")


def read_all(
    model: Model[List[Doc], Ragged], docs: Mapping[Key, Doc]
) -> Iterator[Dict[Key, Floats3d]]:
    """Let the transformer read documents, those of about the same length together; one that is not
    known to mask padding reads each by itself, so that its features do not depend on the others.

    docs (Mapping[Key, Doc]): Documents by any key; those without tokens are left out.
    YIELDS (Dict[Key, Floats3d]): (tokens, layers, width) of some of them.
    """
    batch: Dict[Key, Doc] = {}
    at_once = BATCH_TOKENS if masks_padding(model.layers[0].transformer.config) else 0
    ordered = sorted((item for item in docs.items() if len(item[1])), key=lambda kv: len(kv[1]))
    for key, doc in ordered:
        if batch and (len(batch) + 1) * len(doc) > at_once:
            yield read_batch(model, batch)
            batch = {}
        batch[key] = doc
    if batch:
        yield read_batch(model, batch)


def read_batch(model: Model[List[Doc], Ragged], docs: Mapping[Key, Doc]) -> Dict[Key, Floats3d]:
    """RETURNS (Dict[Key, Floats3d]): (tokens, layers, width) of each document."""
    restore_attention(model.layers[0].transformer)
    tokens, _ = pool(model, model.layers[0].predict(list(docs.values())))
    ends = numpy.cumsum([len(doc) for doc in docs.values()])[:-1]
    return dict(zip(docs, model.ops.xp.split(tokens, ends.tolist()), strict=True))


def pool(
    model: Model[List[Doc], Ragged], batch: "FullTransformerBatch"
) -> Tuple[Floats3d, Callable[[Floats3d], Tuple[Any, ...]]]:
    """Average the hidden states of each token's wordpieces, which may be those of several
    overlapping windows.

    RETURNS (Tuple[Floats3d, Callable]): (tokens, layers, width), and the way back to the gradients
        of the hidden states, torch tensors (windows, wordpieces, width), one of each layer.
    """
    xp = model.ops.xp
    states = batch.model_output.get("hidden_states")
    if states is None:
        raise ValueError(
            "[D605] The transformer gives its last layer only. Set `transformer_config = "
            '{"output_hidden_states": true}` in its block of the config.'
        )
    width = states[0].shape[-1]
    stacked = xp.stack([torch2xp(state).reshape(-1, width) for state in states], axis=1)
    # Of 32 bits, as Thinc's fast `scatter_add` takes them.
    pieces = xp.asarray(batch.align.dataXd.ravel().astype("int32"))
    counts = numpy.asarray(model.ops.to_numpy(batch.align.lengths), dtype="int64")
    owners = xp.asarray(numpy.repeat(numpy.arange(len(counts), dtype="int32"), counts))
    weights = xp.asarray((1 / numpy.maximum(counts, 1)).astype("float32"))[owners][:, None]
    n_layers, shape = stacked.shape[1], states[0].shape
    tokens = model.ops.alloc2f(len(counts), n_layers * width)
    flat = stacked.reshape(len(stacked), -1)
    model.ops.scatter_add(tokens, owners, flat[pieces] * weights)

    def backprop(d_tokens: Floats3d) -> Tuple[Any, ...]:
        d_flat = model.ops.alloc2f(*flat.shape)
        rows = d_tokens.reshape(len(counts), -1)[owners] * weights
        model.ops.scatter_add(d_flat, pieces, rows)
        d_stacked = d_flat.reshape(-1, n_layers, width)
        return tuple(
            xp2torch(model.ops.as_contig(d_stacked[:, layer])).reshape(shape)
            for layer in range(n_layers)
        )

    return tokens.reshape(-1, n_layers, width), backprop


def hidden_states(
    model: Model, inputs_outputs: Tuple[Any, Any], is_train: bool
) -> Tuple[Any, Callable[[Any], ArgsKwargs]]:
    """Convert a transformer's outputs (ModelOutput); gradients go into the hidden states of all
    layers."""
    _, outputs = inputs_outputs

    def backprop(d_outputs: Any) -> ArgsKwargs:
        gradients = {"grad_tensors": d_outputs["hidden_states"]}
        return ArgsKwargs(args=(outputs["hidden_states"],), kwargs=gradients)

    return outputs, backprop
