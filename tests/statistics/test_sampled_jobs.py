"""10,000 sampled jobs are caught as often as `assay.market.detection` says.

The schedule draws, from hashes of an embedded chain's blocks and nonces out of validators' own chains; nothing is drawn
for the test but where the cheats are. Each comparison is exact (binomial, two-sided). There are fewer than 100 of them,
each is refused below 1e-8, so less than one in a million seeds would refuse a true formula; the seed is fixed all the
same.
"""

import random
from collections.abc import Callable
from functools import cache
from hashlib import sha256

import pytest

from assay.chain.deploy import DEMO_LIMITS, deploy, plan_system
from assay.chain.ground import SimulatedGround
from assay.chain.ledger import Ledger
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner
from assay.market.detection import job_detection, mixed_job_detection, round_detection
from assay.protocol.schedule import sample_segments, sample_share, sample_total
from assay.roles.nonces import Nonces
from assay.roles.world import MemoryJournal, SeededEntropy
from tests.statistics.binomial import p_value

pytestmark = pytest.mark.xdist_group("sampled")  # the jobs are drawn once

JOBS, ROUNDS = 10_000, 2
REFUSED_BELOW = 1e-8
SLOTS, PRESENT, SEGMENTS = 18, 15, 16
"""Three of the slots stay away."""
PAIRS = PRESENT * SEGMENTS
SEATS, SAMPLES = 3, 8
TOTAL = sample_total(SEATS * SAMPLES, SLOTS, PRESENT)
DRAWN = TOTAL
"""As many as one seat alone would have to re-execute: smaller samples are the beginnings of these."""
VISIBLE = 256
"""Blocks whose hash a contract sees."""

Pair = tuple[int, int]
Sampled = tuple[bytes, tuple[tuple[Pair, ...], ...]]
"""A round: its beacon, and what each seat draws, in order."""


class _World:
    """As much of a world as a chain of nonces needs."""

    def __init__(self, name: str) -> None:
        self.journal = MemoryJournal()
        self.entropy = SeededEntropy(sha256(name.encode()).digest())


@cache
def beacons() -> list[bytes]:
    """Hashes of as many blocks as there are rounds."""
    ground = SimulatedGround()
    while len(ground.chain.blocks) <= JOBS * ROUNDS:
        ground.chain.mine()
    return [block.hash for block in ground.chain.blocks[1:]]


@cache
def sampled() -> list[list[Sampled]]:
    """What would be drawn in each round of each job."""
    chains = [Nonces(_World(f"seat {seat}")) for seat in range(SEATS)]  # type: ignore[arg-type]
    present = [slot for slot in range(SLOTS) if slot not in (3, 4, 11)]
    hashes, jobs = iter(beacons()), []
    per_chain = 4_000
    for job in range(JOBS):
        rounds = []
        for at in range(ROUNDS):
            beacon, draws = next(hashes), []
            for chain in chains:
                number, place = divmod(job, per_chain)
                chain.tip(number)
                nonce = chain.at(number, place * ROUNDS + at + 1)
                draws.append(tuple(sample_segments(beacon, nonce, (job, 0, at), present, SEGMENTS, DRAWN)))
            rounds.append((beacon, tuple(draws)))
        jobs.append(rounds)
    return jobs


def pairs_of() -> list[Pair]:
    """Whatever could be cheated in."""
    return [(slot, segment) for slot in range(SLOTS) if slot not in (3, 4, 11) for segment in range(SEGMENTS)]


def agrees(hits: int, count: int, rate: float) -> bool:
    """Whether so many hits may well be chance."""
    return p_value(count, hits, rate) >= REFUSED_BELOW


Seats = tuple[int, ...]


def shares(beacon: bytes, live: Seats, misses: int) -> dict[int, int]:
    """How much each live seat re-executes."""
    return {seat: sample_share(TOTAL, live, seat, beacon) << misses for seat in live}


def caught(sampled_round: Sampled, cheated: set[Pair], live: Seats, misses: int) -> bool:
    """Whether anybody's sample holds a cheated segment."""
    beacon, draws = sampled_round
    return any(not cheated.isdisjoint(draws[seat][:count]) for seat, count in shares(beacon, live, misses).items())


def formula(cheated: int, live: Seats, misses: int) -> float:
    """The probability that the market states, for a round."""
    counts = shares(bytes(32), live, misses).values()
    return mixed_job_detection([round_detection(PAIRS, cheated, count) for count in counts])


CASES = [
    pytest.param((0, 1, 2), 0, id="all seats"),
    pytest.param((0, 2), 0, id="a seat is missing"),
    pytest.param((1,), 0, id="two seats are missing"),
    pytest.param((0, 1, 2), 1, id="the beacon is late"),
    pytest.param((1, 2), 1, id="the beacon is late and a seat is missing"),
]


