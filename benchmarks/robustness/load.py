"""Put a server with the FastAPI example under load:

python -m benchmarks.robustness.load training/packaged --text sentences.txt

Clients on this machine send a text and its first words, of which some are replaced by words that no
other request has, each one request after the other. Every answer is compared with what the student
finds in this process.
"""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import mean
from threading import Event, Thread
from time import monotonic, perf_counter, sleep
from typing import Annotated, Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
import psutil
import spacy
import typer
from wasabi import msg

from benchmarks.commands import ROOT, provenance, read_json
from benchmarks.pages import keep

START = 300.0  # seconds until the server has to be there
# New words that are sent before anything is measured, so that the table of word forms is full.
WARM_UP_WORDS, WORDS_PER_TEXT = 100_000, 2_000
# The number of words in the second text of a request.
FIRST_WORDS = 5
# Confidences differ by rounding.
ROUNDING = 1e-5
HEADERS = {"Content-Type": "application/json"}


class Request(NamedTuple):
    """When a request ended, how long it took, and what was wrong with the answer."""

    ended: float
    seconds: float
    error: Optional[str]


class Client:
    """Sends requests over one connection until it is stopped."""

    def __init__(
        self, port: int, texts: List[str], expected: List[Any], seed: int, share: float
    ) -> None:
        """share (float): The share of new words among all that are sent. Only the second text has
        some, so longer texts have fewer."""
        self.requests: List[Request] = []
        self.n_words = self.n_new = 0
        self._share = share
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._texts, self._expected, self._seed = texts, expected, seed

    def run(self, stop: Event) -> None:
        rng = random.Random(self._seed)
        for number in count():
            if stop.is_set():
                return
            index = rng.randrange(len(self._texts))
            text = self._texts[index]
            words = text.split()
            first = words[:FIRST_WORDS]
            self.n_words += len(words) + len(first)
            for place in range(min(len(first), round(self.n_words * self._share) - self.n_new)):
                first[place] += f"{self._seed}x{number}"
                self.n_new += 1
            start = perf_counter()
            error = self._ask([text, " ".join(first)], self._expected[index])
            self.requests.append(Request(monotonic(), perf_counter() - start, error))

    def _ask(self, texts: List[str], expected: Any) -> Optional[str]:
        try:
            self._connection.request("POST", "/entities", json.dumps({"texts": texts}), HEADERS)
            response = self._connection.getresponse()
            content = response.read()
        except OSError as error:
            self._connection.close()
            return repr(error)
        if response.status != 200:
            return f"{response.status} {content[:100]!r}"
        found = json.loads(content)["entities"][0]
        return None if is_same(found, expected) else f"{found} instead of {expected}"


def is_same(found: List[Dict[str, Any]], expected: List[Dict[str, Any]]) -> bool:
    """Compare entities, and their confidences up to rounding."""
    return len(found) == len(expected) and all(
        {**one, "confidence": 0} == {**other, "confidence": 0}
        and abs(one["confidence"] - other["confidence"]) < ROUNDING
        for one, other in zip(found, expected, strict=True)
    )


