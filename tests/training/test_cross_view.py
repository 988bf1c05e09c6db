"""Cross-view training, with a teacher and without one."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.training import Corpus, Example
from thinc.api import Adam, Config, fix_random_seed, set_dropout_rate

from spacy_distill.configs import make_config
from spacy_distill.losses.cross_view import VIEWS
from spacy_distill.pipeline.cross_view import CrossViewHeads
from spacy_distill.teachers.no_teacher import NoTeacher
from spacy_distill.training.alternation import alternating_batches
from tests.training.conftest import make_docs

HEADS = {"@losses": "spacy-distill.CrossViewHeads.v1", "hidden": 8}
ONLY_WORDS = {**HEADS, "views": [], "word_dropout": 0.3}


def cross_view(**settings):
    return {"cross_view": {**HEADS, **settings}}


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


ENCODE = {"@architectures": "spacy-distill.BiLSTM.v1", "width": 16, "depth": 2}


def make_student(nlp, labels=("PER", "LOC"), encode=ENCODE):
    fix_random_seed(0)
    pipe = nlp.add_pipe("ner_student", config={"model": {"encode": encode}})
    docs = make_docs(nlp.vocab)
    labeled = [Example(nlp.make_doc(doc.text), doc) for doc in docs[:4]]
    plain = [Example(nlp.make_doc(doc.text), nlp.make_doc(doc.text)) for doc in docs[4:]]
    pipe.initialize(lambda: labeled, nlp=nlp, labels=labels)
    return pipe, labeled, plain


class UnreadTeacher:
    """A teacher of whom a config's errors have to be found before it reads."""

    labels = ("PER", "LOC")

    def predict_chain(self, docs):
        raise AssertionError("the teacher reads")


def no_teacher(pipe):
    teacher = NoTeacher()
    teacher.labels = pipe.labels
    return teacher


# Without a teacher


def test_a_student_learns_without_a_teacher(quietly, config, corpora, tmp_path):
    """Half of the steps read unlabeled documents, and yet the student learns the labels."""
    changed = config(distillation={"max_steps": 60, **cross_view()})
    nlp = quietly("none", changed, tmp_path / "output")
    scores = nlp.evaluate(Corpus(corpora["labeled"])(nlp))
    assert scores["ents_f"] > 0.95
    run = spacy.load(tmp_path / "output" / "model-best").meta["distillation"]
    assert run["teachers"] == [] and run["documents"] == {"labeled": 4, "unlabeled": 12}
    assert run["cross_view"]["hidden"] == 8
    assert nlp.get_pipe("ner_student").labels == ("LOC", "PER")


def test_a_config_of_distill_init_needs_no_change(quietly, corpora):
    text = make_config("student", lang="en").replace("filters = 64", "filters = 8")
    config = Config().from_str(text, interpolate=False)
    overrides = {
        "paths.train": str(corpora["labeled"]),
        "paths.dev": str(corpora["dev"]),
        "paths.unlabeled": str(corpora["unlabeled"]),
        "distillation.max_steps": 2,
        "components.ner_student.model.encode.width": 16,
    }
    nlp = quietly(None, config, overrides=overrides)
    block = nlp.config["distillation"]["cross_view"]
    assert (block["@losses"], block["targets"]) == (HEADS["@losses"], "self")


def test_labels_alone_are_learnt_from_labeled_documents(config):
    """A teacher that knows nothing changes nothing but by the gold entities."""
    nlp = spacy.blank("xx")
    pipe, labeled, plain = make_student(nlp)
    losses = pipe.distill(no_teacher(pipe), plain)
    assert losses["ner_student"] == 0
    for node in pipe.model.walk():
        for name in node.grad_names:
            assert not node.get_grad(name).any()
    assert pipe.distill(no_teacher(pipe), labeled)["ner_student"] > 0


def test_documents_that_are_streamed(quietly, config):
    nlp = quietly("none", config(distillation={"max_steps": 4, "max_epochs": -1}))
    assert nlp.meta["distillation"]["documents"] == {"labeled": 4, "unlabeled": None}
    assert nlp.meta["performance"]["ner_student_loss"] > 0


@pytest.mark.parametrize(
    "changes,match",
    [
        ({"paths": {"unlabeled": None}}, r"\[D814\].* no unlabeled documents"),
        ({"distillation": cross_view(targets="teacher")}, r"\[D818\]"),
        ({"distillation": cross_view(views=["sideways"])}, r"\[D811\].*'sideways'"),
        ({"distillation": cross_view(views=[])}, r"\[D811\]"),
        ({"distillation": cross_view(hidden=0)}, r"\[D812\].*hidden = 0"),
        (
            {"distillation": cross_view(weight=-1.0)},
            r"\[D122\] \[distillation.cross_view\] weight = -1",
        ),
        ({"distillation": cross_view(labeled_batches=1.0)}, r"\[D812\].*labeled_batches"),
    ],
)
def test_what_cannot_be_learnt_is_refused(quietly, config, changes, match):
    with pytest.raises(ValueError, match=match):
        quietly("none", config(**changes))


