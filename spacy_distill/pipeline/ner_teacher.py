"""The component `ner_teacher`: a named entity recognizer from which students learn."""

from .chain_ner import ChainNER
from .factory import register

DEFAULT_CONFIG = """
[model]
@architectures = "spacy-distill.ChainTagger.v1"

[model.head]
@architectures = "spacy-distill.Softmax.v1"

[model.embed]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""


class NERTeacher(ChainNER):
    """A named entity recognizer over a transformer or another tok2vec."""


make_ner_teacher = register("ner_teacher", NERTeacher, DEFAULT_CONFIG)
