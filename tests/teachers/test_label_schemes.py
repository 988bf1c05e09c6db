"""The meaning of class names. Their effect on probabilities is tested with models."""

import numpy
import pytest

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers.label_schemes import read_scheme


def meaning(scheme, names):
    """RETURNS (dict): The names of each tag's classes; without tags that have no classes."""
    tags = BiluoTags(scheme.labels).names
    columns = zip(tags, scheme.columns, strict=True)
    return {tag: [names[number] for number in numbers] for tag, numbers in columns if numbers}


def iobes(begin="B", inside="I", last="E", unit="S"):
    return {"B-PER": [f"{begin}-PER"], "I-PER": [f"{inside}-PER"], "L-PER": [f"{last}-PER"]} | {
        "U-PER": [f"{unit}-PER"]
    }


IOB2 = {"B-PER": ["B-PER"], "U-PER": ["B-PER"], "I-PER": ["I-PER"], "L-PER": ["I-PER"]}


IOE2 = {"B-PER": ["I-PER"], "I-PER": ["I-PER"], "L-PER": ["E-PER"], "U-PER": ["E-PER"]}


def io(label, *names):
    return {f"{prefix}-{label}": list(names) for prefix in "BILU"}


@pytest.mark.parametrize(
    "names, scheme, expected",
    [
        ("O B-PER I-PER E-PER S-PER", "iobes", iobes()),
        ("B-PER I-PER L-PER U-PER O", "iobes", iobes(last="L", unit="U")),
        ("O B-PER M-PER E-PER W-PER", "iobes", iobes(inside="M", unit="W")),
        ("O B-PER I-PER", "iob2", IOB2),
        ("I-PER O B-PER [CLS] [SEP] X", "iob2", IOB2),
        ("O B-PER", "iob2", {"B-PER": ["B-PER"], "U-PER": ["B-PER"]}),
        ("O I-PER", "io", io("PER", "I-PER")),
        ("O PER PAD", "io", io("PER", "PER")),
        ("O X", "io", io("X", "X")),
        # If some names have no letter, "E-" is not a letter either.
        ("O E-MAIL PHONE", "io", io("E-MAIL", "E-MAIL") | io("PHONE", "PHONE")),
        # IOB1: a type without B.
        ("O I-LOC B-LOC I-PER", "io", io("LOC", "I-LOC", "B-LOC") | io("PER", "I-PER")),
        ("O I-PER E-PER", "ioe2", IOE2),
        # IOE1: a type without E.
        ("O I-LOC E-LOC I-PER", "io", io("LOC", "I-LOC", "E-LOC") | io("PER", "I-PER")),
        # Types with several parts, and other separators.
        ("O B_first_name", "iob2", {"B-first_name": ["B_first_name"]}),
        ("O work-of-art-B work-of-art-I", "iob2", {"B-work-of-art": ["work-of-art-B"]}),
        ("O B I", "iob2", {"B-ENTITY": ["B"], "L-ENTITY": ["I"]}),
    ],
)
def test_schemes_are_found_by_the_names(names, scheme, expected):
    names = names.split()
    found = read_scheme(names)
    assert found.name == scheme
    assert meaning(found, names).items() >= {"O": ["O"], **expected}.items()
    assert len(set(found.labels)) == len(found.labels)


@pytest.mark.parametrize("outside", ["O", "0", "o", "OUT", "None", "_"])
def test_names_of_the_outside_class(outside):
    assert read_scheme(["B-PER", outside, "I-PER"]).columns[0] == (1,)


def test_blanks_around_names_do_not_count():
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "[PAD]"]
    assert read_scheme([" O", "B-PER", "I-PER ", "B-LOC", "I-LOC", "[PAD] "]) == read_scheme(names)


def test_iob1_is_io_though_a_type_has_no_begin():
    names = ["O", "B-LOC", "B-MISC", "B-ORG", "I-LOC", "I-MISC", "I-ORG", "I-PER"]
    assert read_scheme(names).name == "io"


