"""Teachers that read probabilities from spaCy's transition-based `ner` and `beam_ner`."""

from abc import ABC, abstractmethod
from typing import Any, Dict, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_current_ops
from thinc.types import Floats2d, Ints1d

from ..chain import (
    BiluoTags,
    LinearChain,
    chain_from_marginals,
    chain_with_best,
    constraints,
)
from ..chain.biluo import PREFIXES
from ..documents import BEGIN, INSIDE
from .earlier_entities import NOT_FIXED, fixed_tags
from .failures import documents_error
from .predictions import find_not_finite

_IS_INSIDE = numpy.isin(PREFIXES, ("I", "L"))


class _SpacyTeacher(ABC):
    """The base class of teachers for spaCy's EntityRecognizer."""

    def __init__(self, pipe: Any) -> None:
        """pipe (EntityRecognizer): A trained `ner` or `beam_ner`."""
        self.pipe = pipe
        # Sorted, because spaCy's order changes when a pipeline is saved. Copied, because spaCy adds
        # labels to the component when it meets entities with new labels.
        self.labels: Tuple[str, ...] = tuple(sorted(pipe.labels))

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the chain of documents that the earlier components have processed.

        docs (Sequence[Doc]): The documents, which are not changed. Their entities become certain.
        RETURNS (LinearChain): One sequence per document.
        RAISES (DocumentsError): The model's scores are NaN or infinite.
        """
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        return self._chain(docs, BiluoTags(self.labels), lengths)

    @abstractmethod
    def _chain(self, docs: Sequence[Doc], tags: BiluoTags, lengths: Ints1d) -> LinearChain: ...


class TransitionTeacher(_SpacyTeacher):
    """Computes a chain from the scores of `ner`.

    The model's actions are the BILUO tags, one per token. The model sees the token and the start of
    the open entity (if an entity is open), but not its type. So each token is scored twice: with
    and without an open entity. O, B and U are valid without an open entity, I and L with one. The
    emission of a tag is its log-probability among the valid actions. The result is the model's
    distribution over sequences, with one approximation: the start of the open entity is taken from
    the greedy parse. Where that parse has no open entity, the most likely other start is taken.

    spaCy chooses the best action token by token. If another sequence is more probable as a whole,
    the two are averaged, so that the best sequence of the chain is spaCy's.
    """

    def _chain(self, docs: Sequence[Doc], tags: BiluoTags, lengths: Ints1d) -> LinearChain:
        xp = get_current_ops().xp
        start, transitions, end = constraints(len(tags.labels))
        scores = xp.asarray(transitions), xp.asarray(start), xp.asarray(end)
        if not lengths.sum():
            emissions = numpy.zeros((0, len(tags)), dtype="float32")
            return LinearChain(xp.asarray(emissions), lengths, *scores)
        step_model = self.pipe.model.predict(docs)
        try:
            emissions, parse = _parse(_Actions(self.pipe, step_model, tags), docs, tags)
        finally:
            step_model.clear_memory()
        reasons = find_not_finite(emissions, docs)
        if reasons:
            raise documents_error(self.pipe.name, docs, reasons)
        chain = LinearChain(xp.asarray(emissions), lengths, *scores)
        return chain_with_best(chain, xp.asarray(parse))


class BeamTeacher(_SpacyTeacher):
    """Averages the parses in the final beam, weighted by their probabilities."""

    def _chain(self, docs: Sequence[Doc], tags: BiluoTags, lengths: Ints1d) -> LinearChain:
        marginals = numpy.zeros((int(lengths.sum()), len(tags)), dtype="float32")
        best = numpy.zeros(len(marginals), dtype="int64")
        parsed = [doc for doc in docs if len(doc)]
        beams = self._beams(docs, parsed) if parsed else []
        row = 0
        for doc, beam in zip(parsed, beams, strict=True):
            parses = self.pipe.moves.get_beam_parses(beam)
            total = sum(probability for probability, _ in parses)
            for number, (probability, spans) in enumerate(parses):
                sequence = numpy.zeros(len(doc), dtype="int64")
                for start, end, label in spans:
                    # Entities of earlier components may have other labels; blocked tokens have "".
                    if label in self.labels:
                        sequence[start:end] = tags.span_tags(end - start, label)
                marginals[row + numpy.arange(len(doc)), sequence] += probability / total
                if number == 0:
                    best[row : row + len(doc)] = sequence
            row += len(doc)
        reasons = find_not_finite(marginals, docs)
        if reasons:
            raise documents_error(self.pipe.name, docs, reasons)
        xp = get_current_ops().xp
        chain = chain_from_marginals(xp.asarray(marginals), lengths)
        return chain_with_best(chain, xp.asarray(best))

    def _beams(self, docs: Sequence[Doc], parsed: Sequence[Doc]) -> Any:
        """RETURNS (Any): The beams of `parsed`, the documents that are not empty."""
        try:
            return self.pipe.predict(parsed)
        except AssertionError:
            # For NaN, spaCy's beam raises an AssertionError without a message.
            reasons = _find_not_finite_actions(self.pipe, docs)
            if not reasons:
                raise
            raise documents_error(self.pipe.name, docs, reasons) from None


def _find_not_finite_actions(pipe: Any, docs: Sequence[Doc]) -> Dict[int, str]:
    """Find documents with scores that are NaN or infinite, with and without an open entity."""
    rows = numpy.arange(sum(len(doc) for doc in docs))
    step_model = pipe.model.predict(docs)
    try:
        actions = _Actions(pipe, step_model, BiluoTags(()))
        states = [actions.all_scores(rows, numpy.full(len(rows), -1))]
        states.append(actions.all_scores(rows, rows - 1))
    finally:
        step_model.clear_memory()
    return find_not_finite(numpy.concatenate(states, axis=1), docs)


class _Actions:
    """Scores the actions of spaCy's step model."""

    def __init__(self, pipe: Any, step_model: Any, tags: BiluoTags) -> None:
        numbers = {pipe.moves.get_class_name(n): n for n in range(pipe.moves.n_moves)}
        self._columns = [numbers[name] for name in tags.names]
        self._model = step_model
        self._n_features = step_model.state2vec.nF
        self._seen = numpy.asarray(
            [bool(step_model.class_is_unseen(n)) for n in range(pipe.moves.n_moves)]
        )

    def scores(self, rows: Ints1d, starts: Ints1d) -> Floats2d:
        """Score the actions in parser states, in the order of the tags.

        rows (Ints1d): (states,) the current token of each state, as a row of the batch.
        starts (Ints1d): (states,) the first token of the open entity; -1 if none is open.
        RETURNS (Floats2d): (states, tags) float32.
        """
        scores = self.all_scores(rows, starts)
        # spaCy gives unseen actions the lowest score of the batch. Taking the lowest score of the
        # state keeps the result independent of the batch.
        if not self._seen.all():
            scores[:, ~self._seen] = scores.min(axis=1, keepdims=True)
        return scores[:, self._columns]

    def all_scores(self, rows: Ints1d, starts: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (states, actions), the scores of all actions in spaCy's order."""
        vectors = self._model.state2vec.predict(self._features(rows, starts))
        upper = self._model.vec2scores
        scores = vectors if upper is None else upper.predict(vectors)
        return numpy.array(get_current_ops().to_numpy(scores))

    def _features(self, rows: Ints1d, starts: Ints1d) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): (states, features) int32, the tokens that the model sees: the
        current token and, if an entity is open, the entity's first and last token so far. Models
        with `extra_state_tokens` see the entity's first five tokens."""
        features = numpy.full((len(rows), self._n_features), -1, dtype="int32")
        features[:, 0] = rows
        is_open = starts >= 0
        if self._n_features == 3:
            features[is_open, 1] = starts[is_open]
            features[is_open, 2] = rows[is_open] - 1
        else:
            tokens = starts[:, None] + numpy.arange(self._n_features - 1)
            inside = is_open[:, None] & (tokens < rows[:, None])
            features[:, 1:][inside] = tokens[inside]
        return features


