"""Predictions of systems, and their scores."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from benchmarks.low_resource.scores import agreement, find_entities, score, write_silver
from tests.benchmarks.conftest import GOLD


def test_scores_are_strict_and_those_of_two_scorers(docs):
    found = [[(0, 2, "PER"), (3, 4, "PER")], [], [(0, 1, "PER")]]
    scores = score(docs, found)
    # One of three predictions is right, and one of three gold entities is found.
    expected = {"f": 100 / 3, "p": 100 / 3, "r": 100 / 3}
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value)
        assert scores[f"seqeval_{name}"] == pytest.approx(value)
    assert scores["per_type"]["PER"] == pytest.approx({"f": 50, "p": 100 / 3, "r": 100})
    assert scores["per_type"]["LOC"] == {"f": 0, "p": 0, "r": 0}
    assert score(docs, GOLD)["f"] == 100


def test_agreement_is_f1_against_other_predictions():
    assert agreement(GOLD, GOLD) == 100
    assert agreement([[], [], []], GOLD) == 0
    assert agreement([GOLD[0], [], []], GOLD) == pytest.approx(100 * 2 * 1 * (2 / 3) / (1 + 2 / 3))
    # Equal entities of different documents are different entities.
    assert agreement([[], [], [(0, 1, "LOC")]], [[], [(0, 1, "LOC")], []]) == 0


@pytest.fixture
def models(tmp_path):
    """Two pipelines that each find one name, as teachers."""
    paths = []
    for pattern in ({"label": "LOC", "pattern": "Oslo"}, {"label": "LOC", "pattern": "Kiel"}):
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([pattern])
        paths.append(tmp_path / pattern["pattern"])
        nlp.to_disk(paths[-1])
    return paths


def test_entities_of_one_pipeline_and_of_an_average_keep_the_documents_order(docs, models):
    expected = [[(3, 4, "LOC")], [(0, 1, "LOC")], []]
    assert find_entities(models[:1], docs) == expected
    # The average of 0.9 and 0.1 is 0.5 where one of two teachers finds an entity.
    both = find_entities([models[0], models[0]], docs)
    assert both == expected
    assert [type(number) for number in both[0][0][:2]] == [int, int]


def test_silver_is_gold_and_teachers_entities_elsewhere(docs, models, tmp_path):
    plain = [Doc(doc.vocab, words=[token.text for token in doc]) for doc in docs]
    DocBin(docs=docs[:1]).to_disk(tmp_path / "train.spacy")
    DocBin(docs=plain[1:]).to_disk(tmp_path / "unlabeled.spacy")
    write_silver(tmp_path, models[:1], tmp_path / "silver.spacy")
    silver = list(DocBin().from_disk(tmp_path / "silver.spacy").get_docs(docs[0].vocab))
    found = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in silver]
    assert found == [GOLD[0], [(0, 1, "LOC")], []]
    assert all(doc.has_annotation("ENT_IOB") for doc in silver)
