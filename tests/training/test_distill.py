import re

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from spacy.util import registry

import spacy_distill
from spacy_distill.losses import ChainDistillation
from spacy_distill.training.distill import distill as distill_in_training
from spacy_distill.training.loop import Students
from spacy_distill.training.skipped import SkippedDocuments

GOLD_ALONE = {"@losses": "spacy-distill.ChainDistillation.v1", "alpha": 1.0, "beta": 0.0}


def evaluate(nlp, corpora):
    return nlp.evaluate(Corpus(corpora["dev"])(nlp))["ents_f"]


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_it_is_in_the_public_interface():
    assert spacy_distill.distill is distill_in_training


@pytest.mark.parametrize("kind", ["pipeline", "path"])
def test_a_student_learns_from_a_teacher(quietly, teacher, config, corpora, tmp_path, kind):
    source = teacher
    if kind != "pipeline":
        teacher.to_disk(tmp_path / "teacher")
        source = tmp_path / "teacher"
    output = tmp_path / "output"
    nlp = quietly(source, config(distillation={"max_steps": 40}), output)
    assert sorted(path.name for path in output.iterdir()) == [
        ".origin.json",
        "model-best",
        "model-last",
    ]
    best, last = (spacy.load(output / name) for name in ("model-best", "model-last"))
    assert evaluate(best, corpora) >= evaluate(last, corpora) > 0.95
    # The returned pipeline equals model-last, with averaged parameters.
    assert nlp.get_pipe("ner_student").model.to_bytes() == (
        last.get_pipe("ner_student").model.to_bytes()
    )
    assert last.meta["performance"]["ents_f"] > 0.95
    assert "ner_student_loss" in last.meta["performance"]
    assert "ENTS_F" in quietly.output and "model-last" in quietly.output
    # The meta does not reveal the teacher's path.
    assert last.meta["distillation"]["teachers"] == ["xx_pipeline 0.0.0"]
    assert str(tmp_path) not in (output / "model-last" / "meta.json").read_text()


def test_the_run_reports_the_share_of_a_corpus_in_memory(quietly, teacher, config):
    changed = config(distillation={"max_steps": 2})
    changed["distillation"]["batcher"] = {"@batchers": "spacy.batch_by_sequence.v1", "size": 1}
    read = []

    class Watched:
        """The teacher, with a list of the texts that it reads to learn from."""

        labels = teacher.get_pipe("ner_teacher").labels

        def predict_chain(self, docs):
            read.extend(doc.text for doc in docs)
            return teacher.get_pipe("ner_teacher").predict_chain(docs)

    counts = quietly(Watched(), changed).meta["distillation"]["documents"]
    output = " ".join(quietly.output.split())
    assert re.search(r"\[D914\] 2 steps read [\d.]+% of the corpus", output)
    steps = re.search(r"For a pass over it, set --distillation.max_steps (\d+)", output)
    # Words per step are an estimate.
    assert 14 <= int(steps[1]) <= 18
    # The first step has the number 0. The teacher reads no more than a few other documents.
    assert 3 <= len(read) == sum(counts.values()) <= 4
    quietly(teacher, config(distillation={"max_steps": 2, "max_epochs": 1}))
    assert "steps read" not in quietly.output


def test_the_student_takes_over_the_labels_of_its_teacher(quietly, teacher, config, tmp_path):
    nlp = quietly(teacher, config(), tmp_path / "output")
    assert nlp.get_pipe("ner_student").labels == ("PER", "LOC")
    assert spacy.load(tmp_path / "output/model-best").get_pipe("ner_student").labels == (
        "PER",
        "LOC",
    )


def test_labels_that_are_given_may_have_another_order(quietly, teacher, config, corpora):
    initialize = {"components": {"ner_student": {"labels": ["LOC", "PER"]}}}
    changed = config(initialize=initialize, distillation={"max_steps": 40})
    nlp = quietly(teacher, changed)
    assert nlp.get_pipe("ner_student").labels == ("LOC", "PER")
    assert evaluate(nlp, corpora) > 0.95


