import re
from functools import partial
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from newsroom_markup import (
    LABELS,
    Article,
    Sentence,
    article_to_doc,
    misfit_entities,
    read_articles,
)
from spacy.tokens import DocBin

NEWSROOM = Path(__file__).parents[2] / "assets" / "newsroom" / "raw"
TEXT = """\
[PER Ines Duarte] flew to [LOC Oslo] on Monday.
She met [PER Kjell Moe]'s team.

It rained.
"""

words = st.text("abcÅé-", min_size=1, max_size=5)
pieces = st.lists(st.tuples(words, st.sampled_from(["", *LABELS])), min_size=1, max_size=6)


@pytest.fixture
def nlp():
    return spacy.blank("en")


@pytest.fixture
def write(write_text):
    return partial(write_text, "articles.txt")


def spans(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_articles_sentences_and_offsets(write):
    first, second = read_articles(write(TEXT))
    assert first.sentences[0] == Sentence(
        "Ines Duarte flew to Oslo on Monday.", ((0, 11, "PER"), (20, 24, "LOC"))
    )
    assert first.text == "Ines Duarte flew to Oslo on Monday. She met Kjell Moe's team."
    assert [first.text[start:end] for start, end, _ in first.entities] == [
        "Ines Duarte",
        "Oslo",
        "Kjell Moe",
    ]
    assert second == Article((Sentence("It rained.", ()),))


def test_many_blank_lines_and_no_last_newline(write):
    assert len(read_articles(write("\n\nOne.\n \n\n\nTwo.\nThree."))) == 2


@given(pieces)
def test_rendered_markup_is_read_back(tmp_path_factory, sentence):
    path = tmp_path_factory.mktemp("articles") / "rendered.txt"
    path.write_text(
        " ".join(f"[{label} {word}]" if label else word for word, label in sentence),
        encoding="utf8",
    )
    (article,) = read_articles(path)
    assert article.text == " ".join(word for word, _ in sentence)
    found = [(article.text[start:end], label) for start, end, label in article.entities]
    assert found == [(word, label) for word, label in sentence if label]


@pytest.mark.parametrize(
    "line, found",
    [
        ("In [PRE Ines] we trust.", "'PRE'"),
        ("In [LOC  Oslo].", "blanks"),
        ("In [LOC Oslo ].", "blanks"),
        ("In [LOC ].", "blanks"),
        ("In [LOC Oslo.", "stray bracket"),
        ("In LOC Oslo].", "stray bracket"),
        ("In [LOC].", "stray bracket"),
        ("In [ORG [LOC Oslo] Opera].", "stray bracket"),
    ],
)
def test_wrong_markup_is_refused_with_its_place(write, line, found):
    path = write(f"Fine.\n\n{line}\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}:3: found ")) as error:
        read_articles(path)
    assert found in str(error.value)
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_empty_and_undecodable_files(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt: no such file"):
        read_articles(tmp_path / "nowhere.txt")
    with pytest.raises(ValueError, match="found no article"):
        read_articles(write("\n\n"))
    path = tmp_path / "latin1.txt"
    path.write_bytes("Ålesund".encode("latin1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        read_articles(path)


def test_doc_has_sentences_and_entities(nlp, write):
    article = read_articles(write(TEXT))[0]
    doc = article_to_doc(nlp.make_doc, article)
    assert [sent.text for sent in doc.sents] == [s.text for s in article.sentences]
    assert spans(doc) == [("Ines Duarte", "PER"), ("Oslo", "LOC"), ("Kjell Moe", "PER")]
    assert {token.ent_iob_ for token in doc if not token.ent_type} == {"O"}
    assert misfit_entities(doc, article) == []


def test_misfit_entities_become_missing(nlp, write):
    # The English tokeniser leaves "Oslo_Bergen" in one piece: two misfits touch one token.
    article = read_articles(write("From [LOC Oslo]_[LOC Bergen] to [LOC Rome].\n"))[0]
    doc = article_to_doc(nlp.make_doc, article)
    assert spans(doc) == [("Rome", "LOC")]
    assert [token.ent_iob_ for token in doc] == ["O", "", "O", "B", "O"]
    assert misfit_entities(doc, article) == [(5, 9, "LOC"), (10, 16, "LOC")]
    (read,) = DocBin(docs=[doc]).get_docs(nlp.vocab)
    assert [token.ent_iob_ for token in read] == ["O", "", "O", "B", "O"]


def test_every_token_of_a_misfit_is_missing(nlp, write):
    article = read_articles(write("The [PER Ines Du]arte story.\n"))[0]
    doc = article_to_doc(nlp.make_doc, article)
    assert [token.ent_iob_ for token in doc] == ["O", "", "", "O", "O"]


def test_entities_left_out_stay_unset_on_disk(nlp, write):
    doc = article_to_doc(nlp.make_doc, read_articles(write(TEXT))[0], keep_entities=False)
    (read,) = DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(nlp.vocab)
    for each in (doc, read):
        assert not each.has_annotation("ENT_IOB")
        assert len(list(each.sents)) == 2


def test_newsroom_corpus_has_the_size_it_states():
    articles = [a for path in sorted(NEWSROOM.glob("*.txt")) for a in read_articles(path)]
    assert len(articles) == 520
    assert sum(len(article.sentences) for article in articles) == 4265
    assert sum(len(article.entities) for article in articles) == 7608
