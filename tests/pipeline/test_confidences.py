"""spaCy's functions for documents keep the confidences of entities. Their attribute is a
setting."""

import json
import pickle
import subprocess
import sys
import warnings

import pytest
import spacy
from spacy import displacy
from spacy.tokens import Doc, DocBin, Span

from spacy_distill import add_confidence_extension
from spacy_distill.pipeline.confidences import EVALUATION_ATTR, confidence_of, with_confidences

TEXT = "Oslo and Oslo are cities . Carl Lund lives in Oslo ."


@pytest.fixture
def nlp(newsroom, learned):
    """A pipeline that writes confidences, and that tests can change."""
    nlp = newsroom.copy(learned)
    nlp.get_pipe("ner_student").confidence = True
    return nlp


@pytest.fixture
def doc(nlp):
    doc = nlp(TEXT)
    assert len({ent._.confidence for ent in doc.ents}) == len(doc.ents) >= 4
    return doc


def confidences(doc, first_character=0):
    """RETURNS (List[Tuple]): First character, label and confidence of each entity."""
    return [(first_character + ent.start_char, ent.label_, ent._.confidence) for ent in doc.ents]


def test_a_part_of_a_document_keeps_its_confidences(doc):
    part = doc[2:].as_doc(copy_user_data=True)
    assert confidences(part, doc[2].idx) == confidences(doc)[1:]
    assert {ent._.confidence for ent in doc[2:].as_doc().ents} == {None}


