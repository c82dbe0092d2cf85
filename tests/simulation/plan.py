"""What happens in the run of one seed: who plays, who cheats, what fails. A plan can be written by hand as well.

The cheats go through the zoo in a fixed order: `len(COMBINATIONS)` seeds in a row play every cheat alone and with every
other. What fails besides is drawn. A party is *sound* if it is honest and nothing fails that it must not be expected to
bear; at most k - 1 of m = 2k - 1 validators are not sound, and so the sound ones are a quorum.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from assay.roles.zoo import CARDS, CHEATS
from tests.simulation.faults import Faults, Span

NAMES = [card.name for card in CARDS]
COMBINATIONS: list[tuple[str, ...]] = [(), *((name,) for name in NAMES), *combinations(NAMES, 2)]
STRIDE = 101
"""Prime to the number of combinations, so that a few seeds already mix."""
DEPTH_MAX = 10
HOUR_S = 3_600
"""A run of a job is over well before."""


@dataclass(frozen=True)
class Reorg:
    """Replaces the last `depth` blocks once so many have come since posting; the transactions come back, or do not."""

    at_block: int
    depth: int
    keep: bool


@dataclass(frozen=True)
class Plan:
    """One run."""

    seed: int
    cheats: tuple[str, ...] = ()
    honest: int = 2
    validators: int = 3
    jobs: int = 1
    rounds: int = 2
    samples: int = 2
    watched: bool = True
    faults: dict[str, Faults] = field(default_factory=dict)
    """By the party's name."""
    unsound: frozenset[str] = frozenset()
    """Honest parties with more than they can bear: they may lose money, and must not lose their heads."""
    reorgs: tuple[Reorg, ...] = ()
    freezes: tuple[Span, ...] = ()
    """While its operator has the network frozen, in seconds since posting."""

    @property
    def sound_chain(self) -> bool:
        """Whether every transaction that was mined stays, or comes back."""
        return all(reorg.keep for reorg in self.reorgs)

    def played(self, role: str) -> list[str]:
        """The cheats of one role."""
        return [name for name in self.cheats if CHEATS[name].role == role]

    @property
    def words(self) -> str:
        """For a report: everything that is needed to see what this was about."""
        parts = [f"{self.honest}+{len(self.played('provider'))} providers, {self.validators} validators"]
        parts += [f"{self.jobs} jobs"] if self.jobs > 1 else []
        parts += [f"cheats: {' + '.join(self.cheats)}"] if self.cheats else []
        parts += [f"{name}: {faults.words}" for name, faults in self.faults.items()]
        parts += [f"not sound: {', '.join(sorted(self.unsound))}"] if self.unsound else []
        parts += [f"reorg {each.depth} at {each.at_block}{'' if each.keep else ' (lost)'}" for each in self.reorgs]
        parts += [f"frozen from {each.from_s} s to {each.until_s} s" for each in self.freezes]
        return "; ".join(parts)


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    chance = random.Random(f"assay.simulation.{seed}")
    cheats = COMBINATIONS[seed * STRIDE % len(COMBINATIONS)]
    false = sum(CHEATS[name].role == "validator" for name in cheats)
    validators = 3 if false < 2 and chance.random() < 0.8 else 5
    plan = Plan(
        seed,
        cheats,
        honest=chance.choice((2, 2, 3)),
        validators=validators,
        rounds=chance.choice((1, 2)),
        jobs=2 if chance.random() < 0.15 else 1,
        samples=chance.choice((1, 2, 3)),
        watched=True,
    )
    for kind in chance.sample(sorted(WEATHER), chance.choice((0, 1, 1, 2))):
        plan = WEATHER[kind](plan, chance)
    return frozen(plan, random.Random(f"assay.simulation.freeze.{seed}"))


def frozen(plan: Plan, chance: random.Random) -> Plan:
    """One seed in four has the network frozen, for a moment or for longer than any window; drawn apart, so that all
    else of a seed is what it was."""
    if chance.random() < 0.75:
        return plan
    from_s = chance.randrange(600)
    return replace(plan, freezes=(Span(from_s, from_s + chance.choice((5, 60, 2_000))),))


def parties(plan: Plan) -> list[str]:
    """Names of the honest parties; those of the cheats come after them in each role."""
    names = [f"provider-{at + 1}" for at in range(plan.honest)]
    names += [f"validator-{at + 1}" for at in range(plan.validators - len(plan.played("validator")))]
    names += ["aggregator-2"] if plan.played("aggregator") else ["aggregator-1", "aggregator-2"]
    return [*names, "consumer"] if not plan.played("consumer") else names


def may_be_unsound(plan: Plan) -> list[str]:
    """Whom the assumptions leave room for: one provider of at least two, a validator below the quorum."""
    bad = len(plan.played("validator")) + sum(name.startswith("validator") for name in plan.unsound)
    names = [name for name in parties(plan) if name.startswith("provider")][1:]
    if bad < (plan.validators - 1) // 2:
        names += [name for name in parties(plan) if name.startswith("validator")]
    if not plan.played("aggregator"):
        names += ["aggregator-1"]
    return [name for name in names if name not in plan.unsound]


def give(plan: Plan, names: Sequence[str], *, sound: bool = True, **faults: object) -> Plan:
    """The same plan, with these faults for these parties: more than they can bear unless they are `sound`."""
    present = {name: replace(plan.faults.get(name, Faults()), **faults) for name in names}  # type: ignore[arg-type]
    unsound = plan.unsound if sound else plan.unsound | set(names)
    return replace(plan, faults={**plan.faults, **present}, unsound=unsound)


