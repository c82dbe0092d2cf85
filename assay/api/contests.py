"""What is disputed and what came of it, as the report lists it and the display tells it."""

from collections.abc import Callable
from typing import Any

from assay.chain.contracts.disputes import (
    ChallengeBegun,
    ChallengeOpened,
    FaultClaimed,
    FaultFound,
    LeavesCalled,
    Settled,
)
from assay.chain.contracts.games import Ruled
from assay.chain.contracts.rounds import Included
from assay.exact.primitives import BY_OPCODE
from assay.proof.evidence import Ruling
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import Settlement, Target
from assay.work.program import Bundle, Program

Told = ChallengeOpened | ChallengeBegun | Included | Ruled | FaultClaimed | FaultFound | LeavesCalled | Settled
AWAITED = {
    Target.AGGREGATE: "what it is made of is to be shown first",
    Target.SCORE: "what it is made of is to be shown first",
}
"""Of a challenge without a game what comes of it, where it is not decided at once."""


class Contests:
    """The disputes of a deployment. `name` is what an address is called, `bundle` gives a job's programs."""

    def __init__(self, name: Callable[[str], str], bundle: Callable[[int], Bundle]) -> None:
        self._name, self._bundle = name, bundle
        self._entries: dict[int, dict[str, Any]] = {}
        self._games: dict[int, ChallengeOpened] = {}
        self._included: dict[tuple[int, int, int], int] = {}
        """How many updates a round's aggregate is made of."""

    @property
    def entries(self) -> list[dict[str, Any]]:
        """All of them, in the order in which they were opened."""
        return list(self._entries.values())

    def enter(self, event: Told) -> str:
        """Takes an event in; a line about it, or none."""
        match event:
            case Included():
                self._included[event.job, event.generation, event.round] = len(bitmap_slots(event.included))
            case ChallengeOpened():
                return self._open(event)
            case ChallengeBegun():
                return self._begin(event)
            case Ruled() if event.game in self._games:
                return self._rule(self._games[event.game], event)
            case FaultClaimed():
                return self._claim(event)
            case LeavesCalled():
                return "a game has come to a fault of the job: its slot's leaves are asked for"
            case FaultFound():
                return "the job is at fault, unless what that rests on is disproved in time"
            case Settled():
                entry = self._entries[event.dispute]
                entry["outcome"] = Settlement(event.outcome).name.lower()
                what = "game" if entry["game"] else "dispute"
                return f"the {what} about {entry['accused']} ends: {entry['outcome'].replace('_', ' ')}"
        return ""

    def _open(self, event: ChallengeOpened) -> str:
        challenger, accused, target = self._name(event.challenger), self._name(event.accused), Target(event.target)
        self._entries[event.dispute] = {
            "id": event.dispute,
            "round": event.round,
            "generation": event.generation,
            "about": target.name.lower(),
            "slot": event.slot,
            "segment": event.segment,
            "accused": accused,
            "outcome": "open",
            "challenger": challenger,
            "game": event.game,
        }
        part = {
            Target.SEGMENT: f"segment {event.segment}",
            Target.TABLE: f"row about segment {event.segment} of slot {event.slot}",
        }.get(target, target.name.lower())
        self._games[event.game or -event.dispute] = event
        # Without a game it is decided at once, where nothing is awaited.
        comes = f"game {event.game}" if event.game else AWAITED.get(target, "decided at once")
        return f"{challenger} challenges {accused}'s {part} of round {event.round}: {comes}"

    def _claim(self, event: FaultClaimed) -> str:
        provider, by = self._name(event.provider), self._name(event.by)
        self._entries[event.dispute] = {
            "id": event.dispute,
            "round": event.round,
            "generation": event.generation,
            "about": "fault",
            "slot": event.slot,
            "segment": event.segment,
            "accused": provider,
            "outcome": "open",
            "challenger": by,
            "game": 0,
        }
        return f"{by} shows that {provider} has met a fault of the job in round {event.round}"

    def _begin(self, event: ChallengeBegun) -> str:
        opened = self._games[event.game] = self._games.pop(-event.dispute)
        self._entries[opened.dispute]["game"] = event.game
        whose = "score" if opened.target == Target.SCORE else "aggregate"
        return f"what {self._name(opened.accused)}'s {whose} is made of is shown: game {event.game}"

    def _rule(self, about: ChallengeOpened, event: Ruled) -> str:
        """What the contract recomputed, in the program's words."""
        place = _place(self._program(about), event)
        ruling = Ruling(event.ruling).name.lower().replace("_", " ")
        self._entries[about.dispute] |= {"place": place, "element": event.element, "ruling": ruling}
        return f"game {event.game} comes to element {event.element} of {place}: {ruling}"

    def _program(self, about: ChallengeOpened) -> Program:
        bundle = self._bundle(about.job)
        if about.target == Target.AGGREGATE:
            return bundle.aggregate[self._included[about.job, about.generation, about.round]]
        programs = {Target.EMIT: bundle.emit, Target.SCORE: bundle.evaluate}
        return programs.get(Target(about.target), bundle.step)


def _place(program: Program, event: Ruled) -> str:
    """A value by its node and operator, or as an input by its name."""
    node, (names, sources) = event.number - len(program.inputs), (program.side.input_names, program.side.sources)
    if node < 0:
        return f"run {event.step}, input {names[event.number] if event.number < len(names) else event.number}"
    source = f" of {sources[node]}" if node < len(sources) and sources[node] else ""
    return f"run {event.step}, node {node} ({BY_OPCODE[program.nodes[node].opcode].name}{source})"
