"""The page of a report: one HTML file that contains its pictures and styles."""

import base64
import re
from html import escape
from importlib.resources import files
from typing import Any, Dict, List, Mapping, Optional, Tuple

from spacy import displacy

from ..evaluation.bootstrap import FEWEST_DOCUMENTS
from .drawing import MARKERS, ON_DARK, SYSTEMS, label_colors, system_variables
from .pictures import MOST_CONFUSED, MOST_LABELS, Picture

SHAPES = {"o": "●", "s": "■", "^": "▲"}
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
KINDS = {
    "type": "same boundaries, other label",
    "boundary": "same label, other boundaries",
    "type and boundary": "other label and other boundaries",
    "only first": "only the {first} finds an entity",
    "only second": "only the {second} finds an entity",
}
# Number of the most frequent confusions that are listed.
CONFUSIONS = 12
# Maximum number of columns for labels, in the table of the terminal.
MOST_COLUMNS = 8
ENTITY = '<mark style="background:{bg}">{text}&nbsp;<span class="label">{label}</span></mark>'


def render_page(report: Mapping[str, Any], pictures: Mapping[str, Picture]) -> str:
    """Write the page of a report.

    report (Mapping[str, Any]): The result of `compare`.
    pictures (Mapping[str, Picture]): The pictures, from `draw_all`.
    RETURNS (str): HTML without scripts, which loads nothing from elsewhere.
    """
    import jinja2

    package = files(__package__)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(
        percent=percent,
        signed=signed,
        interval=interval,
        number=number,
        megabytes=megabytes,
        parameters=parameters,
        confidence=confidence,
        data_uri=data_uri,
    )
    template = environment.from_string((package / "page.html").read_text(encoding="utf8"))
    found = report["disagreements"]
    colors = label_colors(report["labels"])
    return template.render(
        **report,
        style=(package / "page.css").read_text(encoding="utf8"),
        pictures=pictures,
        colors=colors,
        shapes={role: SHAPES[MARKERS[role]] for role in MARKERS},
        on_light=system_variables(SYSTEMS),
        on_dark=system_variables(ON_DARK),
        summary=summary(report),
        most_labels=MOST_LABELS,
        most_confused=MOST_CONFUSED,
        fewest_documents=FEWEST_DOCUMENTS,
        kinds=lambda first, second: {
            kind: text.format(first=first, second=second) for kind, text in KINDS.items()
        },
        confusions=[] if found is None else confusions(found["matrix"], report["labels"]),
        excerpts=[] if found is None else [_excerpt(one, colors) for one in found["shown"]],
    )


def summary(report: Mapping[str, Any]) -> str:
    """Summarize a report in one or two sentences.

    report (Mapping[str, Any]): The result of `compare`.
    RETURNS (str): The sentences.
    """
    student = report["systems"][0]
    others = {system["role"]: system for system in report["systems"][1:]}
    differences = {entry["to"]: entry["f1"] for entry in report["differences"]}
    score = student["scores"]["f1"]
    text = f"The student finds the entities of {report['data']['name']} with an F1 of "
    text += percent(score)
    if score["low"] is not None:
        level = round(100 * report["bootstrap"]["level"])
        text += f" ({level} % interval {interval(score)})"
    n_documents = report["data"]["documents"]
    parts = [_compared(role, difference, n_documents) for role, difference in differences.items()]
    text += f": {' and '.join(parts)}." if parts else "."
    teacher = others.get("teacher")
    gains = _gains(student, teacher) if teacher else []
    return f"{text} It {' and '.join(gains)}." if gains else text


def overview(report: Mapping[str, Any]) -> List[Tuple[str, ...]]:
    """Make a table of the systems for the terminal.

    report (Mapping[str, Any]): The result of `compare`.
    RETURNS (List[Tuple[str, ...]]): A row of headings and a row for each system. F1 by label is in
        the table if there are at most MOST_COLUMNS labels.
    """
    labels = report["labels"] if len(report["labels"]) <= MOST_COLUMNS else []
    rows: List[Tuple[str, ...]] = [("", "F1", *labels, "parameters", "MB", "words/s")]
    for system in report["systems"]:
        of_label = [percent(system["per_label"][label]["f1"]) for label in labels]
        size = parameters(system["parameters"]), megabytes(system["megabytes"])
        score, speed = percent(system["scores"]["f1"]), number(system["words_per_second"])
        rows.append((system["role"], score, *of_label, *size, speed))
    return rows


