"""Pipelines are loaded again after much text."""

import gc
import shutil
import weakref

import pytest
import spacy

from spacy_distill.corpora.inputs import InputDocument
from spacy_distill.jobs import renewal

# What the plans load with.
LOADERS = ("load_teacher", "load_pipeline")
# The text of the tests has some 800 characters in shards of 150.
FEW = 250


@pytest.fixture
def loaded(job, monkeypatch):
    """Weak references to all that the job loads."""
    references = []
    name = next(name for name in LOADERS if hasattr(job.plan, name))
    load = getattr(job.plan, name)

    def remember(*arguments):
        one = load(*arguments)
        references.append(weakref.ref(one))
        return one

    monkeypatch.setattr(job.plan, name, remember)
    return references


def shards(folder):
    return {path.name: path.read_bytes() for path in folder.glob("shard-*")}


def test_shards_do_not_depend_on_it(run, loaded, tmp_path, monkeypatch):
    run("once")
    assert len(loaded) == 1
    monkeypatch.setattr(renewal, "CHARACTERS", FEW)
    run("renewed")
    assert len(loaded) > 2
    assert shards(tmp_path / "renewed") == shards(tmp_path / "once")
    gc.collect()
    assert not any(reference() for reference in loaded)


def test_only_one_is_there_at_a_time(run, loaded, monkeypatch):
    monkeypatch.setattr(renewal, "CHARACTERS", FEW)
    alive = []
    write = renewal.RenewedWriter.__call__

    def look(writer, *shard):
        written = write(writer, *shard)
        alive.append(sum(reference() is not None for reference in loaded))
        return written

    monkeypatch.setattr(renewal.RenewedWriter, "__call__", look)
    run()
    assert set(alive) == {1} and len(loaded) > 2


@pytest.mark.parametrize("why", ["code", "component"])
def test_what_may_not_be_made_for_it_is_loaded_once(run, loaded, model, why, tmp_path, monkeypatch):
    monkeypatch.setattr(renewal, "CHARACTERS", FEW)
    code = tmp_path / "code.py"
    code.write_text(
        "from spacy.language import Language\n"
        "@Language.component('others_component')\n"
        "def others_component(doc):\n"
        "    return doc\n"
    )
    if why == "code":
        run(code=code)
    else:

        @spacy.Language.component("unsafe_component")
        def unsafe_component(doc):
            return doc

        nlp = spacy.load(model)
        nlp.add_pipe("unsafe_component")
        nlp.to_disk(tmp_path / "model")
        run(model=tmp_path / "model")
    assert len(loaded) == 1


def test_a_pipeline_that_was_replaced_in_the_meantime_is_not_loaded(
    run, loaded, model, tmp_path, monkeypatch
):
    shutil.copytree(model, tmp_path / "model")
    run("expected", model=tmp_path / "model")
    loaded.clear()
    monkeypatch.setattr(renewal, "CHARACTERS", FEW)
    write = renewal.RenewedWriter.__call__

    def replace_and_write(writer, number, *rest):
        if number == 1:
            nlp = spacy.load(tmp_path / "model")
            nlp.get_pipe("ner_student").model.get_ref("output_layer").get_param("W")[:] = 0
            nlp.to_disk(tmp_path / "model")
        return write(writer, number, *rest)

    monkeypatch.setattr(renewal.RenewedWriter, "__call__", replace_and_write)
    run("found", model=tmp_path / "model")
    assert len(loaded) == 1
    assert shards(tmp_path / "found") == shards(tmp_path / "expected")


def test_a_process_of_its_own_frees_what_was_frozen(monkeypatch):
    monkeypatch.setattr(renewal, "CHARACTERS", 10)
    writers = []

    class Writer:
        has_zones, labels = True, ["PER"]

        def __init__(self):
            self.circle = self
            writers.append(weakref.ref(self))

        def __call__(self, number, documents, input_hash):
            return None

    class Plan:
        code = None

        def identity(self):
            return {}

        def writer(self, folder, advance):
            return Writer()

    try:
        writer = renewal.RenewedWriter(Plan(), None, None, frozen=True)
        for number in range(3):
            writer(number, [InputDocument("id", "ten letters")], "hash")
        assert [reference() is not None for reference in writers] == [False, False, True]
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
