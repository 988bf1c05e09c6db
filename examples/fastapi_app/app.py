"""A student behind HTTP:

STUDENT=en_ner_student uvicorn --app-dir examples/fastapi_app app:app
"""

import asyncio
import os
from contextlib import asynccontextmanager
from itertools import islice
from typing import Annotated, List, NamedTuple, Optional, Sequence

import spacy
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from spacy.language import Language
from spacy.tokens import Doc

# A package's name or a folder.
STUDENT = os.environ.get("STUDENT", "en_ner_student")
COMPONENT = "ner_student"
MAX_TEXTS = 256
MAX_CHARACTERS = 100_000
MAX_BODY = 2 * 1024 * 1024
# The number of requests that may wait for the reader.
MAX_WAITING = 128


class Texts(BaseModel):
    texts: Annotated[
        List[Annotated[str, Field(max_length=MAX_CHARACTERS)]], Field(max_length=MAX_TEXTS)
    ]


class Entity(BaseModel):
    text: str
    label: str
    start: int = Field(description="Where it starts in the text, in Unicode characters")
    end: int = Field(description="Where it ends: the character after its last one")
    confidence: Optional[float] = Field(
        description="How probable it is; null for entities of other components"
    )


class Entities(BaseModel):
    entities: List[List[Entity]] = Field(description="Of each text, in the order of the texts")


class Model(BaseModel):
    name: str
    version: str
    labels: List[str]


class Health(BaseModel):
    status: str


class Waiting(NamedTuple):
    texts: List[str]
    answer: "asyncio.Future[Entities]"


class Reader:
    """Reads the texts of all requests in one thread, one batch after the other.

    Memory zones of one pipeline must not overlap: the zone that ends first frees strings of the
    other. All requests that wait are read in one zone, which is faster than a zone for each.
    """

    def __init__(self, nlp: Language) -> None:
        self._nlp = nlp
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue(MAX_WAITING)

    async def find_entities(self, texts: List[str]) -> Entities:
        """Raises QueueFull if too many requests wait."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(Waiting(texts, answer))
        return await answer

    async def run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            size = sum(map(len, batch[0].texts))
            while size < MAX_CHARACTERS and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
                size += sum(map(len, batch[-1].texts))
            await self._answer(batch)

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        try:
            # /health is answered meanwhile.
            found = await asyncio.to_thread(self._read, batch)
        except Exception as error:
            if len(batch) > 1:  # an error in one request is no error in the others
                for waiting in batch:
                    await self._answer([waiting])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
        else:
            for waiting, entities in zip(batch, found, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(entities)

    def _read(self, batch: Sequence[Waiting]) -> List[Entities]:
        # What is new in the texts, words above all, is freed at the end of the zone, and so are the
        # documents. So what is wanted of them is copied here.
        with self._nlp.memory_zone():
            docs = self._nlp.pipe(text for waiting in batch for text in waiting.texts)
            return [
                Entities(entities=[_entities(doc) for doc in islice(docs, len(waiting.texts))])
                for waiting in batch
            ]


@asynccontextmanager
async def lifespan(app: FastAPI):
    # Once, before the first request is let in: a student that is not there stops the server here.
    nlp = spacy.load(STUDENT, config={f"components.{COMPONENT}.confidence": True})
    app.state.nlp = nlp
    app.state.reader = Reader(nlp)
    app.state.reading = asyncio.create_task(app.state.reader.run())
    yield
    app.state.reading.cancel()


app = FastAPI(title="Entities", lifespan=lifespan, max_body_size=MAX_BODY)


@app.exception_handler(RequestValidationError)
async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
    """Say what is wrong with a request, as FastAPI does, but do not send all its text back."""
    problems = [{key: item[key] for key in ("type", "loc", "msg")} for item in error.errors()]
    return JSONResponse({"detail": problems}, status_code=422)


@app.post("/entities")
async def find_entities(request: Request, body: Texts) -> Entities:
    """Find the entities of texts."""
    try:
        return await request.app.state.reader.find_entities(body.texts)
    except asyncio.QueueFull:
        raise HTTPException(
            503, "Too many requests are waiting. Try again later.", {"Retry-After": "1"}
        ) from None


@app.get("/model")
async def describe(request: Request) -> Model:
    """Say which student this is."""
    nlp = request.app.state.nlp
    return Model(
        name=f"{nlp.meta['lang']}_{nlp.meta['name']}",
        version=nlp.meta["version"],
        labels=list(nlp.get_pipe(COMPONENT).labels),
    )


@app.get("/health")
async def health(request: Request) -> Health:
    """Say that the student is loaded and reads."""
    if request.app.state.reading.done():
        raise HTTPException(503, "The reader has stopped. Restart the server.")
    return Health(status="ok")


def _entities(doc: Doc) -> List[Entity]:
    return [
        Entity(
            text=ent.text,
            label=ent.label_,
            start=ent.start_char,
            end=ent.end_char,
            confidence=ent._.confidence,
        )
        for ent in doc.ents
    ]
