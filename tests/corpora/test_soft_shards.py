import json
import shutil
from dataclasses import replace

import numpy
import pyarrow
import pyarrow.parquet
import pytest

from spacy_distill.corpora import parquet_limits, shard_manifest, soft_shards
from spacy_distill.corpora.shard_manifest import file_hash
from spacy_distill.corpora.soft_shards import (
    Manifest,
    is_soft_corpus,
    read_shard,
    write_shard,
)

TARGETS = ("best", "counts", "tags", "probabilities", "rest")


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        assert one[:3] == other[:3]
        for name in TARGETS:
            found, expected = getattr(one.targets, name), getattr(other.targets, name)
            assert found.dtype == expected.dtype
            numpy.testing.assert_array_equal(found, expected)


@pytest.fixture
def documents(make_soft):
    known = numpy.asarray([False, True, False])
    odd = [["a", "", "b"][:1], ["\n", "木", "🧑‍🚀"], ['"', "\x00", "\u200b"]]
    return [
        *(make_soft(words, id_=f"file, {n}:1") for n, words in enumerate(odd)),
        make_soft(["In", "New", "York"], [True, False, False], known=known),
        make_soft(["same", "id"], id_="file, 0:1"),
        make_soft(["word"] * 3000, top_k=3),
    ]


def test_documents_come_back_as_they_were(documents, tmp_path):
    write_shard(tmp_path / "a.parquet", documents)
    assert_same(list(read_shard(tmp_path / "a.parquet")), documents)


def test_more_documents_than_are_read_at_once_come_back(make_soft, tmp_path):
    many = [make_soft([f"w{n}"] * (n % 7), id_=str(n)) for n in range(1000)]
    write_shard(tmp_path / "a.parquet", many)
    assert_same(list(read_shard(tmp_path / "a.parquet")), many)


def test_the_first_documents_do_not_need_the_rest(documents, tmp_path):
    write_shard(tmp_path / "a.parquet", documents)
    reader = read_shard(tmp_path / "a.parquet")
    assert_same([next(reader)], documents[:1])
    reader.close()


def test_the_same_documents_give_the_same_bytes(documents, tmp_path):
    digests = [write_shard(tmp_path / f"{name}.parquet", documents) for name in "ab"]
    assert digests[0] == digests[1] == file_hash(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_datasets_reads_a_shard(documents, tmp_path):
    datasets = pytest.importorskip("datasets")
    write_shard(tmp_path / "a.parquet", documents)
    settings = {"data_files": str(tmp_path / "a.parquet"), "cache_dir": str(tmp_path / "cache")}
    rows = datasets.load_dataset("parquet", split="train", streaming=True, **settings)
    assert [row["words"] for row in rows] == [document.words for document in documents]


def test_a_missing_shard_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"a\.parquet' is missing\. Run the same"):
        list(read_shard(tmp_path / "a.parquet"))


def test_a_shard_with_another_checksum_is_named(documents, tmp_path):
    digest = write_shard(tmp_path / "a.parquet", documents)
    assert len(list(read_shard(tmp_path / "a.parquet", digest))) == len(documents)
    write_shard(tmp_path / "a.parquet", documents[:1])
    with pytest.raises(ValueError, match=r"checksum of the shard '.*a\.parquet' differs .* Delete"):
        list(read_shard(tmp_path / "a.parquet", digest))


@pytest.mark.parametrize("kind", ["empty", "text", "cut off", "foreign", "other columns"])
def test_what_is_no_shard_is_named(documents, tmp_path, kind):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    write_shard(path, documents)
    if kind == "foreign":
        pyarrow.parquet.write_table(pyarrow.table({"text": ["Anna sails"]}), path)
    elif kind == "other columns":
        table = pyarrow.parquet.read_table(path).drop_columns(["counts"])
        pyarrow.parquet.write_table(table, path)
    else:
        data = {"empty": b"", "text": b"Anna sails", "cut off": path.read_bytes()[:-20]}[kind]
        path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.parquet' cannot be read.* Delete it"):
        list(read_shard(path))


def test_a_manifest_comes_back_as_it_was(make_soft, write_soft, tmp_path):
    folder = write_soft(tmp_path / "soft", [[make_soft(["a"])], [make_soft(["b", "c"])]])
    manifest = Manifest.from_disk(folder)
    data = json.loads((folder / "manifest.json").read_text(encoding="utf8"))
    totals = {"documents": 2, "tokens": 3, "entities": 0, "misfits": 0, "skipped": 0}
    assert data["totals"] == totals
    shutil.copytree(folder, tmp_path / "copy")
    manifest.to_disk(tmp_path / "copy")
    assert (tmp_path / "copy/manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()
    assert is_soft_corpus(folder) and not is_soft_corpus(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "shard-000000.parquet",
        "shard-000001.parquet",
    ]


def test_a_folder_without_manifest_is_no_soft_corpus(tmp_path):
    with pytest.raises(ValueError, match=r"is not a soft corpus: it has no manifest\.json"):
        Manifest.from_disk(tmp_path)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is not the manifest of a soft corpus"),
        ("no json", "is not the manifest of a soft corpus"),
        ("[]", "is not the manifest of a soft corpus"),
        ("{}", "is not the manifest of a soft corpus"),
        ('{"format": 2, "shards": [{"file": "a"}]}', "is not the manifest of a soft corpus"),
        ('{"format": 2, "shards": [], "surprise": 1}', "is not the manifest of a soft corpus"),
        ('{"format": 1}', "has format 1, expected 2"),
        (b"\xff\xfe\x00", "is not the manifest of a soft corpus"),
    ],
)
def test_what_is_no_manifest_is_named(tmp_path, text, message):
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(ValueError, match=rf"manifest\.json' {message}"):
        Manifest.from_disk(tmp_path)


