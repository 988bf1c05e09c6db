"""Documents that have tokens and nothing else."""

from typing import Optional

from spacy.tokens import Doc
from spacy.vocab import Vocab


def plain_copy(doc: Doc, vocab: Optional[Vocab] = None) -> Doc:
    """Copy a document's tokens.

    doc (Doc): The document.
    vocab (Optional[Vocab]): The copy's vocabulary, by default the document's.
    RETURNS (Doc): The same tokens, nothing annotated. Where spaces are not known, as in corpora
        that have words only, they stay unknown: spaCy takes the words as they are then.
    """
    return Doc(
        doc.vocab if vocab is None else vocab,
        words=[token.text for token in doc],
        spaces=None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc],
    )
