import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_pipeline
from thinc.api import Adam, Config, fix_random_seed

from tests.tiny_bert import save_tiny_bert

CNN = """
[model]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 32
depth = 1
embed_size = 200
window_size = 1
maxout_pieces = 2
subword_features = true
"""

TRAINING = """
[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.dev}

[training]
seed = 0
gpu_allocator = null
max_steps = 30
eval_frequency = 10
dropout = 0.0

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01

[training.logger]
@loggers = "spacy.ConsoleLogger.v3"
console_output = false
"""


def cnn(**changes):
    return {**Config().from_str(CNN)["model"], **changes}


@pytest.fixture
def train_from_config(newsroom, tmp_path):
    """Train on the ten sentences with `spacy train`, and load the saved pipeline."""

    def train(pipeline, components, max_steps=30):
        docs = [example.reference for example in newsroom.examples(spacy.blank("xx"))]
        DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")
        training = Config().from_str(TRAINING, interpolate=False)
        config = training.merge(
            {
                "paths": {name: str(tmp_path / "corpus.spacy") for name in ("train", "dev")},
                "nlp": {"lang": "xx", "pipeline": pipeline},
                "components": components,
                "training": {"max_steps": max_steps},
            }
        )
        nlp = init_nlp(Config(config, is_interpolated=False))
        (tmp_path / "output").mkdir()
        train_pipeline(nlp, tmp_path / "output")
        return spacy.load(tmp_path / "output" / "model-last")

    return train


def check_teacher(nlp, newsroom):
    """Check that the teacher predicts the gold entities, with high probabilities."""
    pipe = nlp.get_pipe("ner_teacher")
    assert pipe.labels == ("LOC", "ORG", "PER")
    assert nlp.evaluate(newsroom.examples(nlp))["ents_f"] == 1.0
    docs = [nlp.make_doc(words) for words, _ in newsroom.sentences]
    with nlp.select_pipes(disable=["ner_teacher"]):
        docs = list(nlp.pipe(docs))
    for rows, doc in zip(pipe.posteriors(docs), docs, strict=True):
        assert rows.shape == (len(doc), len(pipe.tags.names))
        numpy.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    best = numpy.concatenate([rows.argmax(axis=1) for rows in pipe.posteriors(docs)])
    assert pipe.predict(docs).tags.tolist() == best.tolist()
    assert not any(doc.ents for doc in docs)


@pytest.mark.parametrize("crf", [False, True], ids=["softmax", "crf"])
def test_a_teacher_over_its_own_tok2vec(newsroom, crf):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    head = {"@architectures": f"spacy-distill.{'CRF' if crf else 'Softmax'}.v1"}
    nlp.add_pipe("ner_teacher", config={"model": {"embed": cnn(), "head": head}})
    nlp.initialize(lambda: newsroom.examples(nlp))
    curve = newsroom.train(nlp, newsroom.examples(nlp), steps=40)
    assert curve[-1] < curve[0] / 10
    check_teacher(nlp, newsroom)
    copy = newsroom.copy(nlp)
    assert copy.to_bytes() == nlp.to_bytes()
    check_teacher(copy, newsroom)


def test_the_default_model_has_its_own_tok2vec(newsroom):
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner_teacher")
    nlp.initialize(lambda: newsroom.examples(nlp))
    assert nlp("Anna sails").has_annotation("ENT_IOB")


@pytest.mark.parametrize("text", ["", " ", "\n\n", "Oslo", "Anna\n\nsails"])
def test_unusual_documents(newsroom, text):
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner_teacher", config={"model": {"embed": cnn()}})
    nlp.initialize(lambda: newsroom.examples(nlp))
    doc = nlp(text)
    assert all(not ent[0].is_space and not ent[-1].is_space for ent in doc.ents)
    assert nlp.get_pipe("ner_teacher").posteriors([doc])[0].shape == (len(doc), 13)


def test_a_teacher_over_a_shared_tok2vec(newsroom, train_from_config):
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    components = {
        "tok2vec": {"factory": "tok2vec", "model": cnn()},
        "ner_teacher": {
            "factory": "ner_teacher",
            "model": {"embed": listener},
        },
    }
    nlp = train_from_config(["tok2vec", "ner_teacher"], components, max_steps=40)
    assert nlp.get_pipe("tok2vec").listening_components == ["ner_teacher"]
    check_teacher(nlp, newsroom)


