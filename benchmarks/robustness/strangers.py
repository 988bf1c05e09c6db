"""Load valid files with some bytes changed. What is raised has to be an error of the package.

    python -m benchmarks.robustness.strangers --files 20000 --output docs/robustness.json

Each case runs in a forked process that may take a gigabyte more memory than it has, and some
seconds of the processor. A process runs several cases, and another one goes on where it is killed.
"""

import argparse
import bz2
import gzip
import hashlib
import json
import lzma
import os
import random
import resource
import shutil
import signal
import sys
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy
import spacy
from spacy.tokens import DocBin

from benchmarks.pages import keep
from benchmarks.robustness.documents import make_doc
from benchmarks.robustness.mutations import mutate
from benchmarks.robustness.students import train_student
from spacy_distill import compact
from spacy_distill.corpora.inputs import Input
from spacy_distill.corpora.labeled import read_examples
from spacy_distill.corpora.soft_corpus import SoftCorpus
from spacy_distill.corpora.soft_shards import Manifest, Shard, SoftDocument, write_shard
from spacy_distill.corpora.soft_targets import pack_marginals
from spacy_distill.loading import load_pipeline
from spacy_distill.tagging.manifest import TagManifest
from spacy_distill.vectors.word_tables import read_table

GIGABYTE = 2**30
SECONDS = 20
CASES_PER_PROCESS = 40
TEXT = "Anna Berg sails to Oslo ."


class TooLong(BaseException):
    """A case takes too long."""


# What is read: a folder to be changed, and a function that reads it.
Target = Tuple[Path, Callable[[Path], Any]]


def read_student(folder: Path) -> None:
    """Load a student and let it read."""
    nlp = load_pipeline(folder)
    try:
        nlp(TEXT)
    except (ValueError, TypeError, KeyError) as error:
        # A config that was changed may have other components, and spaCy's codes are as good.
        if not str(error).startswith("["):
            raise


def read_component(file: Path) -> None:
    """Load a component out of bytes, and let it read."""
    nlp = spacy.blank("en")
    config = json.loads((file.parent / "config.json").read_text(encoding="utf8"))
    pipe: Any = nlp.add_pipe("ner_student", config=config)
    pipe.from_bytes((file.parent / "bytes").read_bytes(), exclude=["vocab"])
    pipe(nlp.make_doc(TEXT))


def read_soft_corpus(folder: Path) -> None:
    """Read a soft corpus as training does."""
    for example in SoftCorpus(folder, shuffle_buffer=0)(spacy.blank("en")):
        assert len(example.predicted)


def read_with_checksum(folder: Path) -> None:
    """Read a soft corpus whose manifest has the checksum of the changed shard: who writes the shard
    writes the manifest too."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf8"))
    for shard in manifest["shards"]:
        data = (folder / shard["file"]).read_bytes()
        shard["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf8")
    read_soft_corpus(folder)


def read_tag_manifest(folder: Path) -> None:
    """Read a manifest as a run does that continues."""
    manifest = TagManifest.from_disk(folder)
    manifest.identity()
    for shard in manifest.shards:
        assert (folder / shard.file).resolve().parent == folder.resolve()


def read_input(folder: Path) -> None:
    """Read the text of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for document in Input(str(folder)):
            assert document.text


def read_labeled(folder: Path) -> None:
    """Read labeled documents."""
    list(read_examples(folder / "docs.spacy", spacy.blank("en")))


def read_vectors(folder: Path) -> None:
    """Read word vectors of the only file that has them."""
    text = folder / "vectors.txt"
    read_table(text if text.exists() else folder)


