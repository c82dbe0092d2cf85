"""The slots whose secrets are out: each opening checked against what was committed, and the update behind it."""

from dataclasses import dataclass
from typing import Any

from assay.chain.contracts.containers import RoundView
from assay.proof.recompute import check_opening, check_update
from assay.proof.verdict import Verdict
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Malformed, Unavailable
from assay.protocol.transcript import ZERO, Transcript, secret_hash
from assay.roles.assignment import State
from assay.roles.forms import opening_json
from assay.roles.party import Party
from assay.roles.round import RoundName, drop
from assay.store.port import cid_of_hash
from assay.work.state import Signature


@dataclass(frozen=True)
class Opened:
    """A slot whose secret is out. `reason` says why it cannot be accepted; empty when it holds together.

    `plain`: the opened leaves themselves disprove it, and a contract sees that without a re-execution.
    """

    transcript: Transcript | None
    update: State | None
    end_cid: str
    reason: str = ""
    plain: bool = False


class Openings:
    """What one party has seen of them, each checked once; the work is metered as `verify` by default."""

    def __init__(self, party: Party) -> None:
        self._party, self._world = party, party.world
        self._opened: dict[tuple[RoundName, int], Opened] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._opened, job, below)

    def of(self, name: RoundName, view: RoundView, slot: int, *, final: bool = False) -> Opened | None:
        """A slot's opening, checked against its commitment; nothing while it has not been heard.

        `final`: no longer waits for bytes that are not served, or for what stands on chain to be made out.
        """
        known = self._opened.get((name, slot))
        if known is not None:
            return known
        if slot not in self._party.book.round(name).commitments:
            return None
        said = bool(self._said(name, slot))
        if not said and not (final and self._made_out(name, slot)):
            return None
        if not self._world.ledger.rounds.standing(*self._party.standing(name, slot)):
            if not final and self._party.leaves(name) is None:
                return None  # nobody has shown here yet what the round's root was made of
            return Opened(None, None, "", "its commitment does not stand on chain")
        if not said:
            return None  # it is called for on chain
        with self._world.compute.metered("verify"):
            opened = self._open(name, view, slot, final)
        if opened is not None:
            self._opened[name, slot] = opened
        return opened

    def _made_out(self, name: RoundName, slot: int) -> bool:
        """Whether it is known here which commitment of a slot stands. The secret of another, which its provider tells
        in its stead, cannot even be demanded."""
        return self._party.leaves(name) is not None or self._party.clerk.notices.leaf(name, slot) is not None

    def _said(self, name: RoundName, slot: int) -> list[dict[str, Any]]:
        """What was said of a slot's leaves, then what stands on chain of them."""
        page = self._party.book.round(name)
        said = page.openings.get(slot)
        commitment, _ = page.commitments[slot]
        shown = self._party.clerk.notices.opening(name, slot, commitment.transcript_root)
        on_chain = [] if shown is None else [{**opening_json(shown), "end": (said or {}).get("end", "")}]
        return ([] if said is None else [said]) + on_chain

    def _open(self, name: RoundName, view: RoundView, slot: int, final: bool) -> Opened | None:
        """The leaves, and whether they hold together."""
        page, assignment = self._party.book.round(name), self._party.assignment(name[0])
        commitment, _ = page.commitments[slot]
        openings = [each for each in self._said(name, slot) if _opens(commitment.secret_hash, each.get("secret"))]
        count = assignment.segment_count
        checked = [(check_opening(commitment, each, view.start_root, count), each) for each in openings]
        # A secret whose leaves do not lead to the root is no opening: the slot is called to open all of it on chain.
        found = [(transcript, verdict, each) for (transcript, verdict), each in checked if transcript is not None]
        if not found:
            return None
        transcript, verdict, opening = found[0]
        end_cid = str(opening.get("end", ""))
        if not verdict.honest:
            return Opened(transcript, None, end_cid, verdict.words, plain=True)
        if transcript.leaves[-1].update_root == ZERO:
            return Opened(transcript, None, end_cid, "the job faulted")
        unsealed = self._unseal(commitment, transcript, assignment.update_signature)
        if unsealed is None:
            return Opened(transcript, None, end_cid, "its update is not served") if final else None
        update, reason = unsealed
        return Opened(transcript, update, end_cid, reason)

    def _unseal(
        self, commitment: Commitment, transcript: Transcript, signature: Signature
    ) -> tuple[State | None, str] | None:
        """The update behind the leaves, or what is wrong with it; nothing while it is not served."""
        try:
            content = self._world.blobs.get(cid_of_hash(commitment.sealed_hash), signature.encoded_bytes)
        except Unavailable:
            return None
        except Malformed as error:
            return None, error.message
        update = check_update(commitment, transcript, content, signature)
        return (None, update.words) if isinstance(update, Verdict) else (update, "")


def _opens(committed: bytes, secret: object) -> bool:
    """Whether this is the committed secret, in hex."""
    try:
        return isinstance(secret, str) and secret_hash(bytes.fromhex(secret)) == committed
    except ValueError:
        return False
