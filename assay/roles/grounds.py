"""What a slot or an aggregator stands for in a game, and what of the order is opened for it: `disputes/Grounds.sol`.

A game is about one segment of a slot, as its provider or a validator's row says it ends, about its update, about what a
round's included updates come to, or about one batch of what that scores. Both sides make the same claim out of the
order, the programs and what was committed, and nothing of it is anybody's word.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from eth_abi.abi import encode
from eth_hash.auto import keccak

from assay.chain.contracts.containers import Facts
from assay.chain.contracts.containers import Program as ChainProgram
from assay.proof.claim import Alter, Claim, Feed, Records, Replay
from assay.proof.evidence import tuple_proof
from assay.protocol.merkle import merkle_proof, merkle_root
from assay.protocol.phase import Target
from assay.protocol.schedule import work_key
from assay.protocol.score import Marks
from assay.protocol.transcript import ZERO, Leaf
from assay.roles.assignment import Assignment, State
from assay.roles.exam import batch_at
from assay.roles.finding import Unit
from assay.roles.round import RoundName
from assay.work.limits import Allowance
from assay.work.program import Program
from assay.work.state import root_of, state_root

STEP, EMIT, EVALUATE, AGGREGATE = 0, 1, 2, 4
"""Places of the three, and of the first that adds updates up, among a job's programs."""
NO_LOSS = 0xFFFF_FFFF
"""Beside a fault that is claimed of a batch: no run ends in this loss."""


@dataclass(frozen=True)
class Ground:
    """One segment of a slot, as its leaves or a row of a table say, or its update (`segment` is then their number),
    with the states around it."""

    assignment: Assignment
    name: RoundName
    slot: int
    accused: str
    """Who stands for it."""
    target: Target
    segment: int
    before: tuple[Leaf, State]
    """Of a segment its start; of an update the start of the round."""
    after: Leaf
    end: State | None = None
    """Of an update the state that it is made of."""

    @property
    def unit(self) -> Unit:
        """What is disputed of the round."""
        return self.accused, int(self.target), self.slot, self.segment

    @property
    def program(self) -> Program:
        """What is run."""
        bundle = self.assignment.bundle
        return bundle.emit if self.target == Target.EMIT else bundle.step

    @cached_property
    def claim(self) -> Claim:
        """What it is that is stood for."""
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
            return Claim(subject, self.accused, self.program, origins, feed, self.after.update_root, count)
        return Claim(
            subject,
            self.accused,
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


@dataclass(frozen=True)
class Examination:
    """What one batch of held-out samples comes to, by a round's end state."""

    assignment: Assignment
    name: RoundName
    accused: str
    """The aggregator."""
    state: State
    marks: Marks
    batch: int
    target = Target.SCORE

    @property
    def unit(self) -> Unit:
        """What is disputed of the round."""
        return self.accused, int(self.target), 0, 0

    @property
    def program(self) -> Program:
        """What is run."""
        return self.assignment.bundle.evaluate

    @cached_property
    def claim(self) -> Claim:
        """What the aggregator stands for."""
        subject = keccak(encode(["uint256"] * 6, [*self.name, 0, Target.SCORE, self.batch]))
        assignment, records = self.assignment, self.assignment.held_out
        feed = Feed(records.root, records.count, first_step=self.batch, batch_size=assignment.batch_size)
        origins = (tuple(map(root_of, self.state)),)
        if self.marks.fault != ZERO:
            return Claim(subject, self.accused, self.program, origins, feed, self.marks.fault, 2, 1, NO_LOSS)
        mark = self.marks.batches[self.batch - self.marks.first]
        counts = [torch.tensor(count, dtype=torch.int64) for count in (mark.correct_count, mark.target_count)]
        end = state_root(counts)
        return Claim(subject, self.accused, self.program, origins, feed, end, 2, 1, mark.loss_bits)

    def replay(self, allowance: Allowance, alter: Alter | None = None) -> Replay:
        """The same run, by whoever has the state."""
        samples, size = self.assignment.test, self.assignment.batch_size
        return Replay(
            self.program,
            self.state,
            lambda _: batch_at(samples, size, self.batch),
            end_count=2,
            allowance=allowance,
            alter=alter,
            first_step=self.batch,
        )


Stand = Ground | Merger | Examination
"""What somebody stands for."""


def records_of(stand: Stand) -> Records | None:
    """The samples that what is stood for is fed with, if it is."""
    if stand.target == Target.SCORE:
        return stand.assignment.held_out
    return stand.assignment.records if stand.target in (Target.SEGMENT, Target.TABLE) else None


def aggregate_facts(assignment: Assignment, update_count: int) -> Facts:
    """What the order names by hash of the program that adds so many updates up, opened."""
    bundle = assignment.bundle
    place = AGGREGATE + sorted(bundle.aggregate).index(update_count)
    return _facts(assignment, bundle.aggregate[update_count], place)


def score_facts(assignment: Assignment) -> Facts:
    """The same of the program that measures a state, and of the held-out samples."""
    return _facts(assignment, assignment.bundle.evaluate, EVALUATE)


def facts_of(assignment: Assignment, target: Target, state: State | None) -> Facts:
    """What the order names by hash of a slot's work, opened; `state` is the one that a segment begins with, or that
    should have had an update."""
    if target == Target.EMIT:
        return _facts(assignment, assignment.bundle.emit, EMIT, state)
    return _facts(assignment, assignment.bundle.step, STEP, state)


def _facts(assignment: Assignment, program: Program, place: int, state: State | None = None) -> Facts:
    bundle, records = assignment.bundle, assignment.held_out if place == EVALUATE else assignment.records
    inputs, outputs, nodes = (merkle_root(hashes) for hashes in program.trees)
    fed, x = place in (STEP, EVALUATE), len(program.inputs) - 2
    return Facts(
        program=ChainProgram(inputs, outputs, nodes, len(program.nodes), len(program.outputs), len(program.inputs)),
        head=program.head,
        place=place,
        program_count=len(bundle.leaves),
        programs=tuple(tuple_proof(bundle.leaves, place)),
        samples_root=records.root,
        sample_count=records.count,
        form=assignment.form,
        x_type=program.leaves[0][x] if fed else b"",
        x_type_proof=tuple(merkle_proof(program.trees[0], x)) if fed else (),
        state_roots=tuple(tuple_proof(list(map(root_of, state)), 0)) if state else (),
    )
