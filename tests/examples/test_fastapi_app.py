"""The example app, in a server of its own, over HTTP, and its parts."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import spacy
from spacy.language import Language

httpx = pytest.importorskip("httpx", reason="httpx is not installed (extra: test)")
pytest.importorskip("fastapi", "0.165", reason="no fastapi with limits of bodies (extra: test)")
pytest.importorskip("uvicorn", reason="uvicorn is not installed (extra: test)")

APP = Path(__file__).parents[2] / "examples" / "fastapi_app"
# How long the server may take for anything, on a machine that has other things to do.
DEADLINE = 1800


@pytest.fixture(scope="module")
def student(two_names, tmp_path_factory):
    """The folder of a student with a name and a version."""
    two_names.meta.update(name="names", version="1.2.3")
    folder = tmp_path_factory.mktemp("student")
    two_names.to_disk(folder)
    return folder


def serve(student, log):
    """RETURNS (Tuple[Popen, str]): The server's process, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(APP), "app:app"]
    command += ["--port", str(port), "--log-level", "warning"]
    environment = {**os.environ, "STUDENT": str(student), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    return process, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def server(student, tmp_path_factory):
    """The process, and a client that asks it."""
    log_path = tmp_path_factory.mktemp("server") / "log.txt"
    with log_path.open("w") as log:
        process, address = serve(student, log)
        try:
            with httpx.Client(base_url=address, timeout=DEADLINE) as client:
                wait_for(client, process, log_path)
                yield process, client
        finally:
            process.terminate()
            process.wait(timeout=DEADLINE)


def wait_for(client, process, log_path):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        assert process.poll() is None, log_path.read_text()
        try:
            if client.get("/health").json() == {"status": "ok"}:
                return
        except httpx.ConnectError:
            # Nobody listens yet. Until the next attempt, the process may end, which it should not.
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)
    raise TimeoutError(log_path.read_text())


@pytest.fixture
def ask(server):
    """RETURNS (List[List[Dict]]): The entities of texts, as the server finds them."""
    _, client = server

    def entities(*texts):
        response = client.post("/entities", json={"texts": texts})
        assert response.status_code == 200, response.text
        return response.json()["entities"]

    return entities


def test_entities_of_each_text_with_offsets_and_confidence(ask):
    text = "Anna Berg sails to Oslo ."
    (found,) = ask(text)
    assert [(ent["text"], ent["label"]) for ent in found] == [("Anna Berg", "PER"), ("Oslo", "LOC")]
    for ent in found:
        assert text[ent["start"] : ent["end"]] == ent["text"]
        assert 0 < ent["confidence"] <= 1


def test_what_comes_over_http_is_what_the_student_finds(ask, student):
    nlp = spacy.load(student)
    texts = [
        "Anna Berg sails to Kiel .",
        "",
        "  \n",
        "🧑‍🚀 é Anna Berg",
        "安娜住在奥斯陆。",
        "Oslo Oslo .",
    ]
    found = [[(ent["start"], ent["end"], ent["label"]) for ent in ents] for ents in ask(*texts)]
    expected = [
        [(ent.start_char, ent.end_char, ent.label_) for ent in nlp(text).ents] for text in texts
    ]
    assert found == expected and found[1] == [] and found[3]
    assert ask() == []


def test_requests_at_once_get_the_answers_that_they_get_one_by_one(ask):
    """Each with words that no other has, which are freed when it is done."""
    requests = [[f"Anna{i} Berg{i}x{j} sails to Oslo ." for j in range(20)] for i in range(24)]
    one_by_one = [ask(*texts) for texts in requests]
    with ThreadPoolExecutor(8) as threads:
        at_once = list(threads.map(lambda texts: ask(*texts), requests * 2))
    # Sums of a matrix product depend on the other texts of a batch, in the last digits.
    for found, expected in zip(at_once, one_by_one * 2, strict=True):
        for ents, others in zip(found, expected, strict=True):
            assert ents == [
                {**ent, "confidence": pytest.approx(ent["confidence"])} for ent in others
            ]
    assert any(ents for answer in one_by_one for ents in answer)


