"""A validator: re-executes a blind sample of every round, judges what slots open, and votes where parties disagree.

enlist -> vouch -> sample -> re-execute -> commit the table -> reveal -> judge -> sign (or challenge, and vote)
"""

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap, bitmap_slots
from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.phase import JobPhase, RoundPhase, Target
from assay.protocol.schedule import sample_segments, sample_share, sample_total
from assay.protocol.table import Entry
from assay.protocol.words import words_hash
from assay.roles.book import RoundName, drop, row_content
from assay.roles.challenge import Challenges, unit_of
from assay.roles.judge import Disagreement, Finding, Judge
from assay.roles.memory import Memory
from assay.roles.nonces import Nonces
from assay.roles.notices import ROUNDS_END
from assay.roles.pace import check_measuring, check_sampling
from assay.roles.party import Party, sealed
from assay.roles.settle import settle
from assay.roles.sheet import Sheet
from assay.roles.tower import Tower
from assay.roles.vote import Result, aggregate_values, cast, fault_values, result_root
from assay.roles.votes import Votes
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.witness import Witness
from assay.roles.world import World

UNSOUND, UNSERVED = words_hash("assay.fault.unsound.1"), words_hash("assay.fault.unserved.1")
"""Digests of faults that no program has met: a job's bytes do not fit its order, or nobody serves them."""


