"""The report of the low-resource benchmark: gains, costs, tables and pages."""

import argparse
import shutil
from itertools import product
from math import inf

import pytest
import typer

from benchmarks.commands import ROOT
from benchmarks.low_resource.gains import compare, cost, cost_ratios, interval
from benchmarks.low_resource.kinds import KINDS, LOSS_NAMES, LOSSES
from benchmarks.low_resource.repeat import COMMAND
from benchmarks.low_resource.report import main as write_report
from benchmarks.low_resource.sections import SECTIONS, WATTS, methods_table, ways_table
from benchmarks.low_resource.store import RATES, RESULTS, RUN, Store
from benchmarks.low_resource.systems import METHODS, OTHER_TEACHERS, WAYS, system_of
from benchmarks.low_resource.tables import group, thousands

PROTOCOL = "benchmarks/results/README.md"


def a_run(system, labeled, seed, f):
    overall = {"f": f, "p": f, "r": f, "seqeval_f": f}
    per_type = {"LOC": {"f": f, "p": f, "r": f}}
    return {
        "record": RUN,
        "dataset": "conll",
        "labeled": labeled,
        "seed": seed,
        "system": system,
        "scores": {"test": {**overall, "per_type": per_type}, "dev": overall},
        "last": {"test": {"f": f - 1}},
        "agreement": {"test": 90.0} if system != "teacher" else {},
        "cost": {"seconds": 2.0, "processor_seconds": 3.0, "joules": None},
        "sizes": {"train": [5, 100], "unlabeled": [20, 500]},
        "made_with": {"code": "1" if seed < 2 else system},
    }


def test_gains_are_of_the_same_seeds():
    systems = {
        "student": [a_run("student", 150, seed, f) for seed, f in enumerate((80.0, 82.0, 81.0))],
        "gold-only": [a_run("gold-only", 150, seed, f) for seed, f in ((0, 78.0), (1, 76.0))],
        "teacher": [a_run("teacher", 150, 7, 77.0)],
    }
    found = compare(systems, "student", "gold-only")
    assert found == (81.0, 77.0, [2.0, 6.0])
    assert compare(systems, "student", "teacher") is None
    assert compare(systems, "student", "spacy-gold") is None
    # t = 4.303 for two degrees of freedom, and a standard error of 2 / sqrt(3)
    assert interval([2.0, 4.0, 6.0]) == pytest.approx((4 - 4.968, 4 + 4.968), abs=0.001)
    assert interval([2.0, 6.0]) is None


def test_costs_are_paid_back_by_the_time_that_is_saved_at_each_word():
    systems = {name: [a_run(name, 150, 0, 70.0)] for name in ("teacher", "student")}
    rates = {"teacher": 100.0, "student": 1000.0}
    # A teacher of 3 s; 500 words at 100 a second; 3 s of distilling; 9 ms saved with each word.
    found = cost(systems, rates)
    assert found == pytest.approx((3.0, 5.0, 3.0, 8000 / 9, 11_000 / 9))
    assert cost(systems, {"student": 1000.0}) is None
    slow = cost(systems, {**rates, "student": 100.0})
    assert slow.paid_back == slow.all_paid_back == inf and thousands(slow.paid_back) == "never"
    assert cost(systems, rates, "student-cnn") is None
    systems["student-cnn"] = [a_run("student-cnn", 150, 0, 70.0)]
    faster = {**rates, "student-cnn": 10_000.0}
    assert cost(systems, faster, "student-cnn").paid_back == pytest.approx(8 / 0.0099)
    del systems["teacher"]
    assert cost(systems, rates) is None


def test_costs_are_compared_within_one_code():
    systems = {
        name: [a_run(name, 150, seed, 70.0) for seed in (0, 1, 2)] for name in ("a", "student")
    }
    systems["a"][0]["cost"]["processor_seconds"] = 6.0
    assert cost_ratios(systems, "a", "student") == [2.0, 1.0]
    assert cost_ratios(systems, "b", "student") == []


