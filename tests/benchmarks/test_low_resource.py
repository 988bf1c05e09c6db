"""The parts of the low-resource benchmark that decide what a table says."""

import argparse
import json
import shutil
from itertools import combinations, product
from pathlib import Path

import low_resource
import numpy
import pytest
import spacy
import typer
from low_resource_bootstrap import mean_gain
from low_resource_data import ROOT, Cell, Dataset
from low_resource_gains import cost, gains, interval
from low_resource_report import main as write_report
from low_resource_scores import agreement, find_entities, score, with_entities, write_silver
from low_resource_sections import SECTIONS
from low_resource_store import Store
from low_resource_systems import (
    MEMBERS,
    OTHER_TEACHERS,
    SYSTEMS,
    Pretrained,
    steps,
    system_of,
)
from low_resource_tables import group
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from student_kinds import KINDS, LOSS_NAMES, LOSSES, kind_config
from thinc.api import Adam, Config, fix_random_seed

from spacy_distill.chain import LinearChain
from spacy_distill.losses import ChainDistillation
from spacy_distill.training.settings import fill_settings, resolve_settings
from spacy_distill.vectors.table import vectors_pipeline

GOLD = [[(0, 2, "PER"), (3, 4, "LOC")], [(0, 1, "LOC")], []]


@pytest.fixture
def docs():
    vocab = spacy.blank("en").vocab
    texts = ["Anna Berg in Oslo .", "Oslo sleeps", "Nobody came"]
    return [
        with_entities(Doc(vocab, words=text.split(" ")), entities)
        for text, entities in zip(texts, GOLD, strict=True)
    ]


@pytest.fixture
def cell(tmp_path):
    return Cell(Dataset.conll, 600, 3, tmp_path / "cell", tmp_path / "conll")


def test_scores_are_strict_and_those_of_two_scorers(docs):
    found = [[(0, 2, "PER"), (3, 4, "PER")], [], [(0, 1, "PER")]]
    scores = score(docs, found)
    # One of three found ones is right, and one of three true ones found.
    expected = {"f": 100 / 3, "p": 100 / 3, "r": 100 / 3}
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value)
        assert scores[f"seqeval_{name}"] == pytest.approx(value)
    assert scores["per_type"]["PER"] == pytest.approx({"f": 50, "p": 100 / 3, "r": 100})
    assert scores["per_type"]["LOC"] == {"f": 0, "p": 0, "r": 0}
    assert score(docs, GOLD)["f"] == 100


def test_agreement_is_f1_against_what_another_found():
    assert agreement(GOLD, GOLD) == 100
    assert agreement([[], [], []], GOLD) == 0
    assert agreement([GOLD[0], [], []], GOLD) == pytest.approx(100 * 2 * 1 * (2 / 3) / (1 + 2 / 3))
    # The same entity of another document is another one.
    assert agreement([[], [], [(0, 1, "LOC")]], [[], [(0, 1, "LOC")], []]) == 0


@pytest.fixture
def models(tmp_path):
    """Two pipelines that know a name each, as teachers that write entities."""
    paths = []
    for pattern in ({"label": "LOC", "pattern": "Oslo"}, {"label": "LOC", "pattern": "Kiel"}):
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([pattern])
        paths.append(tmp_path / pattern["pattern"])
        nlp.to_disk(paths[-1])
    return paths


def test_entities_of_one_pipeline_and_of_an_average_keep_the_documents_order(docs, models):
    expected = [[(3, 4, "LOC")], [(0, 1, "LOC")], []]
    assert find_entities(models[:1], docs) == expected
    # 0.9 and 0.1: what one of two finds is as probable as not, what both find is sure.
    both = find_entities([models[0], models[0]], docs)
    assert both == expected
    assert [type(number) for number in both[0][0][:2]] == [int, int]


