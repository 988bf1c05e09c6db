"""Read column files such as CoNLL-2003: one token per line with its tag in one of the columns, and
a blank line after each sentence."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from .tag_names import TagNameError, is_outside, read_entities, read_tag_meanings

DOCUMENT_START = "-DOCSTART-"
# Comments of CoNLL-U before a sentence, such as "# text = Oslo sleeps" and "# newdoc", and of
# MultiCoNER, such as "# id 7b9<TAB>domain=en".
_KEY = r"[^\W\d][\w:.-]*"
STATEMENT = re.compile(rf"#+ ?({_KEY}( \w[\w:.-]*)?( ?|\t{_KEY} ?)=.*|newdoc|newpar)")
# Whether a line has tabs, and the number of its columns.
Layout = Tuple[bool, int]


class Line(NamedTuple):
    """A line: its number in the file (from 1), its text and its columns."""

    number: int
    text: str
    columns: List[str]

    @property
    def layout(self) -> Layout:
        """Whether the line has tabs, and its number of columns."""
        return "\t" in self.text, len(self.columns)


class Token(NamedTuple):
    """A token: its line number, its word, and its tag (None if tags are not read)."""

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
    """Read a column file. Columns are separated by tabs, or in a line without tabs by spaces.

    A column file does not say where spaces follow words. The documents mark them as unknown
    (`doc.has_unknown_spaces`), so that spaCy trains on these words.

    Comments before the first token of a sentence are skipped. A comment is a line such as "# text =
    Oslo", or a line that begins with "# " and has another number of columns than the tokens. A line
    with the single column "#oslo" is a comment if each token needs a tag, otherwise it is a token.
    "#" with a tag is a token.

    path (Union[str, Path]): A text file in UTF-8.
    vocab (Vocab): The documents' vocabulary.
    tag_column (int): The column of the tags, which are IOB1, IOB2, IOE1, IOE2, BILUO or IOBES. 0 is
        the column of the tokens, -1 the last column.
    keep_entities (bool): Set the entities. If False, the tags are not read, and the documents have
        no entity annotation. That is not the same as tokens outside of entities.
    scheme (Optional[str]): The scheme of the tags, as in `read_tag_meanings`; detected from their
        names if None. It must be "types" if the tags are types without letters. With "types" and
        "io", neighbouring tokens of one type are one entity.
    missing_tag (Optional[str]): The tag of lines without a tag. If None, such a line is an error.
    YIELDS (Doc): One document per sentence.
    RAISES (FileNotFoundError): The file does not exist.
    RAISES (ValueError): The file is not UTF-8, is empty, or has a line that cannot be parsed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"[D340] {path}: no such file, expected a column file, check the path"
        )
    sentences = list(_read_sentences(path, tag_column if keep_entities else None, missing_tag))
    # The first token with each tag, for error messages.
    first: Dict[Optional[str], Token] = {}
    for sentence in sentences:
        for token in sentence:
            first.setdefault(token.tag, token)
    if not first:
        raise ValueError(
            f"[D342] {path}: found no sentence, expected one token and its tag per line, fill the "
            "file"
        )
    if _are_numbered(sentences):
        raise ValueError(
            f"[D369] {path}: found the numbers of tokens in the first column, expected the tokens. "
            f"Remove that column, such as with cut -f2- if there are tabs between the columns."
        )
    try:
        meanings = read_tag_meanings(filter(None, first), scheme)
    except TagNameError as error:
        wrong = first.get(error.name)
        place = str(path) if wrong is None else f"{path}:{wrong.number}"
        inside = [token for tag, token in first.items() if tag and not is_outside(tag)]
        raise ValueError(
            f"[D346] {place}: found the tag {error.name!r} in column {tag_column}, expected "
            f"the tags of one scheme. {error}{_hint(wrong, *inside)}"
        ) from error
    for sentence in sentences:
        doc = Doc(vocab, words=[token.word for token in sentence])
        if keep_entities:
            tags = (meanings[str(token.tag)] for token in sentence)
            doc.set_ents([Span(doc, *entity) for entity in read_entities(tags)])
        yield doc


def _are_numbered(sentences: Sequence[Sequence[Token]]) -> bool:
    """RETURNS (bool): Whether the first column has 1, 2, 3 and so on in each sentence, as in
    CoNLL-U, and one of them has several tokens."""
    is_numbered = all(
        token.word == str(number)
        for sentence in sentences
        for number, token in enumerate(sentence, 1)
    )
    return is_numbered and any(len(sentence) > 1 for sentence in sentences)


def _read_lines(path: Path) -> List[Line]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            texts = [line.rstrip(" \t\n") for line in file]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"[D341] {path}: found bytes that are not UTF-8 ({error.reason}), expected UTF-8, "
            "convert the file"
        ) from None
    return [Line(number, text, _split_columns(text)) for number, text in enumerate(texts, 1)]


def _split_columns(line: str) -> List[str]:
    # line.split() would also split at other white space, such as U+00A0, which a token may contain.
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    return [column for column in line.split(" ") if column]


def _is_comment(line: Line, needs_tag: bool, missing_tag: bool, layouts: Set[Layout]) -> bool:
    """Decide if a line before a sentence is a comment. `layouts` are those of tokens."""
    if not line.text.startswith("#"):
        return False
    is_odd = bool(layouts) and line.layout not in layouts
    has_blank = line.text.lstrip("#")[:1] == " "
    is_single = line.layout[1] == 1
    if STATEMENT.fullmatch(line.text):
        return is_odd or has_blank or (needs_tag and is_single)
    if is_single:
        return needs_tag or (is_odd and not missing_tag)
    return is_odd and has_blank


def _read_sentences(
    path: Path, tag_column: Optional[int], missing_tag: Optional[str]
) -> Iterator[List[Token]]:
    """YIELDS (List[Token]): The tokens of each sentence; without tags if `tag_column` is None."""
    lines = _read_lines(path)
    marks = ("#", DOCUMENT_START)
    layouts = {line.layout for line in lines if line.text and not line.text.startswith(marks)}
    needs_tag = tag_column is not None and missing_tag is None
    sentence: List[Token] = []
    for line in lines:
        number, _, columns = line
        if not sentence and _is_comment(line, needs_tag, missing_tag is not None, layouts):
            continue
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
            sentence.append(Token(number, columns[0], tag))
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _find_tag(columns: List[str], tag_column: int, number: int, place: str) -> str:
    # Column 0 has the token, so it is never the tag column: a line without a tag is an error.
    index = tag_column if tag_column >= 0 else len(columns) + tag_column
    if not 0 < index < len(columns):
        raise ValueError(
            f"[D344] {place}: found {len(columns)} column(s) in {' '.join(columns)!r}, expected a "
            f"token and a tag in column {tag_column}, correct the line, choose another tag column "
            f"or a missing tag.{_hint(Token(number, columns[0], None))}"
        )
    if not columns[index]:
        raise ValueError(
            f"[D367] {place}: found an empty tag for {columns[0]!r} in column {tag_column}, "
            "expected a tag, such as O, write it or choose another tag column"
        )
    return columns[index]


def _hint(*tokens: Optional[Token]) -> str:
    """RETURNS (str): Advice for the first token that may be a comment; "" if there is none."""
    token = next((token for token in tokens if token is not None and token.word[:1] == "#"), None)
    if token is None:
        return ""
    return (
        f" If line {token.number} is a comment, remove it, or write it as '# key = value' before a "
        "sentence."
    )
