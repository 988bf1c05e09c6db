"""Write the tables of docs/how-to/cluster.md from the measured figures:

python -m benchmarks.cluster.report docs/how-to/cluster.md
"""

from pathlib import Path
from statistics import median
from typing import Annotated, Any, Dict, List

import typer
from wasabi import msg

from benchmarks.commands import ROOT, read_json
from benchmarks.pages import fill, table

# A terabyte of text.
SIZE = 1e12
HOUR = 3600
# Dollars for an hour of one processor: what large clouds charge, about.
PRICE = 0.04
SCALING = (
    'Two processors of one machine. Each process has one thread. "Start" is the time for imports '
    "and loading. Ratios are medians of rounds, with their range. All ways write the same bytes:"
)
FIGURES, SPEED = ROOT / "docs" / "cluster.json", ROOT / "docs" / "speed.json"


def scaling() -> str:
    """RETURNS (str): The table of processes and workers; empty where it has not been measured."""
    figures = read_json(FIGURES)
    if "scaling" not in figures:
        return ""
    medians: Dict[str, Any] = figures["scaling"]["medians"]
    rounds: Dict[str, Any] = figures["scaling"]["rounds"]
    rows: List[List[str]] = []
    for name, row in medians.items():
        one = "1 worker of Ray" if "Ray" in name else "1 process"
        ratios = [
            own["tokens_per_second"] / first["tokens_per_second"]
            for own, first in zip(rounds[name], rounds[one], strict=True)
        ]
        to_one = (
            "" if name == one else f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
        rate, work = row["tokens_per_second"], row["tokens_per_processor_second"]
        start = f"{row['start_seconds']:.0f}"
        rows.append([name, f"{rate:,.0f}", to_one, f"{work:,.0f}", start])
    header = [
        "distill-tag",
        "tokens/s",
        "times one process or worker",
        "tokens per processor second",
        "start, s",
    ]
    return f"{SCALING}\n\n{table(header, rows)}"


def paper() -> str:
    """RETURNS (str): The table of a terabyte."""
    parts = read_json(FIGURES)["parts"]
    words = SIZE / parts["bytes_per_word"]
    systems = read_json(SPEED)["documents"]["systems"]
    speeds = {name: median(system["words_per_second"]) for name, system in systems.items()}
    student = parts["words_per_second"]["pipeline"]
    rows = []
    for title, rate in (
        ("student", student),
        ("transformer, on the same processors", speeds["mpnet"]),
        ("transformer in integers of 8 bits", speeds["mpnet, int8"]),
    ):
        hours = words / rate / HOUR
        rows.append(
            [
                title,
                f"{rate:,.0f}",
                f"{hours:,.0f}",
                f"{hours / 100:,.1f}",
                f"{hours * PRICE:,.0f}",
            ]
        )
    header = ["system", "words/s a core", "core-hours", "hours on 100 cores", "dollars"]
    return f"1 TB has some {words / 1e9:.0f} billion words.\n\n{table(header, rows)}"


def limits() -> str:
    """RETURNS (str): The table of the steps."""
    parts = read_json(FIGURES)["parts"]
    pipeline = parts["words_per_second"]["pipeline"]
    rows = [
        [name, f"{rate:,.0f}", f"{rate / pipeline:.1f}"]
        for name, rate in parts["words_per_second"].items()
    ]
    return table(["step, one core", "words/s", "times as fast as the pipeline"], rows)


def main(page: Annotated[Path, typer.Argument(help="Page with marked places")]) -> None:
    """Fill the tables of the page."""
    names = fill(
        page, "benchmarks.cluster.report", {"scaling": scaling, "paper": paper, "limits": limits}
    )
    msg.good(f"{', '.join(sorted(names))} in {page}")


if __name__ == "__main__":
    typer.run(main)
