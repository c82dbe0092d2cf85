"""A network that is frozen in the middle of something: everybody waits, and it ends as it would have without."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from assay.chain.contracts.clock import Frozen, Thawed
from assay.chain.contracts.disputes import Settled
from assay.chain.contracts.games import Demanded, Ruled
from assay.chain.contracts.jobs import Drawn, Ended, Posted
from assay.chain.contracts.rounds import Aggregated, Committed, Disproved, Finalised, Included, RoundOpened
from assay.chain.events import Emitted
from assay.protocol.phase import Settlement
from assay.roles.clerk import Clerk
from assay.roles.validator import Validator
from assay.roles.wake import ACTED, IDLE, Wake
from assay.roles.zoo import CHEATS

LIAR = "provider-4"
FROZEN_MAX_S = 14 * 86_400
DEADLINES = (Settled, Finalised, Ended)


class Operator:
    """Freezes the network once something has happened, and thaws it some turns later, or never."""

    behaviour = "operator"

    def __init__(self, stage: Any, moment: type, thaws_after: int | None) -> None:
        self.clerk = Clerk(stage.network.world("operator's", 0))
        self._stage, self._moment, self._left = stage, moment, thaws_after
        self._clock, self._frozen = stage.network.ledger.clock, False

    def tick(self) -> Wake:
        self.clerk.refresh()
        for job in self.clerk.jobs():
            self.clerk.close(job)
        if not self._frozen and self._stage.said(self._moment):
            self._frozen = True
            self._clock.freeze().send()
            return ACTED
        if not self._frozen or self._left is None:
            return IDLE
        self._left -= 1
        if self._left == 0:
            self._clock.thaw().send()
            return ACTED
        return IDLE


def frozen(set_up: Any, moment: type, thaws_after: int | None, *cheats: Any) -> Any:
    stage = set_up(providers=cheats)
    if cheats:
        stage.watch(Validator, watch=True)
    stage.network.parties["operator"] = Operator(stage, moment, thaws_after)
    stage.play()
    assert len(stage.said(Frozen)) == 1
    return stage


def emitted(stage: Any) -> Iterator[Emitted[Any]]:
    network = stage.network
    return filter(None, map(network.ledger.decode, network.ledger.open_cursor().drain().added))


def nothing_was_settled_meanwhile(stage: Any) -> None:
    events, blocks = list(emitted(stage)), stage.network.chain.blocks
    begun = next(each for each in events if isinstance(each.event, Frozen))
    thawed = [each.event.instant for each in events if isinstance(each.event, Thawed)]
    until_s = thawed[0] if thawed else begun.event.until
    assert until_s - begun.event.instant == FROZEN_MAX_S or thawed
    ends_s = [blocks[each.log.block_number].header.timestamp for each in events if isinstance(each.event, DEADLINES)]
    assert ends_s
    assert all(at_s >= until_s for at_s in ends_s if at_s > begun.event.instant)


@pytest.mark.parametrize(
    ("moment", "thaws_after"),
    [(Posted, None), (Drawn, None), (RoundOpened, 3), (Committed, None), (Included, 3), (Aggregated, None)],
)
def test_a_job_ends_as_without_a_freeze(set_up: Any, ledgers: Any, moment: type, thaws_after: int | None) -> None:
    stage = frozen(set_up, moment, thaws_after)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)
    nothing_was_settled_meanwhile(stage)


@pytest.mark.parametrize(("moment", "thaws_after"), [(Demanded, 3), (Demanded, None), (Ruled, None)])
def test_a_game_ends_as_without_a_freeze(set_up: Any, moment: type, thaws_after: int | None) -> None:
    stage = frozen(set_up, moment, thaws_after, CHEATS["needle"].load())
    assert Settlement.UPHELD in {Settlement(event.outcome) for event in stage.said(Settled)}
    assert [event.provider for event in stage.said(Disproved)] == [stage.address(LIAR)]
    assert stage.paid(LIAR) == 0
    nothing_was_settled_meanwhile(stage)


def test_a_freeze_takes_few_turns(set_up: Callable[..., Any]) -> None:
    """Nobody spins while it lasts: a job of one round takes hardly more turns than without."""
    turns = []
    for moment in (None, RoundOpened):
        stage, count = set_up(), 0
        if moment is not None:
            stage.network.parties["operator"] = Operator(stage, moment, None)
        tick = stage.consumer.tick

        def counted(tick: Callable[[], Wake] = tick) -> Wake:
            nonlocal count
            count += 1
            return tick()

        stage.consumer.tick = counted
        stage.play()
        turns.append(count)
    assert turns[1] < turns[0] + 40, turns
