"""Parameters that are loaded: what does not fit is refused before anything changes."""

import numpy
import pytest
import spacy
import srsly

from spacy_distill import compact

SMALL = {
    "embed": {"features": {"width": 4}, "characters": {"width": 4, "filters": 4}},
    "encode": {"width": 8, "depth": 2},
}


@pytest.fixture(scope="module", params=["BiLSTM"])
def trained(request):
    """A component with word vectors in a table, and the pipeline it is in."""
    nlp = spacy.blank("xx")
    rng = numpy.random.default_rng(0)
    for word in ("Anna", "Berg", "Oslo", "and", "."):
        nlp.vocab.set_vector(word, rng.normal(size=6).astype("float32"))
    encode = {**SMALL["encode"], "@architectures": f"spacy-distill.{request.param}.v1"}
    nlp.add_pipe("ner_student", config={"model": {**SMALL, "encode": encode}}).add_label("PER")
    doc = nlp.make_doc("Anna Berg and Oslo .")
    nlp.initialize(lambda: [spacy.training.Example(doc, doc.copy())])
    return compact(nlp, bits=8)


@pytest.fixture
def saved(trained):
    """What a component saves: its cfg and its model."""
    data = srsly.msgpack_loads(trained.get_pipe("ner_student").to_bytes(exclude=["vocab"]))
    return srsly.json_loads(data["cfg"]), srsly.msgpack_loads(data["model"])


@pytest.fixture(scope="module")
def load(trained):
    """Load a component from other parts, and return the error. It is not changed by an error."""
    nlp = spacy.util.load_model_from_config(trained.config)
    pipe = nlp.get_pipe("ner_student")

    def load(cfg, model):
        before = pipe.to_bytes(exclude=["vocab"])
        data = {"cfg": srsly.json_dumps(cfg), "model": srsly.msgpack_dumps(model)}
        try:
            pipe.from_bytes(srsly.msgpack_dumps(data), exclude=["vocab"])
        except ValueError as error:
            assert pipe.to_bytes(exclude=["vocab"]) == before
            return str(error)
        nlp("Anna Berg and Oslo .")
        return ""

    return load


def places(model, kind):
    """YIELDS (Tuple[int, str]): The layer and the name of each parameter or attribute."""
    for number, values in enumerate(model[kind]):
        for name, value in values.items():
            if value is not None:
                yield number, name


def table_of(model):
    """RETURNS (Tuple[int, Dict]): The layer with the table of word vectors, and the table."""
    for number, attrs in enumerate(model["attrs"]):
        if "vector_table" in attrs:
            table = srsly.msgpack_loads(attrs["vector_table"])
            return number, {name: array.copy() for name, array in table.items()}
    raise AssertionError("no table")


def test_what_was_saved_is_loaded(saved, load):
    assert load(*saved) == ""


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_parameters_that_are_not_finite(saved, load, value):
    cfg, model = saved
    found = list(places(model, "params"))
    assert len(found) > 10
    for number, name in found:
        array = model["params"][number][name]
        changed = array.copy()
        changed.flat[-1] = value
        model["params"][number][name] = changed
        assert f"the parameter {name} has NaN or infinite values" in load(cfg, model)
        model["params"][number][name] = array


@pytest.mark.parametrize("trained", ["BiLSTM", "SRU", "MinGRU"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        lambda array: array[..., :-1],
        lambda array: array[:0],
        lambda array: array[None],
        lambda array: numpy.concatenate([array, array]),
        lambda array: array.astype("float64"),
        lambda array: array.tolist(),
        lambda array: numpy.zeros((0, 2**40), dtype="float32"),
    ],
)
def test_parameters_of_another_shape_or_type(saved, load, change):
    cfg, model = saved
    for number, name in places(model, "params"):
        array = model["params"][number][name]
        model["params"][number][name] = change(array)
        assert load(cfg, model).startswith("[D783]"), (number, name)
        model["params"][number][name] = array


@pytest.mark.parametrize("size", [10**6, 2**31, -1, "8", 1.5, True])
def test_dimensions(saved, load, size):
    cfg, model = saved
    n_changed = 0
    for info, params in zip(model["nodes"], model["params"], strict=True):
        # A sum of layers has no parameters that a dimension would have to fit.
        is_free = size == 10**6 and all(array is None for array in params.values())
        for name, old in list(info["dims"].items()):
            if old is not None and not is_free:
                info["dims"][name] = size
                assert load(cfg, model).startswith("[D783]"), (info["name"], name)
                info["dims"][name] = old
                n_changed += 1
    assert n_changed > 10


