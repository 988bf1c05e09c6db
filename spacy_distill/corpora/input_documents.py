"""Make documents from the rows of an input."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.util import get_words_and_spaces

from .input_files import InputError

Row = Dict[str, Any]

WORD_FIELDS = ("words", "tokens")
ID_FIELDS = ("id", "_id", "uuid")


class InputDocument(NamedTuple):
    """A document of an input, before it becomes a spaCy document.

    id (str): The id in the row; otherwise the file name and the row number (from 1).
    text (str): The text, never blank.
    words (Optional[List[str]]): The tokens; None if the input is not tokenized.
    spaces (Optional[List[bool]]): Whether a space follows each word. Words and spaces together are
        the text. None if the input has no words, or no spaces; then the text is the words joined by
        spaces.
    """

    id: str
    text: str
    words: Optional[List[str]] = None
    spaces: Optional[List[bool]] = None


def useful_columns(columns: Sequence[str], text_field: str, place: str) -> List[str]:
    """RETURNS (List[str]): The columns that documents are made from. RAISES (InputError): None of
    them has text."""
    if not _has_text(columns, text_field):
        raise _no_text_error(columns, text_field, place)
    useful = {text_field, "spaces", *WORD_FIELDS, *ID_FIELDS}
    return [name for name in columns if name in useful]


def make_document(row: Row, text_field: str, name: str, place: str) -> Optional[InputDocument]:
    """Make a document from a row.

    row (Row): The values by column name.
    text_field (str): The column of the text.
    name (str): The document's id if the row has none.
    place (str): The position of the row, for error messages.
    RETURNS (Optional[InputDocument]): The document; None if it is blank.
    RAISES (InputError): The row has no text, or a value that is not text.
    """
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
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"[D312] {place}: found half of a surrogate pair at character {error.start}, expected "
            "text that can be written in UTF-8. Correct the row."
        ) from error
    ids = (row[field] for field in ID_FIELDS if isinstance(row.get(field), (str, int)))
    own = next((str(value) for value in ids if value != "" and not isinstance(value, bool)), name)
    return InputDocument(own, text, words, spaces)


def _has_text(columns: Iterable[str], text_field: str) -> bool:
    """Decide if columns have text. Words count, unless the user chose another text column."""
    wanted = {text_field, *(WORD_FIELDS if text_field == "text" else ())}
    return not wanted.isdisjoint(columns)


def _no_text_error(columns: Iterable[str], text_field: str, place: str) -> InputError:
    names = ", ".join(f"'{name}'" for name in columns) or "none"
    return InputError(
        f"[D310] {place}: found no column '{text_field}', expected the text there. The columns are "
        f"{names}. Name the one that has the text with --text-field."
    )


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
