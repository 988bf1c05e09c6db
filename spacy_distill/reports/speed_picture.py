"""Speed, accuracy and size in one picture."""

from typing import Any, List, Mapping, NamedTuple, Sequence, Tuple

import numpy

from .colors import MARKERS, SYSTEMS
from .drawing import FAINT, NARROW, Report, distances, new_figure, thousands

# Points squared: the largest system's disc.
DISC = 1500.0
# Points between a name and what it is beside.
GAP = 4.0

Box = Tuple[float, float, float, float]  # left, bottom, right, top, in points


class _Point(NamedTuple):
    """A system in the picture: where it is, in points, and how much room its marks take."""

    role: str
    text: str
    x: float
    y: float
    below: float
    above: float
    radius: float


def speed_in_words(report: Report) -> str:
    """RETURNS (str): What the picture shows, for those who do not see it."""
    parts = [
        f"{system['role']}: {system['words_per_second']:,.0f} words a second, "
        f"F1 {100 * system['scores']['f1']['value']:.1f}"
        for system in _measured(report)
    ]
    return f"Speed against accuracy. {'; '.join(parts)}."


def speed_and_accuracy(report: Report, width: float) -> Any:
    """RETURNS (Any): A figure of so many inches: a point for each system, its size as a disc."""
    systems = _measured(report)
    figure, axis = new_figure(width, 3.7 if width > NARROW else 3.5)
    speeds = [system["words_per_second"] for system in systems]
    # Room on both sides, so that names beside the outermost points stay within.
    room = 2.2 if width > NARROW else 4.5
    axis.set_xscale("log")
    axis.set_xlim(min(speeds) / room, max(speeds) * room)
    largest = max((system["megabytes"] or 0.0 for system in systems), default=0.0) or 1.0
    ends: List[float] = []
    for system in systems:
        x, y = system["words_per_second"], 100 * system["scores"]["f1"]["value"]
        below, above = distances(system["scores"]["f1"])
        ends += [y - below, y + above]
        color = SYSTEMS[system["role"]]
        area = DISC * (system["megabytes"] or 0.0) / largest
        axis.scatter([x], [y], s=area, color=color, alpha=0.22, linewidth=0, zorder=1)
        axis.errorbar([x], [y], yerr=[[below], [above]], color=color, linewidth=1.2, zorder=2)
        axis.scatter([x], [y], s=34, color=color, marker=MARKERS[system["role"]], zorder=3)
    margin = max(0.25 * (max(ends) - min(ends)), 1.0)
    axis.set_ylim(min(ends) - margin, max(ends) + margin)
    axis.set(xlabel="words a second, one core", ylabel="F1")
    axis.grid(color=FAINT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.xaxis.set_major_formatter(thousands)
    axis.xaxis.set_minor_formatter(lambda *_: "")
    _write_names(figure, axis, systems, largest)
    return figure


def _measured(report: Report) -> List[Mapping[str, Any]]:
    return [
        system
        for system in report["systems"]
        if system["words_per_second"] and system["scores"]["f1"]["value"] is not None
    ]


def _write_names(figure: Any, axis: Any, systems: Sequence[Mapping], largest: float) -> None:
    """Write each system's name beside its point, where it covers least of all else."""
    figure.draw_without_rendering()
    per_point = figure.dpi / 72
    points = [_point(axis, system, largest, per_point) for system in systems]
    taken: List[Box] = []
    for point in points:
        size = point.radius
        taken.append((point.x - size, point.y - size, point.x + size, point.y + size))
        taken.append((point.x - 3, point.y - point.below, point.x + 3, point.y + point.above))
    frame = axis.get_window_extent().extents / per_point
    for point, system in zip(points, systems, strict=True):
        options: List[Tuple[int, int, Any, Box]] = []
        for dx, dy, horizontal, vertical in _offsets(point):
            note = axis.annotate(
                point.text,
                (system["words_per_second"], 100 * system["scores"]["f1"]["value"]),
                xytext=(dx, dy),
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                color=SYSTEMS[point.role],
                fontweight="bold",
            )
            extents = note.get_window_extent(figure.canvas.get_renderer()).extents / per_point
            box: Box = tuple(extents.tolist())
            outside = _shared(box, box) - _shared(box, tuple(frame.tolist()))
            cost = sum(_shared(box, other) for other in taken) + 10 * outside
            options.append((round(cost), len(options), note, box))
        best = min(options, key=lambda option: option[:2])
        for _, number, note, _ in options:
            if number != best[1]:
                note.remove()
        taken.append(best[3])


def _point(axis: Any, system: Mapping, largest: float, per_point: float) -> _Point:
    value = 100 * system["scores"]["f1"]["value"]
    below, above = distances(system["scores"]["f1"])
    speed, size = system["words_per_second"], system["megabytes"]
    places = [(speed, value), (speed, value - below), (speed, value + above)]
    (x, y), (_, bottom), (_, top) = axis.transData.transform(places) / per_point
    text = system["role"] if size is None else f"{system['role']}\n{size:,.0f} MB"
    radius = max(numpy.sqrt(DISC * (size or 0.0) / largest / numpy.pi), 5.0)
    return _Point(system["role"], text, x, y, y - bottom, top - y, radius)


def _offsets(point: _Point) -> List[Tuple[float, float, str, str]]:
    """RETURNS (List[Tuple[float, float, str, str]]): Where a name can be, the best first: points
    to the right and upwards, and how the text is aligned there."""
    beside, slanting = point.radius + GAP, 0.7 * point.radius + GAP
    return [
        (beside, 0, "left", "center"),
        (-beside, 0, "right", "center"),
        (slanting, slanting, "left", "bottom"),
        (slanting, -slanting, "left", "top"),
        (-slanting, slanting, "right", "bottom"),
        (-slanting, -slanting, "right", "top"),
        (0, max(point.above, point.radius) + GAP, "center", "bottom"),
        (0, -max(point.below, point.radius) - GAP, "center", "top"),
    ]


def _shared(one: Box, other: Box) -> float:
    """RETURNS (float): The area that two boxes have in common."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
