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
                f"[D320] {path}: found no word vectors in the pipeline, expected vectors whose "
                "words can be used. Name a pipeline with vectors, or a text file with one word "
                "per line."
            )
        yield from (vocab.strings[key] for key in keys)
        return
    if not path.is_file():
        raise ValueError(f"[D321] {path}: found no such word list. Create it, or correct the path.")
    with path.open(encoding="utf-8-sig") as file:
        try:
            for line in file:
                if line.strip():
                    yield line.strip()
        except UnicodeDecodeError as error:
            raise ValueError(
                f"[D322] {path}: found bytes that are not UTF-8 ({error.reason}), expected one "
                "word per line. Convert the word list to UTF-8."
            ) from error
