"""Variants of text, with more names than the text has, for a teacher to label."""

import random
import re
from typing import Iterable, Iterator, List, Sequence

from .input_documents import InputDocument

# How often words are replaced: names and abbreviations, numbers, all other words.
NAME_RATE, NUMBER_RATE, WORD_RATE = 0.4, 0.5, 0.05
# Names of the text in memory, to replace other names.
N_NAMES = 10_000

_WORD = re.compile(r"[^\W_]+")


def with_variants(
    documents: Iterable[InputDocument], n_variants: int, words: Sequence[str] = ()
) -> Iterator[InputDocument]:
    """Yield each document, and after it variants in which some words are replaced.

    A student sees few of the names that it will meet later. A teacher can label any text, so it can
    label other names in the sentences of the text. Capitalised words become other capitalised
    words, of the text so far or of a list, and numbers other numbers.

    documents (Iterable[InputDocument]): The documents.
    n_variants (int): Variants of each.
    words (Sequence[str]): A list of words in lower case, such as the keys of word vectors; without
        it, only words of the text replace other words.
    YIELDS (InputDocument): Documents and variants, always the same for the same input.
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
    """RETURNS (str): Another word in this one's place, or the word."""
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
