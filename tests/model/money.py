"""Who gets what: escrow, credit, bonds and locks of one job, as `Payroll.sol`, `Stakes.sol` and `Bids.sol` move them.

Everything is one purse of named amounts, and one function moves between them, so its sum never changes. A round's pay
goes from escrow to credit once and is anybody's own only when the job has ended; until then a verdict takes it back.
"""

from dataclasses import dataclass, field
from typing import Any

Slots = frozenset[int]
Key = str | tuple[str, str | int]
"""escrow, credit, burned, deposit, free; ("bond", slot); ("lock", party)"""


class No(Exception):
    """The contracts revert."""


def must(condition: object) -> None:
    """The contracts' `if (!condition) revert`."""
    if not condition:
        raise No


@dataclass(frozen=True)
class Size:
    """A job. Windows in seconds, the beacon's delay in blocks, amounts in the token's smallest unit."""

    rounds: int = 2
    slots: int = 2
    reports_min: int = 1
    seats: int = 3
    quorum: int = 2
    lookahead: int = 1
    redos: int = 2
    generations: int = 64
    delay: int = 2
    train_s: int = 4
    table_s: int = 4
    open_s: int = 4
    aggregate_s: int = 4
    challenge_s: int = 4
    price: int = 11
    fee: int = 5
    lead_fee: int = 3
    deposit: int = 7
    lock_costs: int = 2
    """What everybody locks, in costs of a round."""

    @property
    def cost(self) -> int:
        """The most that a round costs."""
        return self.slots * self.price + self.seats * self.fee + self.lead_fee

    @property
    def stake(self) -> int:
        """What everybody locks."""
        return self.lock_costs * self.cost


def slot_of(slot: int) -> str:
    """Who holds a slot."""
    return f"slot {slot}"


def seat_of(seat: int) -> str:
    """Who holds a seat, or was the one to hold it."""
    return f"seat {seat}"


@dataclass
class Money:
    """The purse of a job, and who has forfeited its part."""

    size: Size
    slash_all = 1 << 256
    purse: dict[Key, int] = field(default_factory=dict)
    forfeited: frozenset[str] = frozenset()
    claimed: frozenset[str] = frozenset()
    rounds: dict[tuple[int, int], Any] = field(default_factory=dict)
    ended: bool = False

    def fund(self, parties: list[str], slots: list[int]) -> None:
        """What is in it when the job starts."""
        size = self.size
        self.purse = {"escrow": (size.rounds + size.redos) * size.cost, "deposit": size.deposit}
        self.purse |= {"credit": 0, "burned": 0, "free": 0}
        self.purse |= {("bond", slot): 2 * size.price for slot in slots}
        self.purse |= {("lock", party): size.stake if party in parties else 0 for party in self.parties()}

    def parties(self) -> list[str]:
        """All accounts that could earn."""
        slots, seats = range(self.size.slots), range(self.size.seats)
        return [*map(slot_of, slots), *map(seat_of, seats), "drawn", "standby"]

    def move(self, source: Key, target: Key, amount: int) -> None:
        """The only way that money goes."""
        assert 0 <= amount <= self.purse[source], f"{source} has not {amount}"
        self.purse[source] -= amount
        self.purse[target] = self.purse.get(target, 0) + amount

    def lock(self, party: str) -> None:
        """Another one puts its stake at risk."""
        self.purse["free"] -= self.size.stake
        self.purse["lock", party] = self.size.stake

    @property
    def disproved_slots(self) -> Slots:
        """Slots that have forfeited."""
        return frozenset(slot for slot in range(self.size.slots) if slot_of(slot) in self.forfeited)

    def shares(self, r: Any) -> dict[str, int]:
        """What a paid round is worth to whom.

        In full: what entered the aggregate, or what was present when the job was at fault. By half: what was accepted
        and did not enter, or was present and never judged.
        """
        full = {"included": r.included, "present": r.present}.get(r.paid, frozenset())
        half = {"included": r.accepted - r.included, "half": r.present}.get(r.paid, frozenset())
        worth = {slot_of(slot): self.size.price for slot in full}
        worth |= {slot_of(slot): self.size.price // 2 for slot in half}
        worth |= {seat_of(seat): self.size.fee for seat in r.served if r.paid}
        if r.lead_paid:
            worth[r.aggregator] = self.size.lead_fee
        return {party: amount for party, amount in worth.items() if party not in self.forfeited}

    def pay(self, r: Any, kind: str, *, lead: bool) -> None:
        """Once for each round, and never more than was reserved for it."""
        must(not r.paid)
        r.paid, r.lead_paid = kind, bool(lead and r.vouched and r.aggregator)
        amount = sum(self.shares(r).values())
        assert amount <= self.size.cost, "a round costs more than its reserve"
        self.move("escrow", "credit", amount)

    def earned(self, party: str) -> int:
        """What closed rounds were worth to a party."""
        return sum(self.shares(r).get(party, 0) for r in self.rounds.values())

    def forfeit(self, party: str) -> None:
        """Takes back what a party has earned, and all that it would."""
        self.move("credit", "escrow", self.earned(party))
        self.forfeited |= {party}

    def slash(self, before: dict[str, int], party: str, cap: int, *, challenged: bool = False) -> None:
        """Up to `cap` for a round: a third each to the challenger, the escrow and nobody; of silence, all to nobody."""
        taken = min(self.purse["lock", party], max(0, cap - before.get(party, 0)))
        before[party] = before.get(party, 0) + taken
        third = taken // 3 if challenged else 0
        for target, part in (("free", third), ("escrow", third), ("burned", taken - 2 * third)):
            self.move(("lock", party), target, part)

    def take_bond(self, slot: int, signers: int) -> int:
        """One price of a slot's bond, in equal parts to those who signed, the rest burned. What is left of the bond."""
        taken = min(self.purse["bond", slot], self.size.price)
        shared = taken // signers * signers if signers else 0
        self.move(("bond", slot), "free", shared)
        self.move(("bond", slot), "burned", taken - shared)
        return self.purse["bond", slot]

    def release_all(self) -> None:
        """The job has ended: what is left goes back to whose it was."""
        for key in self.purse:
            if key in ("escrow", "deposit") or key[0] in ("bond", "lock"):
                self.move(key, "free", self.purse[key])

    def claim(self, party: str) -> None:
        """An account takes what it has earned."""
        must(self.ended and party not in self.claimed)
        self.move("credit", "free", self.earned(party))
        self.claimed |= {party}
