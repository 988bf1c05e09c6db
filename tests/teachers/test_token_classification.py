"""The models of these tests are tiny and random, but sharp, and what they say at a word depends on
its neighbours. What a teacher should make of it is worked out word by word: without offsets,
batches or windows."""

import itertools
import re
import sys

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import iob_to_biluo
from thinc.api import use_ops
from thinc.util import gpu_is_available

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers.token_classification import TokenClassificationTeacher

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


@pytest.fixture(scope="module", autouse=True)
def quiet():
    # Threads that wait for each other cost more than they bring at this size.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    yield
    torch.set_num_threads(threads)


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


@pytest.fixture
def save(tmp_path):
    """Writes a random model with these classes, and its tokenizer."""

    def save(classes, tokenizer=None, kind="Bert", window=512, **config):
        tokenizer = tokenizer or wordpiece()
        config = getattr(transformers, f"{kind}Config")(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            initializer_range=0.4,
            pad_token_id=tokenizer.pad_token_id,
            id2label=dict(enumerate(classes)),
            label2id={name: number for number, name in enumerate(classes)},
            **{"max_position_embeddings": 512, **config},
        )
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}ForTokenClassification")(config)
        folder = tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}"
        model.save_pretrained(folder)
        tokenizer.model_max_length = window
        tokenizer.save_pretrained(folder)
        return folder

    return save


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
        probability = numpy.exp(chain.score(tags.numbers(names)) - chain.log_partition)
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


# What wordpieces say


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("words", [TEXT, UNICODE], ids=["letters", "unicode"])
def test_a_token_has_the_scores_of_its_first_wordpiece(save, tokenizer, words):
    folder = save(IOB2, TOKENIZERS[tokenizer]())
    chain = TokenClassificationTeacher(folder).predict_chain([make_doc(words)])
    probabilities = Reference(folder).word_probabilities(words.split(" "))
    assert chain.emissions.dtype == "float32"
    assert numpy.ptp(numpy.log(probabilities), axis=0).max() > 1
    assert_emissions(chain, ("PER", "LOC"), probabilities, IOB2_COLUMNS)


def test_words_without_spaces_between_them(save):
    """WordPiece reads ideographs one by one, so a token's first is its first one's."""
    folder = save(IOB2)
    words = ["東", "東東", "東", ".", "Oslo"]
    chain = TokenClassificationTeacher(folder).predict_chain([make_doc(words, [False] * 5)])
    reference = Reference(folder)
    ids = reference.ids(["東東", "東東", ".", "Oslo"])
    probabilities = reference.probabilities(ids)[[0, 1, 3, 4, 5]]
    assert_emissions(chain, ("PER", "LOC"), probabilities, IOB2_COLUMNS)


@pytest.mark.parametrize("tokenizer", ["byte level", "byte level with spaces"])
def test_a_space_too_many_is_no_wordpiece_of_the_next_word(save, tokenizer):
    folder = save(IOB2, TOKENIZERS[tokenizer]())
    words, spaces = ["Anna", " ", "sails", "  ", "東"], [True, False, True, False, False]
    doc = make_doc(words, spaces)
    assert doc.text == "Anna  sails   東"
    chain = TokenClassificationTeacher(folder).predict_chain([doc])
    reference = Reference(folder)
    anna, space, sails, far_east = reference.pieces(["Anna", " ", "sails", "東"])
    probabilities = reference.probabilities([*anna, *space, *sails, *space, *space, *far_east])
    firsts = numpy.cumsum([0, len(anna) + 1, len(sails) + 2])
    assert_allclose(
        chain.emissions[[0, 2, 4]][:, :2], numpy.log(probabilities[firsts][:, :2]), **CLOSE
    )


def test_what_else_is_read_does_not_matter(save):
    folder = save(IOB2, window=24)
    texts = ["Oslo", "", f"{TEXT} {TEXT}", "Anna sails", "\n", TEXT]
    docs = [make_doc(text) if text else Doc(VOCAB) for text in texts]
    alone = TokenClassificationTeacher(folder, batch_size=1)
    expected = [alone.predict_chain([doc]) for doc in docs]
    for batch_size, order in ((1, 1), (3, -1), (32, 1)):
        teacher = TokenClassificationTeacher(folder, batch_size=batch_size)
        chain = teacher.predict_chain(docs[::order])
        assert chain.lengths.tolist() == [len(doc) for doc in docs[::order]]
        emissions = [one.emissions for one in expected[::order]]
        assert_allclose(chain.emissions, numpy.concatenate(emissions), **CLOSE)
        for name in ("transitions", "start", "end"):
            numpy.testing.assert_array_equal(getattr(chain, name), getattr(expected[0], name))


# What labels mean


