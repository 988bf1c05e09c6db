"""Students of other kinds than the package's, or of other losses than its default: for
`low_resource.py`."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from spacy.ml.models.tok2vec import MaxoutWindowEncoder
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Config, Maxout, Model, chain, with_array, with_list
from thinc.types import Ragged

from spacy_distill.chain import LinearChain
from spacy_distill.models.bilstm import BiLSTM
from spacy_distill.models.chain_head import ChainHead, with_chain_head
from spacy_distill.models.dropout import dropout
from spacy_distill.models.lstm_cnn import embed_words

# As in spaCy's small pipelines.
CNN_WIDTH, CNN_DEPTH = 96, 4


@registry.architectures("spacy-distill-benchmarks.OtherEncoder.v1")
def OtherEncoder(
    encoder: str,
    width: int,
    depth: int,
    char_width: int,
    char_filters: int,
    feature_width: int,
    feature_rows: Optional[Dict[str, int]],
    crf: bool,
    nL: Optional[int] = None,
) -> Model[List[Doc], LinearChain]:
    """The student with another encoder in place of the BiLSTM; settings as in `LSTMCNN`.

    encoder (str): "unidirectional" for an LSTM that reads from left to right only, "cnn" for
        spaCy's MaxoutWindowEncoder.
    """
    embed = embed_words(char_width, char_filters, feature_width, feature_rows)
    layers: List[Model] = [embed, dropout()]
    if encoder == "cnn":
        encode = MaxoutWindowEncoder(width=width, window_size=1, maxout_pieces=3, depth=depth)
        project = with_array(Maxout(width, nP=3, normalize=True))
        layers += [project, dropout(), with_list(encode), dropout()]
    else:
        for _ in range(depth):
            layers += [BiLSTM(2 * width), left_to_right(), dropout()]
    return with_chain_head(chain(*layers), ChainHead(nL, crf=crf))


def left_to_right() -> Model[Ragged, Ragged]:
    """RETURNS (Model): Of what both directions of a layer see, the forward one's. The other one is
    computed for nothing, so such a student could be faster than it is."""
    return Model("left_to_right", keep_forward_direction)


def keep_forward_direction(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    width = X.dataXd.shape[1] // 2

    def backprop(dY: Ragged) -> Ragged:
        dX = model.ops.alloc2f(len(dY.dataXd), 2 * width)
        dX[:, :width] = dY.dataXd
        return Ragged(dX, dY.lengths)

    return Ragged(model.ops.as_contig(X.dataXd[:, :width]), X.lengths), backprop


# Imported by `--code` too, where the other files of this folder are not found.
CONFIG = Path(__file__).parent.parent / "spacy_distill" / "configs" / "student.cfg"
KINDS = {
    "softmax": "LSTM-CNN-softmax",
    "cnn": "CNN (`MaxoutWindowEncoder`), CRF",
    "unidirectional": "LSTM from left to right, CRF",
}
HALF = {"alpha": 0.5, "beta": 0.5}
# One falls to 0 in as many steps as the other one takes to rise to 1, from where it does not fall.
FALLING = {
    "@schedules": "warmup_linear.v1",
    "initial_rate": 1.0,
    "warmup_steps": 0,
    "total_steps": "${distillation.max_steps}",
}
RISING = {**FALLING, "warmup_steps": "${distillation.max_steps}", "total_steps": 1_000_000}
CHAINS, TOKENS, K_BEST, CONFIDENT = (
    {"@losses": f"spacy-distill.{name}.v1"}
    for name in (
        "ChainDistillation",
        "TokenDistillation",
        "KBestDistillation",
        "ConfidentSentences",
    )
)
LOSSES: Dict[str, Dict[str, Any]] = {
    "loss-hard": {**CHAINS, "alpha": 1.0, "beta": 0.0, "temperature": 1.0},
    "loss-soft": {**CHAINS, "alpha": 0.1, "beta": 0.9, "temperature": 1.0},
    "loss-chains-2": {**CHAINS, **HALF, "temperature": 2.0},
    "loss-tokens": {**TOKENS, **HALF, "temperature": 1.0},
    "loss-tokens-2": {**TOKENS, **HALF, "temperature": 2.0},
    "loss-5-best": {**K_BEST, **HALF, "k": 5, "fuzzy": False},
    "loss-fuzzy": {**K_BEST, **HALF, "k": 5, "fuzzy": True},
    "loss-annealed": {**CHAINS, "alpha": RISING, "beta": FALLING, "temperature": 1.0},
    "loss-confident": {
        **CONFIDENT,
        "least_confidence": 0.9,
        "loss": {**CHAINS, **HALF, "temperature": 1.0},
    },
}
LOSS_NAMES = {
    "loss-hard": "hard pseudo-labels",
    "loss-soft": "chains, alpha 0.1 and beta 0.9",
    "loss-chains-2": "chains, temperature 2",
    "loss-tokens": "tokens",
    "loss-tokens-2": "tokens, temperature 2",
    "loss-5-best": "5 best sequences",
    "loss-fuzzy": "5 best sequences, fuzzy",
    "loss-annealed": "chains, annealed",
    "loss-confident": "chains, sentences above 0.9",
}


def kind_config(kind: str) -> Config:
    """Put a student of another kind, or another loss, into `spacy_distill/configs/student.cfg`.

    kind (str): Of KINDS or LOSSES.
    RETURNS (Config): The config.
    """
    config = Config().from_disk(CONFIG, interpolate=False)
    model: Dict[str, Any] = config["components"]["ner_student"]["model"]
    if kind in LOSSES:
        config["distillation"]["loss"] = LOSSES[kind]
    elif kind == "softmax":
        model["crf"] = False
    else:
        model["@architectures"] = "spacy-distill-benchmarks.OtherEncoder.v1"
        model["encoder"] = kind
    if kind == "cnn":
        model.update(width=CNN_WIDTH, depth=CNN_DEPTH)
    return config
