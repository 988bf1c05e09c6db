"""Training, scoring and storing of runs in the low-resource benchmark."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from time import monotonic

import numpy
import pytest
import spacy
from spacy.ml.staticvectors import StaticVectors
from spacy.tokens import Doc, DocBin

from benchmarks.commands import LOCKS, ROOT, alone
from benchmarks.low_resource import contents, systems, train
from benchmarks.low_resource.data import Cell, Dataset
from benchmarks.low_resource.kinds import KINDS, LOSSES
from benchmarks.low_resource.store import RESULTS, RUN, Store
from benchmarks.low_resource.systems import (
    MEMBERS,
    OF_ENSEMBLE,
    STUDENT,
    SYSTEMS,
    TEACHER,
    Pretrained,
    steps,
    system_of,
)
from spacy_distill.vectors.word_tables import vectors_pipeline

ALL_KINDS = (*KINDS, *LOSSES)


def test_a_store_returns_runs_and_refuses_those_of_other_inputs(cell, tmp_path):
    store = Store(tmp_path / "store")
    made_of = {"settings": {"a": 1}, "vectors": "ff"}
    assert store.run(cell, "student", made_of) is None
    place = {"record": RUN, "dataset": "conll", "labeled": 600, "seed": 3}
    run = {**place, "system": "student", **made_of, "value": 2}
    store.write({**place, "system": "teacher"})
    store.write(run)
    assert store.run(cell, "student", made_of) == run
    assert [one["system"] for one in store.runs()] == ["student", "teacher"]
    assert len((store.folder / "conll.jsonl").read_text().splitlines()) == 2
    for key, value in (("settings", {"a": 2}), ("vectors", "fe")):
        with pytest.raises(SystemExit):
            store.run(cell, "student", {**made_of, key: value})


def test_the_signs_of_vectors_identify_values_and_ignore_rounding(tmp_path):
    data = numpy.random.default_rng(0).normal(size=(50, 8)).astype("float32")
    noise = numpy.random.default_rng(1).normal(size=data.shape) * 1e-7
    tables = {"one": data, "last bits": data * (1 + noise), "other order": data[::-1]}
    tables["half"] = numpy.hstack((data[:, :4], data[::-1, 4:]))  # all have the same norm
    for name, table in tables.items():
        words = [f"word{number}" for number in range(len(table))]
        table = numpy.ascontiguousarray(table, dtype="float32")
        vectors_pipeline(words, table, "en").to_disk(tmp_path / name)
    digests = {name: contents.vectors_digest(tmp_path / name) for name in tables}
    assert len(set(digests.values())) == 1
    signs = {name: contents.vectors_signs(tmp_path / name) for name in tables}
    assert signs["one"] == signs["last bits"] and len(set(signs.values())) == 3
    assert contents.vectors_signs(None) == ""


def test_spacy_finds_the_vectors_of_original_word_forms(docs, tmp_path):
    words = ["oslo", "anna", "Anna", "unheard"]
    nlp = vectors_pipeline(words, numpy.arange(8, dtype="float32").reshape(4, 2) + 1, "en")
    systems.as_written(nlp, docs).to_disk(tmp_path)
    table = spacy.load(tmp_path).vocab
    doc = Doc(table, words=["Anna", "Berg", "in", "Oslo", "."])
    layer = StaticVectors(2).initialize([doc])
    layer.set_param("W", numpy.eye(2, dtype="float32"))
    output = layer.predict([doc]).data
    assert output.tolist() == [[5, 6], [0, 0], [0, 0], [1, 2], [0, 0]]


@pytest.mark.parametrize("name", ["nobody", "student-of-nobody", "student-of-ensemble"])
def test_impossible_systems_are_refused_by_name(name):
    with pytest.raises(ValueError, match=r"no system 'nobody'|not trained"):
        system_of(name)


def test_each_system_is_trained_as_its_name_says(cell, tmp_path):
    vectors = tmp_path / "vectors"

    def command(name, vectors=vectors):
        pretrained = Pretrained(vectors, tmp_path / "bert", tmp_path / "small")
        words = [str(word) for word in system_of(name).command(cell, pretrained)]
        values = {word: words[i + 1] for i, word in enumerate(words[:-1]) if word.startswith("--")}
        return words, values

    own = str(cell.folder / "spacy-vectors")
    for name, config, table, encoder in (
        *((name, "teacher.cfg", str(vectors), "bert") for name in MEMBERS),
        ("weak-teacher", "teacher.cfg", str(vectors), "small"),
        ("transformer", "transformer.cfg", None, "bert"),
        ("weak-transformer", "transformer.cfg", None, "small"),
        ("gold-only", "student.cfg", str(vectors), None),
        ("gold-only-hash-cnn", "hash-cnn.cfg", own, None),
        ("spacy-gold", "spacy-ner.cfg", own, None),
    ):
        words, values = command(name)
        assert words[:3] == ["-m", "spacy", "train"]
        assert words[3].endswith(config)
        assert values["--paths.train"] == str(cell.corpus / "train.spacy"), name
        assert values.get("--paths.vectors") == table, name
        assert Path(values.get("--paths.transformer", "None")).name == str(encoder), name
    seeds = [command(name)[1]["--system.seed"] for name in (*MEMBERS, "gold-only")]
    assert seeds == ["30", "31", "32", "3"]
    words, values = command("spacy-silver")
    assert values["--paths.train"] == str(cell.corpus / "silver.spacy")
    static = "--components.tok2vec.model.embed.include_static_vectors"
    assert values[static] == "true"
    words, values = command("spacy-silver", None)
    assert values[static] == "false" and "--paths.vectors" not in values
    width = "--components.tok2vec.model.encode.width"
    assert width not in command("spacy-silver")[1]
    assert command("spacy-silver-wide")[1][width] == "192"
    models = ",".join(str(cell.folder / name / "model-best") for name in MEMBERS)
    assert command(OF_ENSEMBLE)[0][3] == models
    for name, kind in (("student", None), *((f"student-{kind}", kind) for kind in ALL_KINDS)):
        words, values = command(name)
        assert words[2:4] == ["distill", str(cell.folder / "teacher" / "model-best")]
        assert words[4] == (str(cell.folder / f"{kind}.cfg") if kind else STUDENT)
        assert values["--system.seed"] == "3"
    for kind in KINDS:
        assert command(f"gold-only-{kind}")[0][3] == str(cell.folder / f"{kind}.cfg")


def test_a_changed_config_is_another_setting(bench, cell, tmp_path, monkeypatch):
    bench().run(cell, "student")
    for name in (STUDENT, TEACHER):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / name).read_text(encoding="utf8")
        path.write_text(text.replace("dropout = 0.", "dropout = 0.1") if name is TEACHER else text)
    monkeypatch.setattr(systems, "ROOT", tmp_path)
    with pytest.raises(SystemExit):
        bench().run(cell, "student")  # by its teachers


def test_stored_runs_are_of_the_settings_of_today(monkeypatch):
    runs = Store(RESULTS).runs()
    assert len(runs) > 30
    data, vectors = Path("raw"), Path("vectors")
    encoders = {"swedish": "multilingual-e5-small"}
    for run in runs:
        strong = Path(encoders.get(run["dataset"], "mpnet"))
        pretrained = Pretrained(vectors, strong, Path("minilm"))
        bench = train.Bench(Store(Path("store")), pretrained, {})
        if "@" in run["system"]:  # whose options the page of the results has
            continue
        digest = run["settings"]["vectors"]
        monkeypatch.setattr(train, "vectors_digest", lambda path, digest=digest: digest)
        cell = Cell(Dataset(run["dataset"]), run["labeled"], run["seed"], Path("cell"), data)
        found = bench.settings(cell, run["system"])
        assert found == run["settings"], (run["dataset"], run["labeled"], run["system"])


def test_commands_name_existing_files(cell, tmp_path):
    pretrained = Pretrained(tmp_path / "vectors", tmp_path / "bert", tmp_path / "small")
    for name, system in SYSTEMS.items():
        assert all(other in SYSTEMS for other in system.needs), name
        command = [str(word) for word in system.command(cell, pretrained)] if system.command else []
        for other in SYSTEMS:
            if f"/{other}/model-best" in " ".join(command):
                assert other in system.needs, (name, other)
    assert steps(cell, TEACHER) == 800
    everything = Cell(Dataset.conll, 14_041, 0, tmp_path, tmp_path)
    student = SYSTEMS["student"].command
    assert "--paths.unlabeled" in student(cell, pretrained)
    assert "--paths.unlabeled" not in student(everything, pretrained)


# As spaCy's console logger writes it.
LOG = """
E    #       LOSS NER    ENTS_F  SCORE
---  ------  ----------  ------  ------
  0       0        1.25    3.50    0.04
  1     250       10.50   80.25    0.80
