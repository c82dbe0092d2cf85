"""A validator: re-executes a blind sample of every round, judges what slots open, and challenges what is false.

enlist -> vouch -> sample -> re-execute -> commit the table -> reveal -> judge -> sign (or challenge)
"""

from assay.chain.contracts.containers import RoundView
from assay.protocol.phase import JobPhase, RoundPhase
from assay.roles.carrier import carry_late
from assay.roles.challenge import Challenges
from assay.roles.content import row_content
from assay.roles.duels import Duels
from assay.roles.equivocation import expose
from assay.roles.flaws import Flaws
from assay.roles.judge import Judge
from assay.roles.notices import ROUNDS_END
from assay.roles.pace import check_measuring, check_sampling
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.seals import sealed
from assay.roles.settle import settle
from assay.roles.sheet import Sheet
from assay.roles.sheets import Sheets
from assay.roles.signatory import Signatory
from assay.roles.silence import penalise_silent
from assay.roles.tower import Tower
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.witness import Witness
from assay.roles.world import World


class Validator(Party):
    """Checks other people's work for a fee.

    With `watch` it also re-executes whole transcripts once they are open, of every job and with or without a seat,
    compares all rows with them, and challenges what it finds false before the round is final.
    """

    judging: type[Judge] = Judge

    def __init__(self, world: World, *, watch: bool = False) -> None:
        super().__init__(world)
        self.watch = watch
        self.sheets = Sheets(self)
        self.judge = self.judging(self)
        self.judge.own_rows, self.judge.own_start = self.sheets.rows, self.sheets.start
        self.flaws = Flaws(self, self.judge.patience)
        self.witness = Witness(self, self.judge)
        self.challenges = Challenges(self, self.judge)
        self.duels = Duels(self, self.judge, self.challenges.shown)
        self.tower = Tower(self, self.judge)
        self.signatory = Signatory(self, self.sheets, self.judge, self.witness, self.challenges, self.tower)

    def tick(self) -> Wake:
        """One turn."""
        self.listen()
        return self.each_job(self.turn)

    def turn(self, job: int) -> Wake:
        """What this phase of a job asks for."""
        match self.clerk.view(job).phase:
            case JobPhase.BIDDING:
                return self.consider(job, check_sampling, check_measuring)
            case JobPhase.DRAWING:
                wake = self.consider(job, check_sampling, check_measuring)
                return wake | self.overdue.take(job) if self.candidacy.stays(job) else wake
            case JobPhase.ENLISTING if self.seat(job) is not None:
                return self.enlist(job) | self.overdue.take(job)
            case JobPhase.RUNNING:
                return self.enlist(job) | self.work(job)
            case JobPhase.DONE | JobPhase.CANCELLED | JobPhase.FAULTED:
                # After a fault too what is disputed is played to its end.
                wake = self.dispute(job)
                return wake if wake.acted else wake | settle(self.world, self.clerk, job)
        return IDLE

    def enlist(self, job: int) -> Wake:
        """Commits the tip of a chain of nonces for a job that drew this validator."""
        seat = self.seat(job)
        if seat is None or self.clerk.seats_live(job) >> seat & 1:
            return IDLE
        return self.clerk.attempt(self.world.ledger.jobs.enlist(job, self.sheets.nonces.tip(job)))

    def work(self, job: int) -> Wake:
        """Serves every open round, and every open dispute."""
        # Who has lost its seat answers for its table all the same.
        wake = self.dispute(job)
        if self.seat(job) is None and not self.watch:
            return wake
        wake |= expose(self.clerk, self.book, job)
        wake |= self.overdue.take(job) if self.seat(job) is not None else IDLE
        for name, view in self.clerk.rounds(job):
            if self.seat(job) is not None:
                wake |= self.signatory.default(name, view) | carry_late(self, name, view)
                flaw = self.flaws.of(name, view)
                wake |= self.condemn(name, view, flaw) if flaw else self.make_out(name, view) | self.serve(name, view)
            if view.phase in (RoundPhase.OPENING, RoundPhase.AGGREGATING, RoundPhase.CHALLENGING):
                # A fault stands without anybody's signature: all look at it, whatever became of its slot.
                wake |= self.challenges.raise_all(name, view, self.tower.doubt(name, view), self.seat(job) or 0)
            if self.watch and view.phase == RoundPhase.CHALLENGING:
                with self.world.compute.charged("watch"):
                    found = [*self.tower.look(name, view), *self.judge.false_rows(name, view)]
                wake |= self.challenges.raise_all(name, view, found, 0)
                wake |= self.signatory.compare_aggregate(name, view)
        return wake

    def dispute(self, job: int) -> Wake:
        """Sees its own challenges through, and stands by its rows."""
        return self.duels.tick(job) | self.challenges.pursue(job)

    def serve(self, name: RoundName, view: RoundView) -> Wake:
        """What this phase asks of a validator."""
        match view.phase:
            case RoundPhase.TRAINING:
                return self.witness.vouch(name, view)
            case RoundPhase.SAMPLING:
                return self.sample(name, view) | self.reveal(name, view) | self.inquire(name, view)
            case RoundPhase.OPENING:
                asked = self.witness.pass_on(name) | self.inquire(name, view)
                return self.reveal(name, view) | asked | self.signatory.sign_result(name, view)
            case RoundPhase.AGGREGATING:
                return self.inquire(name, view) | self.signatory.sign_aggregate(name, view)
            case RoundPhase.CHALLENGING:
                silent = penalise_silent(self.clerk, name, view)
                return self.inquire(name, view) | self.signatory.compare_aggregate(name, view) | silent
        return IDLE

    # the table

    def sample(self, name: RoundName, view: RoundView) -> Wake:
        """Draws the sample once the beacon is out, re-executes it, and commits the table blind."""
        drawn = self.clerk.beacon(view.beacon_block)
        if drawn is None:
            return wake_at(self.world.clock() + 1)
        if view.drawing < self.sheets.base(name[0]):
            return IDLE
        sheet = self.sheets.of(name, view) or self.draw(name, view, *drawn)
        if self.has(view.tables_committed, name[0]):
            return IDLE
        awaited = self.sheets.fill(sheet, self.judge, name, view)
        if awaited:
            return self.judge.patience.wait(name, view) | self.witness.miss(name, view, awaited)
        return self.commit_table(name, sheet)

    def draw(self, name: RoundName, view: RoundView, beacon: bytes, misses: int) -> Sheet:
        """Takes a new sheet with the sample that the beacon draws."""
        return self.sheets.draw(name, view, beacon, misses)

    def inquire(self, name: RoundName, view: RoundView) -> Wake:
        """Looks for the start states that other validators miss."""
        sheet = self.sheets.of(name, view)
        return self.witness.inquire(name, view, sheet.sample if sheet else [])

    def commit_table(self, name: RoundName, sheet: Sheet) -> Wake:
        """Commits a table before anything of it is shown."""
        self.sheets.seal(name, sheet)
        commit = self.world.ledger.rounds.commit_table(*name, sealed(sheet.table.root, sheet.nonce, sheet.salt))
        return self.clerk.attempt(commit)

    def reveal(self, name: RoundName, view: RoundView) -> Wake:
        """Opens the table on chain and its rows to everybody."""
        sheet = self.sheets.of(name, view)
        if sheet is None or not self.has(view.tables_committed, name[0]):
            return IDLE
        if self.has(view.tables_revealed, name[0]):
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

    def condemn(self, name: RoundName, view: RoundView, flaw: bytes) -> Wake:
        """Nothing can be re-executed: shows an empty table, so as not to be silent, and signs the fault."""
        if view.phase not in (RoundPhase.SAMPLING, RoundPhase.OPENING):
            return IDLE
        drawn = self.clerk.beacon(view.beacon_block)
        if drawn is None or view.drawing < self.sheets.base(name[0]):
            return IDLE
        sheet = self.sheets.of(name, view) or self.sheets.leave_empty(name, view, drawn[0])
        if view.phase == RoundPhase.SAMPLING and not self.has(view.tables_committed, name[0]):
            return self.commit_table(name, sheet)
        return self.reveal(name, view) | self.signatory.attest_fault(name, flaw)

    # memory

    def doubt(self, job: int) -> None:
        """The same; what was unsound may be another order's now."""
        super().doubt(job)
        self.flaws.forget(job)

    def keeps(self, job: int) -> bool:
        """The same; who watches watches every job, and who lost its seat stands by its rows."""
        return self.watch or super().keeps(job) or any(name[0] == job for name in self.sheets.held)

    def held_from(self, job: int) -> int:
        """The same; what an open dispute is about is needed until it is settled."""
        return min(super().held_from(job), *self.challenges.open_rounds(job), ROUNDS_END)

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        super().forget(job, below)
        for part in (self.judge, self.challenges, self.sheets, self.witness, self.tower):
            part.forget(job, below)
        self.duels.forget(job)
