"""What it costs to let teachers write down what they think, and whether that is what they say:

python benchmarks/teachers.py en_core_web_sm training/teacher/model-best --text corpus/test.spacy

For each teacher, interleaved and on one thread: words a second of its own `nlp.pipe` and of
annotating with the same batch size, the texts on which the best sequence of its chain is what it
writes to `doc.ents`, and the bytes that a token takes on disk.
"""

import json
import os
import tempfile
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any, Dict, List

# Before numpy and torch are imported.
for variable in ("OMP_NUM_THREADS", "BLIS_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model
from wasabi import msg

from spacy_distill.chain import BiluoTags
from spacy_distill.corpora.inputs import Input, InputDocument
from spacy_distill.corpora.soft_shards import SoftDocument, write_shard
from spacy_distill.teachers import PipelineTeacher
from spacy_distill.training.annotator import Annotator


def entities_of(doc: Doc) -> List[Any]:
    """RETURNS (List[Any]): A document's entities, by token."""
    return [(span.start, span.end, span.label_) for span in doc.ents]


def agreement(docs: List[Doc], soft: List[SoftDocument], tags: BiluoTags) -> float:
    """RETURNS (float): Percent of the documents with the same entities."""
    same = [
        entities_of(doc) == tags.spans(document.targets.best)
        for doc, document in zip(docs, soft, strict=True)
    ]
    return 100 * sum(same) / len(same)


def measure(
    name: str, nlp: Language, documents: List[InputDocument], batch_size: int, rounds: int
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The figures of a teacher: medians, and rates of all rounds."""
    teacher = PipelineTeacher(nlp)
    annotator = Annotator(teacher, top_k=8, batch_size=batch_size)
    texts = [document.text for document in documents]
    rates: Dict[str, List[float]] = {"pipe": [], "annotate": []}
    with tempfile.TemporaryDirectory() as folder:
        shard = Path(folder) / "shard.parquet"
        for _ in range(rounds):
            start = perf_counter()
            docs = list(nlp.pipe(texts, batch_size=batch_size))
            rates["pipe"].append(perf_counter() - start)
            start = perf_counter()
            soft = annotator.annotate(documents).documents
            write_shard(shard, soft)
            rates["annotate"].append(perf_counter() - start)
        size = shard.stat().st_size
    n_words = sum(len(doc) for doc in docs)
    pipe, annotate = ([n_words / seconds for seconds in rates[kind]] for kind in rates)
    return {
        "teacher": name,
        "component": nlp.get_pipe_meta(teacher.pipe_name).factory,
        "tags": len(BiluoTags(teacher.labels)),
        "pipe": median(pipe),
        "annotate": median(annotate),
        "ratio": median(new / old for new, old in zip(annotate, pipe, strict=True)),
        "agreement": agreement(docs, soft, BiluoTags(teacher.labels)),
        "bytes": size / n_words,
        "rounds": {"pipe": pipe, "annotate": annotate},
    }


def main(
    teachers: Annotated[List[str], typer.Argument(help="Pipelines, by name or folder")],
    text: Annotated[str, typer.Option(help="Text, as distill-annotate takes it")],
    limit: Annotated[int, typer.Option(help="Documents at the most; 0 is no limit")] = 0,
    batch_size: Annotated[int, typer.Option(help="Documents at once")] = 64,
    rounds: Annotated[int, typer.Option(help="How often to measure")] = 5,
    output: Annotated[Path, typer.Option(help="JSON file of all figures")] = Path(
        "benchmarks/runs/teachers.json"
    ),
) -> None:
    """Measure teachers and print a table."""
    documents = list(islice(Input(text), limit or None))
    try:
        import torch

        torch.set_num_threads(1)
    except ImportError:
        msg.info("Without torch, only pipelines that need none can be measured")
    results = []
    for source in teachers:
        # Teachers that were trained under one name are told apart by their folder.
        parts = [part for part in Path(source).parts if part not in ("model-best", "model-last")]
        results.append(measure(parts[-1], load_model(source), documents, batch_size, rounds))
        msg.info(f"{parts[-1]}: {results[-1]['annotate']:,.0f} words/s")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf8")
    rows = [
        (
            result["teacher"],
            result["component"],
            str(result["tags"]),
            f"{result['agreement']:.2f}",
            f"{result['pipe']:,.0f}",
            f"{result['annotate']:,.0f}",
            f"{result['ratio']:.2f}",
            f"{result['bytes']:.1f}",
        )
        for result in results
    ]
    header = (
        "teacher",
        "component",
        "tags",
        "agreement %",
        "pipe words/s",
        "annotate words/s",
        "ratio",
        "bytes a token",
    )
    msg.table(rows, header=header, aligns=("l", "l", *"r" * 6), divider=True)


if __name__ == "__main__":
    typer.run(main)
