"""How a game narrows a claim down, from its events: one model for words, JSON and the drawing.

    steps -> rows -> leaves -> content -> an element          a value that does not follow from its inputs
    steps -> rows -> state -> a tensor, or the loss           an end that is not made of the values
    ... -> parts -> parts -> an element                       a sum that is too long to be looked at at once

Each level is a group that the accused has opened, with the one of it that the game goes on with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.api.layout import Layout
from assay.api.levels import Aim, Level, left_of, level_of, path_of, rank_of
from assay.api.moves import MOVES, NOTHING_KNOWN, NUMBER_MAX, Move, Spent, is_sound, key_of, moves_of
from assay.chain.contracts.games import Answered, Demanded, Ended, Ruled
from assay.chain.events import Emitted, Event
from assay.proof.evidence import Ruling
from assay.proof.opened import Key
from assay.protocol.merkle import ARITY
from assay.protocol.phase import Ending
from assay.roles.duels import Record

EVENTS_MAX = 1_024
"""Of a game, which has 24 demands, and of all others about its claim."""


@dataclass(frozen=True)
class Judged:
    """What the contract recomputed. `number`: of the value, inputs first; `how`: the function that showed it."""

    run: int
    number: int
    element: int
    ruling: str
    how: str

    @property
    def about(self) -> str:
        """element, tensor (a state's, which is not made of the run's values) or loss."""
        return {"proveOutput": "tensor", "proveLoss": "loss"}.get(self.how, "element")


@dataclass(frozen=True)
class Narrowing:
    """One game from its first demand to where it is."""

    game: int
    levels: tuple[Level, ...] = ()
    moves: tuple[Move, ...] = ()
    judged: Judged | None = None
    ending: Ending = Ending.OPEN
    claimed: bytes = b""
    """The bytes of the element that was ruled on, as the accused has opened them."""
    known: Mapping[Key, bytes] = field(default_factory=dict, repr=False)
    """All that was opened about the claim."""
    left: Mapping[str, int | None] = field(default_factory=dict)
    """How many steps, values, leaves, elements the difference may still be in."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "game": self.game,
            "ending": self.ending.name.lower(),
            "levels": [level.to_json() for level in self.levels],
            "judged": None if self.judged is None else {**vars(self.judged), "about": self.judged.about},
            "claimed_bytes": self.claimed.hex() or None,
            "left": dict(self.left),
        }


def narrow(
    game: int,
    emitted: Sequence[Emitted[Event]],
    layout: Layout | None = None,
    spent: Mapping[bytes, Spent] | None = None,
) -> Narrowing:
    """A game out of the events of all games; `spent` is by transaction. Without a `layout` counts that no event says
    are left open."""
    costs = spent or {}
    sound = [each for each in emitted if isinstance(each.event, MOVES) and is_sound(each.event)]
    own = [each for each in sound if getattr(each.event, "game", None) == game][:EVENTS_MAX]
    claim = next((each.event.claim for each in own if hasattr(each.event, "claim")), None)
    mine = {getattr(each.event, "game", None) for each in sound if getattr(each.event, "claim", None) == claim}
    others = [each for each in sound if getattr(each.event, "game", None) in mine - {game}][:EVENTS_MAX]
    about = sorted([*own, *others], key=lambda each: each.log.place)
    if any(isinstance(each.event, Ended) for each in own):
        last = max(each.log.place for each in own)
        about = [each for each in about if each.log.place <= last]
    record = Record.of([each.event for each in about])
    judged = _judged(own, costs, layout)
    asked = _asked(own)
    aim = _aim(asked, judged, layout, own, costs)
    elsewhere = [key for key in path_of(aim, layout) if key not in asked and key in record.known]
    keys = [*asked, *elsewhere]
    if len({key[1] for key in keys if len(key) > 1}) <= 1:
        keys.sort(key=rank_of)
    gas = _gas_by_key(own, record, costs)
    levels = tuple(level_of(key, aim, layout, record, key in elsewhere, gas.get(key, 0)) for key in keys)
    ending = next((each.event.outcome for each in own if isinstance(each.event, Ended)), Ending.OPEN)
    claimed = claimed_of(judged, record.known, layout)
    moves = tuple(moves_of(own, record, layout, costs))
    return Narrowing(game, levels, moves, judged, ending, claimed, record.known, left_of(aim, layout))


def _asked(own: Sequence[Emitted[Event]]) -> list[Key]:
    keys = [key for key in (key_of(each.event) for each in own) if key is not None]
    return list(dict.fromkeys(keys))


