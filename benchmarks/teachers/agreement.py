"""Agreement of a student without labels with its teacher, by the amount of text:

python -m benchmarks.teachers.agreement en_core_web_sm --text one/train.spacy \\
    --text two/train.spacy --dev one/dev.spacy --test one/test.spacy --sizes 1000,3000,0 \\
    --vectors assets/vectors

The teacher annotates the texts once, shuffled. Its entities in the development and test texts take
the place of gold ones. Each size, in documents, is one
distillation from the first documents of the soft corpus (and their variants) with the commands that
a user types; a second run goes on where the first one stopped.
"""

import json
import os
import random
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, List, Optional

import spacy
import typer
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from wasabi import msg

from benchmarks.commands import execute, measured, read_json, write_json
from spacy_distill.corpora.inputs import Input
from spacy_distill.corpora.soft_shards import Manifest


def read_texts(sources: List[str]) -> Iterator[str]:
    """Yield the texts of all sources."""
    for source in sources:
        yield from (document.text for document in Input(source))


def write_shuffled(sources: List[str], output: Path) -> None:
    """Write all texts to one file, in a random but reproducible order."""
    texts = list(read_texts(sources))
    random.Random(0).shuffle(texts)
    unfinished = output.with_suffix(".part")
    unfinished.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    unfinished.replace(output)


def write_entities(teacher: str, sources: List[str], output: Path) -> None:
    """Write the predicted entities of texts to a `.spacy` file."""
    if output.exists():
        return
    nlp = spacy.load(teacher)
    texts = read_texts(sources)
    found = DocBin()
    for doc in nlp.pipe(texts, batch_size=64):
        words, spaces = zip(*((t.text, bool(t.whitespace_)) for t in doc), strict=True)
        plain = Doc(nlp.vocab, words=list(words), spaces=list(spaces))
        plain.set_ents([Span(plain, ent.start, ent.end, label=ent.label_) for ent in doc.ents])
        found.add(plain)
    unfinished = output.with_suffix(".part")
    unfinished.write_bytes(found.to_bytes())
    unfinished.rename(output)


def count_words(soft: Path, size: int) -> int:
    """Estimate the number of words in the first documents of a soft corpus."""
    shards = Manifest.from_disk(soft).shards
    documents = sum(shard.documents for shard in shards)
    return round(
        sum(shard.tokens for shard in shards) * min(size or documents, documents) / documents
    )


def score(model: Path, corpus: Path) -> Dict[str, Any]:
    """Compute the student's F1 against the teacher's entities, in percent."""
    nlp = spacy.load(model)
    examples = list(Corpus(corpus)(nlp))
    docs = nlp.pipe(example.predicted for example in examples)
    for example, doc in zip(examples, docs, strict=True):
        example.predicted = doc
    found = get_ner_prf(examples)
    per_type = {label: 100 * scores["f"] for label, scores in found["ents_per_type"].items()}
    return {"f1": 100 * found["ents_f"], "f1_per_type": per_type}


def draw(cells: List[Dict[str, Any]], path: Path) -> None:
    """Draw agreement against the amount of text."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    cells = sorted(cells, key=lambda cell: cell["words"])
    words = [cell["words"] for cell in cells]
    for part in ("dev", "test"):
        axes.plot(words, [cell[part]["f1"] for cell in cells], marker="o", label=part)
    axes.set_xscale("log")
    axes.set_xticks(words, [f"{count:,}" for count in words], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("tokens that the teacher has read, with variants")
    axes.set_ylabel("F1 against the teacher's entities")
    axes.legend(loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main(
    teacher: Annotated[str, typer.Argument(help="A pipeline, by name or folder")],
    text: Annotated[
        List[str],
        typer.Option(help="Text for training, as distill-annotate takes it; may be repeated"),
    ],
    dev: Annotated[List[str], typer.Option(help="Development text; may be repeated")],
    test: Annotated[List[str], typer.Option(help="Test text; may be repeated")],
    vectors: Annotated[Path, typer.Option(help="Word vectors of the student")],
    augment: Annotated[int, typer.Option(help="Variants of each document")] = 0,
    config: Annotated[Path, typer.Option(help="The student's config")] = Path(
        "spacy_distill/configs/soft.cfg"
    ),
    tables: Annotated[
        bool, typer.Option(help="Start from the teacher's hash tables, if these fit the config's")
    ] = False,
    sizes: Annotated[str, typer.Option(help="Numbers of documents to learn from; 0 for all")] = "0",
    options: Annotated[str, typer.Option(help="Further config overrides")] = "",
    store: Annotated[Path, typer.Option(help="Folder of the runs")] = Path(
        "benchmarks/runs/agreement"
    ),
    picture: Annotated[
        Optional[Path], typer.Option(help="File for the picture of agreement by size")
    ] = None,
) -> None:
    """Annotate, distil and score the sizes that are not in the store, then print a table."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    store = store.absolute()
    store.mkdir(parents=True, exist_ok=True)
    soft = store / "soft"
    write_shuffled(text, store / "text.jsonl")
    annotate: List[Any] = ["-m", "spacy", "distill-annotate", teacher, store / "text.jsonl"]
    annotate += ["--output", soft, "--augment", augment, "--words", vectors.absolute()]
    execute(annotate, store / "annotate.log")
    for part, sources in (("dev", dev), ("test", test)):
        write_entities(teacher, sources, store / f"{part}.spacy")
    rows: List[Any] = []
    cells: List[Dict[str, Any]] = []
    for size in map(int, sizes.split(",")):
        folder = store / f"{size or 'all'}"
        result = store / f"{size or 'all'}.json"
        if not result.exists():
            command: List[Any] = ["-m", "spacy", "distill", soft, config]
            command += ["--output", folder, "--force"]
            command += ["--paths.dev", store / "dev.spacy", "--paths.vectors", vectors.absolute()]
            if tables:
                command += ["--paths.tables", teacher]
            command += ["--corpora.distillation.limit", size * (1 + augment)]
            command += ["--training.logger.progress_bar", "false"]
            command += options.split()
            cost = measured(partial(execute, command, store / f"{size or 'all'}.log"))
            scores: Dict[str, Any] = {
                "seconds": cost["seconds"],
                "words": count_words(soft, size * (1 + augment)),
            }
            for part in ("dev", "test"):
                scores[part] = score(folder / "model-best", store / f"{part}.spacy")
            write_json(result, scores)
        cell = read_json(result)
        cells.append(cell)
        msg.info(f"{cell['words']:,} words: {cell['test']['f1']:.2f}")
        scores_of = (f"{cell[part]['f1']:.2f}" for part in ("dev", "test"))
        rows.append((f"{cell['words']:,}", *scores_of, f"{cell['seconds']:.0f}"))
    header = ("words", "dev F1", "test F1", "seconds")
    msg.table(rows, header=header, aligns=("r",) * 4, divider=True)
    if picture is not None:
        draw(cells, picture)


if __name__ == "__main__":
    typer.run(main)
