"""Silver annotation: the teachers' entities for a development corpus without gold entities."""

from dataclasses import dataclass
from typing import IO, Any, Iterator, List, Mapping, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import to_numpy

from ..chain import BiluoTags, LinearChain
from ..corpora.soft_targets import USER_DATA_KEY
from ..documents import plain_copy
from ..pipeline.entities import exclude_taken_tokens
from ..pipeline.prediction import Prediction, write_prediction
from ..progress import ProgressBar
from ..teachers import SoftTeacher, Teacher
from ..teachers.no_teacher import NoTeacher
from ..teachers.written_attributes import components_that_write
from .corpus import Reader, is_labeled, with_student_tokens
from .skipped import SkippedDocuments

BATCH_SIZE = 64


@dataclass(frozen=True)
class SilverReader:
    """A corpus reader of documents with the teachers' entities.

    references (Sequence[Doc]): The documents.
    """

    references: Sequence[Doc]

    def __call__(self, nlp: Language) -> Iterator[Example]:
        for reference in self.references:
            yield Example(plain_copy(reference, nlp.vocab), reference)


def with_teacher_entities(
    corpus: Reader,
    nlp: Language,
    teachers: Mapping[str, Teacher],
    skipped: Optional[SkippedDocuments] = None,
    stderr: Optional[IO] = None,
) -> Reader:
    """Annotate a development corpus without gold entities with the teachers' entities. The
    students' scores are then their agreement with the teachers.

    Each teacher writes its entities where its student stands in the pipeline. Other components that
    write entities, such as a ruler or a frozen student, run at their places.

    corpus (Reader): The development corpus.
    nlp (Language): The students' pipeline.
    teachers (Mapping[str, Teacher]): The teacher of each student. Each predicts once.
    skipped (Optional[SkippedDocuments]): Counts the documents that a teacher fails on, which are
        left out. With None, no failure is allowed.
    stderr (IO): Stream for the progress bar; standard error if None.
    RETURNS (Reader): The same corpus if one of its documents is annotated, otherwise a
        `SilverReader`.
    RAISES (ValueError): The teachers failed on all documents, or on more than `skipped` allows;
        they found no entity; or there is no teacher.
    """
    skipped = SkippedDocuments(0) if skipped is None else skipped
    examples = list(corpus(nlp))
    if any(map(is_labeled, examples)):
        return corpus
    if any(isinstance(teacher, NoTeacher) for teacher in teachers.values()):
        raise ValueError(
            "[D817] The development corpus has no entities, and there is no teacher to find any. "
            "Name labeled documents in [paths] dev."
        )
    docs = [example.reference for example in examples]
    is_soft = any(isinstance(teacher, SoftTeacher) for teacher in teachers.values())
    if is_soft and any(USER_DATA_KEY not in doc.user_data for doc in docs):
        raise ValueError(
            "[D505] The development corpus has no entities, and the soft corpus that teaches has "
            "no predictions for it. Name a labeled corpus, or a soft corpus of the same text "
            "(spacy-distill.SoftCorpus.v1)."
        )
    names = _components_before_scoring(nlp, teachers)
    references: List[Doc] = []
    with ProgressBar(desc="Teacher reads", total=len(examples), stream=stderr) as bar:
        for batch in minibatch(with_student_tokens(examples), BATCH_SIZE):
            docs = [example.reference for example in batch]
            chains, left = skipped.predict_all(teachers, docs)
            bar.update(len(docs))
            docs = [docs[number] for number in left]
            # Components may write other annotation too, which the corpus should not get.
            copies = [plain_copy(doc, nlp.vocab) for doc in docs]
            for name in names:
                pipe: Any = nlp.get_pipe(name)
                if name in chains:
                    overwrite = getattr(pipe, "overwrite_ents", False)
                    _write(copies, chains[name], teachers[name].labels, overwrite)
                elif name not in teachers:
                    copies = [pipe(copy) for copy in copies]
            for doc, copy in zip(docs, copies, strict=True):
                doc.set_ents([Span(doc, e.start, e.end, label=e.label_) for e in copy.ents])
            references += docs
    if examples and not references:
        raise ValueError(
            f"[D532] The teacher failed on all {len(examples)} documents of the development "
            "corpus, so students cannot be scored. Each is named above, with the reason. Correct "
            "the teacher or the corpus."
        )
    if not any(doc.ents for doc in references):
        raise ValueError(
            f"[D533] The teacher finds no entity in the {len(references):,} documents of the "
            "development corpus, so students cannot be scored. Take text in which it finds "
            "entities, or correct the teacher."
        )
    return SilverReader(references)


def _components_before_scoring(nlp: Language, teachers: Mapping[str, Teacher]) -> List[str]:
    """List the components that decide on entities, in the pipeline's order.

    These are the students and, if other components write entities too, all components up to the
    last of these. Components that merge or split tokens are left out, as targets belong to tokens.
    """
    wanted = {*teachers, *components_that_write(nlp, "doc.ents")}
    if wanted == set(teachers):
        return [name for name in nlp.pipe_names if name in teachers]
    last = max(number for number, name in enumerate(nlp.pipe_names) if name in wanted)
    return [name for name in nlp.pipe_names[: last + 1] if not nlp.get_pipe_meta(name).retokenizes]


def _write(docs: Sequence[Doc], chain: LinearChain, labels: Sequence[str], overwrite: bool) -> None:
    """Write the entities of the best sequences to documents, as a student of these labels would."""
    chain = chain if overwrite else exclude_taken_tokens(chain, docs)
    prediction = Prediction(to_numpy(chain.argmax()))
    tags = BiluoTags(tuple(labels))
    write_prediction(prediction, docs, tags, confidence=False, overwrite=overwrite)
