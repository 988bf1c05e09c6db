"""Data sets on the hub, which a fixture replaces."""

import datasets
import huggingface_hub
import pytest

from spacy_distill.corpora.inputs import Input, InputDocument

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def hub(monkeypatch):
    """Replaces the hub. `calls` has the arguments of `load_dataset`."""

    class Hub:
        rows = [{"text": "one", "image": 0}, {"text": "two", "image": 0}]
        revision = "c0ffee"
        calls = []

        def load_dataset(self, *args, **kwargs):
            self.calls.append((args, kwargs))
            return datasets.Dataset.from_list(self.rows).to_iterable_dataset()

        def dataset_info(self, _, name, revision=None, **__):
            if self.revision is None:
                raise ConnectionError("no network")
            return huggingface_hub.hf_api.DatasetInfo(
                id=name,
                sha=f"{self.revision}{revision or ''}",
                private=False,
                downloads=0,
                likes=0,
                tags=[],
            )

    hub = Hub()
    hub.calls = []
    monkeypatch.setattr(datasets, "load_dataset", hub.load_dataset)
    monkeypatch.setattr(
        huggingface_hub.HfApi, "dataset_info", lambda *args, **kw: hub.dataset_info(*args, **kw)
    )
    return hub


@pytest.mark.parametrize("name", ["news", "owner/news", "owner/my.news-1_2"])
def test_what_the_prefix_names_is_a_data_set_on_the_hub(hub, name):
    source = Input(f"hf:{name}", split="test")
    assert [document[:4] for document in source] == [
        (f"{name}/test:1", "one", None, None),
        (f"{name}/test:2", "two", None, None),
    ]
    assert hub.calls == [((name, None), {"split": "test", "streaming": True, "revision": "c0ffee"})]
    assert source.fingerprint() == {"dataset": name, "split": "test", "revision": "c0ffee"}
    assert source.share_read is None and source.is_pinned


def test_columns_of_a_data_set_are_kept(hub):
    hub.rows = [{"text": "one", "image": 0, "n": 1}, {"text": "two", "image": 0, "n": None}]
    kept = [document.kept for document in Input("hf:news", keep=["n", "text"])]
    assert kept == [("1", "one"), (None, "two")]
    with pytest.raises(ValueError, match=r"\[D316\].*no column 'date'"):
        list(Input("hf:news", keep=["date"]))


def test_a_data_set_may_have_configurations(hub):
    source = Input("hf:owner/wiki:20231101.en")
    assert len(list(source)) == 2
    assert hub.calls[0][0] == ("owner/wiki", "20231101.en")
    assert source.fingerprint()["configuration"] == "20231101.en"


def test_the_revision_that_is_hashed_is_the_one_that_is_read(hub):
    source = Input("hf:news")
    source.fingerprint()
    hub.revision = "0ther"
    list(source)
    assert hub.calls[0][1]["revision"] == "c0ffee"


def test_without_network_the_revision_is_unknown(hub):
    hub.revision = None
    assert Input("hf:news").fingerprint() == {"dataset": "news", "split": "train"}


def test_a_version_may_be_asked_for(hub):
    source = Input("hf:owner/wiki:en@v1.0")
    list(source)
    assert hub.calls[0][0] == ("owner/wiki", "en")
    assert hub.calls[0][1]["revision"] == source.fingerprint()["revision"] == "c0ffeev1.0"
    hub.revision = None
    assert Input("hf:news@v1.0").fingerprint()["revision"] == "v1.0"


def test_a_commit_that_is_known_is_read(hub):
    source = Input("hf:news", revision="0ther")
    list(source)
    assert hub.calls[0][1]["revision"] == source.fingerprint()["revision"] == "0ther"


def test_columns_that_are_not_needed_are_not_decoded(hub, monkeypatch):
    hub.rows = [{"text": "one", "id": "x", "tokens": ["one"], "image": 0}]
    select, asked = datasets.IterableDataset.select_columns, []
    monkeypatch.setattr(
        datasets.IterableDataset,
        "select_columns",
        lambda self, names: asked.append(names) or select(self, names),
    )
    assert list(Input("hf:news")) == [InputDocument("x", "one", ["one"], [False])]
    assert asked == [["text", "id", "tokens"]]


def test_errors_of_the_hub_are_one_line(hub, monkeypatch):
    with pytest.raises(ValueError, match=r"'hf:news': found no column 'body'.*'text', 'image'"):
        list(Input("hf:news", text_field="body"))

    def fail(*_, **__):
        raise datasets.exceptions.DatasetNotFoundError("It is not\n on the Hub.")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    said = r"'hf:news' cannot be read .* It is not on the Hub\..* the split 'dev' \(--split\)"
    with pytest.raises(ValueError, match=said) as info:
        list(Input("hf:news", split="dev"))
    assert "\n" not in str(info.value)


def test_a_hub_that_breaks_off_is_named(hub, monkeypatch):
    def rows():
        yield {"text": "one"}
        raise ConnectionError("gone")

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: rows())
    with pytest.raises(ValueError, match=r"'hf:news' cannot be read after row 1: gone\."):
        list(Input("hf:news"))


@pytest.mark.parametrize("name", ["hf:", "hf:a/b/c", "hf:../news", "hf:a b", "hf:news:"])
def test_what_is_no_name_on_the_hub_is_refused(hub, name):
    with pytest.raises(
        ValueError, match=rf"D314.*'{name}' is not a data set on the Hugging Face hub"
    ):
        Input(name)
    assert not hub.calls


def test_a_folder_does_not_stand_in_for_the_hub(hub, tmp_path, monkeypatch):
    """The library would read a local folder with the name, whatever it contains."""
    (tmp_path / "news").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"D315.*would read 'news' here instead"):
        Input("hf:news@v1.0")


@pytest.mark.parametrize("when", ["load", "read"])
def test_a_lack_of_memory_is_no_error_of_the_hub(hub, monkeypatch, when):
    def fail(*args, **kwargs):
        raise MemoryError("out of memory")

    if when == "load":
        monkeypatch.setattr(datasets, "load_dataset", fail)
    else:
        monkeypatch.setattr(datasets.IterableDataset, "__iter__", fail)
    with pytest.raises(MemoryError, match=r"^out of memory"):
        list(Input("hf:owner/news"))
