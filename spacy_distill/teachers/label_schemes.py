"""Label schemes: the classes of a token classification model as BILUO tags."""

from dataclasses import dataclass
from functools import cached_property
from typing import Dict, List, Optional, Sequence, Tuple

import numpy
from thinc.types import Floats1d, Floats2d, Ints2d

from ..chain import constraints, n_tags
from ..chain.biluo import PREFIXES
from ..corpora.tag_names import is_outside, read_tag_names

# The BILUO tags of each letter of a scheme; under "io", each letter has all of them.
TAGS: Dict[str, Dict[str, str]] = {
    "iobes": {"B": "B", "I": "I", "L": "L", "U": "U"},
    "iob2": {"B": "BU", "I": "IL"},
    "ioe2": {"I": "BI", "L": "LU"},
}
# Classes of wordpieces that are no token's first; next to letters, X is one of these too.
NO_TOKEN = {"[CLS]", "[SEP]", "[PAD]", "<PAD>", "PAD"}
CONTINUED = "X"


@dataclass(frozen=True)
class LabelScheme:
    """A model's classes as BILUO tags.

    name (str): "iobes": a class is a tag. "iob2": B-X is B-X or U-X, and I-X is I-X or L-X; which
        one follows from the next tag, so that sequences of classes and of tags correspond one to
        one. "ioe2": I-X is B-X or I-X, and E-X is L-X or U-X; which one follows from the tag
        before. "io": a class is all four tags of its type, and an entity goes on as long as its
        type does.
    labels (Tuple[str, ...]): The entity labels, in the order of the classes.
    columns (Tuple[Tuple[int, ...], ...]): For each tag in BiluoTags' order, the classes that it is
        made of; none where the model has no such class.
    """

    name: str
    labels: Tuple[str, ...]
    columns: Tuple[Tuple[int, ...], ...]

    def emissions(self, log_probabilities: Floats2d) -> Floats2d:
        """Score tags by the classes that they are made of.

        log_probabilities (Floats2d): (rows, classes) float32, a numpy array.
        RETURNS (Floats2d): (rows, tags) float32; -inf for tags without a class.
        """
        none = numpy.full((len(log_probabilities), 1), -numpy.inf, dtype="float32")
        with_none = numpy.concatenate([log_probabilities, none], axis=1)
        return numpy.logaddexp.reduce(with_none[:, self._filled_columns], axis=2)

    @cached_property
    def _filled_columns(self) -> Ints2d:
        """(tags, most classes of a tag), filled up with the column behind the last one."""
        width = max(len(columns) for columns in self.columns)
        return numpy.asarray([[*c, *[-1] * (width - len(c))] for c in self.columns])

    def constraints(self) -> Tuple[Floats1d, Floats2d, Floats1d]:
        """RETURNS (Tuple[Floats1d, Floats2d, Floats1d]): Start, transitions and end as
        `spacy_distill.chain.constraints` gives them; under "io", two entities of one type are not
        neighbours."""
        start, transitions, end = constraints(len(self.labels))
        if self.name == "io":
            transitions = transitions.copy()
            for first in range(1, n_tags(len(self.labels)), len(PREFIXES)):
                begin, last, unit = first, first + 2, first + 3
                transitions[numpy.ix_([last, unit], [begin, unit])] = -numpy.inf
        return start, transitions, end


def read_scheme(names: Sequence[str], scheme: Optional[str] = None) -> LabelScheme:
    """Find the BILUO tags of a model's classes.

    Classes are read as `read_tag_names` does; one of them is the outside class. With letters of
    last or single tokens the scheme is "iobes" (also BILUO, BMEWO and BMES). With B for each type
    it is "iob2". Without any B, and with E for each type, it is "ioe2". Else it is "io": types
    without B are a sign of IOB1, whose B stands only between two entities of one type, and types
    without E are a sign of IOE1.

    names (Sequence[str]): The classes' names, in order.
    scheme (Optional[str]): "iobes", "iob2", "ioe2", "io" or "types"; found by the names if None.
        "io" is the one to choose for an IOB1 model that does have B for each type. Under "types"
        classes are types as they are written, and read as "io".
    RETURNS (LabelScheme): The scheme.
    RAISES (ValueError): The names or the scheme do not fit.
    """
    names = [name.strip() for name in names]
    classes = [name for name in names if name.upper() not in NO_TOKEN]
    parts = read_tag_names([name for name in classes if name != CONTINUED], scheme)
    if CONTINUED in classes and not any(letter in TAGS["iobes"] for letter, _ in parts.values()):
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
            f"and at least one other. {found} Write what they mean to id2label in its config.json."
        )
    kind = _detect(list(inside.values())) if scheme is None else scheme.replace("types", "io")
    labels = tuple(dict.fromkeys(label for _, label in inside.values()))
    columns: List[List[int]] = [outside, *([] for _ in range(n_tags(len(labels)) - 1))]
    for column, (letter, label) in inside.items():
        for prefix in PREFIXES if kind == "io" else TAGS[kind][letter]:
            tag = 1 + len(PREFIXES) * labels.index(label) + PREFIXES.index(prefix)
            columns[tag].append(column)
    for number, label in enumerate(labels):
        begin, _, last, unit = columns[1 + len(PREFIXES) * number :][: len(PREFIXES)]
        if not unit and not (begin and last):
            raise ValueError(
                f"[D243] By the scheme '{kind}', the model cannot find an entity '{label}': it "
                f"has no labels for both of its ends. {found} Choose another scheme."
            )
    return LabelScheme(kind, labels, tuple(tuple(numbers) for numbers in columns))


def _detect(parts: List[Tuple[str, str]]) -> str:
    """RETURNS (str): The scheme of classes with these letters and labels."""
    letters = {letter for letter, _ in parts}
    labels = {label for _, label in parts}
    if letters == {"I", "L"}:
        return "ioe2" if {label for letter, label in parts if letter == "L"} == labels else "io"
    if letters & {"L", "U"}:
        return "iobes"
    begun = {label for letter, label in parts if letter == "B"}
    return "iob2" if begun == labels else "io"
