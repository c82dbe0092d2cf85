"""Games on a network: one honest party disproves a slot, whoever else plays, and nobody disproves an honest one."""

from dataclasses import replace
from typing import Any

import pytest

from assay.chain.contracts.disputes import ChallengeOpened, Settled
from assay.chain.contracts.games import Answered, Demanded, Ruled
from assay.chain.contracts.jobs import Faulted
from assay.chain.contracts.rounds import Disproved, Finalised, Penalised, Rewound
from assay.proof.claim import Alter
from assay.proof.evidence import Ruling, as_tensor
from assay.proof.opened import Move
from assay.protocol.errors import Overload
from assay.protocol.phase import Outcome, RoundPhase, Settlement, Target
from assay.protocol.transcript import ZERO
from assay.roles.duels import KINDS, Record
from assay.roles.finding import Disagreement
from assay.roles.notices import Dispute
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.zoo import CHEATS
from assay.roles.zoo.needle import ELEMENT
from assay.work.state import update_root

LIAR, SEGMENTS = "provider-4", 8


def settlements(stage: Any) -> list[Settlement]:
    return [Settlement(event.outcome) for event in stage.said(Settled)]


def only_the_liar_lost(stage: Any) -> None:
    assert [event.provider for event in stage.said(Disproved)] == [stage.address(LIAR)]
    assert stage.paid(LIAR) == 0
    assert not [event for event in stage.said(Penalised) if event.amount]


def test_a_game_comes_down_to_the_number_that_was_changed(set_up: Any, ledgers: Any, mlp: Any) -> None:
    stage = set_up(providers=(CHEATS["needle"].load(),))
    stage.watch(Validator, watch=True)
    stage.play()
    (ruled,) = stage.said(Ruled)
    assert (ruled.step, ruled.number, ruled.element) == (1, mlp.step.outputs[0], ELEMENT), "in the last step of two"
    assert Ruling(ruled.ruling) == Ruling.UPHELD
    assert settlements(stage) == [Settlement.UPHELD]
    only_the_liar_lost(stage)
    rounds = 1 + len(stage.said(Rewound))
    ledgers.honest_untouched(stage, rounds)
    ledgers.validators_paid(stage, rounds)


class Unlucky(Validator):
    """A validator whose sample always falls elsewhere."""

    def draw(self, name: Any, view: Any, beacon: bytes, misses: int) -> Any:
        sheet = super().draw(name, view, beacon, misses)
        sheet.sample[:] = [pair for pair in sheet.sample if pair[0] != 3]
        return sheet


class Friend(Unlucky):
    """Is the first to challenge the liar, and gives up."""

    behaviour = "friend"
    stalls = False

    def __init__(self, world: Any) -> None:
        super().__init__(world, watch=True)
        ground = self.duels._move

        def move(dispute: Any, *rest: Any) -> Any:
            if dispute.challenger != world.address:
                return ground(dispute, *rest)
            found = None if self.stalls else self.duels._ground(dispute)
            return None if found is None else (Move("resign"), found[0])

        self.duels._move = move  # type: ignore[method-assign]


class Second(Validator):
    """A watch-tower that looks once somebody else has challenged."""

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        look = self.tower.look
        self.tower.look = lambda name, view: (  # type: ignore[method-assign]
            look(name, view) if self.clerk.notices.disputes(name[0]) else []
        )


class Staller(Friend):
    """The same, but lets its clock run."""

    stalls = True


@pytest.mark.parametrize("friend", [Friend, Staller])
def test_whoever_challenges_a_liar_and_gives_up_settles_nothing(set_up: Any, ledgers: Any, friend: Any) -> None:
    stage = set_up(providers=(CHEATS["needle"].load(),), validators=(friend, *(Unlucky,) * 4))
    stage.network.mint(stage.network.worlds["validator-1"], 10**9)
    stage.watch(Second, watch=True)
    stage.play()
    found = settlements(stage)
    assert Settlement.UPHELD in found
    assert set(found) - {Settlement.UPHELD} == {Settlement.MOOT if friend.stalls else Settlement.DISMISSED}
    only_the_liar_lost(stage)
    ledgers.conserved(stage)


class Griefer(Validator):
    """Challenges a segment of an honest slot, and plays for what it has made up."""

    behaviour = "griefer"

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.at = lambda: ""  # whom; else whoever has the first slot
        self.judge.alter = self.make_up  # type: ignore[method-assign]

    def make_up(self, name: Any, slot: int) -> Alter:
        program = self.assignment(name[0]).bundle.step

        def alter(run: int, value: int, tensor: Any) -> Any:
            return as_tensor(tensor, 0, 0) if (run, value) == (1, program.outputs[0]) else None

        return alter

    def serve(self, name: Any, view: Any) -> Any:
        wake, providers = super().serve(name, view), self.clerk.providers(name[0])
        slot = providers.index(self.at()) if self.at() else 0
        if view.phase != RoundPhase.OPENING or self.judge.transcript(name, slot) is None:
            return wake
        claim = Disagreement(Target.SEGMENT, slot, 2, providers[slot], bytes(32))
        return wake | self.challenges.raise_one(name, view, claim, 0)


def test_who_challenges_the_honest_loses_its_bond_to_them(set_up: Any, ledgers: Any) -> None:
    stage = set_up(validators=(*(Validator,) * 4, Griefer), rounds=1)
    stage.network.mint(stage.network.worlds["validator-5"], 10**9)
    stage.play()
    (opened,) = stage.said(ChallengeOpened)
    assert opened.accused == stage.address("provider-1")
    assert settlements(stage) == [Settlement.DISMISSED]
    assert not stage.said(Disproved)
    assert len(stage.said(Finalised)) == 1
    bond = stage.network.ledger.rounds.round_cost(stage.job) // 5
    assert stage.network.ledger.vault.burned(stage.network.token.address) == bond // 3
    free = stage.network.ledger.vault.free(stage.network.token.address, opened.accused)
    wallet = stage.network.token.balance_of(opened.accused)
    assert free + wallet == 2 * stage.order.price_ceiling + stage.price() + bond - bond // 3
    ledgers.conserved(stage)


