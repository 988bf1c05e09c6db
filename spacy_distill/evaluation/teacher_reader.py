"""A component that writes the entities of a teacher of any kind, to evaluate it as a pipeline."""

from typing import Any, Dict, Iterable, Iterator, Optional

import spacy
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import to_numpy

from ..chain import BiluoTags
from ..pipeline.confidences import CONFIDENCE
from ..pipeline.prediction import Prediction, write_prediction
from ..teachers.predictions import predict
from ..teachers.protocol import Teacher

BATCH_SIZE = 32
FACTORY = "distill_teacher_reader"


class TeacherReader:
    """Writes the entities of a teacher's best tag sequence to `doc.ents`."""

    def __init__(self) -> None:
        self.teacher: Optional[Teacher] = None
        # As the settings of ner_student with these names.
        self.confidence, self.confidence_attr = False, CONFIDENCE

    @property
    def labels(self) -> tuple:
        """The teacher's labels."""
        return () if self.teacher is None else self.teacher.labels

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc]))

    def pipe(self, docs: Iterable[Doc], batch_size: int = BATCH_SIZE) -> Iterator[Doc]:
        """Annotate documents with entities, and yield them."""
        assert self.teacher is not None, "The component has no teacher"
        tags = BiluoTags(self.teacher.labels)
        for batch in minibatch(docs, min(batch_size, BATCH_SIZE)):
            chain = predict(self.teacher, batch)
            write_prediction(
                Prediction(to_numpy(chain.argmax()), chain),
                batch,
                tags,
                confidence=self.confidence,
                confidence_attr=self.confidence_attr,
                overwrite=True,
            )
            yield from batch

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Compute spaCy's scores of entities, for `nlp.evaluate`."""
        return get_ner_prf(examples, **kwargs)


@Language.factory(FACTORY, assigns=["doc.ents"])
def make_teacher_reader(nlp: Language, name: str) -> TeacherReader:
    """Create the component, whose teacher is set later."""
    return TeacherReader()


def reading_pipeline(teacher: Teacher, lang: str) -> Language:
    """Create a pipeline that writes a teacher's entities to `doc.ents`.

    teacher (Teacher): The teacher.
    lang (str): The language of the tokenizer.
    RETURNS (Language): The pipeline.
    """
    nlp = spacy.blank(lang)
    nlp.add_pipe(FACTORY).teacher = teacher  # type: ignore[attr-defined]
    return nlp