def make_targets(root: Path) -> Dict[str, Target]:
    """Write valid files of all kinds.

    root (Path): A folder.
    RETURNS (Dict[str, Target]): What is read, by name.
    """
    import pyarrow
    from pyarrow import parquet

    nlp = train_student(width=16, steps=3)
    student: Any = nlp.get_pipe("ner_student")
    nlp.to_disk(root / "student")
    small = compact(nlp, bits=4)
    small.to_disk(root / "compact")
    (root / "component").mkdir()
    pipe: Any = small.get_pipe("ner_student")
    (root / "component" / "bytes").write_bytes(pipe.to_bytes(exclude=["vocab"]))
    model = small.config["components"]["ner_student"]["model"]
    config = json.dumps({"model": model})
    (root / "component" / "config.json").write_text(config, encoding="utf8")
    docs = [doc for doc in (nlp(make_doc(nlp, seed)) for seed in range(60)) if len(doc)][:30]
    soft = root / "soft"
    soft.mkdir()
    shards = []
    for number, part in enumerate((docs[:15], docs[15:])):
        documents = []
        for row, doc in enumerate(part):
            marginals = student.posteriors([doc])[0]
            soft_targets = pack_marginals(marginals, marginals.argmax(axis=1), 8)
            words, spaces = [token.text for token in doc], [bool(t.whitespace_) for t in doc]
            documents.append(SoftDocument(f"{number}-{row}", words, spaces, soft_targets))
        file = f"shard-{number:06d}.parquet"
        sha256 = write_shard(soft / file, documents)
        n_tokens = sum(len(document.words) for document in documents)
        shards.append(make_entry(Shard, file, len(documents), n_tokens, sha256))
    origin = {"source": "x", "text_field": "text", "files": {"x": "0"}}
    manifest = Manifest(
        labels=list(student.labels),
        settings={"versions": {}},
        input=origin,
        complete=True,
        shards=shards,
        teacher={"teachers": [{"name": "t", "hash": "0"}]},
    )
    manifest.to_disk(soft)
    (root / "tags").mkdir()
    TagManifest(
        labels=["PER"],
        settings={"versions": {}},
        input=origin,
        shards=[
            make_entry(TagManifest.ENTRY, f"shard-{number:06d}.jsonl", 3, 30, "0" * 64)
            for number in range(3)
        ],
        pipeline={"hash": "0"},
    ).to_disk(root / "tags")
    texts = [doc.text.replace("\r", " ").replace("\n", " ") for doc in docs]
    contents = {
        "docs.spacy": DocBin(docs=docs, store_user_data=True).to_bytes(),
        "lines.jsonl": "\n".join(json.dumps({"text": text}) for text in texts).encode(),
        "lines.txt": "\n".join(texts).encode(),
        "table.csv": b"id,text\n"
        + b"".join(b'%d,"%s"\n' % (n, t.replace('"', "'").encode()) for n, t in enumerate(texts)),
        "table.tsv": b"id\ttext\n"
        + b"".join(b"%d\t%s\n" % (n, t.replace("\t", " ").encode()) for n, t in enumerate(texts)),
    }
    rows = pyarrow.table(
        {
            "id": list(range(len(texts))),
            "text": texts,
            "words": [[t.text for t in doc] for doc in docs],
        }
    )
    parquet.write_table(rows, root / "rows", compression="snappy")
    contents["rows.parquet"] = (root / "rows").read_bytes()
    contents["lines.txt.gz"] = gzip.compress(contents["lines.txt"])
    contents["docs.spacy.bz2"] = bz2.compress(contents["docs.spacy"])
    contents["rows.parquet.xz"] = lzma.compress(contents["rows.parquet"])
    zstd = pyarrow.CompressedOutputStream(str(root / "zstd"), "zstd")
    zstd.write(contents["lines.jsonl"])
    zstd.close()
    contents["lines.jsonl.zst"] = (root / "zstd").read_bytes()
    targets: Dict[str, Target] = {
        "student": (root / "student", read_student),
        "compact student": (root / "compact", read_student),
        "component": (root / "component", read_component),
        "soft corpus": (soft, read_soft_corpus),
        "soft corpus with right checksums": (soft, read_with_checksum),
        "manifest of tags": (root / "tags", read_tag_manifest),
    }
    for name, data in contents.items():
        folder = root / f"input-{name}"
        folder.mkdir()
        (folder / name).write_bytes(data)
        targets[f"input {name}"] = (folder, read_input)
    targets["labeled documents"] = (root / "input-docs.spacy", read_labeled)
    vectors = root / "vectors-text"
    vectors.mkdir()
    lines = [f"w{n} " + " ".join(f"{n / 7 + k:.3f}" for k in range(5)) for n in range(40)]
    (vectors / "vectors.txt").write_text("\n".join(lines), encoding="utf8")
    targets["vectors in text"] = (vectors, read_vectors)
    arrays = root / "vectors-array"
    arrays.mkdir()
    numpy.save(arrays / "vectors.npy", numpy.ones((40, 5), dtype="float32"))
    (arrays / "words.txt").write_text("\n".join(f"w{n}" for n in range(40)), encoding="utf8")
    targets["vectors in an array"] = (arrays, read_vectors)
    return targets


def make_entry(kind: Any, file: str, n_documents: int, n_tokens: int, sha256: str) -> Any:
    """RETURNS (Any): The entry of a shard in a manifest."""
    counts = {"documents": n_documents, "tokens": n_tokens, "entities": 3}
    return kind(file=file, sha256=sha256, input_hash="0" * 64, **counts)


# Students have the most code.
WEIGHTS = {
    "student": 5,
    "compact student": 5,
    "component": 6,
    "soft corpus with right checksums": 4,
}