def test_labels_come_in_the_order_of_the_classes():
    names = ["O", "B-PER", "B-LOC", "I-PER", "I-LOC"]
    assert read_scheme(names).labels == ("PER", "LOC")


@pytest.mark.parametrize("separator", "-_:./| \\")
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_letters_and_types_may_be_joined_in_other_ways(separator, last, lower):
    names = ["O", "B-PER", "I-PER", "B-work-of.art", "I-work-of.art"]
    pairs = [name.partition("-")[::2] for name in names[1:]]
    pairs = [(letter.lower() if lower else letter, label) for letter, label in pairs]
    written = [separator.join(pair[::-1] if last else pair) for pair in pairs]
    found = read_scheme(["o" if lower else "O", *written])
    assert found == read_scheme(names)
    assert found.labels == ("PER", "work-of.art")


def test_a_scheme_can_be_chosen():
    names = ["O", "B-PER", "I-PER", "B-CELL", "T-CELL"]
    with pytest.raises(ValueError, match=r"'B-PER' seems .*\. The names are: O, B-PER, I-P.*types"):
        read_scheme(names)
    assert read_scheme(names, "types").labels == tuple(names[1:])
    assert read_scheme(names, "types").name == "io"
    # Types that look as if they had a letter.
    assert read_scheme(["O", "B-CELL", "I-CELL"], "types").labels == ("B-CELL", "I-CELL")
    assert read_scheme(names[:3], "io").labels == ("PER",)
    # A scheme that the letters do not determine.
    assert read_scheme(["O", "S-PER", "B-LOC", "E-LOC"], "iobes").labels == ("PER", "LOC")


@pytest.mark.parametrize(
    "names, scheme, text",
    [
        ("LABEL_0 LABEL_1", None, r"'LABEL_0' has no meaning.* are: LABEL_0, LABEL_1\."),
        ("O LABEL_1", None, r"'LABEL_1' has no meaning"),
        ("0 1 2", None, r"'1' has no meaning.* are: 0, 1, 2\. .*id2label"),
        ("0 1 2", "types", "'1' has no meaning"),
        ("O B-1 I-1", None, "'B-1' has no meaning"),
        ("PER LOC", None, r"outside of entities \(O\).* are: PER, LOC\."),
        ("O B-PER I_PER", None, "'B-PER' seems to have a letter.*--scheme types"),
        ("O B-PER i-PER", None, "'B-PER' seems"),
        ("O BPER IPER BLOC ILOC", None, "'BPER' seems"),
        ("O begin-PER in-PER", None, "'begin-PER' seems"),
        ("O B--PER I--PER", None, "'B--PER' seems"),
        ("O", None, "at least one other"),
        ("O [PAD]", None, "at least one other"),
        (
            "O B-PER",
            "bilou",
            "'bilou' is not a label scheme: expected one of iobes, iob2, ioe2, io, types",
        ),
        ("O B-PER E-PER", "iob2", "'E-PER' does not fit the scheme 'iob2', which has .* B, I"),
        ("O PER", "iobes", "'PER' does not fit the scheme 'iobes'"),
        ("O B-PER I-PER I-LOC", "iob2", "cannot find an entity 'LOC'"),
        ("O B-PER I-PER S-LOC", None, "cannot find an entity 'PER'"),
    ],
)
def test_names_without_a_meaning(names, scheme, text):
    with pytest.raises(ValueError, match=text):
        read_scheme(names.split(), scheme)


def test_probabilities_that_are_next_to_nothing_are_kept():
    """A chain must not lose its last possible tag to rounding."""
    log_probabilities = numpy.asarray([[-2000.0, -1000.0, 0.0]], dtype="float32")
    emissions = read_scheme(["O", "B-PER", "I-PER"], "io").emissions(log_probabilities)
    assert emissions.tolist() == [[-2000, 0, 0, 0, 0]]
    emissions = read_scheme(["O", "0", "B-PER"]).emissions(log_probabilities)
    numpy.testing.assert_allclose(emissions, [[-1000, 0, -numpy.inf, -numpy.inf, 0]])
