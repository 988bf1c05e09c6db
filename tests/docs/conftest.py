"""What pages take for granted, made small: texts, corpora, a transformer, vectors, teachers."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
import spacy
import srsly
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_distill import distill
from spacy_distill.training.compact import compact

from ..tiny_bert import save_tiny_bert
from . import gliner_stand_in  # noqa: F401
from .python_server import write_client
from .samples import Samples

ROOT = Path(__file__).parents[2]
# Settings that make a training of a page short, by the beginning of its command.
SHORT = {
    "-m spacy distill": "--distillation.max_steps 4 --training.eval_frequency 4 "
    "--components.ner_student.model.encode.width 16",
    "-m spacy train teacher.cfg": "--training.optimizer.learn_rate.total_steps 30 "
    "--training.eval_frequency 30 --components.ner_teacher.model.encode.width 16",
    "-m spacy distill-report": "--rounds 1 --resamples 100",
    "-m spacy distill-vectors": "--dim 8",
    "-m spacy distill-vectors --table": "",  # without a teacher
    "-m spacy find-threshold": "--n_trials 2",
    "-m spacy train student.cfg": "--training.optimizer.learn_rate.total_steps 30 "
    "--training.eval_frequency 30 --components.ner_student.model.encode.width 16",
}
for kind in ("teacher", "student"):
    SHORT[f"-m spacy train training/tutorial/{kind}.cfg"] = SHORT[f"-m spacy train {kind}.cfg"]
# How many articles of each file of the newsroom corpus the pages have, and of the test set.
ARTICLES, TEST_ARTICLES = 14, 5
WIDTH = 50


@pytest.fixture(scope="session")
def prepared(python, tmp_path_factory):
    """A folder with everything that a page may take for granted, under the names of the pages."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    raw = folder / "assets" / "newsroom" / "raw"
    raw.mkdir(parents=True)
    for path in sorted((ROOT / "assets" / "newsroom" / "raw").glob("*.txt")):
        articles = path.read_text(encoding="utf8").strip().split("\n\n")
        kept = articles[: TEST_ARTICLES if path.name == "mixed.txt" else ARTICLES]
        (raw / path.name).write_text("\n\n".join(kept) + "\n", encoding="utf8")
    command = [
        python / "python",
        folder / "scripts" / "convert_newsroom.py",
        raw,
        folder / "corpus",
    ]
    options = "--labeled 2 --dev 2 --unlabeled 3"
    subprocess.run([*command, *options.split()], check=True, capture_output=True)
    shutil.copytree(folder / "corpus", folder / "english")
    docs = {name: read(folder / "corpus" / f"{name}.spacy") for name in ("train", "unlabeled")}
    words = sorted({token.text for part in docs.values() for doc in part for token in doc})
    for name, part in (("texts", docs["unlabeled"]), ("dev_texts", docs["train"])):
        (folder / name).mkdir()
        text = "\n".join(" ".join(doc.text.split()) for doc in part)
        (folder / name / "news.txt").write_text(text, encoding="utf8")
    (folder / "data").mkdir()
    for name, part in (("train", docs["train"]), ("dev", docs["train"]), ("test", docs["train"])):
        (folder / "data" / f"{name}.txt").write_text(as_columns(part), encoding="utf8")
    rows = [
        {"text": doc.text, "entities": [(e.start_char, e.end_char, e.label_) for e in doc.ents]}
        for doc in docs["train"]
    ]
    srsly.write_jsonl(folder / "data" / "labels.jsonl", rows)
    pretrained = folder / "assets" / "pretrained"
    pretrained.mkdir()
    save_tiny_bert(pretrained / "mpnet", words, depth=2, positions=512)
    save_token_classifier(pretrained / "mpnet", folder / "teachers" / "bert")
    save_vectors(folder, pretrained / "glove", words)
    save_ner(folder / "teachers" / "ner", docs["train"][:5])
    save_trained(folder)
    return folder


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def as_columns(docs):
    """RETURNS (str): Column files as CoNLL's: a token and its tag a line."""
    sentences = []
    for doc in docs:
        lines = [
            f"{token.text} {token.ent_iob_}-{token.ent_type_}".rstrip("-")
            for token in doc
            if token.text.strip()
        ]
        sentences += ["\n".join(lines[start : start + 20]) for start in range(0, len(lines), 20)]
    return "\n\n".join(sentences) + "\n"


def save_token_classifier(bert, path):
    """Save a token classifier over a transformer, with random weights and the labels of
    bert-base-NER."""
    import transformers

    types = ("MISC", "PER", "ORG", "LOC")
    labels = ["O", *(f"{letter}-{name}" for name in types for letter in "BI")]
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        bert, id2label=dict(enumerate(labels)), label2id={name: n for n, name in enumerate(labels)}
    )
    model.save_pretrained(path)
    transformers.AutoTokenizer.from_pretrained(bert).save_pretrained(path)


