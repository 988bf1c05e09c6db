"""Random layers, and their results."""

import numpy

from spacy_distill import kernels
from spacy_distill.models import recurrence
from spacy_distill.models.bilstm_stack import BiLSTMStack
from spacy_distill.models.elementwise_recurrence import ElementwiseWeights, run_elementwise
from spacy_distill.models.elementwise_stack import ElementwiseStack
from spacy_distill.models.recurrence import LayerWeights

LENGTHS = [5, 0, 1, 31, 2, 2, 9, 1, 14, 3, 3, 30, 8, 12, 6, 27]


def lstm_arrays(rng, hidden, lengths, scale=1.0):
    inputs = rng.normal(size=(sum(lengths), 8 * hidden)) * scale
    U = rng.normal(size=(2, hidden, 4 * hidden)) * scale / hidden**0.5
    return inputs.astype("float32"), U.astype("float32")


def with_numpy(function):
    before = kernels.in_use
    kernels.use("numpy")
    try:
        return function()
    finally:
        kernels.use(before)


def lstm_layer(hidden, lengths, n_inputs=29):
    """RETURNS (Tuple): The arguments of `run_layer`."""
    rng = numpy.random.default_rng(hidden)
    shapes = (2, hidden, 4 * hidden), (8 * hidden, n_inputs), (8 * hidden,)
    weights = LayerWeights(*(rng.normal(size=shape) / shape[-1] ** 0.5 for shape in shapes))
    X, d_states = (rng.normal(size=(sum(lengths), width)) for width in (n_inputs, 2 * hidden))
    floats = [array.astype("float32") for array in (X, d_states, *weights)]
    return floats[0], numpy.asarray(lengths), LayerWeights(*floats[2:]), floats[1]


def run_layer(X, lengths, weights, d_states):
    """RETURNS (Tuple): States, and the gradients of X, U, W and b."""
    states, backprop = recurrence.run_bilstm(X, lengths, weights)
    dX, gradients = backprop(d_states)
    return states, dX, *gradients


def stack_of(rng, hidden, depth, scale=1.0, integers=False):
    """RETURNS (Tuple[BiLSTMStack, Floats2d]): A stack, and a table with nine rows of inputs."""
    layers = []
    for _ in range(depth):
        inputs, U = lstm_arrays(rng, hidden, [2 * hidden], scale)
        layers.append(LayerWeights(U, inputs / hidden**0.5, inputs[0]))
    stack = BiLSTMStack(layers, integers)
    return stack, lstm_arrays(rng, hidden, [9], scale)[0].astype(stack.table_dtype)


# The number of maps of a layer of each kind.
ELEMENTWISE = {"sru": 4, "sru-highway": 3, "min-gru": 2}


def elementwise_layer(kind, hidden, lengths):
    """RETURNS (Tuple): The arguments of `run_elementwise_layer`."""
    rng = numpy.random.default_rng(hidden)
    n_inputs = 2 * hidden if kind == "sru-highway" else 29
    columns = 2 * ELEMENTWISE[kind] * hidden
    W, b, v = (rng.normal(size=shape) for shape in ((columns, n_inputs), columns, (2, 2, hidden)))
    X, d_states = (rng.normal(size=(sum(lengths), width)) for width in (n_inputs, 2 * hidden))
    X, W, b, v, d_states = (
        array.astype("float32") for array in (X, W / n_inputs**0.5, b, v, d_states)
    )
    weights = ElementwiseWeights(W, b, None if kind == "min-gru" else v)
    return X, numpy.asarray(lengths), weights, d_states


def run_elementwise_layer(X, lengths, weights, d_states):
    """RETURNS (List): States, and the gradients of X, W, b and the peepholes."""
    hidden = d_states.shape[1] // 2
    states, backprop = run_elementwise(X, lengths, weights, hidden)
    dX, gradients = backprop(d_states)
    return [states, dX, *(gradient for gradient in gradients if gradient is not None)]


def elementwise_stack(rng, kind, hidden, depth, integers=False):
    """RETURNS (Tuple[ElementwiseStack, Floats2d]): A stack, and a table with nine rows of maps."""
    n_maps, layers = ELEMENTWISE[kind], []
    for _ in range(depth):
        columns = 2 * min(n_maps, 3) * hidden
        W, b, v = (
            rng.normal(size=shape).astype("float32")
            for shape in ((2 * hidden, columns), columns, (2, 2, hidden))
        )
        W /= numpy.float32(2 * hidden) ** numpy.float32(0.5)
        layers.append(ElementwiseWeights(W, b, None if kind == "min-gru" else v))
    stack = ElementwiseStack(layers, hidden, integers)
    return stack, rng.normal(size=(9, 2 * n_maps * hidden)).astype(stack.table_dtype)
