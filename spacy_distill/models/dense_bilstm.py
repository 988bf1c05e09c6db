"""Densely connected BiLSTM layers with gates, of which a training selects a few."""

from functools import partial
from typing import Any, Callable, Dict, List, Literal, Mapping, Optional, Sequence, Tuple

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d, Ragged

from ..checks import require_range
from .bilstm import bilstm_layer, bilstm_layers
from .bilstm_stack import BiLSTMStack
from .dropout import draw_mask, dropout
from .edited_model import EditedModel
from .form_product import FormProduct, write_numbers
from .integer_recurrence import STATE_SCALE, in_steps, round_columns
from .layer_gates import (
    GATE_ATTRS,
    GATES,
    GateShim,
    Pruning,
    all_gates,
    gate_attrs,
    learn_gates,
    open_gates,
    set_gates,
)
from .recurrence import LayerWeights
from .saved_model import SHAPES_ATTR
from .taps import DIRECTIONS_ATTR, TAP_ATTR


def DenseBiLSTM(
    width: int = 64,
    depth: int = 6,
    layer_dropout: float = 0.5,
    precision: Literal["float32", "int8"] = "float32",
) -> Model[Ragged, Ragged]:
    """Build a stack of narrow, densely connected BiLSTM layers with a gate each (Liu, Ren, Shang,
    Gu, Peng, Han 2018, "Efficient Contextualized Representation: Language Model Pruning for
    Sequence Labeling"). Each layer reads the embedding and the outputs of all layers below, and the
    head reads all layers. So any layer can be deleted. `spacy-distill.LayerSelection.v1` trains the
    gates and selects layers; without it all gates stay 1.

    The output of layer i is z_i * h_i, with its gate z_i and its states h_i. The penalty of the
    gates is added in the backward pass of this stack: the gradient of z_i is the sum of the
    gradient of z_i * h_i times h_i, plus that of the penalty. So it does not depend on the loss.

    width (int): The output width of each layer. Each direction has half of it.
    depth (int): The number of layers.
    layer_dropout (float): In training passes with dropout, the probability that deeper layers read
        zeros instead of a layer's output. It is drawn for each document. The head still reads the
        layer. Thus layers learn to do without one another, as after a deletion.
    precision (str): The numbers that inference computes with. "int8" rounds weights and states to
        bytes. This is faster for a single layer, and slower than "float32" for several narrow ones.
        Training and saved models stay in float32.
    RETURNS (Model[Ragged, Ragged]): From (tokens, inputs) to (tokens, depth * width).
    RAISES (ValueError): There are no layers, or the dropout is no probability.
    """
    require_range("width", width, 2)
    if depth < 1 or not 0 <= layer_dropout < 1:
        raise ValueError(
            f"[D640] spacy-distill.DenseBiLSTM.v1 has depth = {depth} and layer_dropout = "
            f"{layer_dropout}: expected at least one layer, and a rate of at least 0 and below 1. "
            "Correct the config."
        )
    return Model(
        "dense_bilstm",
        forward,
        init=init,
        dims={"nO": depth * width, "nI": None},
        params={GATES: None},
        layers=[dropout(), *(bilstm_layer(width) for _ in range(depth))],
        shims=[GateShim()],
        attrs={
            "layer_dropout": layer_dropout,
            "inference": partial(DenseInference, precision=precision),
            DIRECTIONS_ATTR: bilstm_layers,
            SHAPES_ATTR: partial(shapes, depth=depth),
            **gate_attrs(PRUNING),
        },
    )


