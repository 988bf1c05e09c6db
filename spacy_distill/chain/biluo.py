"""BILUO tags: their ids, the transitions that are allowed, and the entities that they encode."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Iterable, List, Optional, Tuple

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d, Ints2d

PREFIXES = ("B", "I", "L", "U")
# The tag id of a token without annotation.
UNKNOWN = -1


def n_tags(n_labels: int) -> int:
    """RETURNS (int): The number of tags for `n_labels` labels: O, and B, I, L and U of each."""
    return 1 + len(PREFIXES) * n_labels


@lru_cache(maxsize=64)
def constraints(n_labels: int) -> Tuple[Floats1d, Floats2d, Floats1d]:
    """Create the scores that exclude every tag sequence that is not valid BILUO.

    n_labels (int): The number of entity labels.
    RETURNS (Tuple[Floats1d, Floats2d, Floats1d]): Start (tags,), transitions (tags, tags; from row
        to column) and end (tags,) in float32: 0 where allowed, -inf where not. Read-only.
    """
    size = n_tags(n_labels)
    label = numpy.arange(size - 1) // len(PREFIXES)
    prefix = numpy.arange(size - 1) % len(PREFIXES)
    begins = numpy.concatenate([[True], (prefix == 0) | (prefix == 3)])
    ends = numpy.concatenate([[True], (prefix == 2) | (prefix == 3)])
    # B and I are followed by I or L of the same label.
    open_label = numpy.concatenate([[-1], numpy.where(prefix <= 1, label, -1)])
    goes_on_label = numpy.concatenate([[-2], numpy.where((prefix == 1) | (prefix == 2), label, -2)])
    possible = (ends[:, None] & begins[None, :]) | (open_label[:, None] == goes_on_label[None, :])
    arrays = tuple(
        numpy.where(mask, 0, -numpy.inf).astype("float32") for mask in (begins, possible, ends)
    )
    for array in arrays:
        array.setflags(write=False)
    return arrays  # type: ignore[return-value]


@dataclass(frozen=True)
class BiluoTags:
    """The tags of a list of labels, in a fixed order: O, then B, I, L and U of each label.

    New labels come last, so adding one does not change the ids of the other tags.

    labels (Tuple[str, ...]): The entity labels.
    """

    labels: Tuple[str, ...]

    @property
    def names(self) -> Tuple[str, ...]:
        """The names of the tags, e.g. `("O", "B-PER", "I-PER", "L-PER", "U-PER")`."""
        return ("O", *(f"{prefix}-{label}" for label in self.labels for prefix in PREFIXES))

    def __len__(self) -> int:
        return n_tags(len(self.labels))

    def tag_ids(self, tags: Iterable[Optional[str]]) -> Ints1d:
        """Convert the names of tags to ids.

        tags (Iterable[Optional[str]]): BILUO tags; None, "" or "-" where the tag is unknown.
        RETURNS (Ints1d): (tags,) int64 tag ids, UNKNOWN for unknown tags.
        RAISES (ValueError): A tag is not BILUO, or its label is not one of `labels`.
        """
        ids = []
        for tag in tags:
            prefix, _, label = (tag or "").partition("-")
            if tag in (None, "", "-"):
                ids.append(UNKNOWN)
            elif tag == "O":
                ids.append(0)
            elif prefix in PREFIXES:
                ids.append(self.first_tag(label) + PREFIXES.index(prefix))
            else:
                raise ValueError(
                    f"[D001] '{tag}' is not a BILUO tag: expected O, or B-, I-, L- or U- and a "
                    "label. Convert the annotation, e.g. with spacy.training.iob_to_biluo."
                )
        return numpy.asarray(ids, dtype="int64")

    def first_tag(self, label: str) -> int:
        """RETURNS (int): The id of a label's B tag. The ids of I, L and U are the next three."""
        if label not in self.labels:
            raise ValueError(
                f"[D002] The annotation has the label '{label}', but the labels are: "
                f"{', '.join(self.labels) or 'none'}. Add the label to the component, or remove it "
                "from the annotation."
            )
        return 1 + len(PREFIXES) * self.labels.index(label)

    def allowed(self, tag_ids: Ints1d) -> numpy.ndarray:
        """Mark the tags that an annotation allows.

        tag_ids (Ints1d): (tokens,) tag ids, or UNKNOWN.
        RETURNS (numpy.ndarray): (tokens, tags) bool: the annotated tag; all tags at unknown tokens.
        """
        column = numpy.asarray(tag_ids)[:, None]
        return (column == numpy.arange(len(self))) | (column == UNKNOWN)

    def without_edges(self, excluded: numpy.ndarray) -> numpy.ndarray:
        """Mark the tags that are allowed if some tokens cannot begin or end an entity.

        excluded (numpy.ndarray): (tokens,) bool: True for these tokens, such as white space.
        RETURNS (numpy.ndarray): (tokens, tags) bool: O and I at these tokens, all tags elsewhere.
        """
        edges = numpy.asarray([name[:2] in ("B-", "L-", "U-") for name in self.names])
        return ~(excluded[:, None] & edges)

    def spans(self, tags: Ints1d) -> List[Tuple[int, int, str]]:
        """Convert a valid tag sequence to entities.

        tags (Ints1d): (tokens,) tag ids, a numpy array.
        RETURNS (List[Tuple[int, int, str]]): First token, token after the last, label.
        """
        tags = numpy.asarray(tags)
        (tokens,) = tags.nonzero()
        labels, prefixes = numpy.divmod(tags[tokens] - 1, len(PREFIXES))
        opens, closes = (prefixes == 0) | (prefixes == 3), prefixes >= 2
        starts = numpy.maximum.accumulate(numpy.where(opens, tokens, 0))
        ends = tokens[closes] + 1
        names = [self.labels[label] for label in labels[closes].tolist()]
        return list(zip(starts[closes].tolist(), ends.tolist(), names, strict=True))

    def span_tags(self, length: int, label: str) -> List[int]:
        """RETURNS (List[int]): The tag ids of an entity with `length` tokens."""
        first = self.first_tag(label)
        if length == 1:
            return [first + 3]
        return [first, *[first + 1] * (length - 2), first + 2]

    def segments(self, spans: Iterable[Tuple[int, int, str]]) -> Tuple[Ints1d, Ints2d]:
        """Convert entities to the arguments of `LinearChain.span_marginal`.

        spans (Iterable[Tuple[int, int, str]]): First row, row after the last, label.
        RETURNS (Tuple[Ints1d, Ints2d]): The first rows, (spans,), and the tag ids, (spans, longest
            span), padded with -1.
        """
        spans = list(spans)
        width = max((end - start for start, end, _ in spans), default=0)
        rows = numpy.asarray([start for start, _, _ in spans], dtype="int64")
        tags = numpy.full((len(spans), width), -1, dtype="int64")
        for row, (start, end, label) in zip(tags, spans, strict=True):
            row[: end - start] = self.span_tags(end - start, label)
        return rows, tags
