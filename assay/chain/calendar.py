"""Protocol time as the `Clock` contract has it: the chain's time less what was frozen, as its events tell."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from assay.chain.contracts.clock import Frozen, Thawed
from assay.chain.events import Event

FREEZING = (Frozen, Thawed)


@dataclass(frozen=True)
class Freeze:
    """From when until when, in the chain's seconds; a freeze that runs ends by itself at `until_s`."""

    from_s: int
    until_s: int


def freezes_of(events: Iterable[Event]) -> tuple[Freeze, ...]:
    """All freezes, from the clock's events in their order; other events are none of it."""
    found: list[Freeze] = []
    for event in events:
        if isinstance(event, Frozen):
            found.append(Freeze(event.instant, event.until))
        elif isinstance(event, Thawed) and found:
            found[-1] = Freeze(found[-1].from_s, event.instant)
    return tuple(found)


class Calendar:
    """A clock of protocol time. `chain_s` tells the chain's; `learn` says what was frozen of it, nothing at first."""

    def __init__(self, chain_s: Callable[[], int]) -> None:
        self.chain_s = chain_s
        self.freezes: tuple[Freeze, ...] = ()

    def learn(self, freezes: Sequence[Freeze]) -> None:
        """Takes these for all there have been."""
        self.freezes = tuple(freezes)

    def __call__(self) -> int:
        """Protocol time, in seconds."""
        return self.at(self.chain_s())

    def at(self, chain_s: int) -> int:
        """Protocol time at a moment of the chain's."""
        return chain_s - sum(min(each.until_s, chain_s) - each.from_s for each in self.freezes if each.from_s < chain_s)

    def when_s(self, at_s: int) -> int:
        """The moment of the chain's time when protocol time has come to `at_s` and goes on, if nothing more is frozen,
        and what is frozen ends by itself."""
        when_s = at_s
        for each in self.freezes:
            if each.from_s <= when_s:
                when_s += each.until_s - each.from_s
        return when_s

    def frozen_until_s(self) -> int | None:
        """When the freeze that runs ends at the latest, in the chain's time; nothing while none runs."""
        now_s = self.chain_s()
        return self.freezes[-1].until_s if self.freezes and now_s < self.freezes[-1].until_s else None

    def left_s(self) -> int:
        """For how many seconds the freeze that runs may still last."""
        until_s = self.frozen_until_s()
        return 0 if until_s is None else until_s - self.chain_s()
