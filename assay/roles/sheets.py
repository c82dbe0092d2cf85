"""A validator's own samples: drawn by the beacon and its next nonce, filled in blind, sealed until they are shown."""

from collections.abc import Sequence

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap_slots
from assay.protocol.schedule import sample_segments, sample_share, sample_total
from assay.protocol.table import Entry
from assay.roles.judge import Judge
from assay.roles.memory import Memory
from assay.roles.nonces import Nonces
from assay.roles.party import Party
from assay.roles.round import RoundName, drop
from assay.roles.sheet import Sheet


class Sheets:
    """The sheets of one validator; what was sealed survives a restart."""

    def __init__(self, party: Party) -> None:
        self._party, self._clerk, self._world = party, party.clerk, party.world
        self.nonces = Nonces(party.world)
        self.held: dict[RoundName, Sheet] = {}
        self._sealed = Memory(party.world.journal, "table", Sheet.to_json, Sheet.from_json)

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self.held, job, below)

    def base(self, job: int) -> int:
        """The first drawing that this validator's chain of nonces serves: it owes no table of those before."""
        seat = self._party.seat(job)
        assert seat is not None
        return self._clerk.seat_at(job, seat).base

    def of(self, name: RoundName, view: RoundView) -> Sheet | None:
        """The sheet of a round's present drawing; a drawing that found no quorum, or never happened, counts no more."""
        drawn = self._clerk.beacon(view.beacon_block)
        if drawn is None:
            return None
        sheet = self.held.get(name)
        if sheet is None or (sheet.drawing, sheet.beacon) != (view.drawing, drawn[0]):
            sheet = self._sealed.get(*name, view.drawing, drawn[0].hex())
            if sheet is not None:
                self.held[name] = sheet
        return sheet

    def draw(self, name: RoundName, view: RoundView, beacon: bytes, misses: int) -> Sheet:
        """This validator's sample of a round: its share of the job's rate, doubled with each beacon that was missed."""
        job, order = name[0], self._clerk.order(name[0])
        nonce = self._nonce(name, view)
        present = bitmap_slots(view.present)
        seat = self._party.seat(job)
        assert seat is not None
        live = [at for at in range(order.validators) if self._world.ledger.jobs.seats_live(job) >> at & 1]
        total = sample_total(order.samples_per_validator * order.validators, order.providers, len(present))
        share = sample_share(total, live, seat, beacon)
        sample = sample_segments(beacon, nonce, name, present, self._clerk.segments(job), share << misses)
        return self._hold(name, Sheet(view.drawing, beacon, sample, nonce, self._world.entropy.draw(32)))

    def leave_empty(self, name: RoundName, view: RoundView, beacon: bytes) -> Sheet:
        """A sheet of a round in which nothing can be re-executed."""
        nonce = self._nonce(name, view)
        return self._hold(name, Sheet(view.drawing, beacon, [], nonce, self._world.entropy.draw(32)))

    def fill(self, sheet: Sheet, judge: Judge, name: RoundName, view: RoundView) -> list[tuple[int, int]]:
        """Enters what the segments of a sample come to; returns those that are awaited still."""
        for slot, segment in sheet.sample:
            if (slot, segment) not in sheet.entries:
                row = judge.row(name, view, slot, segment)
                if row is not None:
                    sheet.entries[slot, segment] = row
                    served = judge.starts.address(name, slot, segment)
                    if served is not None:
                        sheet.starts[slot, segment] = served
        return [pair for pair in sheet.sample if pair not in sheet.entries]

    def rows(self, name: RoundName) -> Sequence[Entry]:
        """This validator's table of a round's present drawing, as far as it has one."""
        sheet = self.of(name, self._clerk.round(name))
        return sheet.table.entries if sheet is not None and sheet.complete else ()

    def start(self, name: RoundName, slot: int, segment: int) -> str | None:
        """Where the state lies that this validator's row of a segment began from, if it was served."""
        sheet = self.of(name, self._clerk.round(name))
        return None if sheet is None else sheet.starts.get((slot, segment))

    def seal(self, name: RoundName, sheet: Sheet) -> None:
        """Keeps a sheet whose table is about to be committed."""
        key = (*name, sheet.drawing, sheet.beacon.hex())
        if self._sealed.get(*key) is None:
            self._sealed.keep(sheet, *key)

    def _nonce(self, name: RoundName, view: RoundView) -> bytes:
        """The nonce of a round's present drawing."""
        return self.nonces.at(name[0], view.drawing + 1 - self.base(name[0]))

    def _hold(self, name: RoundName, sheet: Sheet) -> Sheet:
        self.held[name] = sheet
        return sheet
