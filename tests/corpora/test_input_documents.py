"""Words, spaces and ids of documents."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_distill.corpora.inputs import Input, InputDocument

pytestmark = pytest.mark.usefixtures("no_network")

# Words


def test_spacy_documents_keep_their_words_and_spaces(write):
    vocab = spacy.blank("en").vocab
    docs = [
        Doc(vocab, words=["Mr", ".", "\n", "Lund"], spaces=[False, True, False, True]),
        Doc(vocab, words=["Oslo", "waits"]),
        Doc(vocab, words=[]),
    ]
    found = [doc[:4] for doc in Input(write("a.spacy", DocBin(docs=docs).to_bytes()))]
    assert found == [
        ("a.spacy:1", "Mr. \nLund ", ["Mr", ".", "\n", "Lund"], [False, True, False, True]),
        ("a.spacy:2", "Oslo waits", ["Oslo", "waits"], None),
    ]


PRODIGY = [{"text": "It", "ws": False}, {"text": "'s", "ws": True}, {"text": "I", "ws": False}]


@pytest.mark.parametrize(
    "row, text, words, spaces",
    [
        ({"words": ["It", "'s"]}, "It 's", ["It", "'s"], None),
        ({"tokens": ["It", "'s"], "spaces": [0, 1]}, "It's ", ["It", "'s"], [False, True]),
        ({"text": "It's", "words": ["It", "'s"]}, "It's", ["It", "'s"], [False, False]),
        ({"text": "a  b", "tokens": ["a", "b"]}, "a  b", ["a", " ", "b"], [True, False, False]),
        ({"text": "It's I", "tokens": PRODIGY}, "It's I", ["It", "'s", "I"], [False, True, False]),
        ({"text": "a b", "words": ["a", "b"], "spaces": [0, 0]}, "a b", ["a", "b"], [True, False]),
        ({"text": None, "words": ["a"]}, "a", ["a"], None),
        ({"words": ["a", "", "b"]}, "a b", ["a", "b"], None),
        ({"text": "unseen", "tokens": ["un", "##seen"]}, "unseen", None, None),
        ({"text": "a b", "tokens": [12, 7]}, "a b", None, None),
        ({"text": "a b", "tokens": 2}, "a b", None, None),
    ],
)
def test_words_are_taken_where_they_make_up_the_text(write, row, text, words, spaces):
    for suffix in (".jsonl", ".parquet"):
        expected = InputDocument(f"a{suffix}:1", text, words, spaces)
        assert list(Input(write(f"a{suffix}", [row]))) == [expected]
    if spaces is not None:
        assert Doc(spacy.blank("en").vocab, words=words, spaces=spaces).text == text


def test_a_document_is_plain_data():
    assert InputDocument("a:1", "text") == ("a:1", "text", None, None, ())


# Names


@pytest.mark.parametrize(
    "row, expected",
    [
        ({"id": "x7"}, "x7"),
        ({"id": 0}, "0"),
        ({"_id": "x", "uuid": "y"}, "x"),
        ({"uuid": "y", "id": None}, "y"),
        ({"id": ""}, "a.jsonl:1"),
        ({"id": [1]}, "a.jsonl:1"),
        ({"id": True, "uuid": "y"}, "y"),
    ],
)
def test_a_record_may_bring_its_own_name(write, row, expected):
    assert [d.id for d in Input(write("a.jsonl", [{"text": "a", **row}]))] == [expected]


@pytest.mark.parametrize("column", [["007", "010"], ["1.0", "2"], ["True", "False"], ["NA", "NA"]])
def test_nothing_in_csv_is_a_number(write, column):
    """A reader must not infer numbers, even if all values of the column are numbers."""
    content = "".join(f"{value},{value}\n" for value in column)
    found = list(Input(write("a.csv", f"id,text\n{content}".encode())))
    assert [(document.id, document.text) for document in found] == [
        (value, value) for value in column
    ]
