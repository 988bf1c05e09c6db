"""The store of the low-resource benchmark: a file of JSON lines for each corpus, a line for each
record."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

from wasabi import msg

from benchmarks.commands import ROOT, alone
from benchmarks.low_resource.data import Cell

Record = Dict[str, Any]
RESULTS = ROOT / "benchmarks" / "results"
# Kinds of records. A run is a trained and scored system, rates are words a second of several
# systems.
RUN, RATES = "run", "rates"
# The keys that identify a record of a corpus.
KEYS = ("record", "labeled", "system", "seed")


class Store:
    """Records by corpus."""

    def __init__(self, folder: Path) -> None:
        """Open a store.

        folder (Path): Its folder, made when something is written.
        """
        self.folder = folder

    def records(self, dataset: str, **wanted: Any) -> List[Record]:
        """Find the records of a corpus that have these values."""
        path = self.folder / f"{dataset}.jsonl"
        lines = path.read_text(encoding="utf8").splitlines() if path.exists() else []
        found = map(json.loads, lines)
        return [one for one in found if all(one.get(key) == wanted[key] for key in wanted)]

    def write(self, record: Record) -> None:
        """Add a record to its corpus's file, or replace the one with the same keys."""
        path = self.folder / f"{record['dataset']}.jsonl"
        with alone(self.folder):
            records = {_place(one): one for one in [*self.records(record["dataset"]), record]}
            lines = [json.dumps(records[place]) + "\n" for place in sorted(records)]
            unfinished = path.with_suffix(".part")
            unfinished.write_text("".join(lines), encoding="utf8")
            unfinished.replace(path)

    def run(self, cell: Cell, system: str, made_of: Record) -> Optional[Record]:
        """Find a run, and exit if it has other inputs or settings than a run of today.

        cell (Cell): The cell.
        system (str): The system's name.
        made_of (Record): What a run of today would be made of.
        RETURNS (Optional[Record]): The run, if there is one.
        """
        keys = {"record": RUN, "labeled": cell.labeled, "system": system, "seed": cell.seed}
        for run in self.records(cell.dataset.value, **keys):
            others = [key for key, value in made_of.items() if run.get(key) != value]
            if others:
                msg.fail(
                    f"The run of {system}, seed {cell.seed}, in {self.folder} was made of "
                    f"something else: {', '.join(others)}",
                    "Name another --store and --runs, or a --variant, or remove the line",
                    exits=1,
                )
            return run
        return None

    def runs(self) -> List[Record]:
        """List the runs of all corpora."""
        datasets = sorted(path.stem for path in self.folder.glob("*.jsonl"))
        return [run for dataset in datasets for run in self.records(dataset, record=RUN)]

    def rates(self, dataset: str) -> Dict[str, float]:
        """Find the words per second by system; empty if nothing was measured."""
        found = self.records(dataset, record=RATES)
        return found[0]["words_per_second"] if found else {}


def _place(record: Record) -> tuple:
    return tuple(str(record.get(key, "")).rjust(8, "0") for key in KEYS)