def test_silver_is_gold_and_what_teachers_find_elsewhere(docs, models, tmp_path):
    plain = [Doc(doc.vocab, words=[token.text for token in doc]) for doc in docs]
    DocBin(docs=docs[:1]).to_disk(tmp_path / "train.spacy")
    DocBin(docs=plain[1:]).to_disk(tmp_path / "unlabeled.spacy")
    write_silver(tmp_path, models[:1], tmp_path / "silver.spacy")
    silver = list(DocBin().from_disk(tmp_path / "silver.spacy").get_docs(docs[0].vocab))
    found = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in silver]
    assert found == [GOLD[0], [(0, 1, "LOC")], []]
    assert all(doc.has_annotation("ENT_IOB") for doc in silver)


def test_a_store_gives_back_runs_and_refuses_other_settings(cell, tmp_path):
    store = Store(tmp_path / "store")
    assert store.read(cell, "student", {"a": 1}, "ff") is None
    run = {"settings": {"a": 1}, "value": 2}
    store.write(cell, "student", run)
    assert store.read(cell, "student", {"a": 1}, "ff") == run  # an old one, without signs
    store.write(cell, "student", {**run, "vectors": "ff"})
    assert store.read(cell, "student", {"a": 1}, "ff") == {**run, "vectors": "ff"}
    assert store.path(cell, "student").parts[-2:] == ("conll-600", "student-seed3.json")
    for settings, vectors in (({"a": 2}, "ff"), ({"a": 1}, "fe")):
        with pytest.raises(SystemExit):
            store.read(cell, "student", settings, vectors)


def test_the_signs_of_vectors_tell_other_numbers_and_not_last_bits(tmp_path):
    data = numpy.random.default_rng(0).normal(size=(50, 8)).astype("float32")
    noise = numpy.random.default_rng(1).normal(size=data.shape) * 1e-7
    tables = {"one": data, "last bits": data * (1 + noise), "other order": data[::-1]}
    tables["half"] = numpy.hstack((data[:, :4], data[::-1, 4:]))  # all have the same norm
    for name, table in tables.items():
        words = [f"word{number}" for number in range(len(table))]
        table = numpy.ascontiguousarray(table, dtype="float32")
        vectors_pipeline(words, table, "en").to_disk(tmp_path / name)
    digests = {name: low_resource.vectors_digest(tmp_path / name) for name in tables}
    assert len(set(digests.values())) == 1
    signs = {name: low_resource.vectors_signs(tmp_path / name) for name in tables}
    assert signs["one"] == signs["last bits"] and len(set(signs.values())) == 3
    assert low_resource.vectors_signs(None) == ""


@pytest.mark.parametrize("name", ["nobody", "student-of-nobody", "student-of-teacher"])
def test_systems_that_cannot_be_are_refused_by_name(name):
    with pytest.raises(ValueError, match=r"no system 'nobody'|not trained"):
        system_of(name)


def test_commands_name_only_what_there_is(cell, tmp_path):
    pretrained = Pretrained(tmp_path / "vectors", tmp_path / "bert")
    for name, system in SYSTEMS.items():
        assert all(other in SYSTEMS for other in system.needs), name
        command = [str(word) for word in system.command(cell, pretrained)] if system.command else []
        for other in SYSTEMS:
            if f"/{other}/model-best" in " ".join(command):
                assert other in system.needs, (name, other)
    assert steps(cell, 400) == 800
    everything = Cell(Dataset.conll, 14_041, 0, tmp_path, tmp_path)
    student = SYSTEMS["student"].command
    assert "--paths.unlabeled" in student(cell, pretrained)
    assert "--paths.unlabeled" not in student(everything, pretrained)


@pytest.mark.parametrize("kind", KINDS)
def test_students_of_other_kinds_learn_and_load(kind, tmp_path):
    config = kind_config(kind)
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student", config={"model": config["components"]["ner_student"]["model"]})
    doc = with_entities(nlp.make_doc("Anna Berg in Oslo ."), GOLD[0])
    examples = [Example(nlp.make_doc(doc.text), doc)]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "model")
    assert find_entities([tmp_path / "model"], [doc]) == [GOLD[0]]


