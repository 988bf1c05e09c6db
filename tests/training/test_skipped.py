"""Documents that a teacher fails on are left out, counted and named. One more than allowed ends
the run."""

import io
import json
from dataclasses import replace

import numpy
import pytest
import spacy

from spacy_distill.annotation.annotate import annotate
from spacy_distill.chain import LinearChain, constraints
from spacy_distill.corpora.soft_shards import Manifest, read_shard
from spacy_distill.teachers import TeacherOptions

# Raises an error at "thunder", and gives NaN for the span of a "storm".
CODE = """
import numpy
from spacy.language import Language
from spacy.tokens import Span, SpanGroup

@Language.component("spacy_distill_tests_weather_code")
def weather(doc):
    if "thunder" in doc.text:
        raise RuntimeError("no teacher for bad weather")
    spans = [Span(doc, token.i, token.i + 1, label="WORD") for token in doc if len(token) > 3]
    scores = [float("nan") if span.text == "storm" else 0.75 for span in spans]
    doc.spans["sc"] = SpanGroup(doc, spans=spans, attrs={"scores": scores})
    return doc
"""
OPTIONS = TeacherOptions(
    teacher_pipe="spacy_distill_tests_weather_code",
    spans_key="sc",
    labels=("WORD",),
    assumed_confidence=0.9,
)
TEXTS = [f"Boat number {number} sails" for number in range(24)]
TEXTS[3] = TEXTS[17] = "a storm comes up"
TEXTS[9] = "there is thunder"
FAILING = ["texts.txt:4", "texts.txt:10", "texts.txt:18"]


@pytest.fixture
def run(tmp_path):
    code = tmp_path / "code.py"
    code.write_text(CODE)
    if not spacy.Language.has_factory(OPTIONS.teacher_pipe):
        exec(compile(CODE, str(code), "exec"), {"__name__": "python_code"})
    nlp = spacy.blank("en")
    nlp.add_pipe(OPTIONS.teacher_pipe)
    nlp.to_disk(tmp_path / "teacher")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))

    def annotated(output="soft", **settings):
        run_settings = {"shard_size": 120, "batch_size": 3, "code": code, "max_errors": 3}
        run_settings["teacher_options"] = OPTIONS
        stderr = io.StringIO()
        try:
            return annotate(
                tmp_path / "teacher",
                str(tmp_path / "texts.txt"),
                tmp_path / output,
                stderr=stderr,
                **{**run_settings, **settings},
            )
        finally:
            annotated.told = " ".join(stderr.getvalue().split())

    return annotated


def ids(folder, manifest):
    return [doc.id for shard in manifest.shards for doc in read_shard(folder / shard.file)]


def test_a_soft_corpus_lists_the_documents_that_were_left_out(run, tmp_path):
    manifest = run()
    assert manifest.complete
    expected = [f"texts.txt:{n}" for n in range(1, 25) if f"texts.txt:{n}" not in FAILING]
    assert ids(tmp_path / "soft", manifest) == expected
    assert [name for shard in manifest.shards for name in shard.skipped_ids] == FAILING
    assert all(shard.skipped == len(shard.skipped_ids) for shard in manifest.shards)
    data = json.loads((tmp_path / "soft" / "manifest.json").read_text())
    assert data["totals"]["skipped"] == 3 and data["totals"]["documents"] == 21
    assert data["format"] == 2
    assert "[D430] The document 'texts.txt:10' is left out: the teacher failed on it" in run.told
    assert "RuntimeError: no teacher for bad weather" in run.told
    assert "the score of the span 'storm' (WORD) is NaN" in run.told
    for shard in manifest.shards:
        for doc in read_shard(tmp_path / "soft" / shard.file):
            assert doc.targets.counts.all()


def test_the_number_of_processes_does_not_change_the_result(run, contents, tmp_path):
    run("first")
    run("second", n_process=2)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_by_default_the_first_failure_ends_the_run(run):
    message = (
        r"\[D427\] The teacher '.*teacher' failed on the document 'texts.txt:4': the score of the "
        r"span 'storm' \(WORD\) is NaN\. Failed documents: 1, allowed: 0\. .*--max-errors"
    )
    with pytest.raises(ValueError, match=message):
        run(max_errors=0)


@pytest.mark.parametrize("n_process", [1, 2])
def test_all_shards_processes_and_runs_count_together(run, contents, tmp_path, n_process):
    """No shard has more than two failures."""
    run("whole")
    message = r"\[D431\] The teacher failed on 3 documents, and 2 are allowed; .* 'texts.txt:18'"
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            run(max_errors=2, n_process=n_process)
    manifest = Manifest.from_disk(tmp_path / "soft")
    assert not manifest.complete and manifest.shards
    # With more failures allowed, the result equals that of one run.
    run(max_errors=3, n_process=n_process)
    assert contents(tmp_path / "soft") == contents(tmp_path / "whole")


def test_a_finished_corpus_with_more_failures_than_allowed_is_reported(run):
    run()
    with pytest.raises(ValueError, match=r"\[D431\].*on 3 documents, and 0 are allowed"):
        run(max_errors=0)


def test_a_shard_without_documents(run, tmp_path):
    (tmp_path / "texts.txt").write_text("a storm\nthunder\nBoat number one sails")
    manifest = run(shard_size=1)
    assert [shard.documents for shard in manifest.shards] == [0, 0, 1]
    assert ids(tmp_path / "soft", manifest) == ["texts.txt:3"]


