"""spaCy's transition-based `ner` and `beam_ner` as soft teachers."""

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
from .earlier_entities import FREE, fixed_tags
from .failures import documents_error
from .predictions import not_finite

_OPEN = numpy.isin(PREFIXES, ("I", "L"))


class _SpacyTeacher(ABC):
    """A component of spaCy's class EntityRecognizer."""

    def __init__(self, pipe: Any) -> None:
        """pipe (EntityRecognizer): A trained `ner` or `beam_ner`."""
        self.pipe = pipe
        # Sorted, as spaCy's own order changes when a pipeline is saved; and kept, as spaCy adds
        # labels to the component when it meets entities with new ones.
        self.labels: Tuple[str, ...] = tuple(sorted(pipe.labels))

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the chain of documents that the components before have processed.

        docs (Sequence[Doc]): The documents, left as they are; their entities stay certain.
        RETURNS (LinearChain): One sequence a document.
        RAISES (DocumentsError): The model's scores are NaN or infinite.
        """
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        return self._chain(docs, BiluoTags(self.labels), lengths)

    @abstractmethod
    def _chain(self, docs: Sequence[Doc], tags: BiluoTags, lengths: Ints1d) -> LinearChain: ...


class TransitionTeacher(_SpacyTeacher):
    """Reads a chain off the model of `ner`.

    Its actions are the BILUO tags, one a token. Besides the token itself, the model sees where the
    open entity starts, if one is open, and not its type. So each token is scored twice, with no
    entity open and with one. O, B and U can only follow in the first case, I and L in the second.
    The emission of each is its probability among the actions that are valid there. That is the
    model's own distribution over sequences, with one approximation: an open entity starts where the
    greedy parse has its start, or, off that parse, where the most likely other one would.

    spaCy chooses the best action token by token. Where another sequence is more probable as a
    whole, both are averaged, so that the chain's best sequence is spaCy's.
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
        reasons = not_finite(emissions, docs)
        if reasons:
            raise documents_error(self.pipe.name, docs, reasons)
        chain = LinearChain(xp.asarray(emissions), lengths, *scores)
        return chain_with_best(chain, xp.asarray(parse))


class BeamTeacher(_SpacyTeacher):
    """Averages the parses that are left in the beam, by their probabilities."""

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
                    # Entities of earlier components may have other labels, blocked tokens "".
                    if label in self.labels:
                        sequence[start:end] = tags.span_tags(end - start, label)
                marginals[row + numpy.arange(len(doc)), sequence] += probability / total
                if number == 0:
                    best[row : row + len(doc)] = sequence
            row += len(doc)
        reasons = not_finite(marginals, docs)
        if reasons:
            raise documents_error(self.pipe.name, docs, reasons)
        xp = get_current_ops().xp
        chain = chain_from_marginals(xp.asarray(marginals), lengths)
        return chain_with_best(chain, xp.asarray(best))

    def _beams(self, docs: Sequence[Doc], parsed: Sequence[Doc]) -> Any:
        """RETURNS (Any): The beams of the documents that are not empty."""
        try:
            return self.pipe.predict(parsed)
        except AssertionError:
            # spaCy's beam raises this for NaN, without a message.
            reasons = _not_finite_actions(self.pipe, docs)
            if not reasons:
                raise
            raise documents_error(self.pipe.name, docs, reasons) from None


def _not_finite_actions(pipe: Any, docs: Sequence[Doc]) -> Dict[int, str]:
    """RETURNS (Dict[int, str]): The first token with a score that is NaN or infinite, by the number
    of the document, with no entity open or with one that begins at the token before."""
    rows = numpy.arange(sum(len(doc) for doc in docs))
    step_model = pipe.model.predict(docs)
    try:
        actions = _Actions(pipe, step_model, BiluoTags(()))
        states = [actions.all_scores(rows, numpy.full(len(rows), -1))]
        states.append(actions.all_scores(rows, rows - 1))
    finally:
        step_model.clear_memory()
    return not_finite(numpy.concatenate(states, axis=1), docs)


