"""A result is complete, or the same command continues it. Failing documents are left out."""

import shutil

import pytest
import spacy

from spacy_distill.corpora.soft_shards import Manifest
from spacy_distill.tagging.manifest import TagManifest
from tests.tagging.conftest import TEXTS

# Raises an error at "Nothing".
CODE = """
from spacy.language import Language

@Language.component("spacy_distill_tests_something", assigns=["doc.ents"])
def something(doc):
    if "Nothing" in doc.text:
        raise RuntimeError("nothing to find")
    doc.set_ents([doc[token.i : token.i + 1] for token in doc[:0]])
    return doc
"""
FAILING = [f"texts.txt:{number}" for number in range(6, 31, 6)]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "spacy"])
def test_two_processes_write_the_same_bytes(run, contents, tmp_path, file_format):
    source = tmp_path / "rows.csv"
    source.write_text("".join(["text,n\n", *(f'"{text}",{n}\n' for n, text in enumerate(TEXTS))]))
    settings = {"source": source, "file_format": file_format, "keep": ["n"], "confidence": True}
    run("one", **settings)
    run("two", n_process=2, **settings)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) > 4


@pytest.mark.parametrize(
    "settings, name",
    [
        ({"file_format": "jsonl"}, "the setting format"),
        ({"confidence": True}, "the setting confidence"),
        ({"shard_size": 500}, "the setting shard_size"),
        ({"text_field": "body"}, "the column of the text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_setting_is_refused_by_name(run, contents, tmp_path, settings, name):
    run(limit=8)
    before = contents(tmp_path / "tags")
    with pytest.raises(ValueError, match=rf"\[D421\].*pipeline, .*now: {name}.*--force"):
        run(**{"limit": 8, **settings})
    assert contents(tmp_path / "tags") == before
    # These change no byte of what is there.
    run(limit=8, threads=2, max_errors=3, batch_size=5)
    assert contents(tmp_path / "tags") == before


def test_another_pipeline_or_input_is_refused(run, model, text_file, tmp_path):
    run(limit=8)
    shutil.copytree(model, tmp_path / "other")
    assert run(model=tmp_path / "other", limit=8).complete
    (tmp_path / "other" / "meta.json").write_text("{}")
    with pytest.raises(ValueError, match=r"\[D421\].*These differ now: the pipeline"):
        run(model=tmp_path / "other", limit=8)
    text_file.write_text(text_file.read_text().replace("Oslo", "Kiel"))
    with pytest.raises(ValueError, match=r"\[D421\].*the input of shard-000000"):
        run(limit=8)


def test_overwriting_replaces_another_format(run, contents, tmp_path):
    run()
    run(file_format="jsonl", limit=3, overwrite=True)
    run("new", file_format="jsonl", limit=3)
    assert contents(tmp_path / "tags") == contents(tmp_path / "new")


def test_a_soft_corpus_is_not_overwritten(run, contents, tmp_path):
    (tmp_path / "tags").mkdir()
    Manifest(labels=[], teacher={}, settings={}, input={}).to_disk(tmp_path / "tags")
    before = contents(tmp_path / "tags")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"\[D724\].*has no result of distill-tag"):
            run(overwrite=overwrite)
    assert contents(tmp_path / "tags") == before


@pytest.fixture
def failing(tmp_path):
    """The settings for a pipeline that fails on five documents."""
    code = tmp_path / "code.py"
    code.write_text(CODE)
    if not spacy.Language.has_factory("spacy_distill_tests_something"):
        exec(compile(CODE, str(code), "exec"), {"__name__": "python_code"})
    nlp = spacy.blank("en")
    nlp.add_pipe("spacy_distill_tests_something")
    nlp.to_disk(tmp_path / "failing")
    return {"model": tmp_path / "failing", "code": code}


@pytest.mark.parametrize("n_process", [1, 2])
def test_documents_that_the_pipeline_fails_on_are_listed(run, failing, tmp_path, n_process):
    manifest = run(max_errors=5, n_process=n_process, file_format="spacy", **failing)
    assert [name for shard in manifest.shards for name in shard.skipped_ids] == FAILING
    assert manifest.total("skipped") == 5 and manifest.total("documents") == len(TEXTS) - 5
    assert TagManifest.from_disk(tmp_path / "tags") == manifest
    message = "[D430] The document 'texts.txt:6' is left out: the pipeline failed on it"
    assert message in run.told and "RuntimeError: nothing to find" in run.told


def test_more_failures_than_allowed_end_the_run(run, failing, contents, tmp_path):
    message = r"\[D427\] The pipeline 'en_pipeline' failed on the document 'texts.txt:6': Runtime"
    with pytest.raises(ValueError, match=message):
        run(**failing)
    with pytest.raises(ValueError, match=r"\[D431\] The pipeline failed on \d documents, and 3"):
        run(max_errors=3, **failing)
    run(max_errors=5, **failing)
    run("whole", max_errors=5, **failing)
    assert contents(tmp_path / "tags") == contents(tmp_path / "whole")
    # A shard that is made again has the same failures, which do not count twice.
    for shard in (tmp_path / "whole").glob("shard-*"):
        shard.unlink()
    run("whole", max_errors=5, **failing)
    assert contents(tmp_path / "tags") == contents(tmp_path / "whole")


def test_a_component_that_returns_no_document_is_reported(run, failing, monkeypatch, tmp_path):
    monkeypatch.setattr(spacy.Language, "pipe", lambda self, texts, **_: [None for _ in texts])
    with pytest.raises(ValueError, match=r"\[D437\].*for 'texts.txt:1': found NoneType"):
        run(max_errors=100, **failing)


def test_a_lack_of_memory_ends_the_run(run, failing, monkeypatch, tmp_path):
    def fail(self, texts, **_):
        raise MemoryError("too little")

    monkeypatch.setattr(spacy.Language, "pipe", fail)
    with pytest.raises(MemoryError):
        run(max_errors=100, **failing)
