"""Games about what a round's updates come to: one honest party disproves a false aggregate, whoever has signed it."""

from typing import Any

from assay.chain.contracts.disputes import ChallengeBegun, ChallengeOpened, Disputes, Settled
from assay.chain.contracts.games import Ruled
from assay.chain.contracts.rounds import Aggregated, Disproved, Finalised, Penalised, Rewound
from assay.proof.claim import Alter
from assay.proof.evidence import Ruling, as_tensor
from assay.protocol.commitment import commitment_root
from assay.protocol.phase import RoundPhase, Settlement, Target
from assay.protocol.score import UNSCORED
from assay.roles.aggregator import Aggregator
from assay.roles.finding import Disagreement
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, wake_at
from assay.roles.zoo import CHEATS
from assay.roles.zoo.needle_aggregator import ELEMENT, Slanted

LIAR = "aggregator-1"


def settlements(stage: Any) -> list[Settlement]:
    return [Settlement(event.outcome) for event in stage.said(Settled)]


def ruling_on_the_needle(stage: Any) -> None:
    (ruled,) = [event for event in stage.said(Ruled) if event.ruling == Ruling.UPHELD]
    program = stage.network.parties["validator-1"].assignment(stage.job).bundle.aggregate[3]
    assert (ruled.number, ruled.element) == (program.outputs[0], ELEMENT)


def only_the_liar_lost(stage: Any) -> None:
    (penalty,) = [event for event in stage.said(Penalised) if event.amount]
    assert (penalty.account, penalty.reason.rstrip(b"\0")) == (stage.address(LIAR), b"aggregate")
    assert not stage.said(Disproved)
    assert stage.paid(LIAR) == 0


def test_a_sum_that_is_off_by_one_bit_is_ruled_on_where_it_is(play: Any, ledgers: Any) -> None:
    stage = play(aggregator=CHEATS["needle-aggregator"].load())
    opened = stage.said(ChallengeOpened)[0]
    assert (opened.target, opened.accused) == (Target.AGGREGATE, stage.address(LIAR))
    assert Settlement.UPHELD in settlements(stage)
    ruling_on_the_needle(stage)
    only_the_liar_lost(stage)
    assert [(event.round, event.generation) for event in stage.said(Rewound)] == [(0, 1)]
    assert {event.generation for event in stage.said(Finalised)} == {1}
    ledgers.conserved(stage)


class Bribed(Validator):
    """Signs what the aggregator likes, and finds nothing wrong with it."""

    behaviour = "bribed"

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.judge.aggregates = Slanted(self, self.judge.openings)


def test_one_watch_tower_is_enough_against_a_whole_committee(set_up: Any, ledgers: Any) -> None:
    stage = set_up(aggregator=CHEATS["needle-aggregator"].load(), validators=(Bribed,) * 3)
    stage.watch(Validator, watch=True)
    stage.play()
    assert not stage.said(Aggregated)[0].optimistic, "a quorum has signed it"
    # The committee holds against the aggregator that took its place what it has signed for the liar, and loses that.
    assert settlements(stage) == [Settlement.UPHELD, *[Settlement.DISMISSED] * 3]
    only_the_liar_lost(stage)
    assert stage.said(Rewound)
    assert {event.generation for event in stage.said(Finalised)} == {1}
    ledgers.conserved(stage)


class Griefer(Validator):
    """Challenges an honest aggregate, and plays for what it has made up."""

    behaviour = "griefer"

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.judge.alter = self.make_up  # type: ignore[method-assign]

    def make_up(self, name: Any, slot: int | None) -> Alter:
        program = self.assignment(name[0]).bundle.aggregate[3]

        def alter(run: int, value: int, tensor: Any) -> Any:
            return as_tensor(tensor, 0, 0) if value == program.outputs[0] else None

        return alter

    def serve(self, name: Any, view: Any) -> Any:
        wake = super().serve(name, view)
        if view.phase != RoundPhase.CHALLENGING:
            return wake
        aggregator = self.world.ledger.rounds.aggregator_of(*name)
        return wake | self.challenges.raise_one(name, view, Disagreement(Target.AGGREGATE, 0, 0, aggregator), 0)


