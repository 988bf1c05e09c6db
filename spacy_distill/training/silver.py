"""The teachers' entities in place of gold ones, where a development corpus has none."""

from typing import IO, Callable, Iterable, List, Mapping, Optional, Sequence

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import get_current_ops

from ..chain import BiluoTags, LinearChain
from ..corpora.plain_docs import plain_copy
from ..corpora.soft_targets import USER_DATA_KEY
from ..pipeline.entities import around_entities
from ..pipeline.prediction import Prediction, write_prediction
from ..progress import ProgressBar
from ..teachers import SoftTeacher, Teacher
from .examples import with_student_tokens
from .skipped import SkippedDocuments

BATCH_SIZE = 64


def with_teacher_entities(
    corpus: Callable[[Language], Iterable[Example]],
    nlp: Language,
    teachers: Mapping[str, Teacher],
    skipped: Optional[SkippedDocuments] = None,
    stderr: Optional[IO] = None,
) -> Callable[[Language], Iterable[Example]]:
    """Let students be scored by their agreement with their teachers, if nobody labeled what they
    are scored on.

    Students of one pipeline write their entities one after the other, and the teachers' are put
    together in the same way: those of later students go around those of earlier ones, or take their
    place where the student's `overwrite_ents` says so.

    corpus (Callable[[Language], Iterable[Example]]): The development corpus.
    nlp (Language): The students' pipeline.
    teachers (Mapping[str, Teacher]): The teacher of each student, asked once.
    skipped (Optional[SkippedDocuments]): Counts the documents that a teacher fails on, which are
        left out; None allows none.
    stderr (IO): Where the progress goes; standard error if None.
    RETURNS (Callable[[Language], Iterable[Example]]): The same corpus, if any of its documents is
        annotated; if none is, one with the teachers' entities.
    """
    skipped = SkippedDocuments(0) if skipped is None else skipped
    examples = list(corpus(nlp))
    if any(example.reference.has_annotation("ENT_IOB") for example in examples):
        return corpus
    docs = [example.reference for example in examples]
    is_soft = any(isinstance(teacher, SoftTeacher) for teacher in teachers.values())
    if is_soft and any(USER_DATA_KEY not in doc.user_data for doc in docs):
        raise ValueError(
            "[D505] The development corpus has no entities, and a soft corpus cannot say which it "
            "should have. Name a labeled one, or a soft corpus of it (spacy-distill.SoftCorpus.v1)."
        )
    references: List[Doc] = []
    with ProgressBar(desc="Teacher reads", total=len(examples), stream=stderr) as bar:
        for batch in minibatch(with_student_tokens(examples), BATCH_SIZE):
            docs = [example.reference for example in batch]
            chains, left = skipped.ask_all(teachers, docs)
            bar.update(len(docs))
            docs = [docs[number] for number in left]
            for name, pipe in nlp.pipeline:
                if name in chains:
                    overwrite = getattr(pipe, "overwrite_ents", False)
                    _write(docs, chains[name], teachers[name].labels, overwrite)
            references += docs

    def read(student: Language) -> Iterable[Example]:
        for reference in references:
            yield Example(plain_copy(reference, student.vocab), reference)

    return read


def _write(docs: Sequence[Doc], chain: LinearChain, labels: Sequence[str], overwrite: bool) -> None:
    """Write the entities of the best sequences to documents, as a student of these labels would."""
    if not docs:
        return
    possible = chain if overwrite else around_entities(chain, docs)
    ends = numpy.cumsum([len(doc) for doc in docs])
    best = numpy.split(get_current_ops().to_numpy(possible.argmax()), ends[:-1])
    tags = BiluoTags(tuple(labels))
    write_prediction(Prediction(best), docs, tags, confidence=False, overwrite=overwrite)
