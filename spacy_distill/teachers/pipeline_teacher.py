"""A spaCy pipeline as a teacher."""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.pipeline import EntityRecognizer, TrainablePipe
from spacy.tokens import Doc

from ..chain import LinearChain
from ..chain.joining import join_chains
from ..corpora.plain_docs import plain_copy
from ..encoders.batches import masks_padding
from .annotations import AnnotationTeacher
from .asking import ask
from .beam_ner import BeamTeacher
from .earlier_entities import ChainTeacher
from .failures import DocumentsError, documents_error
from .protocol import Teacher, parts_of
from .running import run_component
from .tokens import align, carry_over, same_words
from .transition_ner import TransitionTeacher
from .written_attributes import writers


class PipelineTeacher:
    """Runs a pipeline on the text of documents, and reads off it what it thinks. Of documents whose
    spaces are not known it takes the words.

    What it reads depends on the component that teaches:
    - one that predicts chains (`ner_teacher`, `ner_student`): its chain;
    - spaCy's `ner` and `beam_ner`: the probabilities of their actions, or of the beam's parses;
    - any other that writes `doc.ents`, or `doc.spans` with `spans_key`: what it wrote.

    Entities that components before it have set are kept to, if it writes `doc.ents`: they are
    certain where it knows the label, and count as no entity where it does not. With `spans_key`,
    only the spans count, and what is in `doc.ents` does not.
    """

    def __init__(
        self,
        nlp: Language,
        pipe_name: Optional[str] = None,
        *,
        spans_key: Optional[str] = None,
        labels: Optional[Sequence[str]] = None,
        confidence: float = 0.9,
        partial: bool = False,
    ) -> None:
        """Choose the component that teaches.

        nlp (Language): The teacher's pipeline.
        pipe_name (Optional[str]): The component's name; needed only where several could teach.
        spans_key (Optional[str]): Read `doc.spans[spans_key]`, as `spancat` writes it.
        labels (Optional[Sequence[str]]): Labels of entities or spans that are read as they were
            written; by default those of the component.
        confidence (float): How probable such entities are, where spans have no scores.
        partial (bool): Whether such entities are a part of those that there are, so that tokens
            without one are unknown.
        RAISES (ValueError): There is no such component, or more than one, or it does not find
            entities.
        """
        self.nlp = nlp
        # What errors call the teacher.
        self.name = f"{nlp.meta['lang']}_{nlp.meta['name']}"
        self.pipe_name = _choose(nlp, pipe_name, spans_key)
        pipe = nlp.get_pipe(self.pipe_name)
        kind = _kind(pipe) if spans_key is None else "annotations"
        self.reads_annotations = kind == "annotations"
        # What writes entities has to run itself.
        self._last = self.pipe_name if kind == "annotations" else None
        self._teacher: Teacher
        if kind == "chain":
            self._teacher = ChainTeacher(pipe)
        elif kind == "transitions":
            self._teacher = TransitionTeacher(pipe)
        elif kind == "beam":
            self._teacher = BeamTeacher(pipe)
        else:
            attribute = "doc.ents" if spans_key is None else "doc.spans"
            known: Sequence[str] = labels or ()
            if labels is None and self.pipe_name in writers(nlp, attribute):
                known = getattr(pipe, "labels", ())
            if not known:
                raise ValueError(
                    f"[D220] The component '{self.pipe_name}' does not say which labels it writes "
                    f"to {attribute}. {_listed(nlp)} Name another one, or its labels with --labels "
                    "PER,LOC or the argument `labels`."
                )
            # Sorted, as a component may keep its labels in a set.
            self._teacher = AnnotationTeacher(
                sorted(set(known)), spans_key=spans_key, confidence=confidence, partial=partial
            )
        # Entities whose borders were inside the tokens of the documents that were asked for.
        self.n_misfits = 0

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return self._teacher.labels

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Run the pipeline on the texts of documents and read off what it thinks.

        docs (Sequence[Doc]): Documents of any vocabulary and tokenizer, left as they are.
        RETURNS (LinearChain): One sequence a document, over the documents' tokens.
        RAISES (ValueError): A component returns something else than a document of the same text.
        """
        # Components may split or join tokens, also in documents of their own.
        read = self._run([self._own_doc(doc) for doc in docs])
        chain = self._ask(read)
        if all(same_words(mine, doc) for mine, doc in zip(read, docs, strict=True)):
            return chain
        blocks = align(read, docs)
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        carried, n_misfits = carry_over(chain, self.labels, blocks, lengths)
        self.n_misfits += n_misfits
        return carried

    def _ask(self, docs: Sequence[Doc]) -> LinearChain:
        """RETURNS (LinearChain): What the component that teaches says of documents, read with no
        more others than keep it the same."""
        pipe = self.nlp.get_pipe(self.pipe_name)
        size = _at_once(pipe, len(docs)) if self._last is None else len(docs)
        if size == len(docs):
            return ask(self._teacher, docs, self.name)
        chains: List[LinearChain] = []
        reasons: Dict[int, str] = {}
        for start in range(0, len(docs), size):
            try:
                chains.append(ask(self._teacher, docs[start : start + size], self.name))
            except DocumentsError as error:
                reasons.update({start + n: reason for n, reason in error.reasons.items()})
        if reasons:
            raise documents_error(self.name, docs, reasons)
        return join_chains(chains)

    def _own_doc(self, doc: Doc) -> Doc:
        # Without spaces there is no text, and a tokenizer that changes it leaves nothing to align.
        if not doc.has_unknown_spaces:
            text = doc.text
            made = self.nlp.tokenizer(text)
            if same_words(made, doc) or made.text == text:
                return made
        return plain_copy(doc, self.nlp.vocab)

    def _run(self, docs: List[Doc]) -> List[Doc]:
        for name, pipe in self.nlp.pipeline:
            if name == self.pipe_name and self._last is None:
                break
            docs = run_component(name, pipe, docs, _at_once(pipe, len(docs)))
            if name == self._last:
                break
        return docs


def pipelines_of(teacher: object) -> Iterator[PipelineTeacher]:
    """RETURNS (Iterator[PipelineTeacher]): The pipelines among a teacher and its parts."""
    return (part for part in parts_of(teacher) if isinstance(part, PipelineTeacher))


def _kind(pipe: Any) -> str:
    """RETURNS (str): How a component teaches: "chain", "transitions", "beam" or "annotations"."""
    if hasattr(pipe, "predict_chain"):
        return "chain"
    if isinstance(pipe, EntityRecognizer):
        return "transitions" if pipe.cfg["beam_width"] == 1 else "beam"
    return "annotations"


def _at_once(pipe: Any, n_docs: int) -> int:
    """RETURNS (int): How many documents a component may read together: one, if it has a transformer
    that is not known to mask padding, which spacy-transformers fills batches with."""
    nodes = pipe.model.walk() if isinstance(pipe, TrainablePipe) else ()
    transformers = [node.transformer for node in nodes if hasattr(node, "transformer")]
    return n_docs if all(masks_padding(model.config) for model in transformers) else 1


def _choose(nlp: Language, pipe_name: Optional[str], spans_key: Optional[str]) -> str:
    """RETURNS (str): The name of the component that teaches; ValueError if it is not clear."""
    if pipe_name is not None:
        if pipe_name not in nlp.pipe_names:
            raise ValueError(
                f"[D221] The teacher's pipeline has no component '{pipe_name}'. {_listed(nlp)} "
                "Correct the name."
            )
        return pipe_name
    if spans_key is None:
        able = [name for name, pipe in nlp.pipeline if _kind(pipe) != "annotations"]
        able, what = able or writers(nlp, "doc.ents"), "find entities"
    else:
        able, what = writers(nlp, "doc.spans"), "write spans"
    if len(able) != 1:
        wrong = f"several that {what}: {', '.join(able)}" if able else f"none known to {what}"
        raise ValueError(
            f"[D222] The teacher's pipeline needs one component that can teach, and has {wrong}. "
            f"{_listed(nlp)} Name one with --teacher-pipe."
        )
    return able[0]


def _listed(nlp: Language) -> str:
    parts = [f"{name} ({nlp.get_pipe_meta(name).factory})" for name in nlp.pipe_names]
    return f"Its components are: {', '.join(parts) or 'none'}."
