import numpy
import pytest
import spacy
import srsly
from thinc.api import Adam


def predictions(nlp, newsroom):
    """Predictions with a cleared cache, because forms of other batches have other rounding
    errors."""
    docs = [nlp.make_doc(words) for words, _ in newsroom.sentences]
    nlp.get_pipe("ner_student").clear_cache()
    return nlp.get_pipe("ner_student").posteriors(docs)


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        numpy.testing.assert_array_equal(a, b)


def test_bytes_are_equal_after_a_round_trip(newsroom, learned):
    copy = newsroom.copy(learned)
    assert copy.to_bytes() == learned.to_bytes()
    assert copy.get_pipe("ner_student").labels == learned.get_pipe("ner_student").labels
    assert_same(predictions(copy, newsroom), predictions(learned, newsroom))


def test_a_folder_is_equal_after_a_round_trip(newsroom, learned, tmp_path):
    learned.to_disk(tmp_path / "first")
    loaded = spacy.load(tmp_path / "first")
    loaded.to_disk(tmp_path / "second")
    files = sorted(path for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert tmp_path / "first" / "ner_student" / "model" in files
    for path in files:
        again = tmp_path / "second" / path.relative_to(tmp_path / "first")
        assert again.read_bytes() == path.read_bytes(), path
    assert_same(predictions(loaded, newsroom), predictions(learned, newsroom))


def test_a_component_can_be_restored_from_bytes(newsroom, learned, tmp_path):
    pipe = learned.get_pipe("ner_student")
    config = learned.config["components"]["ner_student"]["model"]
    for way in ("bytes", "disk"):
        nlp = spacy.blank("xx")
        other = nlp.add_pipe("ner_student", config={"model": config})
        if way == "bytes":
            other.from_bytes(pipe.to_bytes(exclude=["vocab"]), exclude=["vocab"])
        else:
            pipe.to_disk(tmp_path / "pipe", exclude=["vocab"])
            other.from_disk(tmp_path / "pipe", exclude=["vocab"])
        assert other.to_bytes(exclude=["vocab"]) == pipe.to_bytes(exclude=["vocab"])
        assert_same(predictions(nlp, newsroom), predictions(learned, newsroom))


@pytest.mark.parametrize("way", ["bytes", "disk"])
@pytest.mark.parametrize("grown", ["loads", "is loaded"])
def test_loaded_labels_replace_the_current_ones(newsroom, learned, way, grown, tmp_path):
    small, big = newsroom.copy(learned), newsroom.copy(learned)
    optimizer = Adam(0.01)
    big.update(newsroom.examples(big), sgd=optimizer)
    big.get_pipe("ner_student").add_label("ANIMAL")
    big.update(newsroom.examples(big), sgd=optimizer)
    loaded, saved = (big, small) if grown == "loads" else (small, big)
    if way == "bytes":
        loaded.from_bytes(saved.to_bytes())
    else:
        saved.to_disk(tmp_path)
        loaded.from_disk(tmp_path)
    pipes = [nlp.get_pipe("ner_student") for nlp in (loaded, saved)]
    assert pipes[0].labels == pipes[1].labels
    assert pipes[0].to_bytes(exclude=["vocab"]) == pipes[1].to_bytes(exclude=["vocab"])
    assert_same(predictions(loaded, newsroom), predictions(saved, newsroom))
    loaded.update(newsroom.examples(loaded), sgd=optimizer)


def test_parts_can_be_excluded_from_loading(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    pipe.add_label("ANIMAL")
    pipe.from_bytes(learned.get_pipe("ner_student").to_bytes(), exclude=["model"])
    assert pipe.labels == ("LOC", "ORG", "PER")
    assert_same(predictions(nlp, newsroom), predictions(learned, newsroom))


def test_a_component_can_be_saved_before_training(newsroom, tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner_student", config={"model": newsroom.narrow}).add_label("PER")
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    loaded.initialize(lambda: newsroom.examples(loaded))
    assert loaded.get_pipe("ner_student").labels == ("PER", "LOC", "ORG")


def arrays_in(value):
    if isinstance(value, numpy.ndarray):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from arrays_in(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from arrays_in(part)


def test_a_saved_pipeline_holds_no_pickle(learned, tmp_path):
    learned.to_disk(tmp_path)
    headers = {bytes([0x80, protocol]) for protocol in range(2, 6)}
    for path in tmp_path.rglob("*"):
        assert "pkl" not in path.name and "pickle" not in path.name
        if path.is_file():
            assert path.read_bytes()[:2] not in headers, path
    # msgpack-numpy would hide a pickle in an array of objects.
    model = srsly.msgpack_loads((tmp_path / "ner_student" / "model").read_bytes())
    arrays = list(arrays_in(model))
    assert arrays and all(array.dtype == numpy.float32 for array in arrays)
    numpy.load(tmp_path / "vocab" / "vectors", allow_pickle=False)


def test_word_vectors_are_saved_with_the_pipeline(newsroom, tmp_path):
    nlp = spacy.blank("xx")
    for number, word in enumerate(("anna", "oslo", "lund")):
        nlp.vocab.set_vector(word, numpy.full(5, number + 1, dtype="float32"))
    nlp.add_pipe("ner_student", config={"model": newsroom.narrow})
    nlp.initialize(lambda: newsroom.examples(nlp))
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert_same(predictions(loaded, newsroom), predictions(nlp, newsroom))
    # Other vectors change the predictions.
    data = loaded.vocab.vectors.data.copy()
    data[loaded.vocab.vectors.find(key="oslo")] = -4
    loaded.vocab.vectors.data = data
    before = predictions(nlp, newsroom)[0]
    assert not numpy.array_equal(predictions(loaded, newsroom)[0], before)


def test_missing_word_vectors_are_an_error(newsroom):
    nlp = spacy.blank("xx")
    nlp.vocab.set_vector("anna", numpy.ones(5, dtype="float32"))
    nlp.add_pipe("ner_student", config={"model": newsroom.narrow})
    nlp.initialize(lambda: newsroom.examples(nlp))
    bare = spacy.blank("xx")
    bare.add_pipe("ner_student", config={"model": newsroom.narrow})
    exclude = ["vocab"]
    bare.get_pipe("ner_student").from_bytes(
        nlp.get_pipe("ner_student").to_bytes(exclude=exclude), exclude=exclude
    )
    with pytest.raises(ValueError, match=r"word vectors of 5 dimensions.*has none"):
        bare("Anna sails to Oslo .")


def test_a_component_can_be_sourced_into_another_pipeline(newsroom, learned):
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    # spaCy shares the component with its source, so use a copy.
    pipe = nlp.add_pipe("ner_student", source=newsroom.copy(learned))
    for words, spans in newsroom.sentences:
        assert newsroom.entities(nlp(nlp.make_doc(words))) == spans
    copy = newsroom.copy(nlp)
    assert copy.pipe_names == ["sentencizer", "ner_student"]
    assert_same(predictions(copy, newsroom), predictions(learned, newsroom))
    # The component can be trained further, with more labels.
    pipe.add_label("ANIMAL")
    nlp.resume_training()
    more = [*newsroom.sentences, ("A red panda .", [(1, 3, "ANIMAL")])]
    newsroom.train(nlp, newsroom.examples(nlp, more), steps=30)
    assert nlp.evaluate(newsroom.examples(nlp, more))["ents_f"] == 1.0


def test_a_saved_component_can_be_sourced_by_a_config(newsroom, learned, tmp_path):
    learned.to_disk(tmp_path / "source")
    config = {
        "nlp": {"lang": "xx", "pipeline": ["ner_student"]},
        "components": {"ner_student": {"source": str(tmp_path / "source")}},
    }
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    assert_same(predictions(nlp, newsroom), predictions(learned, newsroom))
