"""The games that a party has a part in: as who is challenged, as the challenger, or as an onlooker.

What was opened in a game is read from the chain, and a move is a function of that: whoever falls in the middle of a
game goes on from what is. An onlooker only sees to it that no game waits longer than its clocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from eth_hash.auto import keccak

from assay.chain.artifacts import load_artifact
from assay.chain.client import Call, read_nothing
from assay.chain.contracts.containers import GameView
from assay.chain.contracts.disputes import Disputes
from assay.chain.contracts.games import Answered, Demanded, Games, Summed
from assay.chain.deploy import pack_invocation
from assay.chain.events import Event
from assay.proof.bisect import Challenger
from assay.proof.claim import Alter, Replay
from assay.proof.defence import Defender
from assay.proof.opened import Key, Move, places_in
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.phase import Ending, Outcome, Target
from assay.protocol.score import Marks
from assay.protocol.table import Entry
from assay.protocol.transcript import ZERO, Leaf, Transcript
from assay.protocol.words import word
from assay.roles import exam
from assay.roles.aggregates import Parts
from assay.roles.assignment import State
from assay.roles.faults import show_leaves
from assay.roles.forms import chain_marks, from_chain
from assay.roles.grounds import Examination, Ground, Merger, Stand, aggregate_facts, records_of, score_facts
from assay.roles.notices import Dispute
from assay.roles.pace import patience_s
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.shown import Shown
from assay.roles.wake import IDLE, Wake, wake_at

KINDS = ("", "steps", "rows", "leaves", "content", "state", "parts", "witness")
"""Demands, in the order of `IGames.Demand`."""
DEMANDS_KEPT = 4_096
"""Whose hashes are kept: a game's record is read anew at each turn."""


class Side(Protocol):
    """What a player holds of what is disputed."""

    def transcript(self, name: RoundName, slot: int) -> Transcript | None:
        """Its leaves."""
        ...

    def state(self, name: RoundName, slot: int, index: int) -> State | None:
        """The state of leaf `index`."""
        ...

    def parts(self, name: RoundName) -> Parts | None:
        """What a round's aggregate is made of."""
        ...

    def rows(self, name: RoundName, validator: str) -> Sequence[Entry]:
        """A validator's table, as it stands on chain."""
        ...

    def begun(self, name: RoundName, slot: int, segment: int, root: bytes) -> State | None:
        """The state with this root, from which a segment was re-executed."""
        ...

    def alter(self, name: RoundName, slot: int | None) -> Alter | None:
        """How its own work on a slot, or else on the aggregate, differs from what the program says: honest work does
        not."""
        ...


@dataclass(frozen=True)
class Record:
    """What was demanded and opened about a claim, from the events of all games about it."""

    keys: dict[bytes, Key]
    """By the hash under which a demand stands."""
    sums: dict[Key, tuple[Any, ...]]
    known: dict[Key, bytes]

    @classmethod
    def of(cls, events: Sequence[Event]) -> "Record":
        """From the events of games, in order."""
        keys: dict[bytes, Key] = {_hash("steps"): ("steps",)}
        sums: dict[Key, tuple[Any, ...]] = {}
        for event in events:
            key: Key | None = None
            if isinstance(event, Demanded):
                key = _key_of(event)
            elif isinstance(event, Summed):
                sum_ = event.sum.to_abi()
                key = ("parts", *sum_[:5])
                sums[key] = sum_
                keys[keccak(word(KINDS.index("parts")) + b"".join(word(int(each)) for each in sum_))] = key
                continue
            if key is not None:
                keys[_hash(*key)] = key
        # A witness ends its game, and answers nothing in another.
        opened = [each for each in events if isinstance(each, Answered) and each.demand != KINDS.index("witness")]
        known = {keys[event.demanded]: event.content for event in opened if event.demanded in keys}
        return cls(keys, sums, known)


def _key_of(event: Demanded) -> Key | None:
    """The demand that an event announces; nothing of one that no game knows."""
    fields = {
        "steps": (),
        "rows": (event.step, event.height, event.index),
        "leaves": (event.step, event.row, event.height, event.index),
        "content": (event.step, event.row, event.index),
        "state": (event.step, event.index),
        "witness": (event.step, event.row, event.index),
    }
    kind = KINDS[event.demand] if event.demand < len(KINDS) else ""
    return (kind, *fields[kind]) if kind in fields else None


@lru_cache(maxsize=DEMANDS_KEPT)
def _hash(kind: str, *fields: int) -> bytes:
    return keccak(word(KINDS.index(kind)) + b"".join(map(word, fields)))


