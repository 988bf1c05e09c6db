"""Copy, compare and hash documents by their tokens."""

import hashlib
from typing import Optional, Sequence

import numpy
from spacy.attrs import ORTH, SPACY
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.types import Ints1d

# spaCy's values of ENT_IOB. Blocked tokens, which cannot be in entities, have BEGIN and no type.
MISSING, INSIDE, OUTSIDE, BEGIN = range(4)


def plain_copy(doc: Doc, vocab: Optional[Vocab] = None) -> Doc:
    """Copy a document's tokens.

    doc (Doc): The document.
    vocab (Optional[Vocab]): The copy's vocabulary, by default the document's.
    RETURNS (Doc): A document with the same tokens and no annotation. Unknown spaces stay unknown,
        so that spaCy trains on the words and does not tokenize the text again.
    """
    return Doc(
        doc.vocab if vocab is None else vocab,
        words=[token.text for token in doc],
        spaces=None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc],
    )


def same_tokens(first: Doc, second: Doc) -> bool:
    """RETURNS (bool): Whether two documents have the same tokens. Their vocabularies may differ."""
    return len(first) == len(second) and numpy.array_equal(
        first.to_array(ORTH), second.to_array(ORTH)
    )


def same_text(first: Doc, second: Doc) -> bool:
    """RETURNS (bool): Whether two documents have the same text. A space after the last token is
    ignored: spaCy adds one if it does not know the spaces."""
    return first.text == second.text or first[:].text == second[:].text


def token_values(docs: Sequence[Doc], attribute: int) -> Ints1d:
    """Read an attribute of all tokens.

    docs (Sequence[Doc]): The documents, at least one.
    attribute (int): The attribute's id of `spacy.attrs`.
    RETURNS (Ints1d): (tokens,) uint64, the values of all documents.
    """
    values = [doc.to_array(attribute) for doc in docs]
    return values[0] if len(values) == 1 else numpy.concatenate(values)


def document_key(doc: Doc) -> bytes:
    """RETURNS (bytes): A hash of a document's words and spaces."""
    return hashlib.blake2b(doc.to_array([ORTH, SPACY]).tobytes(), digest_size=16).digest()
