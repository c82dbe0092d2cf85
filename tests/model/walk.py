"""The contracts and the model under the same moves, one after another, and everything that both of them know compared."""

from collections.abc import Iterator
from functools import cache

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from assay.protocol.phase import JobPhase, RoundPhase
from tests.model.contracts import JOB, Contracts, seats_of, slots_of
from tests.model.machine import Machine, No, Phase, Size
from tests.model.moves import Move, all_moves

SIZES = (
    Size(),
    Size(rounds=3, lookahead=2, slots=3, train_s=9, table_s=9, open_s=9, aggregate_s=9, challenge_s=40),
    Size(rounds=3, lookahead=2, slots=3, reports_min=2, seats=5, quorum=3, redos=0, challenge_s=1),
    Size(rounds=2, lookahead=0, slots=1, seats=1, quorum=1, train_s=2, table_s=3, open_s=5, challenge_s=2, lock_costs=1),
)
WEIGHTS = {
    "commit": 10, "commit_table": 20, "reveal_table": 20, "include": 10, "aggregate": 10, "finalise": 6, "advance": 4,
    "commit_slot": 3, "demand_secret": 2, "reveal_secret": 2, "default_secret": 3, "equivocate": 1, "bill_unserved": 1,
    "penalise_silent": 1, "dispute": 2, "decide": 3, "attest_fault": 1, "proceed": 1, "cancel": 1, "end": 3, "claim": 2,
}  # fmt: skip
"""How often each kind of move is tried: what leads on more often than what ends all."""
KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]


@cache
def contracts(size: Size) -> Contracts:
    """One started job for each size; every walk goes back to its start."""
    return Contracts(size)


class Walk(RuleBasedStateMachine):
    """A walk from a job's start. `model` is the kind of machine that the contracts are held to."""

    model: type[Machine] = Machine

    def __init__(self) -> None:
        super().__init__()
        self.real: Contracts | None = None

    @initialize(size=st.sampled_from(SIZES))
    def start(self, size: Size) -> None:
        """A job has just started."""
        self.real = contracts(size)
        self.snapshot, self.began_s = self.real.chain.snapshot(), self.real.ground.now_s()
        self.machine = self.model(size, now_s=self.real.view((0, 0)).opened_at).start()
        self.compare()

    @rule(kind=st.sampled_from(KINDS), pick=st.integers(0, 1 << 16))
    def allowed(self, kind: str, pick: int) -> None:
        """A move that the model allows, if it allows one of the kind."""
        moves = [move for move in self.moves(kind) if self.allows(move)]
        if moves:
            self.make(moves[pick % len(moves)])

    @rule(kind=st.sampled_from(sorted(WEIGHTS)), pick=st.integers(0, 1 << 16))
    def any(self, kind: str, pick: int) -> None:
        """A move, allowed or not."""
        moves = list(self.moves(kind))
        if moves:
            self.make(moves[pick % len(moves)])

    @precondition(lambda self: self.real is not None and not self.machine.ended)
    @rule(far=st.booleans(), seconds=st.integers(1, 3))
    def wait(self, far: bool, seconds: int) -> None:
        """A second or three pass, or as many as until something is due; and a block."""
        assert self.real is not None
        due_s = min((r.deadline_s for r in self.machine.rounds.values() if r.phase < Phase.FINAL), default=0)
        ahead_s = due_s - self.real.chain.now()
        self.real.wait(ahead_s if far and ahead_s > 0 else seconds)

    def teardown(self) -> None:
        """Back to the job's start."""
        if self.real is not None:
            self.real.chain.revert(self.snapshot)
            self.real.ground._now_s = self.began_s

    # ------------------------------------------------------------

    def moves(self, kind: str) -> Iterator[Move]:
        """The moves of a kind that there are, at the time of the next transaction."""
        assert self.real is not None
        self.machine.now_s, self.machine.block = self.real.chain.now(), self.real.chain.head.header.number + 1
        return (move for move in all_moves(self.machine) if move.kind == kind)

    def allows(self, move: Move) -> bool:
        """Whether the model allows it."""
        try:
            move.make(self.machine.copy())
        except No:
            return False
        return True

    def make(self, move: Move) -> None:
        """Makes a move on both sides; both refuse it or neither."""
        outcomes = []
        for side in (self.machine, self.real):
            try:
                move.make(side)
                outcomes.append("made")
            except No as refusal:
                outcomes.append(f"refused {refusal}")
        assert outcomes[0][:4] == outcomes[1][:4], f"{move}: the model {outcomes[0]}, the contracts {outcomes[1]}"
        if outcomes[0] == "made":
            self.compare()

    def compare(self) -> None:
        """The job, its money, and every round."""
        machine, real = self.machine, self.real
        assert real is not None
        jobs, progress, view = real.network.ledger.jobs, real.rounds.progress(JOB), real.network.ledger.jobs.view_of(JOB)
        job = (machine.generation, machine.first, machine.next, machine.ending, machine.ended, machine.faulted)
        faulted = view.phase == JobPhase.FAULTED
        assert job == (progress.generation, progress.first_open, progress.next, view.ending, view.ended, faulted)
        assert (slots_of(jobs.slots_open(JOB)), seats_of(jobs.seats_live(JOB))) == (machine.slots, machine.seats)
        assert real.aggregator() == machine.aggregator
        assert {(each >> 32, each & 0xFFFFFFFF) for each in real.rounds.orphans_of(JOB)} == set(machine.orphans)
        machine.now_s = real.chain.now()
        assert real.rounds.settled(JOB) == machine.settled()
        assert real.purse() == machine.purse
        assert real.earned() == {party: machine.earned(party) for party in real.parties()}
        for name, r in machine.rounds.items():
            seen = real.view(name)
            assert seen.phase == RoundPhase(r.phase), name
            present = r.direct if r.phase == Phase.TRAINING else r.present
            sets = tuple(map(slots_of, (seen.present, seen.accepted, seen.included)))
            assert sets == (present, r.accepted, r.included), name
            assert (seats_of(seen.tables_committed), seats_of(seen.tables_revealed)) == (r.committed, r.revealed), name
            assert (seen.redraws, seen.optimistic, seen.orphan) == (r.redraws, r.optimistic, r.orphan), name
            assert seen.disputes_open == r.open_disputes, name
            if r.phase < Phase.FINAL:
                assert seen.deadline == r.deadline_s, name
                assert seen.beacon_block == r.beacon_block, name
