"""The order on chain: a job's terms as the contracts read them, field by field those of `Types.sol:Order`."""

from dataclasses import dataclass, fields
from typing import Any

from assay.protocol.errors import BudgetTooSmall, Impossible
from assay.protocol.job import Job
from assay.protocol.score import NEVER, score_at
from assay.protocol.units import format_amount, parse_amount
from assay.protocol.words import domain

ZERO = bytes(32)
BID_BOND_PRICES = 2
"""A bid's bond in price ceilings."""
SHARES_BPS = {"providers": 8_000, "validators": 1_500, "aggregator": 500}
"""How a round's part of the budget is divided where the job names no prices."""
FAULT_DEPOSIT_BPS = 200
"""Of the budget, where the job names no fault deposit."""


@dataclass(frozen=True)
class OrderWindows:
    """How long each phase may last, seconds; `Types.sol:Windows`."""

    bid: int
    reveal: int
    enlist: int
    train: int
    table: int
    open: int
    aggregate: int
    challenge: int


@dataclass(frozen=True)
class Order:
    """What a consumer orders; amounts in the token's smallest unit."""

    token: str
    programs: bytes
    profile: bytes
    data_root: bytes
    test_root: bytes
    state_root: bytes
    document: bytes
    canary_root: bytes
    seed: bytes
    rounds: int
    steps_per_round: int
    steps_per_segment: int
    providers: int
    reports_min: int
    validators: int
    quorum: int
    samples_per_validator: int
    lookahead: int
    redo_rounds: int
    price_ceiling: int
    validator_fee: int
    aggregator_fee: int
    provider_stake: int
    validator_stake: int
    aggregator_stake: int
    fault_deposit: int
    stop_score: int
    scores_loss: bool
    windows: OrderWindows

    def to_abi(self) -> dict[str, Any]:
        """The struct as a contract call takes it, by Solidity's names."""
        rows = {_camel(field.name): getattr(self, field.name) for field in fields(self)}
        return {**rows, "windows": {field.name: getattr(self.windows, field.name) for field in fields(self.windows)}}

    @classmethod
    def from_abi(cls, struct: Any) -> "Order":
        """The order that a contract call returned: a sequence in the struct's order."""
        rows: dict[str, Any] = dict(zip((field.name for field in fields(cls)), struct, strict=True))
        return cls(**{**rows, "windows": OrderWindows(*rows["windows"])})

    @property
    def segment_count(self) -> int:
        """Segments of a slot in a round, N."""
        return self.steps_per_round // self.steps_per_segment

    @property
    def round_cost(self) -> int:
        """Most that one round costs."""
        return self.providers * self.price_ceiling + self.validators * self.validator_fee + self.aggregator_fee

    @property
    def cost(self) -> int:
        """What leaves the consumer's balance at posting: `IJobs.cost`."""
        return (self.rounds + self.redo_rounds) * self.round_cost + self.fault_deposit


@dataclass(frozen=True)
class Roots:
    """What an order names by hash, and of the samples behind it whether their targets are class numbers."""

    programs: bytes
    data_root: bytes
    test_root: bytes
    state_root: bytes
    canary_root: bytes = ZERO
    classes: bool = True


@dataclass(frozen=True)
class Prices:
    """A job's amounts in the token's smallest unit, derived where the job leaves them out."""

    price_ceiling: int
    validator_fee: int
    aggregator_fee: int
    provider_stake: int
    validator_stake: int
    aggregator_stake: int
    fault_deposit: int


