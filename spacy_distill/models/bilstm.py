"""A bidirectional LSTM over ragged batches."""

from typing import Callable, Optional, Tuple

import numpy
from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats3d, Ragged

from .recurrence import run


def BiLSTM(nO: Optional[int] = None, nI: Optional[int] = None) -> Model[Ragged, Ragged]:
    """One bidirectional LSTM layer (Hochreiter, Schmidhuber 1997; Graves, Schmidhuber 2005).

    The inputs of all steps are one matrix product; `recurrence.py` has the steps.

    nO (Optional[int]): Output width, half of it for each direction.
    nI (Optional[int]): Input width.
    """
    return Model(
        "bilstm",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params={"W": None, "U": None, "b": None},
    )


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    # W (8 * hidden, nI): inputs to the gates of the forward, then of the backward direction
    # U (2, hidden, 4 * hidden): states to gates; gates are input, forget, output and candidate
    W, U, b = model.get_param("W"), model.get_param("U"), model.get_param("b")
    lengths = X.lengths.get() if hasattr(X.lengths, "get") else X.lengths
    inputs = X.dataXd @ W.T
    inputs += b
    states, backprop_run = run(inputs, lengths, U)

    def backprop(dY: Ragged) -> Ragged:
        d_inputs, dU = backprop_run(dY.dataXd)
        model.inc_grad("U", dU)
        model.inc_grad("W", d_inputs.T @ X.dataXd)
        model.inc_grad("b", d_inputs.sum(axis=0))
        return Ragged(d_inputs @ W, X.lengths)

    return Ragged(states, X.lengths), backprop


def init(model: Model[Ragged, Ragged], X=None, Y=None) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    width, n_inputs = model.get_dim("nO"), model.get_dim("nI")
    if width % 2:
        raise ValueError(
            f"[D601] A BiLSTM's width is shared by two directions: {width} is not even. "
            "Give an even `width`."
        )
    hidden = width // 2
    gates = [glorot_uniform_init(model.ops, (hidden, n_inputs)) for _ in range(8)]
    model.set_param("W", model.ops.xp.concatenate(gates))
    model.set_param("U", recurrent_init(model, hidden))
    b = model.ops.alloc2f(2, 4 * hidden)
    # A forget gate that starts open lets gradients pass (Jozefowicz et al. 2015).
    b[:, hidden : 2 * hidden] = 1.0
    model.set_param("b", b.ravel())


def recurrent_init(model: Model, hidden: int) -> Floats3d:
    """RETURNS (Floats3d): (2, hidden, 4 * hidden), an orthogonal matrix per direction and gate."""
    normal = numpy.random.normal(size=(8, hidden, hidden))
    orthogonal = numpy.linalg.qr(normal)[0].reshape(2, 4, hidden, hidden)
    stacked = orthogonal.transpose(0, 2, 1, 3).reshape(2, hidden, 4 * hidden)
    return model.ops.asarray3f(numpy.ascontiguousarray(stacked, dtype="float32"))
