"""The jobs that a party has looked into, each once: whether they are what their orders say takes time to find out."""

from collections.abc import Iterator
from contextlib import contextmanager

from assay.chain.contracts.containers import Order
from assay.protocol.errors import AssayError, Overload, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.assignment import Assignment, Screen, State, fetch_assignment, pass_all
from assay.roles.register import Register
from assay.roles.world import World
from assay.work.program import Limits


class Assignments:
    """By job, its programs, state and samples; or what was wrong with them."""

    def __init__(self, world: World, register: Register, limits: Limits) -> None:
        self._world, self._register, self._limits = world, register, limits
        self._found: dict[int, Assignment] = {}
        self._unfit: dict[int, tuple[Order, AssayError]] = {}
        self._screen: Screen = pass_all

    @contextmanager
    def screening(self, screen: Screen) -> Iterator[None]:
        """What is fetched inside is large only if `screen` does not raise."""
        before, self._screen = self._screen, screen
        try:
            yield
        finally:
            self._screen = before

    def of(self, job: int) -> Assignment:
        """The job's programs, state and samples, checked once. Errors: `Malformed`, `Refused`, `Undecidable`,
        `Unavailable`."""
        order = self._register.order(job)
        if job not in self._found or self._found[job].order is not order:
            self._found[job] = self._fetch(job, order)
        assignment = self._found[job]
        if self._register.view(job).phase >= JobPhase.ENLISTING:
            assignment.beacon = self._register.view(job).beacon
        return assignment

    def _fetch(self, job: int, order: Order) -> Assignment:
        known = self._unfit.get(job)
        if known is not None and known[0] is order:
            # To find it out once more might take as long as its consumer likes.
            raise known[1].with_traceback(None)
        try:
            return fetch_assignment(self._world, order, job, self._limits, self._screen)
        except (Unavailable, Overload):
            # Nothing is wrong with the job.
            raise
        except AssayError as flaw:
            self._unfit[job] = (order, flaw)
            raise

    def states(self, job: int) -> dict[bytes, State]:
        """The states that are here of a job, by root; nothing is fetched for it."""
        return self._found[job].states if job in self._found else {}

    def jobs(self) -> set[int]:
        """Jobs of which something is here."""
        return set(self._found)

    def drop(self, job: int) -> None:
        """Lets go of a job, and of what was prepared for programs that no other one here has."""
        if self._found.pop(job, None) is not None:
            bundles = [assignment.bundle for assignment in self._found.values()]
            self._world.compute.retain(program for bundle in bundles for _, _, program in bundle.sections())
