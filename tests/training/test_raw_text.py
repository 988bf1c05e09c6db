"""A student of raw text: documents held out, word vectors, a compact student with a card."""

import json
import os
import signal
from importlib import import_module

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_distill import TeacherOptions, annotate, distill
from spacy_distill.corpora.inputs import Input, InputDocument
from spacy_distill.evaluation import speed
from spacy_distill.training import raw_text
from spacy_distill.training.checkpoints import Checkpoints
from spacy_distill.training.raw_text import hold_out
from tests.tiny_bert import save_tiny_bert
from tests.training.conftest import FRAMES, PEOPLE, PLACES, make_docs

VECTORS = {"initialize": {"vectors": "${paths.vectors}"}}


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch):
    monkeypatch.setattr(speed, "LEAST_SECONDS", 0.0)


@pytest.fixture
def text(write_text):
    """A file with a document a line, in which each text occurs twice."""
    lines = [f.format(a, b) for f in FRAMES for a in PEOPLE for b in PLACES]
    return write_text("articles.txt", "\n".join(lines + lines))


@pytest.fixture
def raw(config):
    """The config of a small student, whose paths are not set."""

    def make(**paths):
        found = {"labeled": None, "unlabeled": None, "dev": None, "vectors": None, **paths}
        return config(paths=found, **VECTORS)

    return make


@pytest.fixture(scope="module")
def with_transformer(tmp_path_factory):
    """A teacher over a tiny transformer."""
    folder = tmp_path_factory.mktemp("teacher")
    nlp = spacy.blank("en")
    docs = make_docs(nlp.vocab)
    bert = save_tiny_bert(folder / "bert", {token.text for doc in docs for token in doc})
    layers = {"@architectures": "spacy-distill.TransformerLayers.v1", "name": str(bert)}
    embed = {"@architectures": "spacy-distill.LayerMix.v1", "transformer": layers}
    nlp.add_pipe("ner_teacher", config={"model": {"embed": embed}})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(folder / "pipeline")
    return folder / "pipeline"


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def documents(*texts):
    return [InputDocument(f"text:{number}", text) for number, text in enumerate(texts, 1)]


@pytest.mark.parametrize("n_texts, n_dev", [(2, 1), (14, 1), (16, 2), (200, 20), (9000, 500)])
def test_a_tenth_is_held_out_and_500_at_most(n_texts, n_dev):
    train, dev = hold_out(documents(*map(str, range(n_texts))), 0)
    assert len(dev) == n_dev and len(train) == n_texts - n_dev
    assert not {document.text for document in dev} & {document.text for document in train}


def test_the_seed_draws_the_documents():
    found = documents(*map(str, range(100)))
    assert hold_out(found, 0) == hold_out(found, 0) != hold_out(found, 1)


def test_a_text_that_occurs_twice_is_in_one_part():
    train, dev = hold_out(documents("a", "b", "a", "b"), 0)
    assert len(dev) == 1 and len(train) == 2 and dev[0].text not in {one.text for one in train}


def test_a_student_for_apps_in_one_step(quietly, with_transformer, raw, text, tmp_path):
    output = tmp_path / "output"
    overrides = {"distillation.max_steps": 60}
    quietly(str(with_transformer), raw(), output, text=str(text), overrides=overrides)
    assert {path.name for path in output.iterdir()} == {
        *(".origin.json", "model-best", "model-last", "student", "dev.spacy", "text", "vectors"),
    }
    student, best = spacy.load(output / "student"), spacy.load(output / "model-best")
    # The word vectors are of the training text, and within the student.
    train = read(output / "text" / "train.spacy")
    assert not train[0].has_annotation("ENT_IOB")
    words = {token.lower_ for doc in train for token in doc}
    assert {best.vocab.strings[key] for key in best.vocab.vectors} == words
    assert best.vocab.vectors.shape[1] == 16 and not student.vocab.vectors.n_keys
    # The development documents have the teacher's entities.
    dev = read(output / "dev.spacy")
    teacher = spacy.load(with_transformer)
    for doc in dev:
        expected = [(ent.text, ent.label_) for ent in teacher(doc.text).ents]
        assert [(ent.text, ent.label_) for ent in doc.ents] == expected
    assert sorted(doc.text for doc in dev) == sorted(
        doc.text for doc in read(output / "text" / "dev.spacy")
    )
    assert not {doc.text for doc in dev} & {doc.text for doc in train}
    # The student is calibrated, and the same as the best model.
    assert student.get_pipe("ner_student").cfg["temperature"] != 1
    for doc in dev:
        assert [ent.text for ent in student(doc.text).ents] == [
            ent.text for ent in best(doc.text).ents
        ]
    meta = json.loads((output / "student" / "meta.json").read_text())
    assert meta["performance"]["ents_f"] > 0.8
    data = f"the teacher's entities in {len(dev)} development documents"
    assert meta["evaluation"]["data"] == data
    assert data in (output / "student" / "README.md").read_text()
    assert best.config["paths"]["dev"] == str(output / "text" / "dev.spacy")
    assert "Made vectors of" in quietly.output and "student for apps" in quietly.output


