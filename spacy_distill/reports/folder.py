"""The files of a report."""

import json
from pathlib import Path
from typing import Any, Dict, Mapping

from .page import render_page
from .pictures import NAMES, draw_all

RESULTS, PAGE = "report.json", "index.html"


def write_report(report: Mapping[str, Any], folder: Path) -> Path:
    """Write the page of a report, its pictures and report.json.

    report (Mapping[str, Any]): The result of `compare`.
    folder (Path): The folder, which is created if needed. An earlier report in it is replaced, and
        other files stay.
    RETURNS (Path): The path of the page.
    """
    pictures = draw_all(report)
    results = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    contents = {f"{name}.png": picture.wide for name, picture in pictures.items()}
    contents[PAGE] = render_page(report, pictures).encode("utf8")
    contents[RESULTS] = f"{results}\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    outdated = {f"{name}.png" for name in NAMES} - contents.keys() if is_report(folder) else set()
    _replace(folder, contents)
    for name in outdated:
        (folder / name).unlink(missing_ok=True)
    return folder / PAGE


def is_report(folder: Path) -> bool:
    """Check whether a folder has a report.

    folder (Path): The folder.
    RETURNS (bool): Whether it has a report's page and results.
    """
    return (folder / RESULTS).is_file() and (folder / PAGE).is_file()


def _replace(folder: Path, contents: Dict[str, bytes]) -> None:
    """Write files under temporary names, then rename them. If the disk is full, earlier files stay
    complete."""
    written = {name: folder / f".{name}.new" for name in contents}
    try:
        for name, path in written.items():
            path.write_bytes(contents[name])
        for name, path in written.items():
            path.replace(folder / name)
    finally:
        for path in written.values():
            path.unlink(missing_ok=True)
