"""`spacy project run quick`, small: a student of spaCy's own `ner`, next to its teacher."""

import io

import compare
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Adam, fix_random_seed
from typer.testing import CliRunner

from benchmarks.commands import ROOT
from spacy_distill import distill
from spacy_distill.evaluation import speed

TOK2VEC = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 96,
        "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
        "rows": [5000, 1000, 2500, 2500],
        "include_static_vectors": False,
    },
    "encode": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 96,
        "depth": 1,
        "window_size": 1,
        "maxout_pieces": 2,
    },
}
TEXTS = [
    f"{person} sails to {place} .\nIt rains ."
    for person in ("Anna Berg", "Carl Lund", "Maria Holm")
    for place in ("Oslo", "Kiel", "Turku", "Bergen")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a teacher whose tables are like those of spaCy's small pipelines, and text."""
    folder = tmp_path_factory.mktemp("quick")
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner", config={"model": {"tok2vec": TOK2VEC}})
    examples = []
    for text in TEXTS:
        person, place = text.split(" sails to ")[0], text.split()[4]
        spans = [
            (text.index(name), text.index(name) + len(name), label)
            for name, label in ((person, "PERSON"), (place, "GPE"))
        ]
        examples.append(Example.from_dict(nlp.make_doc(text), {"entities": spans}))
    nlp.initialize(lambda: examples)
    for _ in range(15):
        nlp.update(examples, sgd=Adam(0.005))
    nlp.to_disk(folder / "teacher")
    DocBin(docs=[nlp.make_doc(text) for text in TEXTS]).to_disk(folder / "texts.spacy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "LEAST_SECONDS", 0.0)
        distill(
            folder / "teacher",
            ROOT / "configs" / "quick.cfg",
            folder / "quick",
            text=str(folder / "texts.spacy"),
            overrides={"paths.tables": str(folder / "teacher"), "distillation.max_steps": 20},
            stdout=io.StringIO(),
            stderr=io.StringIO(),
        )
    return folder


def test_teacher_and_student_are_shown(folder):
    app = compare.typer.Typer()
    app.command()(compare.main)
    paths = [folder / "teacher", folder / "quick" / "student", folder / "texts.spacy"]
    result = CliRunner().invoke(app, [*map(str, paths), "--shown", "1", "--rounds", "1"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "Anna Berg sails to Oslo ." in lines and "It rains ." not in lines
    assert "  teacher: Anna Berg (PERSON), Oslo (GPE)" in lines
    assert any(line.startswith("  student: ") for line in lines)
    (row,) = (line for line in lines if line.startswith("student "))
    assert row.split()[1].replace(",", "").isdigit()
    assert "In 12 texts, the student agrees with its teacher at an F1 of" in " ".join(lines)


def test_a_teacher_is_loaded_with_what_its_entities_need(folder):
    nlp = compare.load_reader(str(folder / "teacher"))
    assert nlp.pipe_names == ["ner"]


def test_agreement_is_the_f1_of_the_students_entities(folder):
    teacher = spacy.load(folder / "teacher")
    docs = list(teacher.pipe(TEXTS))
    half = [teacher.make_doc(doc.text) for doc in docs]
    for doc, right in zip(half, docs, strict=True):
        doc.ents = [spacy.tokens.Span(doc, e.start, e.end, e.label_) for e in right.ents[:1]]
    assert compare.agreement(docs, docs) == 1.0
    assert compare.agreement(docs, half) == pytest.approx(2 / 3)
