"""A teacher that runs a spaCy pipeline."""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy
from spacy.language import Language
from spacy.pipeline import EntityRecognizer, TrainablePipe
from spacy.tokens import Doc, Span

from ..chain import LinearChain
from ..chain.joining import join_chains
from ..documents import plain_copy, same_text, same_tokens
from ..encoders.batches import masks_padding
from .annotations import AnnotationTeacher
from .earlier_entities import ChainTeacher
from .failures import DocumentsError, TeacherError, documents_error
from .predictions import predict
from .protocol import Teacher, parts_of
from .spacy_ner import BeamTeacher, TransitionTeacher
from .tokens import align, carry_over
from .written_attributes import components_that_write

# The first character, the one after the last, and the label.
Entity = Tuple[int, int, str]


class PipelineTeacher:
    """Runs a pipeline on the text of documents, and reads the predictions of one component. If the
    spaces of a document are not known, the pipeline gets its words instead of its text.

    The predictions depend on the component:
    - `ner_teacher`, `ner_student`, and any other with `predict_chain`: the predicted chain;
    - spaCy's `ner` and `beam_ner`: the probabilities of actions, or of the parses in the beam;
    - others that write `doc.ents`, or `doc.spans` with `spans_key`: the entities or spans.

    Entities that earlier components have set are kept. They are certain if the component has their
    label, and O otherwise. With `spans_key`, only the spans are read.
    """

    def __init__(
        self,
        nlp: Language,
        pipe_name: Optional[str] = None,
        *,
        spans_key: Optional[str] = None,
        score_attr: Optional[str] = None,
        labels: Optional[Sequence[str]] = None,
        confidence: float = 0.9,
        partial: bool = False,
    ) -> None:
        """Create the teacher, and choose the component to read.

        nlp (Language): The teacher's pipeline.
        pipe_name (Optional[str]): The name of the component; required if several can teach.
        spans_key (Optional[str]): Read `doc.spans[spans_key]`, as `spancat` writes it.
        score_attr (Optional[str]): The extension attribute with the scores of the entities or
            spans, as in `AnnotationTeacher`.
        labels (Optional[Sequence[str]]): The labels of a component that writes entities or spans;
            by default the component's attribute `labels`.
        confidence (float): The probability of entities and spans without a score.
        partial (bool): Whether the component may miss entities. Then tokens outside of the entities
            and spans that it writes are unknown.
        RAISES (ValueError): There is no such component, there are several, or the labels of the
            component are not known.
        """
        self.nlp = nlp
        # The name in error messages.
        self.name = f"{nlp.meta['lang']}_{nlp.meta['name']}"
        self.pipe_name = _choose_component(nlp, pipe_name, spans_key)
        pipe = nlp.get_pipe(self.pipe_name)
        soft = _soft_teacher(pipe) if spans_key is None else None
        self.reads_annotations = soft is None
        if soft is None:
            attribute = "doc.ents" if spans_key is None else "doc.spans"
            known: Sequence[str] = labels or ()
            if labels is None and self.pipe_name in components_that_write(nlp, attribute):
                known = getattr(pipe, "labels", ())
            if not known:
                raise ValueError(
                    f"[D220] The component '{self.pipe_name}' does not say which labels it writes "
                    f"to {attribute}. {_list_components(nlp)} Name another one, or its labels "
                    "with --labels PER,LOC or the argument `labels`."
                )
            # Sorted, because a component may keep its labels in a set.
            soft = AnnotationTeacher(
                sorted(set(known)),
                spans_key=spans_key,
                score_attr=score_attr,
                confidence=confidence,
                partial=partial,
            )
        self._teacher: Teacher = soft
        # The number of entities that begin or end inside a token of the documents.
        self.n_misfits = 0

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return self._teacher.labels

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Run the pipeline on the texts of documents and read its predictions.

        docs (Sequence[Doc]): Documents of any vocabulary and tokenizer, which are not changed.
        RETURNS (LinearChain): One sequence per document, over the documents' tokens.
        RAISES (ValueError): A component did not return one document with the same text for each.
        """
        read = self._run([self._tokenize(doc) for doc in docs])
        chain = self._predict(read)
        # The pipeline may have other tokens than the documents.
        if all(same_tokens(own, doc) for own, doc in zip(read, docs, strict=True)):
            return chain
        blocks = align(read, docs)
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        carried, n_misfits = carry_over(chain, self.labels, blocks, lengths)
        self.n_misfits += n_misfits
        return carried

    def _predict(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the chain in batches that padding cannot affect."""
        pipe = self.nlp.get_pipe(self.pipe_name)
        size = len(docs) if self.reads_annotations else _batch_size(pipe, len(docs))
        chains: List[LinearChain] = []
        reasons: Dict[int, str] = {}
        for start in range(0, len(docs), size):
            try:
                chains.append(predict(self._teacher, docs[start : start + size], self.name))
            except DocumentsError as error:
                reasons.update({start + n: reason for n, reason in error.reasons.items()})
        if reasons:
            raise documents_error(self.name, docs, reasons)
        return join_chains(chains)

    def _tokenize(self, doc: Doc) -> Doc:
        # If the tokenizer changes the text, tokens cannot be aligned, so the words are used.
        if not doc.has_unknown_spaces:
            text = doc.text
            made = self.nlp.tokenizer(text)
            if same_tokens(made, doc) or made.text == text:
                return made
        return plain_copy(doc, self.nlp.vocab)

    def _run(self, docs: List[Doc]) -> List[Doc]:
        """Run the components before the one that teaches, and that one if it writes annotations."""
        for name, pipe in self.nlp.pipeline:
            if name == self.pipe_name and not self.reads_annotations:
                break
            earlier = [_entities(doc) for doc in docs] if name == self.pipe_name else []
            docs = _run_component(name, pipe, docs, _batch_size(pipe, len(docs)))
            if name == self.pipe_name:
                for doc, entities in zip(docs, earlier, strict=True):
                    self._drop_others(doc, entities)
                break
        return docs

    def _drop_others(self, doc: Doc, earlier: Set[Entity]) -> None:
        """Drop the entities that earlier components have set, and of which the component that
        teaches does not have the label."""
        dropped = [
            ent for ent in doc.ents if ent.label_ not in self.labels and _entity(ent) in earlier
        ]
        if dropped:
            kept = [ent for ent in doc.ents if ent not in dropped]
            doc.set_ents(kept, outside=dropped, default="unmodified")


