"""Small corpora, a teacher that was trained on them, and the config of a small student."""

import io
import re
import signal
from contextlib import contextmanager

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Adam, Config, fix_random_seed

from spacy_distill import distill
from tests.small_student import SMALL_STUDENT

PEOPLE = ["Anna Berg", "Carl Lund", "Maria Holm", "Nils Dahl"]
PLACES = ["Oslo", "Kiel", "New York", "Turku"]
FRAMES = ["{} sails to {} .", "In {1} waits {0} .", "It rains .", "{} left {} at night ."]

CONFIG = """
[paths]
labeled = null
unlabeled = null
dev = null

[system]
seed = 0
gpu_allocator = null

"""
CONFIG += SMALL_STUDENT % {"filters": 16, "width": 32}
CONFIG += """
[corpora]

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.dev}

[corpora.train]
@readers = "spacy-distill.MixedCorpus.v1"
labeled = ${paths.labeled}
unlabeled = ${paths.unlabeled}

[training]
train_corpus = "corpora.train"
dev_corpus = "corpora.dev"
seed = ${system.seed}
gpu_allocator = ${system.gpu_allocator}
eval_frequency = 20

[training.logger]
@loggers = "spacy.ConsoleLogger.v3"
progress_bar = null

[distillation]
corpus = "corpora.train"
dropout = 0.1
max_steps = 6

[distillation.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01
"""


def make_docs(vocab, frames=FRAMES):
    docs = []
    for frame in frames:
        for person, place in zip(PEOPLE, PLACES, strict=True):
            doc = Doc(vocab, words=frame.format(person, place).split(" "))
            text = doc.text
            named = [(person, "PER"), (place, "LOC")]
            spans = [
                doc.char_span(text.index(name), text.index(name) + len(name), label=label)
                for name, label in named
                if name in text
            ]
            doc.set_ents(spans)
            docs.append(doc)
    return docs


def make_teacher(labels=("PER", "LOC"), steps=60):
    """Create a `ner_teacher` over a small tok2vec. Its labels are not in alphabetical order, so
    that a student which sorts its labels fails."""
    fix_random_seed(0)
    tok2vec = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 32,
        "depth": 1,
        "embed_size": 200,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
    }
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("ner_teacher", config={"model": {"embed": tok2vec}})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in make_docs(nlp.vocab)]
    pipe.initialize(lambda: examples, nlp=nlp, labels=labels)
    optimizer = Adam(0.01)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture(scope="session")
def teacher():
    return make_teacher()


@pytest.fixture(scope="session")
def corpora(tmp_path_factory):
    """Paths of the corpora by name: labeled, unlabeled, and all documents for development."""
    folder = tmp_path_factory.mktemp("corpora")
    vocab = spacy.blank("xx").vocab
    parts = {"labeled": FRAMES[:1], "unlabeled": FRAMES[1:], "dev": FRAMES}
    paths = {name: folder / f"{name}.spacy" for name in parts}
    for name, frames in parts.items():
        DocBin(docs=make_docs(vocab, frames)).to_disk(paths[name])
    return paths


@pytest.fixture(scope="session")
def config(corpora):
    """The student's config. The function takes changes as nested dictionaries."""

    def make(**changes):
        config = Config().from_str(CONFIG, interpolate=False)
        paths = {"paths": {name: str(path) for name, path in corpora.items()}}
        return Config(config.merge(paths).merge(changes), is_interpolated=False)

    return make


@pytest.fixture(scope="session")
def quietly():
    """`distill` without console output; the logger's output is in `run.output`."""

    def run(*args, **kwargs):
        streams = io.StringIO(), io.StringIO()
        try:
            return distill(*args, **kwargs, stdout=streams[0], stderr=streams[1])
        finally:
            run.output = streams[0].getvalue()

    return run


@pytest.fixture
def time_limit():
    """Raise an error if a block takes longer than some seconds, as an endless loop does."""

    @contextmanager
    def limited(seconds):
        def stop(*_):
            raise TimeoutError(f"It had not ended after {seconds} s.")

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return limited


@spacy.registry.tokenizers("spacy_distill_tests.Pairs.v1")
def make_pairs():
    """Create a tokenizer whose tokens are pairs of words."""

    def tokenizer(nlp):
        def tokenize(text):
            pairs = re.findall(r"\S+(?: \S+)?", text)
            spaces = [True] * (len(pairs) - 1) + [text.endswith(" ")]
            return Doc(nlp.vocab, words=pairs, spaces=spaces)

        return tokenize

    return tokenizer


@pytest.fixture(scope="session")
def ner_folder(tmp_path_factory):
    """The folder of a pipeline with spaCy's own `ner`, after a short training."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    tok2vec = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "width": 16}
    tok2vec |= {"depth": 1, "embed_size": 200, "window_size": 1, "maxout_pieces": 2}
    model = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner"}
    model |= {"extra_state_tokens": False, "hidden_width": 16, "maxout_pieces": 2}
    model |= {"use_upper": True, "tok2vec": {**tok2vec, "subword_features": True}}
    nlp.add_pipe("ner", config={"model": model})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in make_docs(nlp.vocab)]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    folder = tmp_path_factory.mktemp("teachers") / "ner"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def text_file(tmp_path_factory):
    """A file of 40 documents, some with rare properties: great length, other scripts, odd
    spaces."""
    sentences = [doc.text for doc in make_docs(spacy.blank("xx").vocab)]
    odd = [
        "  Anna   Berg\tsails ",
        "安娜住在奥斯陆。",
        "e\u0301 🧑‍🚀 Kiel",
        " ".join(sentences),
        "x",
    ]
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n".join([*sentences, *odd, "", *sentences, *sentences[:3]]), encoding="utf8")
    return path


@pytest.fixture(scope="session")
def rules():
    """A teacher that knows the places by a list."""
    nlp = spacy.blank("en")
    patterns = [{"label": "LOC", "pattern": name} for name in PLACES]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


def parameters(folder):
    """RETURNS (List[FloatsXd]): All parameters of a saved student."""
    model = spacy.load(folder).get_pipe("ner_student").model
    return [node.get_param(name) for node in model.walk() for name in node.param_names]
