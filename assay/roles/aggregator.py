"""An aggregator: roots the slots' commitments, carries the quorum's word to the chain, adds the updates up.

propose -> commit -> (tables, openings) -> include -> aggregate -> finalise

It holds no power: what it commits is signed by others, what it adds up is a program, and whoever finds it silent
takes its place.
"""

from collections.abc import Sequence

from assay.chain.contracts.containers import RoundView
from assay.proof.claim import Alter
from assay.protocol.commitment import bitmap, bitmap_slots, commitment_root
from assay.protocol.phase import JobPhase, RoundPhase
from assay.protocol.table import Entry
from assay.protocol.transcript import Transcript, operator_hash
from assay.roles.aggregates import Aggregates, Parts
from assay.roles.assignment import State
from assay.roles.candidacy import AGGREGATOR
from assay.roles.carrier import carry_fault, carry_result
from assay.roles.content import commitment_content
from assay.roles.duels import Duels
from assay.roles.equivocation import expose
from assay.roles.notices import ROUNDS_END
from assay.roles.openings import Openings
from assay.roles.pace import check_measuring
from assay.roles.page import Page
from assay.roles.party import Party
from assay.roles.round import RoundName, drop
from assay.roles.settle import settle
from assay.roles.shown import Shown
from assay.roles.silence import penalise_silent
from assay.roles.vote import aggregate_values, gather, result_root, root_values
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.roles.world import World
from assay.work.walk import Fault