@pytest.mark.parametrize("share", [1 / PAIRS, 0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize(("live", "misses"), CASES)
def test_jobs_are_caught_as_often_as_the_formula_says(live: Seats, misses: int, share: float) -> None:
    chance, count, everywhere = random.Random(7), max(1, round(share * PAIRS)), pairs_of()
    first = jobs = 0
    for job in sampled():
        # A liar cheats anew in each round.
        hits = [caught(each, set(chance.sample(everywhere, count)), live, misses) for each in job]
        first, jobs = first + hits[0], jobs + any(hits)
    per_round = formula(count, live, misses)
    assert agrees(first, JOBS, per_round), (first / JOBS, per_round)
    assert agrees(jobs, JOBS, job_detection(per_round, ROUNDS)), (jobs / JOBS, job_detection(per_round, ROUNDS))


Formula = Callable[[int], float]


@pytest.mark.parametrize(
    ("wrong", "live", "misses"),
    [
        pytest.param(lambda c: formula(c, (0, 1, 2), 0), (0, 1, 2), 1, id="a late beacon doubles nothing"),
        pytest.param(lambda c: round_detection(PAIRS, c, TOTAL // SEATS, 2), (0, 2), 0, id="a missing share is lost"),
        pytest.param(lambda c: round_detection(SLOTS * SEGMENTS, c, TOTAL), (1,), 0, id="absent slots are sampled"),
        pytest.param(lambda c: formula(c, (0, 1, 2), 0) + 0.03, (0, 1, 2), 0, id="three points more"),
        pytest.param(lambda c: formula(c, (0, 1, 2), 0) - 0.03, (0, 1, 2), 0, id="three points less"),
    ],
)
def test_a_formula_that_is_off_is_refused(wrong: Formula, live: Seats, misses: int) -> None:
    chance, everywhere, count = random.Random(7), pairs_of(), 12
    hits = sum(caught(each, set(chance.sample(everywhere, count)), live, misses) for job in sampled() for each in job)
    assert p_value(JOBS * ROUNDS, hits, wrong(count)) < REFUSED_BELOW
    assert agrees(hits, JOBS * ROUNDS, formula(count, live, misses))


def test_an_honest_job_is_never_caught() -> None:
    assert not any(caught(each, set(), (0, 1, 2), 1) for job in sampled() for each in job)
    assert formula(0, (0, 1, 2), 1) == 0


def test_the_seats_that_are_there_share_the_whole_sample() -> None:
    for beacon in beacons()[:500]:
        for live in ((0, 1, 2), (0, 2), (1,)):
            dealt = shares(beacon, live, 0)
            assert sum(dealt.values()) == TOTAL
            assert max(dealt.values()) - min(dealt.values()) <= 1


def test_a_smaller_sample_is_the_beginning_of_a_larger_one() -> None:
    nonce = sha256(b"nonce").digest()
    for beacon in beacons()[:200]:
        full = sample_segments(beacon, nonce, (1, 0, 0), range(PRESENT), SEGMENTS, DRAWN)
        for count in (1, 6, 7, 10, 14):
            assert sample_segments(beacon, nonce, (1, 0, 0), range(PRESENT), SEGMENTS, count) == full[:count]


def test_the_contract_records_these_beacons_and_later_ones_when_nobody_came() -> None:
    ground = SimulatedGround()
    signer = KeySigner.create(sha256(b"operator").digest())
    ground.fund(signer)
    web3 = ground.connect(lambda: 0.0, lambda spent_s: None)
    ledger = Ledger(web3, deploy(Sender(web3, signer), plan_system(signer.address, DEMO_LIMITS)), signer)
    for misses in (0, 1, 2):
        target = ground.chain.head.header.number + 1
        for _ in range(1 + misses * VISIBLE + 5):
            ground.chain.mine()
        ledger.beacon.record(target).send()
        assert ledger.beacon.read(target) == (ground.chain.blocks[target + misses * VISIBLE].hash, misses)


# ---------------------------------------------------------------- who knows the schedule


@pytest.mark.parametrize(
    ("segments", "low", "high"),
    [(range(2, 14, 2), 0.97, 1.0), (range(4, 10), 1.0, 1.03)],
    ids=["every other", "in a row"],
)
def test_at_a_twelfth_of_the_work_the_formula_is_off_as_it_says(segments: range, low: float, high: float) -> None:
    """No two neighbours are sampled, so what is sampled of a slot is rather two apart."""
    cheated = {(slot, segment) for slot in (0, 5, 9, 14) for segment in segments}
    hits = sum(caught(each, cheated, (1,), 0) for job in sampled() for each in job)
    assert low < hits / (JOBS * ROUNDS) / formula(len(cheated), (1,), 0) < high


@pytest.mark.parametrize(("segments", "low", "high"), [(range(1, 15, 2), 0.9, 0.97), (range(4, 11), 1.01, 1.1)])
def test_at_a_quarter_of_the_work_the_formula_is_off_as_it_says(segments: range, low: float, high: float) -> None:
    slots, samples, count, nonce = 16, 64, 4_000, sha256(b"nonce").digest()
    cheated = {(0, segment) for segment in segments}
    hits = sum(
        not cheated.isdisjoint(sample_segments(beacon, nonce, (1, 0, 0), range(slots), SEGMENTS, samples))
        for beacon in beacons()[:count]
    )
    assert low < hits / count / round_detection(slots * SEGMENTS, len(cheated), samples) < high