def test_a_development_corpus_of_another_reader(quietly, rules, raw, text, tmp_path):
    docs = make_docs(spacy.blank("en").vocab)
    for doc in docs:
        doc.spans["gold"] = list(doc.ents)
        doc.set_ents([], default="missing")
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "spans.spacy")
    dev = {
        "@readers": "spacy-distill.MixedCorpus.v1",
        "labeled": str(tmp_path / "spans.spacy"),
        "spans_key": "gold",
    }
    config = raw().merge({"corpora": {"dev": None}}).merge({"corpora": {"dev": dev}})
    output = tmp_path / "output"
    quietly(rules, config, output, text=text)
    assert "held out" not in quietly.output and not (output / "text" / "dev.spacy").exists()
    meta = spacy.load(output / "student").meta
    assert meta["evaluation"]["data"] == "corpora.dev"
    assert meta["performance"]["ents_f"] is not None


def test_a_loaded_teacher_gives_vectors_too(quietly, with_transformer, rules, raw, text, tmp_path):
    teachers = [rules, spacy.load(with_transformer)]
    options = TeacherOptions(partial_labels=True)
    output = tmp_path / "output"
    quietly(teachers, raw(), output, text=text, compact=True, teacher_options=options)
    for name in ("model-best", "student"):
        nlp = spacy.load(output / name)
        assert not nlp.vocab.vectors.n_keys
        assert nlp.get_pipe("ner_student").labels == ("LOC", "PER")


def test_a_teacher_without_a_transformer(quietly, rules, raw, text, tmp_path):
    output = tmp_path / "output"
    source = Input(str(text), limit=20)
    quietly(rules, raw(), output, text=source, calibrate=False)
    assert "[D915] The student has no word vectors" in quietly.output
    assert not (output / "vectors").exists() and (output / "student" / "README.md").is_file()
    assert len(read(output / "text" / "train.spacy")) + len(read(output / "dev.spacy")) == 20


def test_own_development_documents_and_vectors(quietly, rules, raw, text, corpora, tmp_path):
    """Then all text is to learn from, and no vectors are made."""
    nlp = spacy.blank("xx")
    for number, place in enumerate(PLACES):
        nlp.vocab.set_vector(place.split()[0], numpy.asarray([number, 1.0, 2.0]))
    nlp.to_disk(tmp_path / "words")
    config = raw(dev=str(corpora["dev"]), vectors=str(tmp_path / "words"))
    output = tmp_path / "output"
    quietly(rules, config, output, text=text, calibrate=False)
    assert "D915" not in quietly.output
    assert {path.name for path in output.iterdir()} == {
        *(".origin.json", "model-best", "model-last", "student", "text"),
    }
    assert len(read(output / "text" / "train.spacy")) == len(text.read_text().splitlines())
    nlp = spacy.load(output / "student")
    assert not nlp.vocab.vectors.n_keys and nlp.meta["evaluation"]["data"] == "dev.spacy"


def test_a_second_run_replaces_the_first(quietly, rules, raw, text, tmp_path):
    output = tmp_path / "output"
    quietly(rules, raw(), output, text=text, calibrate=False)
    (output / "student" / "old.txt").touch()
    (output / "dev.spacy").write_bytes(b"")
    with pytest.raises(ValueError, match="D721"):
        quietly(rules, raw(), output, text=text)
    quietly(rules, raw(), output, text=text, overwrite=True, calibrate=False)
    assert not (output / "student" / "old.txt").exists() and read(output / "dev.spacy")


