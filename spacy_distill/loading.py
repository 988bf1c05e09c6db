"""Pipelines that are loaded from where a person says that they are."""

import struct
import zlib
from pathlib import Path
from typing import Any, Union

from spacy.language import Language
from spacy.util import load_model
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
        raise ValueError(
            f"[D706] The pipeline '{name}' cannot be loaded. Install what it was made with, or "
            f"copy it again. spaCy says: {error}"
        ) from error
