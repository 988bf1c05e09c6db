"""The speed of annotation, and the agreement of its entities with those of the teacher's pipeline:

python -m benchmarks.teachers.annotation en_core_web_sm training/teacher/model-best \\
    --text corpus/test.spacy

For each teacher, interleaved and on one thread: words a second of its own pipeline (`nlp.pipe`, or
that of `transformers`) and of annotating with the same batch size, how well the entities of its
chain's best sequences agree with those that its own pipeline finds, and the bytes a token takes
on disk. The teachers are spaCy pipelines, by name or folder, and folders of Hugging Face models.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

import json
import tempfile
from itertools import accumulate, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any, Callable, Dict, List, Sequence, Tuple

import typer
from spacy.language import Language
from wasabi import msg

from spacy_distill.annotation.annotator import Annotator
from spacy_distill.chain import BiluoTags
from spacy_distill.corpora.inputs import Input, InputDocument
from spacy_distill.corpora.soft_shards import SoftDocument, write_shard
from spacy_distill.encoders.feature_cache import FEATURES
from spacy_distill.teachers import PipelineTeacher
from spacy_distill.teachers.sources import load_source, load_teacher

# A document's entities: first and last character, and label.
Entities = List[Tuple[int, int, str]]
Reader = Callable[[Sequence[str]], List[Entities]]


def spacy_reader(nlp: Language, batch_size: int) -> Reader:
    """Make the reader of a spaCy pipeline, `nlp.pipe`."""

    def read(texts: Sequence[str]) -> List[Entities]:
        docs = nlp.pipe(texts, batch_size=batch_size)
        return [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in docs]

    return read


def transformers_reader(folder: str, batch_size: int) -> Reader:
    """Make the reader of a Hugging Face model: the pipeline of `transformers`, in which a word
    has the class of its first wordpiece."""
    from transformers import pipeline

    classify: Any = pipeline(
        "token-classification", folder, aggregation_strategy="first", stride=128
    )

    def read(texts: Sequence[str]) -> List[Entities]:
        found = classify(list(texts), batch_size=batch_size)
        return [[(e["start"], e["end"], e["entity_group"]) for e in entities] for entities in found]

    return read


def best_entities(document: SoftDocument, tags: BiluoTags) -> Entities:
    """Find the entities of the teacher's best tag sequence in a soft document."""
    spaces = document.spaces or [True] * len(document.words)
    lengths = [len(word) + space for word, space in zip(document.words, spaces, strict=True)]
    starts = list(accumulate(lengths, initial=0))
    return [
        (starts[first], starts[end - 1] + len(document.words[end - 1]), label)
        for first, end, label in tags.spans(document.targets.best)
    ]


def measure(
    source: str, documents: List[InputDocument], batch_size: int, rounds: int
) -> Dict[str, Any]:
    """Measure a teacher: medians, and the rates of all rounds."""
    opened = load_source(source)
    teacher = load_teacher([opened])
    if isinstance(opened, Language):
        assert isinstance(teacher, PipelineTeacher)
        kind = opened.get_pipe_meta(teacher.pipe_name).factory
        annotator = Annotator(teacher, top_k=8, batch_size=batch_size)
        read = spacy_reader(opened, batch_size)
    else:
        kind = "Hugging Face"
        annotator = Annotator(teacher, top_k=8, batch_size=batch_size, lang="en")
        read = transformers_reader(source, batch_size)
    texts = [document.text for document in documents]
    rates: Dict[str, List[float]] = {"pipe": [], "annotate": []}
    with tempfile.TemporaryDirectory() as folder:
        shard = Path(folder) / "shard.parquet"
        for _ in range(rounds):
            # Otherwise a frozen transformer's output would come from the cache.
            FEATURES.clear()
            start = perf_counter()
            own = read(texts)
            rates["pipe"].append(perf_counter() - start)
            FEATURES.clear()
            start = perf_counter()
            soft = annotator.annotate(documents).documents
            write_shard(shard, soft)
            rates["annotate"].append(perf_counter() - start)
        size = shard.stat().st_size
    tags = BiluoTags(teacher.labels)
    best = [best_entities(document, tags) for document in soft]
    pairs = list(zip(best, own, strict=True))
    n_common = sum(len({*mine} & {*theirs}) for mine, theirs in pairs)
    n_entities = sum(len(mine) + len(theirs) for mine, theirs in pairs)
    n_words = sum(len(document.words) for document in soft)
    pipe, annotate = ([n_words / seconds for seconds in rates[kind]] for kind in rates)
    return {
        "teacher": short_name(source),
        "component": kind,
        "tags": len(tags),
        "pipe": median(pipe),
        "annotate": median(annotate),
        "ratio": median(new / old for new, old in zip(annotate, pipe, strict=True)),
        "same": 100 * sum(mine == theirs for mine, theirs in pairs) / len(pairs),
        "f1": 200 * n_common / max(n_entities, 1),
        "bytes": size / n_words,
        "rounds": {"pipe": pipe, "annotate": annotate},
    }


def short_name(source: str) -> str:
    """Name a teacher by the folder that distinguishes it from teachers of the same name."""
    parts = [part for part in Path(source).parts if part not in ("model-best", "model-last")]
    return parts[-1]


def main(
    teachers: Annotated[List[str], typer.Argument(help="Teachers, by name or folder")],
    text: Annotated[str, typer.Option(help="Text, as distill-annotate takes it")],
    limit: Annotated[int, typer.Option(help="Maximum number of documents; 0 for no limit")] = 0,
    batch_size: Annotated[int, typer.Option(help="Number of documents in a batch")] = 64,
    rounds: Annotated[int, typer.Option(help="Number of rounds")] = 5,
    output: Annotated[Path, typer.Option(help="JSON file for all results")] = Path(
        "benchmarks/runs/teachers.json"
    ),
) -> None:
    """Measure teachers and print a table."""
    # Text alone: a teacher's own pipeline does not take tokens either.
    documents = [InputDocument(d.id, d.text) for d in islice(Input(text), limit or None)]
    try:
        import torch

        torch.set_num_threads(1)
    except ImportError:
        msg.info("Without torch, only pipelines that need none can be measured")
    results = []
    for source in teachers:
        results.append(measure(source, documents, batch_size, rounds))
        msg.info(f"{short_name(source)}: {results[-1]['annotate']:,.0f} words/s")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf8")
    rows = [
        (
            result["teacher"],
            result["component"],
            str(result["tags"]),
            f"{result['same']:.2f}",
            f"{result['f1']:.2f}",
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
        "same texts %",
        "entity F1",
        "own words/s",
        "annotate words/s",
        "ratio",
        "bytes a token",
    )
    msg.table(rows, header=header, aligns=("l", "l", *"r" * 7), divider=True)


if __name__ == "__main__":
    typer.run(main)
