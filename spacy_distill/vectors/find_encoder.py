"""The transformer inside a teacher."""

from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.util import is_package

from ..loading import load_pipeline, naming_model
from ..names import model_place
from .word_encoder import WordEncoder


def find_encoder(
    teacher: str, *, layer: Optional[int] = None, batch_size: int = 64, use_gpu: int = -1
) -> Tuple[WordEncoder, Optional[str]]:
    """Load a teacher's transformer.

    teacher (str): A spaCy pipeline with a transformer of spacy-transformers, as a package or a
        folder; or a Hugging Face model, as a folder or `hf:OWNER/NAME`.
    layer (Optional[int]): As in WordEncoder.
    batch_size (int): As in WordEncoder.
    use_gpu (int): GPU id, -1 for the CPU.
    RETURNS (Tuple[WordEncoder, Optional[str]]): The encoder, and the language of the pipeline;
        None for a Hugging Face model.
    RAISES (ValueError): There is no such teacher, or it cannot be loaded, has no transformer or
        several, or there is no such GPU or layer.
    RAISES (ImportError): torch or transformers is not installed.
    """
    device = require_torch_device(use_gpu)
    folder = Path(teacher)
    lang = None
    if is_package(teacher) or (folder / "meta.json").is_file():
        nlp = load_pipeline(teacher)
        lang = nlp.lang
        model, tokenizer = pipeline_transformer(nlp, teacher)
    elif folder.exists() and not (folder / "config.json").is_file():
        raise ValueError(
            f"[D623] {teacher}: found neither a spaCy pipeline (meta.json) nor a Hugging Face "
            "model (config.json). Name the folder of one."
        )
    else:
        model, tokenizer = hugging_face_transformer(teacher)
    options = {"device": device, "batch_size": batch_size}
    return WordEncoder(model, tokenizer, layer=layer, **options), lang  # type: ignore[arg-type]


def pipeline_transformer(nlp: Language, name: str) -> Tuple[Any, Any]:
    """RETURNS (Tuple[Any, Any]): The transformer and the tokenizer of a pipeline's component."""
    found: Dict[str, Any] = {
        component: node
        for component, pipe in nlp.pipeline
        if isinstance(pipe, TrainablePipe)
        for node in pipe.model.walk()
        if hasattr(node, "transformer")
    }
    if len(found) != 1:
        what = f"several transformers ({', '.join(found)})" if found else "no transformer"
        raise ValueError(
            f"[D624] The pipeline {name} has {what} among its components "
            f"({', '.join(nlp.pipe_names) or 'none'}). Expected one of spacy-transformers, as a "
            "component or within one. Of curated transformers, name the Hugging Face model instead."
        )
    (model,) = found.values()
    return model.transformer, model.tokenizer


def hugging_face_transformer(name: str) -> Tuple[Any, Any]:
    """RETURNS (Tuple[Any, Any]): The transformer and the tokenizer of a folder or of
    `hf:OWNER/NAME`."""
    from transformers import AutoModel, AutoTokenizer

    place = model_place(name)

    def named(error: Exception) -> ValueError:
        return ValueError(
            f"[D625] '{name}' cannot be loaded as a Hugging Face model. Correct the name. "
            f"transformers says: {error}"
        )

    with naming_model(named):
        # Told nothing, transformers asks on the terminal whether to run a repository's code.
        model = AutoModel.from_pretrained(place, trust_remote_code=False)
        return model, AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def require_torch_device(use_gpu: int) -> str:
    """RETURNS (str): The device's name in torch; the transformer needs no cupy."""
    try:
        import torch
        import transformers  # noqa: F401 - whatever the teacher is, its transformer is of these
    except ImportError as error:
        raise ImportError(
            f"[D626] A teacher's transformer cannot run here: {error}. Install what it needs with "
            '`pip install "spacy-distill[train]"`.'
        ) from error
    if use_gpu < 0:
        return "cpu"
    if use_gpu >= torch.cuda.device_count():
        raise ValueError(
            f"[D731] GPU {use_gpu} was asked for, but torch finds {torch.cuda.device_count()} "
            "here. Leave out --gpu-id to run on the CPU."
        )
    return f"cuda:{use_gpu}"
