import re
from functools import partial

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin

from spacy_distill.corpora.conll import read_conll

VOCAB = spacy.blank("en").vocab

# A sentence is a list of runs: the label of an entity (or None), and the number of tokens.
runs = st.lists(
    st.tuples(st.sampled_from([None, "PER", "creative-work"]), st.integers(1, 4)),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def write(write_text):
    return partial(write_text, "corpus.conll")


def spans(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def tags_of(runs, scheme):
    """RETURNS: The tags of a sentence in a tagging scheme, and its entities."""
    tags, entities, before = [], [], None
    for label, length in runs:
        start = len(tags)
        if label is None:
            tags += ["O"] * length
        else:
            entities.append((start, start + length, label))
            prefixes = ["B"] + ["I"] * (length - 1)
            if scheme == "IOB1" and label != before:
                prefixes[0] = "I"
            if scheme.startswith("IOE"):
                prefixes = ["I"] * (length - 1) + ["E"]
            if scheme in ("BILUO", "IOBES"):
                prefixes[-1] = "LE"[scheme == "IOBES"] if length > 1 else "US"[scheme == "IOBES"]
            tags += [f"{prefix}-{label}" for prefix in prefixes]
        before = label
    return tags, entities


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOE2", "BILUO", "IOBES"])
@given(runs=runs)
def test_every_scheme_gives_the_same_entities(tmp_path_factory, scheme, runs):
    tags, entities = tags_of(runs, scheme)
    path = tmp_path_factory.mktemp("schemes") / "corpus.conll"
    # If all letters are E or S, they could be parts of types, such as E-MAIL.
    before = "word I-PER\n\n" if scheme in ("IOE2", "BILUO", "IOBES") else ""
    path.write_text(before + "".join(f"word {tag}\n" for tag in tags), encoding="utf8")
    *_, doc = read_conll(path, VOCAB)
    assert spans(doc) == entities
    assert all(token.ent_iob_ for token in doc)


def test_an_ended_entity_does_not_go_on(write):
    (doc,) = read_conll(write("".join(f"word {letter}-PER\n" for letter in "BEIE")), VOCAB)
    assert [(ent.start, ent.end) for ent in doc.ents] == [(0, 2), (2, 4)]


def test_sentences_documents_and_columns(write):
    path = write(
        "-DOCSTART- -X- O O\n\nEU NNP B-ORG 0\nrejects VBZ O 0\n\n\n"
        "-DOCSTART- -X- O O\nPeter NNP B-PER 0\nBlackburn NNP I-PER 0"
    )
    docs = list(read_conll(path, VOCAB, tag_column=2))
    assert [[token.text for token in doc] for doc in docs] == [
        ["EU", "rejects"],
        ["Peter", "Blackburn"],
    ]
    assert [spans(doc) for doc in docs] == [[(0, 1, "ORG")], [(0, 2, "PER")]]
    # The same column, counted from the end.
    assert [spans(d) for d in read_conll(path, VOCAB, tag_column=-2)] == [spans(d) for d in docs]


def test_tabs_keep_odd_blanks_in_tokens_and_end_sentences(write):
    path = write("New\u00a0York\tB-location\n\u00a0\tO\n\t\nto day\tO\n")
    first, second = read_conll(path, VOCAB)
    assert [token.text for token in first] == ["New\u00a0York", "\u00a0"]
    assert [token.text for token in second] == ["to day"]


def test_sentence_without_entities_is_annotated(write):
    (doc,) = read_conll(write("It O\nrained O\n"), VOCAB)
    assert [token.ent_iob_ for token in doc] == ["O", "O"]
    assert doc.text == "It rained "
    assert doc.has_unknown_spaces


def test_entities_left_out_stay_unset_on_disk(write):
    (doc,) = read_conll(write("Oslo B-LOC\nsleeps ?\n"), VOCAB, keep_entities=False)
    (read,) = DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(VOCAB)
    for each in (doc, read):
        assert [token.text for token in each] == ["Oslo", "sleeps"]
        assert not each.has_annotation("ENT_IOB")
        assert each.has_unknown_spaces


def test_numbers_of_tokens_are_no_tokens(write):
    path = write("1\tOslo\tB-LOC\n2\train\tO\n\n1\tKiel\tB-LOC\n")
    with pytest.raises(ValueError, match=r"\[D369\].*cut -f2-"):
        list(read_conll(path, VOCAB))
    # Two sentences of one number each.
    assert len(list(read_conll(write("1 O\n\n1 O\n"), VOCAB))) == 2


@pytest.mark.parametrize(
    "line, tag_column, found",
    [
        ("Oslo", -1, "1 column(s) in 'Oslo'"),
        ("Oslo B-LOC", 2, "2 column(s) in 'Oslo B-LOC'"),
        ("Oslo B-LOC", -2, "2 column(s) in 'Oslo B-LOC'"),
        ("Oslo B-LOC", 0, "2 column(s) in 'Oslo B-LOC'"),
        ("Oslo B-LOC 0", -1, "the tag '0'"),
        ("Oslo B-LOC _", -1, "the tag '_'"),
        ("Oslo 3", -1, "the tag '3'"),
        ("Oslo LOC", -1, "the tag 'LOC'"),
        ("Write E-MAIL", -1, "the tag 'E-MAIL'"),
        ("Oslo X-LOC", -1, "the tag 'X-LOC'"),
        ("Oslo B-", -1, "the tag 'B-'"),
        ("\tB-LOC", -1, "an empty first column"),
        ("Oslo\t\tB-LOC", 1, "an empty tag for 'Oslo' in column 1"),
    ],
)
def test_wrong_lines_are_refused_with_their_place(write, line, tag_column, found):
    path = write(f"\n{line}\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: found {found}")) as error:
        list(read_conll(path, VOCAB, tag_column=tag_column))
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_empty_and_undecodable_files(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.conll: no such file"):
        list(read_conll(tmp_path / "nowhere.conll", VOCAB))
    with pytest.raises(ValueError, match="found no sentence"):
        list(read_conll(write("-DOCSTART- O\n\n"), VOCAB))
    path = tmp_path / "latin1.conll"
    path.write_bytes("Ålesund B-LOC\n".encode("latin1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        list(read_conll(path, VOCAB))


def test_labels_without_prefixes(write):
    path = write("Nya\tORG\nTider\tORG\nFörlag\tPER\ni\t0\nOslo\tLOC\n\nHan\tO\n")
    first, second = read_conll(path, VOCAB, scheme="types")
    spans = [(ent.start, ent.end, ent.label_) for ent in first.ents]
    assert spans == [(0, 2, "ORG"), (2, 3, "PER"), (4, 5, "LOC")]
    assert second.has_annotation("ENT_IOB") and not second.ents
    # Types that look as if they had a letter.
    (doc,) = read_conll(write("B\tB-CELL\ncells\tB-CELL\n"), VOCAB, scheme="types")
    assert [(ent.end, ent.label_) for ent in doc.ents] == [(2, "B-CELL")]
    with pytest.raises(ValueError, match=r"corpus.conll:2: found the tag '7'.* \[D280\]"):
        list(read_conll(write("Oslo\tLOC\nBergen\t7\n"), VOCAB, scheme="types"))


@pytest.mark.parametrize(
    "tags, expected",
    [
        ("b-per i-per o", [(0, 2, "per")]),
        ("B:PER I:PER O", [(0, 2, "PER")]),
        ("PER_B PER_E PER_S", [(0, 2, "PER"), (2, 3, "PER")]),
        ("B/PER M/PER E/PER W/LOC", [(0, 3, "PER"), (3, 4, "LOC")]),
        ("B I O B", [(0, 2, "ENTITY"), (3, 4, "ENTITY")]),
        ("B PER\tI PER\tO", [(0, 2, "PER")]),
        ("B-PER I-PER 0", [(0, 2, "PER")]),
    ],
)
def test_tags_may_be_written_in_other_ways(write, tags, expected):
    (doc,) = read_conll(
        write("".join(f"word\t{tag}\n" for tag in re.split("\t| (?!PER\\b)", tags))), VOCAB
    )
    assert spans(doc) == expected


def test_a_scheme_can_be_named(write):
    path = write("Anna I-PER\nBerg B-PER\nsails O\n")
    assert spans(next(read_conll(path, VOCAB))) == [(0, 1, "PER"), (1, 2, "PER")]
    assert spans(next(read_conll(path, VOCAB, scheme="iob2"))) == [(0, 1, "PER"), (1, 2, "PER")]
    assert spans(next(read_conll(path, VOCAB, scheme="io"))) == [(0, 2, "PER")]
    with pytest.raises(ValueError, match=r"conll:2: found the tag 'B-PER'.*scheme 'ioe2'"):
        list(read_conll(path, VOCAB, scheme="ioe2"))
    with pytest.raises(ValueError, match=r"corpus\.conll: .*'bilou' is not a label scheme"):
        list(read_conll(path, VOCAB, scheme="bilou"))


def test_tags_that_are_half_known_are_refused_with_the_way_to_name_them(write):
    path = write("Anna B-PER\nBerg I-PER\n\nOslo LOC\n")
    with pytest.raises(ValueError, match=r"\[D346\].*'B-PER'.*\[D244\].*--scheme types"):
        list(read_conll(path, VOCAB))


def test_a_line_without_a_tag(write):
    path = write("Oslo\tLOC\nbn\nBergen\tLOC\n")
    with pytest.raises(ValueError, match="found 1 column"):
        list(read_conll(path, VOCAB, scheme="types"))
    (doc,) = read_conll(path, VOCAB, scheme="types", missing_tag="O")
    assert [(ent.start, ent.end) for ent in doc.ents] == [(0, 1), (2, 3)]
    path = write("Oslo NNP I-NP B-LOC\nbn\n")
    (doc,) = read_conll(path, VOCAB, tag_column=3, missing_tag="O")
    assert [ent.text for ent in doc.ents] == ["Oslo"]


COMMENTS = [
    "# text = Oslo sleeps",
    "# text = Oslo\tsleeps",
    "# newdoc id = weblog-1",
    "# newdoc",
    "#sent_id=1",
    "# text =",
    "# see table B",
    "## news from B-LOC",
    "# id 63a7b9-2\tdomain=en",
]
SIGNS = ["#", "##", "#first"]


@pytest.mark.parametrize("comment", COMMENTS + SIGNS)
@pytest.mark.parametrize("separator", " \t")
def test_comments_before_a_sentence_are_left_out(write, comment, separator):
    oslo, sleeps, it = (
        separator.join(pair) for pair in (("Oslo", "B-LOC"), ("sleeps", "O"), ("It", "O"))
    )
    lines = f"{comment}\n{comment}\n{oslo}\n{sleeps}\n\n{comment}\n\n{comment}\n{it}\n"
    # A single "#" may be a token if tags may be missing.
    missing = [{"missing_tag": "O"}] if comment in COMMENTS else []
    for options in ({}, {"keep_entities": False}, *missing):
        docs = list(read_conll(write(lines), VOCAB, **options))
        assert [[token.text for token in doc] for doc in docs] == [["Oslo", "sleeps"], ["It"]]
        assert all(doc.ents == () or spans(doc) == [(0, 1, "LOC")] for doc in docs)


@pytest.mark.parametrize("first", ["#oslo", "#", "#a=b"])
@pytest.mark.parametrize("options", [{"missing_tag": "O"}, {"keep_entities": False}])
def test_tokens_without_a_tag_may_begin_with_a_number_sign(write, first, options):
    docs = list(read_conll(write(f"{first}\nis\nnice\n\n{first}\n"), VOCAB, **options))
    assert [[token.text for token in doc] for doc in docs] == [[first, "is", "nice"], [first]]
    (doc,) = read_conll(write("#oslo\nis\tO\n"), VOCAB, missing_tag="O")
    assert [token.text for token in doc] == ["#oslo", "is"]


@pytest.mark.parametrize("separator", " \t")
def test_comments_of_free_words_are_no_types(write, separator):
    lines = f"# a free comment\nOslo{separator}LOC\nis{separator}O\n"
    (doc,) = read_conll(write(lines), VOCAB, scheme="types")
    assert [token.text for token in doc] == ["Oslo", "is"] and spans(doc) == [(0, 1, "LOC")]
    # The comment has as many words as the tokens have columns, but no tabs.
    (doc,) = read_conll(write("# by hand B\nOslo\t_\t_\tB\n"), VOCAB)
    assert [token.text for token in doc] == ["Oslo"]


def test_a_token_that_is_a_number_sign_stays(write):
    path = write("# B-LOC\n1 I-LOC\n# O\n\n#oslo\tB-LOC\n#\tO\n")
    first, third = read_conll(path, VOCAB)
    assert [token.text for token in first] == ["#", "1", "#"] and spans(first) == [(0, 2, "LOC")]
    assert [token.text for token in third] == ["#oslo", "#"] and spans(third) == [(0, 1, "LOC")]


@pytest.mark.parametrize("line", ["#1 = O", "#id = O", "# : O"])
def test_a_token_before_an_equals_sign_stays(write, line):
    (doc,) = read_conll(write(f"{line}\nOslo NNP B-LOC\n"), VOCAB)
    assert [token.text for token in doc] == [line.split()[0], "Oslo"]
    (doc,) = read_conll(write("#1 = O\nOslo B-LOC\n"), VOCAB)
    assert [token.text for token in doc] == ["#1", "Oslo"]


def test_any_line_that_may_be_a_comment_is_called_so(write):
    path = write("Oslo B-LOC\n# PLACE\n")
    with pytest.raises(ValueError, match=r"'B-LOC'.*\[D244\].* If line 2 is a comment, remove it"):
        list(read_conll(path, VOCAB))


@pytest.mark.parametrize("line", ["# comment", "Oslo B-LOC\n#comment\n", "#made by hand"])
def test_what_may_be_a_comment_is_called_so(write, line):
    with pytest.raises(ValueError, match=r"If line \d is a comment, remove it"):
        list(read_conll(write(f"It O\n\n{line}\nsleeps O\n"), VOCAB))
