"""The teachers and the text of the tests of training."""

from tests.training.conftest import ner_folder, rules, teacher, text_file  # noqa: F401
