"""The class of `ner_student` and `ner_teacher`: from a chain of BILUO tags to entities."""

from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..chain import BiluoTags, ChainCounts, LinearChain, constraints
from ..documents import same_tokens
from ..losses import ChainDistillation, DistillationLoss, negative_log_likelihood
from ..models.learn_rates import with_learn_rate_factors
from ..models.optimizer_state import keep_moments
from ..teachers import Teacher, earlier_entities, match_labels
from ..teachers.predictions import predict
from .confidences import CONFIDENCE, add_confidence_extension, check_attr
from .entities import exclude_taken_tokens, score_likely_spans
from .gold_tags import gold_tags
from .prediction import Prediction, write_prediction
from .rehearsal import RehearsingPipe

# Documents that a model sees at initialization, to infer the widths of its layers.
SAMPLE_SIZE = 10
# What is written whatever the settings are, by spaCy's names.
ASSIGNS = ("doc.ents", "token.ent_iob", "token.ent_type")


class NonFiniteLossError(ValueError):
    """A loss is NaN or infinite, so the parameters are spoilt."""


class ChainNER(RehearsingPipe):
    """A named entity recogniser whose model scores a linear chain of BILUO tags."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], LinearChain],
        name: str,
        *,
        confidence: bool = False,
        confidence_attr: str = CONFIDENCE,
        spans_key: Optional[str] = None,
        threshold: float = 0.5,
        overwrite_ents: bool = False,
        scorer: Optional[Callable] = None,
    ) -> None:
        """Create the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], LinearChain]): A model with a chain head.
        name (str): The component's name, and its key in the losses.
        confidence (bool): Whether to write the probability of each entity to `ent._.confidence`.
        confidence_attr (str): The name of that attribute, for apps that have a `confidence` of
            their own.
        spans_key (Optional[str]): Key in `doc.spans` for all spans whose probability is at least
            the threshold, with the probabilities in `doc.spans[key].attrs["scores"]`; None for no
            such spans.
        threshold (float): The least probability of these spans, from 0 to 1. Spans above 0.5 never
            overlap. With 0, all possible spans are written: very many.
        overwrite_ents (bool): Whether new entities replace earlier ones that they overlap. By
            default earlier entities stay, and entities are predicted around them.
        scorer (Optional[Callable]): The scoring method.
        RAISES (ValueError): The threshold is no probability, or the attribute's name is none or
            belongs to something else.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.confidence = confidence
        self.confidence_attr = confidence_attr
        self.spans_key = spans_key
        self.threshold = threshold
        self.overwrite_ents = overwrite_ents
        self.scorer = scorer
        self.cfg: Dict = {"labels": [], "temperature": 1.0}
        if not 0 <= threshold <= 1:
            raise ValueError(
                f"[D010] The component '{name}' has the threshold {threshold}, which is no "
                "probability: it has to be from 0 to 1. Correct the config."
            )
        check_attr(confidence_attr, name)
        if confidence:
            add_confidence_extension(confidence_attr)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if self.confidence:  # extensions do not come along
            add_confidence_extension(self.confidence_attr)

    # Labels; `labels` and `add_label` are LabelledPipe's

    @property
    def assigns(self) -> Tuple[str, ...]:
        """What the component writes to documents with its settings, by spaCy's names."""
        return ASSIGNS if self.spans_key is None else (*ASSIGNS, "doc.spans")

    @property
    def tags(self) -> BiluoTags:
        """The tags of the labels."""
        return BiluoTags(self.labels)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Sequence[str]] = None,
    ) -> None:
        """Prepare the model for training.

        get_examples (Callable[[], Iterable[Example]]): Returns examples, for labels and widths.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Sequence[str]]): Entity labels; by default those of the examples.
        RAISES (ValueError): There is no label, or no example.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        if labels is None:
            entities = (span for example in get_examples() for span in example.reference.ents)
            labels = sorted({span.label_ for span in entities})
        for label in labels:
            self.add_label(label)
        if not self.labels:
            raise ValueError(
                f"[D012] The component '{self.name}' has no labels: the training examples have no "
                "entities. Train on annotated documents, or name the labels under "
                f"[initialize.components.{self.name}] labels, or with `add_label`."
            )
        self.set_output(len(self.labels))
        sample = [example.predicted for example in islice(get_examples(), SAMPLE_SIZE)]
        if not any(len(doc) for doc in sample):
            raise ValueError(
                f"[D013] The component '{self.name}' cannot be initialized: the training corpus "
                "has no documents with tokens. Check the path of the corpus."
            )
        self.model.initialize(X=sample)
        self._drop_former_state()

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> Prediction:
        """Predict each document's most probable tags, given the entities that it has already.

        docs (Iterable[Doc]): The documents, left as they are.
        RETURNS (Prediction): The tags, and the distribution if the settings need it.
        """
        docs = list(docs)
        if not docs:
            return Prediction([])
        chain = self.predict_chain(docs)
        possible = chain if self.overwrite_ents else exclude_taken_tokens(chain, docs)
        tags = _split(self.model.ops.to_numpy(possible.argmax()), docs)
        needs_chain = self.confidence or self.spans_key is not None
        return Prediction(tags, chain.scaled(self.cfg["temperature"]) if needs_chain else None)

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the distribution over tag sequences, as the model gives it: without earlier
        entities and without calibration.

        docs (Sequence[Doc]): At least one document.
        RETURNS (LinearChain): One sequence a document, over `tags`. What is no BILUO sequence is
            impossible, and so are entities with white space at an edge.
        """
        head = self.model.get_ref("output_layer")
        if not head.has_param("W"):
            raise ValueError(
                f"[D014] The component '{self.name}' has no trained model yet. Call "
                "`nlp.initialize` and train it, or load a trained pipeline."
            )
        if not any(len(doc) for doc in docs):
            scores = map(self.model.ops.asarray, constraints(len(self.labels)))
            start, transitions, end = scores
            emissions = self.model.ops.alloc2f(0, len(start))
            return LinearChain(emissions, numpy.zeros(len(docs), "int64"), transitions, start, end)
        chain = self.model.predict(list(docs))
        spaces = numpy.concatenate([doc.to_array("IS_SPACE") for doc in docs]).astype(bool)
        return chain.restricted(self.tags.without_edges(spaces)) if spaces.any() else chain

    def posteriors(
        self, docs: Sequence[Doc], *, calibrated: bool = True, keep_entities: bool = False
    ) -> List[Floats2d]:
        """Predict the probability of each tag at each token.

        docs (Sequence[Doc]): The documents.
        calibrated (bool): Whether to scale by the calibrated temperature. With it, these are the
            probabilities that confidences are made of; without it, those of `predict_chain`, which
            teach.
        keep_entities (bool): Whether entities that are set and blocked tokens count. An entity's
            tokens have the entity's own tags then (O if its label is none of `labels`), blocked
            tokens have O. Confidences leave them out of account.
        RETURNS (List[Floats2d]): (tokens, tags) for each document, float32, in the order of
            `tags.names`.
        """
        if not docs:
            return []
        chain = self.predict_chain(docs)
        if calibrated:
            chain = chain.scaled(self.cfg["temperature"])
        if keep_entities:
            chain = earlier_entities.keep_entities(chain, docs, self.tags)
        return _split(chain.marginals(), docs)

    def set_annotations(self, docs: Iterable[Doc], scores: Prediction) -> None:
        """Write entities to documents, with confidences and likely spans if the settings ask so.

        docs (Iterable[Doc]): The documents, changed in place.
        scores (Prediction): What `predict` returned.
        """
        write_prediction(
            scores,
            list(docs),
            self.tags,
            confidence=self.confidence,
            confidence_attr=self.confidence_attr,
            spans_key=self.spans_key,
            threshold=self.threshold,
            overwrite=self.overwrite_ents,
        )

    def score(self, examples: Iterable[Example], **kwargs) -> Dict[str, Any]:
        """Score a batch of examples. Spans of the `spans_key` are compared with the gold ones of
        that key, or with the gold entities where there are none: `spans_KEY_f` and others.

        examples (Iterable[Example]): The examples.
        RETURNS (Dict[str, Any]): The scores.
        """
        examples = list(examples)
        scores = super().score(examples, **kwargs)
        if self.spans_key is not None:
            scores |= score_likely_spans(examples, self.spans_key)
        return scores

    # Training; `update` is TrainablePipe's, `rehearse` is RehearsingPipe's

    def get_loss(
        self, examples: Iterable[Example], scores: LinearChain
    ) -> Tuple[float, ChainCounts]:
        """Find the loss of the gold entities.

        examples (Iterable[Example]): The examples; unannotated tokens leave their tags open.
        scores (LinearChain): The chain of the examples' predicted documents.
        RETURNS (Tuple[float, ChainCounts]): Mean negative log-likelihood per token, its gradient.
        """
        loss, gradient = negative_log_likelihood(
            scores, self.tags.allowed(gold_tags(examples, self.tags))
        )
        n_tokens = max(len(scores.emissions), 1)
        return self._checked(loss / n_tokens), gradient * (1 / n_tokens)

    def distill(
        self,
        teacher_pipe: Teacher,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
        loss: Optional[DistillationLoss] = None,
    ) -> Dict[str, float]:
        """Learn from a teacher, and from gold entities where there are some. The signature is that
        of spaCy v4's `TrainablePipe.distill` with one argument more, `loss`.

        teacher_pipe (Teacher): A `ner_teacher`, a `ner_student`, or anything else with `labels` and
            `predict_chain`. It reads the examples' reference documents. Components that it listens
            to must have processed these; `PipelineTeacher` does so.
        examples (Iterable[Example]): The examples. Both documents of one have the same tokens.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer; without it, gradients add up.
        losses (Optional[Dict[str, float]]): Record of the losses, by component's name, and of their
            parts, such as NAME_task and NAME_distillation.
        loss (Optional[DistillationLoss]): The loss, ChainDistillation with its defaults if None.
        RETURNS (Dict[str, float]): The losses.
        RAISES (ValueError): The teacher's scores are NaN or infinite, or make no sequence possible.
        """
        loss = loss or ChainDistillation()
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.distill")
        if not any(len(example.predicted) for example in examples):
            return losses
        for example in examples:
            if not same_tokens(example.predicted, example.reference):
                raise ValueError(
                    "[D501] Teacher and student have to see the same tokens: in "
                    f"'{example.text[:50]}' they differ. Make the reference document with the "
                    "student's tokenizer."
                )
        teacher_scores = predict(teacher_pipe, [example.reference for example in examples])
        order = match_labels(teacher_pipe.labels, self.labels)
        set_dropout_rate(self.model, drop)
        predicted = [example.predicted for example in examples]
        student_scores, backprop = self.model.begin_update(predicted)
        value, gradient = self.get_teacher_student_loss(
            teacher_scores.with_tags(order), student_scores, examples=examples, loss=loss
        )
        backprop(gradient)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += value
        for part, share in getattr(loss, "parts", {}).items():
            key = f"{self.name}_{part}"
            losses[key] = losses.get(key, 0.0) + share
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the parameters with the gradients so far, those of a transformer within the model
        at its own learning rate.

        sgd (Optimizer): The optimizer.
        """
        if isinstance(sgd, Optimizer):  # nlp.rehearse passes a function
            keep_moments(self.model.get_ref("output_layer"), sgd)
            self._n_untrained = 0
        self.model.finish_update(with_learn_rate_factors(self.model, sgd))  # type: ignore[arg-type]

    def get_teacher_student_loss(
        self,
        teacher_scores: LinearChain,
        student_scores: LinearChain,
        *,
        examples: Optional[Iterable[Example]] = None,
        loss: Optional[DistillationLoss] = None,
    ) -> Tuple[float, ChainCounts]:
        """Compare a student's chain with its teacher's.

        teacher_scores (LinearChain): The teacher's chain, over this component's tags.
        student_scores (LinearChain): This component's chain for the same documents.
        examples (Optional[Iterable[Example]]): The gold annotation; none by default.
        loss (Optional[DistillationLoss]): The loss, ChainDistillation with its defaults if None.
        RETURNS (Tuple[float, ChainCounts]): Mean loss per token, and its gradient with respect to
            the student's scores.
        """
        if examples is None:
            allowed = numpy.ones(student_scores.emissions.shape, dtype=bool)
        else:
            allowed = self.tags.allowed(gold_tags(examples, self.tags))
        value, gradient = (loss or ChainDistillation())(student_scores, teacher_scores, allowed)
        return self._checked(value), gradient

    def _checked(self, loss: float) -> float:
        if not numpy.isfinite(loss):
            raise NonFiniteLossError(
                f"[D502] The loss of '{self.name}' is {loss}. The learning rate may be too high, "
                "or the teacher may give probability to tags that the student excludes. Try "
                "a lower rate first."
            )
        return loss


def _split(rows, docs: Sequence[Doc]) -> List:
    ends = numpy.cumsum([len(doc) for doc in docs])
    return [rows[end - len(doc) : end] for end, doc in zip(ends.tolist(), docs, strict=True)]