class _Actions:
    """Scores of a step model's actions, in the order of tags."""

    def __init__(self, pipe: Any, step_model: Any, tags: BiluoTags) -> None:
        numbers = {pipe.moves.get_class_name(n): n for n in range(pipe.moves.n_moves)}
        self._columns = [numbers[name] for name in tags.names]
        self._model = step_model
        self._n_features = step_model.state2vec.nF
        self._seen = numpy.asarray(
            [bool(step_model.class_is_unseen(n)) for n in range(pipe.moves.n_moves)]
        )

    def scores(self, rows: Ints1d, starts: Ints1d) -> Floats2d:
        """Score the actions.

        rows (Ints1d): (states,) the tokens to decide on, as rows of the batch.
        starts (Ints1d): (states,) the first token of the open entity, -1 where none is open.
        RETURNS (Floats2d): (states, tags) float32.
        """
        scores = self.all_scores(rows, starts)
        # spaCy gives these the least score of the batch; here it must not depend on the batch.
        if not self._seen.all():
            scores[:, ~self._seen] = scores.min(axis=1, keepdims=True)
        return scores[:, self._columns]

    def all_scores(self, rows: Ints1d, starts: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (states, actions) the scores of all actions, in spaCy's order."""
        vectors = self._model.state2vec.predict(self._features(rows, starts))
        upper = self._model.vec2scores
        scores = vectors if upper is None else upper.predict(vectors)
        return numpy.array(get_current_ops().to_numpy(scores))

    def _features(self, rows: Ints1d, starts: Ints1d) -> numpy.ndarray:
        """The token itself and, if an entity is open, its first token and the one before this one;
        or its first five tokens, in models with `extra_state_tokens`."""
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
    """RETURNS (Tuple[Floats2d, Ints1d]): Emissions (tokens, tags), float32, and the tags (tokens,)
    of spaCy's greedy parse."""
    valid = _valid_tags(docs, tags)
    rows = numpy.arange(len(valid))
    open_tags = numpy.concatenate([[False], numpy.tile(_OPEN, len(tags.labels))])
    nowhere = numpy.full(len(rows), -1)
    closed = actions.scores(rows, nowhere)
    closed[~valid | open_tags] = -numpy.inf
    parse, starts = _greedy_parse(actions, closed.argmax(axis=1), valid)
    # Off the parse, the entity that is most likely open: one that the parse ended at the token
    # before, or else one that begins there.
    before = numpy.append(-1, starts[:-1])
    starts = numpy.where(starts >= 0, starts, numpy.where(before >= 0, before, rows - 1))
    inside = actions.scores(rows, starts)[:, 1:].reshape(len(rows), -1, len(PREFIXES))
    emissions = _log_softmax(closed)
    by_label = emissions[:, 1:].reshape(inside.shape)
    inside[~valid[:, 1:].reshape(inside.shape)] = -numpy.inf
    by_label[:, :, _OPEN] = _log_softmax(inside[:, :, _OPEN])
    return emissions, parse


def _greedy_parse(actions: _Actions, closed: Ints1d, valid: numpy.ndarray) -> Tuple[Ints1d, Ints1d]:
    """Follow all entities that might begin, together, then choose those that the parse reaches.

    closed (Ints1d): (tokens,) best tag where no entity is open.
    valid (numpy.ndarray): (tokens, tags), bool.
    RETURNS (Tuple[Ints1d, Ints1d]): (tokens,) tags of the parse, and first token of the entity that
        is open at each token, or -1.
    """
    begins = numpy.flatnonzero(closed % len(PREFIXES) == 1)
    begins = begins[closed[begins] > 0]
    first_tags = closed[begins]
    ends = numpy.zeros_like(begins)
    going = numpy.arange(len(begins))
    rows = begins + 1
    while len(going):
        scores = actions.scores(rows, begins[going])
        scores[~valid[rows]] = -numpy.inf
        states = numpy.arange(len(going))
        tag = first_tags[going]
        # Of equal scores, spaCy takes I.
        goes_on = scores[states, tag + 1] >= scores[states, tag + 2]
        ends[going[~goes_on]] = rows[~goes_on]
        going, rows = going[goes_on], rows[goes_on] + 1
    parse = closed.copy()
    starts = numpy.full(len(closed), -1)
    done = -1
    for begin, end, tag in zip(begins.tolist(), ends.tolist(), first_tags.tolist(), strict=True):
        if begin > done:
            done = end
            parse[begin : end + 1] = [tag, *[tag + 1] * (end - begin - 1), tag + 2]
            starts[begin + 1 : end + 1] = begin
    return parse, starts


def _valid_tags(docs: Sequence[Doc], tags: BiluoTags) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): (tokens, tags), bool: the tags that spaCy's rules allow wherever no
    entity, or one of the tag's type, is open before the token."""
    table = numpy.concatenate(
        [doc.to_array(["IS_SPACE", "SENT_START", "ENT_IOB"]).reshape(-1, 3) for doc in docs]
    )
    space, sentence, iob = table.astype("int64").T
    last = numpy.zeros(len(table), dtype=bool)
    last[numpy.cumsum([len(doc) for doc in docs if len(doc)]) - 1] = True
    stops = (sentence == 1) | (iob == BEGIN)
    # No entity goes on over the end of a document or a sentence, or into one that is set already.
    goes_on = ~last & ~numpy.append(stops[1:], False)
    valid = numpy.ones((len(table), len(tags)), dtype=bool)
    by_prefix = valid[:, 1:].reshape(len(table), -1, len(PREFIXES))
    by_prefix[:, :, [PREFIXES.index("B"), PREFIXES.index("I")]] = goes_on[:, None, None]
    by_prefix[space != 0, :, PREFIXES.index("B")] = False
    by_prefix[space != 0, :, PREFIXES.index("U")] = False
    if numpy.isin(iob, (INSIDE, BEGIN)).any():
        fixed = fixed_tags(docs, tags)
        taken = fixed != FREE
        valid[taken] = fixed[taken][:, None] == numpy.arange(len(tags))
    return valid


def _log_softmax(scores: numpy.ndarray) -> numpy.ndarray:
    """Logarithms of probabilities along the last axis; -inf where nothing is possible."""
    greatest = scores.max(axis=-1, keepdims=True)
    greatest = numpy.where(numpy.isfinite(greatest), greatest, 0)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        total = numpy.log(numpy.exp(scores - greatest).sum(axis=-1, keepdims=True))
        return numpy.where(numpy.isneginf(scores), scores, scores - greatest - total)
