"""Labeled and unlabeled documents as one corpus for distillation."""

from pathlib import Path
from typing import Callable, Iterable, Iterator, Optional

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example


def MixedCorpus(
    labeled: Optional[Path] = None,
    unlabeled: Optional[Path] = None,
    labeled_share: float = 0.0,
    max_length: int = 0,
    limit: int = 0,
) -> Callable[[Language], Iterable[Example]]:
    """Read documents with gold entities, and documents for which only the teacher is asked.

    labeled (Optional[Path]): A `.spacy` file, or a folder of these, with entities.
    unlabeled (Optional[Path]): The same without; entities that it has are dropped.
    labeled_share (float): The share of a pass's documents that are labeled, from 0 to below 1: the
        labeled ones are strewn among the others, again and again, so that few labels are not lost
        among much text. Each comes at least once.
    max_length (int): Longer documents are split into sentences or left out, as in spaCy's Corpus;
        0 is no limit.
    limit (int): Read at most so many unlabeled documents; 0 is no limit.
    RETURNS (Callable[[Language], Iterable[Example]]): The reader.
    """
    if labeled is None and unlabeled is None:
        raise ValueError(
            "The corpus spacy-distill.MixedCorpus.v1 has neither `labeled` nor `unlabeled`. Set "
            "the path of at least one."
        )
    if not 0 <= labeled_share < 1:
        raise ValueError(
            f"labeled_share={labeled_share} of spacy-distill.MixedCorpus.v1 is no share of the "
            "documents: give a number from 0 to below 1."
        )
    for name, path in (("labeled", labeled), ("unlabeled", unlabeled)):
        if path is not None and not Path(path).exists():
            raise ValueError(
                f"The {name} corpus '{path}' does not exist. Make it, or correct the path."
            )

    def read(nlp: Language) -> Iterator[Example]:
        examples = [] if labeled is None else list(_read(labeled, nlp, max_length=max_length))
        per_unlabeled = labeled_share / (1 - labeled_share)
        n_labeled = n_unlabeled = 0
        if unlabeled is not None:
            for example in _read(unlabeled, nlp, max_length=max_length, limit=limit):
                yield Example(example.predicted, without_entities(example.reference))
                n_unlabeled += 1
                while examples and n_labeled < round(n_unlabeled * per_unlabeled):
                    yield examples[n_labeled % len(examples)]
                    n_labeled += 1
        yield from examples[n_labeled:]

    return read


def _read(path: Path, nlp: Language, **options) -> Iterator[Example]:
    try:
        yield from Corpus(path, **options)(nlp)
    except Exception as error:
        # What a broken file raises depends on where it is broken: zlib, msgpack and spaCy each
        # have errors of their own, and none of them names the file.
        raise ValueError(
            f"'{path}' cannot be read as a .spacy file: {error} Convert the corpus again."
        ) from error


def without_entities(doc: Doc) -> Doc:
    """RETURNS (Doc): The same words, nothing annotated."""
    return Doc(
        doc.vocab,
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
    )
