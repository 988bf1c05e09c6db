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
    """RETURNS (List[str]): Those that make a document. RAISES (InputError): None gives a text."""
    if not _has_text(columns, text_field):
        raise _no_text(columns, text_field, place)
    useful = {text_field, "spaces", *WORD_FIELDS, *ID_FIELDS}
    return [name for name in columns if name in useful]


def make_document(row: Row, text_field: str, name: str, place: str) -> Optional[InputDocument]:
    """Make a document.

    row (Row): Columns of a record.
    text_field (str): That of the text.
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
    tokens = words_of(row) if _has_text(row, text_field) else None
    if tokens is not None:
        text, words, spaces = _fit(text, *tokens, place)
    elif text_field not in row and (_has_words(row) or not _has_text(row, text_field)):
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
    own = next((row[field] for field in ID_FIELDS if _is_id(row.get(field))), name)
    return InputDocument(str(own), text, words, spaces)


def _has_text(columns: Iterable[str], text_field: str) -> bool:
    """RETURNS (bool): Whether these columns give a text: words do, unless another column than the
    usual one was asked for.
    """
    wanted = {text_field, *(WORD_FIELDS if text_field == "text" else ())}
    return not wanted.isdisjoint(columns)


def _no_text(columns: Iterable[str], text_field: str, place: str) -> InputError:
    """RETURNS (InputError): Says that columns give no text, and which they are."""
    names = ", ".join(f"'{name}'" for name in columns) or "none"
    return InputError(
        f"[D310] {place}: found no column '{text_field}', expected the text there. The columns are "
        f"{names}. Name the one that has the text with --text-field."
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def _has_words(row: Row) -> bool:
    return any(row.get(field) is not None for field in WORD_FIELDS)


def words_of(row: Row) -> Optional[Tuple[List[str], Optional[List[Any]]]]:
    """Read the words of a row.

    RETURNS (Optional[Tuple[List[str], Optional[List[Any]]]]): Words, and the spaces if they are
    given; None where there is no list of words. Columns of these names with numbers in them
    are something else.
    """
    for field in WORD_FIELDS:
        tokens = row.get(field)
        if not isinstance(tokens, list):
            continue
        if all(isinstance(token, str) for token in tokens):
            spaces = row.get("spaces")
            return tokens, spaces if isinstance(spaces, list) else None
        if all(isinstance(token, dict) and isinstance(token.get("text"), str) for token in tokens):
            given = all("ws" in token for token in tokens)
            words = [token["text"] for token in tokens]
            return words, [token["ws"] for token in tokens] if given else None
    return None


def _fit(
    text: Optional[str], words: List[str], spaces: Optional[List[Any]], place: str
) -> Tuple[str, Optional[List[str]], Optional[List[bool]]]:
    """RETURNS (Tuple[str, Optional[List[str]], Optional[List[bool]]]): The text, and words and
    spaces that make it up, if these words do.
    """
    if spaces is not None and len(spaces) != len(words):
        raise InputError(
            f"[D313] {place}: found {len(words)} words and {len(spaces)} spaces, expected as many "
            "of these as of those. Correct the row."
        )
    if spaces is None and text is None:
        known = [word for word in words if word]
        return " ".join(known), known, None
    if spaces is not None:
        # A spaCy document cannot have empty words.
        pairs = [(word, bool(space)) for word, space in zip(words, spaces, strict=False) if word]
        made = "".join(word + " " * space for word, space in pairs)
        if text is None or made == text:
            return made, [word for word, _ in pairs], [space for _, space in pairs]
    assert text is not None
    try:
        return text, *get_words_and_spaces([word for word in words if word], text)
    except ValueError:
        return text, None, None
