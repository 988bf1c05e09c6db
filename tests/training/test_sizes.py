"""Students of several sizes from one run."""

import json
from io import StringIO

import pytest
import spacy
from numpy.testing import assert_array_equal

from spacy_distill import distill_sizes
from spacy_distill.teachers import PipelineTeacher
from spacy_distill.training import sizes
from spacy_distill.training.checkpoints import MODEL_BEST, MODEL_LAST, STUDENT
from spacy_distill.training.sizes import Measured, choose, parse_sizes
from tests.training.conftest import FRAMES, PEOPLE, PLACES

NAMES = ["16x1", "8x2"]


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch):
    monkeypatch.setattr(sizes, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr("spacy_distill.evaluation.speed.LEAST_SECONDS", 0.0)


@pytest.fixture(scope="module")
def rules():
    nlp = spacy.blank("en")
    patterns = [{"label": "LOC", "pattern": name} for name in PLACES]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


@pytest.fixture
def run(config, teacher, tmp_path):
    def distilled(teacher=teacher, student=None, **options):
        return distill_sizes(
            teacher,
            student or config(),
            tmp_path / "sizes",
            **{"sizes": NAMES, "stdout": StringIO(), "stderr": StringIO(), **options},
        )

    return distilled


def encoder(folder):
    encode = spacy.load(folder).config["components"]["ner_student"]["model"]["encode"]
    return encode["width"], encode["depth"]


def parameters(folder):
    model = spacy.load(folder).get_pipe("ner_student").model
    return [node.get_param(name) for node in model.walk() for name in node.param_names]


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
        assert student.f1 == 100 * meta["performance"]["ents_f"]
        assert student.fits
    chosen = choose(found)
    assert encoder(tmp_path / "sizes" / MODEL_BEST) == (chosen.width, chosen.depth)
    kept = json.loads((tmp_path / "sizes" / "sizes.json").read_text())
    assert kept["chosen"] == chosen.size
    assert [Measured(**student) for student in kept["sizes"]] == found


def test_a_size_is_the_student_that_is_trained_alone(run, quietly, config, teacher, tmp_path):
    """Neither the other sizes nor the cache of the teacher change anything."""
    run()
    encode = {"components": {"ner_student": {"model": {"encode": {"width": 8, "depth": 2}}}}}
    quietly(teacher, config(**encode), tmp_path / "alone")
    mine, alone = (parameters(tmp_path / name / MODEL_LAST) for name in ("sizes/8x2", "alone"))
    for one, other in zip(mine, alone, strict=True):
        assert_array_equal(one, other)


def test_the_teacher_reads_each_document_once(run, teacher):
    read = []

    class Counting(PipelineTeacher):
        def predict_chain(self, docs):
            read.extend(doc.text for doc in docs)
            return super().predict_chain(docs)

    run(Counting(teacher))
    assert len(read) == len(set(read))


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
            ("a", 80.0, 200.0, 2.0),
            ("b", 90.0, 100.0, 3.0),
            ("c", 70.0, 300.0, 1.0),
            ("d", 80.0, 200.0, 2.2),
        ]
    ]
    within = [
        student._replace(
            fits=sizes.is_within(student.megabytes, student.words_per_second, **limits)
        )
        for student in measured
    ]
    chosen = choose(within)
    assert (chosen and chosen.size) == expected


def test_other_limits_need_no_training(run, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"\[D824\] No size fits.*at most .* words/s"):
        run(max_mb=0.001)
    assert not (tmp_path / "sizes" / MODEL_BEST).exists()
    monkeypatch.setattr(sizes, "train_sizes", None)
    found = run(max_mb=1000, resume=True)
    assert (tmp_path / "sizes" / MODEL_BEST).is_dir()
    assert all(student.fits for student in found)


def test_an_interrupted_run_continues_at_the_next_size(run, tmp_path, monkeypatch):
    trained, train_one = [], sizes.train_one

    def interrupted(config, teachers, folder, *args, **options):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(folder.name)
        return train_one(config, teachers, folder, *args, **options)

    monkeypatch.setattr(sizes, "train_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.setattr(
        sizes,
        "train_one",
        lambda *args, **kw: (trained.append(args[2].name), train_one(*args, **kw)),
    )
    assert len(run(resume=True)) == 2
    assert trained == NAMES


def test_an_earlier_result_is_not_replaced(run, tmp_path):
    run(sizes=NAMES[:1])
    with pytest.raises(ValueError, match=r"\[D721\]"):
        run(sizes=NAMES[:1])
    assert run(sizes=NAMES[1:], overwrite=True)[0].size == "8x2"


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
    chosen = choose(found)
    assert encoder(output / STUDENT) == (chosen.width, chosen.depth)


def test_names_of_sizes():
    assert parse_sizes(["small", "64x3"]) == {"small": (100, 1), "64x3": (64, 3)}
    for wrong in ("tiny", "0x1", "64", "64x", "x2", "64x-1"):
        with pytest.raises(ValueError, match=r"\[D821\].* is no size"):
            parse_sizes([wrong])
    with pytest.raises(ValueError, match=r"\[D822\]"):
        parse_sizes([])


def test_encoders_without_width_and_depth_are_refused(run, config):
    model = {"encode": None}
    with pytest.raises(ValueError, match=r"\[D823\].*no width and depth"):
        run(student=config(components={"ner_student": {"model": model}}))
