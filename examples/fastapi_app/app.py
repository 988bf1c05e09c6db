"""A student behind HTTP:

STUDENT=en_ner_student uvicorn --app-dir examples/fastapi_app app:app
"""

import os
from contextlib import asynccontextmanager
from threading import Lock
from typing import Annotated, List, Optional

import spacy
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

# A package's name or a folder.
STUDENT = os.environ.get("STUDENT", "en_ner_student")
COMPONENT = "ner_student"
MAX_TEXTS = 256
MAX_CHARACTERS = 100_000


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


@asynccontextmanager
async def lifespan(app: FastAPI):
    # Once, before the first request is let in: a student that is not there stops the server here.
    app.state.nlp = spacy.load(STUDENT, config={f"components.{COMPONENT}.confidence": True})
    # Two memory zones at once on one pipeline are an error: the one that ends first frees strings
    # of the other. So requests take turns. Most of the work holds Python's own lock anyway; more
    # cores are used by more processes (`uvicorn --workers`).
    app.state.turn = Lock()
    yield


app = FastAPI(title="Entities", lifespan=lifespan)


@app.exception_handler(RequestValidationError)
async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
    """Say what is wrong with a request, as FastAPI does, but do not send all its text back."""
    problems = [{key: item[key] for key in ("type", "loc", "msg")} for item in error.errors()]
    return JSONResponse({"detail": problems}, status_code=422)


# Not `async def`: FastAPI runs it in a thread, and /health is answered meanwhile.
@app.post("/entities")
def find_entities(request: Request, body: Texts) -> Entities:
    """Find the entities of texts."""
    nlp = request.app.state.nlp
    # What is new in the texts, words above all, is freed at the end of the zone, and the process
    # does not grow. Documents are of no use after that, so what is wanted of them is copied here.
    with request.app.state.turn, nlp.memory_zone():
        return Entities(entities=[_entities(doc) for doc in nlp.pipe(body.texts)])


@app.get("/model")
def describe(request: Request) -> Model:
    """Say which student this is."""
    nlp = request.app.state.nlp
    return Model(
        name=f"{nlp.meta['lang']}_{nlp.meta['name']}",
        version=nlp.meta["version"],
        labels=list(nlp.get_pipe(COMPONENT).labels),
    )


@app.get("/health")
async def health() -> Health:
    """Say that the student is loaded."""
    return Health(status="ok")


def _entities(doc) -> List[Entity]:
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
