"""The protocol of teachers: labels, and a method that predicts the chains of documents."""

from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Protocol, Sequence, Tuple, Union

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.types import Ints1d

from ..chain import LinearChain, n_tags
from ..chain.biluo import PREFIXES


class Teacher(Protocol):
    """An object that predicts the probabilities of tag sequences for documents."""

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        ...

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the distribution over tag sequences of documents.

        docs (Sequence[Doc]): At least one document.
        RETURNS (LinearChain): One sequence per document, over the tags of `labels` in the order of
            BiluoTags.
        """
        ...


# A teacher, or the source to load it from: a pipeline, a folder, or a name.
TeacherSource = Union[str, Path, Language, Teacher]


def parts_of(teacher: object) -> Iterator[Any]:
    """YIELDS (Any): A teacher, and all teachers that it contains."""
    yield teacher
    for inner in (*getattr(teacher, "teachers", ()), getattr(teacher, "teacher", None)):
        if inner is not None:
            yield from parts_of(inner)


def count_misfits(teachers: Iterable[object]) -> int:
    """Count the entities of teachers that did not align with the tokens of documents.

    teachers (Iterable[object]): The teachers, which may share parts.
    RETURNS (int): The sum of `n_misfits` over all parts; a shared part is counted once.
    """
    counts = {id(part): n for teacher in teachers for part, n in misfits_by_part(teacher)}
    return sum(counts.values())


def misfits_by_part(teacher: object) -> List[Tuple[Any, int]]:
    """RETURNS (List[Tuple[Any, int]]): A teacher's parts that have `n_misfits`, and its value."""
    return [(part, part.n_misfits) for part in parts_of(teacher) if hasattr(part, "n_misfits")]


def match_labels(teacher: Sequence[str], student: Sequence[str]) -> List[int]:
    """Find the teacher's tag for each of the student's tags.

    teacher (Sequence[str]): The teacher's labels.
    student (Sequence[str]): The student's labels.
    RETURNS (List[int]): The teacher's tag ids, in the order of the student's tags.
    RAISES (ValueError): The two sets of labels differ.
    """
    if set(teacher) != set(student):
        only_teacher = ", ".join(sorted(set(teacher) - set(student))) or "none"
        only_student = ", ".join(sorted(set(student) - set(teacher))) or "none"
        raise ValueError(
            "[D210] Teacher and student need the same labels. Only the teacher has: "
            f"{only_teacher}. Only the student has: {only_student}. Leave the student's labels out "
            "of the config to take over the teacher's, or train a teacher on the student's labels."
        )
    return find_tags(student, teacher).tolist()


def find_tags(labels: Sequence[Optional[str]], among: Sequence[str]) -> Ints1d:
    """Find the tags of labels among the tags of another list of labels.

    labels (Sequence[Optional[str]]): The labels.
    among (Sequence[str]): The other labels.
    RETURNS (Ints1d): (tags of `labels`,) the tag ids in `among`; -1 for labels that it lacks.
    """
    tags = numpy.arange(n_tags(len(among)))
    rows = tags[1:].reshape(-1, len(PREFIXES))
    by_label: Dict[Optional[str], Ints1d] = dict(zip(among, rows, strict=True))
    missing = numpy.full(len(PREFIXES), -1)
    return numpy.concatenate([tags[:1], *(by_label.get(label, missing) for label in labels)])
