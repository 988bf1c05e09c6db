import numpy
import pytest
import torch
import transformers

from spacy_distill.vectors.word_encoder import WordEncoder, cut


def sentence(text):
    words = text.split(" ")
    return words, [True] * len(words)


@pytest.mark.parametrize("layer", [0, 2, -1])
def test_a_word_is_the_mean_of_its_pieces_at_the_layer(transformer, load, layer):
    model, tokenizer = load(transformer)
    encoder = WordEncoder(model, tokenizer, layer=layer)
    vectors, pieces = encoder.encode([sentence("Anna Berg sails")])
    with torch.inference_mode():
        given = tokenizer("anna berg sails", return_tensors="pt")
        whole, _ = load(transformer)
        states = whole(**given, output_hidden_states=True).hidden_states[layer][0].numpy()
    expected = [states[1], states[2:4].mean(axis=0), states[4]]
    assert list(pieces) == [1, 2, 1]
    assert vectors == pytest.approx(numpy.array(expected), abs=1e-5)


def test_layers_above_do_not_run(transformer, load):
    model, tokenizer = load(transformer)
    ran = []
    for number, layer in enumerate(model.encoder.layer, start=1):
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    WordEncoder(model, tokenizer, layer=2).encode([sentence("Anna sails")])
    assert ran == [1, 2]


def test_documents_do_not_see_each_other_or_their_padding(transformer, load):
    documents = [sentence("Anna sails to Oslo ."), sentence("it rains"), ([], []), sentence("Berg")]
    encoder = WordEncoder(*load(transformer), batch_size=3)
    together = encoder.encode(documents)[0]
    alone = numpy.concatenate([encoder.encode([document])[0] for document in documents])
    assert together == pytest.approx(alone, abs=1e-5)


def test_a_transformer_that_lets_padding_in_reads_one_length_at_a_time(transformer, load):
    _, tokenizer = load(transformer)
    config = transformers.ConvBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        embedding_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=0.4,
    )
    torch.manual_seed(0)
    encoder = WordEncoder(transformers.ConvBertModel(config), tokenizer, layer=-1)
    documents = [sentence("Anna sails to Oslo ."), sentence("it rains"), ([], []), sentence("Berg")]
    together = encoder.encode(documents)[0]
    alone = numpy.concatenate([encoder.encode([document])[0] for document in documents])
    assert together == pytest.approx(alone, abs=1e-5)


def test_spaces_are_those_of_the_text(transformer, load):
    """Without a space, two words may be one piece to the tokenizer: it has to see the text."""
    encoder = WordEncoder(*load(transformer))
    vectors, pieces = encoder.encode([(["ber", "g", "."], [False, False, False])])
    assert list(pieces) == [1, 1, 1]
    # "berg." has the pieces ber, ##g and a full stop; a g that stood alone would be unknown.
    whole = encoder.encode([(["berg", "."], [False, False])])[0]
    assert vectors[:2].mean(axis=0) == pytest.approx(whole[0], abs=1e-5)


def test_words_that_the_tokenizer_drops_have_no_pieces(transformer, load):
    encoder = WordEncoder(*load(transformer))
    vectors, pieces = encoder.encode([(["\n", "Anna", "\n\n", "Oslo"], [False] * 4)])
    assert list(pieces) == [0, 1, 0, 1]
    assert not vectors[[0, 2]].any() and vectors[[1, 3]].any(axis=1).all()


def test_long_documents_run_in_windows(make_transformer, load):
    encoder = WordEncoder(*load(make_transformer(positions=12)))
    assert encoder.window == 8
    words = ["anna", "berg"] * 10
    vectors, pieces = encoder.encode([sentence(" ".join(words))])
    assert pieces.sum() == 30
    # anna berg anna berg anna | berg ...: eight pieces at most, and no word is cut.
    first = encoder.encode([sentence("anna berg anna berg anna")])[0]
    assert vectors[:5] == pytest.approx(first, abs=1e-5)


@pytest.mark.parametrize(
    "owners, windows",
    [
        ([], []),
        ([0, 1, 2], [(0, 3)]),
        ([0, 1, 2, 3], [(0, 3), (3, 4)]),
        ([0, 1, 1, 1, 2], [(0, 1), (1, 4), (4, 5)]),
        ([0, 0, 0, 0, 1], [(0, 3), (3, 5)]),
        ([5, 5, 6, 6, 7], [(0, 2), (2, 5)]),
    ],
)
def test_cut(owners, windows):
    assert list(cut(numpy.array(owners, dtype="int64"), 3)) == windows


@pytest.mark.parametrize("lower, key", [(True, "oslo"), (False, "OSLO")])
def test_keys_have_the_case_that_the_transformer_sees(make_transformer, load, lower, key):
    assert WordEncoder(*load(make_transformer(lower=lower))).key("OSLO") == key


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_that_is_not_there(transformer, load, layer):
    with pytest.raises(ValueError, match=rf"no layer {layer}: it has 3 layers"):
        WordEncoder(*load(transformer), layer=layer)


def test_a_slow_tokenizer_is_refused(transformer, load):
    from transformers import BertTokenizer

    model, _ = load(transformer)
    with pytest.raises(ValueError, match="BertTokenizer does not tell"):
        WordEncoder(model, BertTokenizer.from_pretrained(transformer))