"""


@pytest.fixture
def bench(tmp_path, monkeypatch, docs):
    """Create a benchmark whose commands write rules instead of training."""
    commands = []

    def execute(arguments, log):
        arguments = [str(argument) for argument in arguments]
        commands.append(arguments)
        log.write_text(LOG)
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

    monkeypatch.setattr(train, "execute", execute)
    for name in ("conll", "bert", "small"):
        (tmp_path / name).mkdir()
    vectors = vectors_pipeline(["oslo"], numpy.ones((1, 2), dtype="float32"), "en")
    vectors.to_disk(tmp_path / "vectors")

    def make(store="store", **options):
        pretrained = Pretrained(tmp_path / "vectors", tmp_path / "bert", tmp_path / "small")
        return train.Bench(Store(tmp_path / store), pretrained, options)

    make.commands = commands
    return make


def test_a_run_is_made_once_after_what_it_needs(bench, cell):
    run = bench().run(cell, "student")
    assert run["scores"]["test"]["r"] == pytest.approx(200 / 3)
    assert run["agreement"] == {"dev": 100, "test": 100}
    assert run["sizes"]["dev"] == (3, 9)
    assert run["curve"] == [(0, 3.5), (250, 80.25)]
    assert run["last"] == run["scores"]  # both models are the same rules
    # The corpus, the teacher and the student.
    assert len(bench.commands) == 3
    again = bench().run(cell, "student")
    assert again == json.loads(json.dumps(run)) and len(bench.commands) == 3
    assert not (cell.folder / "student" / "model-last").exists()


def test_an_average_is_scored_and_costs_nothing(bench, cell):
    run = bench().run(cell, "ensemble")
    assert run["scores"]["test"]["r"] == pytest.approx(200 / 3)
    assert run["cost"] is None and run["agreement"] == {} and "last" not in run
    names = [Path(words[words.index("--output") + 1]).name for words in bench.commands[1:]]
    assert names == list(MEMBERS)


def test_the_encoder_of_a_run_is_that_of_its_teacher(bench, cell):
    for name, encoder in (("student", "bert"), ("student-of-weak-teacher", "small")):
        assert bench().run(cell, name)["settings"]["transformer"] == encoder


def test_silver_data_are_what_the_teacher_finds(bench, cell):
    bench().run(cell, "spacy-silver")
    docs = list(DocBin().from_disk(cell.corpus / "silver.spacy").get_docs(spacy.blank("en").vocab))
    entities = [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs]
    labeled = [[("Anna Berg", "PER"), ("Oslo", "LOC")], [("Oslo", "LOC")], []]
    assert entities == [*labeled, [("Oslo", "LOC")], [("Oslo", "LOC")], []]


def test_models_that_are_gone_are_trained_again_for_what_needs_them(bench, cell):
    bench().run(cell, "teacher")
    shutil.rmtree(cell.folder)
    bench.commands.clear()
    bench().run(cell, "spacy-silver")
    assert len(bench.commands) == 3
    assert (cell.folder / "spacy-ner.cfg").exists()
    option = bench.commands[-1].index("--paths.vectors")
    vectors = spacy.load(bench.commands[-1][option + 1]).vocab.vectors
    assert vectors.find(key="Oslo") >= 0 and vectors.find(key="oslo") < 0


def test_interrupted_runs_are_repeated(bench, cell, monkeypatch):
    changed = {"gold-only": ["--training.dropout", "0.3"]}
    bench("one").run(cell, "gold-only")
    execute = train.execute

    def broken_off(arguments, log):
        execute(arguments, log)
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "execute", broken_off)
    with pytest.raises(KeyboardInterrupt):
        bench("two", **changed).run(cell, "gold-only")
    monkeypatch.setattr(train, "execute", execute)
    bench.commands.clear()
    bench("three").run(cell, "gold-only")  # the settings of the first, the second one's model
    assert len(bench.commands) == 1 and "0.3" not in bench.commands[0]


def test_other_data_make_another_corpus_and_other_models(bench, cell, monkeypatch):
    bench().run(cell, "gold-only")
    bench.commands.clear()
    other = replace(cell, data=cell.data.parent / "other")
    other.data.mkdir()
    (other.data / "train.txt").write_text("Oslo I-LOC", encoding="utf8")
    with pytest.raises(SystemExit):
        bench().run(other, "gold-only")
    bench("new").run(other, "gold-only")
    assert ["convert" in command[0] for command in bench.commands] == [True, False]


def test_another_conversion_is_another_corpus(bench, cell, monkeypatch, docs):
    bench().run(cell, "gold-only")
    folder_digest = train.folder_digest

    def changed(folder, *endings):
        return "changed" if folder.name == "scripts" else folder_digest(folder, *endings)

    monkeypatch.setattr(train, "folder_digest", changed)
    bench().run(cell, "gold-only")  # converted again, to the same documents
    assert len(bench.commands) == 3
    docs.pop()
    (cell.folder / "corpus.json").unlink()
    bench("new").run(cell, "teacher")  # to others
    with pytest.raises(SystemExit):
        bench().run(cell, "student-of-teacher+gold-only")


def test_a_member_that_is_trained_again_has_what_needs_it_made_again(bench, cell):
    bench().run(cell, "spacy-silver")
    shutil.rmtree(cell.folder / "teacher")
    bench.commands.clear()
    bench("new").run(cell, "spacy-silver")
    outputs = [Path(command[command.index("--output") + 1]).name for command in bench.commands]
    assert outputs == ["teacher", "spacy-silver"]


def test_a_killed_benchmark_leaves_its_cell_locked_until_what_it_started_ends(tmp_path):
    with alone(tmp_path):
        held = subprocess.Popen(["sleep", "2"], pass_fds=LOCKS)
    start = monotonic()
    with alone(tmp_path):
        assert monotonic() - start > 1
    held.wait()


def test_a_missing_transformer_is_reported(bench, cell):
    (cell.folder.parent / "bert").rmdir()
    bench().run(cell, "gold-only")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        bench().run(cell, "teacher")


def test_a_run_stores_how_often_its_model_was_evaluated(bench, cell):
    run = bench().run(cell, "gold-only")
    assert run["evaluated_every"] == 2000 // 12
    assert "--training.eval_frequency" not in run["settings"]["overrides"]
    often = ["--training.eval_frequency", "50"]
    assert bench("often", **{"gold-only": often}).run(cell, "gold-only")["evaluated_every"] == 50
    assert bench().run(cell, "ensemble")["evaluated_every"] is None


def test_models_of_other_settings_are_not_used(bench, cell):
    bench().run(cell, "gold-only")
    bench.commands.clear()
    bench("other", **{"gold-only": ["--training.dropout", "0.3"]}).run(cell, "gold-only")
    assert len(bench.commands) == 1 and "0.3" in bench.commands[0]
    with pytest.raises(SystemExit):
        other = bench(**{"gold-only": ["--training.dropout", "0.2"]})
        other.run(cell, "student-of-teacher+gold-only")


def test_a_run_of_changed_teachers_is_refused(bench, cell):
    one = bench(**{"teacher": ["--training.dropout", "0.3"]})
    one.run(cell, "student")
    path = one.store.folder / "conll.jsonl"
    lines = path.read_text(encoding="utf8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"system": "teacher"' not in line))
    with pytest.raises(SystemExit):
        bench().run(cell, "student")
