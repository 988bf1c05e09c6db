"""How much of a streamed corpus a training reads, and how many steps a pass over it takes."""

from math import ceil
from statistics import mean
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional, Tuple

from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Config
from wasabi import Printer

from ..corpora.labeled import CorpusSize, MixedReader
from .corpus import find_corpus

# The value of `max_steps` that stands for a pass, and what a student needs of a small corpus.
ONE_PASS = -1
LEAST_STEPS = 8000
# The size of a pass is an estimate.
TOLERANCE = 0.05

Batcher = Callable[[Iterable[Example]], Iterable[List[Example]]]
Batch = Tuple[int, List[Example]]


def with_steps_of_pass(config: Config) -> Config:
    """Set the number of steps where it follows the size of a streamed corpus.

    config (Config): A student's config with a complete `[distillation]` block, left as it is.
    RETURNS (Config): A copy whose `max_steps` is a pass over the corpus, but at least LEAST_STEPS,
        if it was ONE_PASS.
    RAISES (ValueError): The size of a pass is not known.
    """
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
    """RETURNS (Optional[CorpusSize]): What a pass over a corpus reads, if it knows that."""
    return corpus.size() if isinstance(corpus, MixedReader) and corpus.size else None


def words_per_step(block: Mapping[str, Any], size: CorpusSize) -> float:
    """Find out how many words a batch has, by batching documents as long as some of the corpus's.
    Batchers do not fill their batches: how far they do depends on the documents' lengths.

    block (Mapping[str, Any]): The batcher's block of the config.
    size (CorpusSize): The corpus's size, with lengths of documents.
    RETURNS (float): The mean of the batches' words.
    """
    # One of its own: a batcher whose size is a schedule goes on with each batch.
    batcher: Batcher = registry.resolve({"batcher": dict(block)})["batcher"]
    vocab = Vocab()
    docs = (Doc(vocab, words=["word"] * length) for length in size.lengths)
    batches = [
        sum(len(example.predicted) for example in batch)
        for batch in batcher(Example(doc, doc) for doc in docs)
    ]
    # The last one ends with the documents.
    return mean(batches[:-1] or batches or [1])


class ReadShare:
    """Counts the words of a streamed corpus that a training reads."""

    def __init__(self, size: CorpusSize) -> None:
        """Begin to count.

        size (CorpusSize): What a pass reads.
        """
        self.size = size
        self.n_words = 0

    def counted(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """YIELDS (Batch): The same batches of examples; their words are counted."""
        for epoch, batch in batches:
            self.n_words += sum(len(example.predicted) for example in batch)
            yield epoch, batch

    def plan(self, block: Mapping[str, Any]) -> str:
        """RETURNS (str): What a training with these settings will read, for the console.

        block (Mapping[str, Any]): The `[distillation]` block of the config.
        """
        message = Printer(no_print=True)
        if not block["max_steps"]:
            return message.info(f"The corpus has {self.size.words:,} words")
        per_step = words_per_step(block["batcher"], self.size)
        n_words = block["max_steps"] * per_step
        read = self._share(n_words)
        if n_words > (1 - TOLERANCE) * self.size.words:
            return message.info(f"{block['max_steps']:,} steps read {read}")
        return message.warn(
            f"[D914] {block['max_steps']:,} steps read {read}",
            "For a pass over it, set --distillation.max_steps -1: that is "
            f"{ceil(self.size.words / per_step):,} steps",
        )

    def outcome(self, steps: int) -> str:
        """RETURNS (str): What was read in so many steps, for the console."""
        return Printer(no_print=True).info(f"{steps:,} steps read {self._share(self.n_words)}")

    def _share(self, n_words: float) -> str:
        passes = n_words / max(self.size.words, 1)
        if passes < 1 - TOLERANCE:
            return f"{passes:.2%} of the corpus, which has {self.size.words:,} words"
        return f"the corpus's {self.size.words:,} words {passes:.1f} times"
