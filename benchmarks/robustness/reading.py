"""All ways in which a student reads documents, and what has to hold for each of them."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

import numpy
from spacy.attrs import ENT_IOB
from spacy.language import Language
from spacy.tokens import Doc
from thinc.types import Floats2d

from spacy_distill import kernels
from spacy_distill.chain import LinearChain
from spacy_distill.documents import BEGIN, INSIDE

# What scores may differ by, since sums of matrix products depend on the batch.
TOLERANCE = 1e-4
# In single precision, states differ as well. A long text of the same few words adds the differences
# up: some 4e-4 in 30,000 documents.
FLOAT_TOLERANCE = 2e-3
THREADS = 3


class Findings:
    """Counts of what was read, and of what was wrong.

    counts (Counter): Numbers by name. Those of `wrong` name a seed each.
    largest (Dict[str, float]): The largest differences by name.
    """

    def __init__(self) -> None:
        self.counts: Counter = Counter()
        self.wrong: List[str] = []
        self.largest: Dict[str, float] = {}

    def demand(self, holds: bool, problem: str) -> None:
        """Count a problem unless something holds."""
        if not holds:
            self.counts["wrong"] += 1
            if len(self.wrong) < 20:
                self.wrong.append(problem)

    def measure(self, name: str, value: float) -> None:
        """Keep the largest of some values."""
        self.largest[name] = max(self.largest.get(name, 0.0), float(value))


@contextmanager
def using_kernels(choice: str) -> Iterator[None]:
    """Use other kernels in a `with` block."""
    before = kernels.in_use
    kernels.use(choice)
    try:
        yield
    finally:
        kernels.use(before)


class Reading(NamedTuple):
    """What a student computes of one document.

    states (Floats2d): (tokens, width) the output of the encoder.
    chain (LinearChain): The distribution over tag sequences.
    """

    states: Floats2d
    chain: LinearChain


def read(pipe: Any, docs: Sequence[Doc]) -> List[Reading]:
    """RETURNS (List[Reading]): What a student computes of each document of a batch."""
    states = pipe.model.layers[0].predict(list(docs)).dataXd
    chain = pipe.predict_chain(docs)
    lengths = chain.lengths.tolist()
    readings, end = [], 0
    for length in lengths:
        rows, end = slice(end, end + length), end + length
        scores = chain.emissions[rows], numpy.asarray([length])
        shared = chain.transitions, chain.start, chain.end
        readings.append(Reading(states[rows], LinearChain(*scores, *shared)))
    return readings


def best_tags(pipe: Any, docs: Sequence[Doc]) -> List[numpy.ndarray]:
    """RETURNS (List[numpy.ndarray]): The tags of each document of a batch."""
    tags = pipe.predict(docs).tags
    return numpy.split(tags, numpy.cumsum([len(doc) for doc in docs])[:-1])


def in_batches(pipe: Any, docs: Sequence[Doc], rng: random.Random) -> List[numpy.ndarray]:
    """RETURNS (List[numpy.ndarray]): The tags of documents that are read in another order, in
    batches of any size."""
    order = list(range(len(docs)))
    rng.shuffle(order)
    found: Dict[int, numpy.ndarray] = {}
    while order:
        batch = [order.pop() for _ in range(min(len(order), rng.choice((1, 2, 3, 7, 20))))]
        found.update(zip(batch, best_tags(pipe, [docs[i] for i in batch]), strict=True))
    return [found[i] for i in range(len(docs))]


def check_readings(
    nlp: Language,
    docs: Sequence[Doc],
    *,
    seed: int,
    findings: Findings,
    exact: bool,
    with_numpy: bool = True,
) -> List[numpy.ndarray]:
    """Read documents alone, in batches, in another order, with threads and in threads, and with
    numpy. Then write their entities.

    nlp (Language): A student.
    docs (Sequence[Doc]): The documents, changed in place.
    seed (int): The seed of the batches.
    findings (Findings): Updated.
    exact (bool): Whether the states have to be the same bits in all batches, threads and kernels.
    with_numpy (bool): Whether to read without kernels too, which is slow.
    RETURNS (List[numpy.ndarray]): The tags of each document.
    """
    pipe: Any = nlp.get_pipe("ner_student")
    rng = random.Random(seed)
    alone = [reading for doc in docs for reading in read(pipe, [doc])]
    expected = [tags for doc in docs for tags in best_tags(pipe, [doc])]
    findings.counts["documents"] += len(docs)
    findings.counts["tokens"] += sum(map(len, docs))
    findings.counts["tokens in entities"] += sum(int((tags > 0).sum()) for tags in expected)

    def compare(found: Sequence[Reading], way: str) -> None:
        for number, (mine, theirs) in enumerate(zip(found, alone, strict=True)):
            difference = abs(mine.states - theirs.states).max(initial=0)
            findings.measure(f"difference of states, {way}", difference)
            findings.demand(
                difference <= (0 if exact else FLOAT_TOLERANCE), f"{way}: states of {seed}+{number}"
            )
            mine, theirs = mine.chain.emissions, theirs.chain.emissions
            possible = numpy.isfinite(theirs)
            same_mask = numpy.array_equal(possible, numpy.isfinite(mine))
            difference = abs(mine[possible] - theirs[possible]).max(initial=0)
            findings.measure(f"difference of scores, {way}", difference)
            findings.demand(
                same_mask and difference <= (TOLERANCE if exact else FLOAT_TOLERANCE),
                f"{way}: scores of {seed}+{number}",
            )

    def compare_tags(found: Sequence[numpy.ndarray], way: str) -> None:
        for number, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
            if numpy.array_equal(mine, theirs):
                continue
            findings.counts[f"other tags, {way}"] += 1
            # Two sequences may be equally good up to rounding.
            chain = alone[number].chain
            loss = float((chain.score(theirs) - chain.score(mine)).sum())
            findings.measure("loss of other tags", abs(loss))
            is_tie = abs(loss) <= TOLERANCE
            findings.demand(is_tie, f"{way}: tags of {seed}+{number}")

    # Other forms are then computed together.
    pipe.clear_cache()
    compare(read(pipe, docs), "batch")
    compare_tags(best_tags(pipe, docs), "batch")
    compare_tags(in_batches(pipe, docs, rng), "another order")
    pipe.threads = THREADS
    compare_tags(best_tags(pipe, docs), "threads of the kernels")
    pipe.threads = 1
    seeds = [rng.random() for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as executor:
        for found in executor.map(lambda s: in_batches(pipe, docs, random.Random(s)), seeds):
            compare_tags(found, "threads of Python")
    if with_numpy:
        with using_kernels("numpy"):
            compare_tags(best_tags(pipe, docs), "numpy")
            compare(read(pipe, docs), "numpy")
    check_probabilities(pipe, docs, f"{seed}", findings)
    check_annotation(nlp, docs, f"{seed}", findings)
    return expected


def check_probabilities(pipe: Any, docs: Sequence[Doc], name: str, findings: Findings) -> None:
    """Check that all probabilities are from 0 to 1 and have the sum 1."""
    for number, rows in enumerate(pipe.posteriors(docs)):
        inside = bool(numpy.isfinite(rows).all() and (rows >= 0).all() and (rows <= 1 + 1e-5).all())
        error = abs(rows.sum(axis=1) - 1).max(initial=0) if inside else 1.0
        findings.measure("error of the sum of probabilities", error)
        findings.demand(inside and error < 1e-4, f"probabilities of {name}+{number}")


def check_annotation(nlp: Language, docs: Sequence[Doc], name: str, findings: Findings) -> None:
    """Write entities with confidences and likely spans, and check that they are valid."""
    pipe: Any = nlp.get_pipe("ner_student")
    pipe.confidence, pipe.spans_key = True, "likely"
    earlier = [[entity for entity in doc.ents] for doc in docs]
    blocked = [doc.to_array(ENT_IOB) for doc in docs]
    pipe.set_annotations(docs, pipe.predict(docs))
    pipe.confidence, pipe.spans_key = False, None
    for number, doc in enumerate(docs):
        place = f"entities of {name}+{number}"
        new = [entity for entity in doc.ents if entity.label_ != "EARLIER"]
        kept = {(entity.start, entity.end) for entity in earlier[number]}
        findings.demand(
            kept == {(e.start, e.end) for e in doc.ents if e.label_ == "EARLIER"},
            f"earlier {place}",
        )
        iob = doc.to_array(ENT_IOB)
        findings.counts["entities"] += len(new)
        covered = numpy.zeros(len(doc), dtype=int)
        for entity in doc.ents:
            covered[entity.start : entity.end] += 1
            findings.demand(iob[entity.start] == BEGIN, place)
            findings.demand(bool((iob[entity.start + 1 : entity.end] == INSIDE).all()), place)
        findings.demand(bool((covered <= 1).all()), f"overlap in {place}")
        for entity in new:
            findings.demand(entity.label_ in pipe.labels, f"label of {place}")
            findings.demand(0 <= entity._.confidence <= 1, f"confidence of {place}")
            edges = (doc[entity.start], doc[entity.end - 1])
            findings.demand(not any(token.is_space for token in edges), f"edges of {place}")
            findings.demand(
                bool((blocked[number][entity.start : entity.end] == 0).all()),
                f"blocked tokens in {place}",
            )
        scores = doc.spans["likely"].attrs.get("scores", []) if "likely" in doc.spans else []
        findings.demand(bool(numpy.isfinite(scores).all()), f"scores of {place}")
        findings.demand(
            doc.text == "".join(token.text_with_ws for token in doc), f"text of {place}"
        )