@pytest.mark.parametrize("encoder, before", [("unidirectional", True), ("cnn", False)])
def test_an_lstm_from_left_to_right_does_not_see_what_follows(encoder, before):
    nlp = spacy.blank("en")
    model = kind_config(encoder)["components"]["ner_student"]["model"]
    nlp.add_pipe("ner_student", config={"model": model}).add_label("PER")
    nlp.initialize()
    docs = [nlp.make_doc(f"Anna and {name} Berg") for name in ("Ola", "Ida")]
    one, other = (nlp.get_pipe("ner_student").model.predict([doc]).emissions for doc in docs)
    assert numpy.allclose(one[:2], other[:2], atol=1e-6) == before
    assert not numpy.allclose(one[3], other[3], atol=1e-6)


def make_chains():
    """RETURNS (Tuple[LinearChain, LinearChain, Bools2d]): Student and teacher, and no annotation,
    of four tokens and one label."""
    rng = numpy.random.default_rng(0)
    n_tags = 5

    def scores(*shape):
        return rng.normal(size=shape).astype("float32")

    student, teacher = (
        LinearChain(
            scores(4, n_tags),
            numpy.array([4]),
            scores(n_tags, n_tags),
            scores(n_tags),
            scores(n_tags),
        )
        for _ in range(2)
    )
    return student, teacher, numpy.ones((4, n_tags), dtype=bool)


def make_loss(kind, **settings):
    config = kind_config(kind)
    config["distillation"].update(settings)
    return resolve_settings(fill_settings(config).interpolate())["loss"]


def test_each_loss_is_another_one():
    gradients = {}
    for kind in ("softmax", *LOSSES):  # the first one has the default
        _, gradients[kind] = make_loss(kind)(*make_chains())
    for (one, first), (other, second) in combinations(gradients.items(), 2):
        assert not numpy.allclose(first.emissions, second.emissions, atol=1e-4), (one, other)


def test_an_annealed_teacher_counts_less_with_each_step():
    annealed = make_loss("loss-annealed", max_steps=4)
    for step in range(6):  # the last two are after the end
        alpha = min(step / 4, 1.0)
        expected, _ = ChainDistillation(alpha=alpha, beta=1.0 - alpha)(*make_chains())
        assert annealed(*make_chains())[0] == pytest.approx(expected, rel=1e-3)
        annealed.advance()
    page = (ROOT / "docs" / "losses.md").read_text(encoding="utf8")
    blocks = [block.partition("```")[0] for block in page.split("```ini\n")[1:]]
    (shown,) = (block for block in blocks if "schedules" in block)
    config = Config().from_str(f"[distillation]\n{shown}", interpolate=False)
    assert config["distillation"]["loss"] == LOSSES["loss-annealed"]


def a_run(system, labeled, seed, f):
    overall = {"f": f, "p": f, "r": f, "seqeval_f": f}
    per_type = {"LOC": {"f": f, "p": f, "r": f}}
    return {
        "dataset": "conll",
        "labeled": labeled,
        "seed": seed,
        "system": system,
        "scores": {"test": {**overall, "per_type": per_type}, "dev": overall},
        "agreement": {"test": 90.0} if system != "teacher" else {},
        "cost": {"seconds": 2.0, "processor_seconds": 3.0, "joules": None},
        "sizes": {"train": [5, 100], "unlabeled": [20, 500]},
    }


