"""Read lists of words."""

from pathlib import Path
from typing import Iterator

from ..loading import load_pipeline


def read_words(path: Path) -> Iterator[str]:
    """Read a word list.

    path (Path): A text file in UTF-8 with one word per line, or the folder of a pipeline with word
        vectors, whose words are taken.
    YIELDS (str): Each word that is not empty.
    RAISES (ValueError): There is no such file, it is not UTF-8, or the pipeline has no words.
    """
    if path.is_dir():
        vocab = load_pipeline(path).vocab
        keys = [key for key in vocab.vectors.keys() if key in vocab.strings]  # noqa: SIM118
        if not keys:
            raise ValueError(
                f"[D320] {path}: the pipeline has no word vectors, expected some to take their "
                "words. Name a pipeline with vectors, or a text file with one word a line."
            )
        yield from (vocab.strings[key] for key in keys)
        return
    if not path.is_file():
        raise ValueError(f"[D321] {path}: no such word list. Make it, or correct the path.")
    with path.open(encoding="utf8") as file:
        try:
            for line in file:
                if line.strip():
                    yield line.strip()
        except UnicodeDecodeError as error:
            raise ValueError(
                f"[D322] {path}: the word list is not UTF-8 text ({error.reason}). Convert it, one "
                "word a line."
            ) from error
