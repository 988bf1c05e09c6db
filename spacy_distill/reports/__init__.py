"""A comparison as pictures and one page."""

from .folder import is_report, write_report
from .make_report import report
from .page import overview, render_page, summary

__all__ = ["is_report", "overview", "render_page", "report", "summary", "write_report"]
