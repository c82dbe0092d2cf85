"""One person's role in the foreground: it takes turns until it is stopped, and says in lines what it does."""

import signal
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from assay.api.home import Home, frozen_words, local_time
from assay.api.machine import MEBIBYTE, measure_space
from assay.api.money import Till
from assay.api.token import Token, describe_token, show_token
from assay.api.turns import Turns
from assay.chain.contracts.jobs import BidCommitted, BidForfeited, BidRevealed, Drawn, Ended, Matched
from assay.chain.contracts.rounds import Claimed, Disproved, Finalised, Late, Penalised, Voided
from assay.chain.cursor import Cursor
from assay.chain.rpc import Rpc
from assay.chain.signer import KeySigner
from assay.protocol.errors import AssayError, Refused
from assay.protocol.phase import JobPhase
from assay.roles.aggregator import Aggregator
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.wake import Wake
from assay.roles.world import World

Say = Callable[[dict[str, Any]], None]
KEPT_JOBS = 1_000
TROUBLES = frozenset({"WrongOpening", "Insufficient", "NotEnoughStake"})
"""Errors of the contracts that a person can do something about."""


class Narrator:
    """Tells what one party does, from its role and from what the contracts say of it: each thing once, as an event with
    an `event` in the past participle and a `text`."""

    def __init__(self, role: Any, till: Till, say: Say, default: Token | None = None) -> None:
        self.role, self.till, self.say = role, till, say
        self._default, self._tokens = default or till.kind, dict[int, Token]()
        self.address = till.address
        self._cursor: Cursor = till.ledger.open_cursor()
        self._cursor.drain()
        self._told: set[tuple[Any, ...]] = set()

    def tick(self) -> Wake:
        """A turn of the role, and what is to be said of it."""
        wake: Wake = self.role.tick()
        self._tell_role()
        self._tell_chain()
        return wake

    def tell(self, event: str, text: str, *key: Any, **fields: Any) -> None:
        """Says something, unless it was said."""
        if (event, *key) not in self._told:
            self._told.add((event, *key))
            self.say({"event": event, "text": text, **fields})

    def _tell_role(self) -> None:
        role = self.role
        for refusal in role.clerk.refusals:
            self._tell_refusal(refusal)
        if isinstance(role, Provider):
            self._tell_provider(role)
        if isinstance(role, Validator):
            self._tell_validator(role)
        for job, trouble in role.troubles.items():
            self.tell("Troubled", f"job {job}: {trouble}", job, trouble, job=job)

    def _tell_provider(self, role: Provider) -> None:
        for job, reason in role.bidding.declined.items():
            self.tell("Declined", f"job {job}: left to others, {reason}", job, job=job, reason=reason)
        for (job, generation, index), piece in role.pieces.items():
            text = f"job {job}: trained round {index} in slot {piece.slot} and committed to it"
            self.tell("Trained", text, job, generation, index, job=job, round=index, slot=piece.slot)

    def _tell_validator(self, role: Validator) -> None:
        for (job, generation, index), sheet in role.sheets.held.items():
            if sheet.complete:
                text = f"job {job}: re-executed {len(sheet.entries)} segments of round {index}"
                self.tell("Checked", text, job, generation, index, sheet.drawing, job=job, round=index)

    def _tell_refusal(self, refusal: AssayError) -> None:
        """A contract said no. What somebody else was faster at, or what came too early, is nobody's trouble."""
        name = refusal.fields.get("contract_error")
        if name in TROUBLES:
            self.tell("Refused", f"the contracts refused: {refusal.message}", refusal.message, contract_error=name)

    def _tell_chain(self) -> None:
        ledger = self.till.ledger
        for log in self._cursor.drain().added:
            emitted = ledger.decode(log)
            if emitted is not None:
                self._tell_event(emitted.event, (log.transaction_hash, log.log_index))

    def words(self, job: int, units: int) -> str:
        """An amount of a job, in what it pays in."""
        if job not in self._tokens:
            ledger = self.till.ledger
            self._tokens[job] = show_token(ledger.web3, ledger.jobs.order_of(job).token, self._default)
        return self._tokens[job].words(units)

    def _tell_event(self, event: Any, key: Any) -> None:
        me = self.address

        def words(units: int) -> str:
            return self.words(event.job, units)

        match event:
            case BidCommitted() if event.bidder == me:
                text = f"job {event.job}: bid, with a bond of {words(event.bond)}"
                self.tell("Bid", text, key, job=event.job, bond=event.bond)
            case BidRevealed() if event.bidder == me:
                text = f"job {event.job}: opened the bid of {words(event.price)} for a slot's round"
                self.tell("BidOpened", text, key, job=event.job, price=event.price)
            case BidForfeited() if event.bidder == me:
                text = f"job {event.job}: lost the bond of {words(event.bond)}, for the bid was not opened in time"
                self.tell("BidForfeited", text, key, job=event.job, bond=event.bond)
            case Matched() if me in event.providers:
                slot = event.providers.index(me)
                self.tell(
                    "Matched", f"job {event.job}: got slot {slot} at {words(event.price)} a round", key, job=event.job
                )
            case Drawn() if me in event.validators:
                self.tell("Drawn", f"job {event.job}: drawn as validator", key, job=event.job)
            case Drawn() if me == event.aggregator:
                self.tell("Drawn", f"job {event.job}: drawn as aggregator", key, job=event.job)
            case Claimed() if event.account == me:
                text = f"job {event.job}: earned {words(event.amount)}"
                self.tell("Claimed", text, key, job=event.job, amount=event.amount)
            case Disproved() if event.provider == me:
                text = f"job {event.job}: disproved in round {event.round}, lost {words(event.slashed)}"
                self.tell("Slashed", text, key, job=event.job, amount=event.slashed)
            case Penalised() if event.account == me:
                why = event.reason.rstrip(b"\0").decode("ascii", "replace")
                text = f"job {event.job}: lost {words(event.amount)} in round {event.round} ({why})"
                self.tell("Penalised", text, key, job=event.job, amount=event.amount)
            case Late() if event.provider == me:
                text = f"job {event.job}: late in round {event.round}, lost {words(event.burned)} of the bond"
                self.tell("Late", text, key, job=event.job, amount=event.burned)
            case Finalised() | Voided() if self._is_mine(event.job):
                kind = "Finalised" if isinstance(event, Finalised) else "Voided"
                self.tell(kind, f"job {event.job}: round {event.round} is {'final' if kind[0] == 'F' else 'void'}", key)
            case Ended() if self._is_mine(event.job):
                self.tell("Ended", f"job {event.job} has ended", key, job=event.job)

    def _is_mine(self, job: int) -> bool:
        return any(told[0] in ("Matched", "Drawn", "Trained", "Checked") for told in self._told) and (
            self.address in self.role.clerk.parties(job)
        )


