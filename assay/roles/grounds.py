"""What a slot or an aggregator stands for in a game, and what of the order is opened for it: `disputes/Grounds.sol`.

A game is about one segment of a slot, about its update, or about what a round's included updates come to. Both sides
make the same claim out of the order, the programs and what was committed, and nothing of it is anybody's word.
"""

from dataclasses import dataclass
from functools import cached_property

from eth_abi.abi import encode
from eth_hash.auto import keccak

from assay.chain.contracts.containers import Facts
from assay.chain.contracts.containers import Program as ChainProgram
from assay.proof.claim import Alter, Claim, Feed, Replay
from assay.proof.evidence import tuple_proof
from assay.protocol.merkle import merkle_proof, merkle_root
from assay.protocol.phase import Target
from assay.protocol.schedule import work_key
from assay.protocol.transcript import Leaf
from assay.roles.assignment import Assignment, State
from assay.roles.finding import Unit
from assay.roles.round import RoundName
from assay.work.limits import Allowance
from assay.work.program import Program
from assay.work.state import root_of

STEP, EMIT, AGGREGATE = 0, 1, 4
"""Places of the two, and of the first that adds updates up, among a job's programs."""


@dataclass(frozen=True)
class Ground:
    """One segment of a slot, or its update (`segment` is then their number), with the states around it."""

    assignment: Assignment
    name: RoundName
    slot: int
    provider: str
    target: Target
    segment: int
    before: tuple[Leaf, State]
    """Of a segment its start; of an update the start of the round."""
    after: Leaf
    end: State | None = None
    """Of an update the state that it is made of."""

    @property
    def accused(self) -> str:
        """Who stands for it."""
        return self.provider

    @property
    def unit(self) -> Unit:
        """What is disputed of the round."""
        return self.provider, int(self.target), self.slot, self.segment

    @property
    def program(self) -> Program:
        """What is run."""
        bundle = self.assignment.bundle
        return bundle.step if self.target == Target.SEGMENT else bundle.emit

    @cached_property
    def claim(self) -> Claim:
        """What the provider stands for."""
        subject = keccak(
            encode(["uint256"] * 6, [self.name[0], self.name[1], self.name[2], self.slot, self.target, self.segment])
        )
        order = self.assignment.order
        roots = tuple(map(root_of, self.before[1]))
        if self.target == Target.EMIT:
            assert self.end is not None, "an update is made of a state"
            origins = (roots, tuple(map(root_of, self.end)))
            feed = Feed(first_step=order.steps_per_round)
            count = len(self.program.outputs)
            return Claim(subject, self.provider, self.program, origins, feed, self.after.update_root, count)
        return Claim(
            subject,
            self.provider,
            self.program,
            (roots,),
            self._feed,
            self.after.state_root,
            len(roots),
            order.steps_per_segment,
            self.after.loss_bits,
        )

    @cached_property
    def _feed(self) -> Feed:
        order, assignment = self.assignment.order, self.assignment
        key = work_key(order.seed, assignment.beacon, self.name[1], self.name[2])
        first = self.segment * order.steps_per_segment
        counts = (assignment.train.count, self.slot, order.providers, first, assignment.batch_size)
        return Feed(assignment.records.root, *counts, key)

    def replay(self, allowance: Allowance, alter: Alter | None = None) -> Replay:
        """The same runs, by whoever has the states; `alter` is how its work differs from what the program says."""
        first = self.claim.feed.first_step
        if self.target == Target.EMIT:
            others, count = (self.end or [],), self.claim.end_count
            return Replay(
                self.program,
                self.before[1],
                lambda _: [],
                others=others,
                end_count=count,
                allowance=allowance,
                alter=alter,
                first_step=first,
            )
        feed = self.assignment.course.feed(self.name[1], self.name[2], self.slot)
        return Replay(
            self.program,
            self.before[1],
            lambda run: feed.batch(first + run),
            self.claim.steps,
            allowance=allowance,
            alter=alter,
            first_step=first,
        )


@dataclass(frozen=True)
class Merger:
    """What the included updates of a round come to."""

    assignment: Assignment
    name: RoundName
    accused: str
    """The aggregator."""
    start: State
    updates: list[State]
    end_root: bytes
    target = Target.AGGREGATE

    @property
    def unit(self) -> Unit:
        """What is disputed of the round."""
        return self.accused, int(self.target), 0, 0

    @property
    def program(self) -> Program:
        """What is run."""
        return self.assignment.bundle.aggregate[len(self.updates)]

    @cached_property
    def claim(self) -> Claim:
        """What the aggregator stands for."""
        subject = keccak(encode(["uint256"] * 6, [*self.name, 0, Target.AGGREGATE, 0]))
        origins = tuple(tuple(map(root_of, tensors)) for tensors in (self.start, *self.updates))
        return Claim(subject, self.accused, self.program, origins, Feed(), self.end_root, len(self.program.outputs))

    def replay(self, allowance: Allowance, alter: Alter | None = None) -> Replay:
        """The same run, by whoever has the updates."""
        return Replay(
            self.program,
            self.start,
            lambda _: [],
            others=self.updates,
            end_count=self.claim.end_count,
            allowance=allowance,
            alter=alter,
        )


Stand = Ground | Merger
"""What somebody stands for."""


def aggregate_facts(assignment: Assignment, update_count: int) -> Facts:
    """What the order names by hash of the program that adds so many updates up, opened."""
    bundle = assignment.bundle
    place = AGGREGATE + sorted(bundle.aggregate).index(update_count)
    return _facts(assignment, bundle.aggregate[update_count], place)


def facts_of(assignment: Assignment, target: Target, state: State | None) -> Facts:
    """What the order names by hash of a slot's work, opened; `state` is the one that a segment begins with, or that
    should have had an update."""
    if target == Target.SEGMENT:
        return _facts(assignment, assignment.bundle.step, STEP, state)
    return _facts(assignment, assignment.bundle.emit, EMIT, state)


def _facts(assignment: Assignment, program: Program, place: int, state: State | None = None) -> Facts:
    bundle, segment = assignment.bundle, place == STEP
    inputs, outputs, nodes = (merkle_root(hashes) for hashes in program.trees)
    x = len(program.outputs) - 1
    return Facts(
        program=ChainProgram(inputs, outputs, nodes, len(program.nodes), len(program.outputs), len(program.inputs)),
        head=program.head,
        place=place,
        program_count=len(bundle.leaves),
        programs=tuple(tuple_proof(bundle.leaves, place)),
        samples_root=assignment.records.root,
        sample_count=assignment.train.count,
        form=assignment.form,
        x_type=program.leaves[0][x] if segment else b"",
        x_type_proof=tuple(merkle_proof(program.trees[0], x)) if segment else (),
        state_roots=tuple(tuple_proof(list(map(root_of, state)), 0)) if state else (),
    )
