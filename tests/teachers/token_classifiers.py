"""Token classifiers that are tiny and random, but sharp, and what follows from them word by word.

What they say at a word depends on its neighbours. What a teacher should make of it is worked out
without offsets, batches or windows.
"""

import itertools

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import iob_to_biluo

from spacy_distill.chain import BiluoTags

torch = pytest.importorskip("torch", reason="the train extra is not installed")
transformers = pytest.importorskip("transformers", reason="the train extra is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="the train extra is not installed")

IOB2 = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
IOBES = ("B-PER", "I-PER", "E-PER", "S-PER", "O", "S-LOC", "E-LOC", "I-LOC", "B-LOC")
IOB1 = ("I-LOC", "I-PER", "B-LOC", "O")
IO = ("PER", "LOC", "O")
TEXT = "Anna Berg sails to Oslo and she cannot go back to New York yet ."
UNICODE = "東 😀 👩‍🚀 नमस्ते Café Cafe\u0301 e\u0301\u0323 Å ﬁn Straße"
VOCAB = spacy.blank("en").vocab
CLOSE = {"atol": 2e-5}


def make_doc(words, spaces=None):
    words = words.split(" ") if isinstance(words, str) else words
    spaces = [True] * (len(words) - 1) + [False] if spaces is None else spaces
    return Doc(VOCAB, words=words, spaces=spaces)


def wordpiece(lowercase=False, **settings):
    """A tokenizer that knows "cannot" and reads all else letter by letter."""
    letters = {*TEXT, *UNICODE, *(TEXT + UNICODE).lower(), *"eéßẹ"}
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cannot", *sorted(letters)]
    pieces += [f"##{letter}" for letter in sorted(letters)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return transformers.BertTokenizerFast(
        tokenizer_object=made, do_lower_case=lowercase, **settings
    )


def byte_level(trim_offsets=True):
    """A tokenizer with and without wordpieces for spaces, as a word's bytes have it."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    special = ["<s>", "<pad>", "</s>"]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([TEXT, "東 Café"] * 4, trainer)
    made.post_processor = tokenizers.processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trim_offsets
    )
    named = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, add_prefix_space=True, **named
    )


TOKENIZERS = {
    "wordpiece": wordpiece,
    "lowercase": lambda: wordpiece(lowercase=True),
    "byte level": byte_level,
    "byte level with spaces": lambda: byte_level(trim_offsets=False),
}


def save_classifier(parent, classes, tokenizer=None, kind="Bert", window=512, without=(), **config):
    """Write a random model with these classes, and its tokenizer, to a folder of its own.

    without: Settings that this kind of model does not have.
    """
    tokenizer = tokenizer or wordpiece()
    usual = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
    }
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer),
        initializer_range=0.4,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(classes)),
        label2id={name: number for number, name in enumerate(classes)},
        **{**{name: usual[name] for name in usual if name not in without}, **config},
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForTokenClassification")(config)
    folder = parent / f"{kind}{len(list(parent.iterdir()))}"
    model.save_pretrained(folder)
    tokenizer.model_max_length = window
    tokenizer.save_pretrained(folder)
    return folder


class Reference:
    """Reads one document at a time, word by word."""

    def __init__(self, folder):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForTokenClassification.from_pretrained(folder)
        self.model = model.eval()

    def pieces(self, words):
        return [self.tokenizer.encode(word, add_special_tokens=False) for word in words]

    def ids(self, words):
        return [piece for word in self.pieces(words) for piece in word]

    def probabilities(self, ids):
        """Of each class at each wordpiece of a text."""
        first, last = self.tokenizer.encode("")
        with torch.no_grad():
            logits = self.model(input_ids=torch.tensor([[first, *ids, last]])).logits[0, 1:-1]
        return logits.double().softmax(dim=-1).numpy()

    def word_probabilities(self, words):
        """Of each class at the first wordpiece of each word."""
        firsts = numpy.cumsum([0, *map(len, self.pieces(words[:-1]))])
        return self.probabilities(self.ids(words))[firsts]


def assert_emissions(chain, labels, probabilities, columns):
    """columns: The class of each tag."""
    for number, name in enumerate(BiluoTags(labels).names):
        expected = numpy.log(probabilities[:, columns[name]])
        assert_allclose(chain.emissions[:, number], expected, err_msg=name, **CLOSE)


IOB2_COLUMNS = {"O": 0, "B-PER": 1, "U-PER": 1, "I-PER": 2, "L-PER": 2}
IOB2_COLUMNS |= {"B-LOC": 3, "U-LOC": 3, "I-LOC": 4, "L-LOC": 4}


def assert_distribution(chain, labels, expected):
    """expected: A weight for each possible tag sequence, as a dictionary."""
    tags = BiluoTags(labels)
    total = sum(expected.values())
    for names, weight in expected.items():
        probability = numpy.exp(chain.score(tags.tag_ids(names)) - chain.log_partition)
        assert_allclose(probability, weight / total, err_msg=str(names), **CLOSE)


def weights(probabilities, classes, to_tags):
    """Multiply up the probabilities of all sequences of classes.

    to_tags: Gives a sequence's BILUO tags, None where it is impossible.
    """
    collected = {}
    numbers = range(len(classes))
    for sequence in itertools.product(numbers, repeat=len(probabilities)):
        tags = to_tags([classes[number] for number in sequence])
        weight = probabilities[numpy.arange(len(probabilities)), sequence].prod()
        if tags is not None:
            collected[tuple(tags)] = collected.get(tuple(tags), 0) + weight
    return collected


def possible_iob2(classes):
    for before, here in zip(["O", *classes], classes, strict=False):
        if here[0] == "I" and before not in (here, f"B{here[1:]}"):
            return None
    return classes


def tags_of_iob2(classes):
    return possible_iob2(classes) and iob_to_biluo(classes)


def tags_of_types(types):
    """Neighbours of one type are one entity."""
    iob = [
        name if name == "O" else f"{'I' if name == before else 'B'}-{name}"
        for before, name in zip(["O", *types], types, strict=False)
    ]
    return iob_to_biluo(iob)


def make_sure(teacher, said, sure=9.0):
    """Let a model say these classes at the words that begin with these letters, and O at all else,
    whatever their neighbours are."""
    classes = [name for _, name in sorted(teacher.encoder.model.config.id2label.items())]
    scores = torch.zeros(len(teacher.encoder.tokenizer), len(classes))
    scores[:, classes.index("O")] = sure
    for piece, number in teacher.encoder.tokenizer.get_vocab().items():
        letter = piece.lstrip("Ġ")[:1]
        if letter in said:
            scores[number] = sure * (torch.arange(len(classes)) == classes.index(said[letter]))

    def forward(input_ids, **_):
        return transformers.modeling_outputs.TokenClassifierOutput(logits=scores[input_ids])

    teacher.encoder.model.forward = forward
    return teacher