def test_targets_have_names():
    with pytest.raises(ValueError, match=r"\[D813\].*'own': expected one of self, teacher, both"):
        CrossViewHeads(targets="own")


def test_no_labels_anywhere(quietly, config, corpora):
    paths = {"labeled": None}
    labels = {"components": {"ner_student": {"labels": ["PER", "LOC"]}}}
    with pytest.raises(ValueError, match=r"\[D814\].* no labeled documents"):
        quietly("none", config(paths=paths, initialize=labels))


def test_options_of_teachers_and_raw_text_need_a_teacher(quietly, config, tmp_path):
    from spacy_distill import TeacherOptions

    with pytest.raises(ValueError, match=r"\[D815\]"):
        quietly("none", config(), teacher_options=TeacherOptions(teacher_pipe="ner"))
    with pytest.raises(ValueError, match=r"\[D816\]"):
        quietly("none", config(), tmp_path / "output", text="news.txt")


def test_development_documents_need_labels(quietly, config, corpora, tmp_path):
    from spacy.tokens import DocBin

    docs = [spacy.blank("xx")("It rains .")]
    DocBin(docs=docs).to_disk(tmp_path / "plain.spacy")
    with pytest.raises(ValueError, match=r"\[D817\]"):
        quietly("none", config(paths={"dev": str(tmp_path / "plain.spacy")}))


# Batches


@pytest.mark.parametrize("share,expected", [(0.5, "ULULUL"), (0.25, "UUULUU"), (0.75, "ULLLUL")])
def test_labeled_and_unlabeled_batches_alternate(share, expected):
    nlp = spacy.blank("xx")
    _, labeled, plain = make_student(nlp)
    batches = alternating_batches(
        nlp,
        lambda _: [*plain, *labeled],
        lambda _: labeled,
        lambda examples: [[example] for example in examples],
        0,
        share,
    )
    found = [next(batches)[1][0] for _ in range(6)]
    assert "".join("L" if example in labeled else "U" for example in found) == expected


def test_passes_are_those_over_unlabeled_documents():
    nlp = spacy.blank("xx")
    _, labeled, plain = make_student(nlp)
    arguments = (lambda _: [*plain, *labeled], lambda _: labeled, lambda examples: [list(examples)])
    epochs = [epoch for epoch, _ in alternating_batches(nlp, *arguments, 2, 0.5)]
    assert epochs == [0, 0, 1, 1]


# Targets


def test_own_targets_are_marginals_without_dropout():
    nlp = spacy.blank("xx")
    pipe, labeled, plain = make_student(nlp)
    examples = [plain[0], labeled[0], plain[1]]
    teacher = no_teacher(pipe).predict_chain([example.reference for example in examples])
    set_dropout_rate(pipe.model, 0.5)
    found = CrossViewHeads().find_targets(pipe.model, examples, teacher)
    set_dropout_rate(pipe.model, 0.0)
    chain, _ = pipe.model.begin_update([example.predicted for example in examples])
    expected = chain.marginals()
    first, second = len(plain[0].predicted), len(labeled[0].predicted)
    expected[first : first + second] = 0
    assert_allclose(found, expected, atol=1e-5)
    assert CrossViewHeads().find_targets(pipe.model, labeled, teacher) is None


def test_the_weight_may_rise():
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    views = CrossViewHeads(weight=iter([0.0, 0.5, 1.0]))
    shares = []
    for _ in range(4):
        losses = pipe.distill(no_teacher(pipe), plain, auxiliary=[views])
        shares.append(losses["ner_student_cross_view"])
        views.advance()
    assert shares[0] == 0 < shares[1]
    # Without updates, only the weight changes; the last one stays.
    assert shares[2:] == pytest.approx([2 * shares[1]] * 2, rel=1e-4)


def test_targets_of_a_teacher(teacher):
    nlp = spacy.blank("xx")
    pipe, labeled, plain = make_student(nlp)
    examples = [labeled[0], plain[0]]
    chain = teacher.get_pipe("ner_teacher").predict_chain([item.reference for item in examples])
    own = CrossViewHeads().find_targets(pipe.model, examples, chain)
    taught = CrossViewHeads(targets="teacher").find_targets(pipe.model, examples, chain)
    both = CrossViewHeads(targets="both").find_targets(pipe.model, examples, chain)
    assert_allclose(taught, chain.marginals(), atol=1e-6)
    n_labeled = len(labeled[0].predicted)
    assert_allclose(both[:n_labeled], taught[:n_labeled], atol=1e-6)
    assert_allclose(both[n_labeled:], (own + taught)[n_labeled:] / 2, atol=1e-6)


# Gradients


