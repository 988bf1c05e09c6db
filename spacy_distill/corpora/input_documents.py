"""Make documents from the rows of an input."""

import json
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.util import get_words_and_spaces

from .input_files import InputError

Row = Dict[str, Any]

WORD_FIELDS = ("words", "tokens")
ID_FIELDS = ("id", "_id", "uuid")


class Columns(NamedTuple):
    """The columns that a person names: that of the text, and those to keep with each document."""

    text: str = "text"
    kept: Tuple[str, ...] = ()


class InputDocument(NamedTuple):
    """A document of an input, before it becomes a spaCy document.

    id (str): The id in the row; otherwise the file name and the row number (from 1).
    text (str): The text, never blank.
    words (Optional[List[str]]): The tokens; None if the input is not tokenized.
    spaces (Optional[List[bool]]): Whether a space follows each word. Words and spaces together are
        the text. None if the input has no words, or no spaces; then the text is the words joined by
        spaces.
    kept (Tuple[Optional[str], ...]): The values of the kept columns, as text.
    """

    id: str
    text: str
    words: Optional[List[str]] = None
    spaces: Optional[List[bool]] = None
    kept: Tuple[Optional[str], ...] = ()


def useful_columns(names: Sequence[str], columns: Columns, place: str) -> List[str]:
    """RETURNS (List[str]): The names of columns that documents are made from. RAISES (InputError):
    None of them has text, or a column to keep is missing."""
    if not _has_text(names, columns.text):
        raise _no_text_error(names, columns.text, place)
    require_kept_columns(names, columns, place)
    useful = {columns.text, *columns.kept, "spaces", *WORD_FIELDS, *ID_FIELDS}
    return [name for name in names if name in useful]


def require_kept_columns(names: Iterable[str], columns: Columns, place: str) -> None:
    """Raise InputError if a column to keep is missing."""
    for column in columns.kept:
        if column not in names:
            raise InputError(
                f"[D316] {place}: found no column '{column}', expected it because of --keep. The "
                f"columns are {_listed(names)}. Correct --keep."
            )


def make_document(row: Row, columns: Columns, name: str, place: str) -> Optional[InputDocument]:
    """Make a document from a row.

    row (Row): The values by column name.
    columns (Columns): The columns of the text and of the values to keep.
    name (str): The document's id if the row has none.
    place (str): The position of the row, for error messages.
    RETURNS (Optional[InputDocument]): The document; None if it is blank.
    RAISES (InputError): The row has no text, or a value that is not text.
    """
    text_field = columns.text
    text = row.get(text_field)
    if text is not None and not isinstance(text, str):
        raise InputError(
            f"[D311] {place}: found {type(text).__name__} in the column '{text_field}', expected "
            "text. Name the column that has the text with --text-field."
        )
    words = spaces = None
    has_text = _has_text(row, text_field)
    tokens = row_words(row) if has_text else None
    if tokens is not None:
        text, words, spaces = _match_words(text, *tokens, place)
    elif text_field not in row:
        has_words = any(row.get(field) is not None for field in WORD_FIELDS)
        if has_words or not has_text:
            raise _no_text_error(row, text_field, place)
    if not text or not text.strip():
        return None
    _require_utf8(text, place)
    kept = tuple(_as_text(row.get(column), place) for column in columns.kept)
    ids = (row[field] for field in ID_FIELDS if isinstance(row.get(field), (str, int)))
    own = next((str(value) for value in ids if value != "" and not isinstance(value, bool)), name)
    _require_utf8(own, place)
    return InputDocument(own, text, words, spaces, kept)


def _as_text(value: Any, place: str) -> Optional[str]:
    """RETURNS (Optional[str]): A value as text: as in JSON, or as Python writes dates and the like.
    None if there is no value."""
    if value is None:
        return None
    if isinstance(value, (bool, int, float, list, dict)):
        value = json.dumps(value, ensure_ascii=False, default=str)
    _require_utf8(str(value), place)
    return str(value)


def _require_utf8(text: str, place: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"[D312] {place}: found half of a surrogate pair at character {error.start}, expected "
            "text that can be written in UTF-8. Correct the row."
        ) from error


def _has_text(columns: Iterable[str], text_field: str) -> bool:
    """Decide if columns have text. Words count, unless the user chose another text column."""
    wanted = {text_field, *(WORD_FIELDS if text_field == "text" else ())}
    return not wanted.isdisjoint(columns)


def _no_text_error(columns: Iterable[str], text_field: str, place: str) -> InputError:
    return InputError(
        f"[D310] {place}: found no column '{text_field}', expected the text there. The columns are "
        f"{_listed(columns)}. Name the one that has the text with --text-field."
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"


def row_words(row: Row) -> Optional[Tuple[List[str], Optional[List[Any]]]]:
    """Get the words of a row.

    RETURNS (Optional[Tuple[List[str], Optional[List[Any]]]]): The words, and their spaces if the
        row has them. None if the row has no list of strings.
    """
    for field in WORD_FIELDS:
        tokens = row.get(field)
        if not isinstance(tokens, list):
            continue
        if all(isinstance(token, str) for token in tokens):
            spaces = row.get("spaces")
            return tokens, spaces if isinstance(spaces, list) else None
        if all(isinstance(token, dict) and isinstance(token.get("text"), str) for token in tokens):
            words = [token["text"] for token in tokens]
            has_spaces = all("ws" in token for token in tokens)
            return words, [token["ws"] for token in tokens] if has_spaces else None
    return None


def _match_words(
    text: Optional[str], words: List[str], spaces: Optional[List[Any]], place: str
) -> Tuple[str, Optional[List[str]], Optional[List[bool]]]:
    """Return the text with its words and spaces; both are None if the words do not match."""
    if spaces is not None and len(spaces) != len(words):
        raise InputError(
            f"[D313] {place}: found {len(words)} words and {len(spaces)} spaces, expected one "
            "space for each word. Correct the row."
        )
    # A spaCy document cannot have empty words.
    known = [word for word in words if word]
    if spaces is not None:
        after = [bool(space) for word, space in zip(words, spaces, strict=True) if word]
        made = "".join(word + " " * space for word, space in zip(known, after, strict=True))
        if text is None or made == text:
            return made, known, after
    elif text is None:
        return " ".join(known), known, None
    try:
        return text, *get_words_and_spaces(known, text)
    except ValueError:
        return text, None, None
