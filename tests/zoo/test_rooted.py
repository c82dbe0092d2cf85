"""What a root was made of is known to all who check once one of them knows it, however many have kept two books."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from assay.chain.contracts.rounds import Committed, Disproved, Finalised, Included, Late
from assay.protocol.commitment import bitmap_slots
from assay.protocol.message import Message
from assay.protocol.phase import RoundPhase
from assay.roles.content import commitment_content
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.vote import Result, cast
from assay.roles.wake import IDLE

MANY = 7
"""More than the choices between two commitments that are searched for."""


class Muffled:
    """Peers of which some messages are lost."""

    def __init__(self, peers: Any, loses: Callable[[Message], bool]) -> None:
        self.peers, self.loses = peers, loses

    def send(self, message: Message) -> None:
        self.peers.send(message)

    def poll(self) -> list[Message]:
        return [message for message in self.peers.poll() if not self.loses(message)]


class TwoBooks(Provider):
    """Shows one commitment to one validator, and another to everybody else."""

    behaviour = "two-books"
    victim = ""

    def tell(self, name: Any, piece: Any) -> None:
        self.pieces[name] = piece
        other = replace(piece.commitment, transcript_root=self.world.entropy.draw(32))
        told = {self.victim: (other, self.sign(other))}
        for address in sorted(self.clerk.parties(name[0])):
            signed = told.get(address, (piece.commitment, piece.signature))
            self.voice.say(name, "commitments", {"commitments": [commitment_content(*signed)]}, address)


class HardOfHearing(Validator):
    """Honest; loses what the aggregator says while a round trains."""

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)

        def loses(message: Message) -> bool:
            view = self.world.ledger.rounds.view_of(message.job, message.generation, message.round)
            from_aggregator = message.sender == self.world.ledger.jobs.aggregator_of(message.job)
            return from_aggregator and view.phase == RoundPhase.TRAINING

        world.peers = Muffled(world.peers, loses)


class Echo(Validator):
    """Vouches for roots, and then says of a round what one other says, whatever it is."""

    behaviour = "echo"
    other = ""

    def serve(self, name: Any, view: Any) -> Any:
        self.signatory.sign_result = self.repeat  # type: ignore[method-assign]
        return super().serve(name, view)

    def repeat(self, name: Any, view: Any) -> Any:
        heard = self.book.round(name).votes.get("Result", {}).get(self.other)
        result = Result.from_json(heard) if heard else None
        return (
            IDLE if result is None else cast(self, name, "Result", result.values(name, view.drawing), result.to_json())
        )


def unharmed(stage: Any, honest: int) -> None:
    """The honest slots entered, judged once, and nobody honest paid for what others had not heard."""
    addresses = {stage.address(f"provider-{at + 1}") for at in range(honest)}
    assert len(stage.said(Committed)) == 1
    assert len(stage.said(Finalised)) == 1
    assert set(range(honest)) <= set(bitmap_slots(list(stage.said(Included)[0].included)))
    assert not addresses & {event.provider for kind in (Late, Disproved) for event in stage.said(kind)}
    for at in range(honest):
        assert stage.paid(f"provider-{at + 1}") == stage.price()


def test_many_with_two_books_do_not_hide_a_root_from_who_checks(set_up: Any, ledgers: Any) -> None:
    stage = set_up(honest=1, providers=(TwoBooks,) * MANY, validators=(Echo, HardOfHearing, Validator))
    TwoBooks.victim = Echo.other = stage.address("validator-2")
    stage.play()
    liars = {stage.address(f"provider-{2 + at}") for at in range(MANY)}
    assert {event.provider for event in stage.said(Disproved)} == liars
    assert {event.slashed for event in stage.said(Disproved)} == {stage.order.provider_stake}
    unharmed(stage, 1)
    ledgers.conserved(stage)


class Whisperer(Provider):
    """Tells its commitment to everybody but one validator."""

    behaviour = "whisperer"

    def tell(self, name: Any, piece: Any) -> None:
        self.pieces[name] = piece
        content: dict[str, object] = {"commitments": [commitment_content(piece.commitment, piece.signature)]}
        for address in sorted(self.clerk.parties(name[0]) - {Echo.other}):
            self.voice.say(name, "commitments", content, address)


def test_a_commitment_that_some_have_not_heard_does_not_hide_the_others(set_up: Any, ledgers: Any) -> None:
    stage = set_up(honest=2, providers=(Whisperer,), validators=(Echo, HardOfHearing, Validator))
    Echo.other = stage.address("validator-2")
    stage.play()
    unharmed(stage, 2)
    ledgers.conserved(stage)
