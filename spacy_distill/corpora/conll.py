"""Column files such as CoNLL-2003: one token a line, a tag in one of the columns, a blank line
after each sentence."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from .tag_names import TagNameError, read_tag_meanings
from .tag_sequences import read_entities

DOCUMENT_START = "-DOCSTART-"
# As CoNLL-U has them before a sentence: "# text = Oslo sleeps", "# newdoc", "#first".
COMMENT = re.compile(r"#+ ?(\w[\w:.-]*( \w[\w:.-]*)? ?=.*|newdoc|newpar)|#\S*")


class Line(NamedTuple):
    """A token's line.

    number (int): The line's number in the file, from 1.
    word (str): The token.
    tag (Optional[str]): Its tag; None where tags are not looked at.
    """

    number: int
    word: str
    tag: Optional[str]


def read_conll(
    path: Union[str, Path],
    vocab: Vocab,
    *,
    tag_column: int = -1,
    keep_entities: bool = True,
    scheme: Optional[str] = None,
    missing_tag: Optional[str] = None,
) -> Iterator[Doc]:
    """Read a column file. Columns are separated by tabs, or in a line without tabs by blanks.

    The spaces between the words are not known from such a file: the documents say so
    (`doc.has_unknown_spaces`), and spaCy then trains on these words instead of its own
    tokenisation.

    Before the first token of a sentence, comments are left out: lines such as "# text = Oslo", and
    those with one column that begins with "#". A token "#" with a tag is a token.

    The file is read twice: what a tag means is found by the names of all of them.

    path (Union[str, Path]): A text file in UTF-8.
    vocab (Vocab): The documents' vocabulary.
    tag_column (int): The column of the tags, which are IOB1, IOB2, IOE1, IOE2, BILUO or
        IOBES; 0 is the token's column, -1 the last one.
    keep_entities (bool): Set the entities. If false, they stay unset for all tokens, which is
        not the same as "outside an entity", and the tags are not looked at.
    scheme (Optional[str]): The scheme of the tags, as `read_tag_meanings` takes it; found by their
        names if None. It has to be named where tags are types without letters: "types". Then, and
        for "io", neighbours of one type are one entity.
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
    tag_column_read = tag_column if keep_entities else None
    # The first line of each tag, for messages.
    lines: Dict[Optional[str], Line] = {}
    for sentence in _read_sentences(path, tag_column_read, missing_tag):
        for line in sentence:
            lines.setdefault(line.tag, line)
    if not lines:
        raise ValueError(
            f"[D342] {path}: found no sentence, expected one token and its tag a line, fill the "
            "file"
        )
    try:
        meanings = read_tag_meanings(filter(None, lines), scheme)
    except TagNameError as error:
        first = lines.get(error.name)
        place = str(path) if first is None else f"{path}:{first.number}"
        raise ValueError(
            f"[D346] {place}: found the tag {error.name!r} in column {tag_column}, expected "
            f"the tags of one scheme. {error}{_hint(first.word if first else '')}"
        ) from error
    for sentence in _read_sentences(path, tag_column_read, missing_tag):
        yield _make_doc(vocab, sentence, meanings)


def _read_sentences(
    path: Path, tag_column: Optional[int], missing_tag: Optional[str]
) -> Iterator[List[Line]]:
    """YIELDS (List[Line]): The lines of each sentence, without tags where there is no column."""
    sentence: List[Line] = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, text in enumerate(file, 1):
                if not sentence and COMMENT.fullmatch(text.rstrip()):
                    continue
                columns = _split_columns(text)
                if columns and columns[0] != DOCUMENT_START:
                    place = f"{path}:{number}"
                    tag = missing_tag if len(columns) == 1 else None
                    if tag_column is None:
                        tag = None
                    elif tag is None:
                        tag = _find_tag(columns, tag_column, place)
                    sentence.append(Line(number, _read_word(columns, place), tag))
                elif sentence:
                    yield sentence
                    sentence = []
    except UnicodeDecodeError as error:
        raise ValueError(
            f"[D341] {path}: found bytes that are not UTF-8 ({error.reason}), expected UTF-8, "
            "convert the file"
        ) from None
    if sentence:
        yield sentence


def _split_columns(line: str) -> List[str]:
    # Not line.split(): a token may be or hold another kind of blank, such as U+00A0.
    line = line.rstrip(" \t\n")
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    return [column for column in line.split(" ") if column]


def _hint(word: str) -> str:
    """RETURNS (str): What else to do if a line that is not understood may be a comment."""
    if not word.startswith("#"):
        return ""
    return " If the line is a comment, remove it, or write it as '# key = value' before a sentence."


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
            f"or a missing tag.{_hint(columns[0])}"
        )
    return columns[index]


def _make_doc(vocab: Vocab, sentence: List[Line], meanings: Dict[str, Tuple[str, str]]) -> Doc:
    doc = Doc(vocab, words=[line.word for line in sentence])
    tags = [meanings[line.tag] for line in sentence if line.tag is not None]
    if tags:
        doc.set_ents([Span(doc, *entity) for entity in read_entities(tags)])
    return doc
