"""Students of several sizes from one run."""

import json
import shutil
from io import StringIO

import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy.tokens import DocBin

from spacy_distill import distill_sizes
from spacy_distill.corpora.inputs import Input
from spacy_distill.teachers import PipelineTeacher
from spacy_distill.training import measured_sizes, sizes
from spacy_distill.training.checkpoints import Checkpoints
from spacy_distill.training.measured_sizes import Measured, choose, is_within, table
from spacy_distill.training.output_folder import MODEL_BEST, MODEL_LAST, STUDENT
from spacy_distill.training.settings import fill_settings
from spacy_distill.training.sizes import parse_sizes, with_size
from tests.training.conftest import FRAMES, PEOPLE, PLACES, parameters

NAMES = ["16x1", "8x2"]


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch):
    monkeypatch.setattr(measured_sizes, "SECONDS", 0.0)
    monkeypatch.setattr("spacy_distill.evaluation.speed.LEAST_SECONDS", 0.0)


@pytest.fixture
def run(config, teacher, tmp_path):
    def distilled(teacher=teacher, student=None, output=tmp_path / "sizes", **options):
        return distill_sizes(
            teacher,
            student or config(),
            output,
            **{"sizes": NAMES, "stdout": StringIO(), "stderr": StringIO(), **options},
        )

    return distilled


def kept(folder):
    return json.loads((folder / "sizes" / "sizes.json").read_text())


def encoder(folder):
    encode = spacy.load(folder).config["components"]["ner_student"]["model"]["encode"]
    return encode["width"], encode["depth"]


def test_each_size_is_trained_and_the_best_is_chosen(run, tmp_path):
    found = run()
    assert [student.size for student in found] == NAMES
    assert [student[1:3] for student in found] == [(16, 1), (8, 2)]
    for student in found:
        folder = tmp_path / "sizes" / student.size
        assert encoder(folder / MODEL_BEST) == (student.width, student.depth)
        assert (folder / MODEL_LAST).is_dir()
        assert student.words_per_second > 0
        n_bytes = sum(p.stat().st_size for p in (folder / MODEL_BEST).rglob("*") if p.is_file())
        assert student.megabytes == n_bytes / 1e6
        meta = json.loads((folder / MODEL_BEST / "meta.json").read_text())
        assert student.f1 == pytest.approx(100 * meta["performance"]["ents_f"])
        assert student.fits
    chosen = choose(found)
    assert encoder(tmp_path / "sizes" / MODEL_BEST) == (chosen.width, chosen.depth)
    assert kept(tmp_path)["chosen"] == chosen.size
    assert [Measured(**student) for student in kept(tmp_path)["sizes"]] == found


def test_each_size_has_a_log_of_its_own(run, config, tmp_path):
    path = tmp_path / "logs" / "log.jsonl"
    logger = {"@loggers": "spacy-distill.JSONLLogger.v1", "path": str(path), "logger": None}
    run(student=config(training={"logger": logger}))
    assert {log.name for log in path.parent.iterdir()} == {"log-16x1.jsonl", "log-8x2.jsonl"}


def test_a_size_is_the_student_that_is_trained_alone(run, quietly, config, teacher, tmp_path):
    """Neither the other sizes nor the cache of the teacher change anything."""
    run()
    encode = {"components": {"ner_student": {"model": {"encode": {"width": 8, "depth": 2}}}}}
    quietly(teacher, config(**encode), tmp_path / "alone")
    mine, alone = (parameters(tmp_path / name / MODEL_LAST) for name in ("sizes/8x2", "alone"))
    for one, other in zip(mine, alone, strict=True):
        assert_array_equal(one, other)


def test_the_teacher_reads_each_document_once(run, teacher, corpora):
    read = []

    class Counting(PipelineTeacher):
        def predict_chain(self, docs):
            read.extend(doc.text for doc in docs)
            return super().predict_chain(docs)

    run(Counting(teacher))
    docs = [
        doc.text
        for name in ("labeled", "unlabeled")
        for doc in DocBin().from_disk(corpora[name]).get_docs(spacy.blank("xx").vocab)
    ]
    assert sorted(read) == sorted(set(docs))


class Failing(PipelineTeacher):
    """Fails on each document that names Kiel."""

    def predict_chain(self, docs):
        if any("Kiel" in doc.text for doc in docs):
            raise RuntimeError("no Kiel")
        return super().predict_chain(docs)


def test_documents_that_the_teacher_fails_on_are_left_out_of_all_sizes(run, teacher, tmp_path):
    run(Failing(teacher), max_errors=100)
    counts = [
        spacy.load(tmp_path / "sizes" / name / MODEL_LAST).meta["distillation"]["documents"]
        for name in NAMES
    ]
    assert counts[0] == counts[1]
    assert counts[0]["unlabeled"] > 0


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, "b"),
        ({"max_mb": 2.5}, "a"),
        ({"max_mb": 1.0}, "c"),
        ({"min_words_per_second": 250.0}, "c"),
        ({"max_mb": 2.5, "min_words_per_second": 150.0}, "a"),
        ({"max_mb": 0.5}, None),
    ],
)
def test_the_best_within_the_limits_is_chosen(limits, expected):
    measured = [
        Measured(name, 8, 1, f1, speed, megabytes, fits=True)
        for name, f1, speed, megabytes in [
            ("d", 80.0, 200.0, 2.2),
            ("a", 80.0, 200.0, 2.0),
            ("b", 90.0, 100.0, 3.0),
            ("c", 70.0, 300.0, 1.0),
        ]
    ]
    within = [
        student._replace(fits=is_within(student.megabytes, student.words_per_second, **limits))
        for student in measured
    ]
    chosen = choose(within)
    assert (chosen and chosen.size) == expected


