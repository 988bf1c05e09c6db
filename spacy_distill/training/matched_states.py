"""The block `[distillation.states]`: whose hidden states a student learns."""

from typing import Any, Sequence

from ..encoders.transformer_layers import TransformerLayers
from ..losses.weights import Weight
from ..pipeline.matched_states import LayerPair, StateMatching


def MatchedStates(
    transformer: str, layers: Sequence[Sequence[int]], weight: Weight = 1.0
) -> StateMatching:
    """Let layers of a student's BiLSTM learn the hidden states of a transformer's layers, next to
    the loss (after the first stage of XtremeDistil: Mukherjee, Awadallah 2020, "XtremeDistil:
    Multi-stage Distillation for Massive Multilingual Models"). A linear projection of the student's
    states is compared with the transformer's by `states_distance`, after these are standardized in
    each batch. The projection exists in training only: a saved student has none.

    The transformer is frozen, and its features are cached as those of a teacher.

    transformer (str): The transformer: a folder, or `hf:OWNER/NAME`. A teacher over a frozen
        transformer has the states of this one.
    layers (Sequence[Sequence[int]]): Pairs of a layer of the student and the transformer's layer
        whose states it learns. The student's are counted from 1, or from the last one as -1; of the
        transformer, 0 is the embedding.
    weight (Weight): The weight of this loss, a number or a schedule. While it is 0, the transformer
        is not run.
    RETURNS (StateMatching): The settings.
    RAISES (ValueError): There are no pairs, their numbers are out of range, or the weight is
        invalid.
    """
    if not layers or any(len(pair) != 2 or pair[0] == 0 or pair[1] < 0 for pair in layers):
        raise ValueError(
            f"[D842] [distillation.states] layers = {list(layers)}: expected pairs of a layer of "
            "the student, from 1, and a layer of the transformer, from 0, such as [[2, 9]]. "
            "Correct the config."
        )
    numbers = sorted({other for _, other in layers})
    pairs = [LayerPair(own, numbers.index(other)) for own, other in layers]
    return StateMatching(TransformerLayers(transformer, layers=numbers), pairs, weight)


def transformer_fingerprint(states: StateMatching) -> str:
    """RETURNS (str): A hash of the transformer of `MatchedStates`, which has to be loaded."""
    shim: Any = states.transformer.shims[0]
    return shim.encoder.fingerprint