def test_references_and_attributes(saved, load):
    cfg, model = saved
    model["nodes"][0]["refs"]["output_layer"] = 1
    assert "the reference 'output_layer' leads to another layer" in load(cfg, model)
    cfg, model = saved[0], srsly.msgpack_loads(srsly.msgpack_dumps(saved[1]))
    del model["nodes"][0]["refs"]["output_layer"]
    for name in ("inference", "shapes", "resize_output", "anything"):
        for attrs in model["attrs"]:
            attrs[name] = srsly.msgpack_dumps(1)
            assert f"unknown attribute '{name}'" in load(cfg, model)
            del attrs[name]


@pytest.mark.parametrize("part", ["nodes", "attrs", "params", "shims"])
def test_missing_layers(saved, load, part):
    cfg, model = saved
    last = model[part].pop()
    assert "layers" in load(cfg, model)
    model[part].append(last)
    for value in (None, 3, "x", []):
        model[part][0], old = value, model[part][0]
        assert (value == [] and part == "shims") or load(cfg, model).startswith("[D783]")
        model[part][0] = old


@pytest.mark.parametrize(
    "name, change, problem",
    [
        ("rows", lambda rows: rows + 10**4, "in row"),
        ("rows", lambda rows: rows[:-1], "rows of"),
        ("rows", lambda rows: rows.astype("int64"), "rows of"),
        ("key_steps", lambda steps: steps | 128, "not sorted"),
        ("key_steps", lambda steps: steps[:3], "words of 3 bytes"),
        ("key_steps", lambda steps: steps.astype("uint16"), "other types"),
        ("data", lambda data: data[:, :-1], "dimensions"),
        ("data", lambda data: data.astype("float64"), "parts"),
        ("data", lambda data: data[0], "other types"),
        ("scales", lambda scales: scales * numpy.nan, "NaN"),
        ("scales", lambda scales: scales[:1], "factors"),
    ],
)
def test_tables_of_word_vectors(saved, load, name, change, problem):
    cfg, model = saved
    number, table = table_of(model)
    table[name] = change(table[name])
    model["attrs"][number]["vector_table"] = srsly.msgpack_dumps(table)
    message = load(cfg, model)
    assert message.startswith("[D783]") and problem in message


def test_codes_beyond_the_centroids(saved, load):
    cfg, model = saved
    number, table = table_of(model)
    del table["scales"]
    n_rows = len(table["data"])
    table["data"] = numpy.full((n_rows, 3), 9, dtype="uint8")
    table["centroids"] = numpy.zeros((3, 10, 2), dtype="float32")
    table["decoder"] = numpy.zeros((6, 6), dtype="float32")
    model["attrs"][number]["vector_table"] = srsly.msgpack_dumps(table)
    assert load(cfg, model) == ""
    table["data"][-1, -1] = 10
    model["attrs"][number]["vector_table"] = srsly.msgpack_dumps(table)
    assert "codes up to 10 of 10 centroids" in load(cfg, model)


@pytest.mark.parametrize(
    "cfg",
    [
        [],
        {},
        {"labels": "PER"},
        {"labels": [1]},
        {"labels": [""]},
        {"labels": ["A", "A"]},
        {"labels": [f"L{number}" for number in range(5000)]},
        {"labels": ["PER"], "temperature": 0},
        {"labels": ["PER"], "temperature": "hot"},
    ],
)
def test_settings(saved, load, cfg):
    assert load(cfg, saved[1]).startswith("[D785]")


def test_labels_of_another_number(saved, load):
    assert load({"labels": ["PER", "LOC"]}, saved[1]).startswith("[D783]")


def test_word_vectors_that_are_not_finite_are_named():
    nlp = spacy.blank("xx")
    for word in ("Anna", "Berg"):
        nlp.vocab.set_vector(word, numpy.ones(6, dtype="float32"))
    nlp.add_pipe("ner_student", config={"model": SMALL}).add_label("PER")
    doc = nlp.make_doc("Anna Berg")
    nlp.initialize(lambda: [spacy.training.Example(doc, doc.copy())])
    nlp.vocab.vectors.data[nlp.vocab.vectors.find(key="Berg"), 2] = numpy.nan
    nlp.get_pipe("ner_student").clear_cache()
    nlp("Anna")
    with pytest.raises(ValueError, match=r"^\[D787\] The word vector of 'Berg'"):
        nlp("Anna Berg")
    with pytest.raises(ValueError, match=r"^\[D784\]"):
        compact(nlp, bits=8)
