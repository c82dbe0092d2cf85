"""What a message's content says: written as plain values, read as what it should be, since anybody may send anything.

All that reads raises `KeyError`, `TypeError` or `ValueError` for what is not so.
"""

from collections.abc import Sequence
from typing import Any

from assay.protocol.commitment import Commitment
from assay.protocol.table import Entry
from assay.protocol.transcript import SEGMENTS_MAX
from assay.roles.round import RoundName

ROWS_MAX = 65_536


def commitment_content(commitment: Commitment, signature: bytes) -> dict[str, object]:
    """A signed commitment as a message's content."""
    return {
        "slot": commitment.slot,
        "start": commitment.start_root.hex(),
        "transcript": commitment.transcript_root.hex(),
        "secret": commitment.secret_hash.hex(),
        "sealed": commitment.sealed_hash.hex(),
        "signature": signature.hex(),
    }


def read_commitment(name: RoundName, provider: str, beacon: bytes, content: dict[str, Any]) -> tuple[Commitment, bytes]:
    """The same back, as one of `provider` in this round, of this draw; the signature is yet to be checked."""
    roots = [read_word(content[part]) for part in ("start", "transcript", "secret", "sealed")]
    return Commitment(*name, content["slot"], provider, beacon, *roots), bytes.fromhex(content["signature"])


def row_content(rows: Sequence[Entry]) -> list[list[object]]:
    """A table's rows as a message's content."""
    return [
        [entry.slot, entry.segment, entry.start_root.hex(), entry.state_root.hex(), entry.loss_bits] for entry in rows
    ]


def read_rows(rows: list[Any]) -> tuple[Entry, ...]:
    """The same back."""
    if len(rows) > ROWS_MAX:
        raise ValueError("no table has that many rows")
    return tuple(
        Entry(read_index(slot), read_segment(segment), read_word(start), read_word(state), read_index(loss))
        for slot, segment, start, state, loss in rows
    )


def read_bits(value: object) -> int:
    """A word of a bitmap."""
    if type(value) is not int or not 0 <= value < 1 << 256:
        raise ValueError("not a row of a bitmap")
    return value


def read_index(value: object) -> int:
    """A number of something: 32 bits."""
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError("not an index")
    return value


def read_segment(value: object) -> int:
    """A segment's number."""
    if read_index(value) > SEGMENTS_MAX:
        raise ValueError("no round has that many segments")
    return read_index(value)


def read_word(value: object) -> bytes:
    """32 bytes in hex."""
    if not isinstance(value, str) or len(value) != 64:
        raise ValueError("not 32 bytes in hex")
    return bytes.fromhex(value)
