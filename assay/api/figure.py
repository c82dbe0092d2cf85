"""What the drawing of a game shows: a bar for each level, how it ended, and what it cost. Plain values, no colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.api.contest import Contest
from assay.api.element import Difference
from assay.api.layout import Layout, name_of
from assay.api.levels import Level
from assay.api.moves import Side
from assay.api.token import COIN_TOKEN, Token
from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.phase import Ending, Target

BARS_MAX, LINES_MAX, TEXT_MAX = 32, 12, 400
NUMBER_MAX = 1 << 53
TONES = ("", "claimed", "computed")
NAMES = {Side.CHALLENGER: "challenger", Side.ACCUSED: "accused", Side.ANYBODY: "others"}
SINGLE = {"steps": "step", "values": "value", "leaves": "leaf", "elements": "element", "tensors": "tensor"}


@dataclass(frozen=True)
class Bar:
    """One level: `opened` members from `first` on, of which the game goes on with `chosen`."""

    label: str
    note: str
    caption: str
    first: int
    opened: int
    chosen: int | None


@dataclass(frozen=True)
class Line:
    """A name and what is said under it; `tone` says whose value it is."""

    name: str
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Figure:
    """A game to be drawn."""

    title: str
    subtitle: str
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        rows = {"bars": [vars(bar) for bar in self.bars], "lines": [vars(line) for line in self.lines]}
        return {"title": self.title, "subtitle": self.subtitle, **rows}

    @classmethod
    def from_json(cls, value: Any) -> "Figure":
        """From plain values of anybody's. Errors: `Malformed`, `LimitExceeded`."""
        bars, lines = (_entries(value, name, limit) for name, limit in (("bars", BARS_MAX), ("lines", LINES_MAX)))
        return cls(
            _text(value, "title"),
            _text(value, "subtitle"),
            tuple(
                Bar(
                    _text(bar, "label"),
                    _text(bar, "note"),
                    _text(bar, "caption"),
                    _count(bar, "first"),
                    _count(bar, "opened"),
                    None if bar.get("chosen") is None else _count(bar, "chosen"),
                )
                for bar in bars
            ),
            tuple(Line(_text(line, "name"), _text(line, "text"), _tone(line)) for line in lines),
        )


def figure_of(contest: Contest, difference: Difference | None, token: Token, symbol_names: Mapping[str, str]) -> Figure:
    """A dispute as it is to be drawn; `symbol_names` are what addresses are called."""
    accused, challenger = (symbol_names.get(each, each) for each in (contest.accused, contest.challenger))
    levels = contest.narrowing.levels if contest.narrowing else ()
    bars = tuple(_bar(level, contest) for level in levels[:BARS_MAX])
    lines = []
    if len(levels) > BARS_MAX:
        lines.append(Line("", f"{len(levels) - BARS_MAX} further levels are not drawn"))
    if difference is not None:
        lines += [
            Line("where", difference.place),
            Line("what", difference.what),
            Line("claimed", str(difference.claimed or "not opened"), "claimed"),
            Line("computed", str(difference.computed or "a fault"), "computed"),
        ]
    lines.append(Line("outcome", outcome_words(contest)))
    lines += [Line(NAMES[side], bill_words(contest, side)) for side in Side if contest.bills[side].transactions]
    lines.append(Line("money", money_words(contest, token)))
    title = f"Dispute {contest.number}: {contest.about}"
    who = f"shown by {challenger}, of {accused}" if contest.claimed else f"{challenger} against {accused}"
    return Figure(title, who, bars, tuple(lines))


OUTCOMES = {
    "upheld": "upheld: the claim is wrong",
    "dismissed": "dismissed: nothing wrong was shown",
    "moot": "moot: it was disproved otherwise, or rests on a state that a slot has made up",
    "job_fault": "the job itself is at fault",
    "undone": "undone: the slot that a fault of the job rested on has lied",
}
UNRULED = {
    "upheld": "upheld: what was asked for was not opened in time",
    "dismissed": "dismissed: the challenger left, or let its clock run out",
}
"""Where the contract was not asked to compute anything."""
WAITING = {
    Side.ACCUSED: "open: the aggregator has yet to show what it is made of",
    Side.CHALLENGER: "open: what it is made of is shown, and the challenger has yet to begin",
}
"""Before a game, by whose turn it is."""


def outcome_words(contest: Contest) -> str:
    """How a dispute stands, or has ended."""
    if not contest.is_open:
        shown_first = contest.target in (Target.AGGREGATE, Target.SCORE)
        unruled = contest.narrowing.judged is None if contest.narrowing is not None else shown_first
        return (UNRULED if unruled else {}).get(contest.outcome) or OUTCOMES.get(contest.outcome, contest.outcome)
    if contest.turn is not None:
        if contest.phase == "waiting" and contest.target in (Target.SEGMENT, Target.EMIT):
            return "open: it comes to a fault of the job, and the slot has yet to show its leaves"
        return WAITING[contest.turn] if contest.phase == "waiting" else f"open: it is the {contest.turn}'s turn"
    if contest.phase == "fault":
        return "open: the job is at fault, unless what that rests on is disproved in time"
    return "open: the game has ended, and is to be settled"


