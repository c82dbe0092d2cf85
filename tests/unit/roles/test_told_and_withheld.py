"""What is told and then replaced or told in another's stead, withheld until it is too late, or only promised."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from assay.chain.contracts.jobs import Abstained, Drawn
from assay.chain.contracts.rounds import Aggregated, Committed
from assay.protocol.commitment import Commitment, bitmap, commitment_root
from assay.protocol.phase import JobPhase, RoundPhase
from assay.roles.aggregator import Aggregator
from assay.roles.content import commitment_content
from assay.roles.page import Page
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.validator import Validator
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.roles.zoo import CHEATS


class Mute(Provider):
    """Never works."""

    behaviour = "mute"

    def work(self, job: int) -> Wake:
        return IDLE


class Inventor(Aggregator):
    """Roots a commitment that nobody has signed, tells what the root is of, then tells another set, and asks."""

    behaviour = "inventor"
    turns = 0

    def tell_set(self, name: RoundName, signed: dict[int, tuple[Commitment, bytes]], topic: str) -> tuple[bytes, Any]:
        size = self.clerk.order(name[0]).providers
        root = commitment_root({slot: one.leaf(*self.clerk.place) for slot, (one, _) in signed.items()}, size)
        present, told = bitmap(sorted(signed), size), [commitment_content(*each) for each in signed.values()]
        content: dict[str, object] = {"commitments": told, "root": root.hex(), "present": present}
        self.voice.say(name, "commitments", content, topic=topic)
        return root, present

    def commit(self, name: RoundName, view: Any, page: Page) -> Wake:
        order, origin = self.clerk.order(name[0]), self.clerk.origin(name)
        alone_s = view.opened_at + order.windows.train + order.windows.aggregate // 2
        if self.world.clock() < alone_s:
            return wake_at(alone_s)
        slot = next(slot for slot in range(order.providers) if slot not in page.commitments)
        made_up = (bytes([7]) * 32, bytes([8]) * 32, bytes([9]) * 32)
        false = Commitment(*name, slot, self.clerk.providers(name[0])[slot], *origin, *made_up)
        signed = {**page.commitments, slot: (false, self.world.signer.sign_digest(bytes(32)))}
        self.root, present = self.tell_set(name, signed, "one")
        return self.clerk.attempt(self.world.ledger.rounds.commit(*name, self.root, present, []))

    def move(self, name: RoundName, view: Any) -> Wake:
        if view.phase != RoundPhase.SAMPLING or self.turns == 6:
            return super().move(name, view)
        self.turns += 1
        if self.turns == 3:
            self.tell_set(name, dict([next(iter(self.book.round(name).commitments.items()))]), "two")
            self.voice.say(name, "seek", {"root": self.root.hex()}, topic="root")
        return ACTED


def test_who_told_a_set_and_then_another_stops_nobody(tiny_stage: Any) -> None:
    stage = tiny_stage(providers=(Provider, Provider, Mute))
    parties = stage.network.parties
    parties["aggregator-1"] = Inventor(parties["aggregator-1"].world)
    stage.play()
    assert parties["aggregator-1"].turns == 6


class Insider(Provider):
    """Need not look at the job that it bids for."""

    behaviour = "insider"

    def look(self, job: int) -> None:
        """Nothing."""


def test_nobody_is_drawn_for_what_nobody_could_look_at(tiny_stage: Any) -> None:
    stage = tiny_stage(providers=(Insider, Insider))
    network, blobs = stage.network, stage.network.blobs._blobs
    withheld = dict(blobs)
    blobs.clear()
    stage.post()
    jobs = network.ledger.jobs
    network.run(lambda: jobs.view_of(stage.job).phase >= JobPhase.ENLISTING, turns_max=600)
    blobs.update(withheld)
    assert not any(drawn.validators for drawn in stage.said(Drawn))
    honest = {stage.address(name) for name in (*stage.honest("validator"), *stage.honest("aggregator"))}
    assert honest <= {event.account for event in stage.said(Abstained)}


def test_what_could_not_be_fetched_was_promised_no_memory(tiny_stage: Any) -> None:
    stage = tiny_stage()
    decoy, blobs = stage.post(), stage.network.blobs._blobs
    for cid in [cid for cid in blobs if len(blobs[cid]) == 60 * 32]:
        del blobs[cid]
    validator = stage.network.parties["validator-1"]
    validator.tick()
    assert not validator.fitness._spaces.get(decoy)


DECOY = CHEATS["decoy-commitment"].load()


class Twin(DECOY):  # type: ignore[misc,valid-type]
    """The same, of the same origin: that is an equivocation."""

    other: ClassVar = {"transcript_root": bytes([7]) * 32}


class Splitter(Provider):
    """Trains honestly, enters directly, and opens. But every other validator hears, before, of work from another start,
    and the rest, once the round's root is fixed, what stands."""

    behaviour = "splitter"
    told = False
    friends: frozenset[str] = frozenset()

    def whisper(self, name: RoundName, piece: Any, first: int, **changes: bytes) -> None:
        said = replace(piece.commitment, **changes)
        content: dict[str, object] = {"commitments": [commitment_content(said, self.sign(said))]}
        for validator in [each for each in self.clerk.validators(name[0]) if each in self.friends][first::2]:
            self.world.say("commitments", name, content, validator)

    def tell(self, name: RoundName, piece: Any) -> None:
        self.pieces[name] = piece
        self.whisper(name, piece, 1, start_root=bytes([7]) * 32)

    def enter(self, name: RoundName, view: Any, piece: Any) -> Wake:
        return self.include_itself(name, piece)

    def stand(self, name: RoundName, view: Any, piece: Any) -> Wake:
        if not self.told:
            self.told = True
            self.whisper(name, piece, 0)
        return IDLE


def test_who_tells_half_of_the_validators_something_else_splits_no_quorum(tiny_stage: Any) -> None:
    mute = CHEATS["silent-validator"].load()
    stage = tiny_stage(providers=(Provider, Provider, Splitter), validators=(*(Validator,) * 4, mute))
    stage.network.parties["provider-3"].friends = frozenset(map(stage.address, stage.honest("validator")))
    stage.play()
    assert len(stage.said(Committed)) == 1
    assert not any(event.optimistic for event in stage.said(Aggregated))


@pytest.mark.parametrize("kind", [DECOY, Twin])
def test_what_cannot_be_demanded_keeps_no_quorum_waiting(tiny_stage: Any, kind: type[Provider]) -> None:
    stage = tiny_stage(providers=(Provider, Provider, kind))
    stage.play()
    assert len(stage.said(Committed)) == 1, "one drawing is enough"
    assert not any(event.optimistic for event in stage.said(Aggregated))
    assert not stage.paid("provider-3")
