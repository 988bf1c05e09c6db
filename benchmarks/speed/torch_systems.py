"""The systems of `measure.py` that run on torch or ONNX Runtime: taggers and transformers."""

import os
import tempfile
from functools import partial
from typing import Any, Dict, List

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer
from transformers.utils import logging

from benchmarks.speed.systems import System, Words
from benchmarks.speed.torch_tagger import TorchTagger

N_TAGS = 17
LABELS = ["person", "place", "organization", "other name"]
DEBERTA_SMALL = {
    "model_type": "deberta-v2",
    "hidden_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "vocab_size": 128_100,
    "type_vocab_size": 0,
    "relative_attention": True,
    "max_relative_positions": -1,
    "position_buckets": 256,
    "position_biased_input": False,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
}
logging.set_verbosity_error()  # the head is new
torch.set_num_threads(1)


def torch_tagger(int8: bool) -> System:
    """Create the LSTM-CNN-CRF, with the weights of LSTM and emissions in eight bits if `int8`."""
    torch.manual_seed(0)
    model: Any = TorchTagger(N_TAGS).eval()
    size = sum(weights.numel() for weights in model.parameters())
    encode = model.encode
    if int8:
        kinds = {torch.nn.LSTM, torch.nn.Linear}
        model = torch.ao.quantization.quantize_dynamic(model, kinds, dtype=torch.qint8)
    return System(encode, model, size)


def transformer(folder: str) -> System:
    """Create a token classifier over an encoder, with a random head."""
    tokenizer, model = load(folder)

    @torch.inference_mode()
    def run(encoded: Any) -> None:
        model(**encoded).logits.argmax(-1)

    return System(partial(encode, tokenizer, tensors="pt"), run, model.num_parameters())


def quantized_transformer(folder: str) -> System:
    """Create the same with products in eight bits, by ONNX Runtime's dynamic quantization."""
    import onnxruntime
    from onnxruntime.quantization import quantize_dynamic

    tokenizer, model = load(folder, attn_implementation="eager")
    model.config.return_dict = False
    example = encode(tokenizer, [["one", "two"], ["three"]], tensors="pt")
    names = list(example)
    axes: Dict[str, Dict[int, str]] = {
        name: {0: "batch", 1: "tokens"} for name in [*names, "logits"]
    }
    with tempfile.TemporaryDirectory() as temporary:
        exported, quantized = (os.path.join(temporary, name) for name in ("full", "int8"))
        torch.onnx.export(
            model,
            ({name: example[name] for name in names},),
            exported,
            input_names=names,
            output_names=["logits"],
            dynamic_axes=axes,
            dynamo=False,
        )
        quantize_dynamic(exported, quantized)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
        session = onnxruntime.InferenceSession(quantized, options)

    def run(encoded: Any) -> None:
        session.run(None, {name: encoded[name] for name in names})[0].argmax(-1)

    return System(partial(encode, tokenizer, tensors="np"), run, model.num_parameters())


def gliner(folder: str) -> System:
    """Create a GLiNER of the size of gliner_small (Zaratiana et al. 2024: DeBERTa-v3-small and an
    LSTM) with random weights, and the tokenizer of a folder. It looks for four labels."""
    from gliner import GLiNER

    config = {
        "model_name": folder,
        "encoder_config": DEBERTA_SMALL,
        "hidden_size": 512,
        "max_width": 12,
        "words_splitter_type": "whitespace",
    }
    settings = {"backbone_from_pretrained": False, "resize_token_embeddings": False}
    model = GLiNER.from_config(config, **settings).eval()

    def run(texts: List[str]) -> None:
        # Random scores are about 0.5.
        model.inference(texts, LABELS, threshold=0.99, batch_size=len(texts))

    def prepare(sentences: List[Words]) -> List[str]:
        return [" ".join(words) for words in sentences]

    return System(prepare, run, sum(weights.numel() for weights in model.parameters()))


def load(folder: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=N_TAGS, **settings)
    return AutoTokenizer.from_pretrained(folder), model.eval()


def encode(tokenizer: Any, sentences: List[Words], *, tensors: str) -> Any:
    return tokenizer(
        sentences,
        is_split_into_words=True,
        padding=True,
        truncation=True,
        max_length=512,
        return_tensors=tensors,
    )