def _parse(actions: _Actions, docs: Sequence[Doc], tags: BiluoTags) -> Tuple[Floats2d, Ints1d]:
    """Return emissions, (tokens, tags) float32, and the tags of spaCy's greedy parse, (tokens,)."""
    valid = _valid_tags(docs, tags)
    rows = numpy.arange(len(valid))
    inside_tags = numpy.concatenate([[False], numpy.tile(_IS_INSIDE, len(tags.labels))])
    outside_scores = actions.scores(rows, numpy.full(len(rows), -1))
    outside_scores[~valid | inside_tags] = -numpy.inf
    parse, starts = _greedy_parse(actions, outside_scores.argmax(axis=1), valid)
    # Where the parse has no open entity, take the most likely start: that of an entity that the
    # parse ended at the previous token, or else the previous token.
    before = numpy.append(-1, starts[:-1])
    starts = numpy.where(starts >= 0, starts, numpy.where(before >= 0, before, rows - 1))
    inside_scores = actions.scores(rows, starts)[:, 1:].reshape(len(rows), -1, len(PREFIXES))
    emissions = _log_softmax(outside_scores)
    by_label = emissions[:, 1:].reshape(inside_scores.shape)
    inside_scores[~valid[:, 1:].reshape(inside_scores.shape)] = -numpy.inf
    by_label[:, :, _IS_INSIDE] = _log_softmax(inside_scores[:, :, _IS_INSIDE])
    return emissions, parse


