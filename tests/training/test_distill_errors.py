"""Wrong inputs raise one ValueError that says what to do, and leave no output."""

import pytest
import spacy
from spacy.tokens import DocBin, Span
from thinc.util import gpu_is_available

from spacy_distill import TeacherOptions


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


def assert_nothing_left(output):
    assert not output.exists() or list(output.iterdir()) == []


@pytest.mark.parametrize(
    "block, text",
    [
        ({"max_step": 3}, r"\[distillation\] has no setting 'max_step'.*max_steps"),
        (
            {
                "max_steps": 0,
                "optimizer": {
                    "@optimizers": "Adam.v1",
                    "learn_rate": {
                        "@schedules": "warmup_linear.v1",
                        "warmup_steps": 1,
                        "total_steps": 0,
                        "initial_rate": 0.1,
                    },
                },
            },
            r"total_steps is 0: the schedule would end",
        ),
        ({"max_steps": "many"}, r"max_steps has to be of type int: found 'many'"),
        ({"max_steps": 2.5}, r"max_steps has to be of type int: found 2.5"),
        ({"max_steps": None}, r"max_steps has to be of type int: found None"),
        ({"dropout": "0.1 or so"}, r"dropout has to be of type float: found '0.1 or so'"),
        ({"dropout": 1.5}, r"dropout"),
        ({"corpus": None}, r"corpus has to be of type str: found None"),
        ({"corpus": "corpora.none"}, r"corpora\.none"),
        ({"corpus": "none"}, r"none"),
        ({"teacher_batch_size": 0}, r"teacher_batch_size"),
        ({"student_to_teacher": "ner_teacher"}, r"student_to_teacher has to be of type dict"),
        ({"student_to_teacher": {"ner": "ner_teacher"}}, r"names 'ner', but .*are: ner_student"),
        ({"student_to_teacher": {"ner_student": "ner"}}, r"no component 'ner'.*are: ner_teacher"),
        ({"loss": {"@losses": "spacy-distill.ChainDistillation.v1", "alpha": -1.0}}, r"alpha = -1"),
        ({"loss": {"@losses": "spacy-distill.NoSuchLoss.v1"}}, r"NoSuchLoss"),
        ({"optimizer": {"@optimizers": "Adam.v1", "speed": 3}}, r"speed"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_named(quietly, teacher, config, output, block, text):
    with pytest.raises(ValueError, match=f"(?s){text}"):
        quietly(teacher, config(distillation=block), output)
    assert_nothing_left(output)


@pytest.mark.parametrize(
    "block, text",
    [
        ({"patiense": 1}, r"\[D126\] \[training\] has no setting 'patiense'"),
        ({"eval_frequency": 0}, r"\[D705\] \[training\] eval_frequency has to be 1 or more"),
        ({"accumulate_gradient": 0}, r"\[D705\] \[training\] accumulate_gradient"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_of_the_training_is_named(quietly, teacher, config, output, block, text):
    with pytest.raises(ValueError, match=text):
        quietly(teacher, config(training=block), output)
    assert_nothing_left(output)


@pytest.mark.parametrize("teachers", [True, False])
def test_documents_that_are_all_too_long_for_a_batch(
    quietly, teacher, config, time_limit, teachers
):
    batcher = {
        "@batchers": "spacy.batch_by_words.v1",
        "size": 2,
        "tolerance": 0.0,
        "discard_oversize": True,
    }
    settings = config(distillation={"batcher": batcher})
    with time_limit(60), pytest.raises(ValueError, match=r"\[D534\].*'corpora.train'"):
        quietly(teacher if teachers else None, settings)


def test_labels_that_do_not_match_are_named(quietly, teacher, config, output):
    labels = {"components": {"ner_student": {"labels": ["PER", "ORG"]}}}
    with pytest.raises(ValueError, match=r"Only the teacher has: LOC. Only the student has: ORG"):
        quietly(teacher, config(initialize=labels), output)
    assert_nothing_left(output)


@pytest.mark.parametrize("max_epochs", [0, -1])
def test_a_label_of_the_corpus_that_the_teacher_lacks_is_named(
    quietly, teacher, config, output, tmp_path, max_epochs
):
    """It is named before the first step, also if it is at the end of a streamed corpus."""
    doc = teacher.make_doc("A red panda sleeps .")
    doc.set_ents([Span(doc, 1, 3, label="ANIMAL")])
    DocBin(docs=[doc]).to_disk(tmp_path / "pandas.spacy")
    changed = config(
        paths={"labeled": str(tmp_path / "pandas.spacy")}, distillation={"max_epochs": max_epochs}
    )
    # The first of the labeled documents, or the last of all 13.
    number = 1 if max_epochs < 0 else 13
    said = r"'A red panda sleeps \.', has the label 'ANIMAL', but the labels are: PER, LOC\."
    with pytest.raises(ValueError, match=rf"Document {number} of .*corpora\.train', {said}"):
        quietly(teacher, changed, output)
    assert_nothing_left(output)


@pytest.fixture
def other_dev(teacher, tmp_path):
    """Make a development corpus with an unknown label, and with "PER" too if wanted."""

    def write(*more):
        doc = teacher.make_doc("A red panda sleeps near Anna .")
        anna = [Span(doc, 5, 6, label=label) for label in more]
        doc.set_ents([Span(doc, 1, 3, label="ANIMAL"), *anna])
        DocBin(docs=[doc]).to_disk(tmp_path / "pandas.spacy")
        return {"dev": str(tmp_path / "pandas.spacy")}

    return write


def test_a_development_corpus_of_other_labels_is_refused(
    quietly, teacher, config, output, other_dev
):
    """All scores would be 0, so the best step would be a random one."""
    said = r"\[D506\].*'corpora\.dev'.*ANIMAL.*its labels are LOC, PER"
    with pytest.raises(ValueError, match=said):
        quietly(teacher, config(paths=other_dev()), output)
    assert_nothing_left(output)


def test_a_label_that_only_the_development_corpus_has_is_reported(
    quietly, teacher, config, output, other_dev
):
    quietly(teacher, config(paths=other_dev("PER")), output)
    assert "[D913]" in quietly.output and "ANIMAL: these entities count as missed" in quietly.output
    assert (output / "model-best").exists()


@pytest.mark.parametrize("name", ["labeled", "unlabeled", "dev"])
@pytest.mark.parametrize("fault", ["missing", "unreadable"])
def test_a_corpus_that_cannot_be_read_is_named(
    quietly, teacher, config, output, tmp_path, name, fault
):
    path = tmp_path / f"{name}.spacy"
    if fault == "unreadable":
        path.write_bytes(b"no corpus at all")
    with pytest.raises((ValueError, OSError), match=rf"{name}\.spacy"):
        quietly(teacher, config(paths={name: str(path)}), output)
    assert_nothing_left(output)


@pytest.mark.parametrize("max_epochs", [0, -1])
def test_a_corpus_without_documents_is_named(
    quietly, teacher, config, output, tmp_path, time_limit, max_epochs
):
    DocBin().to_disk(tmp_path / "empty.spacy")
    empty = {
        "@readers": "spacy-distill.MixedCorpus.v1",
        "unlabeled": str(tmp_path / "empty.spacy"),
    }
    changed = config(
        corpora={"empty": empty},
        distillation={"corpus": "corpora.empty", "max_epochs": max_epochs},
    )
    with time_limit(300), pytest.raises(ValueError, match=r"'corpora.empty' has no documents"):
        quietly(teacher, changed, output)
    assert_nothing_left(output)


def test_a_development_corpus_without_documents_is_named(
    quietly, teacher, config, output, tmp_path
):
    DocBin().to_disk(tmp_path / "empty.spacy")
    with pytest.raises(ValueError, match=r"corpora\.dev|empty\.spacy"):
        quietly(teacher, config(paths={"dev": str(tmp_path / "empty.spacy")}), output)
    assert_nothing_left(output)


@pytest.mark.parametrize("components", [[], ["sentencizer"]])
def test_a_teacher_that_cannot_teach_is_refused(quietly, config, output, components):
    nlp = spacy.blank("en")
    for name in components:
        nlp.add_pipe(name)
    found = ", ".join(components) or "none"
    with pytest.raises(ValueError, match=rf"none known to find entities.*components are: {found}"):
        quietly(nlp, config(), output)
    assert_nothing_left(output)


def test_a_teacher_that_is_not_there_is_named(quietly, config, output, tmp_path):
    with pytest.raises((ValueError, OSError), match=r"no-teacher"):
        quietly(tmp_path / "no-teacher", config(), output)
    assert_nothing_left(output)


def test_a_student_without_a_component_that_learns(quietly, teacher, config, output):
    changed = config(nlp={"pipeline": ["sentencizer"]})
    changed["components"] = {"sentencizer": {"factory": "sentencizer"}}
    with pytest.raises(ValueError, match=r"'ner_student', and has 0.*components are: sentencizer"):
        quietly(teacher, changed, output)
    assert_nothing_left(output)


def test_a_component_of_the_pipeline_that_is_not_in_the_config(quietly, teacher, config, output):
    with pytest.raises(ValueError, match="sentencizer"):
        quietly(teacher, config(nlp={"pipeline": ["sentencizer", "ner_student"]}), output)
    assert_nothing_left(output)


def test_a_student_component_that_cannot_learn(quietly, teacher, config, output):
    changed = config(
        nlp={"pipeline": ["sentencizer", "ner_student"]},
        components={"sentencizer": {"factory": "sentencizer"}},
        distillation={"student_to_teacher": {"sentencizer": "ner_teacher"}},
    )
    with pytest.raises(ValueError, match="sentencizer"):
        quietly(teacher, changed, output)
    assert_nothing_left(output)


def test_a_component_is_named_once(quietly, teacher, config, output):
    named = config(distillation={"student_to_teacher": {"ner_student": "ner_teacher"}})
    with pytest.raises(ValueError, match=r"D132.*'ner'.*'ner_teacher' for 'ner_student'"):
        quietly(teacher, named, output, teacher_options=TeacherOptions(teacher_pipe="ner"))
    assert_nothing_left(output)


def test_an_unknown_override_is_named(quietly, teacher, config, output):
    for name in ("distillation.max_step", "nothing.at.all"):
        with pytest.raises(ValueError, match=name.split(".")[0]):
            quietly(teacher, config(), output, overrides={name: 3})
    assert_nothing_left(output)


def test_an_output_folder_with_something_in_it_is_left_alone(quietly, teacher, config, output):
    output.mkdir()
    (output / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=rf"output folder '{output}' is not empty.*--force"):
        quietly(teacher, config(), output)
    assert [path.name for path in output.iterdir()] == ["thesis.txt"]
    quietly(teacher, config(distillation={"max_steps": 1}), output, overwrite=True)
    assert sorted(path.name for path in output.iterdir()) == [
        ".origin.json",
        "model-best",
        "model-last",
        "thesis.txt",
    ]


def test_an_output_path_that_is_a_file_is_refused(quietly, teacher, config, output):
    output.write_text("years of work")
    with pytest.raises(ValueError, match=r"is a file\. Name a folder"):
        quietly(teacher, config(), output, overwrite=True)
    assert output.read_text() == "years of work"


def test_an_output_path_that_is_a_url_is_refused(quietly, teacher, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"\[D725\] The output 's3:/bucket/a' is a URL"):
        quietly(teacher, config(), "s3://bucket/a", overwrite=True)
    assert not [*tmp_path.glob("s3:*")]


def test_earlier_models_survive_a_run_that_cannot_start(quietly, teacher, config, output):
    quietly(teacher, config(distillation={"max_steps": 1}), output)
    with pytest.raises(ValueError, match="does not exist"):
        changed = config(paths={"unlabeled": "nowhere.spacy"})
        quietly(teacher, changed, output, overwrite=True)
    assert spacy.load(output / "model-last").pipe_names == ["ner_student"]


@pytest.mark.skipif(gpu_is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(quietly, teacher, config, output):
    with pytest.raises(ValueError, match=r"GPU 0 cannot be used: found no usable GPU"):
        quietly(teacher, config(), output, use_gpu=0)
    assert_nothing_left(output)
