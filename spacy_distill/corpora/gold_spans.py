"""Read gold entities from `doc.spans`, where other tools write them."""

import warnings
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Union

from spacy.tokens import Doc
from spacy.training import Corpus
from spacy.util import filter_spans
from spacy.vocab import Vocab

from .input_files import InputError


class SpansCorpus(Corpus):
    """spaCy's Corpus, which takes the entities from the spans under a key."""

    def __init__(self, path: Path, *, spans_key: str, max_length: int = 0, limit: int = 0) -> None:
        """Create the corpus.

        path (Path): A `.spacy` file, or a folder of `.spacy` files.
        spans_key (str): The spans in `doc.spans[spans_key]` become the entities of a document, and
            all other tokens get O. Documents without the key are not changed.
        max_length (int): As in spaCy's Corpus.
        limit (int): As in spaCy's Corpus.
        """
        super().__init__(path, max_length=max_length, limit=limit)
        self.spans_key = spans_key

    def read_docbin(self, vocab: Vocab, locs: Iterable[Union[str, Path]]) -> Iterator[Doc]:
        """Read documents and set their entities.

        vocab (Vocab): The documents' vocabulary.
        locs (Iterable[Union[str, Path]]): The files.
        YIELDS (Doc): The documents.
        RAISES (InputError): No document has the spans key, or a span under the key has no label.
        """
        n_found = n_docs = n_overlapping = 0
        other_keys: Dict[str, None] = {}
        for doc in super().read_docbin(vocab, locs):
            n_docs += 1
            if self.spans_key in doc.spans:
                spans = list(doc.spans[self.spans_key])
                bare = next((span for span in spans if not span.label), None)
                if bare is not None:
                    raise InputError(
                        f"[D365] '{self.path}', document {n_docs}: found the span '{bare.text}' "
                        f"without a label under the key '{self.spans_key}', expected a label for "
                        "each span. Label the spans, or correct the spans key."
                    )
                kept = filter_spans(spans)
                doc.set_ents(kept)
                n_found += 1
                n_overlapping += len(spans) - len(kept)
            else:
                other_keys.update(dict.fromkeys(doc.spans))
            yield doc
        if n_docs and not n_found:
            raise InputError(
                f"[D363] '{self.path}': found no document with spans under the key "
                f"'{self.spans_key}'. The keys are: {', '.join(other_keys) or 'none'}. Correct the "
                "spans key, or leave it out if the gold labels are in doc.ents."
            )
        if n_overlapping:
            warnings.warn(
                f"[D943] '{self.path}': {n_overlapping:,} spans under the key '{self.spans_key}' "
                "are ignored, because they overlap spans that are longer or equally long. "
                "Entities cannot overlap.",
                stacklevel=2,
            )


def spans_keys_without_entities(doc: Doc) -> List[str]:
    """RETURNS (List[str]): The keys of labeled spans; empty if the document has entity
    annotation."""
    if not doc.spans or doc.has_annotation("ENT_IOB"):
        return []
    return [key for key, group in doc.spans.items() if any(span.label for span in group)]


def warn_about_spans_without_entities(keys_by_doc: Iterable[List[str]], name: str) -> None:
    """Warn about documents that have spans and no entities: they count as unlabeled.

    keys_by_doc (Iterable[List[str]]): The result of `spans_keys_without_entities` for each
        document.
    name (str): The name of the documents, such as a path.
    """
    alone = list(filter(None, keys_by_doc))
    if alone:
        keys = ", ".join(repr(key) for key in dict.fromkeys(key for keys in alone for key in keys))
        warnings.warn(
            f"[D942] '{name}': {len(alone):,} documents have spans under {keys} and no entities, "
            "so they count as unlabeled. If the spans are their gold entities, name the spans key: "
            "spans_key of the corpus, or --gold-spans-key of a command.",
            stacklevel=2,
        )
