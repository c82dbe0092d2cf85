"""Saying things so that they are heard: what was said in a phase of a round is said again while that phase lasts.

Messages are lost, and whoever was away has not heard them. Each is repeated after pauses that double, so that a phase
which ends when all have reported hears everything once. To say again what is being said changes nothing, so callers
need not remember it.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from assay.protocol.message import EVERYONE
from assay.protocol.phase import RoundPhase
from assay.roles.clerk import Clerk
from assay.roles.round import RoundName, drop
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.roles.world import World

PAUSES = 8
"""The first pause is this part of what is left of the phase: three repetitions fit in it."""
PAUSE_MIN_S = 2


@dataclass
class Saying:
    """What is being said, and when next; until when what was said lasts, in the chain's time."""

    kind: str
    content: dict[str, object]
    recipient: str
    phase: RoundPhase
    next_s: int
    pause_s: int
    expires_s: int


class Voice:
    """What one party is saying in rounds that are open."""

    def __init__(self, world: World, clerk: Clerk) -> None:
        self._world, self._clerk = world, clerk
        self._sayings: dict[tuple[RoundName, Hashable], Saying] = {}
        self._answered_s: dict[tuple[RoundName, Hashable], int] = {}

    def forget(self, job: int, below: int) -> None:
        """Says no more of rounds of a job that are final."""
        drop(self._sayings, job, below)
        drop(self._answered_s, job, below)

    def say(
        self,
        name: RoundName,
        kind: str,
        content: dict[str, object],
        recipient: str = EVERYONE,
        topic: Hashable = None,
    ) -> Wake:
        """Says something, unless it is being said. What was said before of the same kind and topic is said no more."""
        view, key = self._clerk.round(name), (name, (kind, recipient, topic))
        known = self._sayings.get(key)
        if known is not None and known.content == content and known.phase == view.phase:
            return IDLE
        said = self._world.say(kind, name, content, recipient)
        now_s = self._world.clock()
        pause_s = max(PAUSE_MIN_S, (view.deadline - now_s) // PAUSES)
        self._sayings[key] = Saying(kind, content, recipient, view.phase, now_s + pause_s, pause_s, said.expires_s)
        return ACTED

    def answer(
        self, name: RoundName, kind: str, content: dict[str, object], recipient: str, topic: Hashable = None
    ) -> Wake:
        """Answers a question; who asks the same at once again is not answered, so that nobody is kept busy with it."""
        key, now_s = (name, (kind, recipient, topic)), self._world.clock()
        if now_s < self._answered_s.get(key, now_s):
            return IDLE
        self._answered_s[key] = now_s + PAUSE_MIN_S
        self._world.say(kind, name, content, recipient)
        return ACTED

    def hush(self, name: RoundName, kind: str, recipient: str = EVERYONE, topic: Hashable = None) -> None:
        """Has been heard: no more of it."""
        self._sayings.pop((name, (kind, recipient, topic)), None)

    def repeat(self, job: int) -> Wake:
        """Says again what may not have been heard, and drops what belongs to a phase that is over."""
        wake, now_s = IDLE, self._world.clock()
        for key, saying in [item for item in self._sayings.items() if item[0][0][0] == job]:
            if self._clerk.round(key[0]).phase != saying.phase:
                del self._sayings[key]
                continue
            # While the network is frozen nobody has to hear it sooner, but it is not to be lost.
            if now_s >= saying.next_s or self._world.calendar.chain_s() >= saying.expires_s:
                saying.expires_s = self._world.say(saying.kind, key[0], saying.content, saying.recipient).expires_s
                saying.pause_s *= 2
                saying.next_s = now_s + saying.pause_s
                wake |= ACTED
            wake |= wake_at(saying.next_s)
        return wake
