"""Students of other kinds than the package's, to compare with: for `low_resource.py`."""

from pathlib import Path
from typing import Any, Dict, List, Optional

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import LSTM, Config, Model, chain, with_padded

from spacy_distill.chain import LinearChain
from spacy_distill.models.chain_head import ChainHead, with_chain_head
from spacy_distill.models.dropout import dropout
from spacy_distill.models.lstm_cnn import embed_words


@registry.architectures("spacy-distill-benchmarks.UnidirectionalLSTM.v1")
def UnidirectionalLSTM(
    width: int = 200,
    depth: int = 2,
    char_width: int = 16,
    char_filters: int = 64,
    feature_width: int = 16,
    feature_rows: Optional[Dict[str, int]] = None,
    crf: bool = True,
    nL: Optional[int] = None,
) -> Model[List[Doc], LinearChain]:
    """The student with Thinc's LSTM, which reads from left to right only; settings as in
    `LSTMCNN`."""
    layers: List[Model] = [
        embed_words(char_width, char_filters, feature_width, feature_rows),
        dropout(),
    ]
    for _ in range(depth):
        layers += [with_padded(LSTM(width)), dropout()]
    return with_chain_head(chain(*layers), ChainHead(nL, crf=crf))


# Imported by `--code` too, where the other files of this folder are not found.
CONFIG = Path(__file__).parent.parent / "configs" / "student.cfg"
# spaCy's MaxoutWindowEncoder over its MultiHashEmbed, as in its small pipelines, under a CRF.
CNN = """
[model]
@architectures = "spacy-distill.TokenClassifier.v1"
crf = true

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
include_static_vectors = true

[model.tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = 96
depth = 4
window_size = 1
maxout_pieces = 3
"""
KINDS = ("softmax", "cnn", "unidirectional")


def kind_config(kind: str, has_vectors: bool) -> Config:
    """Put a student of another kind into `configs/student.cfg`.

    kind (str): Of KINDS.
    has_vectors (bool): Whether there are word vectors.
    RETURNS (Config): The config.
    """
    config = Config().from_disk(CONFIG, interpolate=False)
    component: Dict[str, Any] = config["components"]["ner_student"]
    if kind == "softmax":
        component["model"]["crf"] = False
    elif kind == "unidirectional":
        name = "spacy-distill-benchmarks.UnidirectionalLSTM.v1"
        component["model"]["@architectures"] = name
    elif kind == "cnn":
        model = Config().from_str(CNN)["model"]
        model["tok2vec"]["embed"]["include_static_vectors"] = has_vectors
        component["model"] = model
    return config
