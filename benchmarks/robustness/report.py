"""Write the tables of docs/robustness.md from the measured figures:

python -m benchmarks.robustness.report docs/robustness.md
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import typer
from wasabi import msg

from benchmarks.commands import ROOT, read_json
from benchmarks.pages import fill, table

FIGURES = ROOT / "docs" / "robustness.json"
ENDS = ("fine", "refused", "wrong")


def figures(name: str) -> Dict[str, Any]:
    """Read the figures of a measurement; empty if it has not been made."""
    found: Dict[str, Any] = read_json(FIGURES).get(name, {})
    return found


def kills() -> str:
    """RETURNS (str): The table of killed jobs."""
    rows = [
        [
            f"`{name}`",
            f"{job['kills']}",
            f"{job['finished_runs']}",
            f"{job['other_bytes']}",
            "" if job["lost"] is None else f"{job['lost']}",
            f"{sum(job['not_loadable'].values())}",
            f"{len(job['errors'])}",
        ]
        for name, job in figures("kill").get("jobs", {}).items()
    ]
    header = ["job", "kills", "finished in between", "with other bytes", "lost work"]
    return table([*header, "models that do not load", "other errors"], rows)


def cluster() -> str:
    """RETURNS (str): The table of a cluster's faults."""
    rows = [
        [
            run["fault"],
            f"{run['shards_at_fault']} of {run['shards']}" if run["shards_at_fault"] else "",
            "the same" if run["equal"] else "other",
            f"{run['seconds']:.0f}",
        ]
        for run in figures("cluster").get("runs", [])
    ]
    return table(["fault", "after shards", "bytes", "seconds"], rows)


def resume() -> str:
    """RETURNS (str): What it costs to be able to resume a training."""
    found = figures("resume")
    if not found:
        return ""
    return (
        f"A checkpoint takes {1000 * found['seconds_of_checkpoint']:.0f} ms and "
        f"{found['megabytes_of_checkpoint']:.0f} MB. A step of the training takes "
        f"{1000 * found['seconds_of_training_step']:.0f} ms, and "
        f"{1000 * found['seconds_of_replayed_step']:.0f} ms where it is only read again."
    )


def documents() -> str:
    """RETURNS (str): The table of generated documents."""
    found = figures("any_text")
    rows: List[List[str]] = []
    for name, student in found.get("students", {}).items():
        counts = student["counts"]
        read = [f"{counts.get(key, 0):,}" for key in ("documents", "tokens", "wrong")]
        rows.append([name, *read])
    return table(["student", "documents", "tokens", "wrong"], rows)


def giants() -> str:
    """RETURNS (str): The table of the largest documents."""
    rows = [
        [name, f"{giant['seconds']:.1f}", f"{giant['megabytes_of_prediction']:,.0f}"]
        for name, giant in figures("any_text").get("giants", {}).items()
    ]
    return table(["document, student", "seconds", "MB of memory"], rows)


def files() -> str:
    """RETURNS (str): The table of changed files."""
    rows = [
        [name, *(f"{counts.get(end, 0):,}" for end in ENDS)]
        for name, counts in figures("strangers").get("ended", {}).items()
    ]
    return table(["what is read", "read", "refused", "anything else"], rows)


def streams() -> str:
    """RETURNS (str): The table of long jobs."""
    found = figures("streams")
    rows = [
        [
            f"`{name}`",
            f"{job['seconds'] / 60:.0f}",
            f"{max(job['mb']):,.0f}",
            f"{job['growth']:+.1f} %",
        ]
        for name, job in found.get("jobs", {}).items()
    ]
    return table(["job", "minutes", "MB at most", "growth after the warm-up"], rows)


def load() -> str:
    """RETURNS (str): The table of the server under load, a column a run."""
    runs = figures("load").get("runs", [])
    if not runs:
        return ""
    header = ["words that it had never seen", *(f"{run['new_words_percent']:g} %" for run in runs)]
    rows = [
        ["clients at once", *(f"{run['clients']}" for run in runs)],
        ["seconds", *(f"{run['seconds']}" for run in runs)],
        ["requests", *(f"{run['requests']:,}" for run in runs)],
        ["errors or other entities", *(f"{run['errors']}" for run in runs)],
        ["median, 95 % and 99 %, ms", *(milliseconds(run) for run in runs)],
        [
            "memory after the warm-up, MB",
            *(f"{run['megabytes']['after_warm_up']:.0f}" for run in runs),
        ],
        ["growth", *(f"{run['growth_percent']:+.1f} %" for run in runs)],
    ]
    return table(header, rows)


def milliseconds(run: Dict[str, Any]) -> str:
    """RETURNS (str): The percentiles of a run's times."""
    return " / ".join(f"{time:,.0f}" for time in run["milliseconds"].values())


def image() -> str:
    """RETURNS (str): The size of the packages in a server's image; empty if not measured."""
    found = figures("image")
    if not found:
        return ""
    *_, size = found["megabytes_after"].values()
    return f"The packages of its image take {size:,.0f} MB, on top of `python:3.13-slim`."


def versions() -> str:
    """RETURNS (str): The table of tested versions."""
    names = ("python", "spacy", "thinc", "numpy", "passed", "failed", "skipped")
    rows = [
        [run["versions"], *(str(run[name]) for name in names)]
        for run in figures("versions").get("runs", [])
    ]
    return table(["", "Python", "spaCy", "thinc", "numpy", "passed", "failed", "skipped"], rows)


CONTENTS = {
    one.__name__: one
    for one in (
        *(kills, cluster, resume, documents, giants, files, streams, load, image, versions),
    )
}


def main(page: Annotated[Path, typer.Argument(help="Page with marked places")]) -> None:
    """Fill the tables of the page."""
    names = fill(page, "benchmarks.robustness.report", CONTENTS)
    msg.good(f"{', '.join(sorted(names))} in {page}")


if __name__ == "__main__":
    typer.run(main)