def test_demands_that_no_game_knows_are_passed_over() -> None:
    known = Demanded(1, bytes(32), KINDS.index("rows"), 2, 0, 8, 3)
    odd = [Demanded(1, bytes(32), kind, 0, 0, 0, 0) for kind in (0, KINDS.index("parts"), len(KINDS), 255)]
    nothing = b"nothing that was asked for".ljust(32)
    answered = [Answered(1, bytes(32), kind, nothing, b"x") for kind in (0, len(KINDS), 255)]
    record = Record.of([*odd, *answered, known])
    assert set(record.keys.values()) == {("steps",), ("rows", 2, 8, 3)}
    assert record.known == {}


def test_only_ones_own_lost_game_settles_what_games_decide(set_up: Any) -> None:
    stage = set_up()
    stage.post()
    validator = stage.network.parties["validator-1"]
    name, me, liar = (stage.job, 0, 0), validator.world.address, stage.address("provider-1")
    view = stage.network.ledger.rounds.view_of(*name)

    def known(target: Target, challenger: str, game: int, outcome: Outcome = Outcome.DISMISSED) -> bool:
        unit = (liar, int(target), 0, 2)
        over = Dispute(1, name, *unit, outcome, challenger, game)
        validator.clerk.notices.disputes = lambda job: [over]
        return bool(validator.challenges.known(name, view, unit))

    assert not known(Target.SEGMENT, liar, 7), "somebody else's game"
    assert known(Target.SEGMENT, me, 7)
    assert known(Target.SEGMENT, liar, 7, Outcome.UPHELD)


class Burdened(Provider):
    """An honest provider that once it is challenged cannot do anything else."""

    def open(self, name: Any, view: Any, piece: Any) -> Any:
        if self.duels.rounds(name[0]):
            raise Overload("the program takes longer than is allowed here", limit=1, actual=2)
        return super().open(name, view, piece)


def test_who_cannot_go_on_with_its_work_stands_by_it_all_the_same(set_up: Any, ledgers: Any) -> None:
    stage = set_up(honest=2, providers=(Burdened,), validators=(*(Validator,) * 4, Griefer), rounds=1)
    stage.network.mint(stage.network.worlds["validator-5"], 10**9)
    for party in stage.network.parties.values():
        if isinstance(party, Griefer):
            party.at = lambda: stage.address("provider-3")
    stage.play()
    (opened,) = stage.said(ChallengeOpened)
    assert opened.accused == stage.address("provider-3")
    assert settlements(stage) == [Settlement.DISMISSED]
    assert not stage.said(Disproved)
    ledgers.conserved(stage)


class Overbound(Provider):
    """Binds an update to work that the job's own fault has ended."""

    behaviour = "overbound"

    def compute(self, name: Any, slot: int, start: Any, start_root: bytes) -> Any:
        work = super().compute(name, slot, start, start_root)
        return replace(work, update_root=bytes([7]) * 32) if work.update_root == ZERO else work


def test_nobody_honest_plays_for_an_update_of_a_state_that_there_is_not(set_up: Any, ledgers: Any) -> None:
    stage = set_up(providers=(Overbound,), validators=(Validator,) * 3, consumer=CHEATS["nan-bomb"].load())
    stage.play()
    assert not stage.said(ChallengeOpened)
    assert stage.said(Faulted)
    assert not [event for event in stage.said(Penalised) if event.amount]
    ledgers.conserved(stage)


class Slow(Validator):
    """A watch-tower that has the states which it challenges only after a while."""

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        find, asked = self.judge.state, iter(range(3))
        self.judge.state = lambda *place: find(*place) if next(asked, None) is None else None  # type: ignore[method-assign]


def test_a_challenge_waits_for_the_state_that_it_is_played_with(set_up: Any, ledgers: Any) -> None:
    stage = set_up(providers=(CHEATS["needle"].load(),), validators=(Unlucky,) * 3)
    stage.watch(Slow, watch=True)
    stage.play()
    assert settlements(stage) == [Settlement.UPHELD]
    only_the_liar_lost(stage)
    ledgers.conserved(stage)


class Leaper(Provider):
    """Leaves the job's own fault for a state in its last leaf, with the update that follows from it."""

    behaviour = "leaper"

    def compute(self, name: Any, slot: int, start: Any, start_root: bytes) -> Any:
        work = super().compute(name, slot, start, start_root)
        assert work.fault is not None
        update = self.world.compute.runner(self.assignment(name[0]).bundle.emit).run([*start, *start])
        states = (*[work.states[at] for at in range(SEGMENTS)], start)
        roots = (*work.roots[:-1], start_root)
        return replace(work, states=states, roots=roots, update=update, update_root=update_root(update))


class Suspicious(Validator):
    """A validator that derives the leaper's slot whole."""

    def serve(self, name: Any, view: Any) -> Any:
        self.judge.suspects.add((name, 3))
        return super().serve(name, view)


def test_a_slot_that_goes_on_after_a_fault_does_not_hide_it(set_up: Any, ledgers: Any) -> None:
    stage = set_up(providers=(Leaper,), validators=(Suspicious,) * 3, consumer=CHEATS["nan-bomb"].load())
    stage.play()
    assert stage.said(Faulted)
    assert not stage.said(ChallengeOpened)
    assert not [event for event in stage.said(Penalised) if event.amount]
    ledgers.conserved(stage)
