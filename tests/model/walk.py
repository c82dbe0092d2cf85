"""The contracts and the model under the same moves, one by one, and everything that both of them know compared."""

from collections.abc import Iterator
from functools import cache
from random import Random

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from assay.protocol.phase import JobPhase, RoundPhase
from tests.model.contracts import JOB, Contracts, seats_of, slots_of
from tests.model.machine import Machine
from tests.model.money import No, Size
from tests.model.moves import Move, all_moves
from tests.model.state import Phase

SIZES = (
    Size(),
    Size(rounds=3, lookahead=2, slots=3, train_s=9, table_s=9, open_s=9, aggregate_s=9, challenge_s=40),
    Size(rounds=3, lookahead=2, slots=3, reports_min=2, seats=5, quorum=3, redos=0, challenge_s=1),
    Size(lookahead=0, slots=1, seats=1, quorum=1, train_s=2, table_s=3, open_s=5, challenge_s=2, lock_costs=1),
)
WEIGHTS = {
    "commit": 60, "commit_table": 99, "reveal_table": 99, "include": 60, "aggregate": 60, "finalise": 60, "advance": 6,
    "commit_slot": 8, "demand_secret": 2, "reveal_secret": 2, "default_secret": 8, "equivocate": 0.2, "claim": 99,
    "bill_unserved": 0.5, "penalise_silent": 4, "dispute": 0.5, "decide": 6, "attest_fault": 0.1, "proceed": 1,
    "aggregate_fault": 1, "cancel": 0.05, "end": 20, "block": 16, "second": 4, "deadline": 4, "dare": 16,
}  # fmt: skip
"""How often each kind of move is made where there is one: what leads on more often than what ends all."""


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
        self.steps = 0

    @initialize(at=st.integers(0, len(SIZES) - 1))
    def start(self, at: int) -> None:
        """A job has just started."""
        self.jobs = at
        self.real = contracts(SIZES[at % len(SIZES)])
        self.snapshot, self.began_s = self.real.chain.snapshot(), self.real.ground.now_s()
        self.machine = self.model(self.real.size, now_s=self.real.view((0, 0)).opened_at).start()
        self.compare()

    @rule(draw=st.integers(0, 1 << 32))
    def step(self, draw: int) -> None:
        """A move that the model allows and that changes something; or time passes; or any other move."""
        self.steps += 1
        chance, moves = Random(f"{draw} {self.steps}"), list(self.moves())
        useful = [move for move in moves if self.changes(move)]
        if self.machine.ended and not useful:
            return self.another()
        kinds = sorted({move.kind for move in useful} | {"dare", "block", "second", "deadline"})
        kind = chance.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
        if kind in ("block", "second", "deadline"):
            return self.wait(kind)
        if kind == "dare":
            useful = [move for move in moves if move not in useful]
            kind = chance.choice(sorted({move.kind for move in useful}))
        of_kind = [move for move in useful if move.kind == kind]
        # Those that leave out fewer slots come later, and more often.
        return self.make(of_kind[int(len(of_kind) * chance.random() ** 0.5)])

    def another(self) -> None:
        """The job has ended and everybody has its pay: the next size's job starts."""
        self.teardown()
        self.start(self.jobs + 1)

    def teardown(self) -> None:
        """Back to the job's start."""
        if self.real is not None:
            self.real.chain.revert(self.snapshot)
            self.real.ground._now_s = self.began_s

    # ------------------------------------------------------------

    def wait(self, kind: str) -> None:
        """A block is made: at once, a second later, or when something is due."""
        assert self.real is not None
        due_s = [r.deadline_s for r in self.machine.rounds.values() if r.phase < Phase.FINAL]
        ahead_s = min([*due_s, *[self.machine.settled_s] * self.machine.stopped], default=0) - self.real.chain.now()
        self.real.wait({"block": 0, "second": 1, "deadline": max(1, ahead_s)}[kind])

    def moves(self) -> Iterator[Move]:
        """Whatever there is to try, at the time of the next transaction."""
        assert self.real is not None
        self.machine.now_s, self.machine.block = self.real.chain.now(), self.real.chain.head.header.number + 1
        return all_moves(self.machine)

    def changes(self, move: Move) -> bool:
        """Whether the model allows it, and is another afterwards."""
        after = self.machine.copy()
        try:
            move.make(after)
        except No:
            return False
        return after != self.machine

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
        jobs, progress, view = (
            real.network.ledger.jobs,
            real.rounds.progress(JOB),
            real.network.ledger.jobs.view_of(JOB),
        )
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
