"""Charts as inline SVG: curves over rounds and bars of parts. Colours come from the page's style."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.api.markup import Html, join, tag

WIDTH, HEIGHT = 380, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 30
MARKS_MAX = 60


@dataclass(frozen=True)
class Point:
    """A value after a round; `void` if the round was run again in a later generation."""

    round: int
    value: float
    void: bool
    label: str


def curve(points: Sequence[Point], *, title: str, percent: bool) -> Html:
    """A line through the points that stand, hollow marks for those that do not."""
    standing = [point for point in points if not point.void]
    if not standing:
        return tag("p", "Nothing was measured.", class_="quiet")
    low, high, ticks = _scale([point.value for point in points], percent)
    first, last = min(point.round for point in points), max(point.round for point in points)

    def x(round_: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((round_ - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))

    grid = [
        join(
            tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=_at(y(tick)), y2=_at(y(tick)), class_="grid"),
            tag("text", _tick(tick, ticks[1] - ticks[0], percent), x=LEFT - 6, y=_at(y(tick) + 4), text_anchor="end"),
        )
        for tick in ticks
    ]
    stride = max(1, math.ceil((last - first + 1) / 7))
    below = [
        tag("text", round_, x=_at(x(round_)), y=HEIGHT - 10, text_anchor="middle")
        for round_ in range(first, last + 1, stride)
    ]
    path = " ".join(f"{_at(x(point.round))},{_at(y(point.value))}" for point in standing)
    base = _at(y(low))
    area = f"M{_at(x(standing[0].round))} {base} L{path} L{_at(x(standing[-1].round))} {base} Z"
    void = [point for point in points if point.void][:MARKS_MAX]
    shown = [*(standing if len(standing) <= MARKS_MAX else ()), *void]
    marks = [_mark(point, x(point.round), y(point.value)) for point in shown]
    return tag(
        "svg",
        tag("path", d=Html(area), class_="area"),
        *grid,
        *below,
        tag("polyline", points=Html(path), class_="curve"),
        *marks,
        role="img",
        aria_label=f"{title}: from {standing[0].label} to {standing[-1].label}",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        class_="chart",
    )


def bar(parts: Sequence[tuple[str, float]], *, title: str) -> Html:
    """One bar cut into parts: (style class, size). Sizes at or below zero are left out."""
    total = sum(size for _, size in parts if size > 0)
    pieces, at = [], 0.0
    for style, size in parts:
        if size > 0:
            width = 600 * size / total
            pieces.append(tag("rect", x=_at(at), y=0, width=_at(max(width, 1.0)), height=18, class_=style))
            at += width
    return tag(
        "svg",
        *pieces,
        role="img",
        aria_label=title,
        viewBox="0 0 600 18",
        preserveAspectRatio="none",
        class_="stack",
    )


def _mark(point: Point, x: float, y: float) -> Html:
    style = "void" if point.void else "point"
    return Html(
        f'<circle cx="{_at(x)}" cy="{_at(y)}" r="3.2" class="{style}">{tag("title", point.label)}</circle>',
    )


def _scale(values: Sequence[float], percent: bool) -> tuple[float, float, list[float]]:
    """Bounds that hold all values, and four or so round numbers between them."""
    low, high = min(values), max(values)
    low = 0.0 if not percent or low < 0.6 else low
    high = min(1.0, high) if percent else high
    span = max(high - low, 1e-9)
    step = 10 ** math.floor(math.log10(span / 3))
    step *= next((factor for factor in (1, 2, 5) if span / (step * factor) <= 5), 10)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    top = bottom + step if top <= bottom else top
    return bottom, top, [bottom + step * index for index in range(round((top - bottom) / step) + 1)]


def _tick(value: float, step: float, percent: bool) -> str:
    """A tick with as many decimals as tell it from the next."""
    scale = 100 if percent else 1
    places = max(0, -math.floor(math.log10(step * scale) + 1e-9))
    return f"{value * scale:.{places}f}" + "%" * percent


def _at(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
