"""Read generated documents in all ways, with students in all precisions, and write what was found.

    python -m benchmarks.robustness.any_text --documents 100000 --output docs/robustness.json

One process writes the expected tags of a group, another one has to find the same. Two documents of
a million characters and of a million tokens are read too, with their time and memory.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, Dict, List, Sequence, Tuple

import numpy
import spacy
from spacy.tokens import Doc

from benchmarks.pages import keep
from benchmarks.robustness.documents import LONE_SURROGATES, WORDS, make_doc
from benchmarks.robustness.reading import Findings, best_tags, check_annotation, check_readings
from benchmarks.robustness.students import make_students
from spacy_distill import kernels

GROUP = 100
# Numpy's loops over tokens are slow: so many groups are read with them.
NUMPY_SHARE = 20
MILLION = 10**6


def digest(tags: Sequence[numpy.ndarray]) -> str:
    """RETURNS (str): A hash of the tags of documents."""
    found = blake2b(digest_size=16)
    for array in tags:
        found.update(array.astype("int64").tobytes() + b"|")
    return found.hexdigest()


def read_group(arguments: Tuple[str, str, int, int]) -> Tuple[str, int, str, Findings]:
    """Check a group of documents in a process.

    arguments: The folder of the student, its name, the first document and the number of these.
    RETURNS: The student's name, the first document, the digest of the tags, and the findings.
    """
    folder, name, first, n_documents = arguments
    nlp = load(folder)
    docs = [make_doc(nlp, first + number) for number in range(n_documents)]
    findings = Findings()
    with_numpy = first // GROUP % NUMPY_SHARE == 0
    tags = check_readings(
        nlp, docs, seed=first, findings=findings, exact=name != "float32", with_numpy=with_numpy
    )
    return name, first, digest(tags), findings


def read_again(arguments: Tuple[str, str, int, int]) -> Tuple[str, int, str]:
    """RETURNS: The student's name, the first document, and the digest of the tags in one batch."""
    folder, name, first, n_documents = arguments
    nlp = load(folder)
    docs = [make_doc(nlp, first + number) for number in range(n_documents)]
    return name, first, digest(best_tags(nlp.get_pipe("ner_student"), docs))


_LOADED: Dict[str, Any] = {}


def load(folder: str) -> Any:
    """RETURNS (Language): The student of a folder. It is loaded again after 50 groups, since a
    vocabulary keeps all words."""
    n_uses, nlp = _LOADED.get(folder, (0, None))
    if nlp is None or n_uses >= 50:
        n_uses, nlp = 0, spacy.load(folder)
    _LOADED[folder] = (n_uses + 1, nlp)
    return nlp


def measure_giant(folder: str, kind: str) -> Dict[str, float]:
    """Read one giant document in a process of its own.

    folder (str): The student.
    kind (str): "a token of a million characters" or "a million tokens".
    RETURNS (Dict[str, float]): Seconds of the processor, and megabytes.
    """
    nlp = load(folder)
    nlp("Anna Berg sails to Oslo .")
    pipe: Any = nlp.get_pipe("ner_student")
    if kind == "a million tokens":
        words = [WORDS[number % len(WORDS)] for number in range(MILLION)]
    else:
        words = ["Anna", "Berg", "met", "x" * MILLION, "in", "Oslo"]
    doc = Doc(nlp.vocab, words=words)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = process_time()
    pipe(doc)
    seconds = process_time() - start
    findings = Findings()
    n_entities = len(doc.ents)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    pipe.confidence = True
    start = process_time()
    pipe(Doc(nlp.vocab, words=words))
    with_confidence = process_time() - start
    check_annotation(nlp, [Doc(nlp.vocab, words=words)], kind, findings)
    total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "tokens": len(doc),
        "entities": n_entities,
        "seconds": round(seconds, 2),
        "seconds_with_confidence": round(with_confidence, 2),
        "megabytes_of_prediction": round(memory, 1),
        "megabytes_of_process": round(total, 1),
        "wrong": findings.counts["wrong"],
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="The number of the first document")
    parser.add_argument("--width", type=int, default=200, help="The width of the students")
    parser.add_argument("--n-process", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="No documents of a million tokens")
    parser.add_argument("--output", type=Path, default=None)
    chosen = parser.parse_args(arguments)
    start = perf_counter()
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder:
        students = make_students(width=chosen.width)
        for name, nlp in students.items():
            nlp.to_disk(Path(folder) / name)
        jobs: List[Tuple[str, str, int, int]] = []
        last = chosen.first + chosen.documents
        for first in range(chosen.first, last, GROUP):
            for name in students:
                # Compact students differ from others by the table of vectors alone.
                if name != "compact" or first // GROUP % 10 == 0:
                    path = str(Path(folder) / name)
                    jobs.append((path, name, first, min(GROUP, last - first)))
        totals = {name: Findings() for name in students}
        expected = {}
        with ProcessPoolExecutor(chosen.n_process, spawn) as pool:
            for number, checked in enumerate(pool.map(read_group, jobs, chunksize=4)):
                name, first, found, findings = checked
                expected[name, first] = found
                total = totals[name]
                total.counts.update(findings.counts)
                total.wrong += findings.wrong
                for key, value in findings.largest.items():
                    total.measure(key, value)
                if number % 20 == 0:
                    done = {name: dict(total.counts) for name, total in totals.items()}
                    wrong = [problem for total in totals.values() for problem in total.wrong]
                    print(f"{number}/{len(jobs)} {perf_counter() - start:.0f} s", file=sys.stderr)
                    print(done, wrong[:5], file=sys.stderr, flush=True)
        # New processes, with other groups before these.
        again = [job for job in jobs if job[2] // GROUP % 5 == 0][::-1]
        n_other = 0
        with ProcessPoolExecutor(chosen.n_process, spawn) as pool:
            for name, first, found in pool.map(read_again, again, chunksize=4):
                n_other += found != expected[name, first]
        giants = {}
        for name in () if chosen.small else ("float32", "int8"):
            for kind in ("a token of a million characters", "a million tokens"):
                with ProcessPoolExecutor(1, spawn) as pool:
                    path = str(Path(folder) / name)
                    giants[f"{kind}, {name}"] = pool.submit(measure_giant, path, kind).result()
        refused = 0
        for text in LONE_SURROGATES:
            try:
                students["int8"](text)
            except UnicodeEncodeError:
                refused += 1
    result = {
        "documents": chosen.documents,
        "kernels": kernels.in_use,
        "students": {
            name: {
                "counts": dict(sorted(total.counts.items())),
                "largest": dict(sorted(total.largest.items())),
                "wrong": total.wrong[:20],
            }
            for name, total in totals.items()
        },
        "groups_in_other_processes": {"read": len(again), "different": n_other},
        "giants": giants,
        "lone_surrogates": {"texts": len(LONE_SURROGATES), "refused_by_spacy": refused},
        "processors": os.cpu_count(),
        "seconds": round(perf_counter() - start, 1),
    }
    print(json.dumps(result, indent=1))
    keep(chosen.output, "any_text", result)
    is_wrong = any(total.counts["wrong"] for total in totals.values())
    is_wrong = is_wrong or any(giant["wrong"] for giant in giants.values())
    return 1 if is_wrong or n_other else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
