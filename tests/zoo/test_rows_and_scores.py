"""Games about rows of tables and about scores: one honest party disproves what is false, and nobody else loses."""

from dataclasses import replace
from typing import Any

from assay.chain.contracts.disputes import ChallengeBegun, ChallengeOpened, Disputes, MarksShown, Settled
from assay.chain.contracts.jobs import Faulted
from assay.chain.contracts.rounds import Aggregated, Disproved, Finalised, Penalised, Rewound
from assay.protocol.phase import RoundPhase, Settlement, Target
from assay.protocol.score import UNSCORED
from assay.roles.finding import Disagreement, Finding
from assay.roles.judge import Judge
from assay.roles.validator import Validator
from assay.roles.wake import IDLE
from assay.roles.zoo import CHEATS

STOP = {"stop": {"metric": "accuracy", "at": 0.99}}


def settlements(stage: Any) -> list[Settlement]:
    return [Settlement(event.outcome) for event in stage.said(Settled)]


def only_loser(stage: Any, name: str, reason: bytes) -> None:
    (penalty,) = [event for event in stage.said(Penalised) if event.amount]
    assert (penalty.account, penalty.reason.rstrip(b"\0")) == (stage.address(name), reason)
    assert not stage.said(Disproved)
    assert stage.paid(name) == 0


