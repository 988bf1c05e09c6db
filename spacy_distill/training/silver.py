"""The teachers' entities in place of gold ones, where a development corpus has none."""

from typing import IO, Any, Callable, Iterable, List, Mapping, Optional, Sequence

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span
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
from ..teachers.written_attributes import writers
from .corpus import with_student_tokens
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
    place where the student's `overwrite_ents` says so. Other components of the pipeline that write
    entities, such as a ruler or a frozen student, run in their places.

    corpus (Callable[[Language], Iterable[Example]]): The development corpus.
    nlp (Language): The students' pipeline.
    teachers (Mapping[str, Teacher]): The teacher of each student, asked once.
    skipped (Optional[SkippedDocuments]): Counts the documents that a teacher fails on, which are
        left out; None allows none.
    stderr (IO): Where the progress goes; standard error if None.
    RETURNS (Callable[[Language], Iterable[Example]]): The same corpus, if any of its documents is
        annotated; if none is, one with the teachers' entities.
    RAISES (ValueError): The teachers failed on all documents, or on more than they may.
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
    names = _names_that_count(nlp, teachers)
    references: List[Doc] = []
    with ProgressBar(desc="Teacher reads", total=len(examples), stream=stderr) as bar:
        for batch in minibatch(with_student_tokens(examples), BATCH_SIZE):
            docs = [example.reference for example in batch]
            chains, left = skipped.ask_all(teachers, docs)
            bar.update(len(docs))
            docs = [docs[number] for number in left]
            # What components write beside entities is not the corpus's.
            copies = [plain_copy(doc, nlp.vocab) for doc in docs]
            for name in names:
                pipe: Any = nlp.get_pipe(name)
                if name in chains:
                    overwrite = getattr(pipe, "overwrite_ents", False)
                    _write(copies, chains[name], teachers[name].labels, overwrite)
                elif name not in teachers:
                    copies = _run(pipe, copies)
            for doc, copy in zip(docs, copies, strict=True):
                doc.set_ents([Span(doc, e.start, e.end, label=e.label_) for e in copy.ents])
            references += docs
    if examples and not references:
        raise ValueError(
            f"[D532] The teacher failed on all {len(examples)} documents of the development "
            "corpus, so there is nothing to score by. Each is named above, with the reason. Mend "
            "the teacher or the corpus."
        )

    def read(student: Language) -> Iterable[Example]:
        for reference in references:
            yield Example(plain_copy(reference, student.vocab), reference)

    return read


def _names_that_count(nlp: Language, teachers: Mapping[str, Teacher]) -> List[str]:
    """RETURNS (List[str]): The components that decide on entities, in the pipeline's order: the
    students and, if others write entities too, all up to the last of these. Those that merge or
    split tokens are left out, as targets belong to tokens."""
    wanted = {*teachers, *writers(nlp, "doc.ents")}
    if wanted == set(teachers):
        return [name for name in nlp.pipe_names if name in teachers]
    last = max(number for number, name in enumerate(nlp.pipe_names) if name in wanted)
    return [name for name in nlp.pipe_names[: last + 1] if not nlp.get_pipe_meta(name).retokenizes]


def _run(pipe: Any, docs: List[Doc]) -> List[Doc]:
    return list(pipe.pipe(docs)) if hasattr(pipe, "pipe") else [pipe(doc) for doc in docs]


def _write(docs: Sequence[Doc], chain: LinearChain, labels: Sequence[str], overwrite: bool) -> None:
    """Write the entities of the best sequences to documents, as a student of these labels would."""
    if not docs:
        return
    possible = chain if overwrite else around_entities(chain, docs)
    ends = numpy.cumsum([len(doc) for doc in docs])
    best = numpy.split(get_current_ops().to_numpy(possible.argmax()), ends[:-1])
    tags = BiluoTags(tuple(labels))
    write_prediction(Prediction(best), docs, tags, confidence=False, overwrite=overwrite)