def run_case(targets: Dict[str, Target], seed: int, work: Path) -> Tuple[str, str, str]:
    """Change a file of a target and read the target.

    targets (Dict[str, Target]): The targets.
    seed (int): What decides about the change.
    work (Path): A folder for the copy.
    RETURNS (Tuple[str, str, str]): The target, the change, and how it ended: "fine", "refused", or
        what was raised.
    """
    rng = random.Random(f"stranger {seed}")
    names = list(targets)
    (name,) = rng.choices(names, [WEIGHTS.get(name, 1) for name in names])
    source, read = targets[name]
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(source, work)
    files = sorted(path for path in work.rglob("*") if path.is_file())
    if name == "component":
        files = [work / "bytes"]
    elif name == "soft corpus with right checksums":
        files = [path for path in files if path.suffix == ".parquet"]
    path = rng.choice(files)
    contents = [file.read_bytes() for file in files]
    mutation, data = mutate(path.read_bytes(), rng, contents)
    path.write_bytes(data)
    change = f"{path.relative_to(work)}: {mutation}"
    try:
        read(work / "bytes" if name == "component" else work)
    except Exception as error:
        is_own = isinstance(error, ValueError) and str(error).startswith("[D")
        return name, change, "refused" if is_own else f"{type(error).__name__}: {error}"[:200]
    except TooLong:
        return name, change, "too long"
    return name, change, "fine"


def used_memory() -> int:
    """RETURNS (int): The bytes of this process's address space."""
    with open("/proc/self/statm", encoding="utf8") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def raise_too_long(*arguments: Any) -> None:
    raise TooLong()


def run_cases(targets: Dict[str, Target], seeds: Sequence[int], work: Path, to: int) -> None:
    """Run cases in this process, a forked one, and write a line for each."""
    most = used_memory() + GIGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The processor's seconds, since others may keep it busy.
    signal.signal(signal.SIGPROF, raise_too_long)
    for seed in seeds:
        os.write(to, f"begin {seed}\n".encode())
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        result = run_case(targets, seed, work)
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(to, (json.dumps([seed, *result]) + "\n").encode())


def run_all(
    root: Path, seeds: Sequence[int], report: Callable[[Dict[str, Any]], None] = lambda result: None
) -> Dict[str, Any]:
    """Run cases in forked processes, one after the other.

    root (Path): A folder for all files.
    seeds (Sequence[int]): The cases.
    report (Callable[[Dict[str, Any]], None]): Called with the result so far after each process.
    RETURNS (Dict[str, Any]): How they ended.
    """
    targets = make_targets(root / "valid")
    # All of them are valid, and what they import is not what is limited.
    for source, read in targets.values():
        shutil.copytree(source, root / "copy")
        read(root / "copy" / "bytes" if read is read_component else root / "copy")
        shutil.rmtree(root / "copy")
    ended: Dict[str, Counter] = {name: Counter() for name in targets}
    problems: List[List[Any]] = []
    rest = list(seeds)
    slowest = 0.0
    n_crashes = 0
    result: Dict[str, Any] = {}
    while rest:
        part = rest[:CASES_PER_PROCESS]
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            status = 1
            try:
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, 2)
                run_cases(targets, part, root / f"work-{os.getpid()}", writer)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        begun = None
        start = perf_counter()
        with os.fdopen(reader, encoding="utf8", errors="replace") as lines:
            for line in lines:
                if line.startswith("begin"):
                    begun, start = int(line.split()[1]), perf_counter()
                    continue
                seed, name, change, end = json.loads(line)
                slowest = max(slowest, perf_counter() - start)
                rest.remove(seed)
                begun = None
                kind = end if end in ("fine", "refused") else "wrong"
                ended[name][kind] += 1
                if kind == "wrong":
                    problems.append([seed, name, change, end])
        _, status = os.waitpid(child, 0)
        shutil.rmtree(root / f"work-{child}", ignore_errors=True)
        if begun is not None:
            n_crashes += 1
            problems.append(
                [begun, "", "", f"the process ended: {os.waitstatus_to_exitcode(status)}"]
            )
            rest.remove(begun)
        result = {
            "files": len(seeds) - len(rest),
            "ended": {name: dict(counts) for name, counts in ended.items()},
            "crashes": n_crashes,
            "problems": problems,
            "slowest_seconds": round(slowest, 2),
        }
        report(result)
    return result


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="The number of the first case")
    parser.add_argument("--output", type=Path, default=None)
    chosen = parser.parse_args(arguments)
    start = perf_counter()

    def report(result: Dict[str, Any]) -> None:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        result["seconds"] = round(perf_counter() - start, 1)
        result["processor_seconds"] = round(used.ru_utime + used.ru_stime, 1)
        keep(chosen.output, "strangers", result)

    with TemporaryDirectory() as folder:
        (Path(folder) / "valid").mkdir()
        seeds = range(chosen.first, chosen.first + chosen.files)
        result = run_all(Path(folder), seeds, report)
    print(json.dumps(result, indent=1, ensure_ascii=True))
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
