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
from ..pipeline.gold_tags import gold_tags
from ..progress import ProgressBar

# Temperatures that are looked at, and how close the logarithm of the best one is looked for.
LOWEST, HIGHEST, TOLERANCE = 0.2, 10.0, 0.02
# A few sentences say little: the temperature's logarithm is normal around 0, with this deviation,
# before anything is seen.
PRIOR_DEVIATION = 0.5
BATCH_SIZE = 128
# Probabilities of 0 and 1 in single precision are not quite that.
LEAST = 1e-6


class CalibrationError(ValueError):
    """Says why confidences cannot be fitted to documents."""


class Judged(NamedTuple):
    """The entities of a batch's best sequences, and which of them are right.

    chain (LinearChain): The chain of the batch.
    segments (Tuple[Ints1d, Ints2d]): The entities, as `LinearChain.span_marginal` takes them.
    right (numpy.ndarray): (entities,) bool.
    """

    chain: LinearChain
    segments: Tuple[Ints1d, Ints2d]
    right: numpy.ndarray


def calibrate(
    nlp: Language,
    examples: Iterable[Example],
    name: Optional[str] = None,
    stderr: Optional[IO] = None,
) -> float:
    """Fit the temperature of a component's probabilities to annotated documents that it was not
    trained on. The entities that it finds stay the same; their confidences, and the spans that its
    threshold lets through, change.

    nlp (Language): The pipeline; its component is changed in place.
    examples (Iterable[Example]): The documents. Documents without annotation count nothing.
    name (Optional[str]): The component; needed if there are several that have probabilities.
    stderr (IO): Where the progress goes; standard error if None.
    RETURNS (float): The temperature under which it is most probable that just those of the found
        entities are right that are; of a few, one nearer to 1.
    RAISES (CalibrationError): There is no annotation, none with its labels, or nothing is found;
        the temperature stays as it was.
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
            f"labels, {', '.join(sorted(gold))}, so that all that it finds would be wrong. Take "
            "documents with its labels."
        )
    judged = [judge(pipe.tags, chain, allowed) for chain, allowed in chains]
    if not any(batch.right.size for batch in judged):
        raise CalibrationError(
            f"[D515] The component '{name}' cannot be calibrated: it finds no entity in the "
            f"annotated parts of {len(examples)} documents, so there is nothing to be right or "
            "wrong about. Train it longer, or take other documents."
        )
    pipe.cfg["temperature"] = best_temperature(judged)
    return pipe.cfg["temperature"]


def find_component(nlp: Language, name: Optional[str] = None) -> Tuple[str, ChainNER]:
    """Find the component with probabilities.

    nlp (Language): The pipeline.
    name (Optional[str]): Its name; None if it is the only one.
    RETURNS (Tuple[str, ChainNER]): Its name and itself.
    RAISES (ValueError): It is not there, or it could be several.
    """
    found = {
        key: pipe
        for key, pipe in nlp.pipeline
        if isinstance(pipe, ChainNER) and name in (None, key)
    }
    if len(found) != 1:
        wanted = "one ner_student or ner_teacher" if name is None else f"a ner_student '{name}'"
        raise ValueError(
            f"[D020] Expected {wanted}, found {', '.join(nlp.pipe_names) or 'no components'}. "
            "Choose a pipeline that has it, or name another component."
        )
    return next(iter(found.items()))


def read_chains(
    nlp: Language,
    name: str,
    pipe: ChainNER,
    examples: Iterable[Example],
    on_batch: Callable[[int], object] = lambda n_documents: None,
) -> Iterator[Tuple[LinearChain, numpy.ndarray]]:
    """YIELDS (Tuple[LinearChain, numpy.ndarray]): The component's chain of each batch, and the
    batch's `allowed_tags`. `on_batch` is called with its number of documents."""
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
    """Mark the tags that the annotation leaves open.

    examples (Sequence[Example]): The examples.
    tags (BiluoTags): The component's tags.
    RETURNS (numpy.ndarray): (tokens, tags), bool: one True per token that is annotated, none where
        the entity's label is not the component's, all True elsewhere.
    """
    labels = {span.label_ for example in examples for span in example.reference.ents}
    # New labels come last, so that the others keep their numbers.
    wider = BiluoTags((*tags.labels, *sorted(labels.difference(tags.labels))))
    return wider.allowed(gold_tags(examples, wider))[:, : len(tags)]


def best_temperature(judged: Sequence[Judged]) -> float:
    """Find the most probable temperature, given which of the entities of the best sequences are
    right. The likelihood of whole sequences has another one, under which students that have learnt
    many labels stay too sure of their entities (docs/confidence.md).

    judged (Sequence[Judged]): Chains, their entities, and which of these are right.
    RETURNS (float): The temperature.
    """

    def loss(logarithm: float) -> float:
        total = 0.5 * (logarithm / PRIOR_DEVIATION) ** 2
        for chain, segments, right in judged:
            marginals = to_numpy(chain.scaled(exp(logarithm)).span_marginal(*segments))
            sure = numpy.clip(marginals.astype("float64"), LEAST, 1 - LEAST)
            total -= float(numpy.log(numpy.where(right, sure, 1 - sure)).sum())
        return total

    return exp(golden_section(loss, log(LOWEST), log(HIGHEST), TOLERANCE))


def judge(tags: BiluoTags, chain: LinearChain, allowed: numpy.ndarray) -> Judged:
    """Compare the entities of the best sequences with the annotation, where it is complete.

    tags (BiluoTags): The tags of the chain.
    chain (LinearChain): The chain of a batch.
    allowed (numpy.ndarray): (tokens, tags), bool: the batch's `allowed_tags`.
    RETURNS (Judged): The chain, its entities and which of them are right.
    """
    annotated = allowed.sum(axis=1) < allowed.shape[1]
    found = tags.spans(to_numpy(chain.argmax()))
    found = [span for span in found if annotated[span[0] : span[1]].all()]
    right = [
        allowed[range(start, end), tags.span_tags(end - start, label)].all()
        for start, end, label in found
    ]
    return Judged(chain, tags.segments(found), numpy.asarray(right, dtype=bool))


def golden_section(
    function: Callable[[float], float], low: float, high: float, tolerance: float
) -> float:
    """Find the minimum of a function that falls and then rises, up to a tolerance (Kiefer 1953,
    "Sequential Minimax Search for a Maximum")."""
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