@pytest.mark.parametrize("name", ["dev.spacy", "text/notes.md", "vectors/readme", "student/a"])
def test_files_of_others_are_not_replaced(quietly, rules, raw, text, tmp_path, name):
    output = tmp_path / "output"
    other = output / name
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    for code, arguments in (("D769", {"overwrite": True}), ("D721", {"resume": True})):
        with pytest.raises(ValueError, match=rf"\[{code}\]"):
            quietly(rules, raw(), output, text=text, **arguments)
        assert other.read_text() == "mine"
    assert [path.name for path in output.iterdir()] == [name.partition("/")[0]]


def test_a_run_that_cannot_start_leaves_a_finished_one(
    quietly, rules, raw, text, write_text, tmp_path
):
    output = tmp_path / "output"
    quietly(rules, raw(), output, text=text, calibrate=False)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    with pytest.raises(ValueError, match=r"\[D336\]"):
        quietly(rules, raw(), output, text=write_text("one.txt", "One text ."), overwrite=True)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
    quietly(rules, raw(), output, text=text, calibrate=False, resume=True)
    assert "nothing to resume" in quietly.output


def test_what_is_read_is_not_replaced(quietly, rules, raw, text, tmp_path):
    output = tmp_path / "output"
    quietly(rules, raw(), output, text=text, calibrate=False)
    overrides = {"paths.dev": output / "dev.spacy"}
    with pytest.raises(ValueError, match=r"\[D770\] \[paths\] dev names"):
        quietly(rules, raw(), output, text=text, overwrite=True, overrides=overrides)
    with pytest.raises(ValueError, match=r"\[D770\] --text names"):
        quietly(rules, raw(), output, text=output / "text" / "train.spacy", overwrite=True)
    assert read(output / "dev.spacy") and read(output / "text" / "train.spacy")
    for name in ("model-best", "model-last"):
        with pytest.raises(ValueError, match=rf"\[D770\] teacher 1 names '.*{name}'"):
            quietly(output / name, raw(), output, text=text, overwrite=True)


