"""What all pictures of a report have in common."""

from typing import Any, Mapping, Tuple

# Inches; a page shows them with 96 pixels each, so letters are as large on both.
WIDE, NARROW = 7.9, 3.5
INK, FAINT = "#22262a", "#d5d9dd"

Report = Mapping[str, Any]


def new_figure(width: float, height: float, **grid: Any) -> Tuple[Any, Any]:
    """RETURNS (Tuple[Any, Any]): A figure of so many inches, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # With a margin: pictures are white cards where a page is dark.
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**grid)


def distances(interval: Mapping[str, Any]) -> Tuple[float, float]:
    """RETURNS (Tuple[float, float]): How far the bounds of an interval are below and above its
    value, in percent; 0 without bounds."""
    value = interval["value"]
    low = value if interval["low"] is None else min(interval["low"], value)
    high = value if interval["high"] is None else max(interval["high"], value)
    return 100 * (value - low), 100 * (high - value)


def legend_above(figure: Any, axis: Any, columns: int) -> None:
    """Write the legend over the picture, where it covers nothing."""
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=columns, frameon=False)


def shortened(text: str, length: int) -> str:
    """RETURNS (str): At most so many characters of a text, with an ellipsis for the rest."""
    return text if len(text) <= length else text[: length - 1] + "…"


def thousands(value: float, _: int) -> str:
    """RETURNS (str): A number on an axis, with commas."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