def test_methods_are_compared_with_the_plain_student(tmp_path):
    runs = [a_run("student", size, seed, 80.0) for size in (150, 750) for seed in (0, 1, 3)]
    second = "student-of-teacher+student"
    runs += [a_run(second, 150, seed, 81.0 + seed) for seed in (0, 1, 3)]
    runs += [a_run("student-sru", 150, seed, 79.0) for seed in (0, 1)]
    store = Store(tmp_path)
    rates = {"student": 300.0, "student-sru": 600.0}
    store.write({"record": RATES, "dataset": "conll", "words_per_second": rates})
    _, _, *rows = methods_table(group(runs), store).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    plain, sru = METHODS[second], METHODS["student-sru"]
    assert cells[0] == [plain.link, plain.advice, "+2.33 (-1.46 to +6.13; 3)", "2.0", "1.0"]
    assert cells[1] == [sru.link, sru.advice, "-1.00 (2)", "1.0", "0.5"]
    assert len(rows) == 2


def test_ways_without_a_transformer_cost_all_that_they_need(tmp_path):
    scores = {"gold-only": 70.0, "cvt-self": 72.0, "student": 76.0, "teacher": 75.0}
    runs = [a_run(name, 150, seed, f + seed) for name, f in scores.items() for seed in (0, 1, 2)]
    runs += [a_run("student-of-gold-only", 150, seed, 71.0) for seed in (0, 1, 2, 3)]
    # Not one of the seeds that all ways have.
    runs[-1]["cost"]["processor_seconds"] = 1e6
    runs += [a_run(name, 3000, 0, 80.0) for name in ("gold-only", "student")]
    store = Store(tmp_path)
    # 500 words without labels, and three seconds for each training
    store.write({"record": RATES, "dataset": "conll", "words_per_second": {"teacher": 2.0}})
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in ways_table(group(runs), store).splitlines()[2:]
    ]

    def row(name, f1, seconds):
        return ["150", WAYS[name], f1, f"{seconds / 60:.0f}", f"{seconds * WATTS / 3600:.1f}", "3"]

    assert rows == [
        row("gold-only", "71.0", 3),
        row("student-of-gold-only", "71.0", 6),
        row("cvt-self", "73.0", 3),
        row("student", "77.0", 256),
        row("teacher", "76.0", 3),
    ]


