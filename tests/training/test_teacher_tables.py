"""Students initialized with their teacher's hash tables."""

import numpy
import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy.tokens import Doc
from spacy.training.initialize import init_nlp
from thinc.api import Config

from spacy_distill.configs import make_config
from spacy_distill.training.settings import fill_settings
from spacy_distill.training.teacher_tables import TeacherTables

CALLBACK = "spacy-distill.TeacherTables.v1"
# Those of the teacher in `ner_folder`.
ROWS = {"LOWER": 200, "PREFIX": 100, "SUFFIX": 100, "SHAPE": 100}


@pytest.fixture
def initialized(config):
    """Initialize a student's pipeline with tables from this source."""

    def make(source, pipe=None, width=16, rows=ROWS):
        model = {"embed": {"features": {"width": width, "rows": rows}}}
        callback = {"@callbacks": CALLBACK, "source": source, "pipe": pipe}
        changed = config(
            components={"ner_student": {"model": model}},
            initialize={"after_init": callback},
        )
        return init_nlp(fill_settings(changed))

    return make


def tables_of(model):
    """List the parameters of the hash tables, in their order."""
    return [node.get_param("E") for node in model.walk() if node.name == "hashembed"]


def layers(model, name):
    return [node for node in model.walk() if node.name == name]


def test_student_has_the_tables_of_its_teacher(initialized, ner_folder):
    teacher = spacy.load(ner_folder).get_pipe("ner")
    student = initialized(str(ner_folder)).get_pipe("ner_student")
    for mine, theirs in zip(tables_of(student.model), tables_of(teacher.model), strict=True):
        assert_array_equal(mine, theirs)


def test_words_are_embedded_as_the_teacher_embeds_them(initialized, ner_folder):
    """Unseen words get the same rows, since attributes, seeds and order are the same."""
    teacher = spacy.load(ner_folder)
    student = initialized(str(ner_folder))
    words = ["Zanzibar", "sails", "QUITO", "4711", "é"]
    model = teacher.get_pipe("ner").model
    doc = Doc(teacher.vocab, words=words)
    attributes = layers(model, "extract_features")[0].predict([doc])[0]
    embedded = [table.predict(attributes) for table in layers(model, "ints-getitem>>hashembed")]
    expected = numpy.hstack(embedded)
    (forms,) = layers(student.get_pipe("ner_student").model, "with_word_forms")
    vectors = forms.predict([Doc(student.vocab, words=words)]).dataXd
    # Static vectors, of which there are none, come before, the character CNN behind.
    assert vectors.shape[1] > expected.shape[1]
    assert_array_equal(vectors[:, : expected.shape[1]], expected)


def test_a_tok2vec_that_is_shared_is_found(initialized, tmp_path):
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "width": 16}
    tok2vec |= {"depth": 1, "embed_size": 200, "window_size": 1, "maxout_pieces": 2}
    nlp.add_pipe("tok2vec", config={"model": {**tok2vec, "subword_features": True}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "tok2vec"}
    nlp.add_pipe("ner", config={"model": {"tok2vec": listener}}).add_label("PER")
    nlp.initialize()
    nlp.to_disk(tmp_path / "teacher")
    student = initialized(str(tmp_path / "teacher")).get_pipe("ner_student")
    shared = tables_of(nlp.get_pipe("tok2vec").model)
    for mine, theirs in zip(tables_of(student.model), shared, strict=True):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 8},
        {"rows": {**ROWS, "SUFFIX": 99}},
        {"rows": {name: ROWS[name] for name in reversed(ROWS)}},
        {"rows": {"ORTH": 200}},
    ],
)
def test_tables_that_do_not_fit_are_refused(initialized, ner_folder, change):
    with pytest.raises(ValueError, match=r"PREFIX rows 100, width 16, seed 9;.* LOWER rows 200"):
        initialized(str(ner_folder), **change)


@pytest.mark.parametrize("frozen", [False, True])
def test_students_that_are_trained_already_keep_their_tables(
    initialized, config, ner_folder, tmp_path, frozen
):
    nlp = initialized(None)
    nlp.to_disk(tmp_path / "student")
    changed = config(
        training={"frozen_components": ["ner_student"] if frozen else []},
        initialize={"after_init": {"@callbacks": CALLBACK, "source": str(ner_folder)}},
    )
    changed["components"]["ner_student"] = {"source": str(tmp_path / "student")}
    again = init_nlp(fill_settings(changed))
    mine, kept = (tables_of(pipeline.get_pipe("ner_student").model) for pipeline in (nlp, again))
    for before, after in zip(mine, kept, strict=True):
        assert_array_equal(before, after)


def test_tables_of_lower_case_forms_come_before_those_of_norms(initialized, tmp_path):
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2"}
    tok2vec["embed"] = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 16}
    tok2vec["embed"] |= {"attrs": ["LOWER", "NORM"], "rows": [200, 200]}
    tok2vec["embed"] |= {"include_static_vectors": False}
    tok2vec["encode"] = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 16}
    tok2vec["encode"] |= {"depth": 1, "window_size": 1, "maxout_pieces": 2}
    nlp = spacy.blank("en")
    nlp.add_pipe("ner", config={"model": {"tok2vec": tok2vec}}).add_label("PER")
    nlp.initialize()
    nlp.to_disk(tmp_path / "teacher")
    student = initialized(str(tmp_path / "teacher"), rows={"LOWER": 200}).get_pipe("ner_student")
    assert_array_equal(tables_of(student.model)[0], tables_of(nlp.get_pipe("ner").model)[0])


def test_a_component_is_named_in_the_config(initialized, ner_folder, tmp_path):
    nlp = spacy.load(ner_folder)
    nlp.add_pipe("ner", name="second", source=spacy.load(ner_folder))
    nlp.to_disk(tmp_path / "two")
    with pytest.raises(ValueError, match=r"named with \[initialize.after_init\] pipe"):
        initialized(str(tmp_path / "two"))
    assert initialized(str(tmp_path / "two"), pipe="second")


def test_a_teacher_that_is_no_pipeline_is_refused(initialized, tmp_path):
    with pytest.raises(ValueError, match="finds no tables in"):
        initialized(str(tmp_path))


def test_teachers_without_tables_are_refused(initialized, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])
    nlp.to_disk(tmp_path / "rules")
    with pytest.raises(ValueError, match="The teacher has none"):
        initialized(str(tmp_path / "rules"))


def test_without_a_source_nothing_changes(initialized):
    nlp = initialized(None)
    before = [table.copy() for table in tables_of(nlp.get_pipe("ner_student").model)]
    assert TeacherTables()(nlp) is nlp
    after = tables_of(nlp.get_pipe("ner_student").model)
    assert len(before) == len(ROWS)
    for old, new in zip(before, after, strict=True):
        assert_array_equal(old, new)


def test_config_for_soft_corpora_takes_tables():
    text = make_config("soft")
    config = Config().from_str(text, overrides={"paths.tables": "en_core_web_sm"})
    callback = config["initialize"]["after_init"]
    assert callback == {"@callbacks": CALLBACK, "source": "en_core_web_sm", "pipe": None}
