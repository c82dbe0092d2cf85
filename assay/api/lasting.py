"""Roles that outlive their process: what they have sealed or promised is journaled before it is sent, and what they had
trained is trained again, since the work is a function.

    provider    its bids' prices and salts; finished pieces, from the secret that is journaled already
    validator   its committed tables with their salts; its ballots
"""

from typing import Any

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import Malformed
from assay.protocol.phase import RoundPhase
from assay.protocol.plain import read_plain, write_plain
from assay.protocol.table import Entry
from assay.roles.book import ROWS_MAX, RoundName, row_content
from assay.roles.challenge import Ballot
from assay.roles.provider import Provider
from assay.roles.validator import Sheet, Validator
from assay.roles.wake import Wake
from assay.roles.world import Journal, World

SHEET_LIMIT_BYTES = 128 * ROWS_MAX
WORKED = (RoundPhase.SAMPLING, RoundPhase.OPENING, RoundPhase.AGGREGATING, RoundPhase.CHALLENGING)


class KeptBids(dict[int, tuple[int, bytes]]):
    """Bids by job; each is journaled before it is sealed."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def __setitem__(self, job: int, bid: tuple[int, bytes]) -> None:
        price, salt = bid
        self._journal.put(f"bid/{job}", price.to_bytes(16, "big") + salt)
        super().__setitem__(job, bid)

    def recall(self, job: int) -> None:
        """Takes up a bid that a process before this one has made."""
        kept = self._journal.get(f"bid/{job}")
        if kept is not None and len(kept) == 48 and job not in self:
            super().__setitem__(job, (int.from_bytes(kept[:16], "big"), kept[16:]))


class LastingProvider(Provider):
    """A provider that may be killed at any moment."""

    def __init__(self, world: World, price: int, *, token: str | None = None) -> None:
        super().__init__(world, price, token=token)
        self.bids: KeptBids = KeptBids(world.journal)

    def bid(self, job: int) -> Wake:
        """As any provider does, with the bid that it has made before."""
        self.bids.recall(job)
        return super().bid(job)

    def work(self, job: int) -> Wake:
        """As any provider does, once the pieces that it has committed to are here again."""
        slots = self.clerk.slots(job, self.world.address)
        for name, view in self.clerk.rounds(job) if slots else ():
            if view.phase in WORKED and name not in self.pieces and slots[0] in bitmap_slots(view.present):
                self.restore(name, view, slots[0])
        return super().work(job)

    def restore(self, name: RoundName, view: RoundView, slot: int) -> None:
        """Trains a committed piece again; the secret being the same, so is the commitment."""
        start = self.state(name[0], view.start_root)
        if start is None or self.world.journal.get("/".join(map(str, ("secret", *name, slot)))) is None:
            return
        work = self.compute(name, slot, start, view.start_root)
        self.pieces[name] = self.commit(name, view.start_root, slot, work)


class KeptBallots(dict[int, Ballot]):
    """Votes by dispute; each is journaled before it is sealed."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def __setitem__(self, dispute: int, ballot: Ballot) -> None:
        self._journal.put(f"ballot/{dispute}", ballot.digest + ballot.salt)
        super().__setitem__(dispute, ballot)

    def get(self, dispute: int, default: Any = None) -> Any:
        """A vote of this process, or of one before it."""
        kept = self._journal.get(f"ballot/{dispute}") if dispute not in self else None
        if kept is not None and len(kept) == 64:
            super().__setitem__(dispute, Ballot(kept[:32], kept[32:]))
        return super().get(dispute, default)


class LastingValidator(Validator):
    """A validator that may be killed at any moment."""

    def __init__(self, world: World, *, watch: bool = False) -> None:
        super().__init__(world, watch=watch)
        self.challenges._ballots = KeptBallots(world.journal)

    def commit_table(self, name: RoundName, sheet: Sheet) -> Wake:
        """Commits a table that can be shown after a crash too."""
        rows = row_content(sheet.table.entries)
        content = {"nonce": sheet.nonce.hex(), "salt": sheet.salt.hex(), "rows": rows}
        self.world.journal.put(_sheet_key(name, sheet.drawing), write_plain(content))
        return super().commit_table(name, sheet)

    def sheet(self, name: RoundName, view: RoundView) -> Sheet | None:
        """The sheet of a round's present drawing, from the journal where this process has not made it."""
        found = super().sheet(name, view)
        if found is not None:
            return found
        kept = self.world.journal.get(_sheet_key(name, view.drawing))
        seat = self.seat(name[0])
        if kept is None or seat is None:
            return None
        sheet = _read_sheet(kept, view.drawing)
        sheet.committed = bool(view.tables_committed >> seat & 1)
        if not sheet.committed:
            return None  # it never got as far: a new one does as well
        sheet.revealed = bool(view.tables_revealed >> seat & 1)
        self.sheets[name] = sheet
        if sheet.revealed:
            self.show(name, sheet)
        return sheet


def _sheet_key(name: RoundName, drawing: int) -> str:
    return "/".join(map(str, ("sheet", *name, drawing)))


def _read_sheet(content: bytes, drawing: int) -> Sheet:
    kept = read_plain(content, SHEET_LIMIT_BYTES)
    try:
        rows = [Entry(slot, segment, bytes.fromhex(digest)) for slot, segment, digest in kept["rows"]]
        nonce, salt = bytes.fromhex(kept["nonce"]), bytes.fromhex(kept["salt"])
    except (KeyError, TypeError, ValueError):
        raise Malformed("the journal is damaged", hint="restore it from a copy") from None
    pairs = [(row.slot, row.segment) for row in rows]
    return Sheet(drawing, pairs, nonce, salt, dict(zip(pairs, rows, strict=True)))
