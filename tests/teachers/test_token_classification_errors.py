"""Errors for models that are damaged or incomplete."""

import sys

import pytest

from spacy_distill.teachers.token_classification import TokenClassificationTeacher
from tests.teachers.token_classifiers import IOB2

torch = pytest.importorskip("torch", reason="the train extra is not installed")
transformers = pytest.importorskip("transformers", reason="the train extra is not installed")
pytestmark = pytest.mark.usefixtures("quiet")


def test_the_train_extra_is_named_where_it_lacks(save, monkeypatch):
    folder = save(IOB2)
    for package in ("transformers", "torch"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(ImportError, match=r'pip install "spacy-distill\[train\]"'):
                TokenClassificationTeacher(folder)


def test_no_model(tmp_path):
    with pytest.raises(ValueError, match=f"'{tmp_path}' cannot be loaded as a Hugging Face model"):
        TokenClassificationTeacher(tmp_path)
    nowhere = tmp_path / "nowhere"
    with pytest.raises(ValueError, match=f"no model '{nowhere}': found no such folder"):
        TokenClassificationTeacher(nowhere)


def test_a_model_without_its_tokenizer(save):
    folder = save(IOB2)
    for file in folder.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            file.unlink()
    with pytest.raises(ValueError, match="Give a folder with a model and its tokenizer"):
        TokenClassificationTeacher(folder)


def test_a_model_that_was_not_trained_to_classify_tokens(save):
    """transformers would initialize the missing layer with random parameters."""
    folder = save(IOB2)
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(
        ValueError, match=r"of BertForTokenClassification: classifier\.bias, classifier\.we"
    ):
        TokenClassificationTeacher(folder)


def test_a_tokenizer_without_offsets(save, monkeypatch):
    folder = save(IOB2)
    monkeypatch.setattr(transformers.BertTokenizerFast, "is_fast", False)
    with pytest.raises(ValueError, match="BertTokenizerFast, does not return the positions"):
        TokenClassificationTeacher(folder)


def test_labels_without_names(save):
    folder = save(["LABEL_0", "LABEL_1"])
    with pytest.raises(ValueError, match=rf"'{folder}' cannot teach.* are: LABEL_0, LABEL_1\."):
        TokenClassificationTeacher(folder)


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_a_lack_of_memory_is_no_broken_model(save, monkeypatch, error):
    folder = save(IOB2)

    def fail(*args, **kwargs):
        raise error("out of memory")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(error, match=r"^out of memory"):
        TokenClassificationTeacher(folder)
