"""The systems of `measure.py`, each created when it is measured."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc

Words = List[str]

# Configurations of transformers with random weights, since speed does not depend on weights.
BERT_BASE: Dict[str, int] = {}
BERT_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
MINILM = {
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
N_TAGS = 17


@dataclass(frozen=True)
class System:
    """A system that tags sentences.

    prepare (Callable[[List[Words]], Any]): Makes what it takes out of words, documents or tensors;
        not timed.
    run (Callable[[Any], Any]): Tags one batch.
    parameters (int): Numbers in it.
    """

    prepare: Callable[[List[Words]], Any]
    run: Callable[[Any], Any]
    parameters: int


@dataclass(frozen=True)
class Sources:
    """The pipelines and tokenizers of systems.

    student (Path): A pipeline with an `ner_student`.
    spacy_pipeline (str): A pipeline with a `tok2vec` and an `ner`, name or folder.
    wordpieces (Optional[Path]): A folder with a tokenizer of BERT's; None for no transformers.
    chosen (Tuple[str, ...]): Names of the systems that are wanted; all if empty.
    """

    student: Path
    spacy_pipeline: str
    wordpieces: Optional[Path]
    chosen: Tuple[str, ...] = ()

    def systems(self) -> Dict[str, Callable[[], System]]:
        """Make a function for each system, by name, that creates it."""
        found: Dict[str, Callable[[], System]] = {
            "student": partial(pipeline, str(self.student), ["ner_student"]),
            "spaCy tok2vec + ner": partial(pipeline, self.spacy_pipeline, ["tok2vec", "ner"]),
            "torch LSTM-CNN-CRF": torch_tagger,
        }
        if self.wordpieces is not None:
            folder = str(self.wordpieces)
            for name, sizes in (("MiniLM", MINILM), ("BERT-base", BERT_BASE)):
                found[name] = partial(transformer, folder, sizes)
                found[f"{name} int8"] = partial(quantized_transformer, folder, sizes)
            found["BERT-large"] = partial(transformer, folder, BERT_LARGE)
        return {name: make for name, make in found.items() if name in (self.chosen or found)}


def load(name: str, components: List[str]) -> Language:
    """Load a pipeline with some of its components."""
    nlp = spacy.load(name)
    nlp.select_pipes(enable=components)
    return nlp


def pipeline(name: str, components: List[str]) -> System:
    nlp = load(name, components)

    def run(docs: List[Doc]) -> None:
        if len(docs) == 1:
            nlp(docs[0])
        else:
            for _ in nlp.pipe(docs, batch_size=len(docs)):
                pass

    def prepare(sentences: List[Words]) -> List[Doc]:
        return [Doc(nlp.vocab, words=words) for words in sentences]

    return System(prepare, run, count_parameters(nlp, components))


def count_parameters(nlp: Language, components: List[str]) -> int:
    """Count the parameters of these components, and the word vectors."""
    total = nlp.vocab.vectors.data.size
    for name in components:
        pipe: Any = nlp.get_pipe(name)
        for node in pipe.model.walk():
            total += sum(node.get_param(key).size for key in node.param_names)
            if node.attrs.get("vector_table"):
                total += node.attrs["vector_table"]["data"].size
    return total


def untrained(batches: List[List[Words]], n_labels: int) -> Dict[str, Callable[[], None]]:
    """Create a new student of default size with random word vectors.

    RETURNS (Dict[str, Callable[[], None]]): What trains it on the batches, on entities that are
        drawn, and on a teacher whose chains are ready.
    """
    import random

    import numpy
    from spacy.tokens import Span
    from spacy.training import Example
    from spacy.vectors import Vectors
    from thinc.api import Adam, fix_random_seed

    fix_random_seed(0)
    generator = random.Random(0)
    nlp = spacy.blank("en")
    keys = {nlp.vocab.strings.add(w.lower()) for batch in batches for words in batch for w in words}
    data = numpy.random.normal(size=(len(keys), 50)).astype("float32")
    nlp.vocab.vectors = Vectors(data=data, keys=sorted(keys), strings=nlp.vocab.strings)
    pipe: Any = nlp.add_pipe("ner_student")
    labels = [f"LABEL{number}" for number in range(n_labels)]
    for label in labels:
        pipe.add_label(label)
    examples = []
    for batch in batches:
        golds = [Doc(nlp.vocab, words=words) for words in batch]
        for gold in golds:
            start = generator.randrange(len(gold))
            end = min(start + generator.choice((1, 2, 3)), len(gold))
            gold.set_ents([Span(gold, start, end, label=generator.choice(labels))])
        examples.append(
            [
                Example(Doc(nlp.vocab, words=words), gold)
                for words, gold in zip(batch, golds, strict=True)
            ]
        )
    pipe.initialize(lambda: examples[0], nlp=nlp, labels=labels)
    chains = [pipe.predict_chain([example.reference for example in batch]) for batch in examples]
    optimizer = Adam(0.001)

    class Teacher:
        def __init__(self, chain: Any) -> None:
            self.labels, self.chain = pipe.labels, chain

        def predict_chain(self, docs: Any) -> Any:
            return self.chain

    def update() -> None:
        for batch in examples:
            pipe.update(batch, drop=0.3, sgd=optimizer)

    def distill() -> None:
        for batch, chain in zip(examples, chains, strict=True):
            # A new chain each time, as from a cache, since a chain keeps its results.
            pipe.distill(Teacher(replace(chain)), batch, drop=0.3, sgd=optimizer)

    return {"update": update, "distill": distill}


def torch_tagger() -> System:
    import torch

    from benchmarks.speed.torch_tagger import TorchTagger

    torch.manual_seed(0)
    model = TorchTagger(N_TAGS).eval()
    return System(model.encode, model, sum(weights.numel() for weights in model.parameters()))


def transformer(folder: str, sizes: Dict[str, int]) -> System:
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertForTokenClassification(BertConfig(num_labels=N_TAGS, **sizes)).eval()

    @torch.inference_mode()
    def run(encoded: Any) -> None:
        model(**encoded).logits.argmax(-1)

    prepare = partial(encode, tokenizer, tensors="pt")
    return System(prepare, run, sum(weights.numel() for weights in model.parameters()))


def quantized_transformer(folder: str, sizes: Dict[str, int]) -> System:
    """Make the same transformer with matrix products in eight bits, by ONNX Runtime's dynamic
    quantization."""
    import os
    import tempfile

    import onnxruntime
    import torch
    from onnxruntime.quantization import quantize_dynamic
    from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = BertConfig(num_labels=N_TAGS, attn_implementation="eager", **sizes)
    model = BertForTokenClassification(config).eval()
    model.config.return_dict = False
    example = encode(tokenizer, [["one", "two"], ["three"]], tensors="pt")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    with tempfile.TemporaryDirectory() as temporary:
        exported, quantized = (os.path.join(temporary, name) for name in ("full", "int8"))
        torch.onnx.export(
            model,
            tuple(example[name] for name in names),
            exported,
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*names, "logits"]},
            dynamo=False,
        )
        quantize_dynamic(exported, quantized)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
        session = onnxruntime.InferenceSession(quantized, options)

    def run(encoded: Any) -> None:
        session.run(None, {name: encoded[name] for name in names})[0].argmax(-1)

    prepare = partial(encode, tokenizer, tensors="np")
    return System(prepare, run, sum(weights.numel() for weights in model.parameters()))


def encode(tokenizer: Any, sentences: List[Words], *, tensors: str) -> Any:
    return tokenizer(
        sentences,
        is_split_into_words=True,
        padding=True,
        truncation=True,
        max_length=512,
        return_tensors=tensors,
    )
