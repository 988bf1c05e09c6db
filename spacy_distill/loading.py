"""Load pipelines, models and code, with errors that name what cannot be loaded."""

import configparser
import importlib
import re
import struct
import zlib
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from tokenize import TokenError
from typing import Any, Callable, Iterator, Optional, Union

import numpy
from spacy.language import Language
from spacy.util import import_file, load_model
from srsly.msgpack.exceptions import UnpackException

# Errors that spaCy and its libraries raise for files that are damaged or have another format. They
# exclude errors of memory, of the operating system and of devices.
DAMAGE_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    UnpackException,
    struct.error,
    zlib.error,
    # numpy parses the header of an array as a literal of Python.
    TokenError,
    RecursionError,
    OverflowError,
    # A section or setting of the config is there twice.
    configparser.Error,
    # The tokenizer's regular expressions.
    re.error,
)

_CODE = re.compile(r"\[D\d{3}\] ")


def has_code(error: BaseException) -> bool:
    """RETURNS (bool): Whether an error is one of this package, whose message begins with a code. It
    says all that a person needs, so no other error is put in its place."""
    return bool(_CODE.match(str(error)))


def load_pipeline(name: Union[str, Path], **options: Any) -> Language:
    """Load a trained pipeline.

    name (Union[str, Path]): A package or a folder.
    **options: Options of `spacy.load`.
    RETURNS (Language): The pipeline.
    RAISES (OSError): There is no such package or folder. The message is spaCy's.
    RAISES (ValueError): The pipeline is damaged, or a library or function that it needs is missing.
    """
    vectors = Path(name) / "vocab" / "vectors"
    try:
        # Mapping fails if the file is shorter than its header says. spaCy would first allocate.
        rows = numpy.load(vectors, mmap_mode="r") if vectors.is_file() else numpy.zeros((0, 0))
        if rows.size or not len(rows):
            return load_model(name, **options)
    except DAMAGE_ERRORS as error:
        # The error's type depends on the damage, and its message does not name the pipeline.
        has_message = isinstance(error, ValueError)
        reason = str(error) if has_message else f"{type(error).__name__}: {error}"
        raise _damaged(name, f"spaCy says: {reason}") from error
    # spaCy would take memory for each row.
    raise _damaged(name, f"vocab/vectors has {len(rows):,} rows without numbers.")


def _damaged(name: Union[str, Path], reason: str) -> ValueError:
    """Create the error for a pipeline that cannot be loaded."""
    return ValueError(
        f"[D706] The pipeline '{name}' cannot be loaded. Install the packages that it needs, copy "
        f"it again, or correct its code. {reason}"
    )


def import_code(path: Optional[Union[str, Path]]) -> None:
    """Import a Python file with functions that configs and pipelines name.

    path (Optional[Union[str, Path]]): The file. If None, nothing is imported.
    RAISES (ValueError): The file cannot be imported.
    """
    if path is None:
        return
    try:
        import_file("python_code", path)
    except Exception as error:
        # The file's code can raise any error.
        raise ValueError(
            f"[D708] The Python file '{path}' cannot be imported: {type(error).__name__}: {error}. "
            "Correct the file, or the path (--code)."
        ) from error


@contextmanager
def model_loading_errors(make_error: Callable[[Exception], Exception]) -> Iterator[None]:
    """Replace errors about missing or damaged files of a Hugging Face model with an error that
    names the model. Out-of-memory errors are not replaced.

    make_error (Callable[[Exception], Exception]): Creates the new error from the old one.
    """
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError:
        # OutOfMemoryError is a subclass of RuntimeError.
        raise
    except (
        OSError,
        RuntimeError,
        ImportError,
        UnpicklingError,
        SafetensorError,
        *DAMAGE_ERRORS,
    ) as error:
        raise make_error(error) from error


def import_library(name: str, extra: str) -> Any:
    """Import a library of an extra.

    name (str): The module.
    extra (str): The extra that installs it.
    RETURNS (Any): The module.
    RAISES (ImportError): The library is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"[D305] The library {name} is required and cannot be imported. Install it with `pip "
            f'install "spacy-distill[{extra}]"`.'
        ) from error
