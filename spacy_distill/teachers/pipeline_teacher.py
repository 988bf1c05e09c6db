"""A pipeline with a chain component as a teacher."""

from typing import Any, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..chain import LinearChain


class PipelineTeacher:
    """Runs a pipeline up to a component that predicts chains (`ner_teacher`, `ner_student`)."""

    def __init__(self, nlp: Language, pipe_name: Optional[str] = None) -> None:
        """Choose the component that teaches.

        nlp (Language): The teacher's pipeline.
        pipe_name (Optional[str]): The component's name; needed only where several could teach.
        RAISES (ValueError): There is no such component, or more than one.
        """
        able = [name for name, pipe in nlp.pipeline if hasattr(pipe, "predict_chain")]
        found = f"Its components are: {', '.join(nlp.pipe_names) or 'none'}."
        if pipe_name is None and len(able) != 1:
            wanted = "none that predicts chains" if not able else f"several: {', '.join(able)}"
            raise ValueError(
                "The teacher's pipeline needs one component that can teach, 'ner_teacher' or "
                f"'ner_student', and has {wanted}. {found} Choose another pipeline, or the "
                "component with [distillation.student_to_teacher]."
            )
        if pipe_name is not None and pipe_name not in able:
            raise ValueError(
                f"The teacher's pipeline has no component '{pipe_name}' that predicts chains, as "
                f"'ner_teacher' and 'ner_student' do. {found}"
            )
        self.nlp = nlp
        self.pipe_name = able[0] if pipe_name is None else pipe_name
        self._pipe: Any = nlp.get_pipe(self.pipe_name)

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return self._pipe.labels

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Run the pipeline on documents' words and predict the distribution over tag sequences.

        docs (Sequence[Doc]): Documents of any vocabulary, left as they are; their tokens are kept.
        RETURNS (LinearChain): One sequence a document.
        """
        copies: List[Doc] = [
            Doc(
                self.nlp.vocab,
                words=[token.text for token in doc],
                spaces=[bool(token.whitespace_) for token in doc],
            )
            for doc in docs
        ]
        before = self.nlp.pipe_names[: self.nlp.pipe_names.index(self.pipe_name)]
        for name in before:
            component = self.nlp.get_pipe(name)
            if hasattr(component, "pipe"):
                copies = list(component.pipe(copies, batch_size=len(copies)))
            else:
                copies = [component(doc) for doc in copies]
        return self._pipe.predict_chain(copies)