def bill_words(contest: Contest, side: Side) -> str:
    """What a side has sent so far, and what that cost."""
    bill = contest.bills[side]
    count = f"{bill.transactions} transaction{'s' * (bill.transactions != 1)}"
    untold = f" (of {bill.untold} the node does not say)" if bill.untold else ""
    return f"{count}, {bill.gas:,} gas, {coin_words(bill.fee_wei)}{untold}"


def coin_words(fee_wei: int) -> str:
    """A fee in the chain's coin, to six digits."""
    return f"{fee_wei / 10**COIN_TOKEN.decimals:.6f} {COIN_TOKEN.symbol}"


def money_words(contest: Contest, token: Token) -> str:
    """Where a bond lies or went, and what was slashed."""
    money, words = contest.money, token.words
    parts = [f"a bond of {words(money.bond)}"] if money.bond else []
    if money.slashed:
        parts.append(f"{words(money.slashed)} slashed from the accused")
    if money.reward or money.returned:
        reward = f" and {words(money.reward)} of the slash" if money.reward else ""
        parts.append(f"{words(money.returned)} back to the challenger{reward}")
    if money.paid_to_accused:
        parts.append(f"{words(money.paid_to_accused)} of the bond to the accused")
    if money.burned:
        parts.append(f"{words(money.burned)} burned")
    return "; ".join(parts) or "none moved so far"


# levels


def label_of(level: Level, layout: Layout | None) -> str:
    """What a level is made of, and of what."""
    value = "" if level.row is None else _value(level.row, layout)
    step = "" if level.run is None else layout.words(level.run) if layout else f"step {level.run}"
    match level.kind:
        case "steps":
            return "steps"
        case "rows":
            return f"values of {step}"
        case "state":
            return f"tensors that {step} ends in"
        case "parts":
            return f"parts of a sum in {value}"
    return f"{level.units} of {value}"


def caption_of(level: Level, layout: Layout | None, *, is_over: bool = False) -> str:
    """What of a level was opened, and where it goes on."""
    if not level.answered:
        return "never opened" if is_over else "not opened yet"
    if level.kind == "witness":
        return "shown"
    if level.kind == "parts":
        on = "" if level.chosen is None else f"; on with part {level.chosen}"
        return f"{level.opened:,} of {level.total:,} opened{on}"
    shift = {"steps": layout.first_step, "rows": layout.first}.get(level.kind, 0) if layout else 0
    if level.covers > 1:
        first = 0 if level.chosen is None else level.chosen * level.covers
        last = first + max(level.left or 1, 1) - 1
        on = "" if level.chosen is None else f"; on with {first + shift} to {last + shift}"
        return f"{level.opened:,} groups of {level.covers:,} opened{on}"
    of = "" if level.total is None else f" of {level.total:,}"
    on = "" if level.chosen is None else f"; on with {SINGLE[level.units]} {level.chosen + shift}"
    return f"{level.opened:,}{of} opened{on}"


def _value(row: int, layout: Layout | None) -> str:
    if layout is None:
        return f"the value in row {row}"
    return name_of(layout.program, layout.first + row) or f"value {layout.first + row}"


def note_of(level: Level) -> str:
    """Who has moved, and for how much gas."""
    if level.elsewhere:
        return "opened in another game about this claim"
    if level.kind == "steps":
        return f"opened by the accused, {level.gas:,} gas" if level.answered else "asked for by the challenge itself"
    return f"challenger asks, accused opens, {level.gas:,} gas" if level.answered else "challenger asks"


def _bar(level: Level, contest: Contest) -> Bar:
    is_over = contest.narrowing is not None and contest.narrowing.ending != Ending.OPEN
    label, caption = label_of(level, contest.layout), caption_of(level, contest.layout, is_over=is_over)
    return Bar(label, note_of(level), caption, level.first, level.opened, level.chosen)


# from outside


def _entries(value: Any, name: str, limit: int) -> list[Mapping[str, Any]]:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise Malformed(f"a drawing's {name} are not a list of objects")
    if len(found) > limit:
        raise LimitExceeded(f"a drawing has too many {name}", limit=limit, actual=len(found))
    return found


def _text(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, str) or len(found) > TEXT_MAX:
        raise Malformed(f"a drawing's {name} is no short text")
    return found


def _tone(value: Mapping[str, Any]) -> str:
    found = _text(value, "tone")
    if found not in TONES:
        raise Malformed(f"{found[:20]!r} is no tone of a drawing")
    return found


def _count(value: Mapping[str, Any], name: str) -> int:
    found = value.get(name)
    if type(found) is not int or not 0 <= found < NUMBER_MAX:
        raise Malformed(f"a drawing's {name} is no count")
    return found
