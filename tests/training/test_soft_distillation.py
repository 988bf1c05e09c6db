"""A teacher writes a soft corpus, from which a student learns without the teacher."""

import io
import math
import random
import re

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example

from spacy_distill.annotation.annotate import annotate
from spacy_distill.corpora.labeled import CorpusSize
from spacy_distill.corpora.soft_corpus import SoftCorpus
from spacy_distill.corpora.soft_shards import Manifest
from spacy_distill.training import passes
from spacy_distill.training.settings import load_student_config


@pytest.fixture(scope="module")
def soft(teacher, corpora, tmp_path_factory):
    """A soft corpus of all documents. The teacher's labels are not in alphabetical order."""
    folder = tmp_path_factory.mktemp("soft")
    teacher.to_disk(folder / "teacher")
    text = folder / "texts.txt"
    docs = [example.reference.text for example in Corpus(corpora["dev"])(spacy.blank("xx"))]
    text.write_text("\n".join(docs), encoding="utf8")
    annotate(folder / "teacher", str(text), folder / "soft", shard_size=200, stderr=io.StringIO())
    return folder / "soft"


@pytest.fixture
def soft_config(config, soft):
    def make(max_steps=40, **corpus):
        reader = {"@readers": "spacy-distill.SoftCorpus.v1", "path": str(soft), **corpus}
        changed = config(distillation={"max_steps": max_steps, "max_epochs": -1})
        changed["corpora"]["soft"] = reader
        changed["distillation"]["corpus"] = "corpora.soft"
        return changed

    return make


def evaluate(nlp, corpora):
    return nlp.evaluate(Corpus(corpora["dev"])(nlp))["ents_f"]


def losses(output):
    """Read the losses from the logger's table."""
    rows = [line.split() for line in output.splitlines()]
    return [float(row[2]) for row in rows if row and row[0].isdigit()]


def test_a_student_learns_from_a_soft_corpus_alone(quietly, soft, soft_config, corpora):
    nlp = quietly(soft, soft_config())
    assert nlp.get_pipe("ner_student").labels == ("PER", "LOC")
    assert evaluate(nlp, corpora) > 0.9
    found = losses(quietly.output)
    assert len(found) > 1 and found[-1] < found[0] / 2


def test_gold_documents_teach_their_entities(quietly, soft, soft_config, corpora, tmp_path):
    """They override the teacher's predictions for the same text."""
    vocab = spacy.blank("xx").vocab
    docs = []
    for example in Corpus(corpora["dev"])(spacy.blank("xx")):
        words = [token.text for token in example.reference]
        doc = Doc(vocab, words=words)
        # The first entity, a person, is labeled LOC. Other entities are left out.
        doc.set_ents([Span(doc, e.start, e.end, "LOC") for e in example.reference.ents[:1]])
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "gold.spacy")
    config = soft_config(labeled=str(tmp_path / "gold.spacy"), labeled_share=0.5)
    nlp = quietly(soft, config)
    found = nlp.evaluate(Corpus(tmp_path / "gold.spacy")(nlp))["ents_f"]
    assert found > 0.9 > evaluate(nlp, corpora)


def test_a_limit_and_other_tokens_do_not_stop_it(quietly, soft, soft_config):
    config = soft_config(max_steps=4, limit=5, shuffle_buffer=2)
    config["nlp"]["tokenizer"] = {"@tokenizers": "spacy_distill_tests.Characters.v1"}

    @spacy.registry.tokenizers("spacy_distill_tests.Characters.v1")
    def make():
        return lambda nlp: spacy.tokenizer.Tokenizer(nlp.vocab, infix_finditer=find_borders)

    assert quietly(soft, config).get_pipe("ner_student").labels == ("PER", "LOC")


