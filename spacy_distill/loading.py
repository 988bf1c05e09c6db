"""Pipelines and models that are loaded from where a person says that they are."""

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

# What spaCy and the libraries under it raise for files that are damaged, or are not what they are
# taken for. A lack of memory is none of these, nor is an error of the system or of a device.
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
    RAISES (OSError): There is none; spaCy says so.
    RAISES (ValueError): There is one that is damaged, or lacks what it was made with.
    """
    try:
        return load_model(name, **options)
    except DAMAGED as error:
        # What is raised depends on the damage, and does not name the pipeline.
        is_told = isinstance(error, ValueError)
        said = str(error) if is_told else f"{type(error).__name__}: {error}"
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
    """Raise another error where files of a Hugging Face model are missing or damaged, of which
    nearly anything comes. A lack of memory stays what it is.

    named (Callable[[Exception], Exception]): Makes the error that names the model.
    """
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError:
        # It is a RuntimeError too.
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
