"""Write the golden files of this version:

python -m tests.golden.write
"""

import json
import shutil
from contextlib import chdir
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy
import spacy
from spacy.tokens import Span
from spacy.training import Example
from spacy.vectors import Vectors
from thinc.api import Adam, fix_random_seed

from spacy_distill import annotate, compact
from tests.golden.read import FOLDER, read_soft, read_student

TEXTS = [
    "Anna Berg sails to Oslo .",
    "In Kiel , Ole Lund met Ida Moe .",
    "Oslo and Bergen lie in Norway .",
    "Nobody sails at night .",
    "Ole Lund never saw Bergen .",
    "Ida sails to Kiel with Anna Berg",
    "",
]
PERSONS = ["Anna Berg", "Ole Lund", "Ida Moe", "Ida"]
PLACES = ["Oslo", "Kiel", "Bergen", "Norway"]
# The other precision of the BiLSTM is a setting, which changes no file.
MODEL = {
    "embed": {
        "vectors": {"@architectures": "spacy-distill.WordVectors.v1"},
        "features": {"width": 4, "rows": {"SHAPE": 40, "SUFFIX": 40}},
        "characters": {"filters": 8, "width": 4},
    },
    "encode": {"width": 12, "depth": 2},
}


def make_student() -> spacy.language.Language:
    """Train a student that uses all kinds of layers."""
    fix_random_seed(0)
    nlp = spacy.blank("xx", meta={"name": "golden", "version": version("spacy-distill")})
    words = sorted({word for text in TEXTS for word in text.split()})
    data = numpy.random.default_rng(0).normal(size=(len(words), 16)).astype("float32")
    keys = [nlp.vocab.strings.add(word) for word in words]
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=keys)
    config = {"confidence": True, "spans_key": "likely", "model": MODEL}
    student = nlp.add_pipe("ner_student", config=config)
    examples = [example(nlp, text) for text in TEXTS]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    student.cfg["temperature"] = 1.5
    return nlp


def example(nlp: spacy.language.Language, text: str) -> Example:
    doc = nlp.make_doc(text)
    starts = {token.idx: token for token in doc}
    spans = []
    for label, names in (("PER", PERSONS), ("LOC", PLACES)):
        for name in names:
            start = text.find(name)
            while start >= 0:
                if start in starts:
                    spans.append(doc.char_span(start, start + len(name), label))
                start = text.find(name, start + 1)
    doc.set_ents([Span(doc, s.start, s.end, s.label) for s in spacy.util.filter_spans(spans)])
    return Example(nlp.make_doc(text), doc)


def write(folder: Path) -> None:
    """Write the files of a version, in the place of what is there."""
    nlp = make_student()
    students = {
        "student": nlp,
        "compact-8-bits": compact(nlp),
        "compact-2-bits": compact(nlp, bits=2),
    }
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, student in students.items():
        student.to_disk(folder / name)
    with TemporaryDirectory() as work, chdir(work):  # the manifest names the input as it is given
        lines = [json.dumps({"text": text}) for text in TEXTS]
        Path("texts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf8")
        annotate(nlp, "texts.jsonl", "soft", shard_size=100)
        shutil.copytree("soft", folder / "soft")
    expected = {
        "texts": TEXTS,
        "students": {name: read_student(folder / name, TEXTS) for name in students},
        "soft": read_soft(folder / "soft"),
    }
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (folder / "expected.json").write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    write(FOLDER / version("spacy-distill"))
