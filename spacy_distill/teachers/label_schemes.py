"""Map the classes of a token classification model to BILUO tags."""

from dataclasses import dataclass
from functools import cached_property
from typing import Dict, List, Optional, Sequence, Tuple

import numpy
from thinc.types import Floats1d, Floats2d, Ints2d

from ..chain import constraints, n_tags
from ..chain.biluo import PREFIXES
from ..corpora.tag_names import is_outside, read_tag_names

# The BILUO tags for each letter of a scheme. With "io", each letter stands for all tags.
TAGS_BY_LETTER: Dict[str, Dict[str, str]] = {
    "iobes": {"B": "B", "I": "I", "L": "L", "U": "U"},
    "iob2": {"B": "BU", "I": "IL"},
    "ioe2": {"I": "BI", "L": "LU"},
}
# Classes of wordpieces that are not the first of a token. X is such a class if others have letters.
IGNORED_CLASSES = {"[CLS]", "[SEP]", "[PAD]", "<PAD>", "PAD"}
CONTINUED = "X"


@dataclass(frozen=True)
class LabelScheme:
    """A mapping from a model's classes to BILUO tags.

    name (str): "iobes": each class is one tag. "iob2": class B-X is tag B-X or U-X, and class I-X
        is tag I-X or L-X. The next tag decides, so that sequences of classes and tags correspond
        one to one. "ioe2": class I-X is tag B-X or I-X, and class E-X is tag L-X or U-X. The
        previous tag decides. "io": a class is any of the four tags of its type, and neighbouring
        tokens of one type are one entity.
    labels (Tuple[str, ...]): The entity labels, in the order of the classes.
    columns (Tuple[Tuple[int, ...], ...]): For each tag in the order of BiluoTags, the indices of
        its classes; empty if the model has no class for the tag.
    """

    name: str
    labels: Tuple[str, ...]
    columns: Tuple[Tuple[int, ...], ...]

    def emissions(self, log_probabilities: Floats2d) -> Floats2d:
        """Compute the scores of tags from the scores of their classes.

        log_probabilities (Floats2d): (rows, classes) float32, a numpy array.
        RETURNS (Floats2d): (rows, tags) float32; -inf for tags without classes.
        """
        none = numpy.full((len(log_probabilities), 1), -numpy.inf, dtype="float32")
        with_none = numpy.concatenate([log_probabilities, none], axis=1)
        return numpy.logaddexp.reduce(with_none[:, self._padded_columns], axis=2)

    @cached_property
    def _padded_columns(self) -> Ints2d:
        """(tags, maximum number of classes), padded with -1, the index of an extra column."""
        width = max(len(columns) for columns in self.columns)
        return numpy.asarray([[*c, *[-1] * (width - len(c))] for c in self.columns])

    def constraints(self) -> Tuple[Floats1d, Floats2d, Floats1d]:
        """RETURNS (Tuple[Floats1d, Floats2d, Floats1d]): The scores of start, transitions and end,
        as in `spacy_distill.chain.constraints`. With "io", an entity cannot directly follow one of
        the same type."""
        start, transitions, end = constraints(len(self.labels))
        if self.name == "io":
            transitions = transitions.copy()
            for first in range(1, n_tags(len(self.labels)), len(PREFIXES)):
                begin, last, unit = first, first + 2, first + 3
                transitions[numpy.ix_([last, unit], [begin, unit])] = -numpy.inf
        return start, transitions, end


def read_scheme(names: Sequence[str], scheme: Optional[str] = None) -> LabelScheme:
    """Find the BILUO tags of a model's classes.

    The names of classes are parsed by `read_tag_names`, and one of them must be the outside class.
    The scheme is "iobes" (or BILUO, BMEWO, BMES) if there are letters for last or single tokens,
    and "iob2" if each type has B. It is "ioe2" if no type has B and each has E. Otherwise it is
    "io": types without B may be IOB1, where B is used only between two entities of one type, and
    types without E may be IOE1.

    names (Sequence[str]): The names of the classes, in order.
    scheme (Optional[str]): "iobes", "iob2", "ioe2", "io" or "types"; detected from the names if
        None. Choose "io" for an IOB1 model that has B for each type. With "types", the name of a
        class is its type, and the classes are read as with "io".
    RETURNS (LabelScheme): The scheme.
    RAISES (ValueError): The names cannot be parsed, or do not fit the scheme.
    """
    names = [name.strip() for name in names]
    classes = [name for name in names if name.upper() not in IGNORED_CLASSES]
    parts = read_tag_names([name for name in classes if name != CONTINUED], scheme)
    if CONTINUED in classes and not any(
        letter in TAGS_BY_LETTER["iobes"] for letter, _ in parts.values()
    ):
        parts = read_tag_names(classes, scheme)
    outside = [column for column, name in enumerate(names) if is_outside(name)]
    inside = {
        column: parts[name]
        for column, name in enumerate(names)
        if name in parts and not is_outside(name)
    }
    found = f"The model's labels are: {', '.join(names)}."
    if not outside or not inside:
        raise ValueError(
            "[D241] A token classification model needs a label for tokens outside of entities (O) "
            f"and at least one other. {found} Write the types to id2label in its config.json."
        )
    kind = (
        _detect_scheme(list(inside.values())) if scheme is None else scheme.replace("types", "io")
    )
    labels = tuple(dict.fromkeys(label for _, label in inside.values()))
    columns: List[List[int]] = [outside, *([] for _ in range(n_tags(len(labels)) - 1))]
    for column, (letter, label) in inside.items():
        for prefix in PREFIXES if kind == "io" else TAGS_BY_LETTER[kind][letter]:
            tag = 1 + len(PREFIXES) * labels.index(label) + PREFIXES.index(prefix)
            columns[tag].append(column)
    for number, label in enumerate(labels):
        begin, _, last, unit = columns[1 + len(PREFIXES) * number :][: len(PREFIXES)]
        if not unit and not (begin and last):
            raise ValueError(
                f"[D243] With the scheme '{kind}', the model cannot find an entity '{label}': it "
                f"has no labels for the beginning and the end. {found} Choose another scheme."
            )
    return LabelScheme(kind, labels, tuple(tuple(numbers) for numbers in columns))


def _detect_scheme(parts: List[Tuple[str, str]]) -> str:
    """RETURNS (str): The scheme of classes by their letters and labels."""
    letters = {letter for letter, _ in parts}
    labels = {label for _, label in parts}
    if letters == {"I", "L"}:
        return "ioe2" if {label for letter, label in parts if letter == "L"} == labels else "io"
    if letters & {"L", "U"}:
        return "iobes"
    begun = {label for letter, label in parts if letter == "B"}
    return "iob2" if begun == labels else "io"
