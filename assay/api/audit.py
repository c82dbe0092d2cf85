"""An audit that goes from a job down to an element: what is executed again, what was disputed of it, and what differs.

`Examiner.examine` executes work again and descends wherever something differs, `dispute` what one dispute is about.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from assay.api.contest import Contest
from assay.api.descent import Descent, Digger
from assay.api.inspect import Address, Audit, Auditor, Checked
from assay.proof.verdict import Finding, Part, Place, Verdict
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import BadInput
from assay.protocol.phase import Target
from assay.roles.finding import Unit
from assay.roles.round import RoundName

OF_AGGREGATORS = (Target.AGGREGATE, Target.SCORE)


@dataclass(frozen=True)
class Examined:
    """One verdict; where it is not honest also how far down the difference was followed, and the dispute about it."""

    checked: Checked
    descent: Descent | None = None
    contest: Contest | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        descent = None if self.descent is None else self.descent.to_json()
        return {**self.checked.to_json(), "descent": descent, "dispute": self.contest and self.contest.number}


class Examiner:
    """Audits one job of which `contests` are the disputes. Nothing is sent."""

    def __init__(self, auditor: Auditor, digger: Digger, contests: list[Contest]) -> None:
        self.auditor, self.digger, self.contests = auditor, digger, contests

    def disputed(self, address: Address) -> list[Contest]:
        """The disputes about work under an address."""
        return [
            each
            for each in self.contests
            if address.round in (None, each.name[2]) and address.slot in (None, each.slot)
        ]

    def locate(self, address: Address) -> Address:
        """The same work, in the generation in which it was done: what was disproved is not in the last one."""
        if address.slot is None or address.round is None or address.generation is not None:
            return address
        clerk, ledger = self.auditor.party.clerk, self.auditor.party.world.ledger
        live = ledger.rounds.generation_of(address.job, address.round)
        if address.slot in bitmap_slots(clerk.round((address.job, live, address.round)).present):
            return address
        names = [each.name[1] for each in self.disputed(address)]
        return replace(address, generation=max(names)) if names else address

    def examine(self, address: Address, segment: int | None = None) -> Iterator[Examined]:
        """Verdicts on the work under an address, or on one segment of a slot. Errors: `BadInput` for what is not
        there."""
        found = self.locate(address)
        if segment is not None:
            ((name, view),) = self.auditor.rounds(found)
            assert found.slot is not None
            segments = self.auditor.party.clerk.segments(name[0])
            if segment >= segments:
                raise BadInput(f"a slot has segments 0 to {segments - 1}", hint="count segments from 0")
            if found.slot not in bitmap_slots(view.present):
                raise BadInput(f"slot {found.slot} committed nothing in round {name[2]}", hint="name another slot")
            yield self.claim(found, name, self._unit(name, found.slot, Target.SEGMENT, segment))
            return
        for checked in self.auditor.audit(found):
            yield self._down(checked, found)

    def dispute(self, contest: Contest) -> Examined:
        """What one dispute is about."""
        job, generation, index = contest.name
        address = Address(job, index, contest.slot, generation=generation)
        return self.claim(address, contest.name, contest.unit, contest)

    def claim(self, address: Address, name: RoundName, unit: Unit, contest: Contest | None = None) -> Examined:
        """One thing that somebody stands for, from the state that it begins with."""
        batch = contest.batch if contest else None
        told = self._contest(name, unit, batch)
        contest = contest or told
        ruled = contest is not None and contest.narrowing is not None and contest.narrowing.judged is not None
        # What one game has not come to another about the same may have.
        narrowing = contest.narrowing if contest and ruled else told.narrowing if told else None
        descent = self.digger.descend(name, unit, narrowing, batch)
        return Examined(Checked(address, _verdict(descent, unit)), descent, contest)

    def _down(self, checked: Checked, address: Address) -> Examined:
        place, slot = checked.verdict.place, checked.address.slot
        parts = {Part.SEGMENT: Target.SEGMENT, Part.EMIT: Target.EMIT}
        if checked.verdict.finding != Finding.DIFFERS or place.part not in parts or slot is None:
            return Examined(checked)
        assert checked.address.round is not None
        ((name, _),) = self.auditor.rounds(replace(address, round=checked.address.round, slot=slot, step=None))
        segment = self.auditor.party.clerk.segments(name[0]) if place.segment is None else place.segment
        unit = self._unit(name, slot, parts[place.part], segment)
        contest = self._contest(name, unit)
        narrowing = contest.narrowing if contest else None
        return Examined(checked, self.digger.descend(name, unit, narrowing), contest)

    def _unit(self, name: RoundName, slot: int, target: Target, segment: int) -> Unit:
        """What a slot's provider stands for."""
        return self.auditor.party.clerk.providers(name[0])[slot], int(target), slot, segment

    def _contest(self, name: RoundName, unit: Unit, batch: int | None = None) -> Contest | None:
        """The dispute about a claim that came furthest: one with a ruling, if there is one."""
        about = (name, unit, batch)
        found = [each for each in self.contests if (each.name, each.unit, each.batch) == about and each.narrowing]
        ruled = [each for each in found if each.narrowing and each.narrowing.judged and each.narrowing.claimed]
        return next(iter(ruled or found), None)


def audit_of(examined: list[Examined]) -> Audit:
    """All verdicts as one."""
    return Audit(tuple(each.checked for each in examined))


def _verdict(descent: Descent, unit: Unit) -> Verdict:
    accused, target, slot, segment = unit
    places = {Target.EMIT: Place(Part.EMIT, slot), **dict.fromkeys(OF_AGGREGATORS, Place(Part.AGGREGATE))}
    place = places.get(Target(target), Place(Part.SEGMENT, slot, segment))
    if descent.agrees is None:
        return Verdict(Finding.NOT_SERVED, place, reason=descent.reason)
    whose = {Target.TABLE: f"in the table of {accused}", Target.SCORE: "of a batch"}.get(Target(target), "")
    finding = Finding.HONEST if descent.agrees else Finding.DIFFERS
    return Verdict(finding, place, descent.computed_end, descent.claimed_end, descent.reason or whose)
