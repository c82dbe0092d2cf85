"""What a check of a bundle of evidence found."""

from dataclasses import dataclass, field
from typing import Any

from assay.protocol.errors import LimitExceeded

SHOWN_MAX = 5
NOTED_MAX = 100_000
"""Things that one check notes as wrong or missing. A few bytes of a log can say that a thousand are there."""
NEEDED = ("order", "commitments", "openings", "quorums")
"""Checks in which nothing may be missing."""


@dataclass
class Finding:
    """What one check found: how many things held, which did not, which could not be looked at."""

    name: str
    held: int = 0
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def check(self, holds: bool, words: str) -> None:
        """Counts one thing. Errors: `LimitExceeded` once too many are wrong."""
        if holds:
            self.held += 1
        else:
            self._note(self.wrong, words)

    def miss(self, words: str) -> None:
        """Notes one thing that is not there. Errors: `LimitExceeded`, as for `check`, once there are too many."""
        self._note(self.missing, words)

    def _note(self, noted: list[str], words: str) -> None:
        if len(noted) >= NOTED_MAX:
            raise LimitExceeded(
                "so much is wrong or missing that nothing more is looked at here", limit=NOTED_MAX, actual=NOTED_MAX + 1
            )
        noted.append(words)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong, and nothing that has to be there is missing."""
        return not self.wrong and not (self.missing and self.name in NEEDED)

    @property
    def words(self) -> str:
        """One line."""
        parts = [f"{self.held} held"]
        if self.wrong:
            parts.append(f"{len(self.wrong)} WRONG: " + "; ".join(self.wrong[:SHOWN_MAX]))
        if self.missing:
            parts.append(f"{len(self.missing)} not in the bundle: " + "; ".join(self.missing[:SHOWN_MAX]))
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"check": self.name, "held": self.held, "wrong": self.wrong, "missing": self.missing}
