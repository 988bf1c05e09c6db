"""What a teacher is: labels, and a chain of BILUO tags for documents."""

from typing import List, Protocol, Sequence, Tuple

from spacy.tokens import Doc

from ..chain import LinearChain
from ..chain.biluo import PREFIXES


class Teacher(Protocol):
    """Anything that knows how probable the tag sequences of documents are."""

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        ...

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the distribution over tag sequences.

        docs (Sequence[Doc]): At least one document.
        RETURNS (LinearChain): One sequence a document, over the tags of `labels` in BiluoTags'
            order.
        """
        ...


def match_labels(teacher: Sequence[str], student: Sequence[str]) -> List[int]:
    """Find the teacher's tags for the student's.

    teacher (Sequence[str]): The teacher's labels.
    student (Sequence[str]): The student's labels.
    RETURNS (List[int]): The teacher's tag number for each of the student's tags.
    RAISES (ValueError): The two sets of labels differ.
    """
    if set(teacher) != set(student):
        only_teacher = ", ".join(sorted(set(teacher) - set(student))) or "none"
        only_student = ", ".join(sorted(set(student) - set(teacher))) or "none"
        raise ValueError(
            "Teacher and student need the same labels. Only the teacher has: "
            f"{only_teacher}. Only the student has: {only_student}. Leave the student's labels out "
            "of the config to take over the teacher's, or train a teacher on the student's labels."
        )
    positions = {label: position for position, label in enumerate(teacher)}
    per_label = len(PREFIXES)
    firsts = [1 + per_label * positions[label] for label in student]
    return [0, *(first + offset for first in firsts for offset in range(per_label))]