def test_joined_documents_keep_confidences_without_a_warning(nlp, doc):
    docs = [doc, nlp(""), nlp("Anna Berg sails to Oslo .")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joined = Doc.from_docs(docs)
    second = confidences(docs[2], joined[len(doc)].idx)
    assert confidences(joined) == [*confidences(doc), *second]
    assert None not in {ent._.confidence for ent in joined.ents}
    without = Doc.from_docs(docs, exclude=["user_data"])
    assert {ent._.confidence for ent in without.ents} == {None}


def test_json_has_confidences(nlp, doc):
    data = json.loads(json.dumps(doc.to_json(underscore=["confidence"])))
    found = {
        (item["start"], item["end"]): item["value"]
        for item in data["underscore_span"]["confidence"]
    }
    assert found == {(ent.start_char, ent.end_char): ent._.confidence for ent in doc.ents}
    assert confidences(Doc(nlp.vocab).from_json(data)) == confidences(doc)


@pytest.mark.parametrize("kind", ["copy", "pickle", "bytes", "DocBin"])
def test_copies_have_confidences(nlp, doc, kind):
    if kind == "copy":
        copied = doc.copy()
    elif kind == "pickle":
        copied = pickle.loads(pickle.dumps(doc))
    elif kind == "bytes":
        copied = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    else:
        stored = DocBin(docs=[doc], store_user_data=True).to_bytes()
        (copied,) = DocBin(store_user_data=True).from_bytes(stored).get_docs(nlp.vocab)
    assert confidences(copied) == confidences(doc)


def test_retokenization_keeps_confidences_of_unchanged_spans(nlp):
    doc = nlp("Anna Berg sails to Oslo .")
    before = confidences(doc)
    assert [(ent.start, ent.end) for ent in doc.ents] == [(0, 2), (4, 5)]
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
        retokenizer.split(doc[4], ["Os", "lo"], heads=[(doc[4], 1), (doc[4], 1)])
    assert [token.text for token in doc] == ["Anna Berg", "sails", "to", "Os", "lo", "."]
    assert confidences(doc) == before


def test_memory_zones_processes_and_displacy(nlp):
    texts = [TEXT, "Anna Berg sails to Oslo ."]
    expected = [confidences(nlp(text)) for text in texts]
    with nlp.memory_zone():
        zone = [confidences(doc) for doc in nlp.pipe(texts)]
        assert 'class="entities"' in displacy.render(nlp(TEXT), style="ent", jupyter=False)
    processes = [confidences(doc) for doc in nlp.pipe(texts, n_process=2, batch_size=1)]
    for found in (zone, processes):
        assert [[entry[:2] for entry in one] for one in found] == [
            [entry[:2] for entry in one] for one in expected
        ]
        values = [entry[2] for one in found for entry in one]
        assert values == pytest.approx([entry[2] for one in expected for entry in one], abs=1e-4)


READER = """
import sys
from spacy.tokens import DocBin, Span
from spacy.vocab import Vocab
Span.set_extension("confidence", default=None)
(doc,) = DocBin().from_disk(sys.argv[1]).get_docs(Vocab())
assert "spacy_distill" not in sys.modules
print([ent._.confidence for ent in doc.ents])
"""


def test_a_process_without_this_package_can_read_confidences(doc, tmp_path):
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "docs.spacy")
    command = [sys.executable, "-c", READER, str(tmp_path / "docs.spacy")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == [ent._.confidence for ent in doc.ents]


def test_an_entity_with_another_label_has_no_confidence(doc):
    first = doc.ents[0]
    assert first._.confidence is not None
    assert Span(doc, first.start, first.end, label="CITY")._.confidence is None
    assert doc[first.start : first.end]._.confidence is None


@pytest.mark.parametrize("attr, kept", [("confidence", False), ("other_confidence", True)])
def test_a_component_without_confidences_deletes_those_of_others(newsroom, nlp, attr, kept):
    nlp.add_pipe("ner_student", name="second", source=newsroom.copy(nlp))
    second = nlp.get_pipe("second")
    second.confidence, second.overwrite_ents, second.confidence_attr = False, True, attr
    doc = nlp(TEXT)
    assert doc.ents and all((ent._.confidence is not None) is kept for ent in doc.ents)
    assert bool(doc.user_data) is kept


def test_values_of_an_app_are_kept(nlp, own_extension):
    nlp.get_pipe("ner_student").confidence = False
    places = [(ent.start, ent.end) for ent in nlp(TEXT).ents]
    doc = nlp.make_doc(TEXT)
    for start, end in places:
        doc[start:end]._.confidence = "low"
    doc = nlp(doc)
    assert [ent._.confidence for ent in doc.ents] == ["low"] * len(places) != []


def test_earlier_entities_keep_their_confidences(newsroom, nlp):
    nlp.add_pipe("ner_student", name="second", source=newsroom.copy(nlp))
    nlp.get_pipe("second").confidence = False
    doc = nlp(TEXT)
    assert doc.ents and all(ent._.confidence is not None for ent in doc.ents)


def test_values_written_by_hand_are_read(doc):
    doc.ents[0]._.confidence = 1.0
    assert doc.ents[0]._.confidence == 1.0


# The name is a setting


@pytest.fixture
def own_extension():
    """An attribute `confidence` that an app has registered."""
    kept = Span.remove_extension("confidence") if Span.has_extension("confidence") else None
    Span.set_extension("confidence", default="high")
    yield Span.get_extension("confidence")
    assert Span.get_extension("confidence")[0] == "high"
    Span.remove_extension("confidence")
    if kept is not None:
        add_confidence_extension()


def saved(nlp, path, **settings):
    for key, value in settings.items():
        setattr(nlp.get_pipe("ner_student"), key, value)
        nlp.config["components"]["ner_student"][key] = value
    nlp.to_disk(path)
    return path


def test_a_student_loads_next_to_an_apps_own_extension(newsroom, learned, own_extension, tmp_path):
    path = saved(newsroom.copy(learned), tmp_path / "student")
    plain = spacy.load(path)(TEXT)
    assert {ent._.confidence for ent in plain.ents} == {"high"} and not plain.user_data
    settings = {"confidence": True, "confidence_attr": "ner_confidence"}
    config = {f"components.ner_student.{key}": value for key, value in settings.items()}
    doc = spacy.load(path, config=config)(TEXT)
    assert {ent._.confidence for ent in doc.ents} == {"high"}
    assert all(0 < ent._.ner_confidence <= 1 for ent in doc.ents) and doc.ents
    assert doc.to_json(underscore=["ner_confidence"])["underscore_span"].keys() == {
        "ner_confidence"
    }


def test_a_name_that_is_taken_is_an_error(own_extension):
    with pytest.raises(ValueError, match=r"\[D015\] .*`Span._.confidence`.*confidence_attr"):
        spacy.blank("xx").add_pipe("ner_student", config={"confidence": True})
    spacy.blank("xx").add_pipe("ner_student")


def test_documents_are_processed_if_an_app_registers_the_name_later(nlp, own_extension):
    """`own_extension` was registered after the component was created."""
    doc = nlp(TEXT)
    assert all(0 < confidence_of(ent) <= 1 for ent in doc.ents) and doc.ents


def test_the_name_is_checked_at_unpickling(nlp, own_extension):
    pipe = nlp.get_pipe("ner_student")
    data = pickle.dumps(pipe)
    with pytest.raises(ValueError, match=r"\[D015\]"):
        pickle.loads(data)
    Span.remove_extension("confidence")
    pickle.loads(data)
    assert Span.get_extension("confidence")[2].func is confidence_of
    Span.set_extension("confidence", default="high", force=True)
    pipe.confidence = False
    pickle.loads(pickle.dumps(pipe))


@pytest.mark.parametrize(
    "name",
    ["", "get", "set", "has", "__class__", "_doc", "_extensions", "confidence.label", "a b", "is"],
)
@pytest.mark.parametrize("confidence", [True, False])
def test_invalid_attribute_names_are_rejected(name, confidence):
    config = {"confidence": confidence, "confidence_attr": name}
    with pytest.raises(ValueError, match=r"\[D030\] .*'ner_student'"):
        spacy.blank("xx").add_pipe("ner_student", config=config)
    assert not Span.has_extension(name)


def test_two_components_can_write_to_different_attributes(newsroom, learned):
    nlp = newsroom.copy(learned)
    nlp.add_pipe("ner_student", name="second", source=newsroom.copy(learned))
    first, second = nlp.get_pipe("ner_student"), nlp.get_pipe("second")
    first.confidence = second.confidence = second.overwrite_ents = True
    second.confidence_attr = "second_confidence"
    second.cfg["temperature"] = 4.0
    doc = nlp(TEXT)
    assert all(ent._.second_confidence < ent._.confidence for ent in doc.ents) and doc.ents


def test_evaluation_uses_its_own_attribute(nlp, own_extension):
    pipe = nlp.get_pipe("ner_student")
    pipe.confidence = False
    with with_confidences(nlp):
        doc = nlp(TEXT)
    assert all(0 < confidence_of(ent, EVALUATION_ATTR) <= 1 for ent in doc.ents) and doc.ents
    assert (pipe.confidence, pipe.confidence_attr) == (False, "confidence")
