"""Labeled and unlabeled documents as one corpus for distillation."""

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
    """Read documents with gold entities, and documents that only the teacher labels.

    labeled (Optional[Path]): A `.spacy` file, or a folder of these, with entities.
    unlabeled (Optional[Path]): The same without; entities that it has are dropped.
    labeled_share (float): The share of a pass's documents that are labeled, from 0 to below 1: the
        labeled ones are mixed among the unlabeled ones, again and again, so that few labels are
        not lost among much text. Each comes at least once.
    max_length (int): Longer documents are split into sentences or left out, as in spaCy's Corpus;
        0 is no limit.
    limit (int): Read at most so many unlabeled documents; 0 is no limit.
    spans_key (Optional[str]): Take the labeled documents' spans under this key for their gold
        entities.
    RETURNS (MixedReader): The reader.
    """
    require_share(labeled_share, "spacy-distill.MixedCorpus.v1")
    read_labeled = labeled_reader(labeled, max_length, spans_key)

    def read(nlp: Language) -> Iterator[Example]:
        # Not before: a config may have corpora that it does not read.
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