def test_other_limits_need_no_training(run, tmp_path, monkeypatch):
    run(sizes=NAMES[:1])
    with pytest.raises(ValueError, match=r"\[D824\] No size fits.*fastest one reads .* words/s"):
        run(max_mb=0.001, resume=True)
    assert not (tmp_path / "sizes" / MODEL_BEST).exists()
    assert kept(tmp_path)["chosen"] is None
    monkeypatch.setattr(sizes, "train_sizes", None)
    found = run(max_mb=1000, resume=True)
    assert (tmp_path / "sizes" / MODEL_BEST).is_dir()
    assert all(student.fits for student in found)


def test_a_run_that_was_killed_within_a_size_continues(run, tmp_path, monkeypatch):
    """The students have the parameters of an unbroken run."""
    run()
    expected = [parameters(tmp_path / "sizes" / name / MODEL_LAST) for name in NAMES]
    shutil.rmtree(tmp_path / "sizes")
    saved = []
    save_state = Checkpoints.save_state

    def killed(self, state):
        save_state(self, state)
        saved.append(self.output.name)
        if saved.count(NAMES[1]) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (tmp_path / "sizes" / MODEL_BEST).exists()
    monkeypatch.setattr(Checkpoints, "save_state", save_state)
    run(resume=True)
    for name, old in zip(NAMES, expected, strict=True):
        for one, other in zip(parameters(tmp_path / "sizes" / name / MODEL_LAST), old, strict=True):
            assert_array_equal(one, other)


def test_only_an_earlier_run_of_sizes_is_continued(run, quietly, config, teacher, tmp_path):
    quietly(teacher, config(), tmp_path / "sizes")
    with pytest.raises(ValueError, match=r"\[D826\].* no sizes.json of an earlier run"):
        run(resume=True)
    assert run(sizes=NAMES[:1], overwrite=True)
    assert not (tmp_path / "sizes" / MODEL_LAST).exists()
    with pytest.raises(ValueError, match=r"\[D827\].* differ now: paths"):
        run(student=config(paths={"dev": "other.spacy"}), resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"\[D720\]"):
        run(output=tmp_path / "file", resume=True)


def test_an_earlier_result_is_not_replaced(run, tmp_path):
    run(sizes=NAMES[:1])
    with pytest.raises(ValueError, match=r"\[D721\]"):
        run(sizes=NAMES[:1])
    assert run(sizes=NAMES[1:], overwrite=True)[0].size == "8x2"
    assert not (tmp_path / "sizes" / NAMES[0]).exists()


def test_raw_text_is_written_once(run, rules, config, write_text, tmp_path):
    lines = [f.format(a, b) for f in FRAMES for a in PEOPLE for b in PLACES]
    paths = {"labeled": None, "unlabeled": None, "dev": None, "vectors": None}
    changed = config(paths=paths, initialize={"vectors": "${paths.vectors}"})
    found = run(rules, changed, text=write_text("articles.txt", "\n".join(lines)))
    output = tmp_path / "sizes"
    assert (output / "text" / "train.spacy").is_file()
    for name in NAMES:
        assert not (output / name / "text").exists()
        assert (output / name / STUDENT / "README.md").is_file()
    with pytest.raises(ValueError, match=r"\[D827\].* differ now: text.limit \(0 then, 1 now"):
        run(rules, changed, text=Input(tmp_path / "articles.txt", limit=1), resume=True)
    chosen = choose(found)
    assert encoder(output / STUDENT) == (chosen.width, chosen.depth)


def test_the_table_has_a_line_for_each_size():
    measured = [
        Measured("small", 100, 1, 81.234, 123_456.7, 12.34, fits=True),
        Measured("base", 200, 2, 84.5, 81_000.0, 12.7, fits=False),
    ]
    lines = [line.split() for line in table(measured).strip().splitlines()]
    assert lines[0] == ["size", "dev", "F1", "words/s", "MB", "fits"]
    assert lines[2:] == [
        ["small", "81.23", "123,457", "12.3", "yes"],
        ["base", "84.50", "81,000", "12.7", "no"],
    ]


def test_names_of_sizes():
    assert parse_sizes(["small", "64x3"]) == {"small": (100, 1), "64x3": (64, 3)}
    for wrong in ("tiny", "0x1", "64", "64x", "x2", "64x-1", "9x1"):
        with pytest.raises(ValueError, match=r"\[D821\].* is not a size"):
            parse_sizes([wrong])
    with pytest.raises(ValueError, match=r"\[D825\] 'small' and '100x1' are the same size"):
        parse_sizes(["small", "base", "100x1"])
    with pytest.raises(ValueError, match=r"\[D822\]"):
        parse_sizes([])


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_limits_are_positive(run, limit):
    with pytest.raises(ValueError, match=r"\[D712\] --max-mb has to be more than 0"):
        run(max_mb=limit)


def test_encoders_without_width_and_depth_are_refused(run, config):
    model = {"encode": None}
    with pytest.raises(ValueError, match=r"\[D823\].*no width and depth"):
        run(student=config(components={"ner_student": {"model": model}}))


def test_settings_may_be_those_of_the_factory(config):
    """Such as an encoder without a width, or one that is named by a reference."""
    student = fill_settings(config())
    component = student["components"]["ner_student"]
    del component["model"]["encode"]["width"]
    for _ in range(2):
        encode = with_size(student, (8, 3))["components"]["ner_student"]["model"]["encode"]
        assert (encode["width"], encode["depth"], encode["precision"]) == (8, 3, "int8")
        component["model"] = "${shared}"
        student["shared"] = {"embed": {"characters": {"filters": 16}}}
