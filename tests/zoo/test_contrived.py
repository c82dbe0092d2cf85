"""Lies that turn the rules on the honest: a dispute as a shield, a state shown to some, a fault that is made."""

from typing import Any

import pytest

from assay.chain.contracts.disputes import ChallengeOpened
from assay.chain.contracts.jobs import Abstained, Unenlisted
from assay.chain.contracts.rounds import Disproved, Included, Late, Penalised
from assay.protocol.commitment import bitmap, bitmap_slots, commitment_root
from assay.protocol.errors import Unavailable
from assay.protocol.phase import JobPhase, Target
from assay.protocol.transcript import ZERO
from assay.roles import pace
from assay.roles.aggregator import Aggregator
from assay.roles.content import commitment_content
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.vote import gather, root_values
from assay.roles.wake import IDLE, wake_at
from assay.roles.zoo import CHEATS
from assay.roles.zoo.warped import Warped, claimed
from assay.work.segment import SlotWork, run_steps
from assay.work.state import state_root

LIAR, SLOT, LIE = "provider-4", 3, 3
ONE = 0x3F000000
"""A loss as good as any."""


class Skipper(Warped):
    """Leaves one segment out."""

    behaviour = "skips-one"

    def segment(self, name: Any, feed: Any, index: int, state: Any, before: Any) -> Any:
        return claimed(state, ONE) if index == LIE else super().segment(name, feed, index, state, before)


class Unseeing(Validator):
    """Honest; its sample happens to hold neither the lie nor, but for the first seat, what follows it."""

    follows = False

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.judge.tables.is_sample = lambda name, view, validator, rows: True  # type: ignore[method-assign]

    def draw(self, name: Any, view: Any, beacon: bytes, misses: int) -> Any:
        sheet = super().draw(name, view, beacon, misses)
        first = self.follows and self.seat(name[0]) == 0
        hidden = {(SLOT, LIE), *([(SLOT, LIE + 1), (SLOT, LIE + 2)] if self.follows else [])}
        kept = [pair for pair in sheet.sample if pair not in hidden]
        sheet.sample[:] = [(SLOT, LIE + 1)] if first else kept or [(0, 0)]
        return sheet


class Hider(Skipper):
    """Hides the state after the lie while tables are blind, and shows it to everybody afterwards."""

    behaviour = "hider"

    def serve(self, name: Any, piece: Any, *, blind: bool) -> Any:
        requests = self.book.round(name).requests
        held = {each: requests.pop(each) for each in list(requests) if blind and each[1:] == (SLOT, LIE + 1)}
        wake = super().serve(name, piece, blind=blind)
        requests.update(held)
        return wake


class Forger(Provider):
    """Commits a state that overflows and, from there on, the fault that truly follows from it."""

    behaviour = "fault-forger"

    def compute(self, name: Any, slot: int, start: Any, start_root: bytes) -> SlotWork:
        work, assignment = super().compute(name, slot, start, start_root), self.assignment(name[0])
        feed, steps = assignment.course.feed(name[1], name[2], slot), assignment.order.steps_per_segment
        truth = work.states[LIE + 1]
        assert truth is not None
        false = [tensor * 0 + 3e38 if tensor.is_floating_point() and tensor.ndim == 2 else tensor for tensor in truth]
        runner = self.world.compute.runner(assignment.bundle.step)
        end, _, digest, fault = run_steps(runner, false, feed, (LIE + 1) * steps, steps)
        assert end is None
        kept, rest = LIE + 1, len(work.roots) - LIE - 2
        roots = (*work.roots[:kept], state_root(false), *[digest] * rest)
        losses = (*work.loss_bits[: kept + 1], *[0] * rest)
        return SlotWork((*work.states[:kept], false, *[None] * rest), roots, losses, None, ZERO, fault, 0.0, 0.0)


def play_lie(set_up: Any, kind: Any, validator: Any = Validator, **settings: Any) -> Any:
    stage = set_up(providers=(kind,), validators=(validator,) * 5, rounds=1, **settings)
    stage.network.mint(stage.network.worlds[LIAR], stage.network.challenge_bonds(stage.order))
    stage.play()
    return stage


def liar_alone_loses(stage: Any, ledgers: Any) -> None:
    assert [event.provider for event in stage.said(Disproved)] == [stage.address(LIAR)]
    assert stage.paid(LIAR) == 0
    assert not [event for event in stage.said(Penalised) if event.amount]
    ledgers.conserved(stage)


