"""Names of tags, such as B-PER, per_i or PER: the letter of the scheme and the type of each."""

import re
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from .tag_sequences import BILUO_LETTERS, OUTSIDE

# The schemes that can be named, and the letters that each has, in all their spellings. "io" has
# any letter, or none. Under "types" names are types as they are written, "B-CELL" too.
SCHEMES: Dict[str, str] = {
    "iobes": "BIMELSUW",
    "iob2": "BI",
    "ioe2": "IEL",
    "io": "BIMELSUW",
    "types": "",
}
# Names of the tag outside of entities, in capitals.
OUTSIDE_NAMES = {"O", "0", "OUT", "OUTSIDE", "NONE", "_"}
# The type of names that are letters alone.
ONLY_TYPE = "ENTITY"
# A message lists so many names at the most.
LISTED = 30

_LETTER = f"(?P<letter>[{SCHEMES['iobes']}])"
_SEPARATORS = r"-_:./|\\ "
_SEPARATOR = f"(?P<separator>[{_SEPARATORS}])"
_WAYS = (
    f"{_LETTER}{_SEPARATOR}(?P<type>[^{_SEPARATORS}].*)",
    f"(?P<type>.*[^{_SEPARATORS}]){_SEPARATOR}{_LETTER}",
    f"{_LETTER}(?P<separator>)(?P<type>)",
)
# Upper and lower case, each for all of the names.
_PATTERNS = [
    re.compile(way.replace(SCHEMES["iobes"], letters))
    for way in _WAYS
    for letters in (SCHEMES["iobes"], SCHEMES["iobes"].lower())
]
_HALF_KNOWN = re.compile(r"[(\[{<]?[BI]([\W_].*)?|.*[\W_][BI][)\]}>]?", re.IGNORECASE)


def _word_pattern(words: str) -> "re.Pattern[str]":
    """RETURNS (re.Pattern[str]): Matches types with one of the words before or behind."""
    return re.compile(rf"({words})[\W_].*|.*[\W_]({words})", re.IGNORECASE)


_BEGIN_WORD = _word_pattern("BEG|BEGIN|BEGINNING")
_INSIDE_WORD = _word_pattern("IN|INSIDE|INNER")
# Words that types have as well, such as START_DATE.
_FIRST_WORD = _word_pattern("BEG|BEGIN|BEGINNING|START|FIRST")
_LATER_WORD = _word_pattern("IN|INSIDE|INNER|CONT|CONTINUE|CONTINUED|MIDDLE|END|LAST|REST")
_NUMBERED = re.compile(r"\d+[\W_]+(.*[^\W\d].*)")
_NO_NAME = re.compile(r"(LABEL|CLASS|TAG|ENT|ENTITY)[-_ ]?\d+", re.IGNORECASE)
# "C1" is a number where all labels are like it.
_NO_NAMES = re.compile(r"[CL][-_ ]?\d+", re.IGNORECASE)


class TagNameError(ValueError):
    """Says which names of tags are not understood, and how to name them.

    name (str): The first of them.
    """

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


def is_outside(name: str) -> bool:
    """RETURNS (bool): Whether a name is that of the tag outside of entities."""
    return name.strip().upper() in OUTSIDE_NAMES


