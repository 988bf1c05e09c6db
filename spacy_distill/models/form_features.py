"""Trainable embeddings of lexical attributes, such as the shape of a word form."""

from typing import Callable, Dict, Mapping, Optional, Tuple

from spacy.attrs import IDS
from thinc.api import HashEmbed, Model, chain, concatenate
from thinc.types import Floats2d, Ints2d

from ..checks import require_range
from .word_forms import ATTRIBUTES, WordForms

# With few labels, tables of words and affixes reduce the F1 (benchmarks/NOTEBOOK.md).
DEFAULT_ROWS = {"SHAPE": 500}


def FormFeatures(
    width: int = 16, rows: Optional[Dict[str, int]] = None
) -> Model[WordForms, Floats2d]:
    """Build hash embeddings of attributes of word forms, and concatenate them (Serra, Karatzoglou
    2017, "Getting Deep Recommenders Fit").

    width (int): The width of each embedding.
    rows (Optional[Dict[str, int]]): The table size of each attribute: LOWER, PREFIX, SUFFIX, SHAPE
        or ORTH; {"SHAPE": 500} if null.
    RETURNS (Model[WordForms, Floats2d]): From word forms to (forms, attributes * width).
    RAISES (ValueError): An attribute is none of these, or a number is too small.
    """
    rows = dict(DEFAULT_ROWS if rows is None else rows)
    require_range("width", width, 1)
    require_range("the number of attributes in rows", len(rows), 1)
    unknown = [name for name in rows if IDS.get(name) not in ATTRIBUTES]
    if unknown:
        known = ", ".join(name for name, number in IDS.items() if number in ATTRIBUTES)
        raise ValueError(
            f"[D602] A word form has no attribute {', '.join(unknown)}. Choose from: {known}."
        )
    for name, n_rows in rows.items():
        require_range(f"rows of {name}", n_rows, 1)
    # The same seeds as in spaCy's MultiHashEmbed. With the same table sizes, words that share a row
    # in a teacher's tok2vec share one here too, so the student can imitate the effects.
    tables = [
        HashEmbed(width, n_rows, column=ATTRIBUTES.index(IDS[name]), seed=seed)
        for seed, (name, n_rows) in enumerate(rows.items(), start=8)
    ]
    for node in (node for table in tables for node in table.walk()):
        if "E" in node.param_names:
            node.attrs["shapes"] = shapes
    return chain(form_attributes(), tables[0] if len(tables) == 1 else concatenate(*tables))


def shapes(dims: Mapping[str, int]) -> Dict[str, Tuple[int, ...]]:
    """RETURNS (Dict[str, Tuple[int, ...]]): The shape of a table."""
    return {"E": (dims["nV"], dims["nO"])}


def form_attributes() -> Model[WordForms, Ints2d]:
    """Build the layer that returns the attributes of word forms, (forms, 5) uint64."""
    names = [name for number in ATTRIBUTES for name in IDS if IDS[name] == number]
    return Model("form_attributes", forward, attrs={"columns": names})


def forward(
    model: Model[WordForms, Ints2d], forms: WordForms, is_train: bool
) -> Tuple[Ints2d, Callable]:
    return model.ops.asarray(forms.attributes), lambda d_attributes: None
