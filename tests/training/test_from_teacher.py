"""Students initialized with the parameters of a teacher that is built of the same parts."""

import io

import numpy
import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy.tokens import Doc
from spacy.training.initialize import init_nlp
from spacy.vectors import Vectors
from thinc.api import fix_random_seed

from spacy_distill import distill
from spacy_distill.models.chain_tagger import parts
from spacy_distill.training.from_teacher import FromTeacher
from spacy_distill.training.prune import prune
from spacy_distill.training.settings import fill_settings

CALLBACK = "spacy-distill.FromTeacher.v1"
LABELS = ["PER", "LOC"]
TABLES = {"width": 8, "rows": {"SHAPE": 500}}
WORDS = {
    "@architectures": "spacy-distill.WordEmbedding.v1",
    "vectors": {"@architectures": "spacy-distill.WordVectors.v1"},
    "features": {"@architectures": "spacy-distill.FormFeatures.v1", **TABLES},
    "characters": {"@architectures": "spacy-distill.CharacterCNN.v1", "width": 16, "filters": 16},
}
OTHER_WORDS = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 24,
    "depth": 1,
    "embed_size": 100,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
ENCODE = {"@architectures": "spacy-distill.BiLSTM.v1", "width": 32, "depth": 1}
ENCODE["precision"] = "int8"
SIDES = {
    "@architectures": "spacy-distill.SideBySide.v1",
    "left": WORDS,
    "right": WORDS,
}


def random_vectors(width, nlp):
    data = numpy.random.default_rng(width).normal(size=(2, width)).astype("float32")
    return Vectors(data=data, keys=["anna", "oslo"], strings=nlp.vocab.strings)


@pytest.fixture
def saved(tmp_path):
    """Save an initialized `ner_teacher` with this embedding, and return its folder and itself."""

    def make(embed, labels=LABELS, head="CRF", vectors=0, **encode):
        fix_random_seed(7)
        nlp = spacy.blank("xx")
        if vectors:
            nlp.vocab.vectors = random_vectors(vectors, nlp)
        encode = {**ENCODE, **encode}
        model = {"embed": embed, "encode": encode}
        model["head"] = {"@architectures": f"spacy-distill.{head}.v1"}
        teacher = nlp.add_pipe("ner_teacher", config={"model": model})
        for label in labels:
            teacher.add_label(label)
        nlp.initialize()
        head = teacher.model.layers[-1]
        for name in head.param_names:  # they are zero at the beginning
            head.set_param(name, head.get_param(name) + 0.5)
        nlp.to_disk(tmp_path / "teacher")
        return str(tmp_path / "teacher"), teacher

    return make


@pytest.fixture
def initialized(config):
    """Initialize a student's pipeline with the parameters of this source."""

    def make(source, labels=LABELS, vectors=None, embed=None, encode=ENCODE, **more):
        model = {"embed": embed or WORDS, "encode": encode}
        changed = config(
            components={"ner_student": {"model": model}},
            initialize={
                "vectors": vectors,
                "components": {"ner_student": {"labels": list(labels)}},
                "after_init": {"@callbacks": CALLBACK, "source": source, **more},
            },
        )
        return init_nlp(fill_settings(changed))

    return make


def parameters(model, name):
    return [
        node.get_param(key)
        for node in model.walk()
        if node.name == name
        for key in sorted(node.param_names)
    ]


def assert_same(mine, theirs, name):
    found = parameters(mine, name), parameters(theirs, name)
    assert found[0]
    for one, other in zip(*found, strict=True):
        assert_array_equal(one, other)


def test_a_teacher_of_the_same_parts_is_copied_whole(initialized, saved):
    source, teacher = saved(WORDS)
    nlp = initialized(source)
    student = nlp.get_pipe("ner_student")
    docs = [Doc(nlp.vocab, words=["Anna", "sails", "to", "Oslo", "."])]
    mine, theirs = student.model.predict(docs), teacher.model.predict(docs)
    assert_array_equal(mine.emissions, theirs.emissions)
    assert_array_equal(mine.transitions, theirs.transitions)


