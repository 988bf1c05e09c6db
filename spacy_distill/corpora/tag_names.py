"""Parse names of tags, such as B-PER, per_i or PER, into a letter and an entity type, and read
entities from tag sequences."""

import re
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

# The schemes that a user can choose, with the letters of each in all spellings. "io" allows any
# letter or none. With "types", each name is a type, even "B-CELL".
SCHEMES: Dict[str, str] = {
    "iobes": "BIMELSUW",
    "iob2": "BI",
    "ioe2": "IEL",
    "io": "BIMELSUW",
    "types": "",
}
# The BILUO letter for each letter: IOBES and BMEWO use other letters for the same tags.
BILUO_LETTERS = dict(zip("BIMELSUW", "BIILLUUU", strict=True))
OUTSIDE = "O"
# Upper-cased names of the tag outside of entities.
OUTSIDE_NAMES = {OUTSIDE, "0", "OUT", "OUTSIDE", "NONE", "_"}
# The type of tags whose name is only a letter, such as "B".
ONLY_TYPE = "ENTITY"
# Maximum number of names in an error message.
MAX_LISTED = 30

_LETTER = f"(?P<letter>[{SCHEMES['iobes']}])"
_SEPARATORS = r"-_:./|\\ "
_SEPARATOR = f"(?P<separator>[{_SEPARATORS}])"
_FORMS = (
    f"{_LETTER}{_SEPARATOR}(?P<type>[^{_SEPARATORS}].*)",
    f"(?P<type>.*[^{_SEPARATORS}]){_SEPARATOR}{_LETTER}",
    f"{_LETTER}(?P<separator>)(?P<type>)",
)
# The letters of all names are either upper-cased or lower-cased.
_PATTERNS = [
    re.compile(form.replace(SCHEMES["iobes"], letters))
    for form in _FORMS
    for letters in (SCHEMES["iobes"], SCHEMES["iobes"].lower())
]
# B or I next to a character that is neither a letter nor a digit.
_HALF_KNOWN = re.compile(r"[(\[{<]?[BI]([\W_].*)?|.*[\W_][BI][)\]}>]?", re.IGNORECASE)
# Words instead of letters, such as "BEGIN-PER".
_FIRST_WORD, _LATER_WORD = (
    re.compile(rf"({words})[\W_].*|.*[\W_]({words})", re.IGNORECASE)
    for words in (
        "BEG|BEGIN|BEGINNING|START|FIRST",
        "IN|INSIDE|INNER|CONT|CONTINUE|CONTINUED|MIDDLE|END|LAST|REST",
    )
)
_NO_TYPE = re.compile(r"(LABEL|CLASS|TAG|ENT|ENTITY)[-_ ]?\d+", re.IGNORECASE)
# "C1" is the number of a class if all labels look like this.
_NO_TYPES = re.compile(r"[CL][-_ ]?\d+", re.IGNORECASE)


class TagNameError(ValueError):
    """An error about names of tags that cannot be parsed.

    name (str): The first wrong name.
    """

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


def is_outside(name: str) -> bool:
    """RETURNS (bool): Whether a name stands for the tag outside of entities."""
    return name.strip().upper() in OUTSIDE_NAMES