def test_iob2_sequences_keep_their_probabilities(save):
    folder = save(IOB2)
    teacher = TokenClassificationTeacher(folder)
    words = ["Anna", "Berg", "sails", "Oslo"]
    chain = teacher.predict_chain([make_doc(words)])
    probabilities = Reference(folder).word_probabilities(words)
    assert teacher.scheme.name == "iob2"
    assert_distribution(chain, teacher.labels, weights(probabilities, IOB2, tags_of_iob2))


def test_iobes_classes_are_tags(save):
    folder = save(IOBES)
    teacher = TokenClassificationTeacher(folder)
    words = ["Anna", "Berg", "Oslo"]
    chain = teacher.predict_chain([make_doc(words)])
    possible = re.compile(r"(O |U-\w+ |B-(\w+) (I-\2 )*L-\2 )*")

    def to_tags(classes):
        tags = [name.replace("S-", "U-").replace("E-", "L-") for name in classes]
        return tags if possible.fullmatch("".join(f"{tag} " for tag in tags)) else None

    assert teacher.scheme.name == "iobes"
    probabilities = Reference(folder).word_probabilities(words)
    assert_distribution(chain, teacher.labels, weights(probabilities, IOBES, to_tags))


@pytest.mark.parametrize("classes, scheme", [(IO, None), (IOB1, None), (IOB2, "io")])
def test_types_alone_keep_the_probabilities_of_their_sequences(save, classes, scheme):
    folder = save(classes)
    teacher = TokenClassificationTeacher(folder, scheme=scheme)
    words = ["Anna", "Berg", "sails", "Oslo"]
    chain = teacher.predict_chain([make_doc(words)])
    types = [name[2:] or name if name[:2] in ("B-", "I-") else name for name in classes]
    probabilities = Reference(folder).word_probabilities(words)
    assert teacher.scheme.name == "io"
    assert teacher.labels == tuple(dict.fromkeys(name for name in types if name != "O"))
    expected = weights(probabilities, types, tags_of_types)
    assert_allclose(sum(expected.values()), 1)
    assert_distribution(chain, teacher.labels, expected)


# Tokens that share a wordpiece, and tokens without one


@pytest.mark.parametrize("parts", [["can", "not"], ["c", "an", "no", "t"]])
@pytest.mark.parametrize("classes", [IOB2, IO], ids=["iob2", "io"])
def test_tokens_of_one_wordpiece_are_one_unit(save, classes, parts):
    folder = save(classes)
    teacher = TokenClassificationTeacher(folder)
    spaces = [True, *[False] * (len(parts) - 1), True, False]
    chain = teacher.predict_chain([make_doc(["Anna", *parts, "Oslo"], spaces)])
    probabilities = Reference(folder).word_probabilities(["Anna", "cannot", "Oslo"])

    def to_tags(names):
        unit = names[1]
        if classes == IO:
            begun = [names[0], *[unit] * len(parts), names[2]]
            return tags_of_types(begun)
        going_on = unit if unit == "O" else f"I-{unit[2:]}"
        going_on = [going_on] * (len(parts) - 1)
        return possible_iob2(names) and iob_to_biluo([names[0], unit, *going_on, names[2]])

    assert_distribution(chain, teacher.labels, weights(probabilities, classes, to_tags))


def test_a_wordpiece_that_is_an_entity_is_one_of_several_tokens(save):
    """By "iobes", a wordpiece's U means B and L for its tokens."""
    folder = save(IOBES)
    teacher = TokenClassificationTeacher(folder)
    with torch.no_grad():
        teacher._model.classifier.weight.zero_()
        teacher._model.classifier.bias.zero_()
        teacher._model.classifier.bias[IOBES.index("S-LOC")] = 5.0
    chain = teacher.predict_chain([make_doc(["can", "not", "Oslo"], [False, True, False])])
    names = BiluoTags(teacher.labels).names
    assert [names[tag] for tag in chain.argmax()] == ["B-LOC", "L-LOC", "U-LOC"]


def test_white_space_leaves_the_probabilities_of_words(save):
    """Models of words do not see it: entities go on behind it, but neither start nor end there."""
    folder = save(IOB2)
    teacher = TokenClassificationTeacher(folder)
    words = ["\n", "Anna", "\n\n", "Berg", "Oslo", "  "]
    chain = teacher.predict_chain([make_doc(words, [False, False, False, True, False, False])])
    probabilities = Reference(folder).word_probabilities(["Anna", "Berg", "Oslo"])

    def to_tags(classes):
        between = classes[1] if classes[1][0] == "I" else "O"
        with_spaces = ["O", classes[0], between, *classes[1:], "O"]
        return possible_iob2(classes) and iob_to_biluo(with_spaces)

    assert_distribution(chain, teacher.labels, weights(probabilities, IOB2, to_tags))


