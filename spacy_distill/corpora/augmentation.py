"""Variants of text with replaced names and numbers, for a teacher to label."""

import random
import re
from typing import Iterable, Iterator, List, Sequence

from .input_documents import InputDocument

# Probabilities that a word is replaced: names and abbreviations, numbers, all other words.
NAME_RATE, NUMBER_RATE, WORD_RATE = 0.4, 0.5, 0.05
# Number of names from the text that are kept to replace other names.
N_NAMES = 10_000

_WORD = re.compile(r"[^\W_]+")


def with_variants(
    documents: Iterable[InputDocument], n_variants: int, words: Sequence[str] = ()
) -> Iterator[InputDocument]:
    """Yield each document, followed by variants in which some words are replaced.

    The text has few of the names that a student will meet later. A teacher can label any text, also
    sentences with other names in them. Capitalised words are replaced by capitalised words from the
    text so far or from a list, and digits by random digits.

    documents (Iterable[InputDocument]): The documents.
    n_variants (int): Number of variants of each document.
    words (Sequence[str]): Lower-cased words that may replace others, such as the keys of word
        vectors. If empty, only words from the text are used.
    YIELDS (InputDocument): Documents and variants. The same input always gives the same variants.
    """
    rng = random.Random(0)
    names: List[str] = []
    listed = [word for word in words if len(word) > 2 and word.isalpha() and word.islower()]
    for document in documents:
        yield document
        if not n_variants:
            continue
        _remember_names(document.text, names, rng)
        for number in range(1, n_variants + 1):
            yield _variant(document, f"{document.id}#{number}", names, listed, rng)


def _remember_names(text: str, names: List[str], rng: random.Random) -> None:
    for match in _WORD.finditer(text):
        word = match.group()
        if len(word) > 1 and word.istitle():
            if len(names) < N_NAMES:
                names.append(word)
            else:
                names[rng.randrange(N_NAMES)] = word


def _variant(
    document: InputDocument,
    name: str,
    names: Sequence[str],
    listed: Sequence[str],
    rng: random.Random,
) -> InputDocument:
    def change(text: str) -> str:
        return _WORD.sub(lambda match: _other(match.group(), names, listed, rng), text)

    if document.words is None:
        return InputDocument(name, change(document.text))
    words = [change(word) for word in document.words]
    if document.spaces is None:
        return InputDocument(name, " ".join(words), words)
    pairs = zip(words, document.spaces, strict=True)
    return InputDocument(
        name, "".join(word + " " * space for word, space in pairs), words, document.spaces
    )


def _other(word: str, names: Sequence[str], listed: Sequence[str], rng: random.Random) -> str:
    """RETURNS (str): A random replacement, or the word itself."""
    chance = rng.random()
    if any(char.isdigit() for char in word):
        if chance >= NUMBER_RATE:
            return word
        return "".join(rng.choice("0123456789") if char.isdigit() else char for char in word)
    if len(word) < 3 or not word.isalpha():
        return word
    if word.istitle() or word.isupper():
        if chance >= NAME_RATE:
            return word
        from_list = listed and (not names or rng.random() < 0.5)
        if not from_list and not names:
            return word
        other = rng.choice(listed if from_list else names)
        return other.title() if word.istitle() else other.upper()
    if listed and word.islower() and len(word) > 3 and chance < WORD_RATE:
        return rng.choice(listed)
    return word
