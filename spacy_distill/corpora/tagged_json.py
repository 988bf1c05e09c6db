"""Read JSON lines of words and tags, as in data sets for token classification."""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from .input_documents import Columns, Row, row_words
from .input_rows import read_rows
from .tag_names import TagNameError, read_entities, read_tag_meanings

TAG_FIELDS = ("ner_tags", "tags")


def read_tagged_json(
    path: Union[str, Path],
    vocab: Vocab,
    *,
    keep_entities: bool = True,
    scheme: Optional[str] = None,
) -> Iterator[Doc]:
    """Read JSON lines with a list of words and a list of their tags.

    Words are in "words" or "tokens", tags in "ner_tags" or "tags". The file is read twice, because
    the scheme is detected from the names of all tags.

    path (Union[str, Path]): A `.jsonl` file in UTF-8, which may be compressed.
    vocab (Vocab): The documents' vocabulary.
    keep_entities (bool): Set the entities. If False, the tags are not read.
    scheme (Optional[str]): The scheme of the tags, as in `read_conll`.
    YIELDS (Doc): One document per line that has words.
    RAISES (ValueError): The file cannot be read, a line has no list of words or another number of
        tags than words, or the tags cannot be parsed.
    RAISES (ImportError): A library that reads the format is missing.
    """
    path = Path(path)
    places: Dict[str, str] = {}
    if keep_entities:
        for place, _, _, tags in _read(path, keep_entities):
            places.update({tag: place for tag in tags if tag not in places})
    try:
        meanings = read_tag_meanings(places, scheme)
    except TagNameError as error:
        raise ValueError(
            f"[D356] {places.get(error.name, path)}: found the tag {error.name!r}, expected the "
            f"tags of one scheme. {error}"
        ) from error
    for _, words, spaces, tags in _read(path, keep_entities):
        doc = Doc(vocab, words=words, spaces=spaces)
        if keep_entities:
            entities = read_entities(meanings[tag] for tag in tags)
            doc.set_ents([Span(doc, *entity) for entity in entities])
        yield doc


def _read(
    path: Path, with_tags: bool
) -> Iterator[Tuple[str, List[str], Optional[List[bool]], List[str]]]:
    """Yield the place, words, spaces and tags of each row that has words."""
    for number, row in enumerate(read_rows(path, Columns()), 1):
        place = f"'{path}', row {number}"
        found = row_words(row)
        if found is None:
            if not any(row.values()):
                continue
            raise ValueError(
                f"[D357] {place}: found no list of words in {_listed(row)}, expected a list in "
                "'words' or 'tokens'. Rename the column."
            )
        words, spaces = found
        tags: Any = next((row[name] for name in TAG_FIELDS if name in row), None)
        if with_tags and not (isinstance(tags, list) and len(tags) == len(words)):
            n_tags = f"{len(tags)} tags" if isinstance(tags, list) else "no list of tags"
            raise ValueError(
                f"[D358] {place}: found {len(words)} words and {n_tags} in {_listed(row)}, "
                "expected a tag for each word in 'ner_tags' or 'tags'. Correct the row."
            )
        wrong = [tag for tag in tags if not _is_name(tag)] if with_tags else []
        if wrong:
            raise ValueError(
                f"[D366] {place}: found {json.dumps(wrong[0])} in the list of tags, expected names "
                "of tags or numbers. Correct the row."
            )
        if not all(words) or (spaces is not None and len(spaces) != len(words)):
            found_spaces = "" if spaces is None else f" and {len(spaces)} spaces"
            raise ValueError(
                f"[D368] {place}: found {len(words)} words, {words.count('')} of them empty"
                f"{found_spaces}, expected words that are not empty, each with a space if there "
                "are spaces. Correct the row."
            )
        if words:
            spaces = None if spaces is None else [bool(space) for space in spaces]
            yield place, words, spaces, [str(tag).strip() for tag in tags] if with_tags else []


def _is_name(tag: Any) -> bool:
    return isinstance(tag, (str, int, float)) and not isinstance(tag, bool)


def _listed(row: Row) -> str:
    return f"the columns {', '.join(repr(name) for name in row) or 'none'}"
