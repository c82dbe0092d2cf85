"""The drawing of a game: whole, self-contained, harmless whatever it is given, and nothing of it out of its frame."""

import json
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from assay.api.drawing import BARS, LEFT, RIGHT, STYLE, WIDTH, draw
from assay.api.element import Number
from assay.api.figure import BARS_MAX, Bar, Figure, Line
from assay.protocol.errors import LimitExceeded, Malformed

HOSTILE = "</text><script>alert(1)</script>\" ' & \x1b[2J\u202e"
SPACE = "{http://www.w3.org/2000/svg}"
FIGURE = Figure(
    "Dispute 1: segment 2 of slot 3 of round 0",
    "watcher against provider-4",
    (
        Bar("steps", "opened by the accused, 71,383 gas", "2 of 2 opened; on with step 4", 0, 2, 0),
        Bar("values of step 4", "challenger asks", "64 of 128 opened; on with value 123", 64, 64, 115),
        Bar("elements of w", "challenger asks", "1,024 of 4,096 opened; on with element 1023", 0, 1024, 1023),
        Bar("values of step 4", "challenger asks", "not opened yet", 0, 0, None),
    ),
    (
        Line("where", "step 4, node 113 (sub of a.module: file.py:122)"),
        Line("claimed", "0.047700107 (0x3d436130)", "claimed"),
        Line("computed", "0.04770011 (0x3d436131)", "computed"),
    ),
)


def parts(picture: str, name: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(picture).iter(SPACE + name))


def words(picture: str) -> str:
    return " ".join(element.text or "" for element in parts(picture, "text"))


def test_it_says_what_there_is_to_say_to_who_sees_it_and_to_who_does_not() -> None:
    picture = draw(FIGURE)
    shown = words(picture)
    for each in ("Dispute 1", "values of step 4", "on with step 4", "71,383 gas", "0x3d436130", "0x3d436131"):
        assert each in shown
    (title,), (described,) = parts(picture, "title"), parts(picture, "desc")
    assert title.text == FIGURE.title
    assert "on with value 123" in (described.text or "")
    root = ElementTree.fromstring(picture)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"


def test_it_asks_nothing_of_anybody_and_is_for_light_and_for_dark() -> None:
    picture = draw(FIGURE)
    assert {element.tag.removeprefix(SPACE) for element in ElementTree.fromstring(picture).iter()} == {
        "svg", "title", "desc", "style", "rect", "text", "polygon",
    }  # fmt: skip
    assert not re.search(r"url\(|@import|href|https?://(?!www\.w3\.org/2000/svg)", picture)
    light, dark = STYLE.split("prefers-color-scheme: dark")
    assert set(re.findall(r"\.nw-[a-z]+", light)) == set(re.findall(r"\.nw-[a-z]+", dark))


def test_nothing_leaves_its_frame() -> None:
    picture = draw(FIGURE)
    height = float(ElementTree.fromstring(picture).get("height") or 0)
    for rect in parts(picture, "rect")[1:]:
        x, y, width = (float(rect.get(name) or 0) for name in ("x", "y", "width"))
        assert x >= BARS - 0.1
        assert x + width <= RIGHT + 0.2
        assert 0 <= y < height
    for text in parts(picture, "text"):
        assert LEFT <= float(text.get("x") or 0) < WIDTH
        assert 0 < float(text.get("y") or 0) < height
    chosen = [rect for rect in parts(picture, "rect") if rect.get("class") == "nw-pick"]
    assert len(chosen) == 3, "one on each bar that goes on"
    assert min(float(rect.get("width") or 0) for rect in chosen) >= 3


@pytest.mark.parametrize("text", [HOSTILE, "w" * 400, "a b " * 100, ""])
def test_texts_are_escaped_and_fit_whatever_they_are(text: str) -> None:
    bars = tuple(replace(bar, label=text, note=text, caption=text) for bar in FIGURE.bars)
    lines = tuple(Line(text, text, line.tone) for line in FIGURE.lines)
    picture = draw(Figure(text, text, bars, lines), "a")
    assert "<script" not in picture
    for element in parts(picture, "text"):
        size = float(element.get("font-size") or 0)
        assert len(element.text or "") * 0.6 * size <= WIDTH
        assert (element.text or "").isprintable()


def test_a_figure_comes_back_from_its_plain_values() -> None:
    assert Figure.from_json(json.loads(json.dumps(FIGURE.to_json()))) == FIGURE


def spoiled(**changes: Any) -> dict[str, Any]:
    return {**FIGURE.to_json(), **changes}


BAR = vars(FIGURE.bars[0])
ODD = [
    None,
    [],
    {},
    spoiled(title=1),
    spoiled(title="x" * 401),
    spoiled(bars={}),
    spoiled(bars=[1]),
    spoiled(bars=[{**BAR, "first": -1}]),
    spoiled(bars=[{**BAR, "opened": 2.0}]),
    spoiled(bars=[{**BAR, "opened": 1 << 60}]),
    spoiled(bars=[{**BAR, "chosen": True}]),
    spoiled(lines=[{"name": "a", "text": "b", "tone": "onload"}]),
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[-40:])
def test_what_is_no_figure_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        Figure.from_json(value)


def test_a_figure_of_too_many_bars_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        Figure.from_json(spoiled(bars=[BAR] * (BARS_MAX + 1)))


@pytest.mark.parametrize(
    ("raw", "dtype", "text", "bits"),
    [
        ("3061433d", "F32", "0.047700107", "0x3d436130"),
        ("00000080", "F32", "-0.0", "0x80000000"),
        ("0000c07f", "F32", "nan", "0x7fc00000"),
        ("ffff", "I16", "-1", "0xffff"),
        ("ffffffff", "I32", "-1", "0xffffffff"),
        ("0100000000000080", "I64", "-9223372036854775807", "0x8000000000000001"),
        ("01", "BOOL", "1", "0x01"),
    ],
)
def test_a_number_is_said_in_decimals_and_in_bits(raw: str, dtype: str, text: str, bits: str) -> None:
    assert Number.of(bytes.fromhex(raw), dtype) == Number(text, bits)