def require_gradients(loss, pipe, find_others=list):
    """Compare the gradients of a function's loss with its change along each of them: of the
    BiLSTM's layers, and of others that the first call makes."""
    loss()
    layers = [node for node in pipe.model.walk() if node.has_param("U")]
    learning = [*layers, *find_others()]
    for node in [*pipe.model.walk(), *learning]:
        for name in node.grad_names:
            node.get_grad(name)[...] = 0
    loss()
    gradients = [layer.get_grad("W").copy() for layer in learning]
    for layer, gradient in zip(learning, gradients, strict=True):
        W, norm = layer.get_param("W"), numpy.linalg.norm(gradient)
        assert norm > 0
        before, values = W.copy(), []
        for step in (3e-3, -3e-3):
            W[...] = before + step * gradient / norm
            values.append(loss())
        W[...] = before
        assert_allclose((values[0] - values[1]) / 6e-3, norm, rtol=0.03)


@pytest.mark.parametrize("settings", [{}, {"views": ["full", "past"]}, {"views": []}])
def test_the_gradient_of_an_update_is_that_of_its_loss(teacher, settings, rng):
    """In the direction of the gradient, the whole loss changes as much as it says."""
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    words = 1e-6 if settings.get("views") == [] else 0.0  # no word is hidden
    views = CrossViewHeads(hidden=8, targets="teacher", weight=0.7, word_dropout=words, **settings)
    source = teacher.get_pipe("ner_teacher")

    def loss():
        return pipe.distill(source, plain, auxiliary=[views])["ner_student"]

    require_gradients(loss, pipe)


def test_own_predictions_teach_the_first_layer_alone():
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    views = CrossViewHeads(hidden=8)
    losses = pipe.distill(no_teacher(pipe), plain, drop=0.1, auxiliary=[views])
    assert losses["ner_student"] == pytest.approx(losses["ner_student_cross_view"])
    assert losses["ner_student"] > 0
    first, last = [node for node in pipe.model.walk() if node.has_param("U")]
    assert first.get_grad("W").any() and not last.has_grad("W")
    heads = views.models("ner_student", pipe.model)
    assert set(heads) == {"forward", "backward", "future", "past"}
    before = {name: head.layers[1].get_param("W").copy() for name, head in heads.items()}
    views.finish_update(Adam(0.01))
    for name, head in heads.items():
        assert (head.layers[1].get_param("W") != before[name]).any()


def test_word_dropout_teaches_the_student_itself():
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    views = CrossViewHeads([], word_dropout=0.5)
    losses = pipe.distill(no_teacher(pipe), plain, auxiliary=[views])
    assert losses["ner_student_cross_view"] > 0
    last = [node for node in pipe.model.walk() if node.has_param("U")][-1]
    assert last.get_grad("W").any()
    assert not any("word_rate" in node.attrs for node in pipe.model.walk())


def test_an_encoder_without_directions(quietly, teacher, config):
    encode = {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 16,
        "window_size": 1,
        "maxout_pieces": 2,
        "depth": 1,
    }
    changed = {"components": {"ner_student": {"model": {"encode": encode}}}}
    with pytest.raises(ValueError, match=r"\[D810\] The encoder of 'ner_student'"):
        quietly(UnreadTeacher(), config(**changed, distillation=cross_view(targets="teacher")))
    quietly(teacher, config(**changed, distillation={"cross_view": ONLY_WORDS}))


def test_a_student_that_listens_cannot_be_its_own_teacher():
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec")
    embed = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    pipe = nlp.add_pipe("ner_student", config={"model": {"embed": embed}})
    doc = nlp.make_doc("Anna sails .")
    pipe.add_label("PER")
    chain = no_teacher(pipe).predict_chain([doc])
    with pytest.raises(ValueError, match=r"\[D819\]"):
        CrossViewHeads().find_targets(pipe.model, [Example(doc, doc.copy())], chain)


# What is saved


def test_a_saved_student_has_no_trace_of_heads(quietly, teacher, config, tmp_path):
    short = {"max_steps": 1, "calibrate": False}
    plain = quietly(teacher, config(distillation=short), tmp_path / "plain")
    heads = cross_view(views=[*VIEWS], targets="both")
    taught = quietly(teacher, config(distillation={**short, **heads}), tmp_path / "heads")
    saved, usual = (files_of(tmp_path / name / "model-last") for name in ("heads", "plain"))
    described = {"config.cfg", "meta.json"}  # these say how the student was trained
    sizes, usual_sizes = (
        {name: len(found[name]) for name in found if name not in described}
        for found in (saved, usual)
    )
    assert sizes == usual_sizes
    nodes, others = (list(nlp.get_pipe("ner_student").model.walk()) for nlp in (taught, plain))
    assert [(n.name, n.param_names, n.dim_names, set(n.attrs)) for n in nodes] == [
        (n.name, n.param_names, n.dim_names, set(n.attrs)) for n in others
    ]
    assert taught.config["components"] == plain.config["components"]
    # A model with heads is loaded by one without, and the other way round.
    for nlp, other in ((taught, plain), (plain, taught)):
        nlp.get_pipe("ner_student").from_bytes(other.get_pipe("ner_student").to_bytes())