def test_white_space_ends_entities_of_types_alone(save):
    folder = save(IO)
    teacher = TokenClassificationTeacher(folder)
    chain = teacher.predict_chain([make_doc(["Anna", "\n", "Berg"], [False, False, False])])
    probabilities = Reference(folder).word_probabilities(["Anna", "Berg"])
    expected = weights(probabilities, IO, lambda types: tags_of_types([types[0], "O", types[1]]))
    assert_distribution(chain, teacher.labels, expected)


def test_wordpieces_of_white_space_are_no_edges(save):
    folder = save(IOB2, byte_level())
    teacher = TokenClassificationTeacher(folder)
    doc = make_doc(["\n", "Anna", "\n"], [False, False, False])
    chain = teacher.predict_chain([doc])
    names = BiluoTags(teacher.labels).names
    assert numpy.isneginf(chain.emissions[::2, [name[0] in "BLU" for name in names]]).all()
    reference = Reference(folder)
    ids = reference.tokenizer.encode(doc.text, add_special_tokens=False)
    line = reference.tokenizer.convert_tokens_to_ids("Ċ")
    firsts = [number for number, piece in enumerate(ids) if piece == line]
    assert len(firsts) == 2
    expected = numpy.log(reference.probabilities(ids)[firsts][:, [0, 2, 4]])
    columns = [names.index(name) for name in ("O", "I-PER", "I-LOC")]
    assert_allclose(chain.emissions[::2][:, columns], expected, **CLOSE)


def test_nothing_to_read_without_special_wordpieces(save):
    """Of a text without wordpieces, such a tokenizer leaves nothing at all."""
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.post_processor = tokenizers.processors.ByteLevel()
    teacher = TokenClassificationTeacher(save(IOB2, tokenizer))
    docs = [Doc(VOCAB), make_doc("Oslo"), Doc(VOCAB)]
    assert teacher.predict_chain(docs).lengths.tolist() == [0, 1, 0]
    assert teacher.predict_chain(docs[:1]).emissions.shape == (0, 9)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_nothing_to_read(save, tokenizer):
    teacher = TokenClassificationTeacher(save(IOB2, TOKENIZERS[tokenizer]()))
    empty, blank = Doc(VOCAB), make_doc([" ", "\n \n"], [True, False])
    chain = teacher.predict_chain([empty, blank, empty])
    assert chain.lengths.tolist() == [0, 2, 0]
    assert chain.argmax().tolist() == [0, 0]
    assert numpy.isfinite(chain.log_partition).all()
    chain = teacher.predict_chain([empty, empty])
    assert chain.emissions.shape == (0, 9) and chain.emissions.dtype == "float32"
    assert chain.log_partition.tolist() == [0, 0]
    # Normalization takes these away, though they are no white space.
    chain = teacher.predict_chain([make_doc(["\u200b", "\x00", "Oslo"])])
    assert numpy.isfinite(chain.log_partition).all()


# Windows


def read_in_windows(reference, ids, window):
    """What a model says of each wordpiece where it is farthest from an edge, found by trying."""
    size, overlap = window - 2, window // 4
    best = {}
    for start in itertools.count(0, size - overlap):
        end = min(start + size, len(ids))
        rows = reference.probabilities(ids[start:end])
        for place in range(start, end):
            left = place - start if start else len(ids)
            right = end - 1 - place if end < len(ids) else len(ids)
            if place not in best or min(left, right) > best[place][0]:
                best[place] = min(left, right), rows[place - start]
        if end == len(ids):
            return numpy.asarray([best[place][1] for place in range(len(ids))])


@pytest.mark.parametrize("window, side", [(16, "right"), (21, "right"), (24, "left")])
def test_long_documents_are_read_where_wordpieces_have_most_around_them(save, window, side):
    folder = save(IOB2, wordpiece(truncation_side=side), window=window)
    teacher, reference = TokenClassificationTeacher(folder), Reference(folder)
    assert teacher.window == window
    texts = [f"{TEXT} {TEXT}".replace(" ", "")[:n] for n in (window - 2, window - 1, 46, 100)]
    # Each letter is a word and a wordpiece.
    docs = [make_doc(" ".join(text)) for text in texts]
    expected = [read_in_windows(reference, reference.ids(text), window) for text in texts]
    chain = teacher.predict_chain(docs)
    assert_emissions(chain, teacher.labels, numpy.concatenate(expected), IOB2_COLUMNS)


