"""The disputes of a job as they stand on chain: what each is about, whose turn it is, what it has come to and cost.

Read from events alone, and from what the contracts say of a game's clocks. Nothing is sent.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from assay.api.account import Kind
from assay.api.contest import Bill, Contest, Money, words_of
from assay.api.costs import Costs
from assay.api.layout import Layout
from assay.api.moves import MOVES, Move, Side, Spent, priced
from assay.api.narrowing import Narrowing, narrow
from assay.chain.contracts.disputes import (
    ChallengeBegun,
    ChallengeOpened,
    ChallengeSealed,
    Disputes,
    FaultClaimed,
    FaultFound,
    LeavesCalled,
    Settled,
)
from assay.chain.contracts.games import Games
from assay.chain.contracts.vault import Moved
from assay.chain.events import Emitted, Event
from assay.chain.ledger import Ledger
from assay.protocol.phase import Ending, Settlement, Target
from assay.protocol.transcript import ZERO
from assay.roles.round import RoundName

OPENED = (ChallengeOpened, FaultClaimed)
KEPT = (*MOVES, *OPENED, ChallengeBegun, ChallengeSealed, FaultFound, LeavesCalled, Moved, Settled)
LayoutOf = Callable[[RoundName, Target, int], Layout | None]
"""How large it is what is disputed, by job, target and segment; nothing where its program is not here, or there is
none."""


class Docket:
    """All disputes of one job. `layout` is asked once for each."""

    def __init__(self, ledger: Ledger, job: int, layout: LayoutOf = lambda *_: None) -> None:
        self.ledger, self.job, self._layout = ledger, job, layout
        self._cursor = ledger.open_cursor()
        self._costs = Costs(ledger)
        self._emitted: list[Emitted[Event]] = []
        self._layouts: dict[tuple[int, bytes], Layout | None] = {}

    def read(self) -> bool:
        """Reads on; whether anything has changed that disputes are made of."""
        page = self._cursor.drain()
        gone = set(page.removed)
        kept = [each for each in self._emitted if each.log not in gone]
        added = [each for log in page.added if (each := self.ledger.decode(log)) and isinstance(each.event, KEPT)]
        changed = bool(added) or len(kept) < len(self._emitted)
        self._emitted = kept + added
        return changed

    def contests(self) -> list[Contest]:
        """The disputes, in the order in which they were opened."""
        return [
            self._contest(each, _opening(each.event))
            for each in self._emitted
            if isinstance(each.event, OPENED) and each.event.job == self.job
        ]

    def find(self, number: int) -> Contest | None:
        """A dispute by its number."""
        return next((each for each in self.contests() if each.number == number), None)

    def _of(self, kind: type[Event], **fields: Any) -> list[Emitted[Any]]:
        return [
            each
            for each in self._emitted
            if isinstance(each.event, kind)
            and all(getattr(each.event, name) == value for name, value in fields.items())
        ]

    def _contest(self, opened: Emitted[Event], event: ChallengeOpened) -> Contest:
        begun = self._of(ChallengeBegun, dispute=event.dispute)
        event = replace(event, game=begun[-1].event.game) if begun else event
        settled = self._of(Settled, dispute=event.dispute)
        outcome = Settlement(settled[-1].event.outcome) if settled else Settlement.OPEN
        played = [each for each in self._emitted if isinstance(each.event, MOVES)]
        own = [each for each in played if getattr(each.event, "game", None) == event.game] if event.game else []
        found = [*self._of(LeavesCalled, dispute=event.dispute), *self._of(FaultFound, dispute=event.dispute)]
        around = [*self._sealed(opened, event), opened, *begun, *found, *settled]
        spent = {each.log.transaction_hash: self._costs.of(each.log.transaction_hash) for each in [*around, *own]}
        layout = self._layout_of(opened, event)
        narrowing = narrow(event.game, played, layout, spent) if event.game else None
        moves = tuple(_told(around, narrowing, spent))
        phase, turn, deadline_s = self._phase(event, narrowing, bool(settled))
        return Contest(
            event.dispute,
            (event.job, event.generation, event.round),
            Target(event.target),
            event.slot,
            event.segment,
            event.accused,
            event.challenger,
            event.game or None,
            outcome.name.lower(),
            phase,
            turn,
            deadline_s,
            self._money(event, opened, settled),
            _bills(moves, spent, event),
            moves,
            narrowing,
            layout,
            begun[-1].event.batch if begun and event.target == Target.SCORE else None,
            isinstance(opened.event, FaultClaimed),
        )

    def _layout_of(self, opened: Emitted[Event], event: ChallengeOpened) -> Layout | None:
        key = (event.dispute, opened.log.block_hash)
        if key not in self._layouts:
            self._layouts[key] = self._layout(
                (event.job, event.generation, event.round), Target(event.target), event.segment
            )
        return self._layouts[key]

    def _sealed(self, opened: Emitted[Event], event: ChallengeOpened) -> list[Emitted[Event]]:
        """Where the challenge was sealed: its hash alone does not say which it was, its block does."""
        block = self.ledger.open(Disputes).view_of(event.dispute).sealed_block
        found = self._of(ChallengeSealed, challenger=event.challenger)
        return [each for each in found if each.log.block_number == block and each.log.place < opened.log.place][:1]

    def _phase(
        self, event: ChallengeOpened, narrowing: Narrowing | None, settled: bool
    ) -> tuple[str, Side | None, int | None]:
        if settled:
            return "settled", None, None
        view = self.ledger.open(Disputes).view_of(event.dispute)
        if view.fault_until:
            return "fault", None, view.fault_until
        if narrowing is None:
            return self._waiting(event)
        if narrowing.ending != Ending.OPEN:
            # Whoever has met a fault is asked for the leaves that it rests on.
            called = narrowing.ending == Ending.JOB_FAULT and view.show_until
            return ("waiting", Side.ACCUSED, view.show_until) if called else ("over", None, None)
        game = self.ledger.open(Games).view_of(event.game)
        return "game", Side.ACCUSED if game.demand else Side.CHALLENGER, game.deadline

    def _waiting(self, event: ChallengeOpened) -> tuple[str, Side, int]:
        """Before a game: whose turn it is, and until when."""
        disputes, name = self.ledger.open(Disputes), (event.job, event.generation, event.round)
        until_s = disputes.view_of(event.dispute).show_until
        score = event.target == Target.SCORE
        shown = disputes.marks_of(*name) != ZERO if score else ZERO not in disputes.updates_of(*name)
        if not shown:
            return "waiting", Side.ACCUSED, until_s
        return "waiting", Side.CHALLENGER, until_s + self.ledger.jobs.order_of(event.job).windows.open

    def _money(self, event: ChallengeOpened, opened: Emitted[Event], settled: list[Emitted[Any]]) -> Money:
        """By the vault's own moves, in the transactions that opened and settled the dispute."""
        within = (Kind.BOND, Kind.BOND)
        bond = sum(each.amount for each in self._moved(opened) if (each.from_kind, each.to_kind) == within)
        challenger, accused = (bytes.fromhex(each[2:]) for each in (event.challenger, event.accused))
        sums: dict[str, int] = {}

        def add(name: str, amount: int) -> None:
            sums[name] = sums.get(name, 0) + amount

        for each in self._moved(settled[-1]) if settled else ():
            if each.from_kind == Kind.STAKED:
                add("slashed", each.amount)
            if each.to_kind == Kind.BURNED:
                add("burned", each.amount)
            elif each.to_kind == Kind.FREE and each.to_key[12:] == challenger:
                add("reward" if each.from_kind == Kind.STAKED else "returned", each.amount)
            elif (each.from_kind, each.to_kind) == (Kind.BOND, Kind.FREE) and each.to_key[12:] == accused:
                add("paid_to_accused", each.amount)
        return Money(bond, **sums)

    def _moved(self, beside: Emitted[Event]) -> list[Moved]:
        return [each.event for each in self._of(Moved) if each.log.transaction_hash == beside.log.transaction_hash]


