"""Tokens that share a wordpiece, and tokens without one."""

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import iob_to_biluo

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers.token_classification import TokenClassificationTeacher, share_pieces
from tests.teachers.token_classifiers import (
    CLOSE,
    IO,
    IOB2,
    IOBES,
    TOKENIZERS,
    VOCAB,
    Reference,
    assert_distribution,
    byte_level,
    make_doc,
    possible_iob2,
    tags_of_types,
    weights,
)

torch = pytest.importorskip("torch", reason="the train extra is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="the train extra is not installed")
pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize("parts", [["can", "not"], ["c", "an", "no", "t"]])
@pytest.mark.parametrize("classes", [IOB2, IO], ids=["iob2", "io"])
def test_tokens_of_one_wordpiece_are_one_unit(save, classes, parts):
    folder = save(classes)
    teacher = TokenClassificationTeacher(folder)
    spaces = [True, *[False] * (len(parts) - 1), True, False]
    chain = teacher.predict_chain([make_doc(["Anna", *parts, "Oslo"], spaces)])
    probabilities = Reference(folder).word_probabilities(["Anna", "cannot", "Oslo"])

    def to_tags(names):
        unit = names[1]
        if classes == IO:
            begun = [names[0], *[unit] * len(parts), names[2]]
            return tags_of_types(begun)
        going_on = unit if unit == "O" else f"I-{unit[2:]}"
        going_on = [going_on] * (len(parts) - 1)
        return possible_iob2(names) and iob_to_biluo([names[0], unit, *going_on, names[2]])

    assert_distribution(chain, teacher.labels, weights(probabilities, classes, to_tags))


def test_a_wordpiece_that_is_an_entity_is_one_of_several_tokens(save):
    """With "iobes", U at a wordpiece means B and L at its two tokens."""
    folder = save(IOBES)
    teacher = TokenClassificationTeacher(folder)
    with torch.no_grad():
        teacher.encoder.model.classifier.weight.zero_()
        teacher.encoder.model.classifier.bias.zero_()
        teacher.encoder.model.classifier.bias[IOBES.index("S-LOC")] = 5.0
    chain = teacher.predict_chain([make_doc(["can", "not", "Oslo"], [False, True, False])])
    names = BiluoTags(teacher.labels).names
    assert [names[tag] for tag in chain.argmax()] == ["B-LOC", "L-LOC", "U-LOC"]


def test_white_space_leaves_the_probabilities_of_words(save):
    """Models of words do not see it: entities go on behind it, but neither start nor end there."""
    folder = save(IOB2)
    teacher = TokenClassificationTeacher(folder)
    words = ["\n", "Anna", "\n\n", "Berg", "Oslo", "  "]
    chain = teacher.predict_chain([make_doc(words, [False, False, False, True, False, False])])
    probabilities = Reference(folder).word_probabilities(["Anna", "Berg", "Oslo"])

    def to_tags(classes):
        between = classes[1] if classes[1][0] == "I" else "O"
        with_spaces = ["O", classes[0], between, *classes[1:], "O"]
        return possible_iob2(classes) and iob_to_biluo(with_spaces)

    assert_distribution(chain, teacher.labels, weights(probabilities, IOB2, to_tags))


def test_white_space_ends_entities_of_types_alone(save):
    folder = save(IO)
    teacher = TokenClassificationTeacher(folder)
    chain = teacher.predict_chain([make_doc(["Anna", "\n", "Berg"], [False, False, False])])
    probabilities = Reference(folder).word_probabilities(["Anna", "Berg"])
    expected = weights(probabilities, IO, lambda types: tags_of_types([types[0], "O", types[1]]))
    assert_distribution(chain, teacher.labels, expected)


def test_wordpieces_of_white_space_are_no_edges(save):
    folder = save(IOB2, byte_level())
    teacher = TokenClassificationTeacher(folder)
    doc = make_doc(["\n", "Anna", "\n"], [False, False, False])
    chain = teacher.predict_chain([doc])
    names = BiluoTags(teacher.labels).names
    assert numpy.isneginf(chain.emissions[::2, [name[0] in "BLU" for name in names]]).all()
    reference = Reference(folder)
    ids = reference.tokenizer.encode(doc.text, add_special_tokens=False)
    line = reference.tokenizer.convert_tokens_to_ids("Ċ")
    firsts = [number for number, piece in enumerate(ids) if piece == line]
    assert len(firsts) == 2
    expected = numpy.log(reference.probabilities(ids)[firsts][:, [0, 2, 4]])
    columns = [names.index(name) for name in ("O", "I-PER", "I-LOC")]
    assert_allclose(chain.emissions[::2][:, columns], expected, **CLOSE)


def test_nothing_to_read_without_special_wordpieces(save):
    """Of a text without wordpieces, such a tokenizer leaves nothing at all."""
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.post_processor = tokenizers.processors.ByteLevel()
    teacher = TokenClassificationTeacher(save(IOB2, tokenizer))
    docs = [Doc(VOCAB), make_doc("Oslo"), Doc(VOCAB)]
    assert teacher.predict_chain(docs).lengths.tolist() == [0, 1, 0]
    assert teacher.predict_chain(docs[:1]).emissions.shape == (0, 9)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_nothing_to_read(save, tokenizer):
    teacher = TokenClassificationTeacher(save(IOB2, TOKENIZERS[tokenizer]()))
    empty, blank = Doc(VOCAB), make_doc([" ", "\n \n"], [True, False])
    chain = teacher.predict_chain([empty, blank, empty])
    assert chain.lengths.tolist() == [0, 2, 0]
    assert chain.argmax().tolist() == [0, 0]
    assert numpy.isfinite(chain.log_partition).all()
    chain = teacher.predict_chain([empty, empty])
    assert chain.emissions.shape == (0, 9) and chain.emissions.dtype == "float32"
    assert chain.log_partition.tolist() == [0, 0]
    # Normalization takes these away, though they are no white space.
    chain = teacher.predict_chain([make_doc(["\u200b", "\x00", "Oslo"])])
    assert numpy.isfinite(chain.log_partition).all()


@pytest.mark.parametrize("size", [2, 3, 4])
def test_shared_wordpieces_keep_what_they_say_of_labels_and_edges(size):
    """Each sum is over all ways in which the tokens may be tagged."""
    rng = numpy.random.default_rng(size)
    scores = rng.normal(size=(1, 9), scale=3).astype("float32")
    alone = rng.normal(size=(2, 9)).astype("float32")
    emissions = numpy.concatenate([alone[:1], numpy.repeat(scores, size, axis=0), alone[1:]])
    share_pieces(emissions, numpy.asarray([4, *[5] * size, 6]))
    assert_allclose(emissions[[0, -1]], alone)
    group = numpy.exp(emissions[1:-1].astype("float64"))
    expected = numpy.exp(scores[0].astype("float64"))
    assert_allclose(group[:, 0].prod(), expected[0])
    for first in (1, 5):
        begin, inside, last, unit = expected[first : first + 4]
        between = group[1:-1, first + 1].prod()
        begins, goes_on = group[0, first] * between, group[0, first + 1] * between
        stays, stops = group[-1, first + 1], group[-1, first + 2]
        assert_allclose(begins * (stays + stops), begin + unit, rtol=1e-5)
        assert_allclose(goes_on * (stays + stops), inside + last, rtol=1e-5)
        assert_allclose((begins + goes_on) * stays, begin + inside, rtol=1e-5)
        assert_allclose((begins + goes_on) * stops, last + unit, rtol=1e-5)
        # nothing else is possible: no second entity, and no end before the last token
        assert not group[:, first + 3].any()
        assert not group[1:, first].any() and not group[:-1, first + 2].any()


def test_tokens_without_a_wordpiece_share_none():
    emissions = numpy.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    before = emissions.copy()
    share_pieces(emissions, numpy.asarray([-1, -1, 0]))
    numpy.testing.assert_array_equal(emissions, before)
    share_pieces(emissions[:0], numpy.zeros(0, dtype="int64"))