@pytest.fixture
def tiny_bert(newsroom, tmp_path):
    words = [word for text, _ in newsroom.sentences for word in text.split(" ")]
    return save_tiny_bert(tmp_path / "bert", words, depth=2)


def transformer_model(folder):
    return {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(folder),
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 16,
            "stride": 12,
        },
        "tokenizer_config": {"use_fast": True},
    }


def test_a_teacher_over_a_transformer(newsroom, train_from_config, tiny_bert):
    transformer = transformer_model(tiny_bert)
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    components = {
        "transformer": {"factory": "transformer", "model": transformer},
        "ner_teacher": {
            "factory": "ner_teacher",
            "model": {"embed": listener},
        },
    }
    nlp = train_from_config(["transformer", "ner_teacher"], components, max_steps=50)
    check_teacher(nlp, newsroom)
    assert [newsroom.entities(nlp(text)) for text in ("", " ")] == [[], []]
    texts = ["", "Anna Berg sails to Oslo .", "", "\n", "Nobody called ."]
    alone = [newsroom.entities(nlp(text)) for text in texts]
    assert [newsroom.entities(doc) for doc in nlp.pipe(texts)] == alone


def joined_model(newsroom, tiny_bert, frozen, **settings):
    """A model that concatenates word forms and a transformer's layers."""
    layers = {
        "@architectures": "spacy-distill.TransformerLayers.v1",
        "name": str(tiny_bert),
        "frozen": frozen,
        **settings,
    }
    mix = {"@architectures": "spacy-distill.LayerMix.v1", "transformer": layers}
    embed = {"@architectures": "spacy-distill.SideBySide.v1", "right": mix}
    return {**newsroom.narrow, "embed": {**embed, "left": newsroom.narrow["embed"]}}


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "fine-tuned"])
def test_a_teacher_over_transformer_layers_and_word_forms(
    newsroom, train_from_config, tiny_bert, frozen
):
    component = {"factory": "ner_teacher", "model": joined_model(newsroom, tiny_bert, frozen)}
    nlp = train_from_config(["ner_teacher"], {"ner_teacher": component}, max_steps=40)
    check_teacher(nlp, newsroom)
    texts = ["", "Anna Berg sails to Oslo .", "\n", "Nobody called ."]
    alone = [newsroom.entities(nlp(text)) for text in texts]
    assert [newsroom.entities(doc) for doc in nlp.pipe(texts)] == alone
    check_teacher(newsroom.copy(nlp), newsroom)


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_a_transformer_in_the_model_has_its_own_learning_rate(newsroom, tiny_bert, factor):
    model = joined_model(newsroom, tiny_bert, False, learn_rate_factor=factor)
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner_teacher", config={"model": model})
    examples = newsroom.examples(nlp)
    nlp.initialize(lambda: examples)
    again = spacy.blank("xx")
    again.add_pipe("ner_teacher", config={"model": model})
    again.initialize(lambda: examples)
    again.from_bytes(nlp.to_bytes())
    for pipeline in (nlp, again):
        walked = list(pipeline.get_pipe("ner_teacher").model.walk())
        (layer,) = (node for node in walked if "learn_rate_factor" in node.attrs)
        (head,) = (node for node in walked if node.name == "chain_head")
        weight = layer.shims[0].transformer.encoder.layer[0].output.dense.weight
        before, head_before = weight.detach().clone(), head.get_param("W").copy()
        pipeline.update(examples, sgd=Adam(0.01, use_averages=False))
        weight = layer.shims[0].transformer.encoder.layer[0].output.dense.weight
        assert bool((weight == before).all()) == (factor == 0)
        assert (head.get_param("W") != head_before).any()


@pytest.mark.parametrize("frozen", [True, False])
def test_a_teacher_over_a_transformer_rehearses(newsroom, tiny_bert, frozen):
    model = joined_model(newsroom, tiny_bert, frozen, learn_rate_factor=0.1)
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("ner_teacher", config={"model": model})
    examples = newsroom.examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = nlp.resume_training(sgd=Adam(0.01, use_averages=False))
    pipe.add_label("ANIMAL")
    losses = [pipe.rehearse(examples, sgd=optimizer)["ner_teacher"] for _ in range(10)]
    assert 0 < losses[-1] < losses[0]
    if frozen:
        nlp.rehearse(examples)
    else:
        with pytest.raises(ValueError, match=r"\[D522\].*learn_rate_factor"):
            nlp.rehearse(examples)
