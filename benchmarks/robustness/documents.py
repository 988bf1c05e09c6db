"""Documents of any text, made from a seed: what a student has to read without an error."""

import random
from typing import Callable, Dict, List, Sequence

from spacy.language import Language
from spacy.tokens import Doc, Span

WORDS = (
    *("Anna", "Berg", "sails", "to", "Oslo", "and", "meets", "Carl", "Maria", "Lund", "of", "the"),
    *("Nordic", "Tea", "Company", "in", "New", "York", ",", "Kiel", "'s", "Bank", "said", "on"),
    *("Monday", "that", "3.5", "%", "of", "it", "is", "n't", "sold", "."),
)
NAMES = ("Anna Berg", "Oslo", "New York", "Nordic Tea Company", "Carl Maria Lund", "Lund Bank")
SPACES = (
    " \t\n\r\f\v\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2000\u2003\u2009\u2028\u2029\u202f\u205f\u3000"
)
CONTROLS = "".join(map(chr, (*range(32), *range(127, 160))))
INVISIBLE = "\u00ad\u034f\u061c\u115f\u17b4\u180e\u200b\u200c\u200d\u2060\u2061\u2064\ufeff\ufffc"
INVISIBLE += "\ufffd\U000e0001\U000e007f"
# They turn the direction of the text around.
DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
RIGHT_TO_LEFT = "אבגדהוזחטיכלמנסעפצקרשתابتثجحخدذرزسشصضطظعغفقكلمنهويىءآأؤإئ٠١٢٣٤"
COMBINING = "".join(map(chr, (*range(0x300, 0x370), *range(0x591, 0x5B0), *range(0x64B, 0x653))))
EMOJI = (
    *("😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇳🇴", "🇳", "1️⃣", "🧑🏿‍🚀", "❤️‍🔥", "👨‍", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☺️", "☺", "🏽"),
)
SCRIPTS = ((0x400, 0x4FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3))
CASES = "ßŞİıŉǰΐΰﬀﬁﬃﬗΣςΔǅǈᾳ"
SYMBOLS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
SYMBOLS += "\u2026\u2014\u2013\u00ab\u00bb\u201c\u201d\u201e\u2019\u20ac\u00a3"
ODD_WORDS = (
    "",
    " ",
    "\n",
    "\t\t",
    "\x00",
    "\u200b",
    "a b",
    "x" * 300,
    "😀",
    "\ufeff",
    "Oslo\x00",
    "\U0001d538",
)
# Characters that no file in UTF-8 has. spaCy refuses them.
LONE_SURROGATES = ("\ud800", "\udfff", "Oslo\udc80 Berg", "\ud83d", "\ude00\ud83d")


def sentence(rng: random.Random) -> str:
    """RETURNS (str): Words as a student has learnt them, with names among them."""
    chosen = [rng.choice(NAMES if rng.random() < 0.2 else WORDS) for _ in range(rng.randint(1, 25))]
    return " ".join(chosen)


def _of(characters: Sequence[str], longest: int) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choices(characters, k=rng.randint(1, longest)))


def _among_words(characters: Sequence[str]) -> Callable[[random.Random], str]:
    """RETURNS (Callable): Makes sentences with such characters between and within their words."""

    def make(rng: random.Random) -> str:
        text = sentence(rng)
        for _ in range(rng.randint(1, 8)):
            place = rng.randint(0, len(text))
            text = (
                text[:place] + "".join(rng.choices(characters, k=rng.randint(1, 4))) + text[place:]
            )
        return text

    return make


def _combining(rng: random.Random) -> str:
    marked = (
        letter + "".join(rng.choices(COMBINING, k=rng.randint(0, 12))) for letter in sentence(rng)
    )
    return "".join(marked)


def _any_character(rng: random.Random) -> str:
    points = (rng.randrange(0x110000) for _ in range(rng.randint(1, 60)))
    return "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)


def _script(rng: random.Random) -> str:
    first, last = rng.choice(SCRIPTS)
    points = [rng.randint(first, last) for _ in range(rng.randint(1, 60))]
    return "".join(chr(point) if rng.random() < 0.9 else " " for point in points)


def _long_token(rng: random.Random) -> str:
    return f"Anna {rng.choice(('x', 'Å', '😀', '1', 'Ab'))}".rstrip() * rng.choice((1, 50, 2000))


def _one_long_token(rng: random.Random) -> str:
    return f"In Oslo {rng.choice('xÅ7') * rng.choice((100, 1000, 10_000))} said Anna Berg ."


def _many_tokens(rng: random.Random) -> str:
    return " ".join(sentence(rng) for _ in range(rng.choice((30, 60, 120))))


def _address(rng: random.Random) -> str:
    parts = rng.choices(
        ("https://", "www.", "a@b.co", "/x?y=1&z=", "#", "<b>", "&amp;", "C:\\", "%20"), k=8
    )
    return " ".join((sentence(rng), "".join(parts), sentence(rng)))


KINDS: Dict[str, Callable[[random.Random], str]] = {
    "empty": lambda rng: "",
    "white space": _of(SPACES, 40),
    "white space among words": _among_words(SPACES),
    "sentence": sentence,
    "control characters": _among_words(CONTROLS),
    "only control characters": _of(CONTROLS, 30),
    "NUL": _among_words("\x00"),
    "zero width": _among_words(INVISIBLE),
    "only zero width": _of(INVISIBLE, 30),
    "right to left": _among_words(RIGHT_TO_LEFT + DIRECTIONS),
    "only right to left": _of(RIGHT_TO_LEFT + DIRECTIONS + COMBINING + " ", 60),
    "combining": _combining,
    "emoji": _among_words(EMOJI),
    "only emoji": _of(EMOJI, 20),
    "case": _among_words(CASES),
    "symbols": _of(SYMBOLS + " ", 80),
    "symbols among words": _among_words(SYMBOLS),
    "script": _script,
    "any characters": _any_character,
    "address": _address,
    "capitals": lambda rng: sentence(rng).upper(),
    "long token": _one_long_token,
    "repeated": _long_token,
    "many tokens": _many_tokens,
}
# The few long ones would take most of the time.
RARE = {"many tokens": 0.3, "long token": 0.3, "repeated": 0.3}


def make_text(seed: int) -> str:
    """RETURNS (str): The text of a number: always the same."""
    rng = random.Random(f"text {seed}")
    names = list(KINDS)
    (kind,) = rng.choices(names, [RARE.get(name, 1.0) for name in names])
    return KINDS[kind](rng)


def make_doc(nlp: Language, seed: int) -> Doc:
    """Make the document of a number. Two thirds are tokenized by the pipeline, the rest has words
    that no tokenizer would make. Some have entities or blocked tokens already.

    nlp (Language): The pipeline, which is not run.
    seed (int): The number.
    RETURNS (Doc): The document, always the same.
    """
    rng = random.Random(f"doc {seed}")
    text = make_text(seed)
    if rng.random() < 0.67:
        doc = nlp.make_doc(text)
    else:
        words: List[str] = [word for word in text.split(" ") if word]
        for _ in range(rng.choice((0, 0, 3))):
            words.insert(rng.randint(0, len(words)), rng.choice(ODD_WORDS) or "-")
        doc = Doc(nlp.vocab, words=words, spaces=[rng.random() < 0.8 for _ in words])
    if len(doc) and rng.random() < 0.1:
        start = rng.randrange(len(doc))
        span = Span(doc, start, min(start + rng.randint(1, 3), len(doc)), label="EARLIER")
        if rng.random() < 0.5:
            doc.set_ents([span], default="missing")
        else:
            doc.set_ents([], blocked=[span], default="missing")
    return doc