def test_gains_are_of_the_same_seeds():
    systems = {
        "student": [a_run("student", 150, seed, f) for seed, f in enumerate((80.0, 82.0, 81.0))],
        "gold-only": [a_run("gold-only", 150, seed, f) for seed, f in ((0, 78.0), (1, 76.0))],
        "teacher": [a_run("teacher", 150, 1, 77.0)],
        "spacy-gold": [a_run("spacy-gold", 150, 2, 71.0)],
        "student-cnn": [a_run("student-cnn", 150, 0, 79.0)],
        "gold-only-cnn": [a_run("gold-only-cnn", 150, 0, 74.0)],
        "student-loss-hard": [a_run("student-loss-hard", 150, 1, 81.0)],
        "student@longer": [a_run("student@longer", 150, 2, 80.0)],
        "student-of-joined-0+gold-only": [a_run("student-of-joined-0+gold-only", 150, 2, 81.5)],
    }
    found = {(gain.system, gain.other): gain.values for gain in gains(systems)}
    assert found == {
        ("student", "gold-only"): [2.0, 6.0],
        ("student", "teacher"): [5.0],
        ("student", "spacy-gold"): [10.0],
        ("teacher", "gold-only"): [1.0],
        ("student-cnn", "gold-only-cnn"): [5.0],
        ("student-loss-hard", "student"): [-1.0],
        ("student@longer", "student"): [-1.0],
        ("student-of-joined-0+gold-only", "student"): [0.5],
    }
    # t = 4.303 for two degrees of freedom, and a standard error of 2 / sqrt(3)
    assert interval([2.0, 4.0, 6.0]) == pytest.approx((4 - 4.968, 4 + 4.968), abs=0.001)
    assert interval([2.0, 6.0]) is None


def test_a_gain_is_drawn_over_documents_and_averaged_over_seeds():
    rng = numpy.random.default_rng(0)
    n_found = rng.integers(1, 4, size=200)
    all_right = numpy.stack((n_found, 0 * n_found, 0 * n_found), axis=1)
    right = rng.random(200) < 0.5
    half = numpy.where(right[:, None], all_right, all_right[:, ::-1])
    share = n_found[right].sum() / n_found.sum()
    f1 = 100 * 2 * share / (1 + share)
    # One seed gains what is missing, the other nothing.
    found = mean_gain([(all_right, half), (half, half)])
    assert found["value"] == pytest.approx((100 - f1) / 2)
    # 1.96 standard errors of half the loss, by the delta method
    error = (
        100
        / (1 + share) ** 2
        * numpy.sqrt(share * (1 - share) / 200 * (n_found**2).mean())
        / n_found.mean()
    )
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * error, rel=0.15)
    nothing = mean_gain([(half, half)])
    assert nothing["value"] == 0 and nothing["low"] is None


def test_costs_are_paid_back_by_the_time_that_is_saved_at_each_word():
    systems = {name: [a_run(name, 150, 0, 70.0)] for name in (*MEMBERS, "student")}
    rates = {"joined-0": 100.0, "student": 1000.0}
    # Four teachers of 3 s; 500 words at 100 a second; 3 s of distilling; 9 ms saved with each word.
    found = cost(systems, rates)
    assert found == pytest.approx((12.0, 5.0, 3.0, 8000 / 9, 20_000 / 9))
    assert cost(systems, {"student": 1000.0}) is None
    assert cost(systems, rates, "student-cnn") is None
    systems["student-cnn"] = [a_run("student-cnn", 150, 0, 70.0)]
    faster = {**rates, "student-cnn": 10_000.0}
    assert cost(systems, faster, "student-cnn").paid_back == pytest.approx(8 / 0.0099)
    del systems["gold-only"]
    assert cost(systems, rates) is None


