"""Load pipelines, models and code, with errors that name what cannot be loaded."""

import importlib
import struct
import zlib
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from tokenize import TokenError
from typing import Any, Callable, Iterator, Optional, Union

from spacy.language import Language
from spacy.util import import_file, load_model
from srsly.msgpack.exceptions import UnpackException

# Errors of spaCy and the libraries under it for files that are damaged or have another format.
# Errors of memory, of the operating system and of devices are not among them.
DAMAGED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    UnpackException,
    struct.error,
    zlib.error,
    # numpy reads the header of an array as Python.
    TokenError,
)


def load_pipeline(name: Union[str, Path], **options: Any) -> Language:
    """Load a trained pipeline.

    name (Union[str, Path]): A package or a folder.
    **options: Those of `spacy.load`.
    RETURNS (Language): The pipeline.
    RAISES (OSError): There is no such package or folder. The message is spaCy's.
    RAISES (ValueError): The pipeline is damaged, or a library or function that it needs is missing.
    """
    try:
        return load_model(name, **options)
    except DAMAGED as error:
        # The type depends on the damage, and the message does not name the pipeline.
        has_message = isinstance(error, ValueError)
        said = str(error) if has_message else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"[D706] The pipeline '{name}' cannot be loaded. Install what it was made with, copy "
            f"it again, or mend its code. spaCy says: {said}"
        ) from error


def import_code(path: Optional[Union[str, Path]]) -> None:
    """Import a Python file with functions that configs and pipelines name.

    path (Optional[Union[str, Path]]): The file; nothing is imported if None.
    RAISES (ValueError): The file cannot be imported.
    """
    if path is None:
        return
    try:
        import_file("python_code", path)
    except Exception as error:
        # Anything can happen in the file's code.
        raise ValueError(
            f"[D708] The Python file '{path}' cannot be imported: {type(error).__name__}: {error}. "
            "Correct the file, or the path (--code)."
        ) from error


@contextmanager
def naming_model(named: Callable[[Exception], Exception]) -> Iterator[None]:
    """Replace errors about missing or damaged files of a Hugging Face model by one that names the
    model. Errors of memory are not replaced.

    named (Callable[[Exception], Exception]): Makes the new error from the old one.
    """
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError:
        # This is a RuntimeError too.
        raise
    except (
        OSError,
        RuntimeError,
        ImportError,
        UnpicklingError,
        SafetensorError,
        *DAMAGED,
    ) as error:
        raise named(error) from error


def import_library(name: str) -> Any:
    """Import a library of the train extra.

    name (str): The module.
    RETURNS (Any): The module.
    RAISES (ImportError): The library is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"[D305] The library {name} is needed here and cannot be imported. Install it with "
            '`pip install "spacy-distill[train]"`.'
        ) from error