def _compared(role: str, difference: Mapping[str, Optional[float]], n_documents: int) -> str:
    if difference["value"] is None:
        return f"not comparable with the {role}"
    low, high = difference["low"], difference["high"]
    if low is None or high is None:
        difference_without_interval = f"difference from the {role} ({signed(difference)})"
        if n_documents == 1:
            return f"one document is too few for a {difference_without_interval}"
        return f"no interval for the {difference_without_interval}"
    if low <= 0 <= high:
        return f"no clear difference from the {role} ({signed(difference)})"
    points = f"{abs(100 * difference['value']):.1f}"
    if points == "0.0":
        return f"less than 0.1 away from the {role} ({signed(difference)})"
    return f"{points} {'more' if difference['value'] > 0 else 'less'} than the {role}"


def _gains(student: Mapping[str, Any], teacher: Mapping[str, Any]) -> List[str]:
    gains = []
    if student["words_per_second"] and teacher["words_per_second"]:
        ratio = student["words_per_second"] / teacher["words_per_second"]
        words = _times(ratio, "faster than", "slower than") or "as fast as"
        gains.append(f"is {words} the teacher")
    if student["megabytes"] and teacher["megabytes"]:
        ratio = teacher["megabytes"] / student["megabytes"]
        gains.append(f"takes {_times(ratio, 'less disk', 'more disk') or 'as much disk'}")
    return gains


def _times(ratio: float, more: str, less: str) -> str:
    """Write a ratio in words; "" if it is about 1."""
    if 0.95 < ratio < 1.05:
        return ""
    factor = max(ratio, 1 / ratio)
    digits = 1 if factor < 10 else 0
    return f"{factor:,.{digits}f} times {more if ratio > 1 else less}"


def percent(score: Mapping[str, Optional[float]]) -> str:
    """Format a score in percent, or as a dash if it is missing."""
    return DASH if score["value"] is None else f"{100 * score['value']:.1f}"


def interval(score: Mapping[str, Optional[float]]) -> str:
    """Format the bounds of an interval in percent; "" if there is none."""
    if score["low"] is None or score["high"] is None:
        return ""
    return f"{100 * score['low']:.1f} to {100 * score['high']:.1f}"


def signed(difference: Mapping[str, Optional[float]]) -> str:
    """Format a difference and its interval in percent, with signs."""
    value, low, high = (difference[key] for key in ("value", "low", "high"))
    if value is None:
        return DASH
    text = _with_sign(value)
    return (
        text if low is None or high is None else f"{text}; {_with_sign(low)} to {_with_sign(high)}"
    )


def _with_sign(value: float) -> str:
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def number(value: Optional[float]) -> str:
    """Format a number without decimals, or as a dash if it is missing."""
    return DASH if value is None else f"{value:,.0f}"


def megabytes(value: Optional[float]) -> str:
    """Format a size with one decimal, or as a dash if it is missing."""
    return DASH if value is None else f"{value:,.1f}"


def parameters(value: Optional[int]) -> str:
    """Format a number of parameters in millions, or as a dash if it is missing."""
    return DASH if value is None else f"{value / 1e6:,.2f} M"


def confidence(value: Optional[float]) -> str:
    """Format a probability with two decimals; "" if it is missing."""
    return "" if value is None else f"{value:.2f}"


def data_uri(png: bytes) -> str:
    """Encode a picture as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def confusions(
    matrix: List[List[int]], labels: List[str]
) -> List[Tuple[Optional[str], Optional[str], int]]:
    """List the most frequent pairs of different labels: the student's, the teacher's and their
    number. None stands for no entity."""
    names = [*labels, None]
    found = [
        (names[row], names[column], count)
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(found, key=lambda one: -one[2])[:CONFUSIONS]


def _excerpt(one: Mapping[str, Any], colors: Mapping[str, str]) -> Dict[str, Any]:
    """Add to a disagreement the HTML of its sides and their confidences as text."""
    rendered = {
        side: _rendered(one, side, colors)
        for side in ("student", "teacher", "gold")
        if side != "gold" or one["right"] == "neither"
    }
    confidences = {
        side: [confidence(e["confidence"]) for e in one[side] if e["confidence"] is not None]
        for side in ("student", "teacher")
    }
    return {**one, "rendered": rendered, "confidences": confidences}


def _rendered(one: Mapping[str, Any], side: str, colors: Mapping[str, str]) -> str:
    entities = [
        {
            **span,
            # displaCy does not escape labels, and looks up their colours in upper case.
            "params": {"label": escape(span["label"]), "bg": colors[span["label"]]},
        }
        for span in one[side]
    ]
    html = displacy.render(
        {"text": one["text"], "ents": entities},
        style="ent",
        manual=True,
        jupyter=False,
        options={"template": ENTITY},
    )
    inner = re.sub(r'^\s*<div class="entities"[^>]*>|</div>\s*$', "", html)
    before, after = ("… " if one["cut_before"] else ""), (" …" if one["cut_after"] else "")
    return f'<div class="entities" dir="auto">{before}{inner}{after}</div>'
