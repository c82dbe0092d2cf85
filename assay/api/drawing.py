"""The drawing of a game as SVG: each level as a bar that widens what was chosen on the one above.

No script, nothing from elsewhere, every text escaped. Colours are its own, for light and for dark.
"""

from collections.abc import Iterator

from assay.api.figure import Bar, Figure, Line
from assay.api.markup import Html, clean, join, tag

WIDTH, MARGIN = 900, 24
LEFT, BARS, RIGHT = 24, 350, WIDTH - 24
"""Where texts begin, and bars."""
HEAD, STRIDE, BAR = 80, 72, 34
LINE, NAME = 22, 108
CELLS_MAX = 64
CHOSEN_MIN, GAP = 3.0, 1.5
SMALL, PLAIN, LARGE = 11.5, 13, 17
"""Sizes of text, in pixels."""
WIDE = 0.6
"""Of a letter, of its size: as wide as fonts that a reader may have."""
STYLE = """
.nw text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1d1c1a; }
.nw .nw-page { fill: #fff; }
.nw .nw-soft { fill: #5f5b53; }
.nw .nw-track { fill: #e2dfd8; }
.nw .nw-cell { fill: #b9cbf0; }
.nw .nw-pick { fill: #2458c5; }
.nw .nw-funnel { fill: #2458c5; opacity: .13; }
.nw .nw-claimed { fill: #b3261e; }
.nw .nw-computed { fill: #1c7a4c; }
@media (prefers-color-scheme: dark) {
.nw text { fill: #ecebe7; }
.nw .nw-page { fill: #1e1d1b; }
.nw .nw-soft { fill: #aaa69c; }
.nw .nw-track { fill: #353330; }
.nw .nw-cell { fill: #3a4a6e; }
.nw .nw-pick { fill: #86aaf7; }
.nw .nw-funnel { fill: #86aaf7; opacity: .16; }
.nw .nw-claimed { fill: #f2938c; }
.nw .nw-computed { fill: #6cc998; }
}
"""


def draw(figure: Figure, name: str = "narrowing", *, inline: bool = False) -> Html:
    """The picture as a file, or `inline` as a part of a page; `name` tells its parts from those of others there."""
    lines = [part for line in figure.lines for part in _wrapped(line)]
    below = HEAD + STRIDE * len(figure.bars) + 12
    height = below + LINE * (len(lines) - 1) + MARGIN
    body = [
        tag("rect", x=0, y=0, width=WIDTH, height=height, rx=10, class_="nw-page"),
        _say(LEFT, 36, figure.title, LARGE, RIGHT - LEFT, weight=650),
        _say(LEFT, 57, figure.subtitle, SMALL, RIGHT - LEFT, "nw-soft"),
        *_bars(figure.bars),
        *(_line(part, below + LINE * at) for at, part in enumerate(lines)),
    ]
    return tag(
        "svg",
        tag("title", figure.title, id=f"{name}-title"),
        tag("desc", describe(figure), id=f"{name}-desc"),
        tag("style", Html(STYLE)),
        *body,
        xmlns=None if inline else "http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=WIDTH,
        height=height,
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_="nw",
    )


def describe(figure: Figure) -> str:
    """The same in words, for who cannot see it."""
    levels = [f"{bar.label}: {bar.caption}" for bar in figure.bars]
    return "; ".join([*levels, *(f"{line.name}: {line.text}".removeprefix(": ") for line in figure.lines)])


def _bars(bars: tuple[Bar, ...]) -> Iterator[Html]:
    above: tuple[float, float] | None = None
    for at, bar in enumerate(bars):
        top = HEAD + STRIDE * at
        if above is not None:
            edge = top - STRIDE + BAR
            points = f"{_at(above[0])},{edge} {_at(above[1])},{edge} {RIGHT},{top} {BARS},{top}"
            yield tag("polygon", points=points, class_="nw-funnel")
        yield join(*_texts(bar, top), *_cells(bar, top))
        above = _span(bar)


def _texts(bar: Bar, top: float) -> Iterator[Html]:
    """What the level is, what of it was opened, and who moved."""
    room = BARS - LEFT - 16
    yield _say(LEFT, top + 9, bar.label, PLAIN, room, weight=600)
    yield _say(LEFT, top + 26, bar.caption, SMALL, room, "nw-soft")
    yield _say(LEFT, top + 42, bar.note, SMALL, room, "nw-soft")


def _cells(bar: Bar, top: float) -> Iterator[Html]:
    if not bar.opened:
        yield tag("rect", x=BARS, y=top, width=RIGHT - BARS, height=BAR, rx=3, class_="nw-track")
        return
    if bar.opened <= CELLS_MAX:
        width = (RIGHT - BARS + GAP) / bar.opened
        for at in range(bar.opened):
            style = "nw-pick" if bar.first + at == bar.chosen else "nw-cell"
            x = BARS + at * width
            yield tag("rect", x=_at(x), y=top, width=_at(max(1.0, width - GAP)), height=BAR, rx=2, class_=style)
        return
    yield tag("rect", x=BARS, y=top, width=RIGHT - BARS, height=BAR, rx=3, class_="nw-cell")
    span = _span(bar)
    if span is not None:
        yield tag("rect", x=_at(span[0]), y=top, width=_at(span[1] - span[0]), height=BAR, class_="nw-pick")


def _span(bar: Bar) -> tuple[float, float] | None:
    """Where the chosen member lies on a bar, from left to right."""
    if bar.chosen is None or not bar.first <= bar.chosen < bar.first + bar.opened:
        return None
    gap = GAP if bar.opened <= CELLS_MAX else 0.0
    width = (RIGHT - BARS + gap) / bar.opened
    start = BARS + (bar.chosen - bar.first) * width
    if gap:
        return start, start + max(1.0, width - gap)
    return min(start, RIGHT - CHOSEN_MIN), min(start, RIGHT - CHOSEN_MIN) + max(CHOSEN_MIN, width)


def _wrapped(line: Line) -> Iterator[Line]:
    """A line in pieces that fit, of which the first alone has the name."""
    room = int((RIGHT - LEFT - NAME) / (WIDE * PLAIN))
    words, text, name = clean(line.text).split(" "), "", line.name
    for word in words:
        longer = f"{text} {word}".strip()
        if len(longer) > room and text:
            yield Line(name, text, line.tone)
            text, name = word, ""
        else:
            text = longer
    yield Line(name, text, line.tone)


def _line(line: Line, y: float) -> Html:
    style = f"nw-{line.tone}" if line.tone else None
    text = _say(LEFT + NAME, y, line.text, PLAIN, RIGHT - LEFT - NAME, style, weight=600 if line.tone else None)
    return join(_say(LEFT, y, line.name, PLAIN, NAME - 8, "nw-soft"), text)


def _say(
    x: float,
    y: float,
    text: str,
    size: float,
    room: float,
    style: str | None = None,
    *,
    weight: int | None = None,
    anchor: str | None = None,
) -> Html:
    """A line of text, cut to what fits."""
    most, shown = int(room / (WIDE * size)), clean(text)
    shown = shown if len(shown) <= most else shown[: max(1, most - 1)] + "…"
    return tag("text", shown, x=_at(x), y=_at(y), font_size=size, class_=style, font_weight=weight, text_anchor=anchor)


def _at(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
