"""The output for a document does not depend on its batch. Each type of transformer is tested with a
tiny random model."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose

from spacy_distill.encoders.batches import MASKING, length_batches
from spacy_distill.teachers import PipelineTeacher, TokenClassificationTeacher
from spacy_distill.teachers.failures import DocumentsError
from tests.teachers.token_classifiers import IOB2, TEXT, make_doc, save_classifier, transformers
from tests.tiny_bert import save_tiny_bert

# Settings of each type, in addition to the common ones.
KINDS = {
    "Albert": {"embedding_size": 16},
    "Bert": {},
    "Camembert": {},
    "Data2VecText": {},
    "Deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "DebertaV2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "Electra": {"embedding_size": 16},
    "Ernie": {},
    "Esm": {"position_embedding_type": "rotary", "mask_token_id": 4},
    "IBert": {},
    "LayoutLM": {},
    "Longformer": {"attention_window": 16},
    "MegatronBert": {},
    "ModernBert": {"local_attention": 16, "global_attn_every_n_layers": 2, "cls_token_id": 2},
    "MPNet": {},
    "RemBert": {"input_embedding_size": 16},
    "Roberta": {},
    "RobertaPreLayerNorm": {},
    "RoFormer": {"embedding_size": 16},
    "SqueezeBert": {"embedding_size": 32},
    "XLMRoberta": {},
    "XLMRobertaXL": {},
    # These do not mask padding, or are not known to mask it.
    "BigBird": {"block_size": 4, "num_random_blocks": 1},
    "ConvBert": {"embedding_size": 16, "head_ratio": 1, "conv_kernel_size": 5},
    "FNet": {},
    "Funnel": {"d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64, "block_sizes": [1, 1]},
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 512},
    "MobileBert": {"true_hidden_size": 16, "intra_bottleneck_size": 16, "embedding_size": 16},
    "Nystromformer": {"num_landmarks": 16, "segment_means_seq_len": 16},
    "XLNet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64},
}
# Settings of `save_classifier` that have another name in some types.
OTHER_NAMES = {
    "Funnel": ("num_hidden_layers", "num_attention_heads", "hidden_size"),
    "XLNet": ("max_position_embeddings",),
}
TEXTS = ["Anna sails", "she can go back to New York", "Oslo", "Anna Berg sails", "go to Oslo and"]


@pytest.fixture(scope="module", params=KINDS)
def teacher(request, tmp_path_factory):
    kind = request.param
    folder = save_classifier(
        tmp_path_factory.mktemp(kind),
        IOB2,
        kind=kind,
        without=OTHER_NAMES.get(kind, ()),
        **KINDS[kind],
    )
    teacher = TokenClassificationTeacher(folder)
    teacher.encoder.batch_size = 60
    return teacher


@pytest.fixture
def count_batches(teacher, monkeypatch):
    """RETURNS (list): A list that gets the number of windows of each batch."""
    batches, forward = [], teacher.encoder.model.forward

    def counted(input_ids, **inputs):
        batches.append(len(input_ids))
        return forward(input_ids=input_ids, **inputs)

    monkeypatch.setattr(teacher.encoder.model, "forward", counted)
    return batches


def test_a_document_has_the_same_targets_in_every_batch(teacher, count_batches):
    docs = [make_doc(text) for text in TEXTS]
    alone = [teacher.predict_chain([doc]) for doc in docs]
    del count_batches[:]
    for order in (slice(None), slice(None, None, -1)):
        together = teacher.predict_chain(docs[order])
        expected = numpy.concatenate([chain.marginals() for chain in alone[order]])
        assert_allclose(together.marginals(), expected, atol=1e-5)
    masks = teacher.encoder.model.config.model_type in MASKING
    # One batch for each length, if padding is not masked.
    assert len(count_batches) == (4 if masks else 10)


def test_all_types_that_mask_padding_are_tested():
    types = {getattr(transformers, f"{kind}Config").model_type for kind in KINDS}
    assert types >= MASKING and len(types) == len(KINDS) >= 20


def test_a_short_batch_does_not_change_a_bigbird(tmp_path):
    """It switches to full attention for a short batch, and would keep it for long texts."""
    kind = {"block_size": 2, "num_random_blocks": 1}
    teacher = TokenClassificationTeacher(save_classifier(tmp_path, IOB2, kind="BigBird", **kind))
    long, short = make_doc(" ".join([*TEXTS] * 3)), make_doc("Oslo")
    before = teacher.predict_chain([long]).marginals()
    teacher.predict_chain([short])
    assert teacher.encoder.model.bert.attention_type == "original_full"
    assert_allclose(teacher.predict_chain([long]).marginals(), before, atol=1e-6)


def test_batches_of_known_types_mix_lengths():
    lengths = [3, 9, 3, 5, 9, 3]
    known, other = transformers.BertConfig(), transformers.ConvBertConfig()
    assert list(length_batches(lengths, 18, known)) == [[1, 4], [3, 0, 2], [5]]
    assert list(length_batches(lengths, 6, other)) == [[1], [4], [3], [0, 2], [5]]
    assert list(length_batches([], 2, other)) == list(length_batches([], 2, known)) == []


def test_batches_have_little_padding():
    lengths = [3] * 300 + [14] * 5 + [5] * 50 + [9] * 30 + [4] * 100
    batches = list(length_batches(lengths, 4096, transformers.BertConfig()))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    padded = [max(lengths[index] for index in batch) * len(batch) for batch in batches]
    assert sum(padded) < 1.2 * sum(lengths)
    assert all(size >= 512 for size in padded[:-1])  # few small batches


SPANS = {"get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"}}
POOLING = {"pooling": {"@layers": "reduce_mean.v1"}, "grad_factor": 1.0}
PARSER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 32,
    "maxout_pieces": 2,
    "use_upper": False,
}


@pytest.mark.parametrize("kind", ["Bert", "ConvBert"])
@pytest.mark.parametrize(
    "factory, inside",
    [("ner_teacher", False), ("ner_teacher", True), ("ner", True), ("beam_ner", True)],
)
def test_a_pipeline_over_a_transformer_has_the_same_targets_in_every_batch(
    kind, factory, inside, tmp_path
):
    """Here spacy-transformers pads the batches, in a component of its own or inside the teacher."""
    words, sharp = TEXT.split(), {"initializer_range": 0.4}
    folder = save_tiny_bert(tmp_path / kind, words, depth=2, kind=kind, **sharp)
    model = {"name": str(folder), "tokenizer_config": {"use_fast": True}, **SPANS}
    nlp = spacy.blank("en")
    if inside:
        tok2vec = {"@architectures": "spacy-transformers.Tok2VecTransformer.v3", **POOLING, **model}
    else:
        model["@architectures"] = "spacy-transformers.TransformerModel.v3"
        nlp.add_pipe("transformer", config={"model": model})
        tok2vec = {"@architectures": "spacy-transformers.TransformerListener.v1", **POOLING}
    model = {"embed": tok2vec} if factory == "ner_teacher" else {**PARSER, "tok2vec": tok2vec}
    pipe = nlp.add_pipe(factory, config={"model": model})
    pipe.add_label("PER")
    nlp.initialize()
    random = numpy.random.default_rng(0)
    for node in pipe.model.walk():
        for name in node.param_names:
            if node.has_param(name) and node.name in ("linear", "maxout", "precomputable_affine"):
                shape = node.get_param(name).shape
                node.set_param(name, random.normal(size=shape).astype("float32"))
    teacher = PipelineTeacher(nlp)
    docs = [make_doc(text) for text in TEXTS]
    alone = numpy.concatenate([teacher.predict_chain([doc]).marginals() for doc in docs])
    assert_allclose(teacher.predict_chain(docs).marginals(), alone, atol=1e-4)
    assert alone.std() > 0.01


def test_all_failed_documents_are_named_if_each_is_read_alone(monkeypatch):
    """Their indices in the groups differ from those in the batch."""
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student").add_label("PER")
    nlp.initialize()
    teacher = PipelineTeacher(nlp)
    predict = nlp.get_pipe("ner_student").predict_chain

    def spoilt(docs):
        assert len(docs) == 1
        chain = predict(docs)
        chain.emissions[:] = numpy.nan if docs[0].text.startswith("Anna") else 0
        return chain

    monkeypatch.setattr(nlp.get_pipe("ner_student"), "predict_chain", spoilt)
    monkeypatch.setattr("spacy_distill.teachers.pipeline_teacher._batch_size", lambda *_: 1)
    with pytest.raises(DocumentsError) as found:
        teacher.predict_chain([make_doc(text) for text in TEXTS])
    assert sorted(found.value.reasons) == [0, 3]
