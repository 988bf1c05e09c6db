"""How large a pipeline is."""

from pathlib import Path

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from thinc.api import PyTorchShim


def parameters(nlp: Language) -> int:
    """RETURNS (int): Numbers in the pipeline's models and word vectors."""
    total = nlp.vocab.vectors.data.size
    for _, pipe in nlp.pipeline:
        for node in pipe.model.walk() if isinstance(pipe, TrainablePipe) else ():
            total += sum(node.get_param(name).size for name in node.param_names)
            if node.attrs.get("vector_table"):  # a compact student's word vectors
                total += node.attrs["vector_table"]["data"].size
            for shim in node.shims:
                if isinstance(shim, PyTorchShim):
                    total += sum(weights.numel() for weights in shim._model.parameters())
    return total


def megabytes(path: Path) -> float:
    """RETURNS (float): Size of a folder's files in MB (10**6 bytes)."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
