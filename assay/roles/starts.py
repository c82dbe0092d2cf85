"""The states that segments begin from, as providers serve them: each opens itself against its slot's commitment."""

from typing import Any

from assay.chain.contracts.containers import RoundView
from assay.proof.served import LeafOpening, read_start
from assay.proof.verdict import Verdict
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Malformed, Unavailable
from assay.roles.assignment import State
from assay.roles.party import Party
from assay.roles.round import RoundName, drop


class Starts:
    """What one party was served, and what it passes on of it."""

    def __init__(self, party: Party) -> None:
        self._party, self._world = party, party.world
        self._relayed: set[tuple[RoundName, int, int]] = set()
        self._taken: dict[tuple[RoundName, int, int], str] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._relayed, job, below)
        drop(self._taken, job, below)

    def find(self, name: RoundName, view: RoundView, slot: int, segment: int) -> State | None:
        """The committed state before a segment: served by the provider, opened against its commitment and re-hashed;
        nothing of a segment that the round does not have. Asks for it where it is not here."""
        if not 0 <= segment < self._party.clerk.segments(name[0]):
            return None
        if segment == 0:
            return self._party.state(name[0], view.start_root)
        page = self._party.book.round(name)
        for served in page.served.get((slot, segment), {}).values():
            state = self._read(name, slot, segment, served)
            if state is not None:
                self._taken[name, slot, segment] = str(served["cid"])
                self._party.voice.hush(name, "request", self._party.clerk.providers(name[0])[slot], (slot, segment))
                return state
        self.ask(name, slot, segment)
        return None

    def address(self, name: RoundName, slot: int, segment: int) -> str | None:
        """Where the start state lies that was served of a segment, if one was."""
        return self._taken.get((name, slot, segment))

    def at(self, name: RoundName, cid: str) -> State | None:
        """The state that was taken from there; nothing where it is not to be had any more."""
        signature = self._party.assignment(name[0]).signature
        try:
            return signature.decode(self._world.blobs.get(cid, signature.encoded_bytes))
        except (Malformed, Unavailable):
            return None

    def ask(self, name: RoundName, slot: int, segment: int) -> None:
        """Asks a slot's provider for a start state."""
        provider = self._party.clerk.providers(name[0])[slot]
        self._party.voice.say(name, "request", {"slot": slot, "segment": segment}, provider, (slot, segment))

    def relay(self, name: RoundName, slot: int, segment: int) -> None:
        """Passes on to everybody, once, a start state that this party was served: it opens itself, so the word of the
        provider is not needed, and a provider that serves one state to some only gains nothing."""
        key, count = (name, slot, segment), self._party.assignment(name[0]).segment_count
        for served in self._party.book.round(name).served.get((slot, segment), {}).values():
            if key not in self._relayed and self._read(name, slot, segment, served) is not None:
                self._relayed.add(key)
                leaf = LeafOpening.from_json(served["leaf"], count).to_json()
                content = {"slot": slot, "segment": segment, "cid": str(served["cid"]), "leaf": leaf}
                self._party.voice.say(name, "state", content, topic=(slot, segment))

    def _stands(self, name: RoundName, slot: int, commitment: Commitment) -> bool:
        """Whether a commitment that was heard is the one on chain, as far as that is known here."""
        leaf = self._party.clerk.notices.leaf(name, slot) or (self._party.leaves(name) or {}).get(slot)
        return leaf is None or leaf == commitment.leaf(*self._party.clerk.place)

    def _read(self, name: RoundName, slot: int, segment: int, served: dict[str, Any]) -> State | None:
        assignment, signed = self._party.assignment(name[0]), self._party.book.round(name).commitments.get(slot)
        if signed is None or not self._stands(name, slot, signed[0]):
            return None  # what it should open itself against has not been heard, or is not what was entered
        commitment, _ = signed
        try:
            with self._world.compute.metered("verify"):
                opening = LeafOpening.from_json(served["leaf"], assignment.segment_count)
                content = self._world.blobs.get(str(served["cid"]), assignment.signature.encoded_bytes)
                state = read_start(commitment, opening, content, assignment.signature, assignment.segment_count)
        except (Malformed, Unavailable, KeyError):
            return None
        return None if isinstance(state, Verdict) or opening.index != segment else state