def test_entities_that_do_not_fit_are_reported(quietly, soft, soft_config):
    """Of "Anna Berg", "sails to" and "Oslo .", the second does not fit."""
    config = soft_config(max_steps=4)
    quietly(soft, config)
    assert "did not fit" not in quietly.output
    config["nlp"]["tokenizer"] = {"@tokenizers": "spacy_distill_tests.Pairs.v1"}
    quietly(soft, config)
    told = r"([0-9,]+) of the teacher's entities did not fit the student's tokens in all passes"
    (n_misfits,) = re.findall(told, " ".join(quietly.output.split()))
    assert int(n_misfits.replace(",", "")) >= 10


def find_borders(text):
    return re.finditer("n", text)


@pytest.mark.parametrize("max_epochs", [1, -1])
@pytest.mark.parametrize(
    "label, space, said",
    [
        ("ANIMAL", True, r"'Pandas sleep', has the label 'ANIMAL', but the labels are: PER, LOC\."),
        (None, True, r"'Pandas sleep', has no annotation that fits the student's tokens"),
        # The student has one token here, and whether that is a person is not known.
        ("PER", False, r"'Pandassleep', has no annotation that fits the student's tokens"),
    ],
)
def test_unusable_gold_documents_are_reported_before_the_first_step(
    quietly, soft, soft_config, tmp_path, label, space, said, max_epochs
):
    """Without the check, a share of 0 would show them only after a pass."""
    vocab = spacy.blank("xx").vocab
    docs = [Doc(vocab, words=["Anna", "has", str(number), "cats"]) for number in range(30)]
    bad = Doc(vocab, words=["Pandas", "sleep"], spaces=[space, False])
    for doc in docs:
        doc.set_ents([Span(doc, 0, 1, "PER")])
    if label is not None:
        bad.set_ents([Span(bad, 0, 1, label)])
    DocBin(docs=[*docs, bad]).to_disk(tmp_path / "gold.spacy")
    config = soft_config(labeled=str(tmp_path / "gold.spacy"), labeled_share=0.0)
    config["distillation"]["max_epochs"] = max_epochs
    number = "31" if max_epochs < 0 else r"\d+"
    with pytest.raises(ValueError, match=rf"Document {number} of .*'corpora\.soft', {said}"):
        quietly(soft, config, tmp_path / "output")
    assert not list(tmp_path.glob("output/*")) and not losses(quietly.output)


@pytest.mark.parametrize("corpus", ["corpora.dev"])
def test_a_corpus_without_targets_is_reported(quietly, soft, config, corpora, corpus):
    """The teacher is a soft corpus, but another reader reads the text."""
    changed = config(distillation={"max_steps": 4})
    with pytest.raises(ValueError, match=r"spacy-distill\.SoftCorpus\.v1"):
        quietly(soft, changed)


def batches_of(size):
    settings = {"size": size, "tolerance": 0.2, "discard_oversize": False}
    return {"@batchers": "spacy.batch_by_words.v1", **settings}


def n_words(folder):
    return sum(shard.tokens for shard in Manifest.from_disk(folder).shards)


def test_the_steps_follow_the_size_of_the_corpus(quietly, soft, soft_config, monkeypatch):
    """The steps are one pass, and the learning rate falls over the same number of steps."""
    monkeypatch.setattr(passes, "LEAST_STEPS", 3)
    schedule = {"@schedules": "warmup_linear.v1", "warmup_steps": 1, "initial_rate": 0.005}
    schedule["total_steps"] = "${distillation.max_steps}"
    config = soft_config(max_steps=-1)
    config["distillation"]["optimizer"] = {"@optimizers": "Adam.v1", "learn_rate": schedule}
    config["distillation"]["batcher"] = batches_of(20)
    nlp = quietly(soft, config)
    per_step = passes.words_per_step(batches_of(20), SoftCorpus(soft).size())
    expected = math.ceil(n_words(soft) / per_step)
    assert expected > 3
    settings = nlp.config.interpolate()["distillation"]
    assert settings["max_steps"] == expected
    assert settings["optimizer"]["learn_rate"]["total_steps"] == expected
    read = re.findall(
        r"([\d,]+) steps read the corpus's ([\d,]+) words (\d\.\d) times", quietly.output
    )
    times = f"{expected * per_step / n_words(soft):.1f}"
    assert read[0] == (str(expected), str(n_words(soft)), times)
    assert len(read) == 1 and "[D914]" not in quietly.output