class Validator(Party):
    """Checks other people's work for a fee.

    With `watch` it also re-executes whole transcripts once they are open, of every job and with or without a seat, and
    challenges what it finds false before the round is final.
    """

    def __init__(self, world: World, *, watch: bool = False) -> None:
        super().__init__(world)
        self.nonces = Nonces(world)
        self.sheets: dict[RoundName, Sheet] = {}
        self.tables = Memory(world.journal, "table", Sheet.to_json, Sheet.from_json)
        self.judge = Judge(self)
        self.witness = Witness(self, self.judge)
        self.challenges = Challenges(self, self.judge)
        self.votes = Votes(self, self.judge)
        self.auditor = Tower(self, self.judge)
        self.tower = self.auditor if watch else None
        self._flaws: set[int] = set()

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        super().forget(job, below)
        self.judge.forget(job, below)
        self.challenges.forget(job, below)
        drop(self.sheets, job, below)
        self.witness.forget(job, below)
        self.auditor.forget(job, below)

    def tick(self) -> Wake:
        """One turn."""
        self.listen()
        return self.each_job(self.turn)

    def turn(self, job: int) -> Wake:
        """What this phase of a job asks for."""
        match self.clerk.view(job).phase:
            case JobPhase.BIDDING:
                return self.consider(job, check_sampling, check_measuring)
            case JobPhase.ENLISTING if self.seat(job) is not None:
                return self.enlist(job) | self.overdue.take(job)
            case JobPhase.RUNNING:
                return self.enlist(job) | self.work(job)
            case JobPhase.DONE | JobPhase.CANCELLED | JobPhase.FAULTED:
                # After a fault too what was disputed is counted, with everybody who is silent.
                wake = self.dispute(job)
                return wake if wake.acted else wake | settle(self.world, self.clerk, job)
        return IDLE

    def held_from(self, job: int) -> int:
        """The same; what an open dispute is about is needed until it is counted."""
        return min(super().held_from(job), *self.challenges.open_rounds(job), ROUNDS_END)

    def enlist(self, job: int) -> Wake:
        """Commits the tip of a chain of nonces for a job that drew this validator."""
        seat = self.seat(job)
        if seat is None or self.clerk.seats_live(job) >> seat & 1:
            return IDLE
        return self.clerk.attempt(self.world.ledger.jobs.enlist(job, self.nonces.tip(job)))

    def work(self, job: int) -> Wake:
        """Serves every open round, and every open dispute."""
        # Who has lost its seat since a dispute was opened votes in it all the same: who votes was fixed then.
        wake = self.dispute(job)
        if self.seat(job) is None and self.tower is None:
            return wake
        wake |= self.expose(job) | (self.overdue.take(job) if self.seat(job) is not None else IDLE)
        for name, view in self.clerk.rounds(job):
            if self.seat(job) is not None:
                flaw = self.flaw(name, view)
                wake |= self.condemn(name, view, flaw) if flaw else self.serve(name, view)
            if self.tower is not None and view.phase == RoundPhase.CHALLENGING:
                wake |= self.challenges.raise_all(name, view, self.tower.look(name, view), 0)
        return wake

    def dispute(self, job: int) -> Wake:
        """Sees its own challenges through, and votes on everybody's."""
        return self.challenges.pursue(job) | self.votes.tick(job)

    def flaw(self, name: RoundName, view: RoundView) -> bytes | None:
        """Digest of what is wrong with the job itself, if its bytes are not what its order says, or not to be had."""
        job = name[0]
        if job not in self._flaws:
            try:
                self.assignment(job)
            except Unavailable:
                if view.phase >= RoundPhase.SAMPLING and self.judge.overdue(name, view):
                    return UNSERVED
                raise
            except AssayError as trouble:
                self.troubles[job] = trouble.message
                self._flaws.add(job)
        return UNSOUND if job in self._flaws else None

    def condemn(self, name: RoundName, view: RoundView, flaw: bytes) -> Wake:
        """Nothing can be re-executed: shows an empty table, so as not to be silent, and signs the fault."""
        if view.phase not in (RoundPhase.SAMPLING, RoundPhase.OPENING):
            return IDLE
        drawn = self.clerk.beacon(view.beacon_block)
        if drawn is None or view.drawing < self.base(name[0]):
            return IDLE
        sheet = self.sheet(name, view)
        if sheet is None:
            sheet = Sheet(view.drawing, drawn[0], [], self.nonce(name, view), self.world.entropy.draw(32))
            self.sheets[name] = sheet
        if view.phase == RoundPhase.SAMPLING and not self.has(view.tables_committed, name):
            return self.commit_table(name, sheet)
        return self.reveal(name, view) | self.attest_fault(name, flaw)

    def serve(self, name: RoundName, view: RoundView) -> Wake:
        """What this phase asks of a validator."""
        match view.phase:
            case RoundPhase.TRAINING:
                return self.witness.vouch(name, view)
            case RoundPhase.SAMPLING:
                return self.sample(name, view) | self.reveal(name, view) | self.inquire(name, view)
            case RoundPhase.OPENING:
                asked = self.witness.pass_on(name) | self.inquire(name, view)
                return self.reveal(name, view) | asked | self.sign_result(name, view)
            case RoundPhase.AGGREGATING:
                return self.inquire(name, view) | self.sign_aggregate(name, view)
            case RoundPhase.CHALLENGING:
                silent = self.clerk.penalise_silent(name, view)
                return self.inquire(name, view) | self.compare_aggregate(name, view) | silent
        return IDLE

    def base(self, job: int) -> int:
        """The first drawing that this validator's chain of nonces serves: it owes no table of those before."""
        seat = self.seat(job)
        assert seat is not None
        return self.clerk.seat_at(job, seat).base

    def nonce(self, name: RoundName, view: RoundView) -> bytes:
        """The nonce of a round's present drawing."""
        return self.nonces.at(name[0], view.drawing + 1 - self.base(name[0]))

    def sample(self, name: RoundName, view: RoundView) -> Wake:
        """Draws the sample once the beacon is out, re-executes it, and commits the table blind."""
        drawn = self.clerk.beacon(view.beacon_block)
        if drawn is None:
            return wake_at(self.world.clock() + 1)
        if view.drawing < self.base(name[0]):
            return IDLE
        sheet = self.sheet(name, view) or self.draw(name, view, *drawn)
        if self.has(view.tables_committed, name):
            return IDLE
        for slot, segment in sheet.sample:
            if (slot, segment) not in sheet.entries:
                digest = self.judge.digest(name, view, slot, segment)
                if digest is not None:
                    sheet.entries[slot, segment] = Entry(slot, segment, digest)
        awaited = [pair for pair in sheet.sample if pair not in sheet.entries]
        if awaited:
            return self.judge.wait(name, view) | self.witness.miss(name, view, awaited)
        return self.commit_table(name, sheet)

    def has(self, seats: int, name: RoundName) -> bool:
        """Whether this party's seat is in a bitmap."""
        seat = self.seat(name[0])
        return seat is not None and bool(seats >> seat & 1)

    def inquire(self, name: RoundName, view: RoundView) -> Wake:
        """Looks for the start states that other validators miss."""
        sheet = self.sheet(name, view)
        return self.witness.inquire(name, view, sheet.sample if sheet else [])

    def commit_table(self, name: RoundName, sheet: Sheet) -> Wake:
        """Commits a table before anything of it is shown."""
        key = (*name, sheet.drawing, sheet.beacon.hex())
        if self.tables.get(*key) is None:
            self.tables.keep(sheet, *key)
        commit = self.world.ledger.rounds.commit_table(*name, sealed(sheet.table.root, sheet.nonce, sheet.salt))
        return self.clerk.attempt(commit)

    def sheet(self, name: RoundName, view: RoundView) -> Sheet | None:
        """The sheet of a round's present drawing; a drawing that found no quorum, or never happened, counts no more."""
        drawn = self.clerk.beacon(view.beacon_block)
        if drawn is None:
            return None
        sheet = self.sheets.get(name)
        if sheet is None or (sheet.drawing, sheet.beacon) != (view.drawing, drawn[0]):
            sheet = self.tables.get(*name, view.drawing, drawn[0].hex())
            if sheet is not None:
                self.sheets[name] = sheet
        return sheet

    def draw(self, name: RoundName, view: RoundView, beacon: bytes, misses: int) -> Sheet:
        """This validator's sample of a round: its share of the job's rate, doubled with each beacon that was missed."""
        job, order = name[0], self.clerk.order(name[0])
        nonce = self.nonce(name, view)
        present = bitmap_slots(view.present)
        seat = self.seat(job)
        assert seat is not None
        live = [at for at in range(order.validators) if self.world.ledger.jobs.seats_live(job) >> at & 1]
        total = sample_total(order.samples_per_validator * order.validators, order.providers, len(present))
        share = sample_share(total, live, seat, beacon)
        sample = sample_segments(beacon, nonce, name, present, self.clerk.segments(job), share << misses)
        sheet = Sheet(view.drawing, beacon, sample, nonce, self.world.entropy.draw(32))
        self.sheets[name] = sheet
        return sheet

    def reveal(self, name: RoundName, view: RoundView) -> Wake:
        """Opens the table on chain and its rows to everybody."""
        sheet = self.sheet(name, view)
        if sheet is None or not self.has(view.tables_committed, name):
            return IDLE
        if self.has(view.tables_revealed, name):
            return self.show(name, sheet)
        live = self.clerk.seats_live(name[0])
        if view.phase == RoundPhase.SAMPLING and view.tables_committed != live and self.world.clock() < view.deadline:
            return wake_at(view.deadline)
        reveal = self.world.ledger.rounds.reveal_table(*name, sheet.table.root, sheet.nonce, sheet.salt)
        wake = self.clerk.attempt(reveal)
        return wake | self.show(name, sheet) if wake.acted else wake

    def show(self, name: RoundName, sheet: Sheet) -> Wake:
        """Tells everybody the rows behind the root."""
        return self.voice.say(name, "table", {"rows": row_content(sheet.table.entries)})

    def sign_result(self, name: RoundName, view: RoundView) -> Wake:
        """Signs the accepted set once every slot is judged and no disagreement is left."""
        sheet = self.sheet(name, view)
        # What was signed before somebody was disproved is signed anew: a quorum needs the same words.
        heard = [self.judge.rows(name, validator) is not None for validator in self.witness.revealed(name, view)]
        basis = (self.clerk.open_slots(name[0]), self.validators(name[0]), view.tables_revealed, heard)
        if sheet is None or not self.has(view.tables_revealed, name) or sheet.basis == basis:
            return IDLE
        patience = self.judge.wait(name, view)
        drawn, seat = self.clerk.beacon(view.beacon_block), self.seat(name[0])
        if drawn is None or seat is None or not self.all_shown(name, view):
            return patience | self.witness.want(name, view)
        finding = self.judge.round(name, view)
        rank = (seat - int.from_bytes(drawn[0], "big")) % len(self.validators(name[0]))
        wake = self.challenges.raise_all(name, view, finding.disagreements, rank)
        if finding.unopened and self.judge.overdue(name, view):
            wake |= self.call_in(name, finding.unopened)
        # One disproof of a party in a round is enough: what else it said there is not argued about again.
        unsettled = any(not self.challenges.known(name, view, unit_of(each)) for each in finding.disagreements)
        if wake.acted or unsettled or view.disputes_open or not finding.complete:
            return wake | patience
        sheet.basis = basis
        return self.find_fault(name, finding.fault) if finding.fault else self.attest(name, view, finding)

    def attest(self, name: RoundName, view: RoundView, finding: Finding) -> Wake:
        """Signs the accepted set: all that holds together enters the aggregate."""
        slot_count, validator_count = self.clerk.order(name[0]).providers, len(self.validators(name[0]))
        accepted = bitmap(finding.accepted, slot_count)
        root = result_root(name, finding.tables, finding.secrets, validator_count, slot_count)
        result = Result(tuple(accepted), tuple(accepted), finding.served, root)
        return cast(self, name, "Result", result.values(name, view.drawing), result.to_json())

    def find_fault(self, name: RoundName, digest: bytes) -> Wake:
        """Attests a fault, unless something false is found in the aggregates that led to it: a liar may have poisoned
        the state where no sample looked."""
        wake = IDLE
        for other, view in self.clerk.rounds(name[0]):
            if other[2] <= name[2] and view.phase in (RoundPhase.AGGREGATING, RoundPhase.CHALLENGING):
                wake |= self.challenges.raise_all(other, view, self.auditor.look(other, view), self.seat(name[0]) or 0)
        if wake.acted or any(view.disputes_open for _, view in self.clerk.rounds(name[0])):
            if name in self.sheets:
                self.sheets[name].basis = None  # what comes of it is judged anew
            return wake | wake_at(self.world.clock() + 1)
        return wake | self.attest_fault(name, digest)

    def attest_fault(self, name: RoundName, digest: bytes) -> Wake:
        """Signs that the job itself is at fault."""
        return cast(self, name, "Fault", fault_values(name, digest), {"digest": digest.hex()})

    def call_in(self, name: RoundName, slots: list[int]) -> Wake:
        """Demands secrets on chain that were not opened to the peers, and takes the lock of whoever stays silent."""
        rounds, wake = self.world.ledger.rounds, IDLE
        # Of a slot that entered directly and told nobody there is nothing to show: it does not count.
        for slot in [slot for slot in slots if slot in self.book.round(name).commitments]:
            due_s = self.clerk.notices.due_s(name, slot)
            if due_s is None:
                wake |= self.clerk.attempt(rounds.demand_secret(*self.standing(name, slot)))
            elif self.world.clock() >= due_s:
                wake |= self.clerk.attempt(rounds.default_secret(*name, slot))
            else:
                wake |= wake_at(due_s)
        return wake

    def all_shown(self, name: RoundName, view: RoundView) -> bool:
        """Whether all committed tables are revealed and heard, or no longer waited for."""
        heard = all(self.judge.rows(name, validator) is not None for validator in self.witness.revealed(name, view))
        return (view.tables_revealed == view.tables_committed and heard) or self.judge.overdue(name, view)

    def sign_aggregate(self, name: RoundName, view: RoundView) -> Wake:
        """Signs the aggregate that it has computed itself."""
        if self.sheet(name, view) is None:
            return IDLE
        end = self.judge.evidence.aggregate(name, view)
        if end is None:
            return IDLE
        if end.fault is not None:
            return self.find_fault(name, end.fault)
        # Whoever has not heard the aggregator learns here where the new state is.
        told = self.voice.say(name, "aggregate", {"root": end.root.hex(), "cid": end.cid})
        values = aggregate_values(name, end.root, end.score)
        return told | cast(self, name, "Aggregate", values, {"root": end.root.hex()})

    def compare_aggregate(self, name: RoundName, view: RoundView) -> Wake:
        """Challenges an aggregate that is not what the programs make of the included updates, or scores otherwise."""
        end = self.judge.evidence.aggregate(name, view)
        if end is None or (end.fault is None and (end.root, end.score) == (view.end_root, view.score)):
            return IDLE
        aggregator = self.world.ledger.rounds.aggregator_of(*name)
        disagreement = Disagreement(Target.AGGREGATE, 0, 0, aggregator, end.root)
        return self.challenges.raise_all(name, view, [disagreement], self.seat(name[0]) or 0)