def read_tag_names(
    names: Iterable[str], scheme: Optional[str] = None, *, need_letters: bool = False
) -> Dict[str, Tuple[str, str]]:
    """Read names of tags as letters and types.

    A letter stands before the type or behind it, with one of `- _ : . / |` or a blank between them.
    Letters are capitals or small ones. Both hold for all names or for none. Names without letters
    are types. Blanks around names do not count. Where no name has B or I, but all may have other
    letters, they are refused.

    names (Iterable[str]): All names of a model or a file.
    scheme (Optional[str]): One of SCHEMES; found by the names if None.
    need_letters (bool): Refuse names that are types alone, unless the scheme is "types".
    RETURNS (Dict[str, Tuple[str, str]]): Letter and type by name. The letter is B, I, L or U, O
        outside of entities, or "" where a name is a type alone.
    RAISES (TagNameError): The names or the scheme do not fit.
    """
    if scheme is not None and scheme not in SCHEMES:
        raise TagNameError(
            f"[D240] '{scheme}' is no label scheme: expected one of {', '.join(SCHEMES)}, or None "
            "to find it by the names of the tags.",
            scheme,
        )
    stripped = {name: name.strip() for name in names}
    names = list(dict.fromkeys(stripped.values()))
    inside = [name for name in names if not is_outside(name)]
    found = f"The names are: {_listed(names)}."
    _require_types({name: name for name in inside}, found)
    with_letters = None
    if scheme != "types":
        with_letters = _find_letters(inside, scheme, found)
        if with_letters is None and need_letters:
            _require_bare_outside(names, inside, found)
    parts = {name: ("", name) for name in inside} if with_letters is None else with_letters
    if scheme not in (None, "io", "types"):
        _require_letters(parts, scheme, found)
    _require_types({name: label for name, (_, label) in parts.items()}, found)
    if scheme != "types":
        _require_types_written_alike(parts, found)
    if scheme is None:
        _require_both_letters(parts, found)
    read = {name: (BILUO_LETTERS.get(letter, ""), label) for name, (letter, label) in parts.items()}
    return {name: read.get(own, (OUTSIDE, "")) for name, own in stripped.items()}


def read_tag_meanings(
    names: Iterable[str], scheme: Optional[str] = None
) -> Dict[str, Tuple[str, str]]:
    """Read names of tags of a file as `read_entities` takes them.

    names (Iterable[str]): All names of the file.
    scheme (Optional[str]): One of SCHEMES; found by the names if None. Names without letters are
        refused then. Under "types" and "io", neighbours of one type are one entity.
    RETURNS (Dict[str, Tuple[str, str]]): Letter and type by name.
    RAISES (TagNameError): The names or the scheme do not fit.
    """
    meanings = read_tag_names(names, scheme, need_letters=True)
    if scheme not in ("io", "types"):
        return meanings
    return {name: ("I" if label else OUTSIDE, label) for name, (_, label) in meanings.items()}


def _find_letters(
    names: Sequence[str], scheme: Optional[str], found: str
) -> Optional[Dict[str, Tuple[str, str]]]:
    """RETURNS (Optional[Dict[str, Tuple[str, str]]]): Letter and type by name, None if they have no
    letters; TagNameError if they have letters in part, not in one way, or perhaps."""
    # "E-MAIL" may be a type where nothing speaks of letters.
    telling = "BI" if scheme in (None, "io") else SCHEMES[scheme]
    unsure = ""
    for pattern in _PATTERNS:
        matches = {name: match for name in names if (match := pattern.fullmatch(name))}
        separators = {match["separator"] for match in matches.values()}
        if len(matches) != len(names) or len(separators) != 1:
            continue
        letters = "".join(match["letter"].upper() for match in matches.values())
        if any(letter in telling for letter in letters):
            return {
                name: (match["letter"].upper(), match["type"] or ONLY_TYPE)
                for name, match in matches.items()
            }
        unsure = unsure or letters
    _require_none_half_known(names, found)
    if unsure and scheme in (None, "io"):
        fitting = [name for name in ("iobes", "ioe2") if not set(unsure).difference(SCHEMES[name])]
        raise TagNameError(
            f"[D287] The label '{names[0]}' may have a letter of a scheme, or be a type: none of "
            f"the labels has B or I. {found} Name the scheme (--scheme): {' or '.join(fitting)} if "
            "they have letters, types if all of them are types.",
            names[0],
        )
    return None