@pytest.mark.parametrize("n_process", [1, 2])
def test_a_teacher_that_fails_on_all_documents_ends_the_run(run, tmp_path, n_process):
    (tmp_path / "texts.txt").write_text("a storm\nthunder\nthunder again")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"\[D432\].*texts.txt': found 3\..*--force"):
            run(shard_size=1, n_process=n_process)
        assert not Manifest.from_disk(tmp_path / "soft").complete


@pytest.mark.parametrize("n_process", [1, 2])
@pytest.mark.parametrize(
    "changes, told",
    [
        ({"spans_key": "wrong"}, r"\[D216\].*'wrong': found sc"),
        ({"labels": ("OTHER",)}, r"\[D236\] The teacher found 'Boat' \(WORD\).*are: OTHER"),
    ],
)
def test_wrong_settings_end_the_run(run, changes, told, n_process):
    """The error is raised unchanged, and no document is left out."""
    with pytest.raises(ValueError, match="^" + told):
        run(max_errors=100, n_process=n_process, teacher_options=replace(OPTIONS, **changes))
    assert "D430" not in run.told


@pytest.mark.parametrize("name", ["annotate", "distill"])
def test_a_limit_below_0_is_refused(run, quietly, teacher, config, name):
    with pytest.raises(ValueError, match=r"\[D705\] max_errors has to be 0 or more: found -1"):
        run(max_errors=-1) if name == "annotate" else quietly(teacher, config(), max_errors=-1)


# Direct distillation


class Moody:
    """Predicts unknown tokens, and fails on documents about the night and about Kiel."""

    labels = ("LOC", "PER")

    def __init__(self):
        self.asked = []

    def predict_chain(self, docs):
        self.asked += [doc.text.strip() for doc in docs]
        if any("night" in doc.text for doc in docs):
            raise RuntimeError("too late")
        start, transitions, end = constraints(2)
        lengths = numpy.asarray([len(doc) for doc in docs])
        words = [token.text for doc in docs for token in doc]
        emissions = numpy.zeros((len(words), 9), dtype="float32")
        emissions[[word == "Kiel" for word in words], 0] = numpy.nan
        return LinearChain(emissions, lengths, transitions, start, end)


# Of the unlabeled corpus, those at night and the one in Kiel; of the labeled one, that in Kiel.
N_FAILING = 4 + 1 + 1


@pytest.mark.parametrize("max_epochs", [0, -1])
def test_the_student_learns_from_the_other_documents(quietly, config, max_epochs):
    settings = {"max_epochs": max_epochs, "max_steps": 8}
    nlp = quietly(Moody(), config(distillation=settings), max_errors=N_FAILING)
    assert (
        f"[D530] Documents that were left out because the teacher failed: {N_FAILING}"
        in quietly.output
    )
    for node in nlp.get_pipe("ner_student").model.walk():
        assert all(numpy.isfinite(node.get_param(name)).all() for name in node.param_names)
    if max_epochs == 0:
        assert nlp.meta["distillation"]["documents"] == {"labeled": 3, "unlabeled": 7}


@pytest.mark.parametrize("max_epochs", [0, -1])
def test_one_more_than_allowed_ends_the_run(quietly, config, max_epochs):
    settings = {"max_epochs": max_epochs, "max_steps": 8}
    message = (
        r"\[D517\] The teacher 'Moody' failed on the document '.*(night|Kiel).*': .*(NaN|too late)"
        rf"\. Failed documents: {N_FAILING}, allowed: {N_FAILING - 1}\."
    )
    with pytest.raises(ValueError, match=message):
        quietly(Moody(), config(distillation=settings), max_errors=N_FAILING - 1)
    with pytest.raises(ValueError, match=r"\[D517\].*[^.]\. Failed documents: 1, allowed: 0\."):
        quietly(Moody(), config(distillation=settings))


def test_models_of_an_earlier_run_stay_if_the_teacher_fails(quietly, config, teacher, tmp_path):
    quietly(teacher, config(distillation={"max_steps": 1}), tmp_path / "output")
    with pytest.raises(ValueError, match=r"\[D517\]"):
        quietly(Moody(), config(), tmp_path / "output", overwrite=True)
    assert spacy.load(tmp_path / "output" / "model-last").pipe_names == ["ner_student"]


def test_a_corpus_without_documents_left_is_refused(quietly, config):
    class Broken(Moody):
        def predict_chain(self, docs):
            raise RuntimeError("always")

    with pytest.raises(ValueError, match=r"\[D519\].*all documents of the corpus 'corpora.train'"):
        quietly(Broken(), config(), max_errors=100)


def test_an_unlabeled_development_corpus_leaves_failures_out(quietly, config, corpora):
    paths = {"paths": {"labeled": None, "dev": str(corpora["unlabeled"])}}
    changed = config(**paths, distillation={"calibrate": False})
    changed["corpora"]["dev"] = {**changed["corpora"]["train"], "unlabeled": "${paths.dev}"}

    class Certain(Moody):
        """Also finds entities, without which students cannot be scored."""

        def predict_chain(self, docs):
            chain = super().predict_chain(docs)
            chain.emissions[:, -1] += 5
            return chain

    quietly(Certain(), changed, max_errors=5)
    assert "[D530] Documents that were left out because the teacher failed: 5" in quietly.output
