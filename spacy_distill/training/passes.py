"""The number of steps of a pass over a corpus, and the share of it that a training reads."""

from itertools import islice
from math import ceil
from random import Random
from statistics import mean
from typing import Any, Callable, Iterable, Iterator, List, Mapping, NamedTuple, Optional

from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Config
from wasabi import Printer

from ..corpora.labeled import CorpusSize, MixedReader
from .corpus import find_corpus

# The value of `max_steps` that stands for one pass over the corpus.
ONE_PASS = -1
# With a small corpus, students need more than one pass.
LEAST_STEPS = 8000
# Tolerance of the number of passes, which is an estimate.
TOLERANCE = 0.05

Batcher = Callable[[Iterable[Example]], Iterable[List[Example]]]


def with_steps_of_pass(config: Config) -> Config:
    """Replace a `max_steps` of ONE_PASS by the steps of a pass over the streamed corpus, or by
    LEAST_STEPS if that is more. Raise ValueError if the size of the corpus is not known."""
    if config["distillation"]["max_steps"] != ONE_PASS:
        return config
    settings = config.interpolate()
    block = settings["distillation"]
    if block["max_epochs"] != -1:
        raise ValueError(
            "[D113] [distillation] max_steps = -1 stands for a pass over a corpus that is "
            f"streamed: found max_epochs = {block['max_epochs']}, expected -1. Give a number of "
            "steps."
        )
    size = size_of(find_corpus(settings, block["corpus"]))
    if size is None:
        raise ValueError(
            f"[D114] The size of the corpus '{block['corpus']}' is not known before it is read, so "
            "[distillation] max_steps = -1 cannot follow it: expected a corpus of "
            "spacy-distill.SoftCorpus.v1. Give a number of steps."
        )
    steps = max(ceil(size.words / words_per_step(block["batcher"], size)), LEAST_STEPS)
    return Config(config, is_interpolated=False).merge({"distillation": {"max_steps": steps}})


def size_of(corpus: Any) -> Optional[CorpusSize]:
    """Find the size of a pass over a corpus; None if the corpus does not know it."""
    return corpus.size() if isinstance(corpus, MixedReader) and corpus.size else None


def new_batcher(block: Mapping[str, Any]) -> Batcher:
    """Make a batcher of its block of the config."""
    return registry.resolve({"batcher": dict(block)})["batcher"]


def words_per_step(block: Mapping[str, Any], size: CorpusSize) -> float:
    """Estimate the number of words in a batch.

    Batchers do not fill their batches completely, depending on the documents' lengths. So this
    function batches documents of the same lengths as a sample of the corpus.

    block (Mapping[str, Any]): The batcher's block of the config.
    size (CorpusSize): The corpus's size, with lengths of sampled documents.
    RETURNS (float): The mean number of words in a batch.
    """
    vocab = Vocab()
    docs = (Doc(vocab, words=["word"] * length) for length in size.lengths)
    batches = [
        sum(len(example.predicted) for example in batch)
        for batch in new_batcher(block)(Example(doc, doc) for doc in docs)
    ]
    # The last batch may be incomplete.
    return mean(batches[:-1] or batches or [1])


class Draw(NamedTuple):
    """What the steps of a training read of a corpus in memory.

    examples (List[Example]): All examples, or a random part of them, in random order.
    words_per_step (float): The mean number of words in a batch; 0 where no number of steps is set.
    """

    examples: List[Example]
    words_per_step: float


def draw_for_steps(examples: List[Example], block: Mapping[str, Any], seed: Optional[int]) -> Draw:
    """Draw as many examples of a corpus in memory as the steps of a training will read, if that is
    less than a pass. Each pass has a random order, so a student reads a random part anyway.
    Teachers need not read the others.

    examples (List[Example]): The examples.
    block (Mapping[str, Any]): The `[distillation]` block of the config.
    seed (Optional[int]): The seed of the training.
    RETURNS (Draw): The examples.
    """
    if not block["max_steps"] or block["max_epochs"] > 0:
        return Draw(examples, 0.0)
    shuffled = list(examples)
    Random(seed or 0).shuffle(shuffled)
    read: List[Example] = []

    def reading() -> Iterator[Example]:
        for example in shuffled:
            read.append(example)
            yield example

    # A new batcher, since a schedule of batch sizes changes its state with each batch. Steps are
    # counted from 0.
    batches = [
        sum(len(example) for example in batch)
        for batch in islice(new_batcher(block["batcher"])(reading()), block["max_steps"] + 1)
    ]
    # Batches differ, so that a training in another order may read a little more.
    n_drawn = ceil(len(read) * (1 + TOLERANCE))
    drawn = shuffled[:n_drawn] if n_drawn < len(examples) else examples
    return Draw(drawn, mean(batches) if batches else 1.0)


def message_on_passes(n_words: int, per_step: float, block: Mapping[str, Any]) -> str:
    """Write a console message on the share of a corpus that a training will read.

    n_words (int): The number of words of the corpus.
    per_step (float): The mean number of words in a batch.
    block (Mapping[str, Any]): The `[distillation]` block of the config.
    RETURNS (str): The message with a line break; "" if `max_epochs` sets the number of passes.
    """
    message, n_steps = Printer(no_print=True), block["max_steps"]
    if block["max_epochs"] > 0:
        return ""
    if not n_steps:
        return message.info(f"The corpus has {n_words:,} words") + "\n"
    passes = n_steps * per_step / max(n_words, 1)
    if passes > 1 - TOLERANCE:
        read = f"the corpus's {n_words:,} words {passes:.1f} times"
        return message.info(f"{n_steps:,} steps read {read}") + "\n"
    read = f"{passes:.2%} of the corpus, which has {n_words:,} words"
    return (
        message.warn(
            f"[D914] {n_steps:,} steps read {read}",
            f"For a pass over it, set --distillation.max_steps {ceil(n_words / per_step)}",
        )
        + "\n"
    )
