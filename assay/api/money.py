"""A person's money on a network: what there is, test money, stakes and pools, what was earned."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from assay.api.token import COIN_TOKEN, NATIVE, Token, balance_of, deposit, describe_token, show_token
from assay.chain.bond import is_held
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.chain.ledger import Ledger
from assay.chain.rpc import Rpc
from assay.protocol.errors import BadInput, Insufficient, Refused, Reverted
from assay.protocol.units import format_amount

POOLS = {"validator": 0, "aggregator": 1}
"""`IStakes.Role`."""
WEIGHT_MAX = 2**96 - 1


@dataclass(frozen=True)
class Holdings:
    """One account's money, in the token's smallest unit, and its coin for gas in wei."""

    coin_wei: int
    wallet: int
    free: int
    staked: int
    locked: int
    unbonding: int
    ready_s: int

    @property
    def idle(self) -> int:
        """At stake, not locked, and not on its way out."""
        return max(0, self.staked - self.locked - self.unbonding)


class Till:
    """What one account does with one token, or with the chain's coin. `symbol` and `decimals` are the token's."""

    def __init__(self, ledger: Ledger, token: str | Token, address: str | None = None) -> None:
        kind = token if isinstance(token, Token) else describe_token(ledger.web3, token)
        self.ledger, self.token, self.kind = ledger, kind.address, kind
        self.address = address or ledger.address
        self.symbol, self.decimals = kind.symbol, kind.decimals

    @property
    def coin(self) -> TestStablecoin:
        """The token's contract; one that anybody may mint from only where it is the test stablecoin."""
        return TestStablecoin(self.ledger.web3, self.token, self.ledger.sender)

    def words(self, units: int) -> str:
        """An amount for people."""
        return f"{format_amount(units, self.decimals)} {self.symbol}"

    def look(self) -> Holdings:
        """What there is now."""
        stakes, address = self.ledger.stakes, self.address
        leaving = stakes.unbonding(self.token, address)
        return Holdings(
            Rpc(self.ledger.web3).get_balance(address),
            balance_of(self.ledger, self.token, address),
            self.ledger.vault.free(self.token, address),
            stakes.staked(self.token, address),
            stakes.locked(self.token, address),
            leaving.amount,
            leaving.ready,
        )

    def mint(self, amount: int, told: Callable[[int, int], None] = lambda _, __: None) -> None:
        """Test tokens out of nothing, as many at a time as the token gives. `told` hears after each time how much has
        been given, and of how much."""
        cap, given = self.coin.mint_max(), 0
        while given < amount:
            part = min(cap, amount - given)
            self.coin.mint(self.address, part).send()
            given += part
            told(given, amount)

    # stakes

    def stake(self, amount: int) -> None:
        """Puts money at stake, out of the vault first and then out of the wallet. Errors: `Insufficient`."""
        held = self.look()
        if held.wallet + held.free < amount:
            raise Insufficient(
                f"the account holds {self.words(held.wallet + held.free)}, {self.words(amount)} are to be staked",
                hint="stake less, or get more: assay faucet (on a network of your own)",
                needed=format_amount(amount, self.decimals),
                held=format_amount(held.wallet + held.free, self.decimals),
            )
        deposit(self.ledger, self.token, amount - held.free)
        self.ledger.stakes.stake(self.token, amount).send()

    def weight(self, role: str) -> int:
        """What this account weighs in a pool; 0 outside of it."""
        return self.ledger.stakes.member_of(self.token, POOLS[role], self.address).weight

    def enrol(self, role: str, window_min_s: int) -> int:
        """Joins a pool with all that is at stake, or joins anew with what is now; the weight. Errors: `BadInput`."""
        held, minimum = self.look(), self.ledger.params.pool_minimum(self.token)
        weight = min(held.staked - held.unbonding, WEIGHT_MAX)
        if weight < max(minimum, 1):
            raise BadInput(
                f"{self.words(weight)} at stake are too little for the pool of {role}s",
                hint=f"stake at least {self.words(minimum)}: assay stake AMOUNT --role {role}",
            )
        self.retire(role)
        self.ledger.stakes.enrol(self.token, POOLS[role], weight, weight, window_min_s).send()
        return weight

    def retire(self, role: str) -> bool:
        """Leaves a pool; whether this account was in it."""
        if not self._is_member(role):
            return False
        self.ledger.stakes.retire(self.token, POOLS[role]).send()
        return True

    def _is_member(self, role: str) -> bool:
        return self.ledger.stakes.member_of(self.token, POOLS[role], self.address).account == self.address

    def unstake(self, amount: int | None) -> tuple[int, int]:
        """Begins to take stake back, all that is idle where no amount is given, and leaves the pools that wanted it.

        (amount, when it is ready in protocol time). Errors: `BadInput`, `Refused` while all of it is locked.
        """
        held = self.look()
        wanted = held.idle if amount is None else amount
        if wanted > held.idle or not wanted:
            words = f"{self.words(held.idle)} of {self.words(held.staked)} at stake are idle"
            if held.locked:
                raise Refused(f"{words}: jobs have locked the rest", hint="wait until they have ended")
            raise BadInput(words, hint="unstake at most that" if held.idle else "nothing is left to unstake")
        left = held.staked - held.unbonding - wanted
        for role in POOLS:
            if self.weight(role) > left:
                self.retire(role)
        self.ledger.stakes.unstake(self.token, wanted).send()
        leaving = self.ledger.stakes.unbonding(self.token, self.address)
        return wanted, leaving.ready

    def release(self, now_s: int) -> int:
        """Takes back to the wallet what has finished unbonding, in protocol time; how much that is: nothing while the
        network is frozen."""
        held = self.look()
        if not held.unbonding or now_s < held.ready_s or self.ledger.clock.frozen_until():
            return 0
        before = self.ledger.vault.free(self.token, self.address)
        self.ledger.stakes.release(self.token).send()
        freed = self.ledger.vault.free(self.token, self.address) - before
        if freed:
            self.ledger.vault.withdraw(self.token, freed).send()
        return freed

    # earnings

    def earned(self) -> dict[int, int]:
        """What waits to be claimed in this token, by job: of jobs that have ended, and not claimed yet."""
        rounds, jobs, found = self.ledger.rounds, self.ledger.jobs, {}
        for job in range(1, jobs.job_count() + 1):
            # `earned` counts what was claimed too, so the contract is asked what a claim would give now.
            if rounds.earned(job, self.address) and jobs.order_of(job).token == self.token:
                with _unless_over():
                    found[job] = rounds.claim(job, self.address).ask(self.address)
        return found

    def claim(self, note: Callable[[int, int], None] = lambda *_: None) -> tuple[int, int]:
        """Claims everything that was earned, takes back what jobs that are over still hold of this account, and
        withdraws what is free: (claimed, withdrawn)."""
        claimed = 0
        for job, units in self.earned().items():
            with _unless_over():
                self.ledger.rounds.claim(job, self.address).send()
                note(job, units)
                claimed += units
        for job in self._holding():
            self.ledger.jobs.settle_bid(job, self.address).send()
        free = self.ledger.vault.free(self.token, self.address)
        if free:
            self.ledger.vault.withdraw(self.token, free).send()
        return claimed, free

    def _holding(self) -> list[int]:
        """Jobs that have ended and still hold a bond or a lock."""
        jobs = self.ledger.jobs
        numbers = [job for job in range(1, jobs.job_count() + 1) if jobs.order_of(job).token == self.token]
        return [
            job for job in numbers if jobs.view_of(job).ended and is_held(self.ledger, self.token, job, self.address)
        ]


def tokens_of(ledger: Ledger, default: Token) -> Iterator[Token]:
    """Every token that money may lie in: the network's own first, then the coin and those that jobs were paid in."""
    jobs, seen = ledger.jobs, {default.address, NATIVE}
    yield default
    yield COIN_TOKEN
    for job in range(1, jobs.job_count() + 1):
        address = jobs.order_of(job).token
        if address not in seen:
            seen.add(address)
            yield show_token(ledger.web3, address, default)


@contextmanager
def _unless_over() -> Iterator[None]:
    """Whoever was faster, perhaps this account in another process, has claimed; and pay vests only at a job's end."""
    try:
        yield
    except Reverted as refusal:
        if refusal.fields.get("contract_error") not in ("AlreadyDone", "TooEarly"):
            raise