def test_who_challenges_an_honest_aggregate_loses_its_bond_to_who_made_it(set_up: Any, ledgers: Any) -> None:
    stage = set_up(validators=(*(Validator,) * 4, Griefer))
    stage.network.mint(stage.network.worlds["validator-5"], 10**9)
    stage.play()
    assert settlements(stage) == [Settlement.DISMISSED]
    (ruled,) = stage.said(Ruled)
    assert ruled.ruling == Ruling.DISMISSED
    assert not stage.said(Rewound)
    assert not [event for event in stage.said(Penalised) if event.amount]
    (opened,) = stage.said(ChallengeOpened)
    bond = stage.network.ledger.open(Disputes).bond_of(stage.job)
    vault, token = stage.network.ledger.vault, stage.network.token.address
    assert opened.accused == stage.address(LIAR)
    assert vault.burned(token) == bond // 3
    ledgers.conserved(stage)


class Inventor(Aggregator):
    """Says that a slot is there which has committed nothing, includes it, and makes an end up."""

    behaviour = "inventor"

    def commit(self, name: Any, view: Any, page: Any) -> Any:
        heard = {slot: one for slot, one in page.commitments.items() if slot != 3}
        if len(heard) < 3:
            return wake_at(self.world.clock() + 1)
        root = commitment_root({slot: one[0].leaf(*self.clerk.place) for slot, one in heard.items()}, 4)
        commit = self.world.ledger.rounds.commit(*name, root, [0b1111], [])
        return self.clerk.attempt(commit) | wake_at(self.world.clock() + 1)

    def include(self, name: Any, view: Any) -> Any:
        if not view.optimistic:
            return wake_at(self.world.clock() + 1)
        include = self.world.ledger.rounds.include(*name, [0b1111], [0b1111], view.tables_revealed, bytes(32), [])
        return self.clerk.attempt(include) | wake_at(self.world.clock() + 1)

    def aggregate(self, name: Any, view: Any, page: Any) -> Any:
        made_up = self.world.ledger.rounds.aggregate(*name, bytes([7]) * 32, UNSCORED, [])
        return self.clerk.attempt(made_up) | wake_at(self.world.clock() + 1)


def test_who_includes_what_nobody_has_committed_to_has_to_show_it(set_up: Any, ledgers: Any) -> None:
    silent = CHEATS["silent-validator"].load()
    stage = set_up(
        aggregator=Inventor, providers=(CHEATS["silent"].load(),), validators=(Validator, silent, silent), rounds=1
    )
    stage.play()
    opened = stage.said(ChallengeOpened)
    assert [(each.target, each.game) for each in opened] == [(Target.AGGREGATE, 0)]
    assert not stage.said(ChallengeBegun), "there is nothing to be shown"
    assert settlements(stage) == [Settlement.UPHELD]
    (penalty,) = [event for event in stage.said(Penalised) if event.account == stage.address(LIAR) and event.amount]
    assert penalty.reason.rstrip(b"\0") == b"updates"
    assert stage.said(Rewound)
    ledgers.conserved(stage)


class Unshowing(Validator):
    """Challenges an aggregate, and has the chain shown nothing."""

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.challenges.shown.show = lambda name, view: IDLE  # type: ignore[method-assign]


def test_an_aggregator_shows_what_its_challenger_does_not(set_up: Any, ledgers: Any) -> None:
    stage = set_up(aggregator=CHEATS["needle-aggregator"].load(), validators=(Bribed,) * 3)
    stage.watch(Unshowing, watch=True)
    stage.play()
    begun = stage.said(ChallengeBegun)
    assert len(begun) >= 1
    assert settlements(stage)[0] == Settlement.UPHELD
    ruling_on_the_needle(stage)
    only_the_liar_lost(stage)
    ledgers.conserved(stage)
