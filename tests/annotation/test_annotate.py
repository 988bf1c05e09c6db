"""Writing a soft corpus: its content, and a second run."""

import io
import itertools
import json
import shutil

import datasets
import huggingface_hub
import numpy
import pytest
import spacy
from spacy.tokens import DocBin

from spacy_distill import progress
from spacy_distill.annotation.annotate import annotate
from spacy_distill.chain import BiluoTags
from spacy_distill.corpora.shard_manifest import file_hash
from spacy_distill.corpora.soft_shards import Manifest, read_shard
from spacy_distill.corpora.soft_targets import unpack_marginals
from spacy_distill.jobs import progress as job_progress
from spacy_distill.jobs import run as job_run
from spacy_distill.teachers import PipelineTeacher, TeacherOptions, sources


@pytest.fixture
def run(ner_folder, text_file, tmp_path):
    """Annotate in small shards; the console output is in `run.output`."""

    def annotated(teacher=ner_folder, source=text_file, output="soft", **settings):
        stderr = io.StringIO()
        try:
            settings = {"shard_size": 400, "batch_size": 4, "stderr": stderr, **settings}
            return annotate(teacher, source, tmp_path / output, **settings)
        finally:
            run_output.append(stderr.getvalue())

    run_output = annotated.outputs = []
    return annotated


def documents(folder):
    manifest = Manifest.from_disk(folder)
    return [doc for shard in manifest.shards for doc in read_shard(folder / shard.file)]


def test_it_writes_the_teachers_probabilities(run, ner_folder, text_file, tmp_path):
    manifest = run(top_k=9)
    lines = [line for line in text_file.read_text(encoding="utf8").split("\n") if line]
    soft = documents(tmp_path / "soft")
    nlp = spacy.load(ner_folder)
    docs = [nlp.make_doc(line) for line in lines]
    assert [doc.words for doc in soft] == [[token.text for token in doc] for doc in docs]
    assert [doc.spaces for doc in soft] == [[bool(t.whitespace_) for t in doc] for doc in docs]
    assert [doc.id for doc in soft][:2] == ["texts.txt:1", "texts.txt:2"]
    assert len({doc.id for doc in soft}) == len(lines)
    chain = PipelineTeacher(nlp).predict_chain(docs)
    found = unpack_marginals([doc.targets for doc in soft], 9)
    numpy.testing.assert_allclose(found, chain.marginals(), atol=1e-3)
    entities = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in nlp.pipe(lines)]
    tags = BiluoTags(tuple(manifest.labels))
    same = [tags.spans(doc.targets.best) == ents for doc, ents in zip(soft, entities, strict=True)]
    assert sum(same) >= len(lines) - 1
    assert manifest.labels == ["LOC", "PER"]
    (entry,) = manifest.teacher["teachers"]
    assert entry["description"] == "xx_pipeline 0.0.0"
    assert len(manifest.shards) > 3 and manifest.complete
    assert sum(shard.documents for shard in manifest.shards) == len(lines)
    assert sum(shard.tokens for shard in manifest.shards) == sum(len(doc) for doc in docs)
    assert sum(shard.entities for shard in manifest.shards) == sum(
        len(tags.spans(doc.targets.best)) for doc in soft
    )
    for shard in manifest.shards:
        assert file_hash(tmp_path / "soft" / shard.file) == shard.sha256


def test_two_runs_write_the_same_bytes(run, contents, ner_folder, text_file, tmp_path):
    run(output="first")
    # It contains neither paths nor times.
    shutil.copytree(ner_folder, tmp_path / "moved" / "ner")
    run(output="second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    run(teacher=tmp_path / "moved" / "ner", output="third")
    shards = [contents(tmp_path / name) for name in ("first", "third")]
    for files in shards:
        files.pop("manifest.json")
    assert shards[0] == shards[1]


def test_two_processes_write_the_same_bytes(run, contents, tmp_path):
    run(output="one", limit=12)
    run(output="two", limit=12, n_process=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_finished_corpus_is_left_alone(run, monkeypatch, tmp_path):
    first = run()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "soft").iterdir()}
    names = [name for name in vars(sources) if name.startswith("load_")]
    for name in names:
        monkeypatch.setattr(sources, name, None)
    monkeypatch.setattr("spacy_distill.jobs.processes.workers", lambda *_, **__: pytest.fail())
    assert run(n_process=3) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "soft").iterdir()} == times