def shapes(dims: Mapping[str, int], *, depth: int) -> Dict[str, Tuple[int, ...]]:
    """RETURNS (Dict[str, Tuple[int, ...]]): The shapes of the parameters."""
    return {GATES: (depth,)}


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    drop, *layers = model.layers
    gates = (all_gates if is_train else open_gates)(model, len(layers))
    concatenate = model.ops.xp.concatenate
    read, outputs = [X.dataXd], []
    # Of each layer: its states and backward pass, and the backward pass of what deeper layers read.
    kept: List[Optional[Tuple[Floats2d, Callable[[Ragged], Ragged]]]] = []
    backprop_reads: List[Callable[[Floats2d], Floats2d]] = []
    for layer, gate in zip(layers, gates, strict=True):
        if gate or (is_train and (model.attrs["rate"] or TAP_ATTR in layer.attrs)):
            states, backprop_layer = layer(Ragged(concatenate(read, axis=1), X.lengths), is_train)
            kept.append((states.dataXd, backprop_layer))
            outputs.append(states.dataXd * gate)
        else:
            kept.append(None)
            outputs.append(model.ops.alloc2f(len(X.dataXd), layer.get_dim("nO")))
        if len(outputs) < len(layers):
            below, backprop_read = _read_by_deeper(model, drop, outputs[-1], X, is_train)
            read.append(below)
            backprop_reads.append(backprop_read)
    ends = numpy.cumsum([part.shape[1] for part in (X.dataXd, *outputs)]).tolist()

    def backprop(dY: Ragged) -> Ragged:
        d_read = [model.ops.xp.zeros_like(part) for part in read]
        d_gates = [0.0] * len(layers)
        for number in reversed(range(len(layers))):
            item = kept[number]
            if item is None:
                continue
            states, backprop_layer = item
            start, end = ends[number] - ends[0], ends[number + 1] - ends[0]
            d_output = dY.dataXd[:, start:end]
            if number < len(backprop_reads):
                d_output = d_output + backprop_reads[number](d_read[number + 1])
            d_gates[number] = (d_output * states).sum()
            d_inputs = backprop_layer(Ragged(d_output * gates[number], X.lengths)).dataXd
            for part, d_part in enumerate(model.ops.xp.split(d_inputs, ends[:number], axis=1)):
                d_read[part] += d_part
        learn_gates(model, d_gates)
        return Ragged(d_read[0], X.lengths)

    return Ragged(concatenate(outputs, axis=1), X.lengths), backprop


