"""Whatever anybody may try on a job, honest or not: the same list for the model and for the contracts."""

from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any, NamedTuple

from tests.model.machine import Machine
from tests.model.money import Size, Slots
from tests.model.state import DRAWN, NOBODY, STANDBY, Name, Phase, Round

DISPUTES = 1
"""Disputes of a round that are tried: the judge hears each claim at most three times, so there are finitely many."""


class Move(NamedTuple):
    """A call by its name; with a round's name where it is of a round."""

    kind: str
    name: Name | None = None
    args: tuple[Any, ...] = ()
    options: tuple[tuple[str, bool], ...] = ()

    def make(self, side: Any) -> None:
        """Makes it. Raises `No` where it is refused."""
        where = () if self.name is None else (self.name,)
        getattr(side, self.kind)(*where, *self.args, **dict(self.options))

    def __str__(self) -> str:
        said = [*map(_say, self.args), *(f"{key}={value}" for key, value in self.options)]
        where = "" if self.name is None else f"{self.name[0]}/{self.name[1]} "
        return f"{where}{self.kind}({', '.join(said)})"


def _say(value: Any) -> str:
    return "{" + " ".join(map(str, sorted(value))) + "}" if isinstance(value, frozenset) else str(value)


def subsets(whole: Slots) -> Iterator[Slots]:
    """All of them."""
    return map(frozenset, chain.from_iterable(combinations(sorted(whole), count) for count in range(len(whole) + 1)))


def round_moves(size: Size, name: Name, r: Round) -> Iterator[Move]:
    """On one round."""
    slots = frozenset(range(size.slots))

    def move(kind: str, *args: Any, **options: bool) -> Move:
        return Move(kind, name, args, tuple(options.items()))

    for by in (DRAWN, STANDBY):
        for some in subsets(slots):
            yield from (move("commit", by, some, vouched=vouched) for vouched in (True, False))
            for entering in {some, frozenset(sorted(some)[1:])}:
                yield from (move("include", by, some, entering, quorum=quorum) for quorum in (True, False))
        yield from (move("aggregate", by, quorum=quorum) for quorum in (True, False))
        yield move("aggregate_fault", by)
    for kind in ("commit_slot", "reveal_secret", "default_secret", "equivocate", "bill_unserved"):
        yield from (move(kind, slot) for slot in slots)
    for seat in range(size.seats):
        yield from (move(kind, seat) for kind in ("commit_table", "reveal_table", "penalise_silent"))
        yield from (move("demand_secret", seat, slot) for slot in slots)
    yield from (move("advance", by) for by in (NOBODY, STANDBY))
    yield from (move(kind) for kind in ("finalise", "attest_fault"))
    if r.disputed < DISPUTES:
        yield move("dispute")
    if r.disputes:
        yield from verdicts(name, r)


def verdicts(name: Name, r: Round) -> Iterator[Move]:
    """What may come of a dispute; the judge hears only claims that were made."""
    yield from (Move("decide", name, (verdict,)) for verdict in ("dismissed", "fault"))
    yield from (Move("decide", name, ("slot", slot)) for slot in r.present)
    yield from (Move("decide", name, ("seat", seat)) for seat in r.revealed)
    if r.aggregated:
        yield Move("decide", name, ("aggregate",))


def all_moves(machine: Machine) -> Iterator[Move]:
    """On a job."""
    for name, r in machine.rounds.items():
        yield from round_moves(machine.size, name, r)
    yield from (Move(kind) for kind in ("proceed", "cancel", "end"))
    if machine.ended:
        yield from (Move("claim", None, (party,)) for party in machine.parties())


def is_exit(machine: Machine, move: Move) -> bool:
    """Whether anybody at all may make it, with no seat, slot or stake. A dispute is decided when its clocks run out."""
    if move.kind == "decide" and move.name is not None:
        return move.args == ("dismissed",) and machine.now_s >= machine.rounds[move.name].decide_s
    return move.kind in ("advance", "finalise", "default_secret", "end") and STANDBY not in move.args


def wait(machine: Machine) -> None:
    """A second passes, and blocks: more than a beacon's delay of one."""
    machine.now_s += 1
    machine.block += 2


def is_over(r: Round) -> bool:
    """Whether nothing can happen to a round any more but what concerns single accounts."""
    return r.phase >= Phase.FINAL and not r.open_disputes
