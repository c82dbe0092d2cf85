"""The exploration of the model, counted: which jobs, who was left out, how many states, and what was found in them.

python -m tests.model [--sizes quick|long|all] [--json] [--write]
"""

import argparse
import json
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bench import _record
from tests.model.explore import SMALL, Explored, explore
from tests.model.money import Size

EVIDENCE = frozenset({"equivocate", "bill_unserved", "penalise_silent", "demand_secret", "default_secret"})
COURT = frozenset({"dispute", "decide"})
FAULTS = frozenset({"attest_fault", "aggregate_fault"})
IDLE = frozenset({"reveal_secret", "proceed"})
"""Moves that mostly change nothing; `proceed` has its row, and who shows a secret is as if nobody had called for it."""


@dataclass(frozen=True)
class Plan:
    """One exploration: a job, and the kinds of moves that nobody makes in it."""

    title: str
    size: Size
    without: frozenset[str]


QUICK = (
    Plan("silence: whoever has a part may be silent, alone or all", SMALL, COURT | EVIDENCE | {"reveal_secret"}),
    Plan(
        "evidence: secrets, two roots, bills",
        replace(SMALL, open_s=1),
        COURT | IDLE | FAULTS | {"cancel", "commit_slot"},
    ),
)
LONG = (
    Plan("disputes: every verdict at every moment", SMALL, EVIDENCE | IDLE | {"cancel"}),
    Plan(
        "a second generation",
        replace(SMALL, generations=2, redos=2),
        COURT | EVIDENCE | IDLE | FAULTS | {"cancel"},
    ),
    Plan(
        "two rounds, one ahead of the other, and faults",
        replace(SMALL, rounds=2, lookahead=1),
        EVIDENCE | COURT | IDLE | {"cancel", "commit_slot"},
    ),
    Plan("two slots", replace(SMALL, slots=2), COURT | EVIDENCE | IDLE | FAULTS | {"cancel"}),
    Plan(
        "three seats, two of them a quorum",
        replace(SMALL, seats=3, quorum=2),
        COURT | EVIDENCE | IDLE | FAULTS | {"cancel"},
    ),
)
SETS = {"quick": QUICK, "long": LONG, "all": QUICK + LONG}
HELD = """In every state: money is conserved; what is credited is what was earned; the escrow covers every open
round and orphan at its worst; final is what is below the first open round, is paid and has an update; what was
committed is paid once it is void; after the end, or a fault, nothing is open; no lock, bond or escrow outlives its
job. In every step: nothing is final before its windows are over or under dispute; a job is rewound by one generation,
and the number only rises; what is closed stays as it is. From every state whoever has no slot, seat or stake can bring
the job to its end, and once they do what they may as soon as they may there is no circle: every job ends, whatever
anybody does.

States are counted up to the names of slots and seats and with times as distances; *depth* is the most moves that a
state is away from the start. *Left out* are kinds of moves that nobody makes in a row, so that it can be explored
whole."""
HEAD = (
    "job",
    "rounds",
    "slots",
    "seats",
    "generations",
    "left out",
    "states",
    "steps",
    "ends",
    "of them faulted",
    "depth",
    "seconds",
)


def row(plan: Plan, found: Explored) -> tuple[object, ...]:
    """One line of the table."""
    size = plan.size
    job = (plan.title, size.rounds, size.slots, size.seats, size.generations, " ".join(sorted(plan.without)))
    counts = (f"{found.states:,}", f"{found.edges:,}", f"{found.ends:,}", f"{found.faults:,}", found.depth)
    return (*job, *counts, f"{found.seconds:.0f}")


def run(plans: Iterable[Plan]) -> list[tuple[Plan, Explored]]:
    """Explores them. Raises `AssertionError` with the moves that lead to what is wrong."""
    done = []
    for plan in plans:
        found = explore(plan.size, plan.without)
        assert not found.stuck, f"nobody leads on from here: {found.stuck[0]}"
        assert not found.endless, f"{found.endless} states lie on a circle"
        done.append((plan, found))
        print(f"{plan.title}: {found.states:,} states, {found.edges:,} steps, {found.seconds:.0f} s", file=sys.stderr)  # noqa: T201
    return done


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--sizes", choices=sorted(SETS), default="quick", help="which jobs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the record in bench/results/state-model.md")
    options = parser.parse_args()
    load, done = _record.load_average(), run(SETS[options.sizes])
    table = _record.table(HEAD, [row(plan, found) for plan, found in done])
    if options.write:
        command = shlex.join(["python", "-m", "tests.model", *sys.argv[1:]])
        _record.write("state-model", "The state model, explored", command, "no packages", load, (HELD, table))
    if options.json:
        rows = [dict(zip(HEAD, row(plan, found), strict=True)) for plan, found in done]
        print(json.dumps({"explored": rows}))  # noqa: T201
    else:
        print(table)  # noqa: T201
