"""Components of a teacher's pipeline: each is run on documents, and what it returns is checked."""

from typing import Any, List, Sequence

from spacy.tokens import Doc

from ..documents import same_text
from .failures import TeacherError


def run_component(name: str, pipe: Any, docs: Sequence[Doc], batch_size: int) -> List[Doc]:
    """Run one component on documents.

    name (str): The component's name, for errors.
    pipe (Any): The component.
    docs (Sequence[Doc]): The documents. A component may change them or return others.
    batch_size (int): How many it may read together.
    RETURNS (List[Doc]): What the component returned: a document of the same text for each.
    RAISES (TeacherError): It returned fewer or more documents, none, or one of another text.
    """
    docs = list(docs)
    if hasattr(pipe, "pipe"):
        found = list(pipe.pipe(docs, batch_size=max(batch_size, 1)))
    else:
        found = [pipe(doc) for doc in docs]
    if len(found) != len(docs):
        raise TeacherError(
            f"[D270] The component '{name}' of the teacher's pipeline returned {len(found)} "
            f"documents for {len(docs)}. Let it return one document for each, in their order."
        )
    for doc, result in zip(docs, found, strict=True):
        if not isinstance(result, Doc):
            raise TeacherError(
                f"[D271] The component '{name}' of the teacher's pipeline returned no document "
                f"for '{doc.text[:40]}': found {type(result).__name__}. Let it return the Doc."
            )
        if result is not doc and not same_text(doc, result):
            raise TeacherError(
                f"[D272] The component '{name}' of the teacher's pipeline changed the text "
                f"'{doc.text[:40]}' to '{result.text[:40]}'. Tokens may be split and joined, but "
                "the text has to stay the same."
            )
    return found
