"""Configs of students of other kinds than the package's, with other losses than the default, or
with cross-view heads."""

from typing import Any, Dict

from thinc.api import Config

from benchmarks.commands import CONFIGS, ROOT

CONFIG = ROOT / CONFIGS / "student.cfg"
# As in spaCy's small pipelines.
CNN = {
    "@architectures": "spacy.MaxoutWindowEncoder.v2",
    "width": 96,
    "depth": 4,
    "window_size": 1,
    "maxout_pieces": 3,
}
# spaCy's own small tok2vec.
HASH_CNN = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": True,
    "width": 96,
    "depth": 4,
    "embed_size": 2000,
    "window_size": 1,
    "maxout_pieces": 3,
    "subword_features": True,
}
# Six narrow layers, of which a training may select some.
DENSE = {
    "@architectures": "spacy-distill.DenseBiLSTM.v1",
    "width": 64,
    "depth": 6,
    "layer_dropout": 0.5,
    "precision": "float32",
}
# Encoders in the place of the default's, as wide.
ENCODERS: Dict[str, Dict[str, Any]] = {
    "cnn": CNN,
    **{
        kind: {
            "@architectures": f"spacy-distill.{name}.v1",
            "width": 200,
            "depth": depth,
            "precision": "int8",
        }
        for kind, name, depth in (("sru", "SRU", 2), ("sru-3", "SRU", 3), ("min-gru", "MinGRU", 2))
    },
    **dict.fromkeys(("dense", "dense-2", "dense-1"), DENSE),
}
# How many of its layers a dense encoder ends with. The others are closed long before the shortest
# training ends.
SELECTED = {"dense-2": 2, "dense-1": 1}
SELECTION = {"@callbacks": "spacy-distill.LayerSelection.v1", "start": 100, "end": 800}
DELETION = {"@callbacks": "spacy-distill.DeleteLayers.v1"}
KINDS = {
    "hash-cnn": "`HashEmbedCNN`, CRF",
    "softmax": "LSTM-CNN-softmax",
    "cnn": "CNN (`MaxoutWindowEncoder`), CRF",
    "sru": "SRU, CRF",
    "sru-3": "SRU of three layers, CRF",
    "min-gru": "minGRU, CRF",
    "dense": "six dense BiLSTM layers, CRF",
    "dense-2": "two selected dense BiLSTM layers, CRF",
    "dense-1": "one selected dense BiLSTM layer, CRF",
}
# Kinds that look word vectors up in spaCy's way.
WITH_SPACY_VECTORS = ("hash-cnn",)
HALF = {"alpha": 0.5, "beta": 0.5}
# One weight falls to 0 while the other rises to 1, and then stays at 1.
FALLING = {
    "@schedules": "warmup_linear.v1",
    "initial_rate": 1.0,
    "warmup_steps": 0,
    "total_steps": "${distillation.max_steps}",
}
RISING = {**FALLING, "warmup_steps": "${distillation.max_steps}", "total_steps": 1_000_000}
CHAINS, TOKENS, K_BEST, SENTENCES, SURE_TOKENS = (
    {"@losses": f"spacy-distill.{name}.v1"}
    for name in (
        "ChainDistillation",
        "TokenDistillation",
        "KBestDistillation",
        "ConfidentSentences",
        "ConfidentTokens",
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
    **{
        name: {
            **confident,
            "least_confidence": 0.9,
            "loss": {**CHAINS, **HALF, "temperature": 1.0},
        }
        for name, confident in (
            ("loss-confident", SENTENCES),
            ("loss-confident-tokens", SURE_TOKENS),
        )
    },
}
# A student that starts with the parameters of its teacher, whose folder is in [paths].
FROM_TEACHER = "from-teacher"
# A student that learns the states of its teacher's transformer too, whose folder is in [paths].
STATES = "states"
# Its last layer learns the one that the teacher reads.
MATCHED = {
    "@losses": "spacy-distill.MatchedStates.v1",
    "transformer": "${paths.transformer}",
    "layers": [[2, 7]],
    "weight": FALLING,
}
HEADS = {"@losses": "spacy-distill.CrossViewHeads.v1"}
WORDS = {**HEADS, "views": [], "word_dropout": 0.2}
# Other views of unlabeled sentences, by the name of the system: who sets the targets is part of it.
CROSS_VIEW: Dict[str, Dict[str, Any]] = {
    "cvt-self": {**HEADS, "targets": "self"},
    "cvt-full": {
        **HEADS,
        "targets": "self",
        "views": ["forward", "backward", "future", "past", "full"],
    },
    "word-dropout": {**WORDS, "targets": "self"},
    "cvt-teacher": {**HEADS, "targets": "teacher"},
    "cvt-both": {**HEADS, "targets": "both"},
    "word-dropout-teacher": {**WORDS, "targets": "teacher"},
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
    "loss-confident-tokens": "chains, tokens above 0.9",
}


def kind_config(kind: str) -> Config:
    """Put another encoder, head or loss into the student's config, add cross-view heads or hidden
    states to learn, or start with the teacher's parameters.

    kind (str): Of KINDS, LOSSES or CROSS_VIEW, or FROM_TEACHER or STATES.
    RETURNS (Config): The config.
    """
    config = Config().from_disk(CONFIG, interpolate=False)
    model: Dict[str, Any] = config["components"]["ner_student"]["model"]
    if kind in LOSSES:
        config["distillation"]["loss"] = LOSSES[kind]
    elif kind in CROSS_VIEW:
        config["distillation"]["cross_view"] = CROSS_VIEW[kind]
    elif kind == FROM_TEACHER:
        config["paths"]["teacher"] = None
        config["initialize"]["after_init"] = {
            "@callbacks": "spacy-distill.FromTeacher.v1",
            "source": "${paths.teacher}",
        }
    elif kind == STATES:
        config["paths"]["transformer"] = None
        config["distillation"]["states"] = MATCHED
    elif kind == "softmax":
        model["head"] = {"@architectures": "spacy-distill.Softmax.v1"}
    elif kind == "hash-cnn":
        model["embed"], model["encode"] = dict(HASH_CNN), None
    else:
        model["encode"] = dict(ENCODERS[kind])
    if kind in SELECTED:
        config["training"]["before_update"] = {**SELECTION, "layers": SELECTED[kind]}
        config["training"]["before_to_disk"] = dict(DELETION)
    return config