class Aggregator(Party):
    """Serves the jobs that drew it, and stands by for the others."""

    pool = AGGREGATOR

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.openings = Openings(self)
        self.aggregates = Aggregates(self, self.openings)
        self.side = Merged(self)
        self.duels = Duels(self, self.side, Shown(self, self.openings))
        self._proposed: dict[RoundName, bytes] = {}
        self._made: set[RoundName] = set()
        """Rounds whose aggregate is its own, while they are not final."""

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        super().forget(job, below)
        self.openings.forget(job, below)
        self.aggregates.forget(job, below)
        drop(self._proposed, job, below)
        drop(self._made, job, below)
        self.duels.forget(job)

    def keeps(self, job: int) -> bool:
        """The same; who lost its place stands by what it has added up."""
        return super().keeps(job) or bool(self.duels.rounds(job)) or any(name[0] == job for name in self._made)

    def held_from(self, job: int) -> int:
        """The same; what is challenged has to be opened until its game is over."""
        return min(super().held_from(job), *self.duels.rounds(job), ROUNDS_END)

    def tick(self) -> Wake:
        """One turn."""
        self.listen()
        return self.each_job(self.turn)

    def turn(self, job: int) -> Wake:
        """What this phase of a job asks for."""
        match self.clerk.view(job).phase:
            case JobPhase.BIDDING | JobPhase.DRAWING:
                return self.consider(job, check_measuring)
            case JobPhase.RUNNING:
                return self.duels.tick(job) | self.serve(job)
            case JobPhase.DONE | JobPhase.CANCELLED | JobPhase.FAULTED:
                wake = self.duels.tick(job)
                return wake if wake.acted else wake | settle(self.world, self.clerk, job)
        return IDLE

    def serve(self, job: int) -> Wake:
        """Moves every open round on, or takes over where a deadline has passed."""
        drawn = self.clerk.aggregator(job) == self.world.address
        wake = expose(self.clerk, self.book, job)
        for name, view in self.clerk.rounds(job):
            wake |= self.make_out(name, view) | self.move(name, view) if drawn else IDLE
            wake |= self.hurry(name, view)
        return wake

    def move(self, name: RoundName, view: RoundView) -> Wake:
        """What this phase asks of the aggregator."""
        page = self.book.round(name)
        match view.phase:
            case RoundPhase.TRAINING:
                return self.commit(name, view, page)
            case RoundPhase.SAMPLING:
                return carry_fault(self, name)
            case RoundPhase.OPENING:
                return carry_fault(self, name) | self.include(name, view)
            case RoundPhase.AGGREGATING:
                return carry_fault(self, name) | self.aggregate(name, view, page)
        return IDLE

    def hurry(self, name: RoundName, view: RoundView) -> Wake:
        """The permissionless exits: finality after its window, and the way out of a phase that is overdue."""
        challenging = view.phase == RoundPhase.CHALLENGING
        wake = penalise_silent(self.clerk, name, view) if challenging else IDLE
        vacant = view.phase in (RoundPhase.TRAINING, RoundPhase.AGGREGATING) and not int(
            self.clerk.aggregator(name[0]), 16
        )
        if self.world.clock() < view.deadline and not vacant:
            return wake | wake_at(view.deadline)
        if challenging:
            return wake | self.clerk.attempt(self.world.ledger.rounds.finalise(*name))
        return self.clerk.attempt(self.world.ledger.rounds.advance(*name))

    def commit(self, name: RoundName, view: RoundView, page: Page) -> Wake:
        """One root over all slots, as soon as every open slot has reported or the training window is over.

        A quorum vouches for it; without one it has to wait, so that whoever it leaves out can enter by itself.
        """
        order, awaited = self.clerk.order(name[0]), set(self.clerk.open_slots(name[0]))
        origin = self.clerk.origin(name)
        heard = {slot: one for slot, one in page.commitments.items() if slot in awaited and one[0].origin == origin}
        closes_s = view.opened_at + order.windows.train
        if len(heard) < len(awaited) and self.world.clock() < closes_s:
            return wake_at(closes_s)
        leaves = {slot: commitment.leaf(*self.clerk.place) for slot, (commitment, _) in heard.items()}
        root, present = commitment_root(leaves, order.providers), bitmap(sorted(heard), order.providers)
        if self._proposed.get(name) != root:
            self._proposed[name] = root
            commitments = [commitment_content(*signed) for signed in heard.values()]
            content: dict[str, object] = {"commitments": commitments, "root": root.hex(), "present": present}
            return self.voice.say(name, "commitments", content) | ACTED
        values = root_values(name, root, present)
        signatures = gather(self.world.domain, page, "Root", values, self.validators(name[0]), order.quorum)
        alone_s = closes_s + order.windows.aggregate // 2
        if signatures is None and self.world.clock() < alone_s:
            return wake_at(alone_s)
        return self.clerk.attempt(self.world.ledger.rounds.commit(*name, root, present, signatures or []))

    def include(self, name: RoundName, view: RoundView) -> Wake:
        """Fixes the included set once a quorum has signed the same one; alone where no quorum can be had."""
        wake = carry_result(self, name, view)
        if wake.acted or not view.optimistic or view.orphan:
            return wake
        return self.include_alone(name, view)

    def include_alone(self, name: RoundName, view: RoundView) -> Wake:
        """What holds together by its own opening, for the longer window in which anybody may challenge it."""
        order = self.clerk.order(name[0])
        late = self.world.clock() >= view.deadline - order.windows.open // 2
        found = {slot: self.openings.of(name, view, slot, final=late) for slot in bitmap_slots(view.present)}
        if view.disputes_open or (not late and None in found.values()):
            return wake_at(view.deadline - order.windows.open // 2)
        open_slots = self.clerk.open_slots(name[0])
        sound = [slot for slot, opened in found.items() if opened and opened.update is not None and slot in open_slots]
        secrets = {slot: opened.transcript.secret for slot, opened in found.items() if opened and opened.transcript}
        root = result_root(name, {}, secrets, len(self.validators(name[0])), order.providers)
        accepted = bitmap(sound, order.providers)
        include = self.world.ledger.rounds.include(*name, accepted, accepted, view.tables_revealed, root, [])
        return self.clerk.attempt(include)

    def alter(self, name: RoundName) -> Alter | None:  # noqa: ARG002
        """How what it adds up differs from what the program says: honest work does not."""
        return None

    def aggregate(self, name: RoundName, view: RoundView, page: Page) -> Wake:
        """Adds up by the job's program, publishes the new state, and carries the quorum's signatures to the chain.

        Where none come by half the window it goes on alone, as the contract then admits.
        """
        end = self.aggregates.of(name, view)
        if end is None:
            return IDLE
        if end.fault is not None:
            return self.halt(name, end.fault)
        self.voice.say(name, "aggregate", {"root": end.root.hex(), "cid": end.cid})
        order, values = self.clerk.order(name[0]), aggregate_values(name, end.root, end.score)
        signatures = gather(self.world.domain, page, "Aggregate", values, self.validators(name[0]), order.quorum)
        alone_s = view.deadline - order.windows.aggregate // 2
        if signatures is None and not view.optimistic and self.world.clock() < alone_s:
            return wake_at(alone_s)
        self._made.add(name)
        return self.clerk.attempt(self.world.ledger.rounds.aggregate(*name, end.root, end.score, signatures or []))

    def halt(self, name: RoundName, fault: Fault) -> Wake:
        """Says that what it adds up is a fault of the job: nobody's word but its own, open to dispute for longer."""
        self._made.add(name)
        call = self.world.ledger.rounds.aggregate_fault(*name, fault.node_index, operator_hash(fault.operator))
        return self.clerk.attempt(call)


class Merged:
    """What an aggregator has added up, as the games about it need it."""

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator

    def transcript(self, name: RoundName, slot: int) -> Transcript | None:  # noqa: ARG002
        """It has no slot."""
        return None

    def state(self, name: RoundName, slot: int, index: int) -> State | None:  # noqa: ARG002
        """Nor a state of one."""
        return None

    def rows(self, name: RoundName, validator: str) -> Sequence[Entry]:  # noqa: ARG002
        """It re-executes no segment."""
        return ()

    def begun(self, name: RoundName, slot: int, segment: int, root: bytes) -> State | None:  # noqa: ARG002
        """The same."""
        return None

    def alter(self, name: RoundName, slot: int | None) -> Alter | None:
        """How what it has added up differs from what the program says."""
        return self._aggregator.alter(name) if slot is None else None

    def parts(self, name: RoundName) -> Parts | None:
        """What a round's aggregate is made of."""
        return self._aggregator.aggregates.parts(name, self._aggregator.clerk.round(name))
