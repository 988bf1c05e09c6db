"""`ner_student`: the compact recogniser that an app loads."""

from .chain_ner import ChainNER
from .factory import register

DEFAULT_CONFIG = """
[model]
@architectures = "spacy-distill.LSTMCNN.v1"
width = 200
depth = 2
char_width = 16
char_filters = 64
feature_width = 16
feature_rows = null
crf = true
"""


class NERStudent(ChainNER):
    """A compact named entity recogniser; it needs neither torch nor transformers."""


make_ner_student = register("ner_student", NERStudent, DEFAULT_CONFIG)
