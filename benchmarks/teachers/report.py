"""Write the tables of teachers into pages: over few layers of a transformer, and in several
precisions.

python -m benchmarks.teachers.report docs/methods.md docs/how-to/much-text.md
"""

from pathlib import Path
from statistics import mean
from typing import Annotated, Any, Dict, List

import typer
from wasabi import msg

from benchmarks.commands import ROOT, read_json
from benchmarks.pages import about, fill, table

COMMAND = "benchmarks.teachers.report"
LAYERS, PRECISION = (ROOT / "docs" / f"{name}.json" for name in ("layers", "precision"))
# What the teachers of `benchmarks.teachers.layers` are called; K is their number of states.
KINDS = {
    "all": "all",
    "middle": "one, a little above the middle",
    "selected": "{K} selected by the training",
    "top": "the {K} highest",
    "truncated": "the embedding and the first {K}",
}


def layers() -> str:
    """Make the table of teachers: means over seeds, and the speeds next to that of all states."""
    found: Dict[str, List[Dict[str, Any]]] = {}
    for name, teacher in read_json(LAYERS)["teachers"].items():
        found.setdefault(name.partition(" seed ")[0], []).append(teacher)
    speeds = {
        name: mean(teacher["words_per_second"] for teacher in of_seeds)
        for name, of_seeds in found.items()
    }
    rows = []
    for name, of_seeds in found.items():
        kind, _, k = name.partition("-")
        states = dict.fromkeys(", ".join(map(str, teacher["states"])) for teacher in of_seeds)
        rows.append(
            [
                KINDS[kind].replace("{K}", k),
                "; ".join(states) if kind == "selected" else "",
                about(mean(teacher["computed"] for teacher in of_seeds)),
                f"{mean(teacher['test'] for teacher in of_seeds):.1f}",
                about(speeds[name]),
                about(speeds[name] / speeds["all"]),
                str(len(of_seeds)),
            ]
        )
    header = ["layers that the teacher reads", "selected", "layers computed", "F1"]
    return table([*header, "words/s", "times", "seeds"], rows, 2)


def precision() -> str:
    """Make the table of precisions: speeds, and the differences from the highest one."""
    found = read_json(PRECISION)["precisions"]
    highest = found["highest"]["words_per_second"]
    rows = [
        [
            f"`{name}`",
            about(values["words_per_second"]),
            f"{values['words_per_second'] / highest:.1f}",
            f"{100 * values['f1']:.2f}",
            f"{values['mean_difference']:.5f}",
        ]
        for name, values in found.items()
    ]
    header = ["`--matmul-precision`", "words/s", "times", "F1", "mean change of a probability"]
    return table(header, rows)


def main(
    pages: Annotated[List[Path], typer.Argument(help="Pages with a marked place")],
) -> None:
    """Fill the tables of the pages."""
    for page in pages:
        fill(page, COMMAND, {"layers": layers, "precision": precision})
        msg.good(f"{page}")


if __name__ == "__main__":
    typer.run(main)
