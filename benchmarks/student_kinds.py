"""Students of other kinds than the package's, to compare with: for `low_resource.py`."""

from pathlib import Path
from typing import Any, Dict, List, Optional

from spacy.ml.models.tok2vec import MaxoutWindowEncoder
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import LSTM, Config, Maxout, Model, chain, with_array, with_list, with_padded

from spacy_distill.chain import LinearChain
from spacy_distill.models.chain_head import ChainHead, with_chain_head
from spacy_distill.models.dropout import dropout
from spacy_distill.models.lstm_cnn import embed_words

# As in spaCy's small pipelines.
CNN_WIDTH, CNN_DEPTH = 96, 4


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


@registry.architectures("spacy-distill-benchmarks.CNN.v1")
def CNN(
    width: int = CNN_WIDTH,
    depth: int = CNN_DEPTH,
    char_width: int = 16,
    char_filters: int = 64,
    feature_width: int = 16,
    feature_rows: Optional[Dict[str, int]] = None,
    crf: bool = True,
    nL: Optional[int] = None,
) -> Model[List[Doc], LinearChain]:
    """The student with spaCy's convolutions in place of the BiLSTM; settings as in `LSTMCNN`."""
    encode = MaxoutWindowEncoder(width=width, window_size=1, maxout_pieces=3, depth=depth)
    layers: List[Model] = [
        embed_words(char_width, char_filters, feature_width, feature_rows),
        dropout(),
        with_array(Maxout(width, nP=3, normalize=True)),
        dropout(),
        with_list(encode),
        dropout(),
    ]
    return with_chain_head(chain(*layers), ChainHead(nL, crf=crf))


# Imported by `--code` too, where the other files of this folder are not found.
CONFIG = Path(__file__).parent.parent / "configs" / "student.cfg"
KINDS = ("softmax", "cnn", "unidirectional")


ARCHITECTURES = {
    "cnn": "spacy-distill-benchmarks.CNN.v1",
    "unidirectional": "spacy-distill-benchmarks.UnidirectionalLSTM.v1",
}


def kind_config(kind: str) -> Config:
    """Put a student of another kind into `configs/student.cfg`.

    kind (str): Of KINDS.
    RETURNS (Config): The config.
    """
    config = Config().from_disk(CONFIG, interpolate=False)
    model: Dict[str, Any] = config["components"]["ner_student"]["model"]
    if kind == "softmax":
        model["crf"] = False
    else:
        model["@architectures"] = ARCHITECTURES[kind]
    if kind == "cnn":
        model.update(width=CNN_WIDTH, depth=CNN_DEPTH)
    return config
