"""The class of `ner_student` and `ner_teacher`: they predict entities with a chain of BILUO
tags."""

from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.attrs import IS_SPACE
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..chain import BiluoTags, ChainCounts, LinearChain, constraints
from ..documents import same_tokens, token_values
from ..kernels import use_threads
from ..losses import ChainDistillation, DistillationLoss, negative_log_likelihood
from ..models.inference import EncoderShim
from ..models.learn_rates import with_learn_rate_factors
from ..models.optimizer_state import keep_moments
from ..teachers import Teacher, earlier_entities, match_labels
from ..teachers.predictions import predict
from .auxiliary import AuxiliaryLoss
from .confidences import CONFIDENCE, add_confidence_extension, check_attr
from .entities import exclude_taken_tokens, score_likely_spans
from .gold_tags import gold_tags
from .prediction import Prediction, write_prediction
from .rehearsal import RehearsingPipe

# The documents that are used at initialization to infer the widths of the layers.
SAMPLE_SIZE = 10
# The attributes that are assigned with all settings, in spaCy's notation.
ASSIGNS = ("doc.ents", "token.ent_iob", "token.ent_type")


class NonFiniteLossError(ValueError):
    """The loss is NaN or infinite, so the parameters cannot be used any more."""


class ChainNER(RehearsingPipe):
    """A named entity recognizer whose model computes a linear chain over BILUO tags."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], LinearChain],
        name: str,
        *,
        confidence: bool = False,
        confidence_attr: str = CONFIDENCE,
        min_confidence: float = 0.0,
        spans_key: Optional[str] = None,
        threshold: float = 0.5,
        overwrite_ents: bool = False,
        threads: int = 1,
        scorer: Optional[Callable] = None,
    ) -> None:
        """Create the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], LinearChain]): A model with a chain head.
        name (str): The name of the component, and its key in the losses.
        confidence (bool): Whether to write the probability of each entity to `ent._.confidence`.
        confidence_attr (str): The name of that attribute, if an app uses `confidence` for something
            else.
        min_confidence (float): The minimum probability of an entity, from 0 to 1. Less probable
            ones are not written. Spans of the `spans_key` have their own threshold.
        spans_key (Optional[str]): The key in `doc.spans` for all spans whose probability is at
            least the threshold. Their probabilities are in `doc.spans[key].attrs["scores"]`. None
            to write no spans.
        threshold (float): The minimum probability of these spans, from 0 to 1. Spans above 0.5
            never overlap. With 0, all possible spans are written, which are very many.
        overwrite_ents (bool): Whether new entities replace earlier entities that they overlap. By
            default earlier entities are kept, and only entities that do not overlap them are
            predicted.
        threads (int): The number of threads that the kernels of a prediction use. Training uses all
            processors, or as many as OMP_NUM_THREADS says.
        scorer (Optional[Callable]): The scoring method.
        RAISES (ValueError): A minimum probability is not from 0 to 1, there are no threads, or the
            name of the attribute is invalid or already used by other code.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.confidence = confidence
        self.confidence_attr = confidence_attr
        self.min_confidence = min_confidence
        self.spans_key = spans_key
        self.threshold = threshold
        self.overwrite_ents = overwrite_ents
        self.threads = threads
        self.scorer = scorer
        self.cfg: Dict = {"labels": [], "temperature": 1.0}
        for setting, value in (("threshold", threshold), ("min_confidence", min_confidence)):
            if not 0 <= value <= 1:
                raise ValueError(
                    f"[D010] The component '{name}' has {setting} = {value}: expected a "
                    "probability from 0 to 1. Correct the config."
                )
        if threads < 1:
            raise ValueError(
                f"[D660] The component '{name}' has threads = {threads}: expected 1 or more. "
                "Correct the config."
            )
        check_attr(confidence_attr, name)
        if confidence:
            add_confidence_extension(confidence_attr)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if self.confidence:  # extensions are not pickled
            add_confidence_extension(self.confidence_attr)

    # Labels and initialization

    @property
    def assigns(self) -> Tuple[str, ...]:
        """The attributes that the component assigns with its settings, in spaCy's notation."""
        return ASSIGNS if self.spans_key is None else (*ASSIGNS, "doc.spans")

    @property
    def tags(self) -> BiluoTags:
        """The BILUO tags of the labels."""
        return BiluoTags(self.labels)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Sequence[str]] = None,
    ) -> None:
        """Prepare the model for training.

        get_examples (Callable[[], Iterable[Example]]): Returns examples, to infer the labels and
            the widths of the layers.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Sequence[str]]): The entity labels, by default the labels of the examples.
        RAISES (ValueError): There are no labels, or no examples with tokens.
        """
        # spaCy's check reads all examples, of which there may be as many as a disk holds.
        first = partial(_first, get_examples) if callable(get_examples) else get_examples
        validate_get_examples(first, f"{type(self).__name__}.initialize")
        if labels is None:
            entities = (span for example in get_examples() for span in example.reference.ents)
            labels = sorted({span.label_ for span in entities})
        for label in labels:
            self.add_label(label)
        if not self.labels:
            raise ValueError(
                f"[D012] The component '{self.name}' has no labels, because the training examples "
                "have no entities. Train on annotated documents, or set the labels under "
                f"[initialize.components.{self.name}] labels, or with `add_label`."
            )
        self.set_output(len(self.labels))
        sample = [example.predicted for example in _first(get_examples)]
        if not any(len(doc) for doc in sample):
            raise ValueError(
                f"[D013] The component '{self.name}' cannot be initialized: the training corpus "
                "has no documents with tokens. Check the path of the corpus."
            )
        self.model.initialize(X=sample)
        self.cfg["temperature"] = 1.0  # it was fitted to the former parameters
        self._drop_former_state()

    # Inference

    def predict(self, docs: Iterable[Doc]) -> Prediction:
        """Predict the most probable tags of documents. Unless `overwrite_ents` is set, tokens of
        earlier entities and blocked tokens are excluded.

        docs (Iterable[Doc]): The documents, which are not changed.
        RETURNS (Prediction): The tags, and the distribution if the settings need it.
        """
        docs = list(docs)
        if not docs:
            return Prediction(numpy.zeros(0, dtype="int64"))
        chain = self.predict_chain(docs)
        possible = chain if self.overwrite_ents else exclude_taken_tokens(chain, docs)
        tags = self.model.ops.to_numpy(possible.argmax())
        needs_chain = self.confidence or self.min_confidence or self.spans_key is not None
        return Prediction(tags, chain.scaled(self.cfg["temperature"]) if needs_chain else None)

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the distribution over tag sequences. It is not calibrated, and does not depend on
        entities that are already in the documents.

        docs (Sequence[Doc]): The documents, at least one.
        RETURNS (LinearChain): The distribution over the sequences of `tags`, one per document.
            Invalid BILUO sequences are impossible, and so are entities that begin or end with white
            space.
        """
        head = self.model.get_ref("output_layer")
        if not head.has_param("W"):
            raise ValueError(
                f"[D014] The component '{self.name}' has no trained model yet. Call "
                "`nlp.initialize` and train it, or load a trained pipeline."
            )
        if not any(len(doc) for doc in docs):
            start, transitions, end = map(self.model.ops.asarray, constraints(len(self.labels)))
            emissions = self.model.ops.alloc2f(0, len(start))
            return LinearChain(emissions, numpy.zeros(len(docs), "int64"), transitions, start, end)
        with use_threads(self.threads):
            chain = self.model.predict(list(docs))
        spaces = token_values(docs, IS_SPACE)
        if not spaces.any():
            return chain
        return chain.restricted(self.tags.without_edges(spaces.astype(bool)))

    def clear_cache(self) -> None:
        """Clear the cache of word forms that inference uses.

        Call it after you have changed word vectors or attributes of lexemes in place. After
        training, or if arrays were replaced, the cache is cleared automatically.
        """
        for node in self.model.walk():
            for shim in node.shims:
                if isinstance(shim, EncoderShim):
                    shim.clear()

    def posteriors(
        self, docs: Sequence[Doc], *, calibrated: bool = True, keep_entities: bool = False
    ) -> List[Floats2d]:
        """Predict the probability of each tag at each token.

        docs (Sequence[Doc]): The documents.
        calibrated (bool): Whether to divide the scores by the calibrated temperature, as for
            confidences. Without it, the probabilities are those of `predict_chain`, which are used
            for teaching.
        keep_entities (bool): Whether entities that are already in the documents have probability 1.
            Their tokens then have the entity's tags (O if its label is not one of `labels`), and
            blocked tokens have O. Confidences do not depend on such entities.
        RETURNS (List[Floats2d]): (tokens, tags) for each document, float32, in the order of
            `tags.names`.
        """
        if not docs:
            return []
        chain = self.predict_chain(docs)
        if calibrated:
            chain = chain.scaled(self.cfg["temperature"])
        if keep_entities:
            chain = earlier_entities.fix_entities(chain, docs, self.tags)
        return _split(chain.marginals(), docs)

    def set_annotations(self, docs: Iterable[Doc], scores: Prediction) -> None:
        """Write entities to documents. Depending on the settings, write confidences and likely
        spans too.

        docs (Iterable[Doc]): The documents, changed in place.
        scores (Prediction): The prediction of `predict`.
        """
        write_prediction(
            scores,
            list(docs),
            self.tags,
            confidence=self.confidence,
            confidence_attr=self.confidence_attr,
            min_confidence=self.min_confidence,
            spans_key=self.spans_key,
            threshold=self.threshold,
            overwrite=self.overwrite_ents,
        )

    def score(self, examples: Iterable[Example], **kwargs) -> Dict[str, Any]:
        """Score a batch of examples. Spans of the `spans_key` are compared with the gold spans of
        that key, or with the gold entities if there are none: `spans_KEY_p`, `_r` and `_f`.

        examples (Iterable[Example]): The examples.
        RETURNS (Dict[str, Any]): The scores.
        """
        examples = list(examples)
        scores = super().score(examples, **kwargs)
        if self.spans_key is not None:
            scores |= score_likely_spans(examples, self.spans_key)
        return scores

    # Training

    def get_loss(
        self, examples: Iterable[Example], scores: LinearChain
    ) -> Tuple[float, ChainCounts]:
        """Compute the negative log-likelihood of the gold entities.

        examples (Iterable[Example]): The examples. All tags are allowed at unannotated tokens.
        scores (LinearChain): The model's output for the predicted documents of the examples.
        RETURNS (Tuple[float, ChainCounts]): The mean loss per token, and its gradient.
        """
        loss, gradient = negative_log_likelihood(
            scores, self.tags.allowed(gold_tags(examples, self.tags))
        )
        n_tokens = max(len(scores.emissions), 1)
        return self._require_finite(loss / n_tokens), gradient * (1 / n_tokens)

    def distill(
        self,
        teacher_pipe: Teacher,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
        loss: Optional[DistillationLoss] = None,
        auxiliary: Sequence[AuxiliaryLoss] = (),
        share: float = 1.0,
    ) -> Dict[str, float]:
        """Learn from a teacher, and from gold entities if the examples have some. The signature is
        that of `TrainablePipe.distill` in spaCy v4, with the additional arguments `loss`,
        `auxiliary` and `share`.

        teacher_pipe (Teacher): A `ner_teacher`, a `ner_student`, or another object with `labels`
            and `predict_chain`. It reads the reference documents of the examples. If it listens to
            another component, that has to be run on these documents first; `PipelineTeacher` does
            so.
        examples (Iterable[Example]): The examples. Both documents of an example need the same
            tokens.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer. Without it, gradients are accumulated.
        losses (Optional[Dict[str, float]]): The losses by component name, to be updated. The parts
            of the loss have keys such as NAME_task and NAME_distillation.
        loss (Optional[DistillationLoss]): The loss. If None, ChainDistillation with its defaults.
        auxiliary (Sequence[AuxiliaryLoss]): Other losses of the student's layers, such as those of
            cross-view heads. Their keys are NAME_cross_view and the like. The gradients of their
            own models are accumulated.
        share (float): The share that the examples are of a batch, by their tokens. Losses and
            gradients, which are means per token, are multiplied by it.
        RETURNS (Dict[str, float]): The losses.
        RAISES (ValueError): The teacher's scores are NaN or infinite, or exclude all tag sequences.
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
                    "[D501] The two documents of an example have to have the same tokens: in "
                    f"'{example.text[:50]}' they differ. Create the reference document with the "
                    "student's tokenizer."
                )
        teacher_scores = predict(teacher_pipe, [example.reference for example in examples])
        teacher_scores = teacher_scores.with_tags(match_labels(teacher_pipe.labels, self.labels))
        predicted = [example.predicted for example in examples]
        with ExitStack() as stack:
            passes = [
                stack.enter_context(
                    one.observed(self.name, self.model, examples, teacher_scores, share)
                )
                for one in auxiliary
            ]
            set_dropout_rate(self.model, drop)
            chain, backprop = self.model.begin_update(predicted)
        value, gradient = self.get_teacher_student_loss(
            teacher_scores, chain, examples=examples, loss=loss
        )
        value, gradient = share * value, gradient if share == 1 else gradient * share
        extra: Dict[str, float] = {}
        for one, pass_loss in zip(auxiliary, passes, strict=True):
            own, d_chain = pass_loss(chain)
            extra[one.name] = extra.get(one.name, 0.0) + own
            if d_chain is not None:
                gradient = gradient + d_chain
        value = self._require_finite(value + sum(extra.values()))
        backprop(gradient)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += value
        parts = {part: share * own for part, own in getattr(loss, "parts", {}).items()}
        for part, own in {**parts, **extra}.items():
            key = f"{self.name}_{part}"
            losses[key] = losses.get(key, 0.0) + own
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the parameters with the accumulated gradients. A fine-tuned transformer in the
        model has its own learning rate.

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
        """Compute the distillation loss of a student's chain.

        teacher_scores (LinearChain): The teacher's chain, over the tags of this component.
        student_scores (LinearChain): The chain of this component for the same documents.
        examples (Optional[Iterable[Example]]): Examples with gold annotation; None for no gold
            annotation.
        loss (Optional[DistillationLoss]): The loss. If None, ChainDistillation with its defaults.
        RETURNS (Tuple[float, ChainCounts]): The mean loss per token, and its gradient with respect
            to the student's scores.
        """
        if examples is None:
            allowed = numpy.ones(student_scores.emissions.shape, dtype=bool)
        else:
            allowed = self.tags.allowed(gold_tags(examples, self.tags))
        value, gradient = (loss or ChainDistillation())(student_scores, teacher_scores, allowed)
        return self._require_finite(value), gradient

    def _require_finite(self, loss: float) -> float:
        if not numpy.isfinite(loss):
            raise NonFiniteLossError(
                f"[D502] The loss of '{self.name}' is {loss}. The learning rate may be too high, "
                "or tags may be possible for the teacher but impossible for the student. Try a "
                "lower learning rate first."
            )
        return loss


def _first(get_examples: Callable[[], Iterable[Example]]) -> Iterable[Example]:
    """RETURNS (Iterable[Example]): The first SAMPLE_SIZE examples."""
    return islice(get_examples(), SAMPLE_SIZE)


def _split(rows, docs: Sequence[Doc]) -> List:
    """RETURNS (List): The rows of each document, of (tokens, ...) rows of all documents."""
    ends = numpy.cumsum([len(doc) for doc in docs])
    return [rows[end - len(doc) : end] for end, doc in zip(ends.tolist(), docs, strict=True)]
