"""The tables that stand on chain, as far as their rows have been heard, and whether they are the samples drawn."""

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap_slots
from assay.protocol.schedule import sample_segments, sample_share, sample_total
from assay.protocol.table import Entry
from assay.roles.party import Party
from assay.roles.round import RoundName


class Tables:
    """All validators' tables, as one party sees them."""

    def __init__(self, party: Party) -> None:
        self._party, self._clerk = party, party.clerk

    def rows(self, name: RoundName, validator: str) -> tuple[Entry, ...] | None:
        """The rows behind a table that was revealed on chain, whoever told them; nothing if nobody did."""
        root = self._clerk.table_root(name, validator)
        return self._party.book.round(name).rooted.get((validator, root)) if any(root) else None

    def rows_max(self, name: RoundName, view: RoundView) -> int:
        """Rows of one table that are looked at: a full sample, doubled with each beacon that was missed."""
        _, misses = self._clerk.beacon_read(view.beacon_block)
        return int(self._clerk.order(name[0]).samples_per_validator) << min(misses, 8)

    def derived(self, name: RoundName, validator: str, slot: int, segment: int) -> bool:
        """Whether a validator may have derived where a row begins, since it has said in time that nobody served it."""
        missed = (validator, slot, segment) in self._party.book.round(name).missing
        return missed or validator == self._party.world.address

    def is_sample(self, name: RoundName, view: RoundView, validator: str, rows: tuple[Entry, ...]) -> bool:
        """Whether a table holds the sample that the beacon and the revealed nonce draw, at its least size or larger.

        Where a seat was vacant when the beacon drew, or is now, its exact share depends on who looked when: there the
        least of any counts.
        """
        beacon, misses = self._clerk.beacon_read(view.beacon_block)
        nonce = self._clerk.notices.nonce(name, validator, self._clerk.table_root(name, validator))
        if nonce is None:
            return False
        order, present = self._clerk.order(name[0]), bitmap_slots(view.present)
        total = sample_total(order.samples_per_validator * order.validators, order.providers, len(present))
        seats = self._party.validators(name[0])
        least = total // len(seats)
        held = [self._clerk.seat_at(name[0], seat).enlisted_block for seat in range(len(seats))]
        if validator in seats and all(0 < block <= view.beacon_block for block in held):
            least = sample_share(total, range(len(seats)), seats.index(validator), beacon)
        least <<= misses
        segments = self._clerk.segments(name[0])
        drawn = sample_segments(beacon, nonce, name, present, segments, max(least, min(len(rows), total << misses)))
        pairs = [(entry.slot, entry.segment) for entry in rows]
        return pairs == drawn[: len(pairs)] and len(pairs) >= len(drawn[:least])
