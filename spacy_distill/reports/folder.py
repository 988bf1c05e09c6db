"""A report on disk."""

import json
from pathlib import Path
from typing import Any, Dict, Mapping

from .page import render_page
from .pictures import NAMES, draw_all

NUMBERS, PAGE = "report.json", "index.html"


def write_report(report: Mapping[str, Any], folder: Path) -> Path:
    """Write a page, its pictures and its numbers.

    report (Mapping[str, Any]): What `compare` measured.
    folder (Path): The folder, made if need be. A former report in it is replaced; files that no
        report writes are left alone.
    RETURNS (Path): The page.
    """
    pictures = draw_all(report)
    numbers = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    parts = {f"{name}.png": picture.wide for name, picture in pictures.items()}
    parts[PAGE] = render_page(report, pictures).encode("utf8")
    parts[NUMBERS] = f"{numbers}\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    former = {f"{name}.png" for name in NAMES} - parts.keys() if is_report(folder) else set()
    _replace(folder, parts)
    for name in former:
        (folder / name).unlink(missing_ok=True)
    return folder / PAGE


def is_report(folder: Path) -> bool:
    """RETURNS (bool): Whether a folder has a report in it."""
    return (folder / NUMBERS).is_file() and (folder / PAGE).is_file()


def _replace(folder: Path, parts: Dict[str, bytes]) -> None:
    """Write files under other names, and rename them when all are there: where the disk is full,
    what was there before stays whole."""
    written = {name: folder / f".{name}.new" for name in parts}
    try:
        for name, path in written.items():
            path.write_bytes(parts[name])
        for name, path in written.items():
            path.replace(folder / name)
    finally:
        for path in written.values():
            path.unlink(missing_ok=True)
