"""Colours, figures and axes that the pictures and the page of a report share."""

import colorsys
from typing import Any, Dict, Mapping, Sequence, Tuple

# Inches; a page shows them with 96 pixels each, so letters are as large on both.
WIDE, NARROW = 7.9, 3.5
INK, FAINT = "#22262a", "#d5d9dd"

# Colours on white that can be told apart without red and green. Each system has a marker too.
SYSTEMS = {"student": "#0b5fa5", "teacher": "#b8500b", "baseline": "#5f6368"}
# The same hues, light enough for the text of a dark page; pictures are white there too.
ON_DARK = {"student": "#7fb8ec", "teacher": "#f0a06a", "baseline": "#b4bac0"}
MARKERS = {"student": "o", "teacher": "s", "baseline": "^"}
RUNS = ("#0b5fa5", "#b8500b", "#5f6368", "#6a3d9a", "#1b7837", "#a6155a")
# Hues that are far apart, for the labels that come first.
HUES = (0.58, 0.08, 0.36, 0.83, 0.14, 0.48, 0.95, 0.70, 0.24)
GOLDEN_RATIO = 0.618034

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


def system_variables(colors: Mapping[str, str]) -> str:
    """RETURNS (str): Colours as variables of a style sheet, by the systems' names."""
    return " ".join(f"--{role}: {color};" for role, color in colors.items())


def label_colors(labels: Sequence[str]) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): A light background for dark text, by label."""
    colors = {}
    for number, label in enumerate(labels):
        hue = HUES[number] if number < len(HUES) else (number * GOLDEN_RATIO) % 1
        lightness = (0.84, 0.89, 0.79)[number // len(HUES) % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.62)
        colors[label] = f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
    return colors
