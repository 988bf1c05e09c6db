"""The component `ner_student`: a compact named entity recognizer for applications."""

from .chain_ner import ChainNER
from .factory import register

DEFAULT_CONFIG = """
[model]
@architectures = "spacy-distill.ChainTagger.v1"

[model.embed]
@architectures = "spacy-distill.WordEmbedding.v1"

[model.embed.vectors]
@architectures = "spacy-distill.WordVectors.v1"

[model.embed.features]
@architectures = "spacy-distill.FormFeatures.v1"
width = 16
rows = null

[model.embed.characters]
@architectures = "spacy-distill.CharacterCNN.v1"
width = 16
filters = 64

[model.encode]
@architectures = "spacy-distill.BiLSTM.v1"
width = 200
depth = 2
precision = "int8"

[model.head]
@architectures = "spacy-distill.CRF.v1"
"""


class NERStudent(ChainNER):
    """A compact named entity recognizer. It needs neither torch nor transformers."""


make_ner_student = register("ner_student", NERStudent, DEFAULT_CONFIG)