def test_an_interrupted_run_leaves_nothing_half_written(
    quietly, rules, raw, text, tmp_path, monkeypatch
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(raw_text, "distill_vectors", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quietly(rules, raw(), tmp_path / "output", text=text)
    left = {str(path.relative_to(tmp_path / "output")) for path in tmp_path.glob("output/**/*")}
    text_files = {"text", "text/train.spacy", "text/dev.spacy"}
    assert left == {"checkpoint", "checkpoint/origin.json"} | text_files


def test_vectors_are_made_in_the_precision_of_the_teacher(
    quietly, with_transformer, raw, text, tmp_path, monkeypatch
):
    found = []

    def stopped(*_, **options):
        found.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(raw_text, "distill_vectors", stopped)
    options = TeacherOptions(matmul_precision="medium")
    with pytest.raises(KeyboardInterrupt):
        quietly(with_transformer, raw(), tmp_path / "output", text=text, teacher_options=options)
    assert found[0]["matmul_precision"] == "medium"


@pytest.mark.parametrize("moment", ["in training", "at the end"])
def test_a_killed_run_is_resumed(
    quietly, in_child, with_transformer, raw, text, contents, tmp_path, monkeypatch, moment
):
    """The text is held out as before, and word vectors are not made again."""
    config = raw().merge({"training": {"eval_frequency": 2}, "distillation": {"max_steps": 5}})
    quietly(with_transformer, config, tmp_path / "unbroken", text=text)
    name, number = ("save_state", 2) if moment == "in training" else ("keep_best", 1)
    method, calls = getattr(Checkpoints, name), []

    def then_killed(self, *arguments):
        method(self, *arguments)
        calls.append(name)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def run(**arguments):
        quietly(with_transformer, config, tmp_path / "killed", text=text, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, name, then_killed)
        assert in_child(run) == -signal.SIGKILL
    monkeypatch.setattr(raw_text, "make_teacher_vectors", None)
    run(resume=True)
    found, expected = contents(tmp_path / "killed"), contents(tmp_path / "unbroken")
    assert set(found) == set(expected)
    # The card has a speed, and both have paths of their own folder.
    models = {name for name in found if "/" in name and name.split("/")[1] == "ner_student"}
    assert len(models) >= 6
    for name in models | {"text/train.spacy", "text/dev.spacy", "dev.spacy"}:
        assert found[name] == expected[name], name


def test_without_a_config_the_language_is_that_of_the_teacher(rules, text, tmp_path, monkeypatch):
    found = []

    def stopped(config, *_, **__):
        found.append(config)
        raise KeyboardInterrupt

    # In the package, `distill` is the function.
    monkeypatch.setattr(import_module("spacy_distill.training.distill"), "with_text", stopped)
    german = spacy.blank("de")
    german.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Kiel"}])
    german.to_disk(tmp_path / "rules")
    for teacher in (german, tmp_path / "rules", str(tmp_path / "rules")):
        with pytest.raises(KeyboardInterrupt):
            distill(teacher, output=tmp_path / "output", text=text)
    with pytest.raises(KeyboardInterrupt):
        distill(rules, output=tmp_path / "output", text=text, overrides={"nlp.lang": "nb"})
    assert [config["nlp"]["lang"] for config in found] == ["de", "de", "de", "nb"]


class Nothing:
    """A teacher that is no pipeline."""

    labels = ("LOC",)

    def predict_chain(self, docs):
        raise AssertionError("a teacher of an unknown language is not asked")


@pytest.mark.parametrize("teacher", [Nothing(), "hf:OWNER/NAME"])
def test_the_language_has_to_be_known(text, tmp_path, teacher):
    with pytest.raises(ValueError, match=r"D115.*--nlp.lang en"):
        distill(teacher, output=tmp_path / "output", text=text)


def test_a_missing_teacher_is_named(text, tmp_path):
    with pytest.raises(ValueError, match=r"D202.*no-teacher"):
        distill(tmp_path / "no-teacher", output=tmp_path / "output", text=text)


@pytest.mark.parametrize(
    "paths, error",
    [
        ({"unlabeled": "corpus.spacy"}, r"D117.*unlabeled \('corpus.spacy'\)"),
        ({"dev": "nowhere.spacy"}, r"D331.*dev corpus 'nowhere.spacy'"),
    ],
)
def test_paths_that_do_not_fit(quietly, rules, raw, text, tmp_path, paths, error):
    with pytest.raises(ValueError, match=error):
        quietly(rules, raw(**paths), tmp_path / "output", text=text)
    assert not (tmp_path / "output").exists()


def test_a_corpus_that_does_not_read_the_text(quietly, rules, raw, text, corpora, tmp_path):
    config = raw()
    config["corpora"]["train"]["unlabeled"] = str(corpora["unlabeled"])
    with pytest.raises(ValueError, match=r"D128.*\[corpora.train\]"):
        quietly(rules, config, tmp_path / "output", text=text)


def test_a_config_without_the_paths(quietly, rules, config, text, tmp_path):
    with pytest.raises(ValueError, match=r"D116.*no setting 'vectors'.*unlabeled, dev, vectors"):
        quietly(rules, config(), tmp_path / "output", text=text)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    "content, error",
    [
        ("It rains .\n", r"D336.*articles.txt.*found 1 different documents.*expected 2 or more"),
        ("\n \n", r"D336.*found 0 "),
        ("It rains .\nIt snows .", r"D533\].*no entity in the 1 documents"),
    ],
)
def test_text_that_is_not_enough(quietly, rules, raw, write_text, tmp_path, content, error):
    text = write_text("articles.txt", content)
    with pytest.raises(ValueError, match=f"(?s){error}"):
        quietly(rules, raw(), tmp_path / "output", text=text)
    assert not (tmp_path / "output" / "model-last").exists()


def test_text_needs_an_output_folder_outside(quietly, rules, raw, text, tmp_path):
    with pytest.raises(ValueError, match="D118"):
        quietly(rules, raw(), text=text)
    with pytest.raises(ValueError, match="D424"):
        quietly(rules, raw(), tmp_path / "output", text=tmp_path)


def test_a_soft_corpus_cannot_teach_on_text(quietly, rules, raw, text, tmp_path):
    pytest.importorskip("pyarrow", reason="soft corpora are parquet")
    rules.to_disk(tmp_path / "rules")
    annotate(str(tmp_path / "rules"), str(text), tmp_path / "soft")
    with pytest.raises(ValueError, match="D217"):
        quietly(tmp_path / "soft", raw(), tmp_path / "output", text=text)
