"""Trainable embeddings of what a word form looks like."""

from typing import Callable, Dict, Optional, Tuple

from spacy.attrs import IDS
from thinc.api import HashEmbed, Model, chain, concatenate
from thinc.types import Floats2d, Ints2d

from .word_forms import ATTRIBUTES, WordForms

# With few labels, tables of words and affixes cost more than they gain (benchmarks/NOTEBOOK.md).
DEFAULT_ROWS = {"SHAPE": 500}


def FormFeatures(
    width: int = 16, rows: Optional[Dict[str, int]] = None
) -> Model[WordForms, Floats2d]:
    """Embed attributes of word forms in hash tables (Serra, Karatzoglou 2017, "Getting Deep
    Recommenders Fit"), side by side.

    width (int): Width of each embedding.
    rows (Optional[Dict[str, int]]): Table size by attribute: LOWER, PREFIX, SUFFIX, SHAPE or ORTH;
        {"SHAPE": 500} if null.
    RETURNS (Model[WordForms, Floats2d]): (forms, attributes * width).
    RAISES (ValueError): There is no such attribute.
    """
    rows = dict(rows or DEFAULT_ROWS)
    unknown = [name for name in rows if IDS.get(name) not in ATTRIBUTES]
    if unknown:
        known = ", ".join(name for name, number in IDS.items() if number in ATTRIBUTES)
        raise ValueError(
            f"[D602] No such feature of a word form: {', '.join(unknown)}. Choose of: {known}."
        )
    # Seeds as in spaCy's MultiHashEmbed: with the rows of a teacher's tok2vec, the
    # words that share a row there share one here, and so the student can learn what comes of it.
    tables = [
        HashEmbed(width, n_rows, column=ATTRIBUTES.index(IDS[name]), seed=seed)
        for seed, (name, n_rows) in enumerate(rows.items(), start=8)
    ]
    return chain(form_attributes(), tables[0] if len(tables) == 1 else concatenate(*tables))


def form_attributes() -> Model[WordForms, Ints2d]:
    """Extract the forms' attributes, (forms, 5) uint64."""
    names = [name for number in ATTRIBUTES for name in IDS if IDS[name] == number]
    return Model("form_attributes", forward, attrs={"columns": names})


def forward(
    model: Model[WordForms, Ints2d], forms: WordForms, is_train: bool
) -> Tuple[Ints2d, Callable]:
    return model.ops.asarray(forms.attributes), lambda d_attributes: None
