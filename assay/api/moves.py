"""What is done in a game, move by move: who did it, what it was in words, what it cost.

Events are a node's word: what does not fit into a game is passed over, and no number of theirs is counted up to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from assay.api.layout import UNITS, Layout
from assay.chain.contracts.games import Answered, Demanded, Ended, Ruled, Summed
from assay.chain.events import Emitted, Event
from assay.proof.evidence import Ruling
from assay.proof.opened import Key
from assay.protocol.merkle import ARITY
from assay.roles.duels import KINDS, Record

HEIGHT_MAX, NUMBER_MAX = 48, 1 << 48
"""What no game comes near: a run has at most 2^32 rows, a value as many leaves."""
MOVES = (Answered, Demanded, Ended, Ruled, Summed)


class Side(StrEnum):
    """Who has moved."""

    CHALLENGER = "challenger"
    ACCUSED = "accused"
    ANYBODY = "anybody"
    """Whoever does what anybody may: a clock that has run out, a settlement."""


@dataclass(frozen=True)
class Spent:
    """What a transaction cost, who sent it, and which function of the games it called, with what."""

    gas: int | None = None
    fee_wei: int | None = None
    sender: str = ""
    call: str = ""
    arguments: bytes = b""


NOTHING_KNOWN = Spent()


@dataclass(frozen=True)
class Move:
    """One thing that somebody did in a game. `gas` and `fee_wei` are of its transaction, told once for each."""

    side: Side
    what: str
    text: str
    block: int
    transaction: bytes
    gas: int | None = None
    fee_wei: int | None = None
    sender: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "side": str(self.side),
            "what": self.what,
            "text": self.text,
            "block": self.block,
            "transaction": "0x" + self.transaction.hex(),
            "gas": self.gas,
            "fee_wei": self.fee_wei,
            "sender": self.sender,
        }


def is_sound(event: Event) -> bool:
    """Whether a game could say this: nothing is computed from numbers that are beyond all games."""
    match event:
        case Demanded():
            kind = KINDS[event.demand] if event.demand < len(KINDS) else ""
            small = max(event.step, event.row, event.index) < NUMBER_MAX and event.height <= HEIGHT_MAX
            return kind not in ("", "parts") and small and min(event.step, event.row, event.index, event.height) >= 0
        case Summed():
            numbers = (event.sum.step, event.sum.node, event.sum.element, event.sum.from_, event.sum.count)
            return all(0 <= each < NUMBER_MAX for each in numbers) and 0 < event.sum.size < NUMBER_MAX
        case Ruled():
            return all(0 <= each < NUMBER_MAX for each in (event.step, event.number, event.element))
        case Answered():
            return event.demand < len(KINDS)
    return True


def key_of(event: Event) -> Key | None:
    """What an event asks for."""
    match event:
        case Demanded():
            fields: dict[str, tuple[int, ...]] = {
                "steps": (),
                "rows": (event.step, event.height, event.index),
                "leaves": (event.step, event.row, event.height, event.index),
                "content": (event.step, event.row, event.index),
                "state": (event.step, event.index),
                "witness": (event.step, event.row, event.index),
            }
            return (KINDS[event.demand], *fields[KINDS[event.demand]])
        case Summed():
            return ("parts", event.sum.step, event.sum.node, event.sum.element, event.sum.from_, event.sum.count)
    return None


def moves_of(
    own: Sequence[Emitted[Event]], record: Record, layout: Layout | None, costs: Mapping[bytes, Spent]
) -> list[Move]:
    by_transaction: dict[bytes, Side] = {}
    for each in own:
        side = _side(each.event)
        if side != Side.ANYBODY:
            by_transaction.setdefault(each.log.transaction_hash, side)
    moves = []
    for each in own:
        at = each.log.transaction_hash
        side = by_transaction.get(at) or _ender(costs.get(at, NOTHING_KNOWN).call)
        text = words_of(each.event, record, layout)
        moves.append(Move(side, type(each.event).__name__.lower(), text, each.log.block_number, at))
    return priced(moves, costs)


def priced(moves: Sequence[Move], costs: Mapping[bytes, Spent]) -> list[Move]:
    """The same moves, each transaction's cost with the first that it holds."""
    found: list[Move] = []
    paid: set[bytes] = set()
    for move in moves:
        cost = costs.get(move.transaction, NOTHING_KNOWN)
        once = cost if move.transaction not in paid else NOTHING_KNOWN
        paid.add(move.transaction)
        found.append(replace(move, gas=once.gas, fee_wei=once.fee_wei, sender=cost.sender))
    return found


def _side(event: Event) -> Side:
    if isinstance(event, Answered):
        return Side.ACCUSED
    return Side.ANYBODY if isinstance(event, Ended) else Side.CHALLENGER


def _ender(call: str) -> Side:
    """Who ends a game with a call that says nothing else."""
    if call.startswith("answer"):
        return Side.ACCUSED
    return Side.CHALLENGER if call == "resign" or call.startswith("prove") else Side.ANYBODY


def words_of(event: Event, record: Record, layout: Layout | None = None) -> str:
    """An event of a game for people."""
    match event:
        case Demanded() | Summed():
            key = key_of(event)
            return f"asks for {_named(key, layout)}" if key else "asks for something"
        case Answered():
            key = record.keys.get(event.demanded)
            if KINDS[event.demand] == "witness":
                return "shows an element that is as large as claimed"
            return f"opens {_named(key, layout)}, {len(event.content):,} bytes" if key else "opens something"
        case Ruled():
            name = Ruling(event.ruling).name.lower().replace("_", " ") if event.ruling < len(Ruling) else event.ruling
            where = f"element {event.element} of value {event.number} of {_step(event.step, layout)}"
            return f"has the contract compute {where}: {name}"
        case Ended():
            return f"the game ends: {event.outcome.name.lower().replace('_', ' ')}"
    return ""


def _named(key: Key, layout: Layout | None) -> str:
    kind, *where = key
    match kind:
        case "steps":
            return "the states between the steps"
        case "rows" | "leaves":
            return f"{UNITS[kind]} {_span(key, layout)}"
        case "content":
            return f"leaf {where[2]} of {_value(where[1], layout)} of {_step(where[0], layout)}"
        case "state":
            return f"the tensors from {ARITY * where[1]} on of what {_step(where[0], layout)} ends in"
        case "parts":
            addends = f"addends {where[3]} to {where[3] + where[4] - 1}"
            return f"what {addends} of element {where[2]} of node {where[1]} come to, in parts"
    return f"an element as large as claimed for element {where[2]} of node {where[1]}"


def _span(key: Key, layout: Layout | None) -> str:
    """The finest units that lie under a part of a tree, and whose they are."""
    kind, step, *where = key
    height, index = where[-2:]
    first, last, of = index << height, ((index + 1) << height) - 1, _step(step, layout)
    if kind == "leaves":
        number = layout.number_of(where[0]) if layout else None
        count = layout.leaf_count(number) if layout and number is not None else None
        of = f"{_value(where[0], layout)} of {of}"
    else:
        count = layout.row_count if layout else None
    last = last if count is None else max(first, min(last, count - 1))
    shift = layout.first if layout and kind == "rows" else 0
    return f"{first + shift} to {last + shift} of {of}"


def _value(row: int, layout: Layout | None) -> str:
    return f"the value in row {row}" if layout is None else f"value {layout.first + row}"


def _step(run: int, layout: Layout | None) -> str:
    return layout.words(run) if layout else f"step {run}"