def _one(plan: Plan, chance: random.Random) -> list[str]:
    names = may_be_unsound(plan)
    return [chance.choice(names)] if names else []


def _bear(plan: Plan, chance: random.Random, **faults: object) -> Plan:
    """Some parties get what they must be able to bear."""
    names = parties(plan)
    return give(plan, chance.sample(names, chance.randint(1, len(names))), **faults)


def _span(chance: random.Random, length_s: int) -> tuple[Span, ...]:
    from_s = chance.randrange(600)
    return (Span(from_s, from_s + length_s),)


def late_messages(plan: Plan, chance: random.Random) -> Plan:
    """Everybody's messages are late, out of order, some twice: well within a window."""
    return give(plan, parties(plan), delay_s=chance.choice((3, 8, 15)), twice=0.2)


def lost_messages(plan: Plan, chance: random.Random) -> Plan:
    """Some of what some should hear is lost for good."""
    return _bear(plan, chance, drop=chance.choice((0.05, 0.15)), delay_s=3)


def most_messages_lost(plan: Plan, chance: random.Random) -> Plan:
    """One hears little."""
    return give(plan, _one(plan, chance), sound=False, drop=chance.choice((0.5, 0.9)), delay_s=3)


def short_partition(plan: Plan, chance: random.Random) -> Plan:
    """Some are cut off from the others for a moment."""
    return _bear(plan, chance, cut_off=_span(chance, chance.randint(5, 20)))


def long_partition(plan: Plan, chance: random.Random) -> Plan:
    """One is cut off for longer than any window."""
    return give(plan, _one(plan, chance), sound=False, cut_off=_span(chance, chance.randint(150, 900)))


def restart(plan: Plan, chance: random.Random) -> Plan:
    """Some crash at any use of a port, up to three times, and are back after some seconds with their journals."""
    uses = tuple(chance.randrange(1, 1_200) for _ in range(chance.randint(1, 3)))
    return _bear(plan, chance, crashes=uses, down_s=chance.randint(0, 10))


def outage(plan: Plan, chance: random.Random) -> Plan:
    """One is away for longer than any window."""
    return give(
        plan, _one(plan, chance), sound=False, crashes=(chance.randrange(1, 1_200),), down_s=chance.randint(150, 900)
    )


def full_disk(plan: Plan, chance: random.Random) -> Plan:
    """Some can write nothing for a moment."""
    return _bear(plan, chance, disk_full=_span(chance, chance.randint(5, 20)))


def full_disk_for_long(plan: Plan, chance: random.Random) -> Plan:
    """One can write nothing for longer than any window."""
    return give(plan, _one(plan, chance), sound=False, disk_full=_span(chance, chance.randint(150, 900)))


def busy_node(plan: Plan, chance: random.Random) -> Plan:
    """Some requests are not answered; some transactions are sent and nobody says so."""
    return _bear(plan, chance, silent_node=chance.choice((0.01, 0.03)))


def lagging_node(plan: Plan, chance: random.Random) -> Plan:
    """Some see the chain some blocks late."""
    return _bear(plan, chance, lag_blocks=chance.randint(1, 3))


def broken_node(plan: Plan, chance: random.Random) -> Plan:
    """Some answers are garbage."""
    return _bear(plan, chance, garbled_node=chance.choice((0.01, 0.03)))


def lying_node(plan: Plan, chance: random.Random) -> Plan:
    """One party's node lies."""
    return give(plan, _one(plan, chance), sound=False, lying_node=chance.choice((0.005, 0.05, 0.5)))


def skewed_clocks(plan: Plan, chance: random.Random) -> Plan:
    """Clocks are off by some seconds."""
    for name in parties(plan):
        plan = give(plan, [name], skew_s=chance.randint(-10, 10))
    return plan


def wrong_clock(plan: Plan, chance: random.Random) -> Plan:
    """One clock is off by more than a window."""
    return give(plan, _one(plan, chance), sound=False, skew_s=chance.choice((-HOUR_S, -300, 300, HOUR_S)))


def reorganised(plan: Plan, chance: random.Random) -> Plan:
    """The last blocks are replaced; their transactions come back in the first of the new ones."""
    reorgs = (Reorg(chance.randint(1, 150), chance.randint(1, DEPTH_MAX), True) for _ in range(chance.randint(1, 3)))
    return replace(plan, reorgs=(*plan.reorgs, *sorted(reorgs, key=lambda reorg: reorg.at_block)))


def unmined(plan: Plan, chance: random.Random) -> Plan:
    """The last blocks are replaced by empty ones: what was in them has never been sent."""
    return replace(plan, reorgs=(*plan.reorgs, Reorg(chance.randint(1, 150), chance.randint(1, DEPTH_MAX), False)))


WEATHER = {
    kind.__name__: kind
    for kind in (
        late_messages,
        lost_messages,
        most_messages_lost,
        short_partition,
        long_partition,
        restart,
        outage,
        full_disk,
        full_disk_for_long,
        busy_node,
        lagging_node,
        broken_node,
        lying_node,
        skewed_clocks,
        wrong_clock,
        reorganised,
        unmined,
    )
}
"""What fails, by name."""