def save_vectors(folder, glove, words):
    """Save random vectors, as GloVe's files and as a pipeline, and a list of the words."""
    import pyarrow
    import pyarrow.parquet

    lower = sorted({word.lower() for word in words})
    numbers = numpy.random.default_rng(0).normal(size=(len(lower), WIDTH)).astype("float32")
    glove.mkdir()
    numpy.save(glove / "vectors.npy", numbers)
    pyarrow.parquet.write_table(pyarrow.table({"word": lower}), glove / "words.parquet")
    (folder / "words.txt").write_text("\n".join(lower), encoding="utf8")
    nlp = spacy.blank("en")
    nlp.vocab.vectors = spacy.vectors.Vectors(data=numbers, keys=lower, strings=nlp.vocab.strings)
    nlp.to_disk(folder / "assets" / "vectors")


def save_ner(path, docs):
    """Save a pipeline with spaCy's own `ner`, with labels and hash tables of spaCy's own ones."""
    fix_random_seed(0)
    labels = {"PER": "PERSON", "LOC": "GPE", "MISC": "NORP", "ORG": "ORG"}
    nlp = spacy.blank("en")
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 96}
    embed |= {"attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"], "rows": [5000, 1000, 2500, 2500]}
    embed["include_static_vectors"] = False
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 96, "depth": 1}
    encode |= {"window_size": 1, "maxout_pieces": 2}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    model = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner"}
    model |= {"extra_state_tokens": False, "hidden_width": 16, "maxout_pieces": 2}
    ner = nlp.add_pipe("ner", config={"model": {**model, "use_upper": True, "tok2vec": tok2vec}})
    ner.add_label("LOC")
    examples = []
    for doc in docs:
        spans = [(ent.start_char, ent.end_char, labels[ent.label_]) for ent in doc.ents]
        examples.append(Example.from_dict(nlp.make_doc(doc.text), {"entities": spans}))
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(path)


def save_trained(folder):
    """Train a teacher, a student on the labels alone, and a student of both."""
    configs = ROOT / "spacy_distill" / "configs"
    corpora = {
        f"paths.{name}": str(folder / "corpus" / f"{name}.spacy") for name in ("train", "dev")
    }
    common = {**corpora, "paths.vectors": str(folder / "assets" / "vectors")}
    common |= {"training.eval_frequency": 30, "training.logger.progress_bar": False}
    common |= {"training.batcher.size": 200}
    steps = {"training.optimizer.learn_rate.total_steps": 30}
    student = {"components.ner_student.model.encode.width": 32}
    bert = {"paths.transformer": str(folder / "assets" / "pretrained" / "mpnet")}
    bert |= {"components.ner_teacher.model.encode.width": 32}
    training = folder / "training"
    train(configs / "teacher.cfg", training / "teacher", overrides={**common, **steps, **bert})
    train(configs / "student.cfg", training / "baseline", overrides={**common, **steps, **student})
    nlp = distill(
        training / "teacher" / "model-best",
        configs / "student.cfg",
        training / "student",
        overrides={
            **common,
            **student,
            "paths.unlabeled": str(folder / "corpus" / "unlabeled.spacy"),
            "distillation.max_steps": 30,
        },
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )
    small = compact(nlp)
    small.to_disk(training / "compact")
    small.to_disk(training / "packaged")
    # What else the project leaves.
    for name in ("packages/en_ner_student-0.1.0/setup.py", "report/index.html"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """RETURNS (Path): A folder with a `python` that is quick, for PATH."""
    folder = tmp_path_factory.mktemp("bin")
    address = folder / "socket"
    server = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "python_server.py", address, json.dumps(SHORT)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    while not address.exists():
        assert server.poll() is None, "the server of `python` ended"
        time.sleep(0.05)
    write_client(folder / "python", address)
    yield folder
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def samples(prepared, python):
    """Runs the blocks of pages."""
    ner, bert = prepared / "teachers" / "ner", prepared / "assets" / "pretrained" / "mpnet"
    substitutes = {
        # What would have to be downloaded.
        r"\ben_core_web_(sm|lg|trf)\b": str(ner),
        r"\b(?:hf:)?(roberta-base|xlm-roberta-base)\b": str(bert),
        r"\bhf:dslim/bert-base-NER\b": str(prepared / "teachers" / "bert"),
        r"\ben_ner_student\b": str(prepared / "training" / "packaged"),
        # Trainings within Python.
        r"overrides=\{": 'overrides={"distillation.max_steps": 4, "training.eval_frequency": 4,',
        r"--build wheel": "--build none",
        r"--n-process \d+": "--n-process 1",
    }
    environment = {
        "PATH": f"{python}:{os.environ['PATH']}",
        "ANSI_COLORS_DISABLED": "1",
        "COLUMNS": "100",
        "HF_HUB_OFFLINE": "1",
    }
    return Samples(substitutes, environment)