def test_a_report_has_means_of_the_store_and_can_be_written_again(tmp_path):
    pytest.importorskip("matplotlib", reason="the benchmarks extra is not installed")
    runs = [a_run("student", 150, seed, f) for seed, f in enumerate((76.0, 78.0))]
    runs += [a_run("teacher", 150, seed, f) for seed, f in enumerate((74.0, 76.0))]
    runs += [a_run("student@hard", 150, 0, 70.0)]
    runs += [a_run("student", 1500, 0, 85.0), a_run("teacher", 1500, 0, 86.0)]
    runs += [a_run("gold-only", 1500, 0, 82.0), a_run("spacy-silver", 150, 1, 73.0)]
    runs += [a_run("gold-only", 150, seed, f) for seed, f in enumerate((70.0, 71.0, 99.0))]
    runs += [a_run("student-of-gold-only", 1500, 0, 81.0)]
    runs += [a_run("student-cnn", 150, seed, f) for seed, f in enumerate((73.0, 76.0))]
    runs += [a_run("gold-only-cnn", 150, seed, f) for seed, f in enumerate((71.0, 72.0))]
    runs += [a_run("student-loss-hard", size, 0, 75.0 + 8 * (size > 150)) for size in (150, 1500)]
    store = Store(tmp_path / "store")
    for run in runs:
        store.write(run)
    names = ["gold-only-cnn", "student-cnn", "student-loss-hard", "spacy-silver"]
    assert list(group(runs)["conll"][150]) == [
        "teacher",
        "gold-only",
        "student",
        "student@hard",
        *names,
    ]
    page = tmp_path / "results.md"
    places = "\n\n".join(
        f"<!-- {name}: benchmarks.low_resource.report -->\n<!-- end of {name} -->"
        for name in (*SECTIONS, "commands")
    )
    page.write_text(f"Before\n\n{places}\n\nAfter\n", encoding="utf8")
    write_report([page], tmp_path / "store")
    text = page.read_text(encoding="utf8")
    assert "| CoNLL-2003, 150 | its teacher | +2.00 |" in text
    assert "| 150 | student | 77.00 ± 1.41 |" in text
    assert "| 1,500 | student | 85.00 |" in text
    # All means are of the two seeds that all three have.
    assert "| 150 | 75.0 | 77.0 | 70.5 | +6.50 |  | 2 |" in text
    assert "| CoNLL-2003, 150 | labels alone | +6.50 |  | 2 |" in text
    # The last models have 1 F1 less.
    assert "| CoNLL-2003, 1,500 | 82.0 | 85.0 | 81.0 | 84.0 | +3.00 |" in text
    # Of the two seeds that both have.
    assert "| CoNLL-2003, 150 | LSTM-CNN-CRF, the package's | 70.5 | 77.0 | +6.50 |" in text
    assert f"| CoNLL-2003, 150 | {KINDS['cnn']} | 71.5 | 74.5 | +3.00 |  | 2 |  |  |" in text
    taught = "| 81.00 | 85.00 | 82.00 | 1 |"
    assert f"| CoNLL-2003, 1,500 | {OTHER_TEACHERS['student-of-gold-only']} {taught}" in text
    assert "| 150 | 78.0 | 73.0 | +5.00 |  | 1 |" in text
    names = "gold-only,student,student-loss-hard,student-of-gold-only,teacher"
    command = f"{COMMAND} $conll --labeled 1500 --seeds 0 --systems {names}"
    assert command in text.replace(" \\\n   ", "")
    # By 1 and by 2 less than the default.
    assert f"| {LOSS_NAMES['loss-hard']} | -1.00 | -2.00 |" in text
    assert LOSS_NAMES.keys() == LOSSES.keys()
    assert text.startswith("Before\n") and text.endswith("\nAfter\n")
    assert (tmp_path / "results-conll.png").stat().st_size > 10_000
    write_report([page], tmp_path / "store")
    assert page.read_text(encoding="utf8") == text
    assert "| 1,500 | 85.0 | 86.0 | 82.0 |" in text
    for other in ("Nothing", text.replace("<!-- end of costs -->", "")):
        page.write_text(other, encoding="utf8")
        with pytest.raises((SystemExit, typer.Exit)):
            write_report([page], tmp_path / "store")


def test_the_protocol_has_the_results_of_the_store(tmp_path):
    """tests/docs/test_figures.py compares the pages for users."""
    pytest.importorskip("matplotlib", reason="the benchmarks extra is not installed")
    copy = tmp_path / "page.md"
    shutil.copy(ROOT / PROTOCOL, copy)
    write_report([copy], RESULTS)
    assert copy.read_text(encoding="utf8") == (ROOT / PROTOCOL).read_text(encoding="utf8")


def test_the_commands_of_the_page_make_the_runs_of_the_store():
    page = (ROOT / PROTOCOL).read_text(encoding="utf8")
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    for option, default in (("labeled", None), ("seeds", "0"), ("systems", None)):
        parser.add_argument(f"--{option}", default=default)
    made = set()

    def add(dataset, size, seed, name):
        made.add((dataset, size, seed, name))
        for needed in system_of(name).needs:
            add(dataset, size, seed, needed)

    variables = {}
    for command in page.replace("\\\n", " ").splitlines():
        name, assigned, value = command.partition("=")
        if assigned and name.isidentifier():
            variables[f"${name}"] = value.strip('"')
        for variable, content in variables.items():
            command = command.replace(variable, content)
        if command.startswith("python -m benchmarks.low_resource.train"):
            words = command.partition("#")[0].split()[3:]
            options, _ = parser.parse_known_args(words)
            values = (getattr(options, name).split(",") for name in ("labeled", "seeds", "systems"))
            for size, seed, name in product(*values):
                add(options.dataset, int(size), int(seed), name)
    runs = Store(RESULTS).runs()
    assert made == {(run["dataset"], run["labeled"], run["seed"], run["system"]) for run in runs}
    paths = [word for word in page.split() if word.startswith("benchmarks/runs/")]
    for dataset in ("conll", "newsroom", "swedish", "wnut"):
        for rates in Store(RESULTS).records(dataset, record=RATES):
            assert f"benchmarks/runs/{rates['cell']}" in paths
