"""Transformers with their tokenizers, from a folder or from the Hugging Face hub."""

from pathlib import Path
from typing import Any, Tuple, Union

from ..loading import model_loading_errors
from ..names import HUB_PREFIX, model_location


def load_transformer(name: Union[str, Path], kind: str = "AutoModel") -> Tuple[Any, Any]:
    """Load a transformer and its tokenizer.

    name (Union[str, Path]): A folder, or `hf:OWNER/NAME`.
    kind (str): The class of transformers that loads the model.
    RETURNS (Tuple[torch.nn.Module, PreTrainedTokenizerFast]): The model, in float32 and in
        evaluation mode, and the tokenizer.
    RAISES (ImportError): The train extra is not installed.
    RAISES (ValueError): There is no such model, it is damaged, or its files lack parameters.
    """
    require_transformers(name)
    import transformers

    place = model_location(name)

    def named(error: Exception) -> ValueError:
        return ValueError(
            f"[D233] '{name}' cannot be loaded as a Hugging Face model. Give a folder with a model "
            f"and its tokenizer, or hf:OWNER/NAME. transformers says: {error}"
        )

    # Without a value, transformers asks on the terminal whether to run a repository's code.
    options = {"trust_remote_code": False}
    with model_loading_errors(named):
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, use_fast=True, **options)
        model, loaded = getattr(transformers, kind).from_pretrained(
            place, output_loading_info=True, **options
        )
    # Random where the files lack it. Nothing reads it, and a cache must know the weights again.
    poolers = [key for key in loaded["missing_keys"] if "pooler" in key]
    for key in poolers:
        model.get_parameter(key).data.zero_()
    missing = sorted(set(loaded["missing_keys"]).difference(poolers))
    if missing:
        raise ValueError(
            f"[D235] The files of the model '{name}' lack parameters that {type(model).__name__} "
            f"needs: {', '.join(missing)}. Take a model that was trained as one. To classify "
            "tokens, it has to be fine-tuned for that."
        )
    return model.float().eval(), tokenizer


def require_transformers(name: Union[str, Path]) -> None:
    """Make sure that torch and transformers are installed.

    name (Union[str, Path]): The model that needs them.
    RAISES (ImportError): One of them is not.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"[D232] The transformer of '{name}' needs transformers and torch: {error}. Install "
            'them with `pip install "spacy-distill[train]"`.'
        ) from error


def hub_commit(name: str) -> str:
    """Find the commit at which a model of the hub would be loaded now.

    name (str): The model's name, `hf:OWNER/NAME`. Its configuration is downloaded if it is not
        there already.
    RETURNS (str): The commit, which identifies all of the model's files.
    RAISES (ImportError): The train extra is not installed.
    RAISES (ValueError): There is no such model.
    """
    require_transformers(name)
    from transformers.utils import cached_file

    try:
        return Path(str(cached_file(model_location(name), "config.json"))).parent.name
    except OSError as error:
        raise ValueError(
            f"[D231] There is no model '{name.removeprefix(HUB_PREFIX)}' on the Hugging Face hub, "
            "or it cannot be reached. Correct the name, or name the model's folder. transformers "
            f"says: {error}"
        ) from error
