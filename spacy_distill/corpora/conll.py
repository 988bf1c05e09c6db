"""Column files such as CoNLL-2003: one token a line, a tag in one of the columns, a blank line
after each sentence."""

import re
from pathlib import Path
from typing import Iterator, List, Optional, Union

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from .tag_sequences import BILUO_LETTERS, read_entities

DOCUMENT_START = "-DOCSTART-"
TAG = re.compile(r"O|[BILUSE]-\S.*")
# What stands outside of entities where tags are labels.
OUTSIDE = ("O", "0")


def read_conll(
    path: Union[str, Path],
    vocab: Vocab,
    *,
    tag_column: int = -1,
    keep_entities: bool = True,
    plain_labels: bool = False,
    missing_tag: Optional[str] = None,
) -> Iterator[Doc]:
    """Read a column file. Columns are separated by tabs, or in a line without tabs by blanks.

    The spaces between the words are not known from such a file: the documents say so
    (`doc.has_unknown_spaces`), and spaCy then trains on these words instead of its own
    tokenisation.

    path (Union[str, Path]): A text file in UTF-8.
    vocab (Vocab): The documents' vocabulary.
    tag_column (int): The column of the tags, which are IOB1, IOB2, IOE1, IOE2, BILUO or
        IOBES; 0 is the token's column, -1 the last one.
    keep_entities (bool): Set the entities. If false, they stay unset for all tokens, which is
        not the same as "outside an entity", and the tags are not looked at.
    plain_labels (bool): Whether the tags are labels, with nothing before them: neighbours that
        have the same one are one entity. O or 0 is outside of entities.
    missing_tag (Optional[str]): The tag of a line that has a token alone; None to refuse the file.
    YIELDS (Doc): One document a sentence.
    RAISES (FileNotFoundError): The file does not exist.
    RAISES (ValueError): The file is not UTF-8, has no sentence or has a line that is not
        understood.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"[D340] {path}: no such file, expected a column file, check the path"
        )
    found = False
    words: List[str] = []
    tags: List[str] = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                columns = _split_columns(line)
                if columns and columns[0] != DOCUMENT_START:
                    place = f"{path}:{number}"
                    words.append(_read_word(columns, place))
                    if keep_entities:
                        tag = missing_tag if len(columns) == 1 else None
                        tag = _find_tag(columns, tag_column, place) if tag is None else tag
                        tags.append(_read_tag(tag, tag_column, place, plain_labels))
                elif words:
                    found = True
                    yield _make_doc(vocab, words, tags)
                    words, tags = [], []
    except UnicodeDecodeError as error:
        raise ValueError(
            f"[D341] {path}: found bytes that are not UTF-8 ({error.reason}), expected UTF-8, "
            "convert the file"
        ) from None
    if words:
        yield _make_doc(vocab, words, tags)
    elif not found:
        raise ValueError(
            f"[D342] {path}: found no sentence, expected one token and its tag a line, fill the "
            "file"
        )


def _split_columns(line: str) -> List[str]:
    # Not line.split(): a token may be or hold another kind of blank, such as U+00A0.
    line = line.rstrip(" \t\n")
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    return [column for column in line.split(" ") if column]


def _read_word(columns: List[str], place: str) -> str:
    if not columns[0]:
        raise ValueError(
            f"[D343] {place}: found an empty first column, expected a token there, "
            "remove the line or write its token"
        )
    return columns[0]


def _find_tag(columns: List[str], tag_column: int, place: str) -> str:
    # The token's own column is never the tag's, so that a line without a tag is not overlooked.
    index = tag_column if tag_column >= 0 else len(columns) + tag_column
    if not 0 < index < len(columns):
        raise ValueError(
            f"[D344] {place}: found {len(columns)} column(s) in {' '.join(columns)!r}, expected a "
            f"token and a tag in column {tag_column}, correct the line, choose another tag column "
            "or a missing tag"
        )
    return columns[index]


def _read_tag(tag: str, tag_column: int, place: str, plain_labels: bool) -> str:
    if plain_labels:
        if tag not in OUTSIDE and TAG.fullmatch(tag):
            raise ValueError(
                f"[D345] {place}: found the tag {tag!r}, expected labels without B-, I- and so on "
                "before them, read the file without plain labels"
            )
        return "O" if tag in OUTSIDE else f"I-{tag}"
    if not TAG.fullmatch(tag):
        raise ValueError(
            f"[D346] {place}: found the tag {tag!r} in column {tag_column}, expected O or a label "
            "with B-, I-, L-, U-, S- or E- before it, correct the tag or choose another tag column"
        )
    return tag


def _make_doc(vocab: Vocab, words: List[str], tags: List[str]) -> Doc:
    doc = Doc(vocab, words=words)
    if tags:
        parts = ((BILUO_LETTERS.get(tag[0], tag[0]), tag[2:]) for tag in tags)
        doc.set_ents([Span(doc, *entity) for entity in read_entities(parts)])
    return doc