def test_windows_and_one_pass_are_the_same_to_a_model_that_sees_no_neighbours(save):
    texts = [f"{TEXT} {UNICODE} " * 6, "\n".join(TEXT * 3)]
    docs = [spacy.blank("en").make_doc(text) for text in texts]
    chains = []
    for window in (20, 1000):
        folder = save(IOB2, window=window, max_position_embeddings=1000)
        teacher = TokenClassificationTeacher(folder)
        assert teacher.window == window
        with torch.no_grad():
            for name, parameter in teacher._model.named_parameters():
                if "attention" in name or "position_embeddings" in name:
                    parameter.zero_()
        chains.append(teacher.predict_chain(docs))
    assert numpy.ptp(chains[0].emissions[:, 0]) > 1
    assert_allclose(chains[0].emissions, chains[1].emissions, **CLOSE)


@pytest.mark.parametrize(
    "kind, window, positions, expected",
    [
        ("Bert", 16, 512, 16),
        ("Bert", 512, 20, 20),
        ("Bert", int(1e30), 20, 20),
        ("Roberta", int(1e30), 20, 18),
        ("Roberta", 16, 20, 16),
        ("Bloom", int(1e30), None, 512),
    ],
)
def test_the_window_fits_the_model(save, kind, window, positions, expected):
    """A model that is given more than it has positions for fails."""
    folder = save(IOB2, byte_level(), kind, window, max_position_embeddings=positions)
    teacher = TokenClassificationTeacher(folder)
    assert teacher.window == expected
    chain = teacher.predict_chain([make_doc(" ".join([UNICODE] * 20))])
    assert numpy.isfinite(chain.log_partition).all()


# Where models come from, and what is wrong with them


def test_folders_and_names_of_the_hub(save, tmp_path, monkeypatch):
    folder = save(IOB2)
    assert TokenClassificationTeacher(folder).path == folder
    stored = tmp_path / "hub" / "models--someone--tiny"
    snapshot = stored / "snapshots" / "abc123"
    for made in (stored / "refs", snapshot.parent):
        made.mkdir(parents=True)
    (stored / "refs" / "main").write_text("abc123")
    folder.rename(snapshot)
    # Where versions of transformers keep what the environment said when they were imported.
    settings = [("CACHE", str(tmp_path / "hub")), ("OFFLINE", True)]
    for name, value in settings:
        monkeypatch.setattr(f"huggingface_hub.constants.HF_HUB_{name}", value)
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", settings[0][1], raising=False)
    monkeypatch.setattr("transformers.utils.hub._is_offline_mode", True, raising=False)
    teacher = TokenClassificationTeacher("someone/tiny")
    assert teacher.path == snapshot and teacher.labels == ("PER", "LOC")


def test_the_train_extra_is_named_where_it_lacks(save, monkeypatch):
    folder = save(IOB2)
    for package in ("transformers", "torch"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(ImportError, match=r'pip install "spacy-distill\[train\]"'):
                TokenClassificationTeacher(folder)


def test_no_model(tmp_path):
    for name in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=f"'{name}' cannot be loaded as a token class"):
            TokenClassificationTeacher(name)


def test_a_model_without_its_tokenizer(save):
    folder = save(IOB2)
    for file in folder.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            file.unlink()
    with pytest.raises(ValueError, match="Give a folder with a model and its tokenizer"):
        TokenClassificationTeacher(folder)


def test_a_model_that_was_not_trained_to_classify_tokens(save):
    """transformers would make up the layer that is missing."""
    folder = save(IOB2)
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(ValueError, match=r"lacks the parameters classifier\.bias, classifier\.we"):
        TokenClassificationTeacher(folder)


def test_a_tokenizer_without_offsets(save, monkeypatch):
    folder = save(IOB2)
    monkeypatch.setattr(transformers.BertTokenizerFast, "is_fast", False)
    with pytest.raises(ValueError, match="BertTokenizerFast, does not tell where in the text"):
        TokenClassificationTeacher(folder)


def test_labels_without_names(save):
    folder = save(["LABEL_0", "LABEL_1"])
    with pytest.raises(ValueError, match=rf"'{folder}' cannot teach.* are: LABEL_0, LABEL_1\."):
        TokenClassificationTeacher(folder)


@pytest.mark.skipif(
    not (gpu_is_available() and torch.cuda.is_available()), reason="there is no GPU for both"
)
def test_a_gpu_gives_the_same(save):
    folder = save(IOB2)
    docs = [make_doc(TEXT), Doc(VOCAB), make_doc(["Anna", "\n"], [False, False])]
    expected = TokenClassificationTeacher(folder).predict_chain(docs)
    teacher = TokenClassificationTeacher(folder)
    with use_ops("cupy"):
        chain = teacher.predict_chain(docs)
        assert next(teacher._model.parameters()).is_cuda
        assert_allclose(chain.emissions.get(), expected.emissions, atol=1e-3)
        assert_allclose(chain.marginals().get(), expected.marginals(), atol=1e-3)
