"""From the columns of an input to a document."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.util import get_words_and_spaces

from .input_files import InputError

Row = Dict[str, Any]

WORD_FIELDS = ("words", "tokens")
ID_FIELDS = ("id", "_id", "uuid")


class InputDocument(NamedTuple):
    """A document as it was found.

    id (str): The record's own one, or the file's name and the row's number, from 1.
    text (str): The text, never blank.
    words (Optional[List[str]]): Its tokens, where the input is tokenised.
    spaces (Optional[List[bool]]): Whether a space follows each word; with the words, they make up
        the text. None if there are no words, or the input has words only: these are joined by
        spaces then.
    """

    id: str
    text: str
    words: Optional[List[str]] = None
    spaces: Optional[List[bool]] = None


def useful_columns(columns: Sequence[str], text_field: str, place: str) -> List[str]:
    """RETURNS (List[str]): The columns that make a document. RAISES (InputError): None is text."""
    if not _has_text(columns, text_field):
        raise _no_text(columns, text_field, place)
    useful = {text_field, "spaces", *WORD_FIELDS, *ID_FIELDS}
    return [name for name in columns if name in useful]


def make_document(row: Row, text_field: str, name: str, place: str) -> Optional[InputDocument]:
    """Make a document of a row.

    row (Row): Columns of a record.
    text_field (str): The column of the text.
    name (str): The document's id if the record has none.
    place (str): Where the row is, for errors.
    RETURNS (Optional[InputDocument]): The document; None if it is blank.
    RAISES (InputError): There is no text, or something else in its place.
    """
    text = row.get(text_field)
    if text is not None and not isinstance(text, str):
        raise InputError(
            f"[D311] {place}: found {type(text).__name__} in the column '{text_field}', expected "
            "text. Name the column that has the text with --text-field."
        )
    words = spaces = None
    has_text = _has_text(row, text_field)
    tokens = words_of(row) if has_text else None
    if tokens is not None:
        text, words, spaces = _fit(text, *tokens, place)
    elif text_field not in row:
        has_words = any(row.get(field) is not None for field in WORD_FIELDS)
        if has_words or not has_text:
            raise _no_text(row, text_field, place)
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
    """RETURNS (bool): Whether one of these columns is text. Words are, unless the column of the
    text was named."""
    wanted = {text_field, *(WORD_FIELDS if text_field == "text" else ())}
    return not wanted.isdisjoint(columns)


def _no_text(columns: Iterable[str], text_field: str, place: str) -> InputError:
    names = ", ".join(f"'{name}'" for name in columns) or "none"
    return InputError(
        f"[D310] {place}: found no column '{text_field}', expected the text there. The columns are "
        f"{names}. Name the one that has the text with --text-field."
    )


def words_of(row: Row) -> Optional[Tuple[List[str], Optional[List[Any]]]]:
    """Read the words of a row.

    RETURNS (Optional[Tuple[List[str], Optional[List[Any]]]]): Words, and their spaces if the row
        has them; None without a list of words. Lists of numbers are no words.
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


def _fit(
    text: Optional[str], words: List[str], spaces: Optional[List[Any]], place: str
) -> Tuple[str, Optional[List[str]], Optional[List[bool]]]:
    """RETURNS (Tuple[str, Optional[List[str]], Optional[List[bool]]]): The text, and its words and
    spaces, if these words make up the text."""
    if spaces is not None and len(spaces) != len(words):
        raise InputError(
            f"[D313] {place}: found {len(words)} words and {len(spaces)} spaces, expected as many "
            "of these as of those. Correct the row."
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
