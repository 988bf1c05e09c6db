"""Pipelines that are loaded from where a person says that they are."""

from pathlib import Path
from typing import Any, Union

from spacy.language import Language
from spacy.util import load_model


def load_pipeline(name: Union[str, Path], **options: Any) -> Language:
    """Load a trained pipeline.

    name (Union[str, Path]): A package or a folder.
    **options: Those of `spacy.load`.
    RETURNS (Language): The pipeline.
    RAISES (OSError): There is none; spaCy says so.
    RAISES (ValueError): There is one that is broken, or lacks what it was made with.
    """
    try:
        return load_model(name, **options)
    except (OSError, ImportError):
        raise
    except Exception as error:
        # What a damaged file raises depends on the file, and does not name the pipeline.
        raise ValueError(
            f"[D706] The pipeline '{name}' cannot be loaded. Install what it was made with, or "
            f"copy it again. spaCy says: {error}"
        ) from error
