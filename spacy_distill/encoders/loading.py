"""Load transformers and their tokenizers from a folder or from the Hugging Face hub."""

from pathlib import Path
from typing import Any, Tuple, Union

from ..loading import import_library, model_loading_errors
from ..names import HUB_PREFIX, model_location


def load_transformer(name: Union[str, Path], auto_class: str = "AutoModel") -> Tuple[Any, Any]:
    """Load a transformer and its tokenizer.

    name (Union[str, Path]): A folder, or `hf:OWNER/NAME`.
    auto_class (str): The class of the transformers library that loads the model.
    RETURNS (Tuple[torch.nn.Module, PreTrainedTokenizerFast]): The model, in float32 and in
        evaluation mode, and the tokenizer.
    RAISES (ImportError): The train extra is not installed.
    RAISES (ValueError): There is no such model, it cannot be loaded, or parameters are missing.
    """
    import_library("torch", "train")
    transformers = import_library("transformers", "train")
    place = model_location(name)

    def named(error: Exception) -> ValueError:
        return ValueError(
            f"[D233] '{name}' cannot be loaded as a Hugging Face model. Give a folder with a model "
            f"and its tokenizer, or hf:OWNER/NAME. transformers reports: {error}"
        )

    # Without a value, transformers asks on the terminal whether to run a repository's code.
    options = {"trust_remote_code": False}
    with model_loading_errors(named):
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, use_fast=True, **options)
        model, loaded = getattr(transformers, auto_class).from_pretrained(
            place, output_loading_info=True, **options
        )
    # A missing pooler is initialized at random. It is not used, but the fingerprint of the weights
    # has to be the same each time.
    poolers = [key for key in loaded["missing_keys"] if "pooler" in key]
    for key in poolers:
        model.get_parameter(key).data.zero_()
    missing = sorted(set(loaded["missing_keys"]).difference(poolers))
    if missing:
        raise ValueError(
            f"[D235] The model '{name}' has no values for parameters of {type(model).__name__}: "
            f"{', '.join(missing)}. Choose a model of this class. A token classifier has to be "
            "fine-tuned."
        )
    return model.float().eval(), tokenizer


def hub_commit(name: str) -> str:
    """Find the current commit of a model on the hub.

    name (str): The name of the model, `hf:OWNER/NAME`. Its config is downloaded if it is not in the
        local cache.
    RETURNS (str): The commit, which identifies all files of the model.
    RAISES (ImportError): The train extra is not installed.
    RAISES (ValueError): There is no such model.
    """
    cached_file = import_library("transformers.utils", "train").cached_file
    try:
        return Path(str(cached_file(model_location(name), "config.json"))).parent.name
    except OSError as error:
        raise ValueError(
            f"[D231] There is no model '{name.removeprefix(HUB_PREFIX)}' on the Hugging Face hub, "
            "or it cannot be reached. Correct the name, or name the model's folder. "
            f"transformers reports: {error}"
        ) from error
