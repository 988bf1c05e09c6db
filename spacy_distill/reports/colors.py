"""Colours of systems and labels: the same in a report's pictures and text."""

import colorsys
from typing import Dict, Mapping, Sequence

# On white and, for lines, beside each other, also for eyes that do not tell red from green; each
# system has a marker of its own too.
SYSTEMS = {"student": "#0b5fa5", "teacher": "#b8500b", "baseline": "#5f6368"}
# The same hues, light enough for the text of a dark page; pictures are white there too.
ON_DARK = {"student": "#7fb8ec", "teacher": "#f0a06a", "baseline": "#b4bac0"}
MARKERS = {"student": "o", "teacher": "s", "baseline": "^"}
RUNS = ("#0b5fa5", "#b8500b", "#5f6368", "#6a3d9a", "#1b7837", "#a6155a")
# Hues that are far apart, for the labels that come first.
HUES = (0.58, 0.08, 0.36, 0.83, 0.14, 0.48, 0.95, 0.70, 0.24)
GOLDEN_RATIO = 0.618034


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
