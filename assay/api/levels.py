"""One level of a game: the group that was opened of a tree, and which of its members the game goes on with."""

from dataclasses import dataclass
from typing import Any

from assay.api.layout import UNITS, Layout
from assay.proof.evidence import PART_BYTES
from assay.proof.opened import Key, below
from assay.protocol.merkle import ARITY, depth
from assay.roles.duels import Record

RANKS = {"steps": 0, "rows": 1, "state": 2, "leaves": 3, "content": 4, "parts": 5, "witness": 6}


@dataclass(frozen=True)
class Level:
    """A group that was asked for, as far as it was opened. Each of its members stands for `covers` of the finest units
    of its kind; `left` of these remain once one is chosen."""

    kind: str
    run: int | None
    row: int | None
    first: int
    opened: int
    covers: int
    total: int | None
    chosen: int | None
    left: int | None
    answered: bool
    elsewhere: bool = False
    """It was opened in another game about the same claim."""
    gas: int = 0
    """Of asking and of opening."""

    @property
    def units(self) -> str:
        """What it is made of."""
        return UNITS[self.kind]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), "units": self.units}


@dataclass(frozen=True)
class Aim:
    """Where a game has come to: of a tree's nodes (height, index), as far as one was named."""

    run: int | None = None
    row: tuple[int, int] | None = None
    leaf: tuple[int, int] | None = None
    element: int | None = None
    output: int | None = None
    addends: tuple[int, int] | None = None
    """Of a sum the part that was looked at last: its first addend, and how many."""


def path_of(aim: Aim, layout: Layout | None) -> list[Key]:
    """The groups from the top down to where a game has come: what of them was known already nobody asked for."""
    if aim.run is None or aim.row is None:
        return []
    keys: list[Key] = [("steps",)]
    if layout is None:
        return keys
    keys += [("rows", aim.run, height, index) for height, index in _descent(depth(layout.row_count), aim.row)]
    number = layout.number_of(aim.row[1]) if aim.row[0] == 0 else None
    if number is not None and aim.leaf is not None:
        descent = _descent(depth(layout.leaf_count(number)), aim.leaf)
        keys += [("leaves", aim.run, aim.row[1], height, index) for height, index in descent]
        if aim.leaf[0] == 0:
            keys.append(("content", aim.run, aim.row[1], aim.leaf[1]))
    return keys


def _descent(top: int, aim: tuple[int, int]) -> list[tuple[int, int]]:
    """(height, index) of the parts of a tree that lead to one of its nodes."""
    found, height = [], top
    while height > aim[0]:
        found.append((height, aim[1] << aim[0] >> height))
        height = below(height)
    return found


def rank_of(key: Key) -> tuple[int, int]:
    heights = {"rows": 2, "leaves": 3}
    return RANKS[key[0]], -int(key[heights[key[0]]]) if key[0] in heights else 0


def level_of(key: Key, aim: Aim, layout: Layout | None, record: Record, elsewhere: bool, gas: int) -> Level:
    kind, *where = key
    content = record.known.get(key, b"")
    run = where[0] if where else None
    answered = key in record.known
    common: dict[str, Any] = {"kind": kind, "run": run, "answered": answered, "elsewhere": elsewhere, "gas": gas}
    hashes = len(content) // 32
    match kind:
        case "steps":
            total = layout.steps if layout else hashes + 1 if answered else None
            opened = hashes + 1 if answered else 0
            chosen = aim.run if aim.run is not None and aim.run < opened else None
            return Level(
                **common,
                row=None,
                first=0,
                opened=opened,
                covers=1,
                total=total,
                chosen=chosen,
                left=1 if chosen is not None else total,
            )
        case "rows":
            total = layout.row_count if layout else None
            target = aim.row if aim.run == run else None
            return _tree(common, None, where[1], where[2], hashes, total, target)
        case "leaves":
            number = layout.number_of(where[1]) if layout else None
            total = layout.leaf_count(number) if layout and number is not None else None
            target = aim.leaf if (aim.run, aim.row) == (run, (0, where[1])) else None
            return _tree(common, where[1], where[2], where[3], hashes, total, target)
        case "content":
            return _content(common, where[1], where[2], len(content), aim, layout)
        case "state":
            first = ARITY * where[1]
            chosen = aim.output if aim.output is not None and first <= aim.output < first + hashes else None
            opened = min(hashes, ARITY)
            total = layout.end_count if layout else None
            if layout is not None:
                opened = max(0, min(opened, layout.end_count - first))
            return Level(
                **common,
                row=None,
                first=first,
                opened=opened,
                covers=1,
                total=total,
                chosen=chosen,
                left=1 if chosen is not None else opened or None,
            )
        case "parts":
            return _parts(common, key, content, aim, layout, record)
    row = len(layout.program.inputs) + where[1] - layout.first if layout else None
    return Level(**common, row=row, first=where[2], opened=int(answered), covers=1, total=None, chosen=where[2], left=1)