def read_tag_names(
    names: Iterable[str], scheme: Optional[str] = None, *, need_letters: bool = False
) -> Dict[str, Tuple[str, str]]:
    """Split names of tags into letters and types.

    A letter stands before or after the type, separated by one of `- _ : . / |`, a backslash or a
    space. The position, the separator and the case of the letters must be the same in all names.
    Names without letters are types. Spaces around names are ignored. If no name has B or I, but all
    may have other letters, the scheme must be given.

    names (Iterable[str]): The names of all tags of a model or a file.
    scheme (Optional[str]): One of SCHEMES; detected from the names if None.
    need_letters (bool): Raise an error for types without letters, unless the scheme is "types".
    RETURNS (Dict[str, Tuple[str, str]]): The letter and the type of each name. The letter is B, I,
        L or U, O outside of entities, or "" for a type without a letter.
    RAISES (TagNameError): The names cannot be parsed, or do not fit the scheme.
    """
    if scheme is not None and scheme not in SCHEMES:
        raise TagNameError(
            f"[D240] '{scheme}' is not a label scheme: expected one of {', '.join(SCHEMES)}, or "
            "None to detect it from the names of the tags.",
            scheme,
        )
    stripped = {name: name.strip() for name in names}
    names = list(dict.fromkeys(stripped.values()))
    inside = [name for name in names if not is_outside(name)]
    more = len(names) - MAX_LISTED
    found = (
        f"The names are: {', '.join(names[:MAX_LISTED])}{f' and {more} more' if more > 0 else ''}."
    )
    _require_types({name: name for name in inside}, found)
    with_letters = None
    if scheme != "types":
        with_letters = _find_letters(inside, scheme, found)
        if with_letters is None and need_letters:
            _require_bare_outside(names, inside, found)
    parts = {name: ("", name) for name in inside} if with_letters is None else with_letters
    _require_types({name: label for name, (_, label) in parts.items()}, found)
    if scheme in ("iobes", "iob2", "ioe2"):
        _require_letters(parts, scheme, found)
    if scheme != "types":
        _require_one_spelling(parts, found)
    if scheme is None:
        _require_both_letters(parts, found)
    read = {name: (BILUO_LETTERS.get(letter, ""), label) for name, (letter, label) in parts.items()}
    return {name: read.get(own, (OUTSIDE, "")) for name, own in stripped.items()}


def read_tag_meanings(
    names: Iterable[str], scheme: Optional[str] = None
) -> Dict[str, Tuple[str, str]]:
    """Split the names of a file's tags into letters and types for `read_entities`.

    names (Iterable[str]): The names of all tags of the file.
    scheme (Optional[str]): One of SCHEMES. If None, the scheme is detected from the names, which
        must have letters. With "types" and "io", neighbouring tokens of one type are one entity.
    RETURNS (Dict[str, Tuple[str, str]]): The letter and the type of each name.
    RAISES (TagNameError): The names cannot be parsed, or do not fit the scheme.
    """
    meanings = read_tag_names(names, scheme, need_letters=True)
    if scheme not in ("io", "types"):
        return meanings
    return {name: ("I" if label else OUTSIDE, label) for name, (_, label) in meanings.items()}


def read_entities(tags: Iterable[Tuple[str, str]]) -> List[Tuple[int, int, str]]:
    """Read the entities of a tag sequence.

    An entity continues only with I or L of its own label, and never after L or U. With these rules,
    IOB1, IOB2, IOE1, IOE2, BILUO and IOBES are read without knowing the scheme. Sequences that
    violate these schemes are read too, and entities are never merged.

    tags (Iterable[Tuple[str, str]]): The letter (O, B, I, L or U) and label of each token.
    RETURNS (List[Tuple[int, int, str]]): The start token, end token and label of each entity.
    """
    entities: List[Tuple[int, int, str]] = []
    open_label = None
    for token, (letter, label) in enumerate(tags):
        if letter == OUTSIDE:
            open_label = None
            continue
        if letter in "IL" and label == open_label:
            entities[-1] = (entities[-1][0], token + 1, label)
        else:
            entities.append((token, token + 1, label))
        open_label = label if letter in "BI" else None
    return entities


def _find_letters(
    names: Sequence[str], scheme: Optional[str], found: str
) -> Optional[Dict[str, Tuple[str, str]]]:
    """Return the letter and type of each name, or None if no name has a letter."""
    # If the scheme is not known, "E-MAIL" may be a type.
    certain = "BI" if scheme in (None, "io") else SCHEMES[scheme]
    uncertain = ""
    for pattern in _PATTERNS:
        matches = {name: match for name in names if (match := pattern.fullmatch(name))}
        separators = {match["separator"] for match in matches.values()}
        if len(matches) != len(names) or len(separators) != 1:
            continue
        letters = "".join(match["letter"].upper() for match in matches.values())
        if any(letter in certain for letter in letters):
            return {
                name: (match["letter"].upper(), match["type"] or ONLY_TYPE)
                for name, match in matches.items()
            }
        uncertain = uncertain or letters
    half_known = [name for name in names if _HALF_KNOWN.fullmatch(name)]
    # BPER and IPER have no separator.
    half_known += [name for name in names if name[:1] == "B" and f"I{name[1:]}" in names]
    first, later = (set(filter(p.fullmatch, names)) for p in (_FIRST_WORD, _LATER_WORD))
    if first and later and first | later == set(names):
        half_known += names
    if half_known:
        raise TagNameError(
            f"[D244] The label '{half_known[0]}' seems to have a letter of a scheme, or a word for "
            f"one, but the labels do not all have one in the same form. {found} If all labels are "
            "types, choose the scheme 'types' (--scheme types). Otherwise write them as B-TYPE, "
            "I-TYPE and so on, in id2label of a model's config.json or in the file.",
            half_known[0],
        )
    if uncertain and scheme in (None, "io"):
        fitting = [name for name in ("iobes", "ioe2") if {*uncertain} <= {*SCHEMES[name]}]
        raise TagNameError(
            f"[D287] The label '{names[0]}' may have a letter of a scheme, or be only a type: none "
            f"of the labels has B or I. {found} Choose the scheme (--scheme): "
            f"{' or '.join(fitting)} if the labels have letters, types if they do not.",
            names[0],
        )
    return None


