"""The teacher's entities in place of gold ones, where a development corpus has none."""

from typing import IO, Callable, Iterable, List, Optional

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import get_current_ops

from ..chain import BiluoTags
from ..corpora.plain_docs import plain_copy
from ..corpora.soft_targets import USER_DATA_KEY
from ..progress import ProgressBar
from ..teachers import SoftTeacher, Teacher
from .examples import with_student_tokens
from .skipped import SkippedDocuments

BATCH_SIZE = 64


def with_teacher_entities(
    corpus: Callable[[Language], Iterable[Example]],
    nlp: Language,
    teacher: Teacher,
    skipped: Optional[SkippedDocuments] = None,
    stderr: Optional[IO] = None,
) -> Callable[[Language], Iterable[Example]]:
    """Let a student be scored by its agreement with the teacher, if nobody labeled what it is
    scored on.

    corpus (Callable[[Language], Iterable[Example]]): The development corpus.
    nlp (Language): The student's pipeline.
    teacher (Teacher): The teacher, asked once.
    skipped (Optional[SkippedDocuments]): Counts the documents that the teacher fails on, which are
        left out; None allows none.
    stderr (IO): Where the progress goes; standard error if None.
    RETURNS (Callable[[Language], Iterable[Example]]): The same corpus, if any of its documents is
        annotated; if none is, one with the teacher's entities.
    """
    skipped = SkippedDocuments(0) if skipped is None else skipped
    examples = list(corpus(nlp))
    if any(example.reference.has_annotation("ENT_IOB") for example in examples):
        return corpus
    docs = [example.reference for example in examples]
    if isinstance(teacher, SoftTeacher) and any(USER_DATA_KEY not in doc.user_data for doc in docs):
        raise ValueError(
            "[D505] The development corpus has no entities, and a soft corpus cannot say which it "
            "should have. Name a labeled one, or a soft corpus of it (spacy-distill.SoftCorpus.v1)."
        )
    references: List[Doc] = []
    tags = BiluoTags(teacher.labels)
    with ProgressBar(desc="Teacher reads", total=len(examples), stream=stderr) as bar:
        for batch in minibatch(with_student_tokens(examples), BATCH_SIZE):
            docs = [example.reference for example in batch]
            chain, left = skipped.ask(teacher, docs)
            bar.update(len(docs))
            if chain is None:
                continue
            docs = [docs[number] for number in left]
            best = get_current_ops().to_numpy(chain.argmax())
            end = 0
            for doc in docs:
                start, end = end, end + len(doc)
                spans = tags.spans(best[start:end])
                doc.set_ents([Span(doc, first, stop, label=label) for first, stop, label in spans])
                references.append(doc)

    def read(student: Language) -> Iterable[Example]:
        for reference in references:
            yield Example(plain_copy(reference, student.vocab), reference)

    return read
