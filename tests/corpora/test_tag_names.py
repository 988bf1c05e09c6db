"""Names of tags are parsed in the same way for models, column files and JSON lines."""

import json

import pytest
import spacy

from spacy_distill.corpora.conll import read_conll
from spacy_distill.corpora.tag_names import TagNameError, read_tag_meanings
from spacy_distill.corpora.tagged_json import read_tagged_json
from spacy_distill.teachers.label_schemes import read_scheme

VOCAB = spacy.blank("en").vocab
UNDERSTOOD = [
    ("B-PER I-PER", "PER"),
    ("B-PER E-PER S-LOC B-LOC E-LOC", "LOC PER"),
    ("B-PER I-PER B-LOC", "LOC PER"),
    ("I-PER B-LOC I-LOC", "LOC PER"),
    ("B-LC1 I-LC1", "LC1"),
]
REFUSED = [
    # Letters without a valid separator, and words instead of letters.
    ("B1 I1", "D244"),
    ("B1 I1 B2 I2", "D244"),
    ("(B)PER (I)PER", "D244"),
    ("PER[B] PER[I]", "D244"),
    ("START-PER CONT-PER", "D244"),
    ("START-PER END-PER", "D244"),
    ("PER-START PER-CONT", "D244"),
    ("first_PER rest_PER", "D244"),
    # Numbers and empty names.
    ("class_1", "D280"),
    ("TAG_1 TAG_2", "D280"),
    ("ENT_0", "D280"),
    ("Entity1 Entity2", "D280"),
    ("C0 C1", "D280"),
    ("L-1 L-2", "D280"),
    ("B-class_1 I-class_1", "D280"),
    # Types that differ only in case or spaces.
    ("B-PER I-per B-LOC I-LOC", "D288"),
    ("PER_B per_I", "D288"),
    ("B-PER I-PERSON B-LOC I-LOC", "D289"),
    # Names that may be letters or types.
    ("S-PER", "D287"),
    ("U-PER U-LOC", "D287"),
    ("E-MAIL", "D287"),
    ("E-MAIL S-BAHN", "D287"),
    ("e-mail s-bahn", "D287"),
    ("U.S. U.N.", "D287"),
    ("PER-E PER-S", "D287"),
]


@pytest.fixture
def readers(tmp_path):
    """RETURNS (dict): Functions from names of tags to their labels, one for each kind of input."""

    def labels_of(docs):
        return {ent.label_ for doc in docs for ent in doc.ents}

    def read_column_file(names, scheme):
        path = tmp_path / "corpus.conll"
        path.write_text("".join(f"word\t{name}\n\n" for name in names), encoding="utf8")
        return labels_of(read_conll(path, VOCAB, scheme=scheme))

    def read_json_lines(names, scheme):
        path = tmp_path / "corpus.jsonl"
        row = {"words": ["word"] * len(names), "tags": names}
        path.write_text(json.dumps(row), encoding="utf8")
        return labels_of(read_tagged_json(path, VOCAB, scheme=scheme))

    def read_model(names, scheme):
        return set(read_scheme(names, scheme).labels)

    return [read_column_file, read_json_lines, read_model]


@pytest.mark.parametrize("names, labels", UNDERSTOOD)
def test_every_reader_understands_the_same(readers, names, labels):
    for read in readers:
        assert read(["O", *names.split()], None) == set(labels.split())


@pytest.mark.parametrize("names, code", REFUSED)
def test_every_reader_refuses_the_same(readers, names, code):
    for read in readers:
        with pytest.raises(ValueError, match=rf"\[{code}\]"):
            read(["O", *names.split()], None)


@pytest.mark.parametrize(
    "names, schemes, labels",
    [
        ("E-PER E-LOC", "iobes or ioe2", "LOC PER"),
        ("L-PER", "iobes or ioe2", "PER"),
        ("S-PER E-PER", "iobes", "PER"),
        ("U-PER U-LOC", "iobes", "LOC PER"),
    ],
)
def test_letters_that_may_be_types_can_be_named(readers, names, schemes, labels):
    names = ["O", *names.split()]
    with pytest.raises(
        TagNameError, match=rf"Choose the scheme \(--scheme\): {schemes} if .* types if"
    ):
        read_tag_meanings(names)
    *files, model = readers
    for scheme in schemes.split(" or "):
        for read in files:
            assert read(names, scheme) == set(labels.split())
    # A model whose only letters are for ends has one of these schemes.
    assert model(names, scheme) == set(labels.split())
    for read in readers:
        assert read(names, "types") == set(names[1:])


def test_types_that_differ_in_capitals_are_read_if_they_are_said_to_be_types(readers):
    for read in readers:
        assert read(["O", "Date", "DATE"], "types") == {"Date", "DATE"}
        with pytest.raises(ValueError, match=r"\[D288\]"):
            read(["O", "B-Date", "B-DATE"], "iob2")


def test_names_of_some_of_the_types_may_look_like_numbers_or_words(readers):
    for read in readers:
        assert read(["O", "C1", "PROTEIN"], "types") == {"C1", "PROTEIN"}
        assert read(["O", "START_DATE", "END_DATE"], "types") == {"START_DATE", "END_DATE"}
    model = readers[2]
    assert model(["O", "START_DATE", "END_DATE", "PER"], None) == {"START_DATE", "END_DATE", "PER"}


def test_blanks_around_names_do_not_count(readers):
    for read in readers:
        assert read(["O ", "B-PER", "I-PER ", " B-LOC", "I-LOC"], None) == {"PER", "LOC"}
    assert read_tag_meanings(["B-PER", "I-PER "]) == {"B-PER": ("B", "PER"), "I-PER ": ("I", "PER")}


@pytest.mark.parametrize("name, what", [("", "no letters"), ("-", "no letters"), ("7", "a number")])
def test_what_is_no_type_is_said(name, what):
    with pytest.raises(
        TagNameError, match=rf"\[D280\] The label '{name}' .* found {what}, expected"
    ):
        read_tag_meanings(["O", "B-PER", name])


def test_the_message_for_files_without_letters_says_so_of_all():
    with pytest.raises(TagNameError, match=r"\[D282\] The label 'LOC' .* and no label has one"):
        read_tag_meanings(["O", "LOC", "PER"])