def test_of_two_embeddings_side_by_side_the_left_one_is_copied(initialized, saved):
    source, teacher = saved(SIDES)
    student = initialized(source).get_pipe("ner_student")
    left = parts(teacher.model.layers[0]).embed.layers[0]
    for name in ("hashembed", "character_cnn"):
        assert_same(student.model, left, name)
    (U, W, b), (their_U, their_W, their_b) = (
        parameters(item.model, "bilstm") for item in (student, teacher)
    )
    assert_array_equal(U, their_U)
    assert_array_equal(b, their_b)
    assert W.shape[1] < their_W.shape[1]
    assert_array_equal(W, their_W[:, : W.shape[1]])
    assert_same(student.model, teacher.model, "chain_head")


def test_layers_that_the_teacher_does_not_have_stay_random(initialized, saved):
    source, teacher = saved(WORDS)
    student = initialized(source, encode={**ENCODE, "depth": 2}).get_pipe("ner_student")
    mine, theirs = (parameters(item.model, "bilstm") for item in (student, teacher))
    for one, other in zip(mine[:3], theirs, strict=True):
        assert_array_equal(one, other)
    assert len(mine) == 6
    assert mine[3].any()


def test_another_embedding_is_left_out(initialized, saved):
    source, teacher = saved(OTHER_WORDS)
    student = initialized(source).get_pipe("ner_student")
    mine, theirs = (parameters(item.model, "bilstm") for item in (student, teacher))
    assert_array_equal(mine[0], theirs[0])
    assert mine[1].shape == theirs[1].shape
    assert (mine[1] != theirs[1]).mean() > 0.9
    assert_same(student.model, teacher.model, "chain_head")


def test_the_head_of_other_labels_is_left_out(initialized, saved):
    source, teacher = saved(WORDS)
    student = initialized(source, labels=LABELS[::-1]).get_pipe("ner_student")
    assert_same(student.model, teacher.model, "bilstm")
    assert not parameters(student.model, "chain_head")[-1].any()


def test_the_scores_of_a_softmax_are_copied_into_a_crf(initialized, saved):
    source, teacher = saved(WORDS, head="Softmax")
    head = initialized(source).get_pipe("ner_student").model.layers[-1]
    for name in ("W", "b"):
        assert_array_equal(head.get_param(name), teacher.model.layers[-1].get_param(name))
    assert not head.get_param("transitions").any()


def test_a_wider_left_part_is_another_embedding(initialized, saved):
    """The columns of its weights do not belong to the student's inputs."""
    wide = {**WORDS, "characters": {**WORDS["characters"], "filters": 24}}
    for embed in (wide, {**SIDES, "left": wide}):
        source, teacher = saved(embed)
        student = initialized(source).get_pipe("ner_student")
        (U, W, b), (their_U, their_W, their_b) = (
            parameters(item.model, "bilstm") for item in (student, teacher)
        )
        assert_array_equal(U, their_U)
        assert_array_equal(b, their_b)
        assert (their_W[:, : W.shape[1]] != W).mean() > 0.9


def test_two_embeddings_side_by_side_are_copied_whole(initialized, saved):
    source, teacher = saved(SIDES)
    student = initialized(source, embed=SIDES).get_pipe("ner_student")
    for name in ("hashembed", "character_cnn", "bilstm", "chain_head"):
        assert_same(student.model, teacher.model, name)


def hash_tables(attributes):
    return {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 24,
        "attrs": attributes,
        "rows": [100, 100],
        "include_static_vectors": False,
    }


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        (
            {**WORDS, "features": {**WORDS["features"], "rows": {"PREFIX": 500}}},
            WORDS,
        ),
        (hash_tables(["NORM", "PREFIX"]), hash_tables(["NORM", "SHAPE"])),
    ],
)
def test_tables_of_other_attributes_are_not_copied(initialized, saved, theirs, mine):
    source, teacher = saved(theirs)
    student = initialized(source, embed=mine).get_pipe("ner_student")
    tables = [parameters(item.model, "hashembed") for item in (student, teacher)]
    assert (tables[0][-1] != tables[1][-1]).any()


