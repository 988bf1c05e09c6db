"""Requirements, side effects and memory of the libraries that read the input."""

import logging
import os
import random
import subprocess
import sys

import datasets
import pyarrow
import pytest
from pyarrow.parquet import write_table

from spacy_distill.corpora.inputs import Input
from tests.corpora.written_files import COMPRESSIONS, WRITERS, as_rows, texts

pytestmark = pytest.mark.usefixtures("no_network")


def test_without_the_library_the_extra_is_named(write, monkeypatch):
    plain = [write(f"a{suffix}", as_rows(["one"])) for suffix in WRITERS if suffix != ".parquet"]
    others = [write(name, as_rows(["one"])) for name in ("a.parquet", "a.txt.zst")]
    for library in ("datasets", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, library, None)
    for source in plain:
        assert texts(source) == ["one"]
    for source, extra in ((others[0], "tag"), (others[1], "tag"), ("hf:news", "train")):
        with pytest.raises(ImportError, match=rf'pip install "spacy-distill\[{extra}\]"'):
            list(Input(source))


def test_the_library_says_writes_and_keeps_nothing(write, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", True)
    level, logged = datasets.logging.get_verbosity(), []
    handler = logging.Handler()
    handler.emit = logged.append
    monkeypatch.setattr(logging.getLogger("datasets"), "handlers", [handler])
    for suffix in WRITERS:
        source = Input(write(f"a{suffix}.gz", as_rows(["one", "two", "three"])))
        assert len(list(source)) == 3
        assert next(iter(source)).text == "one"
    with pytest.raises(ValueError):
        list(Input(write("bad.csv", b"text\n" + b"a\n" * 9999 + b"\xff\n")))
    assert (logged, *capfd.readouterr()) == ([], "", "")
    assert not (tmp_path / "cache").exists()
    assert list((tmp_path / "temporary").glob("tmp*")) == []
    assert datasets.config.HF_UPDATE_DOWNLOAD_COUNTS is True
    assert datasets.logging.get_verbosity() == level
    assert not datasets.utils.are_progress_bars_disabled()


def run(code, *arguments, **environment):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


READ = """
import sys
from spacy_distill.corpora.inputs import Input
print(ascii([document.text for document in Input(sys.argv[1])]))
"""


def test_texts_are_utf_8_whatever_the_system_uses(write, tmp_path):
    for name in ("a.txt", "b.txt.gz", "c.jsonl.zst", "d.csv.xz"):
        write(f"corpus/{name}", as_rows(["bär"]))
    system = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    assert run(READ, tmp_path / "corpus", **system) == [ascii(["bär"] * 4)]


MEMORY = """
import resource
import sys
from spacy_distill.corpora.inputs import Input
for source in sys.argv[1:]:
    n_documents = sum(1 for _ in Input(source))
    print(n_documents, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory differently")
def test_memory_does_not_grow_with_the_corpus(write, tmp_path):
    words = [f"w{number}" for number in range(5000)]
    generator = random.Random(0)
    rows = [{"text": " ".join(generator.choices(words, k=160))} for _ in range(1000)]
    table = pyarrow.Table.from_pylist(rows)
    for size, times in (("small", 1), ("large", 22)):
        for suffix in (".csv", ".jsonl.gz", ".jsonl.zst"):
            # The repeated header of a CSV file is an additional row.
            format_, compression = f".{suffix.split('.')[1]}", suffix[len(".jsonl") :]
            piece = COMPRESSIONS[compression](WRITERS[format_](rows))
            write(f"{size}/a{suffix}", piece * times)
        write_table(pyarrow.concat_tables([table] * times), tmp_path / size / "a.parquet")
    assert (tmp_path / "large" / "a.csv").stat().st_size > 20_000_000
    small, large = (
        [int(part) for part in line.split()]
        for line in run(MEMORY, tmp_path / "small", tmp_path / "large")
    )
    assert [small[0], large[0]] == [4 * 1000, 4 * 22 * 1000 + 21]
    assert large[1] - small[1] < 12_000
