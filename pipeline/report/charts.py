"""Charts as inline SVG: bars with intervals, a line over time, dots with the best so far.

All places are percentages and the text is HTML beside them, so a chart is as readable on a phone as on
a desk. Colours are those of style.css. Every value is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report import words

TRACK = Markup('<svg class="track" role="img" aria-label="{}">{}</svg>')
FILL = Markup('<rect class="fill" width="{:.2f}%" height="14" y="4" rx="2"></rect>')
WHISKER = Markup(
    '<line class="halo" x1="{0:.2f}%" x2="{1:.2f}%" y1="11" y2="11"></line>'
    '<line class="whisker" x1="{0:.2f}%" x2="{1:.2f}%" y1="11" y2="11"></line>'
    '<line class="whisker" x1="{0:.2f}%" x2="{0:.2f}%" y1="7" y2="15"></line>'
    '<line class="whisker" x1="{1:.2f}%" x2="{1:.2f}%" y1="7" y2="15"></line>'
)
ROW = Markup(
    '<div class="bar {}"><span class="name">{}<small>{}</small></span>{}<span class="value">{}</span></div>'
)
LINE = Markup('<line class="{}" x1="{:.2f}%" y1="{:.2f}%" x2="{:.2f}%" y2="{:.2f}%"></line>')
DOT = Markup('<circle class="{}" cx="{:.2f}%" cy="{:.2f}%" r="{}"><title>{}</title></circle>')
PLOT = Markup(
    '<div class="plot"><div class="y">{}</div><svg role="img" aria-label="{}">{}</svg>'
    '<div class="x">{}</div></div>'
)
LABEL = Markup("<span>{}</span>")


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart.

    told: the number as the row shows it; kind: a class of style.css (`ours`, `rule` or none)
    low, high: the ends of its interval, if it has one
    """

    name: str
    value: float
    told: str
    low: float | None = None
    high: float | None = None
    kind: str = ""
    note: str = ""


@dataclass(frozen=True)
class Dot:
    """A point of a plot; low and high: the ends of its interval, if it has one."""

    value: float
    told: str
    kind: str = ""
    low: float | None = None
    high: float | None = None


def bars(rows: Sequence[Bar]) -> Markup:
    """One row for each bar, from zero to the longest of them."""
    top = max((max(row.value, row.high or 0.0) for row in rows), default=0.0) or 1.0
    return Markup("").join(_bar(row, 100 / (1.02 * top)) for row in rows)


def _bar(row: Bar, scale: float) -> Markup:
    marks = FILL.format(max(0.0, row.value * scale))
    said = f"{row.name}: {row.told}"
    if row.low is not None and row.high is not None:
        low, high = max(0.0, row.low * scale), max(0.0, row.high * scale)
        marks += WHISKER.format(low, high)
        said += f", 95{words.NBSP}% interval {words.of_100(row.low)} to {words.of_100(row.high)}"
    return ROW.format(row.kind, row.name, row.note, TRACK.format(said, marks), row.told)


def over_time(dots: Sequence[Dot], labels: Sequence[str], said: str) -> Markup:
    """A line through `dots`, left to right, on a scale from zero; `labels` under it."""
    top = 1.1 * max(max(dot.value, dot.high or 0.0) for dot in dots) or 1.0
    places = [_place(i, len(dots)) for i in range(len(dots))]
    heights = [100 - 100 * dot.value / top for dot in dots]
    marks = _joined("line", places, heights)
    for dot, x, y in zip(dots, places, heights, strict=True):
        if dot.low is not None and dot.high is not None:
            marks += LINE.format("whisker", x, 100 - 100 * dot.low / top, x, 100 - 100 * dot.high / top)
        marks += DOT.format(f"dot {dot.kind}", x, y, 5, dot.told)
    return _plot((0.0, top), marks, labels, said)


def tries(dots: Sequence[Dot], labels: Sequence[str], said: str) -> Markup:
    """One dot a trial, left to right; a line for the best of those that count (kind `ours`) so far."""
    values = [dot.value for dot in dots]
    margin = 0.08 * (max(values) - min(values)) or 0.5 * max(values) or 1.0
    low, high = max(0.0, min(values) - margin), max(values) + margin
    best, steps, marks = None, [], Markup("")
    for place, dot in enumerate(dots):
        x, y = _place(place, len(dots)), 100 * (high - dot.value) / (high - low)
        if dot.kind == "ours" and (best is None or y < best):
            steps += [(x, y)] if best is None else [(x, best), (x, y)]
            best = y
        marks += DOT.format(f"dot {dot.kind}", x, y, 4, dot.told)
    if best is not None:
        steps.append((_place(len(dots) - 1, len(dots)), best))
    line = _joined("line", [x for x, _ in steps], [y for _, y in steps])
    return _plot((low, high), line + marks, labels, said)


def _joined(kind: str, xs: Sequence[float], ys: Sequence[float]) -> Markup:
    ends = zip(xs, ys, xs[1:], ys[1:], strict=False)
    return Markup("").join(LINE.format(kind, *end) for end in ends)


def _place(index: int, of: int) -> float:
    """Where the dot stands from left to right; one alone stands in the middle."""
    return 50.0 if of == 1 else 2 + 96 * index / (of - 1)


def _plot(span: tuple[float, float], marks: Markup, labels: Iterable[str], said: str) -> Markup:
    low, high = span
    grid = Markup("").join(LINE.format("grid", 0, y, 100, y) for y in (0, 50, 100))
    ticks = Markup("").join(LABEL.format(words.of_100(value)) for value in (high, (low + high) / 2, low))
    return PLOT.format(ticks, said, grid + marks, Markup("").join(LABEL.format(text) for text in labels))