def _opening(event: ChallengeOpened | FaultClaimed) -> ChallengeOpened:
    """A fault that is claimed as a dispute without a game."""
    if isinstance(event, ChallengeOpened):
        return event
    about = (Target(event.target), event.generation, event.round, event.slot, event.segment)
    return ChallengeOpened(event.dispute, event.job, event.provider, *about, event.by, 0)


def _told(around: Iterable[Emitted[Event]], narrowing: Narrowing | None, spent: Mapping[bytes, Spent]) -> list[Move]:
    """What was done before, in and after a game, in order; each transaction's cost with the first of its moves."""
    before: list[Move] = []
    after: list[Move] = []
    for each in around:
        side, text = words_of(each.event)
        what, at = type(each.event).__name__.lower(), each.log.transaction_hash
        (before if side == Side.CHALLENGER else after).append(Move(side, what, text, each.log.block_number, at))
    return priced([*before, *(narrowing.moves if narrowing else ()), *after], spent)


def _bills(moves: Iterable[Move], spent: Mapping[bytes, Spent], event: ChallengeOpened) -> dict[Side, Bill]:
    """Who has paid for what, by who sent it; by whose move it was where that is not known."""
    bills = {side: Bill() for side in Side}
    sides = {event.challenger.lower(): Side.CHALLENGER, event.accused.lower(): Side.ACCUSED}
    seen: set[bytes] = set()
    for move in moves:
        if move.transaction not in seen:
            seen.add(move.transaction)
            cost = spent.get(move.transaction, Spent())
            side = sides.get(cost.sender.lower(), Side.ANYBODY) if cost.sender else move.side
            bills[side] = bills[side].add(cost)
    return bills
