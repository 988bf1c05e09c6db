"""Word vectors of a fine-tuned transformer beside GloVe's, and their settings, on few labels:

python benchmarks/vectors.py benchmarks/runs/conll-150/seed4 --glove assets/glove_400k

The cell is one of `low_resource.py`, with the system `transformer`. What reads the vectors is a
logistic regression on windows of five words: a student that is trained in seconds and always the
same.
"""

from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, Sequence, Tuple

import numpy
import spacy
import typer
from low_resource_scores import read_docs
from spacy.tokens import Doc
from wasabi import msg

from spacy_distill.corpora.word_list import read_words
from spacy_distill.vectors.blending import blend, contextual_from_isolated
from spacy_distill.vectors.distill_vectors import (
    PRIOR,
    UNSEEN,
    contextual_means,
    isolated_encodings,
)
from spacy_distill.vectors.find_encoder import find_encoder
from spacy_distill.vectors.reduction import SCALE, WHITENING, reduce_dimensions


def main(
    cell: Annotated[
        Path, typer.Argument(help="Folder of a cell's corpus and of its fine-tuned transformer")
    ],
    glove: Annotated[Path, typer.Option(help="GloVe, as distill-vectors --table writes it")],
    layers: Annotated[str, typer.Option(help="Layers to try")] = "0,1,2,3,4,5,6",
    best: Annotated[int, typer.Option(help="The layer at which all else is tried")] = 3,
) -> None:
    """Compare settings of a transformer's word vectors. Entity F1 on development data."""
    parts = {name: read_docs(cell / "corpus" / f"{name}.spacy") for name in ("train", "dev")}
    known = {token.lower_ for docs in parts.values() for doc in docs for token in doc}
    listed = sorted(known.intersection(read_words(glove)))
    vocab = spacy.load(glove).vocab
    rows = [("GloVe", probe_f1(parts, {w: vocab[w].vector for w in listed}))]
    msg.info(f"GloVe: {rows[0][1]:.2f}")
    unlabeled = read_docs(cell / "corpus" / "unlabeled.spacy")
    texts = [([t.text for t in doc], [bool(t.whitespace_) for t in doc]) for doc in unlabeled]
    for layer in map(int, layers.split(",")):
        encoder, _ = find_encoder(str(cell / "transformer" / "model-best"), layer=layer)
        means = contextual_means(encoder, texts)
        words = [*means.words, *(word for word in listed if word not in means.rows)]
        alone, _ = isolated_encodings(encoder, words)
        variants: Sequence[Tuple[str, Dict[str, Any]]] = [("as it is", {})]
        if layer == best:
            variants = VARIANTS
        for name, options in variants:
            vectors = variant(alone, means, **options)
            table = dict(zip(words, vectors, strict=True))
            rows.append((f"layer {layer}, {name}", probe_f1(parts, table)))
            msg.info(f"{rows[-1][0]}: {rows[-1][1]:.2f}")
    msg.table([(n, f"{f1:.2f}") for n, f1 in rows], header=("vectors", "dev F1"), divider=True)


def log_weights(counts, size: int):
    """RETURNS (Floats1d): The command's weights of words in the reduction."""
    weights = numpy.full(size, UNSEEN)
    weights[: len(counts)] += numpy.log1p(counts)
    return weights


def count_weights(counts, size: int):
    """RETURNS (Floats1d): Weights by frequency."""
    weights = numpy.full(size, UNSEEN)
    weights[: len(counts)] += counts
    return weights


def same_weights(counts, size: int):
    """RETURNS (Floats1d): The same weight for all words."""
    return numpy.ones(size)


