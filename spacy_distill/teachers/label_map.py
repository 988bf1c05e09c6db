"""Map the labels of a teacher to other labels."""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_array_module
from thinc.types import Floats2d

from ..chain import LinearChain, chain_from_marginals, n_tags
from ..corpora.tag_names import is_outside
from .predictions import predict
from .protocol import Teacher, find_tags


class MappedTeacher:
    """A teacher with mapped labels. The probabilities of labels with the same new label are added.
    The probability of a label without a new label is added to O."""

    def __init__(self, teacher: Teacher, label_map: Mapping[str, str]) -> None:
        """Create the teacher.

        teacher (Teacher): The teacher whose labels are mapped.
        label_map (Mapping[str, str]): New labels by old ones. A label of the teacher that is also a
            new label is kept; all other labels are dropped.
        RAISES (ValueError): No label of the teacher is kept, or a new label means no entity.
        """
        require_labels(label_map)
        self.teacher = teacher
        kept = set(label_map.values())
        targets: Dict[str, str] = {label: label for label in teacher.labels if label in kept}
        targets.update({old: new for old, new in label_map.items() if old in teacher.labels})
        if not targets:
            raise ValueError(
                f"[D211] The label map has the labels {', '.join(sorted(label_map)) or 'nothing'}, "
                f"but the teacher's labels are: {', '.join(teacher.labels) or 'none'}. Map one of "
                "these."
            )
        self.labels: Tuple[str, ...] = tuple(sorted(set(targets.values())))
        new_tags = find_tags([targets.get(label) for label in teacher.labels], self.labels)
        self._new_tags = numpy.maximum(new_tags, 0).tolist()

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the chain of documents, and add the marginals of labels with the same new label.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence per document, over the tags of the new labels.
        """
        chain = predict(self.teacher, docs)
        marginals = chain.marginals()
        xp = get_array_module(marginals)
        mapped: Floats2d = xp.zeros((len(marginals), n_tags(len(self.labels))), dtype="float32")
        for old, new in enumerate(self._new_tags):
            mapped[:, new] += marginals[:, old]
        return chain_from_marginals(mapped, chain.lengths, chain.known)


def parse_label_map(text: str) -> Dict[str, str]:
    """Parse a label map from the command line.

    text (str): Pairs such as "PERSON=PER,GPE=LOC,LOC=LOC". For labels that contain commas or equals
        signs, a JSON object or the path of a `.json` file.
    RETURNS (Dict[str, str]): New labels by old ones.
    RAISES (ValueError): A part is not a pair, the JSON is not valid, or a label occurs twice.
    """
    text, name = text.strip(), "The label map"
    is_json = text.startswith("{")
    if not is_json and text.lower().endswith(".json"):
        is_json, name, path = True, f"'{text}'", Path(text)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"[D281] The label map '{path}' cannot be read: {error}. Correct the path, or "
                "write the file in UTF-8."
            ) from error
    unique: Dict[str, str] = {}
    for old, new in _json_pairs(text, name) if is_json else _typed_pairs(text):
        if old in unique:
            raise ValueError(
                f"[D286] {name} has the label '{old}' twice: found '{unique[old]}' and '{new}', "
                "expected one new label. Leave one of them out."
            )
        unique[old] = new
    require_labels(unique)
    return unique


def require_labels(label_map: Mapping[str, str]) -> None:
    """Raise ValueError if a new label of a label map means no entity."""
    for old, new in label_map.items():
        if is_outside(new):
            raise ValueError(
                f"[D223] The label map has the new label '{new}', which means no entity. Leave "
                f"'{old}' out: labels that are not in the map are dropped."
            )


def _typed_pairs(text: str) -> Iterator[Tuple[str, str]]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        old, _, new = (piece.strip() for piece in part.partition("="))
        if not (old and new) or "=" in new:
            raise ValueError(
                f"[D212] '{part}' is not a pair of labels: write OLD=NEW, and separate several "
                "pairs with commas, such as PERSON=PER,GPE=LOC. If a label has a comma or an "
                "equals sign, write a JSON object or the path of a .json file."
            )
        yield old, new


def _json_pairs(text: str, name: str) -> List[Tuple[str, str]]:
    try:
        # Tuples keep labels that occur twice, which a dictionary would hide.
        pairs: Any = json.loads(text, object_pairs_hook=tuple)
    except ValueError as error:
        raise ValueError(
            f"[D283] {name} is not valid JSON: {error}. Write an object such as "
            '{"PERSON": "PER"}.'
        ) from error
    labels = [label for pair in pairs for label in pair] if isinstance(pairs, tuple) else []
    if not labels or not all(isinstance(label, str) and label.strip() for label in labels):
        raise ValueError(
            f"[D284] {name} is not a JSON object of labels: found {text.strip()[:60]}. Write an "
            'object such as {"PERSON": "PER"}.'
        )
    return [(old.strip(), new.strip()) for old, new in pairs]
