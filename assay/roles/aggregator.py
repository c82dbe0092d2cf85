"""An aggregator: roots the slots' commitments, carries the quorum's word to the chain, adds the updates up.

commit -> (tables, openings) -> include -> aggregate -> finalise

It holds no power: what it commits is signed by others, what it adds up is a program, and whoever finds it silent
takes its place.
"""

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap, bitmap_slots, commitment_root
from assay.protocol.phase import JobPhase, RoundPhase
from assay.roles.book import RoundBook, RoundName, commitment_content
from assay.roles.evidence import Evidence
from assay.roles.party import Party
from assay.roles.settle import settle
from assay.roles.vote import aggregate_values, fault_values, gather, proposals, result_values
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.world import World


class Aggregator(Party):
    """Serves the jobs that drew it, and stands by for the others."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.evidence = Evidence(self)
        self._announced: set[RoundName] = set()

    def tick(self) -> Wake:
        """One turn."""
        self.book.note(self.world.peers.poll())
        wake = IDLE
        for job in self.clerk.jobs():
            match self.clerk.view(job).phase:
                case JobPhase.RUNNING:
                    wake |= self.serve(job)
                case JobPhase.DONE | JobPhase.CANCELLED | JobPhase.FAULTED:
                    wake |= settle(self.world, self.clerk, job)
        return wake

    def serve(self, job: int) -> Wake:
        """Moves every open round on, or takes over where a deadline has passed."""
        drawn = self.world.ledger.jobs.aggregator_of(job) == self.world.address
        wake = IDLE
        for name, view in self.clerk.rounds(job):
            wake |= self.move(name, view) if drawn else IDLE
            wake |= self.hurry(name, view)
        return wake

    def move(self, name: RoundName, view: RoundView) -> Wake:
        """What this phase asks of the aggregator."""
        page = self.book.round(name)
        match view.phase:
            case RoundPhase.TRAINING:
                return self.commit(name, view, page)
            case RoundPhase.SAMPLING:
                return self.fault(name, page)
            case RoundPhase.OPENING:
                return self.fault(name, page) | self.include(name, view, page)
            case RoundPhase.AGGREGATING:
                return self.aggregate(name, view, page)
        return IDLE

    def hurry(self, name: RoundName, view: RoundView) -> Wake:
        """The permissionless exits: finality after its window, and the way out of a phase that is overdue."""
        if self.world.clock() < view.deadline:
            return wake_at(view.deadline)
        if view.phase == RoundPhase.CHALLENGING:
            return self.clerk.attempt(self.world.ledger.rounds.finalise(*name))
        return self.clerk.attempt(self.world.ledger.rounds.advance(*name))

    def commit(self, name: RoundName, view: RoundView, page: RoundBook) -> Wake:
        """One root over all slots, as soon as every open slot has reported or the training window is over."""
        order, slots_open = self.clerk.order(name[0]), self.world.ledger.jobs.slots_open(name[0])
        awaited = set(bitmap_slots(slots_open))
        heard = {slot: signed for slot, signed in page.commitments.items() if slot in awaited}
        closes_s = view.opened_at + order.windows.train
        if len(heard) < len(awaited) and self.world.clock() < closes_s:
            return wake_at(closes_s)
        leaves = {slot: commitment.leaf(*self.clerk.place) for slot, (commitment, _) in heard.items()}
        root = commitment_root(leaves, order.providers)
        self.world.say("commitments", name, {"commitments": [commitment_content(*signed) for signed in heard.values()]})
        return self.clerk.attempt(self.world.ledger.rounds.commit(*name, root, bitmap(sorted(heard), order.providers)))

    def include(self, name: RoundName, view: RoundView, page: RoundBook) -> Wake:
        """Fixes the included set once a quorum has signed the same one."""
        order, validators = self.clerk.order(name[0]), self.validators(name[0])
        for accepted, included, root in proposals(page):
            values = result_values(name, accepted, included, root)
            signatures = gather(self.world.domain, page, "Result", values, validators, order.quorum)
            if signatures is None and view.optimistic:
                signatures = []
            if signatures is not None:
                include = self.world.ledger.rounds.include(*name, accepted, included, root, signatures)
                return self.clerk.attempt(include)
        return IDLE

    def aggregate(self, name: RoundName, view: RoundView, page: RoundBook) -> Wake:
        """Adds up by the job's program, publishes the new state, and carries the quorum's signatures to the chain."""
        end = self.evidence.aggregate(name, view)
        if end is None:
            return IDLE
        if name not in self._announced:
            self._announced.add(name)
            self.world.say("aggregate", name, {"root": end.root.hex(), "cid": end.cid})
        order, values = self.clerk.order(name[0]), aggregate_values(name, end.root)
        signatures = gather(self.world.domain, page, "Aggregate", values, self.validators(name[0]), order.quorum)
        if signatures is None:
            return IDLE
        return self.clerk.attempt(self.world.ledger.rounds.aggregate(*name, end.root, signatures))

    def fault(self, name: RoundName, page: RoundBook) -> Wake:
        """Carries a quorum's finding that the job itself is at fault."""
        order, validators = self.clerk.order(name[0]), self.validators(name[0])
        for digest in sorted({str(vote.get("digest")) for vote in page.votes.get("Fault", {}).values()}):
            values = fault_values(name, bytes.fromhex(digest))
            signatures = gather(self.world.domain, page, "Fault", values, validators, order.quorum)
            if signatures is not None:
                fault = self.world.ledger.rounds.attest_fault(*name, bytes.fromhex(digest), signatures)
                return self.clerk.attempt(fault)
        return IDLE
