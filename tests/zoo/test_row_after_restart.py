"""A validator that has fallen stands by its rows: also by one that began from a state which only its slot had."""

from dataclasses import replace
from typing import Any

import pytest

from assay.chain.contracts.disputes import ChallengeOpened, Settled
from assay.protocol.phase import RoundPhase, Settlement, Target
from assay.roles.finding import Disagreement, Finding
from assay.roles.judge import Judge
from assay.roles.sheet import Sheet
from assay.roles.validator import Validator
from assay.roles.zoo import CHEATS

SEGMENTS = 8


class Complicit(Judge):
    """A judge that finds everything in order."""

    def round(self, name: Any, view: Any) -> Finding:
        finding = super().round(name, view)
        finding.disagreements.clear()
        return finding


class Accomplice(Validator):
    behaviour = "accomplice"
    judging = Complicit


class Stray(CHEATS["needle"].load()):  # type: ignore[misc]
    """Serves its states as long as tables are blind, and then only to a friend."""

    behaviour = "stray"
    friend = ""

    def serve(self, name: Any, piece: Any, *, blind: bool) -> Any:
        requests = self.book.round(name).requests
        for asked in [each for each in requests if not blind and each[0] != self.friend]:
            del requests[asked]
        return super().serve(name, piece, blind=blind)


class Griefer(Accomplice):
    """Challenges an honest row that began from a state which nobody else derives."""

    behaviour = "griefer"
    stray = ""

    def serve(self, name: Any, view: Any) -> Any:
        wake, slot = super().serve(name, view), self.clerk.providers(name[0]).index(self.stray)
        opened = self.judge.openings.of(name, view, slot)
        if view.phase != RoundPhase.OPENING or opened is None or opened.transcript is None:
            return wake
        astray = {(at, leaf.state_root) for at, leaf in enumerate(opened.transcript.leaves) if at > SEGMENTS // 2}
        for victim in self.validators(name[0]):
            rows = self.judge.rows(name, victim) if victim != self.world.address else ()
            for at, row in enumerate(rows):
                if row.slot == slot and (row.segment, row.start_root) in astray:
                    false = Disagreement(Target.TABLE, slot, row.segment, victim, at)
                    return wake | self.challenges.raise_one(name, view, false, 0)
        return wake


class Deaf:
    """Nobody is there any more."""

    def send(self, message: Any) -> None:
        pass

    def poll(self) -> list[Any]:
        return []


class Falls(Accomplice):
    """Falls once somebody challenges it, and comes back with nothing but its journal and what it has stored."""

    behaviour = "falls"
    fallen = False

    def tick(self) -> Any:
        self.clerk.refresh()
        accused = [each.accused for job in self.clerk.jobs() for each in self.clerk.notices.disputes(job)]
        if not self.fallen and self.world.address in accused:
            world = replace(self.world, peers=Deaf())
            vars(self).clear()
            Validator.__init__(self, world)
            self.fallen = True
        return super().tick()


@pytest.mark.parametrize("keeps", [True, False])
def test_a_row_is_defended_after_a_restart_in_the_middle_of_a_game(
    set_up: Any, ledgers: Any, keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not keeps:
        written = Sheet.to_json
        monkeypatch.setattr(Sheet, "to_json", lambda sheet: {**written(sheet), "starts": []})
    stage = set_up(providers=(Stray,), validators=(*(Falls,) * 4, Griefer))
    monkeypatch.setattr(Stray, "friend", stage.address("validator-5"))
    monkeypatch.setattr(Griefer, "stray", stage.address("provider-4"))
    stage.network.mint(stage.network.worlds["validator-5"], 10**9)
    stage.play()
    opened = stage.said(ChallengeOpened)
    assert {(each.target, each.challenger) for each in opened} == {(Target.TABLE, stage.address("validator-5"))}
    assert sum(getattr(party, "fallen", False) for party in stage.network.parties.values()) == 1
    outcomes = [Settlement(event.outcome) for event in stage.said(Settled)]
    assert outcomes == [Settlement.DISMISSED if keeps else Settlement.UPHELD]
    ledgers.conserved(stage)
