"""A transformer's hidden states as features of tokens: every layer's, frozen or fine-tuned."""

from typing import Any, Callable, Dict, Iterator, List, Mapping, Tuple

import numpy
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats3d, Ragged
from transformers.file_utils import ModelOutput

from .feature_cache import FeatureCache, document_key, model_key

# Tokens of a batch, padded, that a frozen transformer reads at once.
BATCH_TOKENS = 4096


def TransformerLayers(
    transformer: Model[List[Doc], FullTransformerBatch], frozen: bool = True
) -> Model[List[Doc], Ragged]:
    """Give each token the hidden states of its wordpieces, on average, at each layer.

    A frozen transformer reads a document once: its features are kept (`feature_cache.py`), and so
    the layers above train at their own speed.

    transformer (Model[List[Doc], FullTransformerBatch]): Such as
        `spacy-transformers.TransformerModel.v3`, whose `transformer_config` has to have
        `output_hidden_states` set to true.
    frozen (bool): Whether the transformer stays as it is; it is fine-tuned if not.
    RETURNS (Model[List[Doc], Ragged]): (tokens, layers, width) for documents; the first layer are
        the transformer's embeddings. Zeros for tokens without a wordpiece.
    """
    # spacy-transformers lets gradients pass into the last layer only.
    transformer.layers[0].attrs["convert_outputs"] = hidden_states
    return Model(
        "transformer_layers",
        forward,
        init=init,
        layers=[transformer],
        dims={"nO": None},
        attrs={"frozen": frozen, "cache": FeatureCache()},
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
    transformer = model.layers[0]
    batch, backprop_transformer = transformer(docs, is_train)
    tokens, backprop_pooling = pool(model, batch)

    def backprop(d_output: Ragged) -> List[Doc]:
        batch.model_output = ModelOutput(hidden_states=backprop_pooling(d_output.dataXd))
        return backprop_transformer(batch)

    return Ragged(tokens, lengths), backprop


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    transformer = model.layers[0]
    transformer.initialize(X=X)
    model.set_dim("nO", transformer.get_dim("nO"))


def read_once(model: Model[List[Doc], Ragged], docs: List[Doc]) -> Floats3d:
    """RETURNS (Floats3d): (tokens, layers, width) float32, of documents that are read only if the
    cache does not have them."""
    cache = model.attrs["cache"]
    transformer = model.layers[0]
    cache.model_key = cache.model_key or model_key(transformer)
    docs = [doc for doc in docs if len(doc)]
    keys = [document_key(doc) for doc in docs]
    found = cache.get_all(keys)
    unread = {key: doc for key, doc in zip(keys, docs, strict=True) if key not in found}
    for chosen in batches_by_length(unread, BATCH_TOKENS):
        batch = transformer.predict(list(chosen.values()))
        tokens = model.ops.to_numpy(pool(model, batch)[0]).astype("float16")
        ends = numpy.cumsum([len(doc) for doc in chosen.values()])[:-1]
        parts = numpy.split(tokens, ends)
        new = dict(zip(chosen, parts, strict=True))
        cache.set_all(new)
        found.update(new)
    return numpy.concatenate([found[key] for key in keys]).astype("float32")


def pool(
    model: Model[List[Doc], Ragged], batch: FullTransformerBatch
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
            "The transformer gives its last layer only. Set `transformer_config = "
            '{"output_hidden_states": true}` in its block of the config.'
        )
    width = states[0].shape[-1]
    stacked = xp.stack([torch2xp(state).reshape(-1, width) for state in states], axis=1)
    pieces = xp.asarray(batch.align.dataXd.ravel().astype("int64"))
    counts = numpy.asarray(model.ops.to_numpy(batch.align.lengths), dtype="int64")
    owners = xp.asarray(numpy.repeat(numpy.arange(len(counts)), counts))
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
    model: Model, inputs_outputs: Tuple[Any, ModelOutput], is_train: bool
) -> Tuple[ModelOutput, Callable[[ModelOutput], ArgsKwargs]]:
    """Convert a transformer's outputs; gradients go into the hidden states of all layers."""
    _, outputs = inputs_outputs

    def backprop(d_outputs: ModelOutput) -> ArgsKwargs:
        gradients = {"grad_tensors": d_outputs["hidden_states"]}
        return ArgsKwargs(args=(outputs["hidden_states"],), kwargs=gradients)

    return outputs, backprop


def batches_by_length(docs: Mapping[bytes, Doc], n_tokens: int) -> Iterator[Dict[bytes, Doc]]:
    """Put documents of about the same length together.

    docs (Mapping[bytes, Doc]): Documents by key.
    n_tokens (int): Tokens of a batch at most, with the padding.
    YIELDS (Dict[bytes, Doc]): Batches.
    """
    batch: Dict[bytes, Doc] = {}
    for key, doc in sorted(docs.items(), key=lambda item: len(item[1])):
        if batch and (len(batch) + 1) * len(doc) > n_tokens:
            yield batch
            batch = {}
        batch[key] = doc
    if batch:
        yield batch
