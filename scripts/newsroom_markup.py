"""Read articles with inline entity markup, `[LABEL text]`: one sentence per line, and a blank line
between articles."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Tuple, Union

from spacy.tokens import Doc

# Start and end offset in characters, and the label.
Entity = Tuple[int, int, str]

LABELS = ("LOC", "MISC", "ORG", "PER")
ENTITY = re.compile(r"\[([^\s\[\]]*) ([^\[\]]*)\]")


@dataclass(frozen=True)
class Sentence:
    """A sentence without its markup.

    text (str): The sentence.
    entities (Tuple[Entity, ...]): The entities, with character offsets into the text.
    """

    text: str
    entities: Tuple[Entity, ...]


@dataclass(frozen=True)
class Article:
    """An article of sentences that are joined by a space.

    sentences (Tuple[Sentence, ...]): The sentences in order.
    """

    sentences: Tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """The text of the article."""
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def sentence_starts(self) -> List[int]:
        """The character offsets of the sentences in the text."""
        starts, start = [], 0
        for sentence in self.sentences:
            starts.append(start)
            start += len(sentence.text) + 1
        return starts

    @property
    def entities(self) -> List[Entity]:
        """All entities, with character offsets into the text of the article."""
        return [
            (offset + start, offset + end, label)
            for offset, sentence in zip(self.sentence_starts, self.sentences, strict=True)
            for start, end, label in sentence.entities
        ]


def read_articles(path: Union[str, Path]) -> List[Article]:
    """Read a file of articles.

    path (Union[str, Path]): A text file in UTF-8.
    RETURNS (List[Article]): The articles, in the order of the file.
    RAISES (FileNotFoundError): The file does not exist.
    RAISES (ValueError): The file is not UTF-8, has no articles, or has wrong markup.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file, expected articles, check the path")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: found bytes that are not UTF-8 ({error.reason} at byte "
            f"{error.start}), expected UTF-8, convert the file"
        ) from None
    articles: List[Article] = []
    sentences: List[Sentence] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            sentences.append(_parse_sentence(line.strip(), f"{path}:{number}"))
        elif sentences:
            articles.append(Article(tuple(sentences)))
            sentences = []
    if not articles:
        raise ValueError(f"{path}: found no article, expected at least one sentence, fill the file")
    return articles


def article_to_doc(
    make_doc: Callable[[str], Doc], article: Article, *, keep_entities: bool = True
) -> Doc:
    """Tokenize an article, and set its sentence starts and entities.

    If an entity begins or ends inside a token, the annotation of the tokens that it overlaps is set
    to missing. `misfit_entities` finds these entities.

    make_doc (Callable[[str], Doc]): A tokenizer, such as `nlp.make_doc`.
    article (Article): The article.
    keep_entities (bool): Set the entities. If False, the document has no entity annotation. That is
        not the same as tokens outside of entities.
    RETURNS (Doc): The document.
    """
    doc = make_doc(article.text)
    starts = set(article.sentence_starts)
    for token in doc:
        token.is_sent_start = token.idx in starts
    if keep_entities:
        spans = [doc.char_span(start, end, label) for start, end, label in article.entities]
        # One span per token, because two misfit entities may overlap the same token.
        misfits = misfit_entities(doc, article)
        missing = [
            doc[token.i : token.i + 1]
            for token in doc
            if any(token.idx < end and start < token.idx + len(token) for start, end, _ in misfits)
        ]
        doc.set_ents([span for span in spans if span is not None], missing=missing)
    return doc


def misfit_entities(doc: Doc, article: Article) -> List[Entity]:
    """Find the entities that do not align with the tokens of an article.

    doc (Doc): The tokenized article.
    article (Article): The article.
    RETURNS (List[Entity]): The entities that begin or end inside a token.
    """
    return [
        (start, end, label)
        for start, end, label in article.entities
        if doc.char_span(start, end) is None
    ]


def _parse_sentence(line: str, place: str) -> Sentence:
    text, entities, position = "", [], 0
    for match in ENTITY.finditer(line):
        label, surface = match.groups()
        if label not in LABELS:
            raise ValueError(
                f"{place}: found the label {label!r} in {match.group()!r}, "
                f"expected one of {', '.join(LABELS)}, correct the label"
            )
        if not surface or surface != surface.strip():
            raise ValueError(
                f"{place}: found blanks at the edge of the entity {match.group()!r}, "
                "expected [LABEL text] with one space, remove the blanks"
            )
        text += line[position : match.start()]
        entities.append((len(text), len(text) + len(surface), label))
        text += surface
        position = match.end()
    text += line[position:]
    if "[" in text or "]" in text:
        raise ValueError(
            f"{place}: found a stray bracket in {line!r}, expected entities as [LABEL text] "
            "that neither nest nor cross a line, correct the brackets"
        )
    return Sentence(text, tuple(entities))
