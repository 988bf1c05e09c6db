"""Everything that the commands do can be imported: a notebook's way from a teacher to a report."""

import io
from importlib.metadata import version

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from thinc.api import Config

import spacy_distill
from spacy_distill import TeacherOptions, load_teacher, make_config

pytest.importorskip("pyarrow", reason="soft corpora are parquet")
pytest.importorskip("matplotlib", reason="reports have pictures")

TEXTS = ["Anna sails to Oslo", "It rains", "Kiel or Oslo", "Nobody sails to Kiel"] * 3
OPTIONS = TeacherOptions(assumed_confidence=0.95, label_map={"GPE": "LOC"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A teacher of rules, text, labeled documents and word vectors."""
    folder = tmp_path_factory.mktemp("api")
    teacher = spacy.blank("en")
    patterns = [{"label": "GPE", "pattern": name} for name in ("Oslo", "Kiel")]
    teacher.add_pipe("entity_ruler").add_patterns(patterns)
    teacher.to_disk(folder / "teacher")
    (folder / "text.txt").write_text("\n".join(TEXTS))
    docs = []
    for text in TEXTS:
        doc = Doc(teacher.vocab, words=text.split())
        places = [token.i for token in doc if token.text in ("Oslo", "Kiel")]
        doc.set_ents([Span(doc, i, i + 1, label="LOC") for i in places])
        docs.append(doc)
    DocBin(docs=docs).to_disk(folder / "labeled.spacy")
    words = dict.fromkeys(word for text in TEXTS for word in text.split())
    rows = [f"{word} {i} {i % 3 + 1} 1" for i, word in enumerate(words)]
    (folder / "words.txt").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def student(folder):
    """A student of a soft corpus, compact; the corpus is named once."""
    manifest = spacy_distill.annotate(
        str(folder / "teacher"),
        str(folder / "text.txt"),
        folder / "soft",
        teacher_options=OPTIONS,
        stderr=io.StringIO(),
    )
    assert manifest.labels == ["LOC"] and manifest.complete
    nlp = spacy_distill.make_vectors([folder / "words.txt"], lang="en")
    nlp.to_disk(folder / "vectors")
    config = Config().from_str(make_config("soft", size="small"), interpolate=False)
    return spacy_distill.distill(
        folder / "soft",
        config,
        folder / "training",
        overrides={
            "paths.dev": str(folder / "labeled.spacy"),
            "paths.vectors": str(folder / "vectors"),
            "components.ner_student.model.encode.width": 32,
            "distillation.max_steps": 40,
            "training.eval_frequency": 20,
            "training.logger.progress_bar": False,
        },
        compact=True,
        calibrate=False,
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )


def test_all_names_are_there():
    functions = set(spacy_distill.__all__) - {"__version__"}
    assert functions == {
        *spacy_distill.LAZY,
        "NERStudent",
        "NERTeacher",
        "add_confidence_extension",
    }
    for name in functions:
        assert callable(getattr(spacy_distill, name)), name
    assert spacy_distill.__version__ == version("spacy-distill")
    assert set(spacy_distill.__all__) <= set(dir(spacy_distill))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        spacy_distill.nothing  # noqa: B018


def test_a_teacher_is_loaded_by_its_name_alone(folder):
    assert load_teacher(str(folder / "teacher"), OPTIONS).labels == ("LOC",)


def test_a_student_learns_from_a_soft_corpus_that_is_named_once(folder, student):
    assert [ent.text for ent in student("Anna sails to Oslo").ents] == ["Oslo"]
    config = student.config["corpora"]["distillation"]
    assert config["path"] == str(folder / "soft")
    assert student.get_pipe("ner_student").cfg["temperature"] == 1


def test_another_soft_corpus_is_refused(folder, student):
    config = Config().from_str(make_config("soft"), interpolate=False)
    overrides = {"corpora.distillation.path": str(folder / "elsewhere")}
    with pytest.raises(ValueError, match=r"D299.*soft'.*elsewhere'"):
        spacy_distill.distill(folder / "soft", config, overrides=overrides)


def test_a_compact_student_has_its_vectors_in_the_component(folder, student):
    for nlp in (student, spacy.load(folder / "training" / "model-best")):
        assert not nlp.vocab.vectors.n_keys
        assert [ent.text for ent in nlp("Anna sails to Oslo").ents] == ["Oslo"]


def test_a_student_without_vectors_cannot_be_made_compact(folder, student):
    config = Config().from_str(make_config("soft"), interpolate=False)
    overrides = {"paths.dev": str(folder / "labeled.spacy"), "distillation.max_steps": 1}
    with pytest.raises(ValueError, match=r"D612"):
        spacy_distill.distill(folder / "soft", config, overrides=overrides, compact=True)


def test_a_student_is_calibrated(folder, student):
    nlp = spacy.load(folder / "training" / "model-best")
    examples = list(spacy.training.Corpus(folder / "labeled.spacy")(nlp))
    temperature = spacy_distill.calibrate(nlp, examples, stderr=io.StringIO())
    assert nlp.get_pipe("ner_student").cfg["temperature"] == temperature != 1


def test_a_card_and_a_report_are_written(folder, student, tmp_path):
    model, labeled = folder / "training" / "model-best", folder / "labeled.spacy"
    meta = spacy_distill.write_card(model, labeled, tmp_path / "packaged", name="places")
    assert meta["performance"]["ents_f"] > 0.9 and meta["name"] == "places"
    assert "# en_places" in (tmp_path / "packaged" / "README.md").read_text()
    found = spacy_distill.report(
        tmp_path / "packaged",
        labeled,
        tmp_path / "report",
        teacher=str(folder / "teacher"),
        teacher_options=OPTIONS,
        rounds=0,
        resamples=100,
    )
    scores = {system["role"]: system["scores"]["f1"]["value"] for system in found["systems"]}
    assert scores.keys() == {"student", "teacher"} and scores["teacher"] == 1
    assert (tmp_path / "report" / "index.html").exists()


def test_a_pipeline_is_made_compact(folder):
    nlp = spacy.load(folder / "vectors")
    nlp.add_pipe("ner_student", config={"model": {"encode": {"width": 8, "depth": 1}}})
    nlp.get_pipe("ner_student").add_label("LOC")
    nlp.initialize()
    small = spacy_distill.compact(nlp, prune=2, bits=16)
    assert nlp.vocab.vectors.n_keys and not small.vocab.vectors.n_keys


@pytest.mark.parametrize("function", ["write_card", "report"])
def test_folders_of_others_are_not_replaced(folder, tmp_path, function):
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="D722"):
            getattr(spacy_distill, function)(
                folder / "teacher", folder / "labeled.spacy", tmp_path, overwrite=overwrite
            )
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("options", [{"labels": "LOC"}, {"label_map": "PERSON=PER"}])
def test_options_are_no_strings(options):
    with pytest.raises(ValueError, match="D224"):
        TeacherOptions(**options)


def test_no_entity_is_no_label(folder):
    with pytest.raises(ValueError, match=r"D223.*'O'"):
        load_teacher(str(folder / "teacher"), TeacherOptions(label_map={"GPE": "O"}))
