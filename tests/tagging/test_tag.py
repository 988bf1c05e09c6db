"""The entities of a pipeline for text, in each format."""

import datetime
import io
import json

import pandas
import pyarrow
import pyarrow.parquet
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_distill.corpora.inputs import InputDocument
from spacy_distill.jobs import memory_zones
from spacy_distill.tagging.job import Tagging
from spacy_distill.tagging.manifest import TagManifest
from tests.tagging.conftest import TEXTS

ENTITY = ["id", "start_char", "end_char", "label", "text"]


def rows(folder):
    """Read the rows of all shards."""
    files = sorted(folder.glob("shard-*"))
    if files[0].suffix == ".jsonl":
        lines = [line for file in files for line in file.read_text(encoding="utf8").splitlines()]
        return [json.loads(line) for line in lines]
    return [row for file in files for row in pyarrow.parquet.read_table(file).to_pylist()]


def documents(folder):
    files = sorted(folder.glob("shard-*"))
    return [doc for file in files for doc in DocBin().from_disk(file).get_docs(Vocab())]


@pytest.fixture(scope="module")
def expected(model):
    """The rows of the text, from the entities of `nlp.pipe`."""
    found = []
    for number, doc in enumerate(spacy.load(model).pipe(TEXTS), 1):
        for ent in doc.ents:
            values = (f"texts.txt:{number}", ent.start_char, ent.end_char, ent.label_, ent.text)
            found.append(dict(zip(ENTITY, values, strict=True)))
    assert len(found) > len(TEXTS)
    return found


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_a_table_has_the_entities_of_nlp_pipe(run, expected, model, tmp_path, file_format):
    manifest = run(file_format=file_format)
    assert rows(tmp_path / "tags") == expected
    assert len(manifest.shards) > 3 and manifest.complete
    docs = list(spacy.load(model).pipe(TEXTS))
    assert manifest.total("documents") == len(docs)
    assert manifest.total("tokens") == sum(map(len, docs))
    assert manifest.total("entities") == len(expected)
    assert manifest.labels == ["LOC", "PER"] and manifest.pipeline["version"] == "0.0.0"
    for row in expected:
        text = TEXTS[int(row["id"].partition(":")[2]) - 1]
        assert text[row["start_char"] : row["end_char"]] == row["text"]


def test_documents_have_the_entities_of_nlp_pipe(run, model, tmp_path):
    """Documents without entities are there too."""
    run(file_format="spacy")
    docs = list(spacy.load(model).pipe(TEXTS))
    read = documents(tmp_path / "tags")
    assert [doc.text for doc in read] == TEXTS
    assert [doc.user_data["id"] for doc in read] == [f"texts.txt:{n}" for n in range(1, 31)]
    assert [[(e.start, e.end, e.label_) for e in doc.ents] for doc in read] == [
        [(e.start, e.end, e.label_) for e in doc.ents] for doc in docs
    ]


def test_pandas_reads_the_folder(run, expected, tmp_path):
    run()
    table = pandas.read_parquet(tmp_path / "tags")
    assert table.to_dict("records") == expected


def test_all_shards_have_the_same_columns(run, tmp_path):
    """Also those without an entity."""
    source = tmp_path / "rows.jsonl"
    source.write_text('{"text": "It rains .", "n": null}\n{"text": "To Oslo .", "n": 1}\n')
    run(source=source, keep=["n"], shard_size=1)
    schemas = [pyarrow.parquet.read_schema(p) for p in sorted((tmp_path / "tags").glob("shard*"))]
    assert len(schemas) == 2 and schemas[0] == schemas[1]
    assert schemas[0].names == ["id", "n", *ENTITY[1:]]