def main(
    student: Annotated[Path, typer.Argument(help="The student's folder", exists=True)],
    text: Annotated[Path, typer.Option(help="A text file, a document a line", exists=True)],
    clients: Annotated[int, typer.Option(min=1, help="Number of clients at once")] = 16,
    seconds: Annotated[float, typer.Option(help="Duration after the warm-up")] = 300,
    warm_up: Annotated[float, typer.Option(help="Duration of the warm-up in seconds")] = 30,
    new_words: Annotated[
        float, typer.Option(min=0, max=15, help="Words that are new to the server, in percent")
    ] = 1.0,
    app: Annotated[Path, typer.Option(help="Folder of app.py")] = ROOT / "examples/fastapi_app",
    python: Annotated[
        Path, typer.Option(help="Python of the server, such as one without torch")
    ] = Path(sys.executable),
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure latency, throughput and memory, and print them."""
    texts = [line for line in text.read_text(encoding="utf8").splitlines() if line.strip()][:1000]
    expected = entities_of(student, texts)
    with serve(python, app, student) as (process, port):
        fill(port)
        share = new_words / 100
        users = [Client(port, texts, expected, seed, share) for seed in range(clients)]
        stop = Event()
        threads = [Thread(target=user.run, args=(stop,)) for user in users]
        for thread in threads:
            thread.start()
        try:
            watch(process, port, warm_up)
            start, before = monotonic(), process.cpu_times()
            memory, health = watch(process, port, seconds)
            end, after = monotonic(), process.cpu_times()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    measured = [r for user in users for r in user.requests if start <= r.ended <= end]
    errors = [r.error for user in users for r in user.requests if r.error]
    latencies = 1000 * numpy.array([request.seconds for request in measured])
    # The first and the last tenth of the time.
    tenth = max(len(memory) // 10, 1)
    first, last = mean(memory[:tenth]), mean(memory[-tenth:])
    processor = after.user + after.system - before.user - before.system
    found = {
        "wanted_percent": new_words,
        "new_words_percent": round(
            100 * sum(user.n_new for user in users) / sum(user.n_words for user in users), 1
        ),
        "clients": clients,
        "seconds": round(end - start),
        "requests": len(measured),
        "errors": len(errors),
        "requests_per_second": round(len(measured) / (end - start), 1),
        "milliseconds": {
            f"p{q}": round(float(numpy.percentile(latencies, q)), 1) for q in (50, 95, 99)
        },
        "server_milliseconds_per_request": round(1000 * processor / len(measured), 2),
        "new_words": sum(user.n_new for user in users),
        "megabytes": {"after_warm_up": round(first, 1), "at_the_end": round(last, 1)},
        "megabytes_every_ten_seconds": [round(size, 1) for size in memory[::10]],
        "growth_percent": round(100 * (last / first - 1), 2),
        "slowest_health_check_milliseconds": round(1000 * max(health), 1),
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps(found, indent=1))
    known = read_json(output) if output is not None and output.exists() else {}
    runs = known.get("load", {}).get("runs", [])
    runs = [run for run in runs if run["wanted_percent"] != new_words]
    runs.append({**found, "made_with": provenance()})
    keep(output, "load", {"runs": sorted(runs, key=lambda run: run["wanted_percent"])})
    if errors:
        msg.fail(f"{len(errors)} errors", "\n".join(map(str, errors[:5])), exits=1)


def entities_of(student: Path, texts: List[str]) -> List[Any]:
    """Find entities in this process, as the server returns them."""
    nlp = spacy.load(student, config={"components.ner_student.confidence": True})
    return [
        [
            {
                "text": ent.text,
                "label": ent.label_,
                "start": ent.start_char,
                "end": ent.end_char,
                "confidence": ent._.confidence,
            }
            for ent in doc.ents
        ]
        for doc in nlp.pipe(texts)
    ]


@contextmanager
def serve(python: Path, app: Path, student: Path) -> Iterator[Tuple[psutil.Process, int]]:
    """Start a server on the loopback address.

    YIELDS (Tuple[Process, int]): Its process and port.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(python), "-m", "uvicorn", "--app-dir", str(app), "app:app"]
    command += ["--port", str(port), "--log-level", "warning"]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, **threads, "STUDENT": str(student.absolute())}
    started = subprocess.Popen(command, env=environment)
    process = psutil.Process(started.pid)
    try:
        end = monotonic() + START
        while not is_healthy(port):
            if started.poll() is not None or monotonic() > end:
                msg.fail("The server does not start", exits=1)
            sleep(0.2)
        yield process, port
    finally:
        started.terminate()
        started.wait(timeout=60)


def fill(port: int) -> None:
    """Send words that the server has never seen."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START)
    for start in range(0, WARM_UP_WORDS, WORDS_PER_TEXT):
        text = " ".join(f"Fill{number}" for number in range(start, start + WORDS_PER_TEXT))
        connection.request("POST", "/entities", json.dumps({"texts": [text]}), HEADERS)
        response = connection.getresponse()
        if response.status != 200:
            msg.fail(f"The server answers {response.status}", exits=1)
        response.read()
    connection.close()


def is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def watch(process: psutil.Process, port: int, seconds: float) -> Tuple[List[float], List[float]]:
    """Look at a server once a second. RETURNS (Tuple[List[float], List[float]]): Its resident
    memory in MB, and the seconds of its health checks."""
    memory, health = [], []
    end = monotonic() + seconds
    while monotonic() < end:
        start = perf_counter()
        if not is_healthy(port):
            msg.fail("The server is not healthy", exits=1)
        health.append(perf_counter() - start)
        memory.append(process.memory_info().rss / 1e6)
        sleep(1)
    return memory, health


if __name__ == "__main__":
    typer.run(main)