def _tree(
    common: dict[str, Any],
    row: int | None,
    height: int,
    index: int,
    opened: int,
    total: int | None,
    target: tuple[int, int] | None,
) -> Level:
    """A part of a tree, and which of its nodes leads on."""
    base = below(height)
    first, covers = index << (height - base), 1 << base
    if total is not None:  # the rest is padding
        opened = max(0, min(opened, -(-total // covers) - first))
    chosen = None
    if target is not None and target[0] <= base:
        found = target[1] << target[0] >> base
        chosen = found if first <= found < first + opened else None
    at, span = (chosen, covers) if chosen is not None else (index, 1 << height)
    left = span if total is None else max(0, min(span, total - at * span))
    return Level(**common, row=row, first=first, opened=opened, covers=covers, total=total, chosen=chosen, left=left)


def _content(common: dict[str, Any], row: int, leaf: int, size: int, aim: Aim, layout: Layout | None) -> Level:
    number = layout.number_of(row) if layout else None
    if layout is None or number is None:
        return Level(**common, row=row, first=0, opened=0, covers=1, total=None, chosen=None, left=None)
    per_leaf, total = layout.elements_per_leaf(number), layout.program.values[number].size
    first, opened = leaf * per_leaf, size // layout.item_bytes(number)
    here = (aim.run, aim.row, aim.leaf) == (common["run"], (0, row), (0, leaf))
    chosen = aim.element if here and aim.element is not None and first <= aim.element < first + opened else None
    left = 1 if chosen is not None else max(0, min(per_leaf, total - first))
    return Level(**common, row=row, first=first, opened=opened, covers=1, total=total, chosen=chosen, left=left)


def _parts(common: dict[str, Any], key: Key, content: bytes, aim: Aim, layout: Layout | None, record: Record) -> Level:
    _, _, node, _, start, count = key
    size = max(1, int(record.sums[key][5])) if key in record.sums else 1
    opened, total = len(content) // PART_BYTES, -(-count // size)
    chosen = None
    if aim.addends is not None and start <= aim.addends[0] < start + count and aim.addends[1] < count:
        found = (aim.addends[0] - start) // size
        chosen = found if found < opened else None
    row = len(layout.program.inputs) + node - layout.first if layout else None
    left = min(size, count) if chosen is not None else count
    return Level(**common, row=row, first=0, opened=opened, covers=size, total=total, chosen=chosen, left=left)


def left_of(aim: Aim, layout: Layout | None) -> dict[str, int | None]:
    """How many steps, values of a step, leaves of a value and elements a difference may still be in."""
    steps = layout.steps if layout else None
    rows = layout.row_count if layout else None
    leaves = elements = None
    if aim.run is not None:
        steps = 1
    if aim.row is not None:
        height, index = aim.row
        rows = 1 << height if rows is None else max(0, min(1 << height, rows - (index << height)))
        number = layout.number_of(index) if layout and height == 0 else None
        if layout is not None and number is not None:
            leaves, elements = layout.leaf_count(number), layout.program.values[number].size
            if aim.leaf is not None:
                high, at = aim.leaf
                per_leaf = layout.elements_per_leaf(number)
                leaves = max(0, min(1 << high, leaves - (at << high)))
                elements = max(0, min(leaves * per_leaf, elements - (at << high) * per_leaf))
            if aim.element is not None:
                leaves = elements = 1
    if aim.output is not None:
        rows = 1
    return {"steps": steps, "values": rows, "leaves": leaves, "elements": elements}