@pytest.mark.parametrize("limit", [{"max_steps": 7}, {"max_steps": 0, "max_epochs": 2}])
def test_the_last_step_is_evaluated(quietly, teacher, config, tmp_path, limit):
    settings = config(training={"eval_frequency": 1000}, distillation=limit)
    nlp = quietly(teacher, settings, tmp_path / "output")
    steps = [line.split()[1] for line in quietly.output.splitlines() if line.strip()[:1].isdigit()]
    last = nlp.meta["distillation"]["steps"]
    assert steps == ["0", str(last)] and last > 0
    best = spacy.load(tmp_path / "output" / "model-best").meta
    assert best["distillation"]["steps"] == best["distillation"]["best_step"] == last


def test_unlabeled_documents_are_enough(quietly, teacher, config, corpora):
    changed = config(paths={"labeled": None}, distillation={"max_steps": 40})
    assert evaluate(quietly(teacher, changed), corpora) > 0.95


def test_labeled_documents_are_enough(quietly, teacher, config, corpora):
    changed = config(
        paths={"unlabeled": None, "labeled": str(corpora["dev"])}, distillation={"max_steps": 40}
    )
    assert evaluate(quietly(teacher, changed), corpora) > 0.95


def test_two_runs_with_one_seed_write_equal_files(quietly, teacher, config, tmp_path):
    for name in ("first", "second"):
        quietly(teacher, config(), tmp_path / name)
    quietly(teacher, config(system={"seed": 1}), tmp_path / "other")
    runs = [files_of(tmp_path / name / "model-last") for name in ("first", "second", "other")]
    assert runs[0] == runs[1]
    assert runs[0]["ner_student/model"] != runs[2]["ner_student/model"]


def test_a_corpus_can_be_streamed(quietly, teacher, config, corpora, tmp_path):
    changed = config(distillation={"max_epochs": -1, "max_steps": 40})
    nlp = quietly(teacher, changed, tmp_path / "output")
    assert evaluate(nlp, corpora) > 0.95
    assert (tmp_path / "output/model-last").is_dir()


def test_max_epochs_ends_training(quietly, teacher, config, time_limit):
    batcher = {"@batchers": "spacy.batch_by_sequence.v1", "size": 4}
    block = {"max_epochs": 2, "max_steps": 0, "batcher": batcher}
    with time_limit(300):
        quietly(teacher, config(distillation=block, training={"eval_frequency": 1}))
    rows = [line for line in quietly.output.splitlines() if line.strip()[:1].isdigit()]
    assert [row.split()[0] for row in rows] == ["0"] * 4 + ["1"] * 4


def test_patience_ends_training(quietly, teacher, config, time_limit):
    # Without averages, which may have another score than the parameters.
    frozen = {"@optimizers": "Adam.v1", "learn_rate": 0.0, "use_averages": False}
    block = {"max_steps": 0, "optimizer": frozen}
    with time_limit(300):
        quietly(teacher, config(distillation=block, training={"patience": 10, "eval_frequency": 5}))
    rows = [line for line in quietly.output.splitlines() if line.strip()[:1].isdigit()]
    assert [row.split()[1] for row in rows] == ["0", "5", "10"]


def made(folder):
    return spacy.load(folder).meta["distillation"]


def test_the_meta_has_the_steps_that_were_made(quietly, teacher, config, tmp_path):
    """It does not have the limit, which is 0 here."""
    batcher = {"@batchers": "spacy.batch_by_sequence.v1", "size": 4}
    block = {"max_epochs": 5, "max_steps": 0, "batcher": batcher}
    # Lower scores count as better, so the best step is an early one.
    weights = {"score_weights": {"ents_f": -1.0}, "eval_frequency": 1}
    quietly(teacher, config(distillation=block, training=weights), tmp_path / "output")
    rows = [line.split() for line in quietly.output.splitlines() if line.strip()[:1].isdigit()]
    best, last = (made(tmp_path / "output" / name) for name in ("model-best", "model-last"))
    assert last["steps"] == int(rows[-1][1]) == 19
    assert best["steps"] == best["best_step"] == last["best_step"] < last["steps"]
    scores = {int(row[1]): float(row[-1]) for row in rows}
    assert scores[best["steps"]] == max(scores.values()) > scores[last["steps"]]