def make_role(
    world: World, role: str, price: int = 0, *, token: str | None = None, window_min_s: int = 1, watch: bool = False
) -> Any:
    """The honest role of this name; `token` is what `price` is in, `window_min_s` the shortest window it acts in."""
    if role == "provider":
        return Provider(world, price, token=token, window_min_s=window_min_s)
    return Validator(world, watch=watch) if role == "validator" else Aggregator(world)


def ready_for(till: Till, role: str) -> str:
    """What is missing before this role can be played; nothing where nothing is."""
    held = till.look()
    if not held.coin_wei:
        return "the account has no coin for gas: assay faucet"
    if not held.staked:
        return f"nothing is at stake: assay stake AMOUNT --role {role}"
    if role != "provider" and not till.weight(role):
        return f"the account is not in the pool of {role}s: assay stake 0 --role {role}"
    return ""


def work(
    home: Home,
    signer: KeySigner,
    role: str,
    say: Say,
    *,
    price: int = 0,
    token: Token | None = None,
    window_min_s: int = 1,
    watch: bool = False,
    memory_mb: int = 0,
    stop: threading.Event | None = None,
    done: Callable[[Narrator], bool] = lambda _: False,
) -> None:
    """Plays a role until it is stopped. Its jobs take `memory_mb` of memory,
    0 for half of what there is. Errors: `Refused` where this key plays it already, and what opening raises."""
    hold = home.hold(signer.address, role)
    if not hold.take(f"{role}"):
        raise Refused(
            f"{signer.address} works as {role} in another process", hint="stop that one, or use another --account"
        )
    try:
        world = home.world(signer, space=measure_space(memory_mb * MEBIBYTE))
        till = Till(world.ledger, token or home.token)
        rpc, board = Rpc(home.web3), home.board

        def pulse() -> Hashable:
            return rpc.get_head(), board.last

        def note(_: str, trouble: AssayError) -> None:
            say({"event": "Waited", "text": f"waiting: {trouble.message}", "error": trouble.code})

        def make() -> Narrator:
            made = make_role(world, role, price, token=till.token, window_min_s=window_min_s, watch=watch)
            return Narrator(made, till, say, describe_token(home.web3, home.token))

        turns = Turns({role: make}, pulse, world.clock, stop or threading.Event(), note=note)
        with _interruptible(turns.stop):
            turns.run(lambda: role in turns.roles and done(turns.roles[role]))
    finally:
        hold.release()


def waits(world: World, role: str) -> str:
    """What a party without a part in any job waits for."""
    clerk = make_clerk(world)
    world.calendar.learn(clerk.notices.freezes)
    now_s, frozen_s = world.clock(), world.calendar.left_s()
    if frozen_s:
        return frozen_words(now_s, frozen_s)
    for job in reversed(clerk.numbers()[-KEPT_JOBS:]):
        view = clerk.view(job)
        if view.phase == JobPhase.BIDDING:
            closes_s = view.posted_at + clerk.order(job).windows.bid
            if closes_s > now_s:
                return f"job {job} takes bids until {local_time(closes_s, now_s)}"
    return "waiting for a job" if role == "provider" else "waiting to be drawn for a job"


def make_clerk(world: World) -> Any:
    """A clerk that asks each time."""
    from assay.roles.clerk import Clerk

    return Clerk(world)


@contextmanager
def _interruptible(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and a termination end the present turn first; a second one does not wait."""

    def leave(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    numbers, before = (signal.SIGINT, signal.SIGTERM), {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(ValueError):
                signal.signal(number, handler)
