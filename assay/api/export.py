"""Gathering a bundle of evidence from a network: the chain's logs of a job, what parties said of it, the bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from assay.api.bundle import Evidence, RoundEvidence, SlotEvidence, Vote, write_bundle
from assay.api.client import Client, Reader
from assay.chain.contracts.containers import RoundView
from assay.chain.contracts.disputes import ChallengeBegun, ChallengeOpened
from assay.chain.contracts.rounds import Committed, RoundOpened
from assay.chain.events import Emitted, Event
from assay.protocol.commitment import Commitment, bitmap_slots
from assay.protocol.errors import AssayError
from assay.roles.assignment import BUNDLE_MAX_BYTES, DOCUMENT_MAX_BYTES
from assay.roles.content import row_content
from assay.roles.forms import opening_json
from assay.roles.round import RoundName
from assay.store.manifest import MANIFEST_MAX_BYTES, SIZE_MAX_BYTES, Manifest
from assay.store.port import Blobs, cid_of_hash

OPENING = ("secret", "states", "losses", "update")
VOTES = ("Root", "Result", "Aggregate", "Fault")


def export_job(client: Client, job: int, path: Path, *, light: bool = False) -> dict[str, Any]:
    """Writes a job's bundle. `light` leaves all blobs out but the job's document: it can be checked, and not executed
    again. Errors: `BadInput`."""
    client.view(job)
    reader = client.reader
    reader.hear()
    evidence = gather(reader, job)
    contents = list(blobs_of(reader, job, evidence))
    if light:
        contents = contents[:1]
    size_bytes = write_bundle(path, evidence, contents)
    return {
        "job": job,
        "file": str(path),
        "bytes": size_bytes,
        "logs": len(evidence.logs),
        "rounds": len(evidence.rounds),
        "blobs": len(contents),
        "block": evidence.head,
    }


def gather(reader: Reader, job: int) -> Evidence:
    """Everything but the blobs."""
    ledger = reader.world.ledger
    page = ledger.open_cursor().drain()
    emitted = [each for log in page.added if (each := ledger.decode(log)) is not None]
    chosen = of_job(emitted, job)
    rounds: dict[tuple[int, int], RoundEvidence] = {}
    for each in chosen:
        if isinstance(each.event, RoundOpened | Committed):
            name = (job, each.event.generation, each.event.round)
            rounds[name[1:]] = _round(reader, name, ledger.rounds.view_of(*name))
    header = ledger.rpc.request("eth_getBlockByNumber", hex(page.head), False)
    view = ledger.jobs.view_of(job)
    return Evidence(
        chain_id=ledger.deployment.chain_id,
        contracts=dict(ledger.deployment.addresses),
        first_block=min(each.log.block_number for each in chosen),
        head=page.head,
        head_hash=bytes.fromhex(str(header["hash"]).removeprefix("0x")),
        job=job,
        price=view.price,
        order=ledger.jobs.order_of(job),
        logs=[each.log for each in chosen],
        rounds=rounds,
    )


def of_job(emitted: list[Emitted[Event]], job: int) -> list[Emitted[Event]]:
    """The events of all transactions in which a contract named the job, or a dispute in it."""
    named = {_about(each.event) for each in emitted if getattr(each.event, "job", None) == job} - {None}
    named |= {("Games", each.event.game) for each in emitted if _opens(each.event, job)}
    transactions = {
        each.log.transaction_hash
        for each in emitted
        if getattr(each.event, "job", None) == job or _about(each.event) in named
    }
    return [each for each in emitted if each.log.transaction_hash in transactions]


def _about(event: Event) -> tuple[str, int] | None:
    """The dispute or game that an event is of, with the contract that numbers it."""
    number = getattr(event, "game" if event.CONTRACT == "Games" else "dispute", None)
    return None if number is None else (event.CONTRACT, number)


def _opens(event: Event, job: int) -> TypeGuard[ChallengeOpened | ChallengeBegun]:
    return isinstance(event, ChallengeOpened | ChallengeBegun) and event.job == job


def _round(reader: Reader, name: RoundName, view: RoundView) -> RoundEvidence:
    page, found = reader.book.round(name), RoundEvidence(view.drawing)
    leaves = reader.leaves(name) or {}
    for slot in bitmap_slots(view.present):
        standing = _standing(reader, name, slot, leaves)
        if standing is None:
            continue
        commitment, signature = standing
        on_chain = reader.clerk.notices.opening(name, slot, commitment.transcript_root)
        opening = opening_json(on_chain) if on_chain is not None else page.openings.get(slot)
        found.slots[slot] = SlotEvidence(commitment, signature, _kept(opening))
    # Also of those who have lost their seats since.
    for validator, root in sorted(page.rooted):
        if root == reader.clerk.table_root(name, validator):
            found.tables[validator] = row_content(page.rooted[validator, root])
    for kind in VOTES:
        found.votes += [Vote(kind, signer, content) for signer, content in page.votes.get(kind, {}).items()]
    return found


def _kept(opening: dict[str, Any] | None) -> dict[str, Any] | None:
    """Of what was said at an opening, what opens."""
    return None if opening is None else {key: opening[key] for key in OPENING if key in opening}


def _standing(reader: Reader, name: RoundName, slot: int, leaves: dict[int, bytes]) -> tuple[Commitment, bytes] | None:
    page = reader.book.round(name)
    candidates = [page.commitments[slot]] if slot in page.commitments else []
    if slot in page.equivocations:
        candidates.append(page.equivocations[slot][2:])
    # What its provider entered itself stands before what the aggregator entered for it.
    leaf = reader.clerk.notices.leaf(name, slot) or leaves.get(slot)
    fitting = [each for each in candidates if each[0].leaf(*reader.clerk.place) == leaf]
    return next(iter(fitting), None)


def blobs_of(reader: Reader, job: int, evidence: Evidence) -> Iterator[bytes]:
    """Bytes that re-execution needs, as far as they are served; the job's document first."""
    blobs = reader.world.blobs
    yield from _served(blobs, [(cid_of_hash(evidence.order.document), DOCUMENT_MAX_BYTES)])
    try:
        assignment = reader.assignment(job)
    except AssayError:
        # A job that nobody could take on: what it consists of is not what its order says, or beyond all limits.
        return
    document, signature = assignment.document, assignment.signature
    wanted = [(document.programs, BUNDLE_MAX_BYTES), (document.state, signature.encoded_bytes)]
    for cid in (document.train, document.test):
        wanted.append((cid, MANIFEST_MAX_BYTES))
        wanted += [(blob, SIZE_MAX_BYTES) for blob in Manifest.from_bytes(blobs.get(cid, MANIFEST_MAX_BYTES)).blobs]
    for each in evidence.rounds.values():
        for slot in each.slots.values():
            wanted.append((cid_of_hash(slot.commitment.sealed_hash), assignment.update_signature.encoded_bytes))
    yield from _served(blobs, wanted)
    if reader.world.ledger.rounds.complete(job):
        state = reader.state(job, reader.world.ledger.rounds.final_state(job).root)
        if state is not None:
            yield signature.encode(state)


def _served(blobs: Blobs, wanted: list[tuple[str, int]]) -> Iterator[bytes]:
    for cid, size_max_bytes in wanted:
        try:
            yield blobs.get(cid, size_max_bytes)
        except AssayError:
            continue
