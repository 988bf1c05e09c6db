"""A reader for training: documents with a teacher's predictions, mixed with labeled documents."""

import random
from dataclasses import replace
from functools import partial
from itertools import accumulate, count, cycle, islice
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence, Set, Tuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..documents import plain_copy
from .labeled import (
    CorpusSize,
    Item,
    MixedReader,
    PendingExample,
    interleave,
    labeled_reader,
    n_labeled_in_pass,
    read_examples,
    require_share,
)
from .soft_shards import Manifest, Shard, SoftDocument, read_shard
from .soft_targets import USER_DATA_KEY

# Number of document lengths in `CorpusSize`, from which the number of batches is estimated.
SAMPLE_SIZE = 2000


def SoftCorpus(
    path: Optional[Path] = None,
    labeled: Optional[Path] = None,
    labeled_share: float = 0.1,
    max_length: int = 0,
    limit: int = 0,
    shuffle_buffer: int = 10000,
    seed: int = 0,
    spans_key: Optional[str] = None,
) -> MixedReader:
    """Create a reader of a soft corpus, with labeled documents mixed among its documents.

    The documents are streamed, and each pass has another order. With `[distillation] max_epochs =
    -1`, memory holds only the documents in the shuffle buffer. Their words are forgotten after the
    step that trains on them, unless `max_length` or `[training] annotating_components` is set.

    path (Optional[Path]): The folder that `distill-annotate` wrote; required on reading.
    labeled (Optional[Path]): A `.spacy` file, or a folder of `.spacy` files, with gold entities.
        The documents are kept in memory. If a document of the soft corpus has the same text, apart
        from white space, it is skipped: gold labels replace the teacher's predictions.
    labeled_share (float): The share of labeled documents in a pass, at least 0 and below 1. They
        are repeated to reach this share, and each is read at least once. With 0, all are read at
        the end of the pass.
    max_length (int): Skip documents with more tokens; 0 means no limit.
    limit (int): Read only this number of documents of the soft corpus; 0 means no limit.
    shuffle_buffer (int): The number of documents in the shuffle buffer. The order of the shards is
        shuffled too. 0 keeps the order of the corpus.
    seed (int): The seed of the shuffling.
    spans_key (Optional[str]): Use the labeled documents' spans under this key as gold entities.
    RETURNS (MixedReader): The reader.
    """
    require_share(labeled_share, "spacy-distill.SoftCorpus.v1")
    read_labeled = labeled_reader(labeled, max_length, spans_key)
    passes = count()
    checked: Set[str] = set()

    def read(nlp: Language) -> Iterator[Example]:
        for item in pending(nlp):
            yield item.make() if isinstance(item, PendingExample) else item

    def pending(nlp: Language) -> Iterator[Item]:
        gold = list(read_labeled(nlp))
        folder, manifest = _open(path)
        labels = tuple(manifest.labels)
        rng = random.Random(f"{seed} {next(passes)}")
        rng.shuffle(gold)
        # `max_length` splits documents, and texts are compared as a whole.
        whole = (
            gold
            if labeled is None or not max_length
            else read_examples(labeled, nlp, labeled=False)
        )
        gold_texts = {_without_spaces(example.reference.text) for example in whole}
        firsts = accumulate((entry.documents for entry in manifest.shards), initial=0)
        shards = list(zip(firsts, manifest.shards, strict=False))
        if shuffle_buffer:
            rng.shuffle(shards)
        documents = _shuffled(
            _read(folder, shards, limit, checked, 1 + 4 * len(labels)), shuffle_buffer, rng
        )
        unlabeled: Iterator[Item] = (
            PendingExample(
                document.words, document.spaces, partial(_as_example, nlp, document, labels)
            )
            for document in documents
            if _without_spaces("".join(document.words)) not in gold_texts
        )
        if max_length:  # in the student's tokens
            unlabeled = (
                example
                for example in (item.make() for item in unlabeled)  # type: ignore[union-attr]
                if len(example.predicted) <= max_length
            )
        yield from interleave(gold, unlabeled, labeled_share)

    def size() -> CorpusSize:
        folder, manifest = _open(path)
        gold = [len(example.reference) for example in read_labeled(spacy.blank("xx"))]
        n_soft = words = 0.0
        lengths: List[int] = []
        for shard in manifest.shards:
            n_read = min(shard.documents, limit - n_soft) if limit else shard.documents
            n_soft += n_read
            words += shard.tokens * n_read / max(shard.documents, 1)
            if len(lengths) < SAMPLE_SIZE:
                sample = islice(read_shard(folder / shard.file), SAMPLE_SIZE - len(lengths))
                lengths += [len(document.words) for document in sample]
        if max_length:
            kept = [length for length in lengths if length <= max_length]
            words *= sum(kept) / max(sum(lengths), 1)
            n_soft *= len(kept) / max(len(lengths), 1)
            lengths = kept
        n_gold = n_labeled_in_pass(len(gold), round(n_soft), labeled_share)
        words = round(words) + round(n_gold * sum(gold) / max(len(gold), 1))
        lengths += islice(cycle(gold), n_gold * len(lengths) // max(round(n_soft), 1))
        random.Random(seed).shuffle(lengths)
        return CorpusSize(round(n_soft) + n_gold, words, lengths)

    return MixedReader(read, read_labeled, size, pending)


def _open(path: Optional[Path]) -> Tuple[Path, Manifest]:
    if path is None:
        raise ValueError(
            "[D131] The corpus spacy-distill.SoftCorpus.v1 has no `path`. Name a soft corpus as "
            "the teacher of `spacy distill`, or set the path in the config."
        )
    manifest = Manifest.from_disk(Path(path))
    if not manifest.complete:
        raise ValueError(
            f"[D408] The soft corpus '{path}' is not complete. Run the same `distill-annotate` "
            "command again: it continues where it stopped."
        )
    return Path(path), manifest


def _without_spaces(text: str) -> str:
    """Remove white space: spaCy adds a space after each word if spaces are unknown."""
    return "".join(text.split())


def _read(
    folder: Path,
    shards: Sequence[Tuple[int, Shard]],
    limit: int,
    checked: Set[str],
    n_tags: int,
) -> Iterator[SoftDocument]:
    """Read the documents of shards. Each shard comes with the index of its first document."""
    for first, shard in shards:
        if 0 < limit <= first:
            continue
        # Compare checksums only once per process: hashing in each pass would take too long.
        sha256 = None if shard.file in checked else shard.sha256
        documents = read_shard(folder / shard.file, sha256, n_tags)
        yield from islice(documents, max(limit - first, 0) if limit else None)
        checked.add(shard.file)


def _as_example(nlp: Language, document: SoftDocument, labels: Tuple[str, ...]) -> Example:
    """Make an example with the student's tokens, whose reference has the soft targets."""
    source = Doc(nlp.vocab, words=document.words, spaces=document.spaces)
    targets = replace(document.targets, labels=labels)
    # As in spaCy's Corpus, documents without spaces keep their words.
    predicted = plain_copy(source) if source.has_unknown_spaces else nlp.tokenizer(source.text)
    if [token.text for token in predicted] == document.words:
        reference = source
    else:
        reference = plain_copy(predicted)
        targets = replace(targets, source=source)
    reference.user_data[USER_DATA_KEY] = targets
    return Example(predicted, reference)


def _shuffled(
    documents: Iterable[SoftDocument], size: int, rng: random.Random
) -> Iterator[SoftDocument]:
    """Fill a buffer of `size` documents, and yield a random one for each document added."""
    if size <= 0:
        yield from documents
        return
    buffer: List[SoftDocument] = []
    for document in documents:
        if len(buffer) < size:
            buffer.append(document)
        else:
            place = rng.randrange(size)
            yield buffer[place]
            buffer[place] = document
    rng.shuffle(buffer)
    yield from buffer
