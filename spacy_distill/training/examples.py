"""Examples for distillation: both documents with the student's tokens."""

from typing import Iterable, Iterator

from spacy.tokens import Span
from spacy.training import Example, biluo_tags_to_spans

from ..documents import plain_copy, same_tokens


def with_student_tokens(examples: Iterable[Example]) -> Iterator[Example]:
    """Carry gold entities over to the student's tokens where a corpus has other ones.

    examples (Iterable[Example]): A corpus reader's examples.
    YIELDS (Example): An example whose reference document has the predicted document's tokens;
        entities that do not fit these become unknown, not wrong.
    """
    for example in examples:
        predicted = example.predicted
        if same_tokens(predicted, example.reference):
            yield example
            continue
        reference = plain_copy(predicted)
        tags = example.get_aligned_ner()
        known = [tag if tag not in (None, "-") else "O" for tag in tags]
        missing = [
            Span(reference, token, token + 1)
            for token, tag in enumerate(tags)
            if tag in (None, "-")
        ]
        if len(missing) < len(tags):
            reference.set_ents(biluo_tags_to_spans(reference, known), missing=missing)
        yield Example(predicted, reference)