@pytest.mark.parametrize("max_epochs, unlabeled", [(0, 12), (-1, None)])
def test_the_meta_has_the_settings_and_the_documents(
    quietly, teacher, config, tmp_path, max_epochs, unlabeled
):
    """Labeled documents that are repeated in a pass count once."""
    changed = config(
        corpora={"train": {"labeled_share": 0.5}},
        training={"patience": 70, "seed": 3},
        distillation={"max_epochs": max_epochs},
    )
    quietly(teacher, changed, tmp_path / "output")
    found = made(tmp_path / "output" / "model-last")
    assert found["documents"] == {"labeled": 4, "unlabeled": unlabeled}
    settings = {"dropout": 0.1, "labeled_share": 0.5, "seed": 3, "max_steps": 6, "patience": 70}
    assert found["settings"] == {**settings, **({"max_epochs": -1} if max_epochs else {})}
    assert found["batcher"]["@batchers"] == "spacy.batch_by_words.v1"


def test_patience_ends_the_steps_that_are_counted(quietly, teacher, config, tmp_path):
    frozen = {"@optimizers": "Adam.v1", "learn_rate": 0.0, "use_averages": False}
    settings = config(
        distillation={"max_steps": 100, "optimizer": frozen},
        training={"patience": 10, "eval_frequency": 5},
    )
    quietly(teacher, settings, tmp_path / "output")
    assert made(tmp_path / "output" / "model-last")["steps"] == 10


def test_documents_with_other_tokens_are_carried_over(quietly, teacher, config, tmp_path):
    # The corpus keeps "Berg's" and "left." whole; the student's tokenizer does not.
    words, spaces = ["Anna", "Berg's", "friend", "left."], [True, True, True, False]
    doc = Doc(teacher.vocab, words=words, spaces=spaces)
    doc.set_ents([Span(doc, 2, 3, label="PER")])
    DocBin(docs=[doc]).to_disk(tmp_path / "odd.spacy")
    reader = {
        "@readers": "spacy.Corpus.v1",
        "path": str(tmp_path / "odd.spacy"),
        "gold_preproc": False,
    }
    changed = config(
        corpora={"odd": reader},
        distillation={"corpus": "corpora.odd", "max_steps": 40, "loss": GOLD_ALONE},
        training={"dev_corpus": "corpora.odd"},
    )
    nlp = quietly(teacher, changed)
    found = nlp("Anna Berg's friend left.").ents
    assert [(ent.text, ent.label_) for ent in found] == [("friend", "PER")]


def test_entities_that_do_not_fit_are_reported(quietly, teacher, config, tmp_path):
    texts = ["Anna Berg sails to Oslo .", "In Kiel waits Carl Lund .", "Nils Dahl waits .", "Oslo"]
    # Each distinct text is read once.
    DocBin(docs=[teacher.make_doc(text) for text in texts * 3]).to_disk(tmp_path / "texts.spacy")
    changed = config(
        nlp={"tokenizer": {"@tokenizers": "spacy_distill_tests.Pairs.v1"}},
        paths={"labeled": None, "unlabeled": str(tmp_path / "texts.spacy")},
    )
    quietly(teacher, changed)
    n_misfits = 0
    for doc in teacher.pipe(texts):
        # The student's tokens are pairs of these words.
        edges = {*range(0, len(doc), 2), len(doc)}
        n_misfits += sum(not {ent.start, ent.end} <= edges for ent in doc.ents)
    assert n_misfits >= 3
    said = f"{n_misfits} of the teacher's entities did not fit the student's tokens The student"
    assert said in " ".join(re.sub(r"\x1b\[[0-9;]*m", "", quietly.output).split())


def test_a_student_may_listen_to_a_tok2vec(quietly, teacher, config, corpora, tmp_path):
    tok2vec = teacher.config["components"]["ner_teacher"]["model"]["embed"]
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    changed = config(
        nlp={"pipeline": ["tok2vec", "ner_student"]},
        distillation={"max_steps": 40},
    )
    changed["components"] = {
        "tok2vec": {"factory": "tok2vec", "model": dict(tok2vec)},
        "ner_student": {
            "factory": "ner_student",
            "model": {"embed": listener, "encode": None},
        },
    }
    nlp = quietly(teacher, changed, tmp_path / "output")
    last = spacy.load(tmp_path / "output/model-last")
    assert evaluate(last, corpora) > 0.95
    for name in nlp.pipe_names:
        assert nlp.get_pipe(name).model.to_bytes() == last.get_pipe(name).model.to_bytes(), name
    # The layer that replaces the listener is used, though the student has predicted before.
    last.replace_listeners("tok2vec", "ner_student", ["model.embed"])
    last.remove_pipe("tok2vec")
    assert evaluate(last, corpora) > 0.95


