"""What a party promises: no more time than there is, over a restart too, and no window that it cannot act in."""

from types import SimpleNamespace
from typing import Any

import pytest

from assay.chain.contracts.containers import Windows
from assay.protocol.phase import JobPhase
from assay.roles.bidding import find_short_window
from assay.roles.fitness import Fitness
from assay.roles.world import MemoryJournal

ME = "0x" + "11" * 20


class Files:
    """A clerk whose files are all open, but those of jobs that are closed."""

    def __init__(self) -> None:
        self.shut: set[int] = set()

    def jobs(self) -> list[int]:
        return [1, 2, 3]

    def closed(self, job: int) -> bool:
        return job in self.shut

    def view(self, job: int) -> Any:
        return SimpleNamespace(phase=JobPhase.BIDDING)


def machine(journal: MemoryJournal, clerk: Files) -> Fitness:
    world: Any = SimpleNamespace(journal=journal, address=ME, compute=None)
    parts: Any = (clerk, None)
    return Fitness(world, *parts)


def test_what_was_promised_counts_after_a_restart() -> None:
    journal, clerk, seen = MemoryJournal(), Files(), []

    def check(assignment: Any, compute: Any, *, busy: float) -> float:
        seen.append(busy)
        return 0.25

    first: Any = SimpleNamespace(job=1)
    second: Any = SimpleNamespace(job=2)
    for assignment in (first, second, first):  # the same again is not beside itself
        one = machine(journal, clerk)
        one.take_on(assignment, check, busy=one.busy(assignment.job))
    assert seen == [0.0, 0.25, 0.25]
    clerk.shut.add(1)
    assert machine(journal, clerk).busy(3) == 0.25


def test_a_job_is_done_one_piece_at_a_time() -> None:
    """Two pieces of work in windows of their own, each of which leaves four tenths."""
    one, work = machine(MemoryJournal(), Files()), [lambda assignment, compute, *, busy: 0.6] * 2
    assignment: Any = SimpleNamespace(job=1)
    one.take_on(assignment, *work, busy=0.0)
    assert one.share(1) == 1.2
    assert [one.fits_beside(1, busy) for busy in (0.0, 0.4, 0.5)] == [True, True, False]


@pytest.mark.parametrize(("least_s", "short"), [(30, ""), (31, "its open window of 30 s is shorter than 31 s")])
def test_the_shortest_window_is_named(least_s: int, short: str) -> None:
    windows = Windows(bid=60, reveal=60, enlist=60, train=300, table=120, open=30, aggregate=120, challenge=60)
    assert find_short_window(windows, least_s) == short
