"""How good, fast and large students of several sizes are, and which one to choose."""

from pathlib import Path
from statistics import median
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

from thinc.api import use_ops
from wasabi import Printer

from ..evaluation.speed import speeds
from ..evaluation.systems import megabytes
from ..loading import load_pipeline
from .corpus import read_scored

# The least number of passes, and seconds, for measuring a speed.
ROUNDS, SECONDS = 3, 1.0


class Measured(NamedTuple):
    """A student of one size.

    size (str): The name of the size, and of the folder.
    width, depth (int): Width and depth of its encoder.
    f1 (float): F1 of the saved student on the development corpus, in percent; on the teacher's
        entities if the corpus has none.
    words_per_second (float): Its speed on one core of this machine, over the development texts.
    megabytes (float): The size of its folder, in 10^6 bytes.
    fits (bool): Whether it is within the limits.
    """

    size: str
    width: int
    depth: int
    f1: float
    words_per_second: float
    megabytes: float
    fits: bool


def measure(
    folders: Mapping[str, Path],
    shapes: Mapping[str, Tuple[int, int]],
    max_mb: Optional[float] = None,
    min_words_per_second: Optional[float] = None,
) -> List[Measured]:
    """Measure students as they are saved, on the CPU. Their speeds are measured in turns, so that
    other load on the machine affects all of them.

    folders (Mapping[str, Path]): The folders of the students, by size.
    shapes (Mapping[str, Tuple[int, int]]): Width and depth, by size.
    max_mb, min_words_per_second (Optional[float]): The limits, as in `distill_sizes`.
    RETURNS (List[Measured]): The students.
    """
    with use_ops("numpy"):
        pipelines = {name: load_pipeline(folder) for name, folder in folders.items()}
        examples = {name: read_scored(nlp, folders[name].parent) for name, nlp in pipelines.items()}
        texts = [example.reference.text for example in next(iter(examples.values()))]
        speed_of = speeds(pipelines, texts, rounds=ROUNDS, least_seconds=SECONDS)
        measured = []
        for name, nlp in pipelines.items():
            f1 = 100 * (nlp.evaluate(examples[name])["ents_f"] or 0.0)
            speed, size = median(speed_of[name]), megabytes(folders[name])
            fits = is_within(size, speed, max_mb, min_words_per_second)
            measured.append(Measured(name, *shapes[name], f1, speed, size, fits))
    return measured


def is_within(
    megabytes: float,
    words_per_second: float,
    max_mb: Optional[float] = None,
    min_words_per_second: Optional[float] = None,
) -> bool:
    """Check a size and a speed against the limits that there are."""
    return (max_mb is None or megabytes <= max_mb) and (
        min_words_per_second is None or words_per_second >= min_words_per_second
    )


def choose(measured: Sequence[Measured]) -> Optional[Measured]:
    """Find the best student within the limits, the smaller one of two that are as good. None if
    none fits."""
    fitting = [student for student in measured if student.fits]
    return max(fitting, key=lambda student: (student.f1, -student.megabytes), default=None)


def table(measured: Sequence[Measured]) -> str:
    """Format a line for each size."""
    rows = [
        (
            item.size,
            f"{item.f1:.2f}",
            f"{item.words_per_second:,.0f}",
            f"{item.megabytes:.1f}",
            "yes" if item.fits else "no",
        )
        for item in measured
    ]
    header = ("size", "dev F1", "words/s", "MB", "fits")
    text: str = Printer(no_print=True).table(
        rows, header=header, aligns=("l", *"r" * 3, "l"), divider=True
    )
    return text
