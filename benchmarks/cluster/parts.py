"""How many words a second each step of `distill-tag` takes by itself: reading the input, the
tokenizer, the pipeline, the output:

python -m benchmarks.cluster.parts training/packaged texts.jsonl --output docs/cluster.json
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

import json
import pickle
import tempfile
from itertools import islice
from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated, Any, Callable, Dict, List, Optional

import pandas
import spacy
import typer

from benchmarks.pages import keep
from spacy_distill.corpora.inputs import Input, InputDocument
from spacy_distill.jobs.run import grouped, hash_of
from spacy_distill.tagging.shard_files import ParquetFile


def seconds(work: Callable[[], Any], rounds: int) -> float:
    """RETURNS (float): The median of a work's processor seconds."""
    found = []
    for _ in range(rounds):
        begin = process_time()
        work()
        found.append(process_time() - begin)
    return median(found)


def main(
    model: Annotated[str, typer.Argument(help="Pipeline that finds entities")],
    source: Annotated[str, typer.Argument(metavar="INPUT", help="Text")],
    limit: Annotated[int, typer.Option(help="Number of documents")] = 4000,
    rounds: Annotated[int, typer.Option(help="Number of rounds")] = 5,
    output: Annotated[Optional[Path], typer.Option(help="JSON file to add the figures to")] = None,
) -> None:
    """Time each step on one thread."""
    documents = list(islice(Input(source), limit))
    texts = [document.text for document in documents]
    words = sum(len(text.split()) for text in texts)
    nlp = spacy.load(model)
    list(nlp.pipe(texts[:500]))
    times: Dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        rows = pandas.DataFrame({"id": [d.id for d in documents], "text": texts})
        paths = [Path(place) / name for name in ("rows.jsonl", "rows.jsonl.gz", "rows.parquet")]
        for path in paths[:2]:
            rows.to_json(path, orient="records", lines=True, force_ascii=False)
        rows.to_parquet(paths[2])

        def read(path: Path) -> List[List[InputDocument]]:
            found = list(grouped(Input(str(path)), 500_000))
            for group in found:
                hash_of(group)
                pickle.dumps(group)
            return found

        for path in paths:
            name = "".join(path.suffixes)
            times[f"read and send {name}"] = seconds(lambda: read(path), rounds)  # noqa: B023
        times["tokenizer"] = seconds(lambda: [nlp.tokenizer(text) for text in texts], rounds)
        times["pipeline"] = seconds(lambda: list(nlp.pipe(texts)), rounds)
        docs = list(nlp.pipe(texts))

        def write() -> None:
            file = ParquetFile((), False)
            for document, doc in zip(documents, docs, strict=True):
                file.add(document, doc)
            file.write(Path(place) / "tags.parquet")

        times["rows and parquet"] = seconds(write, rounds)
        size = (Path(place) / "tags.parquet").stat().st_size
    content = {
        "words": words,
        "bytes_per_word": round(sum(len(text.encode()) + 1 for text in texts) / words, 2),
        "output_bytes_per_word": round(size / words, 2),
        "words_per_second": {name: round(words / time) for name, time in times.items()},
    }
    print(json.dumps(content, indent=1))
    keep(output, "parts", content)


if __name__ == "__main__":
    typer.run(main)