@pytest.mark.parametrize(
    "settings, name",
    [
        ({"top_k": 3}, "the setting top_k"),
        ({"shard_size": 500}, "the setting shard_size"),
        ({"limit": 9}, "the setting limit"),
        ({"lang": "de"}, "the setting lang"),
        ({"text_field": "body"}, "the column of the text"),
        (
            {"teacher_options": TeacherOptions(label_map={"PER": "P"})},
            "the setting label_map of teachers",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_setting_is_refused_by_name(run, contents, tmp_path, settings, name):
    run(limit=8)
    before = contents(tmp_path / "soft")
    with pytest.raises(ValueError, match=rf"These differ now: {name}.*--force"):
        run(**{"limit": 8, **settings})
    assert contents(tmp_path / "soft") == before


def test_another_teacher_is_refused(run, ner_folder, tmp_path):
    run(limit=8)
    shutil.copytree(ner_folder, tmp_path / "ner")
    assert run(teacher=tmp_path / "ner", limit=8).complete
    with (tmp_path / "ner" / "ner" / "model").open("r+b") as file:
        file.seek(-1, io.SEEK_END)
        last = file.read(1)
        file.seek(-1, io.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ValueError, match="These differ now: the teacher"):
        run(teacher=tmp_path / "ner", limit=8)


def test_another_text_is_refused(run, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("Anna sails.\nCarl waits.\n")
    run(source=text)
    text.write_text("Anna sails.\nCarl sails.\n")
    with pytest.raises(ValueError, match="These differ now: the input"):
        run(source=text)
    assert run(source=text, overwrite=True).complete
    assert documents(tmp_path / "soft")[1].words == ["Carl", "sails", "."]


def test_standard_input_is_compared_by_its_documents(run, contents, monkeypatch, tmp_path):
    """Another text is refused, and the finished corpus stays."""

    def type_in(text):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    text = "Anna Berg sails to Oslo .\n" * 40
    type_in(text)
    assert run(source="-").complete
    before = contents(tmp_path / "soft")
    for other in ("", text[:300], text + "More .\n", text.replace("Oslo", "Kiel")):
        type_in(other)
        with pytest.raises(ValueError, match="These differ now: the input"):
            run(source="-")
        assert contents(tmp_path / "soft") == before
    type_in(text)
    assert run(source="-").complete
    assert contents(tmp_path / "soft") == before


@pytest.fixture
def hub(monkeypatch):
    """Stand in for the hub, with commits by name and the latest commit; None without network."""

    class Hub:
        commits = {"aaa": ["Anna sails.", "Carl waits."], "bbb": ["It rains.", "Carl waits."]}
        last = "aaa"
        asked = []

        def load_dataset(self, name, configuration, *, split, streaming, revision):
            self.asked.append((name, configuration, split, revision))
            rows = [{"text": text} for text in self.commits[revision or "bbb"]]
            return datasets.Dataset.from_list(rows).to_iterable_dataset()

        def dataset_info(self, *_, **__):
            if self.last is None:
                raise ConnectionError("no network")
            return type("Info", (), {"sha": self.last})

    hub = Hub()
    hub.asked = []
    monkeypatch.setattr(datasets, "load_dataset", hub.load_dataset)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", hub.dataset_info)
    return hub


@pytest.mark.parametrize("last", [None, "bbb"], ids=["no-network", "another-commit"])
def test_a_data_set_on_the_hub_may_have_a_new_commit(run, hub, contents, tmp_path, last):
    """A run continues with the commit that it began with."""
    first = run(source="hf:owner/news", shard_size=1)
    hub.last = last
    before, asked = contents(tmp_path / "soft"), list(hub.asked)
    assert run(source="hf:owner/news", shard_size=1) == first
    assert hub.asked == asked
    (tmp_path / "soft" / "shard-000001.parquet").unlink()
    run(source="hf:owner/news", shard_size=1)
    assert contents(tmp_path / "soft") == before
    assert hub.asked[-1] == ("owner/news", None, "train", "aaa")


@pytest.mark.parametrize(
    "other", [{"source": "hf:owner/news:en"}, {"source": "hf:owner/new"}, {"split": "test"}]
)
def test_another_configuration_of_a_hub_data_set_is_refused(run, hub, other):
    run(source="hf:owner/news")
    assert hub.asked == [("owner/news", None, "train", "aaa")]
    with pytest.raises(ValueError, match="These differ now: the input"):
        run(**{"source": "hf:owner/news", **other})
    run(**{"source": "hf:owner/news", **other}, output="other")
    assert hub.asked[-1][2] == other.get("split", "train")


def test_the_limit_may_be_less_than_a_shard(run, tmp_path):
    manifest = run(limit=2, shard_size=500_000)
    assert [shard.documents for shard in manifest.shards] == [2]
    assert len(documents(tmp_path / "soft")) == 2
    assert "2/2" in run.outputs[-1]


def test_words_of_the_input_are_kept(run, ner_folder, tmp_path):
    """The teacher's tokenizer would make other words."""
    doc = spacy.blank("en").make_doc("Anna's cat sails to New-York.")
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    DocBin(docs=[doc]).to_disk(tmp_path / "docs.spacy")
    run(source=tmp_path / "docs.spacy")
    (soft,) = documents(tmp_path / "soft")
    assert soft.words[:3] == ["Anna's", "cat", "sails"]
    rows = [{"tokens": ["New-York", "is", "quiet"], "id": "a b"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows * 2)))
    run(source=tmp_path / "rows.jsonl", output="rows")
    assert [(s.id, s.words) for s in documents(tmp_path / "rows")] == [
        ("a b", ["New-York", "is", "quiet"])
    ] * 2


def test_the_average_of_several_teachers_is_written(run, ner_folder, teacher, tmp_path):
    teacher.to_disk(tmp_path / "second")
    options = TeacherOptions(weights=(3.0, 1.0), label_map={"PER": "PERSON"})
    manifest = run([ner_folder, tmp_path / "second"], teacher_options=options, limit=6)
    assert manifest.labels == ["PERSON"] and len(manifest.teacher["teachers"]) == 2
    with pytest.raises(ValueError, match="the teacher"):
        run([tmp_path / "second", ner_folder], teacher_options=options, limit=6)


@pytest.mark.parametrize("settings", [{}, {"lang": "en"}])
def test_a_soft_corpus_is_no_teacher_for_annotation(run, ner_folder, tmp_path, settings):
    run(limit=6, output="first")
    for teachers in (tmp_path / "first", [ner_folder, tmp_path / "first"]):
        with pytest.raises(ValueError, match=r"is a soft corpus.*only in `distill`"):
            run(teachers, **settings)
    assert not (tmp_path / "soft").exists()


def test_progress_shows_documents_and_words_per_second(run, text_file):
    run()
    assert "doc/s" in run.outputs[-1] or "s/doc" in run.outputs[-1]
    assert "words/s" in run.outputs[-1]
    lines = [line for line in text_file.read_text(encoding="utf8").split("\n") if line]
    assert f"{len(lines)}/{len(lines)}" in run.outputs[-1]


@pytest.fixture
def shown(monkeypatch):
    """Record the state of a progress bar after each call: documents, documents and seconds that
    count in the rate, and words per second."""

    class Bar(job_progress.ProgressBar):
        def update(self, n=1):
            super().update(n)
            rate = float((self.postfix or "0").removesuffix(" words/s").replace(",", ""))
            shown.append((self.n, self.n - self.initial, self.format_dict["elapsed"], rate))

    shown = []
    monkeypatch.setattr(job_progress, "ProgressBar", Bar)
    return shown


def test_progress_moves_with_each_batch(run, shown):
    (shard,) = run(shard_size=500_000, limit=22).shards
    counts = [0, *(n_documents for n_documents, *_ in shown)]
    steps = [after - before for before, after in itertools.pairwise(counts)]
    assert sorted(steps) == [2, 4, 4, 4, 4, 4]
    _, in_rates, seconds, rate = shown[-1]
    assert in_rates == 22 and rate == pytest.approx(shard.tokens / seconds, rel=0.1)


def test_progress_of_several_processes(run, shown, monkeypatch):
    """The bar moves while the main process waits for shards."""
    monkeypatch.setattr("spacy_distill.jobs.processes.INTERVAL", 0.001)
    manifest = run(n_process=2, shard_size=1000, batch_size=1)
    counts = [n_documents for n_documents, *_ in shown]
    sizes = [shard.documents for shard in manifest.shards]
    assert counts == sorted(counts) and counts[-1] == sum(sizes)
    assert set(counts) - {0, *itertools.accumulate(sizes)}
    assert shown[-1][3] == pytest.approx(
        sum(shard.tokens for shard in manifest.shards) / shown[-1][2], rel=0.5
    )


def test_documents_of_an_earlier_run_do_not_count_in_the_rate(run, shown, monkeypatch, tmp_path):
    """The time to skip them does not count either, here 100 seconds for each shard."""
    n_shards = len(run().shards)
    (tmp_path / "soft" / f"shard-{n_shards - 1:06d}.parquet").unlink()
    found, now, late = job_run.missing_shards, progress.monotonic, []

    def missing_shards(folder, shards):
        late.extend([100] * (len(shards) == 1))
        return found(folder, shards)

    monkeypatch.setattr(job_run, "missing_shards", missing_shards)
    monkeypatch.setattr(progress, "monotonic", lambda: now() + sum(late))
    *_, shard = run().shards
    n_documents, in_rates, seconds, rate = shown[-1]
    assert n_documents > in_rates == shard.documents
    # The last 100 seconds are for annotation, since that shard is missing.
    assert len(late) == n_shards > 3 and 100 < seconds < 200
    assert rate == pytest.approx(shard.tokens / seconds, abs=1)


@pytest.mark.parametrize(
    "settings", [{"top_k": 0}, {"top_k": 256}, {"batch_size": 0}, {"n_process": 0}, {"limit": -1}]
)
def test_numbers_out_of_range_are_refused(run, tmp_path, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        run(**settings)
    assert not (tmp_path / "soft").exists()
