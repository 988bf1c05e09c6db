"""JSON lines with words and tags."""

import json
import re

import pytest
import spacy

from spacy_distill.corpora.tagged_json import read_tagged_json

VOCAB = spacy.blank("en").vocab


@pytest.fixture
def write(tmp_path):
    def write_rows(*rows):
        path = tmp_path / "corpus.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
        return path

    return write_rows


def spans(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_words_tags_and_spaces(write):
    path = write(
        {"tokens": ["Anna", "Berg", "sails"], "ner_tags": ["B-PER", "I-PER", "O"]},
        {"words": ["Oslo", "."], "tags": ["B-LOC", "O"], "spaces": [False, False]},
        {"words": [], "tags": []},
    )
    first, second = read_tagged_json(path, VOCAB)
    assert spans(first) == [(0, 2, "PER")] and first.has_unknown_spaces
    assert spans(second) == [(0, 1, "LOC")] and second.text == "Oslo."
    plain = list(read_tagged_json(path, VOCAB, keep_entities=False))
    assert [doc.has_annotation("ENT_IOB") for doc in plain] == [False, False]


@pytest.mark.parametrize(
    "tags, scheme, expected",
    [
        ("B-PER E-PER I-PER E-PER", None, [(0, 2, "PER"), (2, 4, "PER")]),
        ("per:s per:i o per:b", None, [(0, 1, "per"), (1, 2, "per"), (3, 4, "per")]),
        ("B-CELL B-CELL O T-CELL", "types", [(0, 2, "B-CELL"), (3, 4, "T-CELL")]),
    ],
)
def test_tags_are_read_as_those_of_column_files(write, tags, scheme, expected):
    path = write({"tokens": ["word"] * 4, "tags": tags.split()})
    (doc,) = read_tagged_json(path, VOCAB, scheme=scheme)
    assert spans(doc) == expected


@pytest.mark.parametrize(
    "row, found",
    [
        ({"tokens": ["Oslo"], "tags": [5]}, "the tag '5', expected .*[D280]"),
        ({"tokens": ["Oslo"], "tags": ["LOC"]}, "the tag 'LOC', expected .*[D282]"),
        ({"tokens": ["Oslo"], "tags": ["B-"]}, "the tag 'B-', expected .*[D244]"),
        ({"tokens": ["Oslo"], "tags": []}, "1 words and 0 tags in the columns 'tokens', 'tags'"),
        ({"tokens": ["Oslo"], "tags": [None]}, "null in the list of tags"),
        ({"tokens": ["Oslo"], "tags": [False]}, "false in the list of tags"),
        ({"tokens": ["Oslo"], "tags": [["O"]]}, '["O"] in the list of tags'),
        ({"tokens": ["Oslo"]}, "1 words and no list of tags in the columns 'tokens'"),
        ({"text": "Oslo", "tags": []}, "no list of words in the columns 'text', 'tags'"),
    ],
)
def test_wrong_rows_are_refused_with_their_place(write, row, found):
    path = write({"tokens": ["It"], "tags": ["O"]}, row)
    found = re.escape(found).replace(r"\.\*", ".*")
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}', row 2: found {found}"):
        list(read_tagged_json(path, VOCAB))


@pytest.mark.parametrize("change", [{"spaces": [True]}, {"words": ["Oslo", ""]}])
def test_words_and_spaces_that_do_not_match_are_reported(write, change):
    path = write({"words": ["Oslo", "."], "tags": ["B-LOC", "O"], **change})
    with pytest.raises(ValueError, match=r"\[D368\] '.*corpus\.jsonl', row 1: found 2 words"):
        list(read_tagged_json(path, VOCAB))
