"""Every state that a small job can come to by whatever anybody may do, and what holds in each.

States are counted up to what cannot matter: how far ahead each deadline lies instead of the time, and which slot or
seat is which. Four things are asked: what holds in a state, what holds of a step, whether those who hold no seat, slot
or stake can always bring the job to its end, and whether it ends once they do what they may as soon as they may.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.model.machine import Machine
from tests.model.money import No, Size
from tests.model.moves import Move, all_moves, is_exit, is_over, wait
from tests.model.state import Name, Phase, Round

SMALL = Size(
    rounds=1, slots=1, seats=1, quorum=1, lookahead=0, redos=1, generations=1, delay=1,
    train_s=1, table_s=2, open_s=2, aggregate_s=2, challenge_s=1,
)  # fmt: skip
"""The least job with every phase; the open window outlasts the challenge window."""


def key(machine: Machine) -> object:
    """What decides about all that can follow."""
    size, now_s, names = machine.size, machine.now_s, sorted(machine.rounds)
    rounds = [machine.rounds[name] for name in names]
    job = (
        machine.generation,
        machine.first,
        machine.next,
        machine.ending,
        machine.stopped,
        machine.faulted,
        machine.ended,
    )
    lead = (machine.aggregator, machine.standby, max(machine.settled_s - now_s, 0))
    purse = tuple(
        machine.purse[each] for each in ("escrow", "credit", "burned", ("lock", "drawn"), ("lock", "standby"))
    )
    leads = tuple(party in machine.forfeited for party in ("drawn", "standby"))
    slots = sorted(_slot(machine, rounds, slot) for slot in range(size.slots))
    seats = sorted(_seat(machine, rounds, seat) for seat in range(size.seats))
    return job, lead, purse, leads, tuple(_round(machine, name) for name in names), tuple(slots), tuple(seats)


def _round(machine: Machine, name: Name) -> object:
    r, now_s = machine.rounds[name], machine.now_s
    live = machine.is_live(name) or r.orphan
    course = machine.generation_of[name[1]] == name[0]
    opened = max(r.open_until_s - now_s, 0) if r.phase <= Phase.FINAL else 0
    disputes = (r.disputes, r.disputed, max(r.decide_s - now_s, 0) if r.disputes else 0)
    paid = (r.paid, r.lead_paid, r.aggregator, r.aggregated, r.slashed.get(r.aggregator, 0), disputes)
    if not live:
        return name, course, r.phase, opened, 0 < r.beacon_block < machine.block, paid
    ahead = (max(r.enter_s - now_s, 0), max(r.deadline_s - now_s, 0), opened, max(r.alone_s - now_s, 0))
    beacon = max(r.beacon_block - machine.block, -1) if r.beacon_block else -2
    marks = (r.redraws, r.replacements, r.optimistic, r.orphan, r.late_done, r.vouched, r.faulted)
    return name, r.phase, ahead, beacon, marks, paid


def _slot(machine: Machine, rounds: list[Round], slot: int) -> tuple[object, ...]:
    party, now_s = f"slot {slot}", machine.now_s
    own = (slot in machine.slots, party in machine.forfeited, machine.purse["bond", slot], machine.purse["lock", party])
    sets = tuple(slot in each for r in rounds for each in (r.present, r.direct, r.accepted, r.included, r.billed))
    dues = tuple(due_s if due_s < 0 else max(due_s - now_s, 0) for due_s in (r.due_s.get(slot, -2) for r in rounds))
    return own, sets, dues, tuple(r.slashed.get(party, 0) for r in rounds)


def _seat(machine: Machine, rounds: list[Round], seat: int) -> tuple[object, ...]:
    party = f"seat {seat}"
    own = (seat in machine.seats, party in machine.forfeited, machine.purse["lock", party])
    sets = tuple(seat in each for r in rounds for each in (r.committed, r.revealed, r.served, r.penalised))
    return own, sets, tuple(r.slashed.get(party, 0) for r in rounds)


# ---------------------------------------------------------------- what holds


def check_state(machine: Machine) -> None:
    """What holds in every state."""
    size, purse = machine.size, machine.purse
    whole = (size.rounds + size.redos) * size.cost + size.deposit + 2 * size.slots * size.price
    assert sum(purse.values()) == whole + (size.slots + size.seats + 1) * size.stake, "money is conserved"
    assert purse["credit"] == sum(map(machine.earned, machine.parties())), "what is credited is what was earned"
    unpaid = machine.next - machine.first + len(machine.orphans)
    assert machine.ended or purse["escrow"] >= unpaid * size.cost, "the escrow covers every open round and orphan"
    assert machine.first <= machine.next <= machine.first + size.lookahead + 1, "rounds run ahead too far"
    for name, r in machine.rounds.items():
        on_course = machine.generation_of[name[1]] == name[0]
        assert (r.phase == Phase.FINAL) == (on_course and name[1] < machine.first), (
            "final is what is below the first open"
        )
        assert r.phase != Phase.FINAL or (r.paid == "included" and r.included), (
            "a final round is paid, and has an update"
        )
        assert r.phase != Phase.VOID or r.paid or not r.present, "what was committed is paid once it is void"
        assert not r.orphan or (r.phase in (Phase.SAMPLING, Phase.OPENING) and name[0] < machine.generation), (
            "an orphan"
        )
        assert r.included <= r.accepted <= r.present, "only who is there is accepted, only who is accepted enters"
        if r.phase < Phase.FINAL:
            assert not r.paid, "a round is paid when it closes"
    if machine.stopped or machine.ended:
        assert not unpaid, "nothing is open after the end, or after a fault"
    if machine.faulted:
        assert not purse["deposit"], "a fault costs the deposit"
    if machine.ended:
        locks = [amount for each, amount in purse.items() if each[0] in ("lock", "bond")]
        assert not any(locks), "no lock outlives its job"
        assert not purse["escrow"] + purse["deposit"], "no escrow outlives its job"


def check_step(before: Machine, after: Machine) -> None:
    """What holds of every step."""
    assert after.first >= before.first, "what is final stays so"
    assert after.purse["burned"] >= before.purse["burned"], "what is burned stays so"
    assert 0 <= after.generation - before.generation <= 1, "a job is rewound by one generation, and only forward"
    rewound = after.generation > before.generation
    assert after.next >= before.next or rewound or after.stopped, "only a rewind or a fault takes rounds back"
    assert not before.ending or after.next <= before.next, "a job that ends opens no round"
    for name, r in before.rounds.items():
        now = after.rounds[name]
        if r.phase >= Phase.FINAL:
            assert (now.phase, now.paid, now.included) == (r.phase, r.paid, r.included), "what is closed stays as it is"
        elif now.phase == Phase.FINAL:
            assert before.now_s >= max(r.deadline_s, r.open_until_s), "nothing is final before its windows are over"
            assert r.phase == Phase.CHALLENGING, "nothing is final that was not challengeable"
            assert not r.open_disputes, "nothing is final under dispute"


# ---------------------------------------------------------------- all states


@dataclass
class Explored:
    """What was seen. `depth` is the most moves that a state is away from the start."""

    size: Size
    states: int = 0
    edges: int = 0
    ends: int = 0
    faults: int = 0
    generations: int = 0
    depth: int = 0
    seconds: float = 0
    kinds: dict[str, int] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    """Ways to states out of which nobody without a seat, slot or stake leads the job to its end."""
    endless: int = 0
    """States on a circle of moves, when whoever may end a phase does it before time passes."""


def explore(
    size: Size, without: frozenset[str] = frozenset(), kind: type[Machine] = Machine, states_max: int = 1 << 40
) -> Explored:
    """All states, by all kinds of moves but those left out.

    Raises `AssertionError` with the moves that lead to what is wrong.
    """
    began_s = time.perf_counter()
    found, start = Explored(size), kind(size).start()
    numbers, ways = {key(start): 0}, [(-1, "start")]
    exits: list[tuple[int, int]] = []
    urgent: list[list[int]] = []
    goals: list[int] = []
    edge = [start]
    while edge and len(numbers) < states_max:
        found.depth += 1
        fresh: list[Machine] = []
        for here, machine in enumerate(edge, len(urgent)):
            urgent.append([])
            found.generations = max(found.generations, machine.generation)
            if machine.ended:
                goals.append(here)
                found.faults += machine.faulted
                continue
            made = [
                (move, after)
                for move in all_moves(machine)
                if move.kind not in without and (after := _try(machine, move))
            ]
            due = any(is_exit(machine, move) for move, _ in made)
            later = machine.copy()
            wait(later)
            for move, after in [*made, (None, later)]:
                there = numbers.setdefault(key(after), len(numbers))
                found.edges += 1
                if move is not None:
                    found.kinds[move.kind] = found.kinds.get(move.kind, 0) + 1
                if there == len(ways):
                    ways.append((here, str(move or "wait")))
                    fresh.append(after)
                    _check(ways, there, check_state, after)
                if move is not None:
                    _check(ways, there, check_step, machine, after)
                if move is None or is_exit(machine, move):
                    exits.append((there, here))
                if there != here and (move is not None or not due):
                    urgent[here].append(there)
        edge = fresh
    found.states, found.ends, found.depth = len(numbers), len(goals), found.depth - 1
    if not edge:
        found.stuck = [" > ".join(_way(ways, state)) for state in _unsafe(len(ways), exits, goals)[:3]]
        found.endless = _circles(urgent)
    found.seconds = time.perf_counter() - began_s
    return found


def _try(machine: Machine, move: Move) -> Machine | None:
    if move.name is not None and is_over(machine.rounds[move.name]) and move.kind not in AFTER:
        return None
    after = machine.copy()
    try:
        move.make(after)
    except No:
        return None
    return after


AFTER = ("equivocate", "penalise_silent", "dispute", "reveal_secret")
"""What may still be done to a round that is closed."""


def _check(ways: list[tuple[int, str]], state: int, holds: Callable[..., None], *machines: Machine) -> None:
    try:
        holds(*machines)
    except AssertionError as wrong:
        raise AssertionError(f"{wrong}: {' > '.join(_way(ways, state))}") from wrong


def _way(ways: list[tuple[int, str]], state: int) -> list[str]:
    words: list[str] = []
    while state >= 0:
        state, step = ways[state]
        words.append(step)
    return words[::-1]


def _unsafe(count: int, exits: list[tuple[int, int]], goals: list[int]) -> list[int]:
    into: dict[int, list[int]] = {}
    for there, here in exits:
        into.setdefault(there, []).append(here)
    safe, todo = set(goals), list(goals)
    while todo:
        for before in into.get(todo.pop(), ()):
            if before not in safe:
                safe.add(before)
                todo.append(before)
    return [state for state in range(count) if state not in safe]


def _circles(after: list[list[int]]) -> int:
    """States that are left when those that lead nowhere any more are taken away, again and again."""
    into: dict[int, list[int]] = {}
    for here, each in enumerate(after):
        for there in each:
            into.setdefault(there, []).append(here)
    left = [len(each) for each in after]
    todo = [state for state, count in enumerate(left) if not count]
    gone = 0
    while todo:
        gone += 1
        for before in into.get(todo.pop(), ()):
            left[before] -= 1
            if not left[before]:
                todo.append(before)
    return len(after) - gone


def scaled(size: Size, **changes: int) -> Size:
    """Another size."""
    return replace(size, **changes)
