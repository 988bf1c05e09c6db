"""The output layer: from token vectors to a linear chain over BILUO tags."""

from functools import partial
from typing import Callable, Dict, Mapping, Optional, Tuple

from thinc.api import Model, glorot_uniform_init, to_numpy
from thinc.types import Ragged

from ..chain import ChainCounts, LinearChain, constraints, n_tags
from .optimizer_state import resized, take_new_id


def CRF(nL: Optional[int] = None) -> Model[Ragged, LinearChain]:
    """Build a conditional random field: a linear layer that scores tags, and transition scores
    (Lafferty, McCallum, Pereira 2001). Invalid BILUO sequences are impossible.

    nL (Optional[int]): The number of entity labels, set by the component. The chain has 1 + 4 * nL
        tags.
    RETURNS (Model[Ragged, LinearChain]): From token vectors to a chain.
    """
    return chain_head(nL, crf=True)


def Softmax(nL: Optional[int] = None) -> Model[Ragged, LinearChain]:
    """Build a linear layer that scores tags: a softmax per token, as in BERT's fine-tuning for NER
    (Devlin et al. 2019). In inference, invalid BILUO sequences are impossible.

    nL (Optional[int]): The number of entity labels, set by the component. The chain has 1 + 4 * nL
        tags.
    RETURNS (Model[Ragged, LinearChain]): From token vectors to a chain.
    """
    return chain_head(nL, crf=False)


def chain_head(nL: Optional[int], *, crf: bool) -> Model[Ragged, LinearChain]:
    params = {"W": None, "b": None}
    if crf:
        params.update({"transitions": None, "start": None, "end": None})
    return Model(
        "chain_head",
        forward,
        init=init,
        dims={"nL": nL, "nI": None},
        params=params,
        attrs={"crf": crf, "shapes": partial(shapes, crf=crf)},
    )


def shapes(dims: Mapping[str, int], *, crf: bool) -> Dict[str, Tuple[int, ...]]:
    """RETURNS (Dict[str, Tuple[int, ...]]): The shapes of the parameters."""
    size = n_tags(dims["nL"])
    found: Dict[str, Tuple[int, ...]] = {"W": (size, dims["nI"]), "b": (size,)}
    return found | ({"transitions": (size, size), "start": (size,), "end": (size,)} if crf else {})


def forward(
    model: Model[Ragged, LinearChain], X: Ragged, is_train: bool
) -> Tuple[LinearChain, Callable[[ChainCounts], Ragged]]:
    W, b = model.get_param("W"), model.get_param("b")
    xp = model.ops.xp
    crf = model.attrs["crf"]
    start, transitions, end = (xp.asarray(mask) for mask in constraints(model.get_dim("nL")))
    if crf:
        start = start + model.get_param("start")
        transitions = transitions + model.get_param("transitions")
        end = end + model.get_param("end")
    elif is_train:
        start, transitions, end = (xp.zeros_like(mask) for mask in (start, transitions, end))
    lengths = to_numpy(X.lengths)
    chain = LinearChain(X.dataXd @ W.T + b, lengths, transitions, start, end)

    def backprop(d_chain: ChainCounts) -> Ragged:
        model.inc_grad("W", d_chain.emissions.T @ X.dataXd)
        model.inc_grad("b", d_chain.emissions.sum(axis=0))
        if crf:
            for name in ("transitions", "start", "end"):
                model.inc_grad(name, getattr(d_chain, name))
        return Ragged(d_chain.emissions @ W, X.lengths)

    return chain, backprop


def init(model: Model[Ragged, LinearChain], X=None, Y=None) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    size = n_tags(model.get_dim("nL"))
    model.set_param("W", glorot_uniform_init(model.ops, (size, model.get_dim("nI"))))
    model.set_param("b", model.ops.alloc1f(size))
    if model.attrs["crf"]:
        model.set_param("transitions", model.ops.alloc2f(size, size))
        model.set_param("start", model.ops.alloc1f(size))
        model.set_param("end", model.ops.alloc1f(size))


def resize(model: Model[Ragged, LinearChain], nL: int) -> None:
    """Change the number of labels of a head: add labels, or drop the last ones. Parameters and
    gradients of the other labels do not change.

    Optimizers store arrays of the old shapes under the head's id, so the head gets a new id.
    `keep_moments` moves these arrays to it.

    model (Model[Ragged, LinearChain]): The head.
    nL (int): The new number of labels.
    """
    old_nL = model.get_dim("nL") if model.has_dim("nL") else None
    if old_nL is None or not model.has_param("W"):
        model.set_dim("nL", nL, force=True)
        return
    if old_nL == nL:
        return
    values = {name: model.get_param(name) for name in model.param_names}
    gradients = {name: model.get_grad(name) for name in model.grad_names}
    for name in values:
        model.set_param(name, None)  # otherwise Thinc raises an error for the new dimension
    model.set_dim("nL", nL, force=True)
    take_new_id(model, {name: old.shape for name, old in values.items()})
    init(model)
    for name, old in values.items():
        model.set_param(name, resized(old, model.get_param(name)))
    for name, old in gradients.items():
        model.set_grad(name, resized(old, model.ops.xp.zeros_like(model.get_param(name))))