@pytest.mark.parametrize(
    "body, place, told",
    [
        ({"texts": ["x" * 100_001]}, ["body", "texts", 0], "at most 100000 characters"),
        ({"texts": ["x"] * 257}, ["body", "texts"], "at most 256 items"),
        ({"texts": "Anna"}, ["body", "texts"], "valid list"),
        ({"texts": [None]}, ["body", "texts", 0], "valid string"),
        ({"texts": ["half of a pair: \ud83e"]}, ["body", "texts", 0], "valid string"),
        ({}, ["body", "texts"], "required"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line(server, body, place, told):
    _, client = server
    response = client.post(
        "/entities", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert problem["loc"] == place and told in problem["msg"]
    assert len(response.content) < 300


@pytest.mark.parametrize(
    "content, status, told",
    [
        (b"", 422, "required"),
        (b'{"texts": ["Anna"', 422, "JSON decode error"),
        (b'{"texts": ["\xff"]}', 400, "parsing the body"),
        (b"[" * 100_000, 400, "parsing the body"),
        (b'{"texts": ["' + b"x" * 2**21 + b'"]}', 413, "Too Large"),
    ],
)
def test_a_body_that_is_no_request_is_refused(server, content, status, told):
    _, client = server
    headers = {"Content-Type": "application/json"}
    response = client.post("/entities", content=content, headers=headers)
    assert response.status_code == status and told in response.text
    # Of no announced length.
    response = client.post("/entities", content=iter([content]), headers=headers)
    assert response.status_code == status and told in response.text
    assert len(response.content) < 300


@pytest.fixture(scope="module")
def app():
    """The module of the app, in this process."""
    spec = spec_from_file_location("fastapi_app", APP / "app.py")
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def found_by(app):
    """Ask a reader several things at once. RETURNS (List): Its answers and errors."""

    async def ask_all(nlp, requests):
        reader = app.Reader(nlp)
        asked = [asyncio.create_task(reader.find_entities(texts)) for texts in requests]
        await asyncio.sleep(0)  # until all of them wait
        reading = asyncio.create_task(reader.run())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        reading.cancel()
        return answers

    return lambda nlp, requests: asyncio.run(ask_all(nlp, requests))


def test_what_is_too_much_is_refused(app, found_by, student):
    nlp = spacy.load(student, config={"components.ner_student.confidence": True})
    answers = found_by(nlp, [["Oslo ."]] * (app.MAX_WAITING + 2))
    assert [type(answer) for answer in answers[-2:]] == [asyncio.QueueFull] * 2
    assert all(answer.entities == answers[0].entities for answer in answers[:-2])


def test_an_error_in_one_request_is_none_in_the_others(found_by, student):
    nlp = spacy.load(student, config={"components.ner_student.confidence": True})
    nlp.add_pipe("fails_on_kiel")
    oslo, kiel, empty = found_by(nlp, [["Oslo ."], ["Oslo .", "Kiel ."], []])
    assert [ent.text for ent in oslo.entities[0]] == ["Oslo"]
    assert isinstance(kiel, RuntimeError) and empty.entities == []


@Language.component("fails_on_kiel")
def fails_on_kiel(doc):
    if doc.text == "Kiel .":
        raise RuntimeError("Kiel")
    return doc


def test_it_says_which_student_it_is(server):
    _, client = server
    assert client.get("/model").json() == {
        "name": "xx_names",
        "version": "1.2.3",
        "labels": ["LOC", "PER"],
    }
    paths = client.get("/openapi.json").json()["paths"]
    assert paths.keys() == {"/entities", "/model", "/health"}


def test_it_does_not_grow(server, ask):
    """With 60,000 words that it never saw; without the memory zone it grew by 40 MB."""
    psutil = pytest.importorskip("psutil", reason="psutil is not installed (extra: test)")
    process = psutil.Process(server[0].pid)

    def read(start):
        for i in range(start, start + 50):
            ask(*(f"Anna{i}x{j} sails to Oslo{i}y{j} again{i}z{j} ." for j in range(200)))
        return process.memory_info().rss / 1e6

    before = read(0)
    after = [read(start) for start in (50, 100)]
    # The table of word forms grows up to 24 MB.
    assert max(after) - before < 25, (before, after)


def test_a_student_that_is_not_there_stops_the_server(tmp_path):
    with (tmp_path / "log.txt").open("w") as log:
        process, _ = serve(tmp_path / "nothing", log)
        assert process.wait(timeout=DEADLINE) != 0
    assert "nothing" in (tmp_path / "log.txt").read_text()