def test_a_report_has_means_of_the_store_and_can_be_written_again(tmp_path):
    pytest.importorskip("matplotlib", reason="the benchmarks extra is not installed")
    runs = [a_run("student", 150, seed, f) for seed, f in enumerate((76.0, 78.0))]
    runs += [a_run("teacher", 150, 0, 74.0), a_run("student@hard", 150, 0, 70.0)]
    runs += [a_run("student", 1500, 0, 85.0)]
    runs += [a_run("gold-only", 1500, 0, 82.0), a_run("spacy-silver", 150, 1, 73.0)]
    runs += [a_run("gold-only", 150, seed, f) for seed, f in enumerate((70.0, 71.0, 99.0))]
    runs += [a_run("student-of-gold-only", 1500, 0, 81.0)]
    runs += [a_run("student-cnn", 150, seed, f) for seed, f in enumerate((73.0, 76.0))]
    runs += [a_run("gold-only-cnn", 150, seed, f) for seed, f in enumerate((71.0, 72.0))]
    runs += [a_run("student-loss-hard", size, 0, 75.0 + 8 * (size > 150)) for size in (150, 1500)]
    for number, run in enumerate(runs):
        path = tmp_path / "store" / f"conll-{run['labeled']}" / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(run), encoding="utf8")
    drawn = {"value": 3.0, "low": 1.5, "high": 4.5, "seeds": [0]}
    (tmp_path / "store" / "bootstrap-conll-1500.json").write_text(json.dumps(drawn))
    names = ["gold-only-cnn", "student-cnn", "student-loss-hard", "spacy-silver"]
    assert list(group(runs)["conll"][150]) == [
        "gold-only",
        "teacher",
        "student",
        "student@hard",
        *names,
    ]
    page = tmp_path / "results.md"
    places = "\n\n".join(
        f"<!-- {name}: low_resource_report.py -->\n<!-- end of {name} -->" for name in SECTIONS
    )
    page.write_text(f"Before\n\n{places}\n\nAfter\n", encoding="utf8")
    write_report([page], tmp_path / "store")
    text = page.read_text(encoding="utf8")
    assert "| 150 | student | teacher | +2.00 |" in text
    assert "| 150 | student | 77.00 ± 1.41 |" in text
    assert "| 1,500 | student | 85.00 |" in text
    # Of the one seed that spaCy has, too.
    assert "| 150 | 77.5 | 81.0 | 77.0 | 74.0 | 80.0 | 73.0 | +5.0 | 2 | 1 |" in text
    assert "| CoNLL-2003, 1,500 | +3.00 |  | 1 | +1.50 to +4.50 | 0 |" in text
    assert "| CoNLL-2003, 150 | +6.50 |  | 2 |  |  |" in text
    # Of the two seeds that both have.
    assert "| CoNLL-2003, 150 | LSTM-CNN-CRF, the package's | 70.5 | 77.0 | +6.50 |" in text
    assert f"| CoNLL-2003, 150 | {KINDS['cnn']} | 71.5 | 74.5 | +3.00 |  | 2 |  |  |" in text
    taught = "| 81.00 | 85.00 | 82.00 | 1 |"
    assert f"| CoNLL-2003, 1,500 | {OTHER_TEACHERS['student-of-gold-only']} {taught}" in text
    # By 1 and by 2 less than the default.
    assert f"| {LOSS_NAMES['loss-hard']} | -1.00 | -2.00 | -1.50 | 2 |" in text
    assert LOSS_NAMES.keys() == LOSSES.keys()
    assert text.startswith("Before\n") and text.endswith("\nAfter\n")
    assert (tmp_path / "results-conll.png").stat().st_size > 10_000
    write_report([page], tmp_path / "store")
    assert page.read_text(encoding="utf8") == text
    assert "| 1,500 | 85.0 |  | 82.0 |" in text
    for other in ("Nothing", text.replace("<!-- end of worth -->", "")):
        page.write_text(other, encoding="utf8")
        with pytest.raises((SystemExit, typer.Exit)):
            write_report([page], tmp_path / "store")


def test_the_pages_tell_what_is_in_the_store(tmp_path):
    pytest.importorskip("matplotlib", reason="the benchmarks extra is not installed")
    pages = [ROOT / "docs" / name for name in ("results.md", "how-to/few-labels.md")]
    copies = [tmp_path / page.name for page in pages]
    for page, copy in zip(pages, copies, strict=True):
        shutil.copy(page, copy)
    write_report(copies, ROOT / "benchmarks" / "results")
    for page, copy in zip(pages, copies, strict=True):
        assert copy.read_text(encoding="utf8") == page.read_text(encoding="utf8"), page.name


