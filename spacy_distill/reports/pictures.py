"""The pictures of a report, each in a size for wide pages and one for phones."""

import io
import warnings
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

import numpy

from .drawing import (
    FAINT,
    INK,
    MARKERS,
    NARROW,
    RUNS,
    SYSTEMS,
    WIDE,
    Report,
    distances,
    legend_above,
    new_figure,
    shortened,
    thousands,
)

DPI = 200
# The names of all pictures.
NAMES = ("f1", "speed", "learning", "confusion", "calibration")
MOST_LABELS = 15
# Maximum number of labels in the confusion matrix. Others are merged.
MOST_CONFUSED = {"wide": 12, "narrow": 6}
# Bins with fewer entities get a hollow marker.
FEW = 10
# The area of the largest system's disc, in points squared.
DISC_AREA = 1500.0


class Picture(NamedTuple):
    """A picture of a report.

    wide, narrow (bytes): PNG files for wide pages and for phones.
    alt (str): A description of the picture.
    """

    wide: bytes
    narrow: bytes
    alt: str


def draw_all(report: Report) -> Dict[str, Picture]:
    """Draw all pictures for which a report has results.

    report (Report): The result of `compare`.
    RETURNS (Dict[str, Picture]): The pictures by name, one of NAMES.
    RAISES (ImportError): matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib

    drawings: Dict[str, Tuple[Callable[[Report, float], Any], str]] = {
        "f1": (_f1, "F1 of each system, with intervals, for all entities and for each label."),
        "speed": (_speed, "F1 against words per second, with each system's size as a disc."),
        "learning": (_learning, "F1 on the development set against training steps."),
        "confusion": (_confusion, "Table of the student's labels against the teacher's."),
        "calibration": (_calibration, "Share of right entities against their confidence."),
    }
    has_results = {
        "f1": True,
        "speed": any(system["words_per_second"] for system in report["systems"]),
        "learning": bool(report["runs"]),
        "confusion": report["disagreements"] is not None,
        "calibration": any(system["calibration"] for system in report["systems"]),
    }
    settings: Any = {
        "font.size": 9,
        "font.family": "DejaVu Sans",
        "axes.edgecolor": "#8a9096",
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        # A label may have a dollar sign in it.
        "text.parse_math": False,
        "savefig.dpi": DPI,
        "figure.facecolor": "white",
    }
    pictures = {}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes. The tables of the page show them.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for name, (draw, alt) in drawings.items():
            if has_results[name]:
                wide, narrow = (_png(draw(report, width)) for width in (WIDE, NARROW))
                pictures[name] = Picture(wide, narrow, alt)
    return pictures


def require_matplotlib() -> None:
    """Raise ImportError if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "[D732] A report needs matplotlib for its pictures. Install it with "
            '`pip install "spacy-distill[report]"`.'
        ) from error


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _f1(report: Report, width: float) -> Any:
    systems, labels = report["systems"], report["labels"][:MOST_LABELS]
    rows = [("all", "all entities"), *((label, label) for label in labels)]
    step = 0.22 if len(rows) < 9 else 0.16
    height = 0.95 + len(rows) * (step * len(systems) + 0.16)
    figure, axis = new_figure(width, height)
    lowest = 100.0
    for number, system in enumerate(systems):
        xs, ys, errors = [], [], []
        for row, (label, _) in enumerate(rows):
            found = system["scores"] if row == 0 else system["per_label"][label]
            if found["f1"]["value"] is None:
                continue
            xs.append(100 * found["f1"]["value"])
            ys.append(row + (number - (len(systems) - 1) / 2) * 0.8 / max(len(systems), 3))
            errors.append(distances(found["f1"]))
        lowest = min([lowest, *(x - low for x, (low, _) in zip(xs, errors, strict=True))])
        axis.errorbar(
            xs,
            ys,
            xerr=numpy.asarray(errors).T if errors else None,
            fmt=MARKERS[system["role"]],
            color=SYSTEMS[system["role"]],
            markersize=5,
            linewidth=1.4,
            label=system["role"],
            # The marker of a score of 100 reaches beyond the axes.
            clip_on=False,
            zorder=3,
        )
    names = [shortened(name, 22 if width > NARROW else 13) for _, name in rows]
    axis.set_yticks(range(len(rows)), names)
    axis.set_ylim(len(rows) - 0.45, -0.55)
    for row in range(1, len(rows)):
        axis.axhline(row - 0.5, color=FAINT, linewidth=0.9 if row == 1 else 0.5)
    axis.set_xlim(max(0.0, 10 * (min(lowest, 99.0) // 10)), 100)
    axis.grid(axis="x", color=FAINT, linewidth=0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.set_axisbelow(True)
    axis.set_xlabel("F1")
    legend_above(figure, axis, len(systems))
    return figure


def _speed(report: Report, width: float) -> Any:
    systems = [
        system
        for system in report["systems"]
        if system["words_per_second"] and system["scores"]["f1"]["value"] is not None
    ]
    figure, axis = new_figure(width, 3.7)
    axis.set_xscale("log")
    largest = max((system["megabytes"] or 0.0 for system in systems), default=0.0) or 1.0
    for system in systems:
        role, size = system["role"], system["megabytes"]
        x, y = system["words_per_second"], 100 * system["scores"]["f1"]["value"]
        below, above = distances(system["scores"]["f1"])
        color = SYSTEMS[role]
        axis.scatter(
            [x], [y], s=DISC_AREA * (size or 0.0) / largest, color=color, alpha=0.22, linewidth=0
        )
        axis.errorbar(
            [x],
            [y],
            yerr=[[below], [above]],
            fmt=MARKERS[role],
            color=color,
            markersize=6,
            linewidth=1.2,
            label=role if size is None else f"{role}, {size:,.0f} MB",
        )
    # Margins for the discs.
    axis.margins(x=0.25, y=0.25)
    axis.set(xlabel="words per second, one core", ylabel="F1")
    axis.grid(color=FAINT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.xaxis.set_major_formatter(thousands)
    axis.xaxis.set_minor_formatter(lambda *_: "")
    legend_above(figure, axis, len(systems) if width > NARROW else 1)
    return figure


def _learning(report: Report, width: float) -> Any:
    runs = report["runs"]
    figure, axis = new_figure(width, 3.3 + 0.18 * len(runs))
    styles = ("-", "--", ":", "-.")
    for number, run in enumerate(runs):
        best = int(numpy.argmax(run["f1"]))
        color = RUNS[number % len(RUNS)]
        values = [100 * value for value in run["f1"]]
        axis.plot(
            run["steps"],
            values,
            color=color,
            linestyle=styles[number // len(RUNS) % len(styles)],
            linewidth=1.6,
            marker="." if len(values) < 40 else None,
            label=f"{shortened(run['name'], 28)}, best {values[best]:.1f}",
        )
        axis.plot([run["steps"][best]], [values[best]], marker="D", color=color, markersize=5)
    axis.set(xlabel="training steps", ylabel="F1, development set")
    axis.xaxis.set_major_formatter(thousands)
    axis.grid(color=FAINT, linewidth=0.6)
    legend_above(figure, axis, 2 if width > NARROW else 1)
    return figure


def grouped_matrix(
    matrix: Sequence[Sequence[int]], labels: Sequence[str], most: int
) -> Tuple[numpy.ndarray, List[str], int]:
    """Merge the least confused labels of a confusion matrix to "others".

    matrix (Sequence[Sequence[int]]): (labels + 1, labels + 1), with no entity as the last row and
        column.
    labels (Sequence[str]): The labels.
    most (int): Maximum number of rows for labels, with "others".
    RETURNS (Tuple[numpy.ndarray, List[str], int]): The smaller matrix, its labels, and the number
        of confusions among the merged labels, which are on its diagonal.
    """
    counts = numpy.asarray(matrix)
    if len(labels) <= most:
        return counts, list(labels), 0
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    kept = sorted(numpy.argsort(-wrong[:-1], kind="stable")[: most - 1].tolist())
    target = numpy.full(len(counts), len(kept))
    target[kept] = numpy.arange(len(kept))
    target[-1] = len(kept) + 1
    grouped = numpy.zeros((len(kept) + 2, len(kept) + 2), dtype=counts.dtype)
    numpy.add.at(grouped, (target[:, None], target[None, :]), counts)
    agreed = counts.diagonal()[:-1].sum() - counts.diagonal()[kept].sum()
    mixed = int(grouped[len(kept), len(kept)] - agreed)
    return grouped, [*(labels[number] for number in kept), "others"], mixed


def _confusion(report: Report, width: float) -> Any:
    from matplotlib.patches import Rectangle

    found = report["disagreements"]
    wide = width > NARROW
    most = MOST_CONFUSED["wide" if wide else "narrow"]
    counts, labels, mixed = grouped_matrix(found["matrix"], report["labels"], most)
    n = len(counts)
    cell = min(0.62, (width - (1.6 if wide else 1.15)) / n)
    height = cell * n * (1.0 if cell < 0.45 else 0.72) + (1.5 if wide else 1.35)
    figure, axis = new_figure(width, height)
    off = counts * (1 - numpy.eye(n, dtype=counts.dtype))
    colors = numpy.ones((n, n, 3))
    share = (off / max(off.max(), 1))[..., None] ** 0.6
    colors -= share * (1 - numpy.asarray([0.72, 0.31, 0.04]))
    # Agreement is grey, so confusions stand out.
    colors[numpy.arange(n), numpy.arange(n)] = (0.93, 0.94, 0.95)
    axis.imshow(colors, aspect="auto")
    if mixed:
        corner, gray = (n - 2.5, n - 2.5), "#c6cbd0"
        axis.add_patch(
            Rectangle(corner, 1, 1, fill=False, linewidth=0, hatch="////", edgecolor=gray)
        )
    for row in range(n):
        for column in range(n):
            value = counts[row, column]
            if value and not (row == column == n - 1):
                red, green, blue = colors[row, column]
                dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
                axis.text(
                    column,
                    row,
                    f"{value:,}",
                    ha="center",
                    va="center",
                    fontsize=9 if n <= 8 else 7.5,
                    color="white" if dark else INK,
                )
    length = 16 if wide else 9
    names = [*(shortened(label, length) for label in labels), "none"]
    turned = {"rotation": 40, "ha": "left"} if max(map(len, names)) > 5 or n > 8 else {}
    axis.set_xticks(range(n), names, **turned)
    axis.set_yticks(range(n), names)
    axis.xaxis.tick_top()
    axis.xaxis.set_label_position("top")
    # A label may be called "none" or "others" too.
    own = len(labels) if len(labels) == len(report["labels"]) else len(labels) - 1
    for text in (*axis.get_xticklabels()[own:], *axis.get_yticklabels()[own:]):
        text.set_style("italic")
    axis.set_xlabel("teacher", fontweight="bold", labelpad=8)
    axis.set_ylabel("student", fontweight="bold", labelpad=8)
    axis.tick_params(length=0)
    axis.set_xticks(numpy.arange(n + 1) - 0.5, minor=True)
    axis.set_yticks(numpy.arange(n + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", linewidth=1.5)
    axis.tick_params(which="minor", length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return figure


def _calibration(report: Report, width: float) -> Any:
    systems = [system for system in report["systems"] if system["calibration"]]
    side = min(width, 4.6)
    figure, axes = new_figure(
        width,
        side + 0.5,
        nrows=2,
        sharex=True,
        gridspec_kw={"height_ratios": [4, 1]},
    )
    curve, histogram = axes
    curve.plot([0, 1], [0, 1], color="#8a9096", linewidth=1, linestyle="--")
    bins = len(systems[0]["calibration"]["counts"])
    bar = 0.8 / bins / len(systems)
    for number, system in enumerate(systems):
        found, role = system["calibration"], system["role"]
        counts, xs, ys = (numpy.asarray(found[key]) for key in ("counts", "confidence", "accuracy"))
        few, many = (counts > 0) & (counts < FEW), counts >= FEW
        style = {"color": SYSTEMS[role], "marker": MARKERS[role], "markersize": 5, "zorder": 3}
        curve.plot(xs[few], ys[few], linestyle="", markerfacecolor="white", **style)
        curve.plot(
            xs[many],
            ys[many],
            linewidth=1.6,
            **style,
            label=f"{role}, error {found['error']:.3f}",
        )
        centers = (numpy.arange(bins) + 0.5) / bins
        shift = (number - (len(systems) - 1) / 2) * bar
        histogram.bar(centers + shift, counts, width=bar * 0.9, color=SYSTEMS[role])
    curve.set(ylabel="share that is right", xlim=(0, 1), ylim=(-0.03, 1.03))
    histogram.set(xlabel="confidence", ylabel="entities")
    for axis in axes:
        axis.grid(color=FAINT, linewidth=0.6)
        axis.set_axisbelow(True)
    figure.align_ylabels(axes)
    legend_above(figure, curve, len(systems) if width > NARROW else 1)
    return figure
