"""Who pays for start states that came too late: who held them back, and nobody whose answer was only slow, or lost on
its way to some, or who refused what it has to."""

from collections.abc import Callable
from typing import Any

import pytest

from assay.chain.contracts.rounds import Billed, Committed, Disproved, Late, Penalised
from assay.protocol.message import Message
from assay.protocol.phase import RoundPhase
from assay.roles import validator
from assay.roles.aggregator import Aggregator
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, wake_at
from assay.roles.zoo import CHEATS

LATE = CHEATS["late-server"].load()


class Muffled:
    """Peers of which some messages are lost."""

    def __init__(self, peers: Any, loses: Callable[[Message], bool]) -> None:
        self.peers, self.loses = peers, loses

    def send(self, message: Message) -> None:
        self.peers.send(message)

    def poll(self) -> list[Message]:
        return [message for message in self.peers.poll() if not self.loses(message)]


class Narrow(Validator):
    """Honest; samples one segment of the last slot in the first seat, and elsewhere only others."""

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.judge.tables.is_sample = lambda name, view, validator, rows: True  # type: ignore[method-assign]

    def draw(self, name: Any, view: Any, beacon: bytes, misses: int) -> Any:
        sheet = super().draw(name, view, beacon, misses)
        sheet.sample[:] = [(3, 4)] if self.seat(name[0]) == 0 else [(0, 0)]
        return sheet


def test_those_who_sample_nothing_of_a_slot_sign_that_it_served_too_late(play: Any, ledgers: Any) -> None:
    stage = play(providers=(LATE,), validators=(Narrow,) * 3)
    (bill,) = stage.said(Billed)
    assert (bill.slot, bill.paid) == (3, stage.price())
    assert not stage.said(Disproved)
    ledgers.conserved(stage)


class Slow(Provider):
    """Honest, and has other things to do for three eighths of the time for tables."""

    def serve(self, name: Any, piece: Any, *, blind: bool) -> Any:
        view, window_s = self.clerk.round(name), self.clerk.order(name[0]).windows.table
        begins_s = view.deadline - 5 * window_s // 8
        if blind and self.world.clock() < begins_s:
            return wake_at(begins_s)
        return super().serve(name, piece, blind=blind)


def unbilled(stage: Any) -> None:
    assert [stage.said(kind) for kind in (Billed, Disproved, Late, Penalised)] == [[], [], [], []]


def test_a_slow_answer_is_an_answer(play: Any, ledgers: Any) -> None:
    stage = play(honest=2, providers=(Slow,) * 2)
    unbilled(stage)
    ledgers.honest_untouched(stage, 1)


class Deaf(Validator):
    """Honest; is told of no state while tables are blind."""

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        rounds = world.ledger.rounds

        def loses(message: Message) -> bool:
            name = (message.job, message.generation, message.round)
            return message.kind == "state" and rounds.view_of(*name).phase == RoundPhase.SAMPLING

        world.peers = Muffled(world.peers, loses)


def test_what_one_validator_alone_has_missed_is_not_billed(play: Any, ledgers: Any) -> None:
    stage = play(validators=(Deaf, Validator, Validator))
    unbilled(stage)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


class Dozing(Aggregator):
    """Honest; misses the first time in which the included set could be fixed."""

    def include(self, name: Any, view: Any) -> Any:
        return super().include(name, view) if view.redraws else IDLE


class Neighbour(Narrow):
    """Honest; its sample of a second drawing is what its first would have told it the end of."""

    def draw(self, name: Any, view: Any, beacon: bytes, misses: int) -> Any:
        sheet = super().draw(name, view, beacon, misses)
        sheet.sample[:] = [(3, 4 + view.redraws)]
        return sheet


def test_what_an_honest_provider_has_to_refuse_is_not_billed(
    play: Any, ledgers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validator, "carry_late", lambda *_: IDLE)
    stage = play(honest=4, validators=(Neighbour,) * 3, aggregator=Dozing)
    assert len(stage.said(Committed)) == 2, "the sample was drawn twice"
    unbilled(stage)
    ledgers.honest_untouched(stage, 1)


def test_a_neighbour_that_is_served_too_late_is_billed_all_the_same(play: Any, ledgers: Any) -> None:
    stage = play(providers=(LATE,), validators=(Neighbour,) * 3)
    assert [bill.slot for bill in stage.said(Billed)] == [3]
    ledgers.conserved(stage)
