"""Colours, figures and labels of axes for the pictures and the page of a report."""

import colorsys
from typing import Any, Dict, Mapping, Sequence, Tuple

# Inches. Pages show an inch with 96 pixels, so letters have the same size in both pictures.
WIDE, NARROW = 7.9, 3.5
INK, FAINT = "#22262a", "#d5d9dd"

# Colours on white that color-blind readers can distinguish. Each system has a marker too.
SYSTEMS = {"student": "#0b5fa5", "teacher": "#b8500b", "baseline": "#5f6368"}
# The same hues, lighter, for the text of dark pages. Pictures are white there too.
ON_DARK = {"student": "#7fb8ec", "teacher": "#f0a06a", "baseline": "#b4bac0"}
MARKERS = {"student": "o", "teacher": "s", "baseline": "^"}
RUNS = ("#0b5fa5", "#b8500b", "#5f6368", "#6a3d9a", "#1b7837", "#a6155a")
# Distinct hues for the first labels.
HUES = (0.58, 0.08, 0.36, 0.83, 0.14, 0.48, 0.95, 0.70, 0.24)
GOLDEN_RATIO = 0.618034

Report = Mapping[str, Any]


def new_figure(width: float, height: float, **grid: Any) -> Tuple[Any, Any]:
    """Create a figure, with its size in inches, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # The margin is for dark pages, where pictures are white cards.
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**grid)


def distances(interval: Mapping[str, Any]) -> Tuple[float, float]:
    """Compute how far an interval's bounds are from its value, in percent; 0 without bounds."""
    value = interval["value"]
    low = value if interval["low"] is None else min(interval["low"], value)
    high = value if interval["high"] is None else max(interval["high"], value)
    return 100 * (value - low), 100 * (high - value)


def legend_above(figure: Any, axis: Any, columns: int) -> None:
    """Draw the legend above the axes, where it covers nothing."""
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=columns, frameon=False)


def shortened(text: str, length: int) -> str:
    """Shorten a text to a number of characters, with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def thousands(value: float, _: int) -> str:
    """Format a number of an axis, with commas."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def system_variables(colors: Mapping[str, str]) -> str:
    """Write colours as variables of a style sheet, by the systems' roles."""
    return " ".join(f"--{role}: {color};" for role, color in colors.items())


def label_colors(labels: Sequence[str]) -> Dict[str, str]:
    """Choose a light background colour for each label."""
    colors = {}
    for number, label in enumerate(labels):
        hue = HUES[number] if number < len(HUES) else (number * GOLDEN_RATIO) % 1
        lightness = (0.84, 0.89, 0.79)[number // len(HUES) % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.62)
        colors[label] = f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
    return colors