def test_a_small_corpus_is_read_several_times(soft, soft_config):
    config = load_student_config(soft_config(max_steps=-1), {})
    assert config["distillation"]["max_steps"] == 8000
    given = load_student_config(soft_config(max_steps=-1), {"distillation.max_steps": 30})
    assert given["distillation"]["max_steps"] == 30


def test_the_run_reports_the_share_that_it_reads(quietly, soft, soft_config):
    config = soft_config(max_steps=2)
    config["distillation"]["batcher"] = batches_of(20)
    quietly(soft, config)
    output = " ".join(quietly.output.split())
    per_step = passes.words_per_step(batches_of(20), SoftCorpus(soft).size())
    share = 2 * per_step / n_words(soft)
    assert f"[D914] 2 steps read {share:.2%} of the corpus" in output
    assert f"--distillation.max_steps {math.ceil(n_words(soft) / per_step)}" in output


@pytest.mark.parametrize("limit", [0, 5])
def test_the_size_of_a_pass_is_what_is_read(soft, limit):
    corpus = SoftCorpus(soft, limit=limit)
    examples = list(corpus(spacy.blank("xx")))
    size = corpus.size()
    assert size.documents == pytest.approx(len(examples), abs=1)
    assert size.words == pytest.approx(sum(len(eg.reference) for eg in examples), rel=0.3)


@pytest.mark.parametrize("labeled_share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("limit", [0, 3])
def test_the_size_of_a_pass_with_labeled_documents(soft, corpora, labeled_share, limit):
    """Each labeled document is read at least once, even with few unlabeled documents."""
    corpus = SoftCorpus(soft, labeled=corpora["dev"], labeled_share=labeled_share, limit=limit)
    size, examples = corpus.size(), list(corpus(spacy.blank("xx")))
    # Documents of the soft corpus with the text of a labeled document are left out.
    left_out = min(limit, 16) if limit else 16
    assert 0 <= size.documents - len(examples) <= left_out / (1 - labeled_share)
    assert size.documents >= 16 and len(size.lengths) > 0


@pytest.mark.parametrize("shortest, longest", [(5, 40), (100, 600), (300, 900), (500, 2500)])
@pytest.mark.parametrize("name", ["words", "padded", "sequence"])
def test_a_pass_reads_the_corpus_once(shortest, longest, name):
    """Batches can have fewer or more words than their size, depending on the documents' lengths."""
    rng = random.Random(0)
    lengths = [rng.randrange(shortest, longest) for _ in range(400_000 // longest)]
    settings = {
        "words": {"size": 1000, "tolerance": 0.2, "discard_oversize": False},
        "padded": {"size": 1000, "buffer": 64, "discard_oversize": False},
        "sequence": {"size": 4},
    }[name]
    settings["@batchers"] = f"spacy.batch_by_{name}.v1"
    size = CorpusSize(len(lengths), sum(lengths), lengths[:200])
    n_steps = size.words / passes.words_per_step(settings, size)
    vocab = spacy.blank("xx").vocab
    docs = [Doc(vocab, words=["word"] * length) for length in lengths]
    batcher = spacy.registry.resolve({"batcher": settings})["batcher"]
    batches = list(batcher(Example(doc, doc) for doc in docs))
    assert n_steps == pytest.approx(len(batches), rel=0.1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"max_epochs": 1}, r"\[D113\].*found max_epochs = 1"),
        ({"corpus": "corpora.train"}, r"\[D114\].*'corpora.train' is not known"),
    ],
)
def test_a_corpus_of_unknown_size_is_refused_for_a_pass(soft, soft_config, changes, message):
    config = soft_config(max_steps=-1)
    config["distillation"].update(changes)
    with pytest.raises(ValueError, match=message):
        load_student_config(config, {})