def test_weights_for_other_word_vectors_are_not_copied(initialized, saved, tmp_path):
    source, teacher = saved(WORDS, vectors=20)
    for width, are_same in ((20, True), (21, False)):
        nlp = spacy.blank("xx")
        nlp.vocab.vectors = random_vectors(width, nlp)
        if not are_same:
            nlp.vocab.vectors.data = nlp.vocab.vectors.data[:, :20].copy()
        nlp.to_disk(tmp_path / "vectors")
        student = initialized(source, vectors=str(tmp_path / "vectors")).get_pipe("ner_student")
        mine, theirs = (parameters(item.model, "bilstm")[1] for item in (student, teacher))
        assert mine.shape == theirs.shape
        assert (mine == theirs).all() == are_same


def test_of_another_encoder_nothing_is_copied(initialized, saved):
    source, teacher = saved(WORDS)
    encode = {"@architectures": "spacy-distill.MinGRU.v1", "width": 32, "depth": 1}
    student = initialized(source, encode=encode).get_pipe("ner_student")
    assert_same(student.model, teacher.model, "character_cnn")
    head = student.model.layers[-1]
    assert (head.get_param("W") != teacher.model.layers[-1].get_param("W")).any()
    assert head.get_param("transitions").all()


def test_dense_layers_need_the_whole_embedding(initialized, saved):
    dense = {"@architectures": "spacy-distill.DenseBiLSTM.v1", "width": 8, "depth": 2}
    dense |= {"layer_dropout": 0.0, "precision": "float32"}
    for embed, are_same in ((WORDS, True), (SIDES, False)):
        fix_random_seed(7)
        source, teacher = saved(embed, **dense)
        student = initialized(source, encode=dense).get_pipe("ner_student")
        mine, theirs = (parameters(item.model, "bilstm") for item in (student, teacher))
        assert (
            all(
                (one.shape == other.shape) and (one == other).all()
                for one, other in zip(mine, theirs, strict=True)
            )
            == are_same
        )


def test_of_a_pruned_teacher_the_embedding_is_copied(initialized, saved):
    dense = {"@architectures": "spacy-distill.DenseBiLSTM.v1", "width": 8, "depth": 3}
    source, _ = saved(WORDS, **dense)
    pruned = prune(spacy.load(source), layers=1)
    pruned.to_disk(source)
    student = initialized(source, encode={**dense, "depth": 1}).get_pipe("ner_student")
    assert_same(student.model, pruned.get_pipe("ner_teacher").model, "character_cnn")


def test_a_distillation_begins_with_the_copied_parameters(saved, config, tmp_path):
    source, teacher = saved(WORDS, labels=("LOC", "PER"))
    changed = config(
        components={"ner_student": {"model": {"embed": WORDS, "encode": ENCODE}}},
        initialize={"after_init": {"@callbacks": CALLBACK, "source": source}},
    )
    overrides = {"distillation.max_steps": 1, "distillation.optimizer.learn_rate": 0.0}
    overrides["distillation.optimizer.use_averages"] = False
    nlp = distill(
        source,
        changed,
        tmp_path / "out",
        overrides=overrides,
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )
    assert_same(nlp.get_pipe("ner_student").model, teacher.model, "bilstm")
    assert_same(nlp.get_pipe("ner_student").model, teacher.model, "chain_head")


def test_a_teacher_of_which_nothing_fits_is_refused(initialized, saved):
    source, _ = saved(OTHER_WORDS, width=16)
    with pytest.raises(ValueError, match=r"\[D264\] No part of the teacher"):
        initialized(source)


def test_other_components_are_refused(initialized, ner_folder, tmp_path):
    with pytest.raises(ValueError, match=r"\[D263\].* is neither"):
        initialized(str(ner_folder))
    with pytest.raises(ValueError, match=r"\[D262\].* finds no teacher"):
        initialized(str(tmp_path))


def test_without_a_source_nothing_changes(initialized):
    nlp = initialized(None)
    before = nlp.to_bytes()
    assert FromTeacher()(nlp).to_bytes() == before
