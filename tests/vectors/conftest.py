"""Fixtures: a tiny random transformer, and documents."""

import pytest

from spacy_distill.corpora.inputs import InputDocument

torch = pytest.importorskip("torch", reason="the transformer runs in torch")
transformers = pytest.importorskip("transformers", reason="the transformer is Hugging Face's")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
PIECES = [*SPECIAL, "anna", "ber", "##g", "sails", "to", "oslo", "it", "rains", ".", "s", "##kien"]


@pytest.fixture(scope="session")
def text():
    """Make a document from words with spaces between them."""

    def make(sentence):
        words = sentence.split()
        return InputDocument("a", sentence, words, [True] * (len(words) - 1) + [False])

    return make


@pytest.fixture(scope="session")
def make_transformer(tmp_path_factory):
    """Write a random BERT with three layers to a folder."""

    def make(lower=True, positions=40):
        folder = tmp_path_factory.mktemp("transformer")
        letters = [] if lower else ["Anna", "Oslo", "OSLO"]
        (folder / "vocab.txt").write_text("\n".join(PIECES + letters))
        tokenizer = transformers.BertTokenizerFast(
            str(folder / "vocab.txt"), do_lower_case=lower, strip_accents=False
        )
        config = transformers.BertConfig(
            vocab_size=len(PIECES + letters),
            hidden_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=positions,
        )
        torch.manual_seed(0)
        transformers.BertModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def transformer(make_transformer):
    """RETURNS (Path): The folder of an uncased BERT."""
    return make_transformer()
