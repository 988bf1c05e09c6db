"""The pipelines of a comparison, with their descriptions and sizes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple, Union

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.util import get_package_path, is_package
from thinc.api import PyTorchShim

from ..loading import load_pipeline
from ..teachers.written_attributes import entity_labels


@dataclass(frozen=True)
class System:
    """A pipeline and its role in a comparison.

    role (str): "student", "teacher" or "baseline".
    source (str): The name or path that it was loaded from.
    nlp (Language): The pipeline.
    path (Optional[Path]): The folder of its files; None if it has none.
    behind (Optional[Language]): The teacher's pipeline, if `nlp` only writes its entities.
    """

    role: str
    source: str
    nlp: Language
    path: Optional[Path]
    behind: Optional[Language] = None

    @property
    def labels(self) -> Tuple[str, ...]:
        """The labels of the components that write entities, if these have the attribute."""
        return tuple(entity_labels(self.nlp))

    def describe(self) -> Dict[str, Any]:
        """Describe the pipeline for report.json.

        RETURNS (Dict[str, Any]): "role", "source", "name", "version", "spacy_version", "lang",
            "pipeline", "labels", "parameters" (None if it is no saved pipeline) and "megabytes"
            (None without files).
        """
        nlp = self.behind or self.nlp
        meta = nlp.meta
        trained = (self.path / "meta.json").is_file() if self.path else False
        return {
            "role": self.role,
            "source": self.source,
            "name": f"{meta['lang']}_{meta['name']}" if trained else self.source,
            "version": meta["version"] if trained else "",
            "spacy_version": meta["spacy_version"] if trained else "",
            "lang": meta["lang"],
            "pipeline": list(nlp.pipe_names),
            "labels": list(self.labels),
            "parameters": parameters(nlp) if trained else None,
            "megabytes": megabytes(self.path) if self.path else None,
        }


def load_system(role: str, source: Union[str, Path]) -> System:
    """Load a pipeline for a comparison.

    role (str): "student", "teacher" or "baseline".
    source (Union[str, Path]): The name of a package, or a folder.
    RETURNS (System): The pipeline with its role.
    RAISES (OSError): There is no such package or folder.
    """
    return System(role, str(source), load_pipeline(source), files_of(source))


def files_of(source: Union[str, Path]) -> Optional[Path]:
    """Find the folder of a pipeline or model; None if it has no local files."""
    if is_package(str(source)):
        return get_package_path(str(source))
    return Path(source) if Path(source).is_dir() else None


def parameters(nlp: Language) -> int:
    """Count the parameters of a pipeline's models, with its word vectors.

    nlp (Language): The pipeline.
    RETURNS (int): Number of parameters.
    """
    total = nlp.vocab.vectors.data.size
    for _, pipe in nlp.pipeline:
        for node in pipe.model.walk() if isinstance(pipe, TrainablePipe) else ():
            names = filter(node.has_param, node.param_names)  # a pruned stack has no gates
            total += sum(node.get_param(name).size for name in names)
            table = node.attrs.get("vector_table")  # the word vectors of a compact student
            total += len(table["data"]) * node.get_dim("nO") if table else 0
            for shim in node.shims:
                if isinstance(shim, PyTorchShim):
                    total += sum(weights.numel() for weights in shim._model.parameters())
    return total


def needs_torch(nlp: Language) -> bool:
    """Check whether a pipeline has a torch model.

    nlp (Language): The pipeline.
    RETURNS (bool): Whether it has one.
    """
    pipes = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, TrainablePipe)]
    shims = [shim for pipe in pipes for node in pipe.model.walk() for shim in node.shims]
    return any(isinstance(shim, PyTorchShim) for shim in shims)


def megabytes(path: Path) -> float:
    """Compute the size of a folder's files.

    path (Path): The folder.
    RETURNS (float): Size in MB (10**6 bytes).
    """
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
