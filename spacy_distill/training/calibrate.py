"""Calibration of confidences by a temperature of the scores (Guo et al. 2017, "On Calibration of
Modern Neural Networks")."""

from math import exp, log
from typing import IO, Callable, Iterable, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import to_numpy
from thinc.types import Ints1d, Ints2d

from ..chain import BiluoTags, LinearChain
from ..pipeline.chain_ner import ChainNER
from ..pipeline.find_component import find_component
from ..pipeline.gold_tags import gold_tags
from ..progress import ProgressBar

# The range of temperatures, and the tolerance of the best one's logarithm.
LOWEST, HIGHEST, TOLERANCE = 0.2, 10.0, 0.02
# The standard deviation of the logarithm's prior, which is normal around 0: few sentences should
# not move the temperature far.
PRIOR_DEVIATION = 0.5
BATCH_SIZE = 128
# Probabilities are clipped, since 0 and 1 in single precision may be rounded.
LEAST_PROBABILITY = 1e-6


class CalibrationError(ValueError):
    """Raised if confidences cannot be fitted to documents."""


class PredictedEntities(NamedTuple):
    """The entities of a batch's best sequences.

    chain (LinearChain): The chain of the batch.
    segments (Tuple[Ints1d, Ints2d]): The entities, as `LinearChain.span_marginal` takes them.
    is_right (numpy.ndarray): (entities,) bool: whether each is in the annotation.
    """

    chain: LinearChain
    segments: Tuple[Ints1d, Ints2d]
    is_right: numpy.ndarray


def calibrate(
    nlp: Language,
    examples: Iterable[Example],
    name: Optional[str] = None,
    stderr: Optional[IO] = None,
) -> float:
    """Fit the temperature of a component's probabilities to annotated documents that it was not
    trained on. The best sequences stay the same. Confidences change, and so do the spans above the
    component's threshold, and the entities if it has a `min_confidence`.

    nlp (Language): The pipeline; its component is changed in place.
    examples (Iterable[Example]): The documents. Documents without annotation have no effect.
    name (Optional[str]): The component's name; None if only one has probabilities.
    stderr (IO): Stream for the progress bar; standard error if None.
    RETURNS (float): The temperature with the highest posterior probability, by which of the
        predicted entities are right. With few entities, the prior keeps it near 1.
    RAISES (CalibrationError): The documents have no annotation, none of the component's labels, or
        the component predicts no entity. The temperature does not change.
    RAISES (ValueError): There is no such component.
    """
    name, pipe = find_component(nlp, name)
    examples = list(examples)
    with ProgressBar(desc="Calibrate", total=len(examples), stream=stderr) as bar:
        chains = list(read_chains(nlp, name, pipe, examples, bar.update))
    if not any((~allowed.all(axis=1)).any() for _, allowed in chains):
        raise CalibrationError(
            f"[D510] The component '{name}' cannot be calibrated: the documents have no annotated "
            "tokens. Take a labeled corpus that it was not trained on."
        )
    gold = {span.label_ for example in examples for span in example.reference.ents}
    if gold and gold.isdisjoint(pipe.labels):
        raise CalibrationError(
            f"[D516] The component '{name}' cannot be calibrated: it has none of the documents' "
            f"labels, {', '.join(sorted(gold))}, so all its entities would count as wrong. Take "
            "documents with its labels."
        )
    predicted = [predicted_entities(pipe.tags, chain, allowed) for chain, allowed in chains]
    if not any(batch.is_right.size for batch in predicted):
        raise CalibrationError(
            f"[D515] The component '{name}' cannot be calibrated: it finds no entity in the "
            f"annotated parts of {len(examples)} documents, so there is no confidence to fit. "
            "Train it longer, or take other documents."
        )
    pipe.cfg["temperature"] = best_temperature(predicted)
    return pipe.cfg["temperature"]


def read_chains(
    nlp: Language,
    name: str,
    pipe: ChainNER,
    examples: Iterable[Example],
    on_batch: Callable[[int], object] = lambda n_documents: None,
) -> Iterator[Tuple[LinearChain, numpy.ndarray]]:
    """Predict the component's chain of each batch, and yield it with the batch's `allowed_tags`.
    Call `on_batch` with the number of its documents."""
    tags: BiluoTags = pipe.tags
    earlier = nlp.pipe_names[: nlp.pipe_names.index(name)]
    for batch in minibatch(examples, BATCH_SIZE):
        docs = [example.predicted for example in batch]
        if earlier:
            with nlp.select_pipes(enable=earlier):
                docs = list(nlp.pipe(docs))
            batch = [Example(doc, item.reference) for doc, item in zip(docs, batch, strict=True)]
        if any(len(doc) for doc in docs):
            yield pipe.predict_chain(docs), allowed_tags(batch, tags)
        on_batch(len(docs))


def allowed_tags(examples: Sequence[Example], tags: BiluoTags) -> numpy.ndarray:
    """Mark the tags that agree with the annotation.

    examples (Sequence[Example]): The examples.
    tags (BiluoTags): The component's tags.
    RETURNS (numpy.ndarray): (tokens, tags), bool. An annotated token has one True, or none if the
        component lacks the entity's label. All tags of other tokens are True.
    """
    labels = {span.label_ for example in examples for span in example.reference.ents}
    # Unknown labels come last, so the component's tags keep their ids.
    wider = BiluoTags((*tags.labels, *sorted(labels.difference(tags.labels))))
    return wider.allowed(gold_tags(examples, wider))[:, : len(tags)]


def best_temperature(predicted: Sequence[PredictedEntities]) -> float:
    """Find the temperature with the highest posterior probability.

    It is fitted to the entities of the best sequences. The likelihood of whole sequences would
    leave students with many labels overconfident about their entities (docs/confidence.md).

    predicted (Sequence[PredictedEntities]): The predicted entities of each batch.
    RETURNS (float): The temperature.
    """

    def loss(logarithm: float) -> float:
        total = 0.5 * (logarithm / PRIOR_DEVIATION) ** 2
        for chain, segments, is_right in predicted:
            marginals = to_numpy(chain.scaled(exp(logarithm)).span_marginal(*segments))
            marginals = marginals.astype("float64")
            marginals = numpy.clip(marginals, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
            total -= float(numpy.log(numpy.where(is_right, marginals, 1 - marginals)).sum())
        return total

    return exp(golden_section(loss, log(LOWEST), log(HIGHEST), TOLERANCE))


def predicted_entities(
    tags: BiluoTags, chain: LinearChain, allowed: numpy.ndarray
) -> PredictedEntities:
    """Compare the entities of the best sequences with the annotation. Entities with a token that is
    not annotated are left out.

    tags (BiluoTags): The tags of the chain.
    chain (LinearChain): The chain of a batch.
    allowed (numpy.ndarray): (tokens, tags), bool: the batch's `allowed_tags`.
    RETURNS (PredictedEntities): The entities, and which of them are right.
    """
    annotated = allowed.sum(axis=1) < allowed.shape[1]
    found = tags.spans(to_numpy(chain.argmax()))
    found = [span for span in found if annotated[span[0] : span[1]].all()]
    is_right = [
        allowed[range(start, end), tags.span_tags(end - start, label)].all()
        for start, end, label in found
    ]
    return PredictedEntities(chain, tags.segments(found), numpy.asarray(is_right, dtype=bool))


def golden_section(
    function: Callable[[float], float], low: float, high: float, tolerance: float
) -> float:
    """Find the minimum of a unimodal function by golden section search (Kiefer 1953, "Sequential
    Minimax Search for a Maximum")."""
    ratio = (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2
