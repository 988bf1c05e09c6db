"""Load a teacher's transformer, and compute the contextual vectors of words with it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import numpy
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.util import is_package
from thinc.types import Floats2d

from ..encoders.encoder import BATCH_SIZE, Encoder
from ..encoders.loading import load_transformer
from ..loading import import_library, load_pipeline

# The default layer, as a share of the depth.
DEFAULT_LAYER = 1 / 2


class NoTransformerError(ValueError):
    """Raised if a pipeline does not have exactly one transformer that can be read."""


@dataclass
class WordEncoder:
    """A transformer, and the layer whose hidden states are used as word vectors.

    encoder (Encoder): The transformer.
    layer (int): The layer; 0 is the embeddings.
    """

    encoder: Encoder
    layer: int

    @cached_property
    def is_uncased(self) -> bool:
        """Whether the tokenizer lower-cases text."""
        tokenize = self.encoder.tokenizer.tokenize
        return tokenize("Oslo UN") == tokenize("oslo un")

    def key(self, word: str) -> str:
        """RETURNS (str): The word, lower-cased if the tokenizer is uncased."""
        return word.lower() if self.is_uncased else word

    def pipe(
        self, docs: Iterable[Doc], **bar: Any
    ) -> Iterator[Tuple[List[str], Floats2d, numpy.ndarray]]:
        """YIELDS (Tuple[List[str], Floats2d, numpy.ndarray]): For each batch, the keys of the
        words; their vectors, (words, width) float32; and whether the tokenizer keeps them, (words,)
        bool. Words that it drops, such as line breaks, have zeros. `bar` are the options of the
        progress bar of `Encoder.pipe`."""
        for batch, vectors, n_pieces in self.encoder.pipe(docs, self.layer, **bar):
            yield [self.key(token.text) for doc in batch for token in doc], vectors, n_pieces > 0


def load_word_encoder(
    teacher: Union[str, Language],
    *,
    layer: Optional[int] = None,
    batch_size: int = BATCH_SIZE,
    use_gpu: int = -1,
) -> Tuple[WordEncoder, Optional[str]]:
    """Load a teacher's transformer.

    teacher (Union[str, Language]): A spaCy pipeline with a transformer, loaded or as a package or a
        folder; or a Hugging Face model, as a folder or `hf:OWNER/NAME`.
    layer (Optional[int]): The layer of the hidden states: 0 is the embeddings, 1 the first layer,
        -1 the last layer, None the middle layer.
    batch_size (int): The number of wordpieces that are read at once, with padding.
    use_gpu (int): The GPU id; -1 is the CPU.
    RETURNS (Tuple[WordEncoder, Optional[str]]): The encoder, and the language of the pipeline;
        None for a Hugging Face model.
    RAISES (NoTransformerError): The pipeline does not have exactly one transformer.
    RAISES (ValueError): The teacher does not exist or cannot be loaded; or there is no such GPU or
        layer.
    RAISES (ImportError): torch or transformers is not installed.
    """
    lang = None
    name = teacher.meta["name"] if isinstance(teacher, Language) else teacher
    if isinstance(teacher, Language) or _is_pipeline(teacher):
        nlp = teacher if isinstance(teacher, Language) else load_pipeline(teacher)
        lang = nlp.lang
        model, tokenizer = pipeline_transformer(nlp, name)
    elif Path(teacher).exists() and not (Path(teacher) / "config.json").is_file():
        raise ValueError(
            f"[D623] {teacher}: found neither a spaCy pipeline (meta.json) nor a Hugging Face "
            "model (config.json). Name a folder that has one of these."
        )
    else:
        model, tokenizer = load_transformer(teacher)
    import_library("torch", "train")
    model = model.to(torch_device(use_gpu)).float().eval()
    encoder = Encoder(model, tokenizer, name=name, batch_size=batch_size)
    depth = encoder.depth
    if layer is None:
        layer = round(DEFAULT_LAYER * depth)
    if not -depth - 1 <= layer <= depth:
        raise ValueError(
            f"[D628] The transformer has no layer {layer}: it has {depth} layers. Choose 0 "
            f"(its embeddings) to {depth}."
        )
    return WordEncoder(encoder, layer % (depth + 1)), lang


def _is_pipeline(name: str) -> bool:
    return is_package(name) or (Path(name) / "meta.json").is_file()


def pipeline_transformer(nlp: Language, name: str) -> Tuple[Any, Any]:
    """RETURNS (Tuple[Any, Any]): The transformer and the tokenizer of a pipeline's component."""
    found: Dict[str, Tuple[Any, Any]] = {}
    for component, pipe in nlp.pipeline:
        for node in pipe.model.walk() if isinstance(pipe, TrainablePipe) else ():
            # spacy-transformers stores the transformer in the node, this package in its shim.
            for holder in (node, *node.shims):
                if hasattr(holder, "transformer"):
                    found[component] = holder.transformer, holder.tokenizer
    if len(found) != 1:
        what = f"several transformers ({', '.join(found)})" if found else "no transformer"
        raise NoTransformerError(
            f"[D624] The pipeline {name} has {what} among its components "
            f"({', '.join(nlp.pipe_names) or 'none'}). Expected one of spacy-transformers or of "
            "`TransformerLayers`, as a component or within one. Of curated transformers, name the "
            "Hugging Face model instead."
        )
    return next(iter(found.values()))


def torch_device(use_gpu: int) -> str:
    """RETURNS (str): The name of the device in torch. Cupy is not needed."""
    import torch

    if use_gpu < 0:
        return "cpu"
    if use_gpu >= torch.cuda.device_count():
        raise ValueError(
            f"[D731] GPU {use_gpu} was requested, but the number of GPUs that torch finds is "
            f"{torch.cuda.device_count()}. Leave out --gpu-id to run on the CPU."
        )
    return f"cuda:{use_gpu}"
