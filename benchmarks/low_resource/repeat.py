"""The commands that train the runs of a store again."""

from collections import defaultdict
from typing import Dict, List, Set, Tuple

from benchmarks.low_resource.store import Store

COMMAND = "python -m benchmarks.low_resource.train"
WIDTH = 100


def commands(store: Store) -> List[str]:
    """Make the commands for the runs of a store, one for all systems of a corpus and a number of
    labels that have the same seeds. `$conll` and so on are the options of a corpus.

    store (Store): The store. Variants are left out: their options are not stored.
    RETURNS (List[str]): The commands.
    """
    seeds: Dict[Tuple[str, int, str], Set[int]] = defaultdict(set)
    for run in store.runs():
        if "@" not in run["system"]:
            seeds[run["dataset"], run["labeled"], run["system"]].add(run["seed"])
    systems: Dict[Tuple[str, int, Tuple[int, ...]], List[str]] = defaultdict(list)
    for (dataset, labeled, system), found in seeds.items():
        systems[dataset, labeled, tuple(sorted(found))].append(system)
    lines = []
    for (dataset, labeled, numbers), names in sorted(systems.items()):
        listed = ",".join(map(str, numbers))
        line = f"{COMMAND} ${dataset} --labeled {labeled} --seeds {listed}"
        listed = f"--systems {','.join(sorted(names))}"
        is_long = len(line) + len(listed) > WIDTH
        lines.append(f"{line} \\\n    {listed}" if is_long else f"{line} {listed}")
    return lines