@pytest.fixture
def rules(tmp_path):
    """The folder of a pipeline without a student."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])
    nlp.to_disk(tmp_path / "rules")
    return tmp_path / "rules"


# Kept columns


def test_columns_of_a_csv_file_are_kept(run, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_text("id,date,text,more\na,2024-05-01,To Oslo .,x\nb,,Anna Berg and Oslo,y\n")
    run(source=source, keep=["id", "date"])
    found = [(row["id"], row["date"], row["text"]) for row in rows(tmp_path / "tags")]
    assert found == [("a", "2024-05-01", "Oslo"), ("b", "", "Anna Berg"), ("b", "", "Oslo")]
    assert list(rows(tmp_path / "tags")[0]) == ["id", "date", *ENTITY[1:]]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "spacy"])
def test_values_of_json_are_kept_as_text(run, tmp_path, file_format):
    values = ["é", 3, 1.5, True, None, ["a", 1], {"b": "ü"}]
    texts = ["é", "3", "1.5", "true", None, '["a", 1]', '{"b": "ü"}']
    source = tmp_path / "rows.jsonl"
    lines = [json.dumps({"text": "Anna Berg sails to Oslo .", "v": value}) for value in values]
    # Only the first row needs the column.
    lines.append(json.dumps({"text": "Anna Berg sails to Oslo ."}))
    source.write_text("\n".join(lines))
    run(source=source, keep=["v"], file_format=file_format)
    if file_format == "spacy":
        assert [doc.user_data["v"] for doc in documents(tmp_path / "tags")] == [*texts, None]
    else:
        found = [row["v"] for row in rows(tmp_path / "tags") if row["label"] == "LOC"]
        assert found == [*texts, None]


def test_columns_of_parquet_are_kept_as_text(run, tmp_path):
    day = datetime.date(2024, 5, 1)
    columns = {"body": ["To Oslo ."], "day": [day], "id": [7], "wide": ["x"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    run(source=tmp_path / "rows.parquet", text_field="body", keep=["day"])
    (row,) = rows(tmp_path / "tags")
    assert (row["id"], row["day"], row["text"]) == ("7", "2024-05-01", "Oslo")


@pytest.mark.parametrize(
    "name, content",
    [
        ("rows.jsonl", '{"text": "To Oslo .", "dates": 1}\n'),
        ("rows.csv", "text,dates\nTo Oslo .,1\n"),
        ("rows.txt", "To Oslo .\n"),
    ],
)
def test_a_column_that_is_not_there_is_named(run, write_text, name, content):
    with pytest.raises(ValueError, match=r"\[D316\].*no column 'date'.*columns are 'text'"):
        run(source=write_text(name, content), keep=["date"])


def test_a_column_of_the_result_cannot_be_kept(run):
    with pytest.raises(ValueError, match=r"\[D434\] The column 'label'"):
        run(keep=["id", "label"])


def test_words_of_the_input_are_kept(run, rules, write_text, tmp_path):
    source = write_text("rows.jsonl", '{"tokens": ["We", "can\'t", "sail", "to", "Oslo"]}\n')
    assert run(source=source, model=rules).total("tokens") == 5
    (row,) = rows(tmp_path / "tags")
    assert (row["start_char"], row["end_char"], row["text"]) == (17, 21, "Oslo")


# Confidences


def test_confidences_are_those_of_the_student(run, model, tmp_path):
    nlp = spacy.load(model, config={"components": {"ner_student": {"confidence": True}}})
    expected = [ent._.confidence for doc in nlp.pipe(TEXTS) for ent in doc.ents]
    run(confidence=True)
    assert [r["confidence"] for r in rows(tmp_path / "tags")] == pytest.approx(expected, abs=1e-5)
    schema = pyarrow.parquet.read_schema(tmp_path / "tags" / "shard-000000.parquet")
    assert schema.field("confidence").type == "float"
    run("docs", confidence=True, file_format="spacy")
    docs = documents(tmp_path / "docs")
    found = [ent._.confidence for doc in docs for ent in doc.ents]
    assert found == pytest.approx(expected, abs=1e-5)


def test_entities_of_a_low_confidence_are_left_out(run, model, tmp_path):
    run(confidence=True)
    every = rows(tmp_path / "tags")
    confidences = sorted({row["confidence"] for row in every})
    least = confidences[len(confidences) // 2]
    manifest = run("sure", confidence=True, min_confidence=float(least) - 1e-6)
    sure = rows(tmp_path / "sure")
    assert sure == [row for row in every if row["confidence"] >= least]
    assert 0 < len(sure) < len(every) and manifest.total("entities") == len(sure)
    # Without the column, they are left out as well.
    run("plain", min_confidence=float(least) - 1e-6)
    assert [row["text"] for row in rows(tmp_path / "plain")] == [row["text"] for row in sure]
    with pytest.raises(ValueError, match=r"\[D705\] min_confidence"):
        run("other", min_confidence=1.5)


def test_entities_of_other_components_have_no_confidence_and_stay(run, model, tmp_path):
    nlp = spacy.load(model)
    ruler = nlp.add_pipe("entity_ruler", before="ner_student")
    ruler.add_patterns([{"label": "RULE", "pattern": TEXTS[0].split()[0]}])
    nlp.to_disk(tmp_path / "with-rules")
    run(model=tmp_path / "with-rules", min_confidence=1.0)
    assert "RULE" in {row["label"] for row in rows(tmp_path / "tags")}


def test_without_a_student_there_are_no_confidences(run, rules, tmp_path):
    with pytest.raises(ValueError, match=r"\[D435\].*found entity_ruler"):
        run(model=rules, confidence=True)
    with pytest.raises(ValueError, match=r"\[D435\]"):
        run(model=rules, min_confidence=0.5)
    run(model=rules)
    assert {row["text"] for row in rows(tmp_path / "tags")} == {"Oslo"}


# Settings


def plan(model, **settings):
    """Make a plan with the defaults of `tag`."""
    defaults = {"keep": (), "file_format": "parquet", "confidence": False, "batch_size": None}
    defaults |= {
        "min_confidence": None,
        "shard_size": 100,
        "limit": 0,
        "threads": None,
        "code": None,
        "use_gpu": -1,
    }
    return Tagging(**{"model": str(model), **defaults, "max_errors": 0, **settings})


def test_threads_are_the_setting_of_the_component(model, tmp_path):
    for threads, expected in ((None, 1), (2, 2)):
        writer = plan(model, threads=threads).writer(tmp_path, lambda *_: None)
        assert writer.tagger.nlp.get_pipe("ner_student").threads == expected


@pytest.mark.skipif(not memory_zones.HAS_SAFE_ZONES, reason="spaCy's zones are not safe")
def test_the_vocabulary_grows_with_the_first_shard_only(model, tmp_path):
    writer = plan(model).writer(tmp_path, lambda *_: None)
    sizes = []
    for number in range(3):
        text = " ".join(f"new{number}{letter}word" for letter in "abcdefgh")
        writer(number, [InputDocument("a", text)], "")
        sizes.append(len(writer.tagger.nlp.vocab.strings))
    assert sizes[0] == sizes[1] == sizes[2]


def test_standard_input_is_read(run, monkeypatch, tmp_path):
    lines = b'To Oslo .\n{"text": "Anna Berg waits", "n": 1}\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    run(source="-")
    assert [(row["id"], row["text"]) for row in rows(tmp_path / "tags")] == [
        ("-:1", "Oslo"),
        ("-:2", "Anna Berg"),
    ]


def test_the_limit_counts_documents(run, tmp_path):
    assert run(limit=3).total("documents") == 3
    assert TagManifest.from_disk(tmp_path / "tags").settings["limit"] == 3


@pytest.mark.parametrize(
    "settings", [{"batch_size": 0}, {"n_process": 0}, {"limit": -1}, {"threads": 0}]
)
def test_numbers_out_of_range_are_refused(run, tmp_path, settings):
    with pytest.raises(ValueError, match=rf"\[D705\] {next(iter(settings))}"):
        run(**settings)
    assert not (tmp_path / "tags").exists()


def test_wrong_names_are_refused(run):
    with pytest.raises(ValueError, match=r"\[D433\] 'xml'.*parquet, jsonl, spacy"):
        run(file_format="xml")
    with pytest.raises(ValueError, match=r"\[D436\] There is no pipeline 'no-pipeline'"):
        run(model="no-pipeline")