def pipelines_of(teacher: object) -> Iterator[PipelineTeacher]:
    """RETURNS (Iterator[PipelineTeacher]): The pipeline teachers among a teacher and its parts."""
    return (part for part in parts_of(teacher) if isinstance(part, PipelineTeacher))


def _entity(ent: Span) -> Entity:
    return ent.start_char, ent.end_char, ent.label_


def _entities(doc: Doc) -> Set[Entity]:
    return {_entity(ent) for ent in doc.ents}


def _run_component(name: str, pipe: Any, docs: Sequence[Doc], batch_size: int) -> List[Doc]:
    """Run a component, and require one document with the same text for each document."""
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
                "the text must stay the same."
            )
    return found


def _soft_teacher(pipe: Any) -> Optional[Teacher]:
    """Make a teacher for a component that predicts probabilities; None for other components."""
    if hasattr(pipe, "predict_chain"):
        return ChainTeacher(pipe)
    if isinstance(pipe, EntityRecognizer):
        return TransitionTeacher(pipe) if pipe.cfg["beam_width"] == 1 else BeamTeacher(pipe)
    return None


def _batch_size(pipe: Any, n_docs: int) -> int:
    """RETURNS (int): The number of documents that a component may read in a batch. It is 1 if the
    component has a transformer that may not mask padding, since spacy-transformers pads batches."""
    nodes = pipe.model.walk() if isinstance(pipe, TrainablePipe) else ()
    transformers = [node.transformer for node in nodes if hasattr(node, "transformer")]
    return n_docs if all(masks_padding(model.config) for model in transformers) else 1


def _choose_component(nlp: Language, pipe_name: Optional[str], spans_key: Optional[str]) -> str:
    """Return the name of the component that teaches, or raise ValueError."""
    if pipe_name is not None:
        if pipe_name not in nlp.pipe_names:
            raise ValueError(
                f"[D221] The teacher's pipeline has no component '{pipe_name}'. "
                f"{_list_components(nlp)} Correct the name."
            )
        return pipe_name
    if spans_key is None:
        able = [name for name, pipe in nlp.pipeline if _soft_teacher(pipe)]
        able, what = able or components_that_write(nlp, "doc.ents"), "find entities"
    else:
        able, what = components_that_write(nlp, "doc.spans"), "write spans"
    if len(able) != 1:
        wrong = f"several that {what}: {', '.join(able)}" if able else f"none known to {what}"
        raise ValueError(
            f"[D222] The teacher's pipeline needs one component that can teach, and has {wrong}. "
            f"{_list_components(nlp)} Name one with --teacher-pipe."
        )
    return able[0]


def _list_components(nlp: Language) -> str:
    parts = [f"{name} ({nlp.get_pipe_meta(name).factory})" for name in nlp.pipe_names]
    return f"Its components are: {', '.join(parts) or 'none'}."
