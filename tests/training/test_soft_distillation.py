"""From a teacher to a soft corpus, and from there to a student that never sees the teacher."""

import io
import re

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus

from spacy_distill.training.annotate import annotate


@pytest.fixture(scope="module")
def soft(teacher, corpora, tmp_path_factory):
    """What the teacher thinks of all documents; it has its labels in no alphabetical order."""
    folder = tmp_path_factory.mktemp("soft")
    teacher.to_disk(folder / "teacher")
    text = folder / "texts.txt"
    docs = [example.reference.text for example in Corpus(corpora["dev"])(spacy.blank("en"))]
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
    """RETURNS (List[float]): The table's column of losses."""
    rows = [line.split() for line in output.splitlines()]
    return [float(row[2]) for row in rows if row and row[0].isdigit()]


def test_a_student_learns_from_a_soft_corpus_alone(quietly, soft, soft_config, corpora):
    nlp = quietly(soft, soft_config())
    assert nlp.get_pipe("ner_student").labels == ("PER", "LOC")
    assert evaluate(nlp, corpora) > 0.9
    found = losses(quietly.output)
    assert len(found) > 1 and found[-1] < found[0] / 2


def test_gold_documents_teach_what_they_say(quietly, soft, soft_config, corpora, tmp_path):
    """And not what the teacher said of the same text."""
    vocab = spacy.blank("en").vocab
    docs = []
    for example in Corpus(corpora["dev"])(spacy.blank("en")):
        words = [token.text for token in example.reference]
        doc = Doc(vocab, words=words)
        # People for places, and no other entities.
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


def test_entities_that_do_not_fit_the_students_tokens_are_told(quietly, soft, soft_config):
    """Of "Anna Berg", "sails to", "Oslo .", it is the second one."""
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
def test_gold_that_cannot_teach_is_told_before_the_first_step(
    quietly, soft, soft_config, tmp_path, label, space, said, max_epochs
):
    """With a share of 0, it would come after a whole pass."""
    vocab = spacy.blank("en").vocab
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
def test_a_corpus_without_targets_is_told(quietly, soft, config, corpora, corpus):
    """The soft corpus is the teacher, but the text comes from elsewhere."""
    changed = config(distillation={"max_steps": 4})
    with pytest.raises(ValueError, match=r"spacy-distill\.SoftCorpus\.v1"):
        quietly(soft, changed)