def _require_none_half_known(names: Sequence[str], found: str) -> None:
    """Make sure that names do not look as if they had letters."""
    half_known: List[str] = [name for name in names if _HALF_KNOWN.fullmatch(name)]
    words = [list(filter(pattern.fullmatch, names)) for pattern in (_BEGIN_WORD, _INSIDE_WORD)]
    if all(words):
        half_known += words[0]
    words = [list(filter(pattern.fullmatch, names)) for pattern in (_FIRST_WORD, _LATER_WORD)]
    if all(words) and len({*words[0], *words[1]}) == len(names):
        half_known += words[0]
    # Numbers instead of letters
    numbered = [match[1] for name in names if (match := _NUMBERED.fullmatch(name))]
    if len(set(numbered)) < len(numbered) == len(names):
        half_known += names
    # Letters without anything between them and the types
    types = {
        letter: {name[1:] for name in names if name[:1].upper() == letter and len(name) > 1}
        for letter in "BI"
    }
    if types["B"] & types["I"] and all(name[:1].upper() in BILUO_LETTERS for name in names):
        half_known += names
    if half_known:
        raise TagNameError(
            f"[D244] The label '{half_known[0]}' seems to have a letter of a scheme, or a word for "
            f"one, but not all have a letter in the same way. {found} Name the scheme 'types' "
            "(--scheme types) if all of them are types. Otherwise write all as B-TYPE, I-TYPE and "
            "so on, in id2label of a model's config.json or in the file.",
            half_known[0],
        )


def _require_types(labels: Dict[str, str], found: str) -> None:
    """Make sure that labels, by the names that have them, are types and no numbers."""
    all_numbers = all(map(_NO_NAMES.fullmatch, labels.values()))
    for name, label in labels.items():
        has_letters = any(character.isalpha() for character in label)
        if all_numbers or _NO_NAME.fullmatch(label) or not has_letters:
            what = "a number" if re.search(r"\d", label) else "no letters"
            raise TagNameError(
                f"[D280] The label '{name}' does not say what it stands for: found {what}, "
                f"expected the type of an entity. {found} Write what they mean: to id2label in a "
                "model's config.json, or into the file.",
                name,
            )


def _require_types_written_alike(parts: Dict[str, Tuple[str, str]], found: str) -> None:
    """Make sure that no two types differ in capitals or blanks alone."""
    first: Dict[str, str] = {}
    for name, (_, label) in parts.items():
        other = first.setdefault("".join(label.split()).casefold(), name)
        if parts[other][1] != label:
            raise TagNameError(
                f"[D288] The types of the labels '{other}' and '{name}' differ in capitals or "
                f"blanks alone. {found} Write them alike: in id2label of a model's config.json, or "
                "in the file.",
                name,
            )


def _require_both_letters(parts: Dict[str, Tuple[str, str]], found: str) -> None:
    """Make sure that names fit IOB1 or IOB2 if they have no other letters: a type has I without B
    in the first alone, and B without I in the second."""
    types = {
        letter: {label: name for name, (own, label) in parts.items() if own == letter}
        for letter in "BI"
    }
    begun = [name for label, name in types["B"].items() if label not in types["I"]]
    inside = [name for label, name in types["I"].items() if label not in types["B"]]
    if begun and inside and {letter for letter, _ in parts.values()} == {"B", "I"}:
        raise TagNameError(
            f"[D289] The label '{begun[0]}' has no I of its type, and '{inside[0]}' has no B of "
            f"its type. {found} Correct the names: in id2label of a model's config.json, or in the "
            "file. If they are right, name the scheme (--scheme).",
            begun[0],
        )


def _require_letters(parts: Dict[str, Tuple[str, str]], scheme: str, found: str) -> None:
    """Make sure that names have the letters of a scheme."""
    wrong = [name for name, (letter, _) in parts.items() if letter not in [*SCHEMES[scheme]]]
    if wrong:
        # Where letters were not found, some names may look as if they had one.
        wrong.sort(key=lambda name: any(pattern.fullmatch(name) for pattern in _PATTERNS))
        raise TagNameError(
            f"[D242] The label '{wrong[0]}' does not fit the scheme '{scheme}', which has the "
            f"letters {', '.join(SCHEMES[scheme])}. {found} Choose another scheme.",
            wrong[0],
        )


def _require_bare_outside(names: Sequence[str], inside: Sequence[str], found: str) -> None:
    """Make sure that tags without letters are O alone: else another column was read."""
    other = [*inside, *(name for name in names if name.upper() != OUTSIDE)]
    if other:
        raise TagNameError(
            f"[D282] The label '{other[0]}' has no letter of a scheme, such as B-PER or PER_B, nor "
            f"have the others. {found} Choose another column of tags (--tag-column), or name "
            "the scheme 'types' (--scheme types) if the tags are types alone.",
            other[0],
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} others" if more > 0 else "")