def batch_count(stage: Any) -> int:
    assignment = stage.network.parties["validator-1"].assignment(stage.job)
    return -(-assignment.test.count // assignment.batch_size)


# rows


def test_a_row_that_ends_elsewhere_is_played_down_to_the_state(play: Any, ledgers: Any) -> None:
    stage = play(validators=(*(Validator,) * 4, CHEATS["false-row"].load()))
    opened = stage.said(ChallengeOpened)
    assert {(each.target, each.accused) for each in opened} == {(Target.TABLE, stage.address("validator-5"))}
    assert all(each.game for each in opened), "it begins where the slot does, so a game decides"
    only_loser(stage, "validator-5", b"table")
    assert {each.slot for each in opened} == {0}
    assert not stage.said(Rewound)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


class Complicit(Judge):
    """A judge that finds everything in order."""

    def round(self, name: Any, view: Any) -> Finding:
        finding = super().round(name, view)
        finding.disagreements.clear()
        return finding


class Accomplice(Validator):
    behaviour = "accomplice"
    judging = Complicit


class Metered(Judge):
    """A judge that notes what its time is metered as when it looks at rows."""

    kinds: set[str]

    def false_rows(self, name: Any, view: Any) -> list[Disagreement]:
        before = dict(self.party.world.compute.meter.seconds)
        found = super().false_rows(name, view)
        spent = self.party.world.compute.meter.seconds
        Metered.kinds |= {kind for kind in spent if spent[kind] != before.get(kind)}
        return found


class Metering(Validator):
    judging = Metered


def test_what_a_watch_tower_runs_again_for_rows_is_metered_as_watching(set_up: Any) -> None:
    stage, Metered.kinds = set_up(validators=(*(Accomplice,) * 3, CHEATS["false-row"].load())), set()
    stage.watch(Metering, watch=True)
    stage.network.mint(stage.network.worlds["watcher"], 10**9)
    stage.play()
    assert Metered.kinds == {"watch"}


def test_a_whole_committee_s_silence_on_a_false_row_is_broken_by_one_watch_tower(set_up: Any, ledgers: Any) -> None:
    # By other seeds the liar, who judges as the honest do, has the turn before and challenges itself.
    stage = set_up(validators=(*(Accomplice,) * 3, CHEATS["false-row"].load()), seed=2)
    stage.watch(Validator, watch=True)
    stage.network.mint(stage.network.worlds["watcher"], 10**9)
    stage.play()
    assert {each.challenger for each in stage.said(ChallengeOpened)} == {stage.address("watcher")}
    only_loser(stage, "validator-4", b"table")
    ledgers.honest_untouched(stage, 1)


class Griefer(Validator):
    """Challenges an honest row."""

    behaviour = "griefer"

    def serve(self, name: Any, view: Any) -> Any:
        wake = super().serve(name, view)
        victim = next(each for each in self.validators(name[0]) if each != self.world.address)
        rows = self.judge.rows(name, victim)
        opened = self.judge.openings.of(name, view, rows[0].slot) if rows else None
        if view.phase != RoundPhase.OPENING or not rows or opened is None or opened.transcript is None:
            return wake
        false = Disagreement(Target.TABLE, rows[0].slot, rows[0].segment, victim, 0)
        return wake | self.challenges.raise_one(name, view, false, 0)


def test_who_challenges_an_honest_row_loses_its_bond_to_who_made_it(set_up: Any, ledgers: Any) -> None:
    stage = set_up(validators=(*(Validator,) * 4, Griefer))
    stage.network.mint(stage.network.worlds["validator-5"], 10**9)
    stage.play()
    assert settlements(stage) == [Settlement.DISMISSED]
    assert not [event for event in stage.said(Penalised) if event.amount]
    bond = stage.network.ledger.open(Disputes).bond_of(stage.job)
    assert stage.network.ledger.vault.burned(stage.network.token.address) == bond // 3
    assert len(stage.said(Finalised)) == 1
    ledgers.conserved(stage)


def test_who_derived_a_row_is_not_blamed_for_a_state_that_its_slot_made_up(play: Any, ledgers: Any) -> None:
    class Hidden(CHEATS["skipper"].load()):  # type: ignore[misc]
        """Skips segments, and serves nothing that would show it."""

        behaviour = "hidden-skipper"

        def serve(self, *_: Any, **__: Any) -> Any:
            return IDLE

    stage = play(providers=(Hidden,), validators=(Validator,) * 5)
    assert {each.provider for each in stage.said(Disproved)} == {stage.address("provider-4")}
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


# scores


def test_marks_that_add_up_are_played_down_to_a_count(play: Any, ledgers: Any) -> None:
    stage = play(aggregator=CHEATS["false-marks"].load(), rounds=2, train=STOP)
    opened = stage.said(ChallengeOpened)
    assert {(each.target, each.accused) for each in opened} == {(Target.SCORE, stage.address("aggregator-1"))}
    (shown,) = stage.said(MarksShown)
    assert len(shown.marks.batches) == 20 * batch_count(stage)
    assert stage.said(ChallengeBegun)
    assert Settlement.UPHELD in settlements(stage), "it owes a state that has its counts"
    only_loser(stage, "aggregator-1", b"score")
    assert [(each.round, each.generation) for each in stage.said(Rewound)] == [(0, 1)]
    assert len(stage.said(Finalised)) == 2, "and the job goes on to its last round"
    ledgers.honest_untouched(stage, 3)


def test_a_state_that_can_be_measured_is_not_said_to_be_faulty(play: Any, ledgers: Any) -> None:
    stage = play(aggregator=CHEATS["disparaging-aggregator"].load())
    assert stage.said(Aggregated)[0].score == UNSCORED
    (shown,) = stage.said(MarksShown)
    assert shown.marks.batches == b""
    only_loser(stage, "aggregator-1", b"score")
    assert stage.said(Aggregated)[-1].score > 0
    ledgers.honest_untouched(stage, 2)


def test_updates_that_come_to_an_end_are_not_said_to_be_a_fault(play: Any, ledgers: Any) -> None:
    stage = play(aggregator=CHEATS["crying-aggregator"].load())
    (first, *_) = stage.said(Aggregated)
    assert first.optimistic, "nobody's word but the aggregator's"
    assert {each.target for each in stage.said(ChallengeOpened)} == {Target.AGGREGATE}
    only_loser(stage, "aggregator-1", b"aggregate")
    assert not stage.said(Faulted)
    assert stage.said(Finalised)[-1].end_root != first.end_root
    ledgers.honest_untouched(stage, 2)


def bettered(found: Any) -> Any:
    """One more right answer in the last batch, where most targets count for nothing."""
    last = found.batches[-1]
    return replace(found, batches=(*found.batches[:-1], replace(last, correct_count=last.correct_count + 1)))


class Doubter(Validator):
    """Challenges a score that is as it should be."""

    behaviour = "doubter"

    def serve(self, name: Any, view: Any) -> Any:
        wake = super().serve(name, view)
        if view.phase != RoundPhase.CHALLENGING:
            return wake
        aggregator = self.world.ledger.rounds.aggregator_of(*name)
        return wake | self.challenges.raise_one(name, view, Disagreement(Target.SCORE, 0, 0, aggregator), 0)


def test_who_challenges_a_true_score_loses_its_bond(set_up: Any, ledgers: Any) -> None:
    stage = set_up(validators=(*(Validator,) * 4, Doubter))
    stage.network.mint(stage.network.worlds["validator-5"], 10**9)
    stage.play()
    assert len(stage.said(MarksShown)) == 1
    assert settlements(stage) == [Settlement.DISMISSED]
    assert not [event for event in stage.said(Penalised) if event.amount]
    assert len(stage.said(Finalised)) == 1
    ledgers.conserved(stage)


class Stubborn(Doubter):
    """The same, and plays it to its end."""

    behaviour = "stubborn"

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        honest = self.duels.marks
        self.duels.marks = lambda name: bettered(honest(name))  # type: ignore[method-assign]


def test_the_last_batch_is_filled_up_as_the_contract_says(set_up: Any, ledgers: Any) -> None:
    stage = set_up(validators=(*(Validator,) * 4, Stubborn))
    stage.network.mint(stage.network.worlds["validator-5"], 10**9)
    stage.play()
    assert [each.batch for each in stage.said(ChallengeBegun)] == [batch_count(stage) - 1]
    assert settlements(stage) == [Settlement.DISMISSED]
    assert len(stage.said(Finalised)) == 1
    ledgers.conserved(stage)