def test_a_lack_of_memory_is_no_damage(documents, tmp_path, monkeypatch):
    """pyarrow's memory error is also an ArrowException."""
    path = tmp_path / "shard.parquet"
    write_shard(path, documents)

    def fail(*args, **kwargs):
        raise pyarrow.lib.ArrowMemoryError("out of memory")

    monkeypatch.setattr(pyarrow.parquet, "ParquetFile", fail)
    with pytest.raises(MemoryError, match=r"^out of memory"):
        list(read_shard(path))


@pytest.mark.parametrize(
    "file",
    [
        "../shard-000000.parquet",
        "/tmp/shard-000000.parquet",
        "sub/shard-000000.parquet",
        "..",
        "",
        "shard-000000.parquet\n",
        "shard-000000.jsonl",
        "shard-0.parquet",
        None,
        7,
    ],
)
def test_no_path_of_a_manifest_leaves_its_folder(make_soft, write_soft, tmp_path, file):
    folder = write_soft(tmp_path / "soft", [[make_soft(["a"])]])
    path = folder / "manifest.json"
    data = json.loads(path.read_text(encoding="utf8"))
    data["shards"][0]["file"] = file
    path.write_text(json.dumps(data), encoding="utf8")
    with pytest.raises(ValueError, match=r"\[D403\].*is not the manifest of a soft corpus"):
        Manifest.from_disk(folder)


@pytest.mark.parametrize(
    "name, value",
    [
        ("labels", "PER"),
        ("labels", [1]),
        ("settings", []),
        ("input", None),
        ("complete", 1),
        ("shards", {}),
        ("shards", [[]]),
        ("documents", "3"),
        ("documents", -1),
        ("tokens", True),
        ("tokens", 10**30),
        ("sha256", 5),
        ("skipped_ids", "x"),
        ("misfits", None),
        ("teacher", []),
        ("teacher", {}),
        ("teacher", {"teachers": [{"name": "rules"}]}),
    ],
)
def test_types_of_a_manifest(make_soft, write_soft, tmp_path, name, value):
    folder = write_soft(tmp_path / "soft", [[make_soft(["a"])]])
    path = folder / "manifest.json"
    data = json.loads(path.read_text(encoding="utf8"))
    place = data if name in data else data["shards"][0]
    assert name in place
    place[name] = value
    path.write_text(json.dumps(data), encoding="utf8")
    with pytest.raises(ValueError, match=r"\[D403\]"):
        Manifest.from_disk(folder)


def test_a_manifest_that_is_too_large_or_nested(tmp_path, monkeypatch):
    path = tmp_path / "manifest.json"
    path.write_text("[" * 100_000, encoding="utf8")
    with pytest.raises(ValueError, match=r"\[D403\]"):
        Manifest.from_disk(tmp_path)
    monkeypatch.setattr(shard_manifest, "LARGEST_MANIFEST", 1000)
    with pytest.raises(ValueError, match=r"\[D780\]"):
        Manifest.from_disk(tmp_path)


@pytest.mark.parametrize(
    "name, change",
    [
        ("best", lambda best: best[:-1]),
        ("best", lambda best: best + 500),
        ("tags", lambda tags: tags + 500),
        ("tags", lambda tags: tags[1:]),
        ("counts", lambda counts: counts + 1),
        ("probabilities", lambda values: values * numpy.float16("nan")),
        ("probabilities", lambda values: values + numpy.float16(2)),
        ("rest", lambda rest: rest - 2),
        ("rest", lambda rest: rest[:1]),
    ],
)
def test_targets_that_do_not_fit_together(make_soft, tmp_path, name, change):
    document = make_soft(["In", "New", "York"])
    array = change(getattr(document.targets, name)).astype(getattr(document.targets, name).dtype)
    targets = replace(document.targets, **{name: array})
    write_shard(tmp_path / "a.parquet", [document, document._replace(targets=targets)])
    with pytest.raises(ValueError, match=r"\[D405\].*a\.parquet' cannot be read"):
        list(read_shard(tmp_path / "a.parquet", n_tags=9))


def test_equal_words_are_kept_once(make_soft, tmp_path):
    """So a file with a long word that is repeated takes little memory."""
    long = "x" * 1000
    write_shard(tmp_path / "a.parquet", [make_soft([long, "a", long]), make_soft([long])])
    first, second = read_shard(tmp_path / "a.parquet")
    assert first.words[0] is first.words[2] is second.words[0]


def test_a_shard_that_takes_too_much_memory(documents, tmp_path, monkeypatch):
    write_shard(tmp_path / "a.parquet", documents)
    monkeypatch.setattr(parquet_limits, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"\[D788\] The shard '.*a\.parquet'"):
        list(read_shard(tmp_path / "a.parquet"))
    monkeypatch.undo()
    monkeypatch.setattr(soft_shards, "LONGEST_DOCUMENT", 2999)
    with pytest.raises(ValueError, match=r"\[D405\].*has 3,000 tokens"):
        list(read_shard(tmp_path / "a.parquet"))
