"""Entities in tables of other libraries."""

import pickle
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pandas
import pyarrow
import pytest
import spacy

from spacy_distill import tag_batch
from spacy_distill.tagging import tag_batch as module
from tests.tagging.conftest import TEXTS

COLUMNS = ["id", "date", "start_char", "end_char", "label", "text"]


@pytest.fixture
def table():
    ids = [str(number) for number in range(len(TEXTS))]
    return pandas.DataFrame({"id": ids, "text": TEXTS, "date": "2024-05-01", "other": 1.5})


@pytest.fixture(scope="module")
def expected(model):
    """The entities by the document's id."""
    docs = enumerate(spacy.load(model).pipe(TEXTS))
    return [(str(n), e.start_char, e.label_, e.text) for n, doc in docs for e in doc.ents]


def entities(table):
    """The entities of a table of pandas, in the order of the documents."""
    assert list(table.columns) == COLUMNS and set(table["date"]) == {"2024-05-01"}
    rows = zip(table["id"], table["start_char"], table["label"], table["text"], strict=True)
    return sorted(rows, key=lambda row: (int(row[0]), row[1]))


def test_tables_of_pandas_and_pyarrow(model, table, expected):
    tagger = pickle.loads(pickle.dumps(tag_batch(model, keep=["date"])))
    found = tagger(table)
    assert entities(found) == expected
    arrow = tagger(pyarrow.Table.from_pandas(table))
    assert entities(arrow.to_pandas()) == expected
    # Spark passes an iterator.
    parts = list(tagger(iter([table[:10], table[10:10], table[10:]])))
    assert entities(pandas.concat(parts)) == expected
    assert all(part.dtypes.equals(found.dtypes) for part in parts)


def test_a_process_loads_the_pipeline_once(model, table, monkeypatch):
    loaded = []
    load = module.Tagging.load
    monkeypatch.setattr(
        module.Tagging, "load", lambda plan: loaded.append(plan.model) or load(plan)
    )
    module._load.cache_clear()
    for _ in range(3):
        tag_batch(model)(table)
    assert loaded == [str(model)]


def test_threads_use_the_pipeline_one_after_another(model, table, expected, monkeypatch):
    """Memory zones of one vocabulary must not overlap."""
    inside, most = [], []
    tag = module.PlanTagger.tag

    def watched(self, *arguments):
        inside.append(self)
        most.append(len(inside))
        # Another thread may begin here.
        time.sleep(0.01)
        try:
            return tag(self, *arguments)
        finally:
            inside.remove(self)

    monkeypatch.setattr(module.PlanTagger, "tag", watched)
    module._load.cache_clear()
    tagger = tag_batch(model, keep=["date"])
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(tagger, [table] * 6))
    assert all(entities(one) == expected for one in found)
    assert max(most) == 1 and module._load.cache_info().misses == 1


def test_a_forked_process_loads_the_pipeline_again(model, table, in_child):
    """Another thread may have been using it."""
    tagger = tag_batch(model)

    def tag_too():
        assert module._load.cache_info().currsize == 0
        assert len(tagger(table)) > 5

    with module._lock:
        assert in_child(tag_too) == 0


def test_wrong_tables_and_settings_are_refused(model, table):
    with pytest.raises(ValueError, match=r"\[D758\].*found 'text', 'date', 'other'"):
        tag_batch(model)(table.drop(columns="id"))
    for ids in ([1.0, 2.0, None], ["a", "b", None]):
        with pytest.raises(ValueError, match=r"\[D768\] The table, row \d: found no text and no"):
            tag_batch(model)(pandas.DataFrame({"id": ids, "text": ["Oslo", "Rome", "Bern"]}))
    with pytest.raises(ValueError, match=r"\[D310\].*no column 'body'"):
        tag_batch(model, text_field="body")(table)
    with pytest.raises(ValueError, match=r"\[D316\].*no column 'place'"):
        tag_batch(model, keep=["place"])(table)
    with pytest.raises(ValueError, match=r"\[D436\]"):
        tag_batch("no-pipeline")


def test_ray_data(model, table, expected, monkeypatch):
    ray = pytest.importorskip("ray", reason="ray is not installed (extra: ray)")
    data = pytest.importorskip("ray.data", reason="Ray Data is not installed (ray[data])")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        data.DataContext.get_current().enable_progress_bars = False
        tagger = tag_batch(model, keep=["date"])
        found = data.from_pandas(table).map_batches(tagger, batch_format="pyarrow", batch_size=8)
        assert entities(found.to_pandas()) == expected
    finally:
        ray.shutdown()


def test_dask(model, table, expected):
    dataframe = pytest.importorskip("dask.dataframe", reason="dask is not installed")
    tagger = tag_batch(model, keep=["date"])
    frame = dataframe.from_pandas(table, npartitions=3)
    found = frame.map_partitions(tagger, meta=tagger(table.head(0)))
    assert entities(found.compute(scheduler="threads")) == expected


def test_spark(model, table, expected, monkeypatch):
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("no java on the PATH")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = builder.getOrCreate()
    try:
        schema = "id string, date string, start_char int, end_char int, label string, text string"
        frame = spark.createDataFrame(table).repartition(3)
        found = frame.mapInPandas(tag_batch(model, keep=["date"]), schema)
        assert entities(found.toPandas()) == expected
    finally:
        spark.stop()
