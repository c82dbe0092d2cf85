"""A consumer's dealings with a network, over one `World`: post, see through, cancel; and reading what others have done.

Whoever holds no key to a job can read all of it; only posting and cancelling need the consumer's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from assay.api.draft import Draft
from assay.api.money import POOLS
from assay.api.token import COIN_TOKEN, Token, balance_of, find_token, show_token
from assay.chain.calendar import Calendar
from assay.chain.contracts.containers import JobView, Order
from assay.chain.contracts.models import Models
from assay.protocol.errors import AssayError, BadInput, BadKey, Insufficient, Refused, Reverted, Unavailable
from assay.protocol.phase import JobPhase
from assay.protocol.units import format_amount
from assay.roles.consumer import Consumer
from assay.roles.party import Party
from assay.roles.wake import IDLE, Wake
from assay.roles.world import World

PassTime = Callable[[Wake], None]
"""Lets time pass until something may have changed: sleeps, or gives everybody else in this process a turn."""
ORDER_KEYS = {
    "windows": ("windows", "the network admits windows from {window_floor} to {window_ceiling} seconds"),
    "rounds": ("train.rounds", "the network admits at most {rounds_max} rounds"),
    "providers": ("match.providers", "the network admits at most {providers_max} providers"),
    "validators": ("match.validators", "the network admits at most {validators_max} validators"),
    "lookahead": ("verify.lookahead", "the network admits a lookahead of at most {lookahead_max}"),
}
"""Fields that a contract refuses an order for, as the job file calls them."""


@dataclass(frozen=True)
class JobLine:
    """A job in a list."""

    job: int
    consumer: str
    phase: JobPhase
    ended: bool


class Reader(Party):
    """A party that only reads: it keeps everything that was ever said, also of rounds that are final."""

    behaviour = "reader"

    def hear(self) -> None:
        """Looks at the chain anew and enters what was said."""
        self.clerk.refresh()
        self.book.note(self.world.peers.poll())


class Client:
    """One account on one network.

    `open_world` gives the account's world, each time with an ear of its own that hears everything from the beginning.
    `pass_time` is how this process waits; `prepare` is told of an order before it is posted. One that does not act
    has no key of its own and only looks; on one that is not live, time is simulated.
    """

    def __init__(
        self,
        open_world: Callable[[], World],
        token: Token,
        pass_time: PassTime,
        prepare: Callable[[Order], None] = lambda _: None,
        *,
        acts: bool = True,
        is_live: bool = True,
    ) -> None:
        self.open_world, self.token, self.pass_time, self.prepare = open_world, token, pass_time, prepare
        self.acts, self.is_live = acts, is_live
        self.world = open_world()
        self.consumer = Consumer(self.world)
        self.reader = Reader(open_world())
        self._tokens: dict[int, Token] = {}

    # orders

    def check(self, draft: Draft) -> None:
        """Whether the contracts would take the order, found out before anything is sent. Errors: `BadInput`."""
        try:
            self.world.ledger.jobs.post(draft.order).ask(self.world.address)
        except Reverted as error:
            if error.fields.get("contract_error") == "BadOrder":
                raise self._bad_order(error, draft) from error
            # Anything else, such as an escrow that is not there yet, is settled by posting.

    def _bad_order(self, error: Reverted, draft: Draft) -> BadInput:
        word = str(error.fields.get("arguments", {}).get("field", "0x")).removeprefix("0x")
        name = bytes.fromhex(word).rstrip(b"\0").decode("ascii", "replace")
        key, words = ORDER_KEYS.get(name, (name, "compare it with the network's limits"))
        limits = vars(self.world.ledger.params.limits())
        allowed = words.format(**limits)
        value = draft.job.value_of(key)
        return BadKey(f"the contracts refuse the order's {name}", hint=allowed, key=key, value=value, allowed=allowed)

    @property
    def wallet(self) -> int:
        """Units of the network's token that this account can spend, in the wallet and in the vault."""
        return self.wallet_in(self.token)

    def wallet_in(self, token: Token) -> int:
        """The same of any token."""
        ledger, address = self.world.ledger, self.world.address
        return ledger.vault.free(token.address, address) + balance_of(ledger, token.address, address)

    def find_token(self, named: str) -> Token:
        """The token that a job file names, asked about on this chain. Errors: `BadKey`."""
        return find_token(self.world.ledger.web3, named, self.token)

    def payment_of(self, job: int) -> Token:
        """What a job that stands is paid in."""
        if job not in self._tokens:
            address = self.world.ledger.jobs.order_of(job).token
            self._tokens[job] = show_token(self.world.ledger.web3, address, self.token)
        return self._tokens[job]

    def gas_price_wei(self) -> int:
        """What a unit of gas costs now."""
        return int(str(self.world.ledger.rpc.request("eth_gasPrice")), 16)

    def _check_acts(self) -> None:
        if not self.acts:
            raise BadInput("this connection only looks", hint="connect with password= or password_file=")

    def twin(self, draft: Draft) -> int | None:
        """A job of this account with the same document that has not ended."""
        for line in self.jobs():
            same = line.consumer == self.world.address and not line.ended
            if same and self.world.ledger.jobs.order_of(line.job).document == draft.order.document:
                return line.job
        return None

    def post(self, draft: Draft, *, again: bool = False) -> int:
        """Publishes and posts a job; the number under which it stands on chain.

        Nothing is published or paid before the order, the balance and a post that came before have been looked at.
        Errors: `BadInput`, `Refused`, `Reverted`, `Unavailable`.
        """
        self._check_acts()
        self.check(draft)
        twin = None if again else self.twin(draft)
        if twin is not None:
            raise Refused(
                f"this job stands already: it is job {twin}, and has not ended",
                hint=f"watch it with: assay watch {twin} (or post another one with --again)",
                job=twin,
            )
        self.check_funds(draft)
        self.prepare(draft.order)
        self.check_pools(draft)
        draft.publish(self.world.blobs)
        return self.consumer.post(draft.order)

    def check_funds(self, draft: Draft) -> None:
        """Whether this account can pay for a draft, and for the gas where both are the same coin. Errors:
        `Insufficient`."""
        token = draft.token
        gas_wei = draft.gas * self.gas_price_wei() if token.is_native else 0
        cost, wallet = draft.quote.cost, self.wallet_in(token)
        if wallet < cost + gas_wei:
            more = f", and {token.words(gas_wei)} of gas" if gas_wei else ""
            tap = "on a local network: assay faucet" if token in (self.token, COIN_TOKEN) else f"it is {token.address}"
            raise Insufficient(
                f"the account {self.world.address} holds {token.words(wallet)} and the job may cost"
                f" {token.words(cost)}{more}",
                hint=f"fund it ({tap}), or lower job.budget",
                key="job.budget",
                needed=format_amount(cost + gas_wei, token.decimals),
                held=format_amount(wallet, token.decimals),
            )

    def missing(self, draft: Draft) -> str:
        """Who is not there yet to check a job, for people: whoever is drawn has staked the token that it pays in."""
        stakes, order, address = self.world.ledger.stakes, draft.order, draft.token.address
        wanted = {"validator": order.validators, "aggregator": 1}
        words = []
        for role, count in wanted.items():
            there = min(count, stakes.pool_size(address, POOLS[role]))
            if there < count:
                words.append(f"{count - there} more {role}{'s' * (count - there != 1)} ({there}/{count})")
        return " and ".join(words)

    def check_pools(self, draft: Draft) -> None:
        """Whether a job in another token than the network's own could be matched: parties stake that one unasked.
        Errors: `Refused`."""
        token = draft.token
        missing = "" if token == self.token else self.missing(draft)
        if missing:
            named = f" --token {'native' if token.is_native else token.address}"
            raise Refused(
                f"a job that pays in {token.symbol} waits for {missing}: who checks it has staked {token.symbol}",
                hint=f"let them join first: assay stake AMOUNT{named} --role validator; or pay in another job.token",
                key="job.token",
            )

    def cancel(self, job: int) -> JobPhase:
        """Calls a job off: before the match everything comes back, after it no further round opens. Errors: `Refused`,
        `BadInput` where there is no such job."""
        view = self.view(job)
        self._check_acts()
        if view.consumer != self.world.address:
            raise Refused(f"job {job} belongs to {view.consumer}", hint="only who posted a job cancels it")
        if view.ended or view.ending:
            raise Refused(f"job {job} is over or ending already", hint=f"see it with: assay watch {job}")
        if view.phase in (JobPhase.DRAWING, JobPhase.ENLISTING):
            raise Refused(
                f"job {job} is being matched, and nobody can leave until it runs",
                hint="try again in a minute: whoever could leave now could choose its validators",
            )
        self.world.ledger.jobs.cancel(job).send()
        return self.world.ledger.jobs.view_of(job).phase

    # jobs

    def view(self, job: int) -> JobView:
        """Where a job stands. Errors: `BadInput` where there is none of this number."""
        count = self.world.ledger.jobs.job_count()
        if not 1 <= job <= count:
            have = f"jobs are numbered 1 to {count}" if count else "none was posted yet"
            raise BadInput(f"there is no job {job}", hint=have, job=job)
        return self.world.ledger.jobs.view_of(job)

    def jobs(self) -> Iterator[JobLine]:
        """All jobs, the newest first."""
        jobs = self.world.ledger.jobs
        for job in range(jobs.job_count(), 0, -1):
            view = jobs.view_of(job)
            yield JobLine(job, view.consumer, view.phase, view.ended)

    def calendar(self) -> Calendar:
        """Protocol time, by all freezes that there were until now."""
        self.world.calendar.learn(self.consumer.clerk.notices.freezes)
        return self.world.calendar

    def push(self, job: int) -> Wake:
        """Takes the next step of a job's life if it is due and nobody has: anybody may, whoever watches does."""
        if not self.acts:
            return IDLE
        self.consumer.clerk.refresh()
        try:
            return self.consumer.see_through(job)
        except Unavailable:
            raise
        except AssayError:
            # Without coin for gas one can still watch others take the step.
            return IDLE

    def over(self, job: int) -> bool:
        """Whether nothing of a job is left to be done."""
        view = self.world.ledger.jobs.view_of(job)
        return view.ended and (not self.world.ledger.rounds.complete(job) or bool(self.token_of(job)))

    def token_of(self, job: int) -> int:
        """The registered model of a job; zero while there is none."""
        return self.world.ledger.open(Models).token_of(job)
