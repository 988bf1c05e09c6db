"""Column files such as CoNLL-2003: one token a line, a tag in one of the columns, a blank line
after each sentence."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from .tag_names import TagNameError, is_outside, read_entities, read_tag_meanings

DOCUMENT_START = "-DOCSTART-"
# As CoNLL-U has them before a sentence: "# text = Oslo sleeps", "# newdoc"; and as MultiCoNER has
# them: "# id 7b9<TAB>domain=en".
_KEY = r"[^\W\d][\w:.-]*"
STATEMENT = re.compile(rf"#+ ?({_KEY}( \w[\w:.-]*)?( ?|\t{_KEY} ?)=.*|newdoc|newpar)")
# Whether a line has tabs, and how many columns.
Layout = Tuple[bool, int]


class Line(NamedTuple):
    """A token's line: its number in the file, from 1, the token, and its tag (None where tags are
    not read)."""

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
    those that begin with "# " and have not as many columns as other lines. A line such as "#oslo"
    alone is a comment where a tag is required, else a token. A token "#" with a tag is a token.

    The file is read three times: for the columns of its lines, for the names of its tags, and for
    the documents.

    path (Union[str, Path]): A text file in UTF-8.
    vocab (Vocab): The documents' vocabulary.
    tag_column (int): The column of the tags, which are IOB1, IOB2, IOE1, IOE2, BILUO or
        IOBES; 0 is the token's column, -1 the last one.
    keep_entities (bool): Set the entities. If false, they stay unset for all tokens, which is
        not the same as "outside an entity", and the tags are not read.
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
    layouts = _read_layouts(path)
    # The first line of each tag, for messages.
    lines: Dict[Optional[str], Line] = {}
    for sentence in _read_sentences(path, tag_column_read, missing_tag, layouts):
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
        inside = [line for tag, line in lines.items() if tag and not is_outside(tag)]
        raise ValueError(
            f"[D346] {place}: found the tag {error.name!r} in column {tag_column}, expected "
            f"the tags of one scheme. {error}{_hint(first, *inside)}"
        ) from error
    for sentence in _read_sentences(path, tag_column_read, missing_tag, layouts):
        yield _make_doc(vocab, sentence, meanings)


def _read_lines(path: Path) -> Iterator[Tuple[int, str]]:
    """YIELDS (Tuple[int, str]): Each line's number, from 1, and its text."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from enumerate(file, 1)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"[D341] {path}: found bytes that are not UTF-8 ({error.reason}), expected UTF-8, "
            "convert the file"
        ) from None


def _read_layouts(path: Path) -> Set[Layout]:
    """RETURNS (Set[Layout]): Those of the lines that cannot be comments."""
    return {
        _layout(text)
        for _, text in _read_lines(path)
        if text.strip(" \t\n") and not text.startswith(("#", DOCUMENT_START))
    }


def _layout(line: str) -> Layout:
    return "\t" in line.rstrip(" \t\n"), len(_split_columns(line))


def _is_comment(line: str, needs_tag: bool, missing_tag: bool, layouts: Set[Layout]) -> bool:
    """RETURNS (bool): Whether a line before a sentence is a comment, by the layouts of tokens."""
    if not line.startswith("#"):
        return False
    layout = _layout(line)
    is_odd = bool(layouts) and layout not in layouts
    has_blank = line.lstrip("#")[:1] == " "
    if STATEMENT.fullmatch(line.rstrip()):
        return is_odd or has_blank or (needs_tag and layout[1] == 1)
    if layout[1] == 1:
        return needs_tag or (is_odd and not missing_tag)
    return is_odd and has_blank


def _read_sentences(
    path: Path, tag_column: Optional[int], missing_tag: Optional[str], layouts: Set[Layout]
) -> Iterator[List[Line]]:
    """YIELDS (List[Line]): The lines of each sentence, without tags where there is no column."""
    sentence: List[Line] = []
    needs_tag = tag_column is not None and missing_tag is None
    for number, text in _read_lines(path):
        if not sentence and _is_comment(text, needs_tag, missing_tag is not None, layouts):
            continue
        columns = _split_columns(text)
        if columns and columns[0] != DOCUMENT_START:
            place = f"{path}:{number}"
            if not columns[0]:
                raise ValueError(
                    f"[D343] {place}: found an empty first column, expected a token there, "
                    "remove the line or write its token"
                )
            tag = missing_tag if len(columns) == 1 else None
            if tag_column is None:
                tag = None
            elif tag is None:
                tag = _find_tag(columns, tag_column, number, place)
            sentence.append(Line(number, columns[0], tag))
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _split_columns(line: str) -> List[str]:
    # Not line.split(): a token may be or hold another kind of blank, such as U+00A0.
    line = line.rstrip(" \t\n")
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    return [column for column in line.split(" ") if column]


def _hint(*lines: Optional[Line]) -> str:
    """RETURNS (str): What to do if one of the lines may be a comment; "" if none may."""
    line = next((line for line in lines if line is not None and line.word[:1] == "#"), None)
    if line is None:
        return ""
    return (
        f" If line {line.number} is a comment, remove it, or write it as '# key = value' before a "
        "sentence."
    )


def _find_tag(columns: List[str], tag_column: int, number: int, place: str) -> str:
    # The token's own column is never the tag's, so that a line without a tag is not overlooked.
    index = tag_column if tag_column >= 0 else len(columns) + tag_column
    if not 0 < index < len(columns):
        raise ValueError(
            f"[D344] {place}: found {len(columns)} column(s) in {' '.join(columns)!r}, expected a "
            f"token and a tag in column {tag_column}, correct the line, choose another tag column "
            f"or a missing tag.{_hint(Line(number, columns[0], None))}"
        )
    if not columns[index]:
        raise ValueError(
            f"[D367] {place}: found an empty tag of {columns[0]!r} in column {tag_column}, "
            "expected a tag, such as O, write it or choose another tag column"
        )
    return columns[index]


def _make_doc(vocab: Vocab, sentence: List[Line], meanings: Dict[str, Tuple[str, str]]) -> Doc:
    doc = Doc(vocab, words=[line.word for line in sentence])
    tags = [meanings[line.tag] for line in sentence if line.tag is not None]
    if tags:
        doc.set_ents([Span(doc, *entity) for entity in read_entities(tags)])
    return doc