def test_any_object_with_chains_can_teach(quietly, teacher, config, corpora):
    class Wrapped:
        labels = teacher.get_pipe("ner_teacher").labels
        n_read = 0

        def predict_chain(self, docs):
            Wrapped.n_read += len(docs)
            own = [Doc(teacher.vocab, words=[t.text for t in doc]) for doc in docs]
            return teacher.get_pipe("ner_teacher").predict_chain(own)

    nlp = quietly(Wrapped(), config(distillation={"max_steps": 40}))
    assert evaluate(nlp, corpora) > 0.95
    # Each distinct document is read once; "It rains ." comes four times.
    assert Wrapped.n_read == 13


def test_spacys_callbacks_are_called(quietly, teacher, config, tmp_path):
    seen = []

    @registry.callbacks("spacy-distill-tests.BeforeToDisk.v1")
    def before_to_disk():
        def mark(nlp):
            nlp.meta["description"] = "marked"
            return nlp

        return mark

    @registry.callbacks("spacy-distill-tests.BeforeUpdate.v1")
    def before_update():
        return lambda nlp, args: seen.append((type(nlp).__name__, nlp.pipe_names, args["step"]))

    callbacks = {
        "before_to_disk": {"@callbacks": "spacy-distill-tests.BeforeToDisk.v1"},
        "before_update": {"@callbacks": "spacy-distill-tests.BeforeUpdate.v1"},
    }
    changed = config(training=callbacks, distillation={"max_steps": 2})
    quietly(teacher, changed, tmp_path / "output")
    assert spacy.load(tmp_path / "output/model-last").meta["description"] == "marked"
    name = "MultiLanguage"
    assert seen[:2] == [(name, ["ner_student"], 0), (name, ["ner_student"], 1)]


def test_the_teacher_stays_as_it_was(quietly, teacher, config):
    before = teacher.get_pipe("ner_teacher").model.to_bytes()
    quietly(teacher, config())
    assert teacher.get_pipe("ner_teacher").model.to_bytes() == before
    rows = teacher.get_pipe("ner_teacher").posteriors([teacher.make_doc("Anna Berg")])[0]
    assert numpy.isfinite(rows).all()


def test_training_of_a_student_can_go_on(quietly, teacher, config, corpora, tmp_path):
    """The learning rate falls as in spacy_distill/configs/student.cfg."""
    rate = {
        "@schedules": "warmup_linear.v1",
        "initial_rate": 0.005,
        "warmup_steps": 5,
        "total_steps": 50,
    }
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": rate}
    changes = {"training": {"optimizer": optimizer}}
    quietly(teacher, config(**changes, distillation={"max_steps": 20}), tmp_path / "output")
    nlp = spacy.load(tmp_path / "output" / "model-last")
    nlp.get_pipe("ner_student").add_label("DATE")
    doc = Doc(nlp.vocab, ["Anna", "left", "on", "Monday"])
    doc.set_ents([Span(doc, 0, 1, label="PER"), Span(doc, 3, 4, label="DATE")])
    examples = [Example(Doc(nlp.vocab, [token.text for token in doc]), doc)]
    optimizer = nlp.resume_training()
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
        optimizer.step_schedules()
    found = nlp(Doc(nlp.vocab, [token.text for token in doc])).ents
    assert [(ent.start, ent.label_) for ent in found] == [(0, "PER"), (3, "DATE")]


def test_an_annotating_component_may_return_another_document():
    """As in spaCy's training, later components get the new document, and later passes the one of
    the corpus."""
    seen = []

    @Language.component("spacy_distill_tests_copying")
    def copying(doc):
        copied = doc.copy()
        copied.user_data["copied"] = True
        return copied

    @Language.component("spacy_distill_tests_seeing")
    def seeing(doc):
        seen.append(doc.user_data.copy())
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe("spacy_distill_tests_copying")
    nlp.add_pipe("spacy_distill_tests_seeing")
    doc = nlp.make_doc("Anna sails")
    example = Example(doc, doc.copy())
    students = Students(
        nlp,
        {},
        ChainDistillation(),
        SkippedDocuments(0),
        annotating=["spacy_distill_tests_copying", "spacy_distill_tests_seeing"],
    )
    students.update([example], drop=0.0, losses={})
    assert seen == [{"copied": True}]
    assert example.predicted is doc and not doc.user_data