def _read_by_deeper(
    model: Model[Ragged, Ragged],
    drop: Model[Ragged, Ragged],
    output: Floats2d,
    X: Ragged,
    is_train: bool,
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Apply both kinds of dropout to the output of a layer, where deeper layers read it."""
    below, backprop_drop = drop(Ragged(output, X.lengths), is_train)
    rate = model.attrs["layer_dropout"]
    is_kept: Any = 1
    if is_train and rate and drop.attrs["dropout_rate"]:
        # Not scaled up: what inference reads, all layers, is also among what is drawn.
        lengths = model.ops.to_numpy(X.lengths)
        of_documents = draw_mask(model, (len(lengths), 1), rate) > 0
        documents = numpy.repeat(numpy.arange(len(lengths)), lengths)
        is_kept = of_documents[model.ops.xp.asarray(documents)]

    def backprop(d_below: Floats2d) -> Floats2d:
        return backprop_drop(Ragged(d_below * is_kept, X.lengths)).dataXd

    return below.dataXd * is_kept, backprop


def init(model: Model[Ragged, Ragged], X=None, Y=None) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    width = model.get_dim("nI")
    for layer in model.layers[1:]:
        layer.set_dim("nI", width)
        layer.initialize()
        width += layer.get_dim("nO")
    set_gates(model, numpy.ones(len(model.layers) - 1))


class DenseInference:
    """Inference with dense layers. What all layers read of the embedding is computed once for each
    word form. Closed layers are not computed.

    Kernels run the steps of one layer at a time. The states below are multiplied in numpy. In
    integers, these sums are exact, so a document has the same states in every batch.
    """

    allows_windows = True

    def __init__(self, model: Model[Ragged, Ragged], precision: str) -> None:
        """Copy the current parameters of a model.

        model (Model[Ragged, Ragged]): A model that `DenseBiLSTM` created.
        precision (str): "int8" or "float32".
        """
        layers = model.layers[1:]
        self._gates = open_gates(model, len(layers))
        self._open = self._gates.nonzero()[0].tolist()
        self._width, n_inputs = layers[0].get_dim("nO"), model.get_dim("nI")
        weights = [LayerWeights(*map(layers[i].get_param, ("U", "W", "b"))) for i in self._open]
        # Integers have no NaN, so it would be hidden.
        finite = all(numpy.isfinite(array).all() for layer in weights for array in layer)
        self._stacks = [BiLSTMStack([layer], precision == "int8" and finite) for layer in weights]
        self._integers = self._stacks[0].computes_in_integers
        self._inputs = FormProduct(
            numpy.concatenate([layer.W[:, :n_inputs] for layer in weights]).T,
            numpy.concatenate([layer.b for layer in weights]),
            self._stacks[0].table_dtype,
        )
        columns = [n_inputs + i * self._width + numpy.arange(self._width) for i in self._open]
        # From the states of open layers below, times their gates, to the gates of each layer.
        self._below = [
            numpy.concatenate(
                [
                    layer.W[:, columns[below]] * self._gates[self._open[below]]
                    for below in range(number)
                ],
                axis=1,
            ).T.copy()
            if number
            else layer.W[:, :0].T
            for number, layer in enumerate(weights)
        ]
        self._rounded = [round_columns(W) for W in self._below[1:]] if self._integers else []

    def per_form(self, features: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): (forms, open layers * 8 * hidden) what the gates of all layers read
        of the embedding."""
        return self._inputs(features)

    def per_sequence(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (tokens, depth * width) the outputs of all layers, zeros for closed
        ones."""
        order = numpy.arange(len(rows))
        width = self._width
        states = numpy.empty((len(rows), len(self._open) * width), dtype="float32")
        result = numpy.zeros((len(rows), len(self._gates) * width), dtype="float32")
        for number, (layer, stack) in enumerate(zip(self._open, self._stacks, strict=True)):
            inputs = table[rows, 4 * width * number : 4 * width * (number + 1)]
            if number:
                product = self._multiply(states[:, : width * number], number)
                product += inputs
                inputs = product
                if self._integers:
                    inputs = numpy.empty(product.shape, dtype=table.dtype)
                    write_numbers(product, inputs)
            found = stack.predict(inputs, order, lengths)
            states[:, width * number : width * (number + 1)] = found
            result[:, width * layer : width * (layer + 1)] = found * self._gates[layer]
        return result

    def _multiply(self, states: Floats2d, number: int) -> Floats2d:
        """RETURNS (Floats2d): (tokens, 8 * hidden) what a layer reads of the states below."""
        if not self._integers:
            return states @ self._below[number]
        weights, steps = self._rounded[number - 1]
        product = in_steps(states).astype(weights.dtype, copy=False) @ weights
        return product.astype("float32", copy=False) * (steps / STATE_SCALE)


def change_block(block: Mapping[str, Any], kept: Sequence[int]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The block of a config for the kept layers alone."""
    return {**block, "depth": len(kept)}


def change_model(
    content: EditedModel, model: Model[Ragged, Ragged], gates: Floats1d, head: Model
) -> None:
    """Delete the closed layers of a stack, and the columns of later layers and of the head that
    read them. Open gates are multiplied into the columns. `Pruning` has the arguments."""
    n_inputs, layers = model.get_dim("nI"), model.layers[1:]
    if head.get_dim("nI") != model.get_dim("nO"):
        raise ValueError(
            "[D645] Layers of spacy-distill.DenseBiLSTM.v1 cannot be deleted, because the head "
            f"does not read them: its input has the width {head.get_dim('nI')}, expected "
            f"{model.get_dim('nO')}. Use the function as `encode` of a ChainTagger."
        )
    kept = gates.nonzero()[0].tolist()
    width = layers[0].get_dim("nO")
    for number, layer in enumerate(layers):
        if number not in kept:
            content.remove(layer)
            continue
        below = [i for i in kept if i < number]
        W = layer.get_param("W")
        read = _columns(W[:, n_inputs:], below, gates, width)
        content.set_dim(layer, "nI", n_inputs + len(below) * width)
        content.set_param(layer, "W", numpy.concatenate([W[:, :n_inputs], *read], axis=1))
    content.set_dim(model, "nO", len(kept) * width)
    content.set_param(model, GATES, None)
    for name in GATE_ATTRS:
        content.drop(model, "attrs", name)
    content.set_dim(head, "nI", len(kept) * width)
    read = _columns(head.get_param("W"), kept, gates, width)
    content.set_param(head, "W", numpy.concatenate(read, axis=1))


def _columns(W: Floats2d, kept: Sequence[int], gates: Floats1d, width: int) -> List[Floats2d]:
    return [W[:, i * width : (i + 1) * width] * gates[i] for i in kept]


PRUNING = Pruning("spacy-distill.DenseBiLSTM.v1", change_block, change_model)
