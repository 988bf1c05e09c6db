"""Learning curves from logs of training."""

import json
import math
from pathlib import Path
from typing import Any, Dict, List, Sequence


def read_runs(paths: Sequence[Path]) -> List[Dict[str, Any]]:
    """Read logs of `spacy-distill.JSONLLogger.v1`.

    paths (Sequence[Path]): The files.
    RETURNS (List[Dict[str, Any]]): For each log its "name" and the lists "steps", "seconds" and
        "f1" (on the development set). The name is that of the file. If two files have the same
        name, their folders' names are added.
    RAISES (ValueError): A file is no such log.
    """
    stems = [path.stem for path in paths]
    names = [
        path.stem if stems.count(path.stem) == 1 else f"{path.parent.name}/{path.stem}"
        for path in paths
    ]
    return [{"name": name, **_curve(path)} for name, path in zip(names, paths, strict=True)]


def _curve(path: Path) -> Dict[str, Any]:
    try:
        text = path.read_text(encoding="utf8")
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        curve: Dict[str, Any] = {
            "steps": [int(line["step"]) for line in lines],
            "seconds": [float(line["seconds"]) for line in lines],
            "f1": [_f1(line) for line in lines],
        }
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise _no_log(path, repr(error)) from error
    # Python reads NaN and Infinity, but report.json and pictures cannot have them.
    for number in (*curve["seconds"], *curve["f1"]):
        if not math.isfinite(number):
            raise _no_log(path, str(number))
    if not lines:
        raise ValueError(f"[D514] {path} has no evaluation in it yet. Name another log.")
    return curve


def _no_log(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"[D513] {path} is no log of training: expected lines of JSON with step, seconds and "
        f"score, as spacy-distill.JSONLLogger.v1 writes them, found: {reason}. Name another file."
    )


def _f1(line: Dict[str, Any]) -> float:
    found = line["scores"].get("ents_f")
    return float(line["score"] if found is None else found)
