"""A validator's own work in one drawing of a round: the sample, what it came to, and what seals it until it is seen."""

from dataclasses import dataclass, field
from typing import Any

from assay.protocol.table import Entry, Table
from assay.roles.content import read_rows, row_content


@dataclass
class Sheet:
    """Rows of a sample, by (slot, segment). `beacon` drew it, in the drawing of that number."""

    drawing: int
    beacon: bytes
    sample: list[tuple[int, int]]
    nonce: bytes
    salt: bytes
    entries: dict[tuple[int, int], Entry] = field(default_factory=dict)
    starts: dict[tuple[int, int], str] = field(default_factory=dict)
    """Where the states lie that rows began from, if they were served: nobody else may have them, and who is challenged
    for such a row needs its state."""
    basis: object = None
    """What the result that this validator has signed was judged by."""

    @property
    def complete(self) -> bool:
        """Whether every row is there."""
        return all(pair in self.entries for pair in self.sample)

    @property
    def table(self) -> Table:
        """The rows in the order of the sample."""
        return Table(tuple(self.entries[pair] for pair in self.sample))

    def to_json(self) -> dict[str, object]:
        """A complete sheet as plain values."""
        rows = row_content(self.table.entries)
        parts = {"beacon": self.beacon.hex(), "nonce": self.nonce.hex(), "salt": self.salt.hex()}
        starts = [[*pair, cid] for pair, cid in sorted(self.starts.items())]
        return {"drawing": self.drawing, "rows": rows, "starts": starts, **parts}

    @classmethod
    def from_json(cls, value: Any) -> "Sheet":
        """Back from plain values."""
        rows = read_rows(value["rows"])
        beacon, nonce, salt = (bytes.fromhex(value[part]) for part in ("beacon", "nonce", "salt"))
        pairs = [(row.slot, row.segment) for row in rows]
        # Whoever sealed it before this was kept has none.
        starts = {(int(slot), int(segment)): str(cid) for slot, segment, cid in value.get("starts", ())}
        return cls(int(value["drawing"]), beacon, pairs, nonce, salt, dict(zip(pairs, rows, strict=True)), starts)