def test_the_commands_of_the_page_make_the_runs_of_the_store():
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf8")
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    for option, default in (
        ("labeled", None),
        ("seeds", "0"),
        ("systems", None),
        ("variant", ""),
    ):
        parser.add_argument(f"--{option}", default=default)
    made = set()

    def add(dataset, size, seed, name):
        made.add((dataset, size, seed, name))
        for needed in system_of(name).needs:
            add(dataset, size, seed, needed)

    variables = {}
    for command in page.replace("\\\n", " ").splitlines():
        name, assigned, value = command.replace("+=", "=").partition("=")
        if assigned and name.isidentifier():
            variables[f"${name}"] = variables.get(f"${name}", "") + value
        for variable, content in variables.items():
            command = command.replace(variable, content)
        if command.startswith("python benchmarks/low_resource.py"):
            words = command.partition("#")[0].split()[2:]
            options, _ = parser.parse_known_args(words)
            values = (getattr(options, name).split(",") for name in ("labeled", "seeds", "systems"))
            variant = f"@{options.variant}" if options.variant else ""
            for size, seed, name in product(*values):
                add(options.dataset, int(size), int(seed), name + variant)
    store = Store(ROOT / "benchmarks" / "results")
    assert made == {(r["dataset"], r["labeled"], r["seed"], r["system"]) for r in store.runs()}
    paths = [word for word in page.split() if word.startswith("benchmarks/runs/")]
    for path in store.folder.glob("rates-*.json"):
        assert f"benchmarks/runs/{json.loads(path.read_text())['cell']}" in paths
    for path in store.folder.glob("bootstrap-*.json"):
        assert f"benchmarks/runs/{path.stem.partition('-')[2]}" in paths


@pytest.fixture
def bench(tmp_path, monkeypatch, docs):
    """A benchmark whose commands write rules in place of what they would train."""
    commands = []

    def execute(arguments, log):
        arguments = [str(argument) for argument in arguments]
        commands.append(arguments)
        if "convert_conll.py" in arguments[0]:
            corpus = Path(arguments[2])
            corpus.mkdir(parents=True, exist_ok=True)
            for part in ("train", "dev", "test", "unlabeled"):
                DocBin(docs=docs).to_disk(corpus / f"{part}.spacy")
            return
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])
        output = Path(arguments[arguments.index("--output") + 1])
        output.mkdir(parents=True)
        for name in ("model-best", "model-last"):
            nlp.to_disk(output / name)

    monkeypatch.setattr(low_resource, "execute", execute)
    vectors = vectors_pipeline(["oslo"], numpy.ones((1, 2), dtype="float32"), "en")
    vectors.to_disk(tmp_path / "vectors")

    def make(store="store", **options):
        pretrained = Pretrained(tmp_path / "vectors", tmp_path / "bert")
        return low_resource.Bench(Store(tmp_path / store), pretrained, options)

    make.commands = commands
    return make


def test_a_run_is_made_once_after_what_it_needs(bench, cell):
    run = bench().run(cell, "student")
    assert run["scores"]["test"]["r"] == pytest.approx(200 / 3)
    assert run["agreement"] == {"dev": 100, "test": 100}
    assert run["sizes"]["dev"] == (3, 9)
    # The corpus, four members and the student; the teacher is the members' average.
    assert len(bench.commands) == 6
    again = bench().run(cell, "student")
    assert again == json.loads(json.dumps(run)) and len(bench.commands) == 6
    assert not (cell.folder / "student" / "model-last").exists()


def test_models_that_are_gone_are_trained_again_for_what_needs_them(bench, cell):
    bench().run(cell, "teacher")
    shutil.rmtree(cell.folder)
    bench.commands.clear()
    bench().run(cell, "spacy-silver")
    assert len(bench.commands) == 6
    assert (cell.folder / "spacy-ner.cfg").exists()


def test_models_of_other_settings_are_not_taken(bench, cell):
    bench().run(cell, "gold-only")
    bench.commands.clear()
    bench("other", **{"gold-only": ["--training.dropout", "0.3"]}).run(cell, "gold-only")
    assert len(bench.commands) == 1 and "0.3" in bench.commands[0]
    with pytest.raises(SystemExit):
        bench(**{"gold-only": ["--training.dropout", "0.2"]}).run(cell, "student")


def test_a_run_of_changed_teachers_is_refused(bench, cell):
    one = bench(**{"joined-0": ["--training.dropout", "0.3"]})
    one.run(cell, "student")
    (one.store.path(cell, "joined-0")).unlink()
    with pytest.raises(SystemExit):
        bench().run(cell, "student")
