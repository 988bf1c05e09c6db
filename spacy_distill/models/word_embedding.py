"""What is known of a token from its word form alone."""

from typing import List, Optional

from spacy.tokens import Doc
from thinc.api import Model, concatenate
from thinc.types import Floats2d, Ragged

from .word_forms import WordForms, with_word_forms


def WordEmbedding(
    vectors: Optional[Model[WordForms, Floats2d]] = None,
    features: Optional[Model[WordForms, Floats2d]] = None,
    characters: Optional[Model[WordForms, Floats2d]] = None,
) -> Model[List[Doc], Ragged]:
    """Embed words by their form: up to three layers, side by side. Each form of a batch is computed
    once, and in prediction it is kept for the next batches.

    vectors (Optional[Model[WordForms, Floats2d]]): `spacy-distill.WordVectors.v1`, or another layer
        over word forms; null to leave it out.
    features (Optional[Model[WordForms, Floats2d]]): `spacy-distill.FormFeatures.v1`, another, or
        null.
    characters (Optional[Model[WordForms, Floats2d]]): `spacy-distill.CharacterCNN.v1`, another, or
        null.
    RETURNS (Model[List[Doc], Ragged]): (tokens, width) for documents.
    RAISES (ValueError): There is no layer.
    """
    layers = [layer for layer in (vectors, features, characters) if layer is not None]
    if not layers:
        raise ValueError(
            "[D607] spacy-distill.WordEmbedding.v1 has no layer: vectors, features and characters "
            "are all null. Give at least one of them."
        )
    return with_word_forms(layers[0] if len(layers) == 1 else concatenate(*layers))
