"""A token has the scores of its first wordpiece, independent of the batch and the device."""

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from thinc.api import use_ops
from thinc.util import gpu_is_available

from spacy_distill.teachers.identity import fingerprint
from spacy_distill.teachers.token_classification import TokenClassificationTeacher
from tests.teachers.token_classifiers import (
    CLOSE,
    IOB2,
    IOB2_COLUMNS,
    TEXT,
    TOKENIZERS,
    UNICODE,
    VOCAB,
    Reference,
    assert_emissions,
    make_doc,
)

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("words", [TEXT, UNICODE], ids=["letters", "unicode"])
def test_a_token_has_the_scores_of_its_first_wordpiece(save, tokenizer, words):
    folder = save(IOB2, TOKENIZERS[tokenizer]())
    chain = TokenClassificationTeacher(folder).predict_chain([make_doc(words)])
    probabilities = Reference(folder).word_probabilities(words.split(" "))
    assert chain.emissions.dtype == "float32"
    assert numpy.ptp(numpy.log(probabilities), axis=0).max() > 1
    assert_emissions(chain, ("PER", "LOC"), probabilities, IOB2_COLUMNS)


def test_words_without_spaces_between_them(save):
    """WordPiece splits ideographs, so the first wordpiece of a token is its first ideograph."""
    folder = save(IOB2)
    words = ["東", "東東", "東", ".", "Oslo"]
    chain = TokenClassificationTeacher(folder).predict_chain([make_doc(words, [False] * 5)])
    reference = Reference(folder)
    ids = reference.ids(["東東", "東東", ".", "Oslo"])
    probabilities = reference.probabilities(ids)[[0, 1, 3, 4, 5]]
    assert_emissions(chain, ("PER", "LOC"), probabilities, IOB2_COLUMNS)


@pytest.mark.parametrize("tokenizer", ["byte level", "byte level with spaces"])
def test_a_space_too_many_is_no_wordpiece_of_the_next_word(save, tokenizer):
    folder = save(IOB2, TOKENIZERS[tokenizer]())
    words, spaces = ["Anna", " ", "sails", "  ", "東"], [True, False, True, False, False]
    doc = make_doc(words, spaces)
    assert doc.text == "Anna  sails   東"
    chain = TokenClassificationTeacher(folder).predict_chain([doc])
    reference = Reference(folder)
    anna, space, sails, far_east = reference.pieces(["Anna", " ", "sails", "東"])
    probabilities = reference.probabilities([*anna, *space, *sails, *space, *space, *far_east])
    firsts = numpy.cumsum([0, len(anna) + 1, len(sails) + 2])
    assert_allclose(
        chain.emissions[[0, 2, 4]][:, :2], numpy.log(probabilities[firsts][:, :2]), **CLOSE
    )


def test_what_else_is_read_does_not_matter(save):
    folder = save(IOB2, window=24)
    texts = ["Oslo", "", f"{TEXT} {TEXT}", "Anna sails", "\n", TEXT]
    docs = [make_doc(text) if text else Doc(VOCAB) for text in texts]
    teacher = TokenClassificationTeacher(folder)
    expected = [teacher.predict_chain([doc]) for doc in docs]
    for batch_size, order in ((1, 1), (100, -1), (4096, 1)):
        teacher.encoder.batch_size = batch_size
        chain = teacher.predict_chain(docs[::order])
        assert chain.lengths.tolist() == [len(doc) for doc in docs[::order]]
        emissions = [one.emissions for one in expected[::order]]
        assert_allclose(chain.emissions, numpy.concatenate(emissions), **CLOSE)
        for name in ("transitions", "start", "end"):
            numpy.testing.assert_array_equal(getattr(chain, name), getattr(expected[0], name))


def test_names_of_the_hub(save, tmp_path, monkeypatch):
    folder = save(IOB2)
    stored = tmp_path / "hub" / "models--someone--tiny"
    snapshot = stored / "snapshots" / "abc123"
    for made in (stored / "refs", snapshot.parent):
        made.mkdir(parents=True)
    (stored / "refs" / "main").write_text("abc123")
    folder.rename(snapshot)
    # Some versions of transformers read the environment only when they are imported.
    settings = [("CACHE", str(tmp_path / "hub")), ("OFFLINE", True)]
    for name, value in settings:
        monkeypatch.setattr(f"huggingface_hub.constants.HF_HUB_{name}", value)
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", settings[0][1], raising=False)
    monkeypatch.setattr("transformers.utils.hub._is_offline_mode", True, raising=False)
    assert TokenClassificationTeacher("hf:someone/tiny").labels == ("PER", "LOC")
    # The error names the model, for example if its labels need --scheme.
    (snapshot / "model.safetensors").unlink()
    found = {"name": "hf:someone/tiny", "version": "abc123", "hash": "abc123"}
    assert fingerprint("hf:someone/tiny") == found
    with pytest.raises(ValueError, match=r"no model 'someone/other' on the Hugging Face hub"):
        fingerprint("hf:someone/other")
    # Without the prefix, the name is not looked up on the hub.
    with pytest.raises(ValueError, match=r"D292.*no model 'someone/tiny'.*write hf:OWNER/NAME"):
        TokenClassificationTeacher("someone/tiny")
    with pytest.raises(ValueError, match=r"D202.*no teacher 'someone/tiny'.*write hf:OWNER/NAME"):
        fingerprint("someone/tiny")


@pytest.mark.skipif(
    not (gpu_is_available() and torch.cuda.is_available()), reason="there is no GPU for both"
)
def test_a_gpu_gives_the_same(save):
    folder = save(IOB2)
    docs = [make_doc(TEXT), Doc(VOCAB), make_doc(["Anna", "\n"], [False, False])]
    expected = TokenClassificationTeacher(folder).predict_chain(docs)
    teacher = TokenClassificationTeacher(folder)
    with use_ops("cupy"):
        chain = teacher.predict_chain(docs)
        assert next(teacher.encoder.model.parameters()).is_cuda
        assert_allclose(chain.emissions.get(), expected.emissions, atol=1e-3)
        assert_allclose(chain.marginals().get(), expected.marginals(), atol=1e-3)