def _greedy_parse(actions: _Actions, best: Ints1d, valid: numpy.ndarray) -> Tuple[Ints1d, Ints1d]:
    """Compute spaCy's greedy parse. All entities that may begin are followed in parallel, and then
    those that the parse reaches are chosen.

    best (Ints1d): (tokens,) the best tag of each token without an open entity.
    valid (numpy.ndarray): (tokens, tags) bool, the valid tags.
    RETURNS (Tuple[Ints1d, Ints1d]): (tokens,) the tags of the parse, and (tokens,) the first token
        of the entity that is open at each token, or -1.
    """
    begins = numpy.flatnonzero(best % len(PREFIXES) == 1)
    begins = begins[best[begins] > 0]
    first_tags = best[begins]
    ends = numpy.zeros_like(begins)
    active = numpy.arange(len(begins))
    rows = begins + 1
    while len(active):
        scores = actions.scores(rows, begins[active])
        scores[~valid[rows]] = -numpy.inf
        states = numpy.arange(len(active))
        tag = first_tags[active]
        # If the scores are equal, spaCy takes I.
        continues = scores[states, tag + 1] >= scores[states, tag + 2]
        ends[active[~continues]] = rows[~continues]
        active, rows = active[continues], rows[continues] + 1
    parse = best.copy()
    starts = numpy.full(len(best), -1)
    last_end = -1
    for begin, end, tag in zip(begins.tolist(), ends.tolist(), first_tags.tolist(), strict=True):
        if begin > last_end:
            last_end = end
            parse[begin : end + 1] = [tag, *[tag + 1] * (end - begin - 1), tag + 2]
            starts[begin + 1 : end + 1] = begin
    return parse, starts


def _valid_tags(docs: Sequence[Doc], tags: BiluoTags) -> numpy.ndarray:
    """Return (tokens, tags) bool: the tags that spaCy allows, regardless of the open entity."""
    table = numpy.concatenate(
        [doc.to_array(["IS_SPACE", "SENT_START", "ENT_IOB"]).reshape(-1, 3) for doc in docs]
    )
    space, sentence, iob = table.astype("int64").T
    last = numpy.zeros(len(table), dtype=bool)
    last[numpy.cumsum([len(doc) for doc in docs if len(doc)]) - 1] = True
    stops = (sentence == 1) | (iob == BEGIN)
    # An entity ends with its document and sentence, and before an entity that is already set.
    continues = ~last & ~numpy.append(stops[1:], False)
    valid = numpy.ones((len(table), len(tags)), dtype=bool)
    by_prefix = valid[:, 1:].reshape(len(table), -1, len(PREFIXES))
    by_prefix[:, :, [PREFIXES.index("B"), PREFIXES.index("I")]] = continues[:, None, None]
    by_prefix[space != 0, :, PREFIXES.index("B")] = False
    by_prefix[space != 0, :, PREFIXES.index("U")] = False
    if numpy.isin(iob, (INSIDE, BEGIN)).any():
        fixed = fixed_tags(docs, tags)
        taken = fixed != NOT_FIXED
        valid[taken] = fixed[taken][:, None] == numpy.arange(len(tags))
    return valid


def _log_softmax(scores: numpy.ndarray) -> numpy.ndarray:
    """Compute log-probabilities along the last axis; -inf if all scores are -inf."""
    greatest = scores.max(axis=-1, keepdims=True)
    greatest = numpy.where(numpy.isfinite(greatest), greatest, 0)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        total = numpy.log(numpy.exp(scores - greatest).sum(axis=-1, keepdims=True))
        return numpy.where(numpy.isneginf(scores), scores, scores - greatest - total)