def _judged(own: Sequence[Emitted[Event]], costs: Mapping[bytes, Spent], layout: Layout | None) -> Judged | None:
    """The last ruling; what called for parts or for a witness was one too."""
    rulings = [each for each in own if isinstance(each.event, Ruled)]
    if not rulings:
        return None
    event, paid = rulings[-1].event, costs.get(rulings[-1].log.transaction_hash, NOTHING_KNOWN)
    assert isinstance(event, Ruled)
    name = Ruling(event.ruling).name.lower().replace("_", " ") if event.ruling < len(Ruling) else str(event.ruling)
    how = paid.call if paid.call.startswith("prove") else ""
    if not how:
        # Without the call: what was asked for last says what was shown.
        state = [key for key in _asked(own) if key[0] == "state"]
        outputs = layout.program.outputs if layout else ()
        if state and _asked(own)[-1][0] == "state":
            told = event.element < len(outputs) and outputs[event.element] == event.number
            how = "proveOutput" if told or layout is None else "proveLoss"
        else:
            how = "prove"
    return Judged(event.step, event.number, event.element, name, how)


def _aim(
    asked: Sequence[Key],
    judged: Judged | None,
    layout: Layout | None,
    own: Sequence[Emitted[Event]],
    costs: Mapping[bytes, Spent],
) -> Aim:
    if judged is not None and judged.about == "tensor":
        return Aim(judged.run, output=judged.element)
    if judged is not None and judged.about == "loss":
        return Aim(judged.run)
    parts = [(key[4], key[5]) for key in asked if key[0] == "parts"]
    addends = _part(own, costs) if judged and judged.how == "provePart" else None
    addends = addends or (parts[-1] if parts else None)
    if judged is not None and layout is not None and layout.number_of(judged.number - layout.first) is not None:
        leaf = judged.element // layout.elements_per_leaf(judged.number)
        row = (0, judged.number - layout.first)
        return Aim(judged.run, row, (0, leaf), judged.element, addends=addends)
    if not asked:
        return Aim(judged.run) if judged else Aim()
    kind, *where = asked[-1]
    match kind:
        case "rows":
            return Aim(where[0], (where[1], where[2]))
        case "leaves":
            return Aim(where[0], (0, where[1]), (where[2], where[3]))
        case "content":
            return Aim(where[0], (0, where[1]), (0, where[2]))
        case "state":
            return Aim(where[0])
        case "parts" | "witness" if layout is not None:
            row = (0, len(layout.program.inputs) + where[1] - layout.first)
            return Aim(where[0], row, element=where[2], addends=addends)
    return Aim()


def _part(own: Sequence[Emitted[Event]], costs: Mapping[bytes, Spent]) -> tuple[int, int] | None:
    """The part of a sum that was shown last, first addend and count: the call alone says which it was."""
    ruled = [each for each in own if isinstance(each.event, Ruled)][-1]
    words = costs.get(ruled.log.transaction_hash, NOTHING_KNOWN).arguments
    # provePart(game, claim, (step, node, element, from, count, size, total, wraps), parts, part, evidence)
    start, count, size, part = (int.from_bytes(words[32 * at : 32 * at + 32], "big") for at in (5, 6, 7, 11))
    first = start + part * size
    if len(words) < 32 * 12 or not start <= first < start + count < NUMBER_MAX:
        return None
    return first, min(size, start + count - first)


def _gas_by_key(own: Sequence[Emitted[Event]], record: Record, costs: Mapping[bytes, Spent]) -> dict[Key, int]:
    gas: dict[Key, int] = {}
    for each in own:
        key = record.keys.get(each.event.demanded) if isinstance(each.event, Answered) else key_of(each.event)
        # The claim's own opening asks for the steps: its gas is the challenge's.
        if key is not None and not (isinstance(each.event, Demanded) and key == ("steps",)):
            gas[key] = gas.get(key, 0) + (costs.get(each.log.transaction_hash, NOTHING_KNOWN).gas or 0)
    return gas


def claimed_of(judged: Judged | None, known: Mapping[Key, bytes], layout: Layout | None) -> bytes:
    """What the accused has opened of the element, or of the tensor's root, that was ruled on."""
    if judged is None or layout is None or not 0 <= judged.number < len(layout.program.values):
        return b""
    if judged.about == "tensor":
        roots = known.get(("state", judged.run, judged.element // ARITY), b"")
        at = 32 * (judged.element % ARITY)
        return roots[at : at + 32]
    if judged.about == "loss":
        return b""
    item, per_leaf = layout.item_bytes(judged.number), layout.elements_per_leaf(judged.number)
    leaf, at = divmod(judged.element, per_leaf)
    content = known.get(("content", judged.run, judged.number - layout.first, leaf), b"")
    return content[at * item : (at + 1) * item]
