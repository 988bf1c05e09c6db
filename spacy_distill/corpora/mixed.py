"""A corpus of labeled and unlabeled documents for distillation."""

from pathlib import Path
from typing import Iterator, Optional

from spacy.language import Language
from spacy.training import Example

from ..documents import plain_copy
from .labeled import (
    MixedReader,
    interleave,
    labeled_reader,
    read_examples,
    require_path,
    require_share,
)


def MixedCorpus(
    labeled: Optional[Path] = None,
    unlabeled: Optional[Path] = None,
    labeled_share: float = 0.0,
    max_length: int = 0,
    limit: int = 0,
    spans_key: Optional[str] = None,
) -> MixedReader:
    """Create a reader of labeled documents, mixed with documents that only the teacher labels.

    labeled (Optional[Path]): A `.spacy` file, or a folder of `.spacy` files, with gold entities.
    unlabeled (Optional[Path]): A file or folder of unlabeled documents, whose entities are ignored.
    labeled_share (float): The share of labeled documents in a pass, at least 0 and below 1. Labeled
        documents are repeated to reach this share, so that a few of them still have weight among
        many unlabeled ones. Each is read at least once.
    max_length (int): Split or skip longer documents, as in spaCy's Corpus; 0 means no limit.
    limit (int): The maximum number of unlabeled documents; 0 means no limit.
    spans_key (Optional[str]): Use the labeled documents' spans under this key as gold entities.
    RETURNS (MixedReader): The reader.
    """
    require_share(labeled_share, "spacy-distill.MixedCorpus.v1")
    read_labeled = labeled_reader(labeled, max_length, spans_key)

    def read(nlp: Language) -> Iterator[Example]:
        # Checked on reading, since a config may contain corpora that are not used.
        if labeled is None and unlabeled is None:
            raise ValueError(
                "[D130] The corpus spacy-distill.MixedCorpus.v1 has neither `labeled` nor "
                "`unlabeled`. Set the path of at least one."
            )
        require_path(unlabeled, "unlabeled")
        gold = list(read_labeled(nlp))
        found: Iterator[Example] = iter(())
        if unlabeled is not None:
            found = read_examples(unlabeled, nlp, max_length, limit, labeled=False)
        plain = (Example(item.predicted, plain_copy(item.reference)) for item in found)
        yield from interleave(gold, plain, labeled_share)

    return MixedReader(read, read_labeled)