def _require_types(labels: Dict[str, str], found: str) -> None:
    """Raise TagNameError if the label of a name is a number or has no letters."""
    all_numbers = all(map(_NO_TYPES.fullmatch, labels.values()))
    for name, label in labels.items():
        has_letters = any(character.isalpha() for character in label)
        if all_numbers or _NO_TYPE.fullmatch(label) or not has_letters:
            what = "a number" if re.search(r"\d", label) else "no letters"
            raise TagNameError(
                f"[D280] The label '{name}' has no meaning: found {what}, expected an entity type. "
                f"{found} Write the types to id2label in a model's config.json, or to the file.",
                name,
            )


def _require_one_spelling(parts: Dict[str, Tuple[str, str]], found: str) -> None:
    """Raise TagNameError if two types differ only in case or spaces."""
    first: Dict[str, str] = {}
    for name, (_, label) in parts.items():
        same = first.setdefault("".join(label.split()).casefold(), name)
        if parts[same][1] != label:
            raise TagNameError(
                f"[D288] The types of the labels '{same}' and '{name}' differ only in upper and "
                f"lower case or spaces. {found} Use one spelling, in id2label of a model's "
                "config.json or in the file.",
                name,
            )


def _require_both_letters(parts: Dict[str, Tuple[str, str]], found: str) -> None:
    """Raise TagNameError if names with only B and I are neither IOB1 nor IOB2. In IOB1 a type may
    have I without B, in IOB2 B without I, but no scheme has both."""
    begun, inside = (
        {label: name for name, (own, label) in parts.items() if own == letter} for letter in "BI"
    )
    only_begun = [name for label, name in begun.items() if label not in inside]
    only_inside = [name for label, name in inside.items() if label not in begun]
    if only_begun and only_inside and {letter for letter, _ in parts.values()} == {"B", "I"}:
        raise TagNameError(
            f"[D289] The label '{only_begun[0]}' has no I of its type, and '{only_inside[0]}' has "
            f"no B of its type. {found} Correct the names, in id2label of a model's config.json or "
            "in the file. If they are correct, choose the scheme (--scheme).",
            only_begun[0],
        )


def _require_letters(parts: Dict[str, Tuple[str, str]], scheme: str, found: str) -> None:
    """Raise TagNameError if a name has no letter of a scheme."""
    wrong = [name for name, (letter, _) in parts.items() if letter not in [*SCHEMES[scheme]]]
    if wrong:
        # Report a name without a letter first, if there is one.
        wrong.sort(key=lambda name: any(pattern.fullmatch(name) for pattern in _PATTERNS))
        raise TagNameError(
            f"[D242] The label '{wrong[0]}' does not fit the scheme '{scheme}', which has the "
            f"letters {', '.join(SCHEMES[scheme])}. {found} Choose another scheme.",
            wrong[0],
        )


def _require_bare_outside(names: Sequence[str], inside: Sequence[str], found: str) -> None:
    """Raise TagNameError if tags other than O have no letters, as in a wrong column."""
    wrong = [*inside, *(name for name in names if name.upper() != OUTSIDE)]
    if wrong:
        raise TagNameError(
            f"[D282] The label '{wrong[0]}' has no letter of a scheme, such as B-PER or PER_B, and "
            f"no label has one. {found} Choose another column of tags (--tag-column). If the tags "
            "are types without letters, choose the scheme 'types' (--scheme types).",
            wrong[0],
        )
