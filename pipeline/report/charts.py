"""Draw charts as inline SVG: bars with intervals, a line over time, trials with the best so far.

Positions are percentages and all text is HTML beside the SVG, so that a chart fits a phone as well as a
desk. Colours come from style.css. Every value is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
TICK = Markup("<span>{}</span>")


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart.

    text:      the value as it is printed
    low, high: the ends of the 95 % interval, if it has one
    kind:      classes of style.css (`ours`, `rule` or none)
    note:      a small line under the name
    """

    name: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None
    kind: str = ""
    note: str = ""


@dataclass(frozen=True)
class Dot:
    """A point of a plot.

    text:      shown when pointed at
    low, high: the ends of its interval, if it has one
    at:        where it stands from left to right, in a plot that does not place its dots one after the other
    """

    value: float
    text: str
    kind: str = ""
    low: float | None = None
    high: float | None = None
    at: float = 0.0


def bars(rows: Sequence[Bar]) -> Markup:
    """One row for each bar, on a scale from zero to the largest value or end of an interval."""
    top = max((max(row.value, row.high or 0.0) for row in rows), default=0.0) or 1.0
    return Markup("").join(_bar(row, 100 / (1.02 * top)) for row in rows)


def _bar(row: Bar, scale: float) -> Markup:
    marks = FILL.format(max(0.0, row.value * scale))
    label = f"{row.name}: {row.text}"
    if row.low is not None and row.high is not None:
        low, high = max(0.0, row.low * scale), max(0.0, row.high * scale)
        marks += WHISKER.format(low, high)
        label += f", 95{words.NBSP}% interval {words.of_100(row.low)} to {words.of_100(row.high)}"
    return ROW.format(row.kind, row.name, row.note, TRACK.format(label, marks), row.text)


def over_time(dots: Sequence[Dot], ticks: Sequence[str], label: str) -> Markup:
    """Dots from left to right on a scale from zero; a line joins all but those of kind `other`.

    ticks: texts under the line; label: the chart in words, for a screen reader
    """
    top = 1.1 * max(max(dot.value, dot.high or 0.0) for dot in dots) or 1.0
    places = [_place(i, len(dots)) for i in range(len(dots))]
    heights = [100 - 100 * dot.value / top for dot in dots]
    alike = [i for i, dot in enumerate(dots) if dot.kind != "other"]
    marks = _joined("line", [places[i] for i in alike], [heights[i] for i in alike])
    for dot, x, y in zip(dots, places, heights, strict=True):
        if dot.low is not None and dot.high is not None:
            marks += LINE.format("whisker", x, 100 - 100 * dot.low / top, x, 100 - 100 * dot.high / top)
        marks += DOT.format(f"dot {dot.kind}", x, y, 5, dot.text)
    return _plot((0.0, top), marks, ticks, label)


def tries(dots: Sequence[Dot], ticks: Sequence[str], label: str) -> Markup:
    """One dot for each trial, left to right; a line joins the best completed ones (`ours`) so far."""
    low, high = _span([dot.value for dot in dots])
    best, steps, marks = None, [], Markup("")
    for place, dot in enumerate(dots):
        x, y = _place(place, len(dots)), 100 * (high - dot.value) / (high - low)
        if dot.kind == "ours" and (best is None or y < best):
            steps += [(x, y)] if best is None else [(x, best), (x, y)]
            best = y
        marks += DOT.format(f"dot {dot.kind}", x, y, 4, dot.text)
    if best is not None:
        steps.append((_place(len(dots) - 1, len(dots)), best))
    line = _joined("line", [x for x, _ in steps], [y for _, y in steps])
    return _plot((low, high), line + marks, ticks, label)


def trade(dots: Sequence[Dot], tick: Callable[[float], str], label: str) -> Markup:
    """What is given up (`value`) for what is gained (`at`), joined in their order; the `ours` one is big.

    tick: the words for a value of `at`; label: the chart in words, for a screen reader
    """
    low, high = _span([dot.value for dot in dots])
    first, last = min(dot.at for dot in dots), max(dot.at for dot in dots)
    xs = [2 + 96 * (dot.at - first) / (last - first or 1.0) for dot in dots]
    ys = [100 * (high - dot.value) / (high - low) for dot in dots]
    marks = _joined("line", xs, ys)
    for dot, x, y in zip(dots, xs, ys, strict=True):
        marks += DOT.format(f"dot {dot.kind}", x, y, 7 if dot.kind == "ours" else 4, dot.text)
    return _plot((low, high), marks, [tick(first), tick((first + last) / 2), tick(last)], label)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a scale that holds the values with some room, from zero at the least."""
    margin = 0.08 * (max(values) - min(values)) or 0.5 * max(values) or 1.0
    return max(0.0, min(values) - margin), max(values) + margin


def _joined(kind: str, xs: Sequence[float], ys: Sequence[float]) -> Markup:
    ends = zip(xs, ys, xs[1:], ys[1:], strict=False)
    return Markup("").join(LINE.format(kind, *end) for end in ends)


def _place(index: int, of: int) -> float:
    """Distance from the left in percent; a single dot stands in the middle."""
    return 50.0 if of == 1 else 2 + 96 * index / (of - 1)


def _plot(span: tuple[float, float], marks: Markup, ticks: Iterable[str], label: str) -> Markup:
    low, high = span
    grid = Markup("").join(LINE.format("grid", 0, y, 100, y) for y in (0, 50, 100))
    values = Markup("").join(TICK.format(words.of_100(value)) for value in (high, (low + high) / 2, low))
    return PLOT.format(values, label, grid + marks, Markup("").join(TICK.format(tick) for tick in ticks))
