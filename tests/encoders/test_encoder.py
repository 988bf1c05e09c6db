"""Hidden states of tokens, compared with the transformer's output without batches, windows and
alignment."""

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.tokens import Doc

from spacy_distill.encoders.encoder import Encoder
from spacy_distill.encoders.loading import load_transformer
from tests.encoders.conftest import WORDS

torch = pytest.importorskip("torch", reason="the train extra is not installed")
transformers = pytest.importorskip("transformers", reason="the train extra is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="the train extra is not installed")


def make_docs(vocab):
    words = [[], WORDS, ["Oslo", "company", "sails"], ["unseen", "Kiel"], []]
    return [Doc(vocab, words=item) for item in words]


def read(encoder, docs, layers=(0, 1, 2)):
    with torch.inference_mode():
        states, n_pieces = encoder.states(docs, layers)
    return states.numpy(), n_pieces.tolist()


def whole(encoder, text):
    """RETURNS: The hidden states of a text that is one window, (wordpieces, layers, width)."""
    with torch.inference_mode():
        output = encoder.model(
            **encoder.tokenizer(text, return_tensors="pt"), output_hidden_states=True
        )
    return torch.stack(output.hidden_states, dim=2)[0, 1:-1].numpy()


@pytest.mark.parametrize("layers", [[0], [2], [1, 0], [0, 1, 2]])
def test_states_are_means_over_wordpieces_at_the_layers(encoder, vocab, layers):
    reader = encoder()
    states, n_pieces = read(reader, make_docs(vocab), layers)
    assert states.shape == (16, len(layers), 16) and states.dtype == "float32"
    assert n_pieces[11:] == [1, 2, 1, 1, 1]
    oslo, com, pany, sails = whole(reader, "Oslo company sails")[:, layers]
    assert_allclose(states[11:14], [oslo, (com + pany) / 2, sails], atol=1e-5)


def test_layers_above_do_not_run(encoder, vocab):
    reader = encoder()
    ran = []
    for number, layer in enumerate(reader.model.encoder.layer, start=1):
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    for layers, expected in (([1], [1]), ([1, 0], [1]), ([0], []), ([1, 2], [1, 2])):
        del ran[:]
        read(reader, make_docs(vocab)[:2], layers)
        assert ran == expected


@pytest.mark.parametrize("kind", ["Bert", "ConvBert"])
def test_states_do_not_depend_on_the_batch(encoder, vocab, kind):
    """A ConvBERT does not mask padding, so its batches have windows of a single length."""
    reader = encoder(kind, window=8)
    docs = make_docs(vocab)
    together, _ = read(reader, docs)
    alone = [read(reader, [doc])[0] for doc in docs]
    # Those of a random ConvBERT are twenty times as large as others.
    tolerance = max(1e-5, 2e-6 * numpy.abs(together).max())
    assert_allclose(numpy.concatenate(alone), together, atol=tolerance)
    reader.batch_size = 1
    assert_allclose(read(reader, docs)[0], together, atol=tolerance)
    assert numpy.abs(together).max() > 0.1


def test_long_documents_are_read_in_overlapping_windows(encoder, vocab):
    """A window has eight wordpieces: two are special, and two overlap with the next window. Each of
    both windows keeps one of these."""
    reader = encoder(window=8)
    words = ["Anna", "Berg", "sails", "to", "Oslo", "with", "a", "Kiel", ".", "from", "Berg"]
    states, _ = read(reader, [Doc(vocab, words=words)])
    windows = [whole(reader, " ".join(words[start : start + 6])) for start in (0, 4, 8)]
    expected = [windows[0][:5], windows[1][1:5], windows[2][1:]]
    assert_allclose(states, numpy.concatenate(expected), atol=1e-5)


def test_words_longer_than_a_window_have_all_wordpieces(encoder, vocab):
    reader = encoder(window=8)
    doc = Doc(vocab, words=["Oslo", "com" + "pany" * 20, "Kiel"])
    states, n_pieces = read(reader, [doc])
    assert n_pieces == [1, 21, 1] and numpy.abs(states).sum(axis=(1, 2)).all()


def test_tokens_within_a_wordpiece_share_it(encoder, vocab):
    reader = encoder()
    split = Doc(vocab, words=["Os", "lo", "sails"], spaces=[False, True, False])
    states, n_pieces = read(reader, [split])
    assert n_pieces == [1, 1, 1]
    assert_allclose(states[[0, 1, 2]], whole(reader, "Oslo sails")[[0, 0, 1]], atol=1e-5)


def test_tokens_without_wordpieces_have_zeros(encoder, vocab):
    reader = encoder()
    doc = Doc(vocab, words=["\n", "Anna", "\n\n", "Oslo"], spaces=[False] * 4)
    states, n_pieces = read(reader, [doc, Doc(vocab, words=["\n"])])
    assert n_pieces == [0, 1, 0, 1, 0]
    assert not states[[0, 2, 4]].any() and states[[1, 3]].any(axis=(1, 2)).all()
    assert read(reader, [])[0].shape == read(reader, [Doc(vocab)])[0].shape == (0, 3, 16)


def test_a_stream_of_documents(encoder, vocab, monkeypatch):
    monkeypatch.setattr("spacy_distill.encoders.encoder.DOCS_PER_STEP", 2)
    reader = encoder()
    docs = make_docs(vocab)
    expected, n_pieces = read(reader, docs, [1])
    batches, states, found = zip(*reader.pipe(iter(docs), 1, desc="Test"), strict=True)
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert_allclose(numpy.concatenate(states), expected[:, 0], atol=1e-5)
    assert numpy.concatenate(found).tolist() == n_pieces


def test_fingerprints_of_different_transformers_differ(encoder, vocab):
    """The same files have the same fingerprint. It changes with the weights, settings or
    tokenizer."""
    first = encoder()
    settings = first.tokenizer.backend_tokenizer.truncation
    read(first, make_docs(vocab))
    assert first.tokenizer.backend_tokenizer.truncation == settings
    weights, settings, tokenizer, words = (encoder() for _ in range(4))
    next(weights.model.parameters()).data[0] += 1
    settings.model.config.num_attention_heads = 4
    tokenizer.tokenizer.backend_tokenizer.normalizer = None
    words.tokenizer.add_tokens(["Reykjavik"])
    others = {other.fingerprint for other in (weights, settings, tokenizer, words)}
    assert encoder().fingerprint == first.fingerprint and len(others | {first.fingerprint}) == 5


def test_a_missing_pooler_is_always_the_same(folder, tmp_path):
    """transformers initializes it at random, for example for a masked language model."""
    path = folder()
    model, tokenizer = load_transformer(path)
    model.pooler = None
    model.save_pretrained(tmp_path / "bare")
    tokenizer.save_pretrained(tmp_path / "bare")
    found = set()
    for seed in range(2):
        torch.manual_seed(seed)
        bare = Encoder(*load_transformer(tmp_path / "bare"), name="bare")
        found.add(bare.fingerprint)
    assert len(found) == 1


def test_models_with_missing_parameters_are_rejected(folder):
    from safetensors.torch import load_file, save_file

    path = folder() / "model.safetensors"
    weights = load_file(path)
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ValueError, match=r"D235.*of BertModel: encoder\.layer\.1\.output\.dense"):
        load_transformer(path.parent)


def test_a_slow_tokenizer_is_rejected(folder):
    model, _ = load_transformer(folder())
    slow = transformers.BertTokenizer.from_pretrained(folder())
    with pytest.raises(ValueError, match=r"D234.*'slow', BertTokenizer, does not return"):
        Encoder(model, slow, name="slow")


def test_a_model_with_a_decoder_is_rejected():
    settings = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8}
    config = transformers.BartConfig(vocab_size=8, decoder_ffn_dim=8, **settings)
    bare = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=bare)
    encoder = Encoder(transformers.BartModel(config), tokenizer, name="bart")
    with pytest.raises(ValueError, match=r"D627.*'bart', BartModel"):
        encoder.depth  # noqa: B018