VARIANTS: Sequence[Tuple[str, Dict[str, Any]]] = [
    ("as it is", {}),
    ("50 dimensions", {"dim": 50}),
    ("200 dimensions", {"dim": 200}),
    ("300 dimensions", {"dim": 300}),
    ("isolated encodings alone", {"means_count": False}),
    ("isolated encodings not mapped", {"mapped": False}),
    ("isolated encodings count for 0.1", {"prior": 0.1}),
    ("isolated encodings count for 10", {"prior": 10.0}),
    ("reduction: all words weigh the same", {"weigh": same_weights}),
    ("reduction: words weigh by count", {"weigh": count_weights}),
    ("vectors of unit length", {"unit": True}),
    ("not whitened", {"whitening": 0.0}),
    ("wholly whitened", {"whitening": 1.0}),
    ("first component removed", {"top": 1}),
    ("first two components removed", {"top": 2}),
    ("first three components removed", {"top": 3}),
    ("SIF, a = 0.001", {"sif": 0.001}),
]


def variant(
    alone,
    means,
    *,
    dim: int = 100,
    prior: float = PRIOR,
    means_count: bool = True,
    mapped: bool = True,
    weigh: Callable = log_weights,
    unit: bool = False,
    whitening: float = WHITENING,
    top: int = 0,
    sif: float = 0.0,
):
    """RETURNS (Floats2d): Vectors as the command makes them, but for a setting."""
    vectors = alone.copy()
    if means_count:
        if mapped:
            contextual_from_isolated(vectors, means.means, means.counts)
        blend(vectors, means.means, means.counts, prior)
    weights = weigh(means.counts, len(vectors))
    reduced = reduce_dimensions(vectors, weights, dim + top, whitening=whitening)[:, top:]
    if unit:
        reduced = reduced / numpy.maximum(numpy.linalg.norm(reduced, axis=1), 1e-9)[:, None]
    if sif:
        share = numpy.zeros(len(vectors))
        share[: len(means.counts)] = means.counts / means.counts.sum()
        reduced = reduced * (sif / (sif + share))[:, None]
    return reduced * (SCALE / numpy.sqrt((reduced**2).mean()))


def probe_f1(parts: Dict[str, List[Doc]], table: Dict[str, Any]) -> float:
    """RETURNS (float): Entity F1 of the regression on the development set, in percent: the better
    of two penalties."""
    from sklearn.linear_model import LogisticRegression

    inputs = {name: windows(docs, table) for name, docs in parts.items()}
    tags = [token.ent_type_ or "O" for doc in parts["train"] for token in doc]
    gold = [spans([token.ent_type_ for token in doc]) for doc in parts["dev"]]
    scores = []
    for penalty in (0.03, 0.3):
        model = LogisticRegression(C=penalty, max_iter=150).fit(inputs["train"], tags)
        predicted = iter(model.predict(inputs["dev"]))
        found = [
            spans(["" if tag == "O" else tag for _, tag in zip(doc, predicted, strict=False)])
            for doc in parts["dev"]
        ]
        both = sum(len(a & b) for a, b in zip(gold, found, strict=True))
        scores.append(200 * both / (sum(map(len, gold)) + sum(map(len, found))))
    return max(scores)


def spans(types: Sequence[str]) -> set:
    """RETURNS (set): Start, end and type of each run of one type."""
    found, start = set(), 0
    for kind, group in groupby(types):
        end = start + len(list(group))
        if kind:
            found.add((start, end, kind))
        start = end
    return found


def windows(docs: List[Doc], table: Dict[str, Any]):
    """RETURNS (Floats2d): Vectors and letter case of each token and two on either side, (tokens,
    features)."""
    width = len(next(iter(table.values())))
    rows = []
    for doc in docs:
        features = numpy.zeros((len(doc) + 4, width + 8), dtype="float32")
        for i, token in enumerate(doc, start=2):
            features[i, :width] = table.get(token.lower_, 0)
            features[i, width:] = [*letter_case(token.text), True]
        near = [features[1:-3], features[2:-2], features[3:-1]]
        rows.append(numpy.concatenate([features[:-4] / 2, *near, features[4:] / 2], axis=1))
    return numpy.concatenate(rows)


def letter_case(word: str) -> Iterator[bool]:
    """YIELDS (bool): What a word looks like."""
    yield word[0].isupper()
    yield word.isupper()
    yield word.islower()
    yield word.isdigit()
    yield any(letter.isdigit() for letter in word)
    yield word.istitle()
    yield not word.isalnum()


if __name__ == "__main__":
    typer.run(main)