class Duels:
    """One party's games; the work for them is metered as `dispute`."""

    def __init__(self, party: Party, side: Side, shown: Shown | None = None) -> None:
        self._party, self._world, self._side, self._shown = party, party.world, side, shown
        self._disputes = party.world.ledger.open(Disputes)
        self._games = party.world.ledger.open(Games)
        self._grounds: dict[bytes, tuple[Stand, Replay]] = {}
        """By claim: where the chain is rewritten, a game's number may go to another."""

    def forget(self, job: int) -> None:
        """Drops what was computed for games of a job that are over."""
        mine = {claim: ground for claim, (ground, _) in self._grounds.items() if ground.name[0] == job}
        disputed = {(each.name, each.unit) for each in self._open(job)} if mine else set()
        for claim in [claim for claim, ground in mine.items() if (ground.name, ground.unit) not in disputed]:
            del self._grounds[claim]

    def rounds(self, job: int) -> list[int]:
        """Indexes of the rounds of a job, of any generation, in which a game of this party's is open."""
        mine = self._world.address
        return [each.name[2] for each in self._open(job) if mine in (each.accused, each.challenger)]

    def tick(self, job: int) -> Wake:
        """Makes a move wherever it is this party's turn, and ends what is over."""
        wake = IDLE
        for dispute in self._open(job):
            try:
                wake |= self._turn(dispute)
            except AssayError as trouble:
                # What is wrong with one game does not keep a party from the others, nor from its work.
                if not isinstance(trouble, Unavailable):
                    self._party.troubles[job] = trouble.message
                wake |= wake_at(self._world.clock() + 1)
        self.forget(job)
        return wake

    def _open(self, job: int) -> list[Dispute]:
        disputes = self._party.clerk.notices.disputes(job)
        return [each for each in disputes if each.outcome == Outcome.OPEN]

    def _turn(self, dispute: Dispute) -> Wake:
        attempt, now_s = self._party.clerk.attempt, self._world.clock()
        if not dispute.game and not dispute.faulted and not self._disproved(dispute):
            return self._await(dispute)
        game = self._games.view_of(dispute.game)
        if dispute.faulted or game.outcome != Ending.OPEN or self._disproved(dispute):
            until_s = self._disputes.view_of(dispute.number).fault_until
            if now_s < until_s and not self._disproved(dispute):
                return wake_at(until_s)
            if game.outcome == Ending.JOB_FAULT and not dispute.faulted:
                # Whoever looks has to see what the fault rests on, before it stands.
                transcript = self._side.transcript(dispute.name, dispute.slot) if dispute.is_of_slot else None
                shown = show_leaves(self._party, dispute.name, dispute.slot, transcript) if transcript else IDLE
                if shown.acted:
                    return shown
            return attempt(self._disputes.settle(dispute.number)) | wake_at(now_s + 1)
        record = Record.of(self._party.clerk.notices.played(game.claim))
        owed = record.keys.get(game.demanded) if game.demand else None
        if owed in record.known:
            return attempt(self._games.recall(dispute.game)) | wake_at(now_s + 1)
        if now_s > game.deadline:
            return attempt(self._games.timeout(dispute.game)) | wake_at(now_s + 1)
        move = self._move(dispute, game, record, owed)
        if move is None:
            return wake_at(game.deadline + 1)
        return attempt(self._call(dispute.game, move)) | wake_at(now_s + 1)

    def _await(self, dispute: Dispute) -> Wake:
        """Before a game begins, where something has to be shown first."""
        if dispute.target == Target.AGGREGATE:
            shown, begins = self._show_updates(dispute), ZERO not in self._disputes.updates_of(*dispute.name)
        else:
            shown, begins = self._show_marks(dispute), self._disputes.marks_of(*dispute.name) != ZERO
        if shown.acted:
            return shown
        clerk, now_s = self._party.clerk, self._world.clock()
        until_s = self._disputes.view_of(dispute.number).show_until
        if begins:
            until_s += clerk.order(dispute.name[0]).windows.open  # its challenger's time
        if now_s < until_s:
            return shown | wake_at(until_s)
        return shown | clerk.attempt(self._disputes.settle(dispute.number)) | wake_at(now_s + 1)

    def _show_marks(self, dispute: Dispute) -> Wake:
        """What a score is made of is shown by its aggregator, and then its challenger says which batch is false."""
        clerk, name, now_s = self._party.clerk, dispute.name, self._world.clock()
        if self._world.address not in (dispute.accused, dispute.challenger):
            return IDLE
        shown, assignment = clerk.notices.marks(name), self._party.assignment(name[0])
        if shown is None and self._world.address == dispute.accused:
            own = self.marks(name)
            if own is None:
                return IDLE
            call = self._disputes.show_marks(*name, score_facts(assignment), chain_marks(own))
            return clerk.attempt(call) | wake_at(now_s + 1)
        if shown is None or self._world.address != dispute.challenger:
            return IDLE
        own = self.marks(name)
        batch = None if own is None else own.first_other(from_chain(shown))
        if batch is None:
            return IDLE
        return clerk.attempt(self._disputes.begin_score(dispute.number, score_facts(assignment), shown, batch))

    def marks(self, name: RoundName) -> Marks | None:
        """What a round's end state comes to here; nothing while that is not here."""
        root, assignment = self._party.clerk.round(name).end_root, self._party.assignment(name[0])
        if root not in assignment.marked:
            state, compute = self._party.state(name[0], root), self._world.compute
            if state is None:
                return None
            with compute.metered("dispute"), compute.within(patience_s(assignment.order.windows.open)):
                assignment.keep_marks(root, exam.marks(compute, assignment, state, assignment.test))
        return assignment.marked[root]

    def _show_updates(self, dispute: Dispute) -> Wake:
        """What was included is shown, by whoever can, and then the game about what it comes to begins."""
        clerk, now_s, name = self._party.clerk, self._world.clock(), dispute.name
        view = clerk.round(name)
        if self._shown is not None and self._world.address in (dispute.accused, dispute.challenger):
            shown = self._shown.show(name, view)
            if shown.acted:
                return shown
            ready = dispute.challenger == self._world.address and self._side.parts(name) is not None
            if ready and not self._shown.missing(name, view):
                facts = aggregate_facts(self._party.assignment(name[0]), len(bitmap_slots(view.included)))
                return clerk.attempt(self._disputes.begin(dispute.number, facts)) | wake_at(now_s + 1)
        return IDLE

    def _disproved(self, dispute: Dispute) -> bool:
        others = self._party.clerk.notices.disputes(dispute.name[0])
        return any(each.outcome == Outcome.UPHELD for each in others if each.case == dispute.case)

    # moves

    def _move(self, dispute: Dispute, game: GameView, record: Record, owed: Key | None) -> tuple[Move, Stand] | None:
        """This party's next move; nothing where it is not its turn, or there is none."""
        attacks = dispute.challenger == self._world.address and not game.demand
        defends = dispute.accused == self._world.address and owed is not None
        if not attacks and not defends:
            return None
        compute, windows = self._world.compute, self._party.clerk.order(dispute.name[0]).windows
        with compute.metered("dispute"), compute.within(patience_s(windows.table + windows.open)):
            found = self._grounds.get(game.claim) or self._ground(dispute)
            if found is None:
                return None
            self._grounds[game.claim] = found
            ground, work = found
            records = records_of(ground)
            if attacks:
                return Challenger(ground.claim, work, records).move(record.known), ground
            assert owed is not None
            answer = Defender(ground.claim, work, records, places_in(record.known)).move(owed, record.sums.get(owed))
            return None if answer is None else (answer, ground)

    def _ground(self, dispute: Dispute) -> tuple[Stand, Replay] | None:
        """What the game is about, as this party has it; nothing while a state is not here."""
        name, slot, assignment = dispute.name, dispute.slot, self._party.assignment(dispute.name[0])
        if dispute.target == Target.AGGREGATE:
            parts = self._side.parts(name)
            if parts is None:
                return None
            merged = Merger(assignment, name, dispute.accused, *parts, self._party.clerk.round(name).end_root)
            return merged, merged.replay(self._world.compute.allowance, self._side.alter(name, None))
        if dispute.target == Target.SCORE:
            state = self._party.state(name[0], self._party.clerk.round(name).end_root)
            told = self._party.clerk.notices.marks(name)
            if state is None or told is None:
                return None
            measured = Examination(assignment, name, dispute.accused, state, from_chain(told), dispute.batch)
            return measured, measured.replay(self._world.compute.allowance)
        if dispute.target == Target.TABLE:
            return self._row_ground(dispute)
        transcript = self._side.transcript(name, slot)
        if transcript is None:
            return None
        emit = dispute.target == Target.EMIT
        first = 0 if emit else dispute.segment
        start = self._side.state(name, slot, first)
        end = self._side.state(name, slot, len(transcript.leaves) - 1) if emit else None
        if start is None or (emit and end is None):
            return None
        after = transcript.leaves[-1] if emit else transcript.leaves[first + 1]
        target = Target(dispute.target)
        before = (transcript.leaves[first], start)
        ground = Ground(assignment, name, slot, dispute.accused, target, dispute.segment, before, after, end)
        return ground, ground.replay(self._world.compute.allowance, self._side.alter(name, slot))

    def _row_ground(self, dispute: Dispute) -> tuple[Stand, Replay] | None:
        name, slot, segment = dispute.name, dispute.slot, dispute.segment
        rows = self._side.rows(name, dispute.accused)
        for row in [row for row in rows if (row.slot, row.segment) == (slot, segment)]:
            start = self._side.begun(name, slot, segment, row.start_root)
            if start is None:
                continue
            before, after = Leaf(segment, row.start_root), Leaf(segment + 1, row.state_root, row.loss_bits)
            about = (dispute.accused, Target.TABLE, segment, (before, start), after)
            ground = Ground(self._party.assignment(name[0]), name, slot, *about)
            return ground, ground.replay(self._world.compute.allowance)
        return None

    def _call(self, game: int, made: tuple[Move, Stand]) -> Call[None]:
        move, ground = made
        payload = pack_invocation(load_artifact("Games"), move.name, move.call(game, ground.claim.to_abi()))
        return Call(self._games, payload, 0, read_nothing)
