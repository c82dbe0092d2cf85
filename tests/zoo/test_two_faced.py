"""A state that only one validator is shown: the contradiction must fall back on whoever made it."""

from typing import Any

import pytest

from assay.chain.contracts.disputes import Settled
from assay.chain.contracts.rounds import Disproved, Penalised
from assay.protocol.phase import Settlement
from assay.roles.validator import Validator
from assay.roles.zoo import CHEATS

SLOT = 3
LIAR = CHEATS["two-faced"].load()
AT = LIAR.false_leaf


class Aimed(Validator):
    """Honest; its draw happens to make the first seat alone look at the false state, and nobody at what led to it."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.judge.tables.is_sample = lambda name, view, validator, rows: True  # type: ignore[method-assign]

    def draw(self, name: Any, view: Any, beacon: bytes, misses: int) -> Any:
        sheet = super().draw(name, view, beacon, misses)
        kept = [pair for pair in sheet.sample if pair[0] != SLOT or pair[1] not in (AT - 1, AT, AT + 1)]
        sheet.sample[:] = [(SLOT, AT)] if self.seat(name[0]) == 0 else kept
        return sheet


class Mute(Aimed):
    """The same, but what it was served does not reach the others."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.judge.starts.relay = lambda name, slot, segment: None  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", [Aimed, Mute])
def test_who_shows_a_state_to_one_only_is_slashed_and_no_validator_is(set_up: Any, kind: Any) -> None:
    stage = set_up(providers=(LIAR,), validators=(kind,) * 5, rounds=1, verify={"samples": 1})
    stage.play()
    liar = stage.network.worlds["provider-4"].address
    assert [event.provider for event in stage.said(Disproved)] == [liar]
    assert stage.paid("provider-4") == 0
    blamed = {event.account for event in stage.said(Penalised)}
    outcomes = {event.outcome for event in stage.said(Settled)}
    assert Settlement.UPHELD in outcomes
    if kind is Aimed:
        assert not blamed
        assert outcomes == {Settlement.UPHELD}
