"""A report on disk."""

import json
from pathlib import Path
from typing import Any, Mapping

from .page import render_page
from .pictures import draw_all

NUMBERS, PAGE = "report.json", "index.html"


def write_report(report: Mapping[str, Any], folder: Path) -> Path:
    """Write a page, its pictures and its numbers.

    report (Mapping[str, Any]): What `compare` measured.
    folder (Path): The folder, made if need be; the pictures of a former report are removed.
    RETURNS (Path): The page.
    """
    pictures = draw_all(report)
    page = render_page(report, pictures)
    folder.mkdir(parents=True, exist_ok=True)
    if is_report(folder):
        for former in folder.glob("*.png"):
            former.unlink()
    numbers = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / NUMBERS).write_text(numbers + "\n", encoding="utf8")
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(picture.wide)
    (folder / PAGE).write_text(page, encoding="utf8")
    return folder / PAGE


def is_report(folder: Path) -> bool:
    """RETURNS (bool): Whether a folder has a report in it."""
    return (folder / NUMBERS).is_file() and (folder / PAGE).is_file()
