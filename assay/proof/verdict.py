"""Verdicts: what a check found. Cheating is a value, not an error."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Finding(StrEnum):
    """What kind of thing was found."""

    HONEST = "honest"
    DIFFERS = "differs"
    """The re-execution gave other bits than were claimed."""
    NOT_SERVED = "not-served"
    """What the check needs did not come: a matter for replay and demands on chain, not for a slash."""
    MALFORMED = "malformed"
    """Bytes that were served are not what their hash or the program says: garbage behind a valid commitment."""
    FAULT = "fault"
    """The job itself is at fault; nobody is slashed."""


class Part(StrEnum):
    """What was checked."""

    START = "start"
    OPENING = "opening"
    SEGMENT = "segment"
    EMIT = "emit"
    UPDATE = "update"
    AGGREGATE = "aggregate"


@dataclass(frozen=True)
class Place:
    """Where: a part of a round's work; slot and segment where they apply."""

    part: Part
    slot: int | None = None
    segment: int | None = None

    def __str__(self) -> str:
        rows = [str(self.part)]
        if self.slot is not None:
            rows.append(f"of slot {self.slot}")
        if self.segment is not None:
            rows.insert(1, str(self.segment))
        return " ".join(rows)


@dataclass(frozen=True)
class Verdict:
    """What a check found at one place. `expected` is what the checker computed, `found` what was claimed: 32 bytes."""

    finding: Finding
    place: Place
    expected: bytes = b""
    found: bytes = b""
    reason: str = ""

    @property
    def honest(self) -> bool:
        """Whether nothing was wrong."""
        return self.finding is Finding.HONEST

    @property
    def cheating(self) -> bool:
        """Whether whoever claimed this is to blame."""
        return self.finding in (Finding.DIFFERS, Finding.MALFORMED)

    @property
    def words(self) -> str:
        """One sentence for people."""
        match self.finding:
            case Finding.HONEST:
                return f"{self.place}: re-execution gave the same bits"
            case Finding.DIFFERS:
                tail = f" ({self.reason})" if self.reason else ""
                return f"{self.place}: claimed {_short(self.found)}, re-execution gave {_short(self.expected)}{tail}"
            case Finding.NOT_SERVED:
                return f"{self.place}: not served{_because(self.reason)}"
            case Finding.MALFORMED:
                return f"{self.place}: malformed{_because(self.reason)}"
            case Finding.FAULT:
                return f"{self.place}: the job itself is at fault{_because(self.reason)}"

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain values."""
        return {
            "finding": str(self.finding),
            "part": str(self.place.part),
            "slot": self.place.slot,
            "segment": self.place.segment,
            "expected": self.expected.hex(),
            "found": self.found.hex(),
            "reason": self.reason,
            "words": self.words,
        }


def honest(place: Place, digest: bytes = b"") -> Verdict:
    """Nothing wrong here."""
    return Verdict(Finding.HONEST, place, digest, digest)


def compared(place: Place, expected: bytes, found: bytes, reason: str = "") -> Verdict:
    """Honest if both are equal, else a difference."""
    if expected == found:
        return honest(place, expected)
    return Verdict(Finding.DIFFERS, place, expected, found, reason)


def malformed(place: Place, reason: str) -> Verdict:
    """Bytes that are not what they claim."""
    return Verdict(Finding.MALFORMED, place, reason=reason)


def _short(digest: bytes) -> str:
    return digest.hex()[:12] or "nothing"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
