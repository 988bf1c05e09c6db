"""Reports: compare a student with other systems, on one page with pictures."""

from .comparison import compare
from .folder import is_report, write_report
from .learning_curves import read_runs
from .make_report import report
from .page import overview, render_page, summary

__all__ = [
    "compare",
    "is_report",
    "overview",
    "read_runs",
    "render_page",
    "report",
    "summary",
    "write_report",
]