def prices_of(job: Job, decimals: int) -> Prices:
    """The amounts of a job. Errors: `BudgetTooSmall` when they exceed it or round to nothing."""

    def units(text: str) -> int | None:
        return parse_amount(text, decimals) if text else None

    def given(text: str, derived: int) -> int:
        amount = units(text)
        return derived if amount is None else amount

    budget = parse_amount(job.terms.budget, decimals)
    deposit = given(job.verify.fault_deposit, budget * FAULT_DEPOSIT_BPS // 10_000)
    paid_rounds = job.train.rounds + job.verify.redo_rounds
    per_round = max(0, budget - deposit) // paid_rounds
    counts = {"providers": job.match.providers, "validators": job.match.validators, "aggregator": 1}
    named = {
        "providers": units(job.match.price_ceiling),
        "validators": units(job.verify.fee),
        "aggregator": units(job.aggregate.fee),
    }
    taken = sum(counts[party] * amount for party, amount in named.items() if amount is not None)
    open_shares = sum(SHARES_BPS[party] for party, amount in named.items() if amount is None)
    left = max(0, per_round - taken)
    amounts = {
        party: left * SHARES_BPS[party] // open_shares // counts[party] if amount is None else amount
        for party, amount in named.items()
    }
    round_cost = sum(counts[party] * amount for party, amount in amounts.items())
    cost = paid_rounds * round_cost + deposit
    if cost > budget or min(amounts["providers"], amounts["validators"]) == 0:
        least = format_amount(max(cost, budget + 1), decimals)
        raise BudgetTooSmall(
            f"a budget of {job.terms.budget} does not pay {paid_rounds} rounds (redo reserve included)",
            hint=f"these prices cost {format_amount(cost, decimals)}; raise job.budget, or lower rounds or prices",
            key="job.budget",
            value=job.terms.budget,
            allowed=f"{least} or more, with these prices",
        )
    return Prices(
        price_ceiling=amounts["providers"],
        validator_fee=amounts["validators"],
        aggregator_fee=amounts["aggregator"],
        provider_stake=given(job.match.min_stake, round_cost),
        validator_stake=given(job.match.validator_stake, round_cost),
        aggregator_stake=given(job.match.aggregator_stake, round_cost),
        fault_deposit=deposit,
    )


def order_of(job: Job, roots: Roots, *, token: str, decimals: int) -> Order:
    """The order of a job. `token` is the address that the network pays in (the zero address for the native coin).

    Errors: `BudgetTooSmall` when the budget does not cover the prices, `Impossible` when a stake does not cover what a
    slash can take.
    """
    prices = prices_of(job, decimals)
    windows = job.windows
    order = Order(
        token=token,
        programs=roots.programs,
        profile=domain(job.train.profile),
        data_root=roots.data_root,
        test_root=roots.test_root,
        state_root=roots.state_root,
        document=job.document_hash,
        canary_root=roots.canary_root,
        seed=job.seed,
        rounds=job.train.rounds,
        steps_per_round=job.train.steps,
        steps_per_segment=job.train.segment_steps,
        providers=job.match.providers,
        reports_min=job.aggregate.reports_min,
        validators=job.match.validators,
        quorum=job.verify.quorum[0],
        samples_per_validator=job.verify.samples,
        lookahead=job.verify.lookahead,
        redo_rounds=job.verify.redo_rounds,
        price_ceiling=prices.price_ceiling,
        validator_fee=prices.validator_fee,
        aggregator_fee=prices.aggregator_fee,
        provider_stake=prices.provider_stake,
        validator_stake=prices.validator_stake,
        aggregator_stake=prices.aggregator_stake,
        fault_deposit=prices.fault_deposit,
        stop_score=stop_score(job),
        scores_loss=metric_of(job, roots.classes) == "loss",
        windows=OrderWindows(
            bid=windows.bid_s,
            reveal=windows.reveal_s,
            enlist=windows.enlist_s,
            train=windows.train_s,
            table=windows.table_s,
            open=windows.open_s,
            aggregate=windows.aggregate_s,
            challenge=job.verify.challenge_s,
        ),
    )
    stakes = {
        "min_stake": order.provider_stake,
        "validator_stake": order.validator_stake,
        "aggregator_stake": order.aggregator_stake,
    }
    for key, stake in stakes.items():
        if stake < order.round_cost:
            least = format_amount(order.round_cost, decimals)
            raise Impossible(
                f"match.{key} is below the {least} that a slash may take",
                hint="leave it out, or raise it to a round's cost",
                key=f"match.{key}",
                value=format_amount(stake, decimals),
                allowed=f"{least} or more",
            )
    return order


def stop_score(job: Job) -> int:
    """The score with which a job is over."""
    stop = job.train.stop
    return NEVER if stop is None else score_at(stop.metric, stop.at)


def metric_of(job: Job, classes: bool) -> str:
    """What the job is measured by: as it says where to stop, else accuracy where targets are class numbers."""
    stop = job.train.stop
    return stop.metric if stop is not None else "accuracy" if classes else "loss"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