def test_a_state_that_comes_too_late_turns_nobody_against_who_derived_it(set_up: Any, ledgers: Any) -> None:
    follower = type("Follower", (Unseeing,), {"follows": True})
    stage = play_lie(set_up, Hider, follower, verify={"samples": 1})
    assert {(event.target, event.segment) for event in stage.said(ChallengeOpened)} == {(Target.SEGMENT, LIE)}
    liar_alone_loses(stage, ledgers)


def test_a_fault_is_shown_only_by_who_has_derived_it(set_up: Any, ledgers: Any) -> None:
    stage = play_lie(set_up, Forger, Unseeing, verify={"samples": 1})
    liar_alone_loses(stage, ledgers)
    assert stage.network.ledger.jobs.view_of(stage.job).phase == JobPhase.DONE


class Talker(Validator):
    """Says what no chain can be asked about."""

    said = "want"

    def serve(self, name: Any, view: Any) -> Any:
        self.world.say(self.said, name, {"of": ["x", 5, None, self.world.address]})
        self.world.say("table", name, {"of": "x", "rows": []})
        return super().serve(name, view)


def test_a_malformed_word_silences_nobody(play: Any, ledgers: Any) -> None:
    stage = play(validators=(Talker, *(Validator,) * 4), rounds=1)
    assert not stage.said(Penalised)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


class Hasty(Aggregator):
    """Has its friend's commitment vouched for at once, and commits that when the window is over."""

    def commit(self, name: Any, view: Any, page: Any) -> Any:
        order = self.clerk.order(name[0])
        known = page.commitments.get(0)
        if known is None:
            return IDLE
        root = commitment_root({0: known[0].leaf(*self.clerk.place)}, order.providers)
        present = bitmap([0], order.providers)
        if name not in self._proposed:
            self._proposed[name] = root
            shown = {"commitments": [commitment_content(*known)], "root": root.hex(), "present": present}
            self.world.say("commitments", name, shown)
        closes_s = view.opened_at + order.windows.train
        if self.world.clock() < closes_s:
            return wake_at(closes_s)
        values = root_values(name, root, present)
        signatures = gather(self.world.domain, page, "Root", values, self.validators(name[0]), order.quorum)
        return self.clerk.attempt(self.world.ledger.rounds.commit(*name, root, present, signatures or []))


def test_no_word_is_given_early_for_a_part_of_the_slots(play: Any, ledgers: Any) -> None:
    stage = play(aggregator=Hasty)
    assert [bitmap_slots(event.included) for event in stage.said(Included)] == [[0, 1, 2]]
    assert not stage.said(Late)
    ledgers.honest_untouched(stage, 1)


@pytest.mark.parametrize("function", ["commit_table", "enlist"])
def test_a_lost_answer_of_the_node_costs_no_stake(set_up: Any, ledgers: Any, function: str) -> None:
    stage = set_up(validators=(Validator,) * 5)
    contract = stage.network.worlds["validator-1"].ledger
    owner = contract.rounds if function == "commit_table" else contract.jobs
    sound, failed = getattr(owner, function), []

    def fails_once(*arguments: Any) -> Any:
        if not failed:
            failed.append(function)
            raise Unavailable("no answer")
        return sound(*arguments)

    setattr(owner, function, fails_once)
    stage.play()
    assert failed
    assert not stage.said(Penalised)
    assert not stage.said(Unenlisted)
    ledgers.honest_untouched(stage, 1)


def test_a_machine_that_is_too_slow_for_its_sample_stays_out_of_the_draw(
    set_up: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = set_up(validators=(Validator,) * 3)
    windows = stage.order.windows
    monkeypatch.setattr(pace, "round_s", lambda assignment, compute: windows.table / 2 / pace.MARGIN)
    stage.post()
    for name, party in stage.network.parties.items():
        if name.startswith("validator-"):
            party.tick()
    assert {event.account for event in stage.said(Abstained)} == {stage.address(f"validator-{at}") for at in (1, 2, 3)}


def test_a_skipper_is_a_skipper_with_or_without_a_watcher(play: Any, ledgers: Any) -> None:
    stage = play(providers=(CHEATS["skipper"].load(),), validators=(Validator,) * 5)
    liar_alone_loses(stage, ledgers)
