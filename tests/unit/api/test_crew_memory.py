"""What the parties of one process take of its memory: each is told of the others, and none promises what they have."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.api import crew, turns
from assay.api.home import Home
from assay.api.host import Host, HostOptions
from assay.api.machine import MEBIBYTE
from assay.chain.signer import KeySigner
from assay.protocol.errors import Overload, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.fitness import Fitness
from assay.roles.footprint import Footprint
from assay.roles.world import MemoryJournal
from assay.work.limits import Space

SIZE_BYTES = 1_000
FOOTPRINTS = st.builds(Footprint, st.integers(0, SIZE_BYTES), st.integers(0, SIZE_BYTES))


class Files:
    """A clerk whose jobs are those that were taken on and not let go."""

    def __init__(self) -> None:
        self.open: list[int] = []

    def jobs(self) -> list[int]:
        return self.open

    def closed(self, job: int) -> bool:
        return job not in self.open

    def view(self, job: int) -> Any:
        return SimpleNamespace(phase=JobPhase.BIDDING)


class Member:
    """One party of several in a process, which may be started again."""

    def __init__(self, shared_by: int) -> None:
        self.clerk, self.journal = Files(), MemoryJournal()
        self.space, self.promised = Space(SIZE_BYTES, shared_by), dict[int, Footprint]()

    def look(self, job: int, found: Footprint) -> None:
        """Takes a job on if there is room; as a new process, which knows what is in the journal."""
        world: Any = SimpleNamespace(journal=self.journal, address="", compute=SimpleNamespace(space=self.space))
        clerk: Any = self.clerk
        assignments: Any = SimpleNamespace(drop=lambda _: None)
        fitness = Fitness(world, clerk, assignments, lambda *_: found)
        nothing: Any = None
        try:
            fitness._make_room(job, nothing, nothing)
        except (Overload, Unavailable):
            return
        assignment: Any = SimpleNamespace(job=job)
        fitness.take_on(assignment, lambda *_, **__: 0.0, busy=0.0)
        self.clerk.open.append(job)
        self.promised[job] = found

    def close(self, job: int) -> None:
        if job in self.promised:
            self.clerk.open.remove(job)
            del self.promised[job]

    @property
    def kept_bytes(self) -> int:
        return sum(each.kept_bytes for each in self.promised.values())

    @property
    def working_bytes(self) -> int:
        return max((each.working_bytes for each in self.promised.values()), default=0)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.none() | FOOTPRINTS), max_size=30),
)
def test_members_keep_no_more_together_than_one_process_gives(
    count: int, steps: list[tuple[int, int, Footprint | None]]
) -> None:
    """Whatever is offered and ends in whatever order: what all keep fits, and with what any of them takes to work on
    any of its jobs, if all had as much as it has."""
    members = [Member(count) for _ in range(count)]
    for who, job, found in steps:
        member = members[who % count]
        if found is None:
            member.close(job)
        elif job not in member.promised:
            member.look(job, found)
        assert sum(each.kept_bytes for each in members) <= SIZE_BYTES
        assert all(each.working_bytes + count * each.kept_bytes <= SIZE_BYTES for each in members)


def test_a_small_job_is_not_taken_on_beside_what_a_large_one_works_in() -> None:
    member = Member(1)
    member.look(1, Footprint(800, 100))
    member.look(2, Footprint(0, 101))
    assert list(member.promised) == [1]
    member.look(3, Footprint(0, 100))
    assert list(member.promised) == [1, 3]


def test_every_member_of_a_crew_has_the_same_memory_and_knows_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that take jobs are eleven; a twelfth sees them through and takes none."""
    seated: dict[str, Space | None] = {}
    resumed: list[bool] = []

    class Seen:
        """Makes every member once, as it is made again after a crash too."""

        def __init__(self, makers: dict[str, Any], *_: Any, **__: Any) -> None:
            self.makers = makers

        def run(self, done: Callable[[], bool]) -> None:
            for name, maker in self.makers.items():
                seated[name] = maker()
            assert not resumed
            assert not done()

    def world(self: Home, signer: KeySigner, **parts: Any) -> Any:
        return SimpleNamespace(journal=SimpleNamespace(close=lambda: None), space=parts.get("space"))

    monkeypatch.setattr(Home, "world", world)
    monkeypatch.setattr(Home, "board", SimpleNamespace())
    monkeypatch.setattr(crew, "settle_in", lambda *_: False)
    monkeypatch.setattr(crew, "make_member", lambda world, *_: world.space)
    monkeypatch.setattr(turns, "Turns", Seen)
    host = Host(Home.create(tmp_path), HostOptions(memory_mb=600), threading.Event())
    chain: Any = SimpleNamespace(provider=None)
    host._resume = lambda: resumed.append(True)
    host._work(chain, lambda *_: None, KeySigner.create(bytes(31) + b"\1"))
    takers = sum(crew.SIZES.values())
    assert len(seated) == takers + 1
    assert set(seated.values()) == {Space(600 * MEBIBYTE, shared_by=takers)}
    assert "keeper" in seated
    assert resumed, "time passes once everybody had a turn"
