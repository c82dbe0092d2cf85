"""What a validator puts its name to: the result of a round, its aggregate, or that nothing of the job can be run.

It signs what it has found itself, and nothing while anybody disagrees: what is false is challenged first.
"""

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap
from assay.protocol.phase import RoundPhase, Target
from assay.roles.challenge import Challenges
from assay.roles.faults import Faults
from assay.roles.finding import Disagreement, Finding
from assay.roles.judge import Judge
from assay.roles.party import Party
from assay.roles.patience import phase_began_s
from assay.roles.round import RoundName
from assay.roles.sheets import Sheets
from assay.roles.tower import Tower
from assay.roles.vote import Result, aggregate_values, cast, fault_values, result_root
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.witness import Witness


class Signatory:
    """One validator's signatures."""

    def __init__(
        self, party: Party, sheets: Sheets, judge: Judge, witness: Witness, challenges: Challenges, tower: Tower
    ) -> None:
        self._party, self._clerk, self._world = party, party.clerk, party.world
        self._sheets, self._judge, self._witness = sheets, judge, witness
        self._challenges, self._tower, self._faults = challenges, tower, Faults(party, judge.transcript)

    # the result

    def sign_result(self, name: RoundName, view: RoundView) -> Wake:
        """Signs the accepted set once every slot is judged and no disagreement is left."""
        job, sheet = name[0], self._sheets.of(name, view)
        # What was signed before somebody was disproved is signed anew: a quorum needs the same words.
        heard = self._witness.heard(name, view)
        basis = (self._clerk.open_slots(job), self._party.validators(job), view.tables_revealed, heard)
        if sheet is None or not self._party.has(view.tables_revealed, job) or sheet.basis == basis:
            return IDLE
        patience = self._judge.patience.wait(name, view)
        drawn, seat = self._clerk.beacon(view.beacon_block), self._party.seat(job)
        if drawn is None or seat is None or not self._all_shown(name, view):
            return patience | self._witness.want(name, view)
        finding = self._judge.round(name, view)
        rank = (seat - int.from_bytes(drawn[0], "big")) % len(self._party.validators(job))
        wake = self._challenges.raise_all(name, view, finding.disagreements, rank)
        if finding.unopened and self._judge.patience.over(name, view):
            wake |= self.call_in(name, finding.unopened)
        # One disproof of a party in a round is enough: what else it said there is not argued about again.
        unsettled = any(not self._settled(name, view, each) for each in finding.disagreements)
        if wake.acted or not finding.complete:
            return wake | patience
        # An orphan leads nowhere, and so does what it has met.
        if finding.fault is not None and not view.orphan:
            return wake | patience | self._show_fault(name, view, finding, rank)
        if unsettled or view.disputes_open:
            return wake | patience
        sheet.basis = basis
        return self._attest(name, view, finding)

    def _show_fault(self, name: RoundName, view: RoundView, finding: Finding, rank: int) -> Wake:
        """Shows a fault of the job that a slot has met, and this validator too, whatever else is disputed."""
        assert finding.fault is not None
        wake = self._suspect(name)
        if wake.acted:
            return wake
        windows = self._clerk.order(name[0]).windows
        turn_s = phase_began_s(view, windows) + rank * windows.open // 32
        doubted = {each.accused for each in finding.disagreements}
        return wake | self._faults.claim(name, finding.fault, from_s=turn_s, doubted=doubted)

    def _settled(self, name: RoundName, view: RoundView, each: Disagreement) -> bool:
        """Whether nobody need wait for what comes of it. A row of a table says nothing of a slot."""
        moot = each.target == Target.TABLE and self._challenges.is_refused(name, each.unit)
        return moot or self._challenges.known(name, view, each.unit)

    def _all_shown(self, name: RoundName, view: RoundView) -> bool:
        """Whether all committed tables are revealed and heard, or no longer waited for."""
        heard = all(self._witness.heard(name, view))
        return (view.tables_revealed == view.tables_committed and heard) or self._judge.patience.over(name, view)

    def call_in(self, name: RoundName, slots: list[int]) -> Wake:
        """Demands secrets on chain that were not opened to the peers, and takes the lock of whoever stays silent."""
        rounds, wake = self._world.ledger.rounds, IDLE
        # Of a slot that entered directly and told nobody there is nothing to show: it does not count.
        for slot in [slot for slot in slots if slot in self._party.book.round(name).commitments]:
            due_s = self._clerk.notices.due_s(name, slot)
            if due_s is None:
                wake |= self._clerk.attempt(rounds.demand_secret(*self._party.standing(name, slot)))
            elif self._world.clock() >= due_s:
                wake |= self._clerk.attempt(rounds.default_secret(*name, slot))
            else:
                wake |= wake_at(due_s)
        return wake

    def default(self, name: RoundName, view: RoundView) -> Wake:
        """Takes the lock of who was called for and stayed silent, in whatever phase the round is by then: it does not
        become final before."""
        wake = IDLE
        demands = self._clerk.notices.demands(name[0]) if view.disputes_open else {}
        for slot, due_s in [(slot, due_s) for (other, slot), due_s in demands.items() if other == name]:
            if self._world.clock() < due_s:
                wake |= wake_at(due_s)
            else:
                wake |= self._clerk.attempt(self._world.ledger.rounds.default_secret(*name, slot))
        return wake

    def _attest(self, name: RoundName, view: RoundView, finding: Finding) -> Wake:
        """Signs the accepted set: all that holds together enters the aggregate."""
        slot_count, validator_count = self._clerk.order(name[0]).providers, len(self._party.validators(name[0]))
        accepted = bitmap(finding.accepted, slot_count)
        root = result_root(name, finding.tables, finding.secrets, validator_count, slot_count)
        result = Result(tuple(accepted), tuple(accepted), finding.served, root)
        return cast(self._party, name, "Result", result.values(name, view.drawing), result.to_json())

    # a fault of the job

    def attest_fault(self, name: RoundName, digest: bytes) -> Wake:
        """Signs that nothing of the job can be re-executed."""
        return cast(self._party, name, "Fault", fault_values(name, digest), {"digest": digest.hex()})

    def _suspect(self, name: RoundName) -> Wake:
        """Before a fault is believed, looks for something false in the aggregates that led to it: a liar may have
        poisoned the state where no sample looked."""
        wake = IDLE
        for other, view in self._clerk.rounds(name[0]):
            if other[2] <= name[2] and view.phase in (RoundPhase.AGGREGATING, RoundPhase.CHALLENGING):
                found, rank = self._tower.look(other, view), self._party.seat(name[0]) or 0
                wake |= self._challenges.raise_all(other, view, found, rank)
        return wake

    # the aggregate

    def sign_aggregate(self, name: RoundName, view: RoundView) -> Wake:
        """Signs the aggregate that it has computed itself."""
        if self._sheets.of(name, view) is None:
            return IDLE
        end = self._judge.aggregates.of(name, view)
        if end is None:
            return IDLE
        if end.fault is not None:
            return self._suspect(name)  # its aggregator says so
        # Whoever has not heard the aggregator learns here where the new state is.
        told = self._party.voice.say(name, "aggregate", {"root": end.root.hex(), "cid": end.cid})
        values = aggregate_values(name, end.root, end.score)
        return told | cast(self._party, name, "Aggregate", values, {"root": end.root.hex()})

    def compare_aggregate(self, name: RoundName, view: RoundView) -> Wake:
        """Challenges an aggregate that is not what the programs make of the included updates, or that scores otherwise.

        Without a seat as well: no quorum's signature makes it right.
        """
        end = self._judge.aggregates.of(name, view)
        if end is None:
            return self._ask(name, view)
        if (end.root, end.score) == (view.end_root, view.score):
            return self._suspect(name) if end.fault else IDLE
        target = Target.SCORE if end.root == view.end_root else Target.AGGREGATE
        return self._challenges.raise_all(name, view, [self._about(name, target)], self._party.seat(name[0]) or 0)

    def _about(self, name: RoundName, target: Target) -> Disagreement:
        return Disagreement(target, 0, 0, self._world.ledger.rounds.aggregator_of(*name))

    def _ask(self, name: RoundName, view: RoundView) -> Wake:
        """An aggregator that no quorum has vouched for may have included a slot that has committed nothing: then it has
        to show what. Of a set that a quorum has signed whoever did not hear of a slot may be the one that is deaf."""
        due_s = view.deadline - self._clerk.order(name[0]).windows.challenge // 2
        if not view.optimistic or not self._challenges.shown.unheard(name, view):
            return IDLE
        if self._world.clock() < due_s:
            return wake_at(due_s)
        disagreement = self._about(name, Target.AGGREGATE)
        return self._challenges.raise_all(name, view, [disagreement], self._party.seat(name[0]) or 0)
