"""Checking a bundle of evidence offline: does what was signed and opened fit what the chain said, and the money too?

Nothing here needs torch or a network. What it takes on trust are the logs themselves, which any node of that chain can
confirm (`assay.api.anchors`). Re-execution is `assay.api.reexecute`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import product
from typing import Any

from assay.api.account import Kind
from assay.api.bundle import BundleBlobs, Evidence, RoundEvidence, RoundName
from assay.api.finding import Finding
from assay.api.ordered import Ordered
from assay.chain.contracts.jobs import AggregatorReplaced, Drawn, Ended, Matched, ValidatorReplaced
from assay.chain.contracts.models import Minted
from assay.chain.contracts.rounds import (
    Aggregated,
    Claimed,
    Committed,
    Disproved,
    Finalised,
    Included,
    Penalised,
    RoundOpened,
    SlotCommitted,
    TableRevealed,
    Voided,
)
from assay.chain.contracts.vault import Moved
from assay.protocol.commitment import bitmap_slots, commitment_root
from assay.protocol.errors import AssayError, LimitExceeded, Malformed
from assay.protocol.table import Entry, table_root
from assay.protocol.transcript import ZERO, SlotName, Transcript, secret_hash
from assay.protocol.typed import Domain, bitmap_hash, recover, typed_digest

CHOICES_MAX = 8
"""Slots that were entered by their providers whose place in the root is searched for; each doubles the search."""
SEARCH_MAX = 1 << 23
"""Leaves of all roots of commitments that are built for one bundle: some ten seconds' worth of hashes."""
PROVIDERS_MAX = 1024
"""Slots of a job."""


class Verifier(Ordered):
    """The checks of one bundle."""

    def __init__(self, evidence: Evidence, blobs: BundleBlobs) -> None:
        super().__init__(evidence, blobs)
        self.domain = Domain(evidence.chain_id, self._address("Rounds"))
        self._searched = 0
        self._transcripts: dict[tuple[RoundName, int], Transcript | None] = {}

    def _address(self, name: str) -> str:
        if name not in self.evidence.contracts:
            raise Malformed(f"the bundle does not say where {name} is")
        return self.evidence.contracts[name]

    def run(self) -> Iterator[Finding]:
        """All checks, in order."""
        checks: tuple[tuple[str, Callable[[Finding], None]], ...] = (
            ("order", self.check_order),
            ("commitments", self.check_commitments),
            ("openings", self.check_openings),
            ("states", self.check_states),
            ("tables", self.check_tables),
            ("quorums", self.check_quorums),
            ("money", self.check_money),
            ("blobs", self.check_blobs),
        )
        for name, check in checks:
            finding = Finding(name)
            try:
                check(finding)
            except AssayError as error:
                finding.wrong.append(error.message)
            yield finding

    # what was committed and opened

    @cached_property
    def providers(self) -> tuple[str, ...]:
        """Who holds which slot."""
        matched = self.said(Matched)
        providers = matched[-1].providers if matched else ()
        if len(providers) > PROVIDERS_MAX:
            raise LimitExceeded("a job of too many slots", limit=PROVIDERS_MAX, actual=len(providers))
        return providers

    @cached_property
    def validators(self) -> frozenset[str]:
        """Everybody who ever held a seat."""
        drawn = [validator for event in self.said(Drawn) for validator in event.validators]
        return frozenset((*drawn, *(event.to for event in self.said(ValidatorReplaced))))

    def check_commitments(self, finding: Finding) -> None:
        """Each slot's commitment is signed by its provider, and together they give the root on chain."""
        direct = {((e.generation, e.round), e.slot): e.leaf for e in self.said(SlotCommitted)}
        for name, committed in self.by_round(Committed).items():
            each = self.evidence.rounds.get(name, RoundEvidence())
            leaves = {}
            for slot, evidence in each.slots.items():
                commitment = evidence.commitment
                named = (commitment.job, commitment.generation, commitment.round) == (self.evidence.job, *name)
                owner = slot < len(self.providers) and self.providers[slot] == commitment.provider
                leaf = commitment.leaf(self.domain.chain_id, self.domain.rounds)
                signed = direct.get((name, slot)) == leaf or self._signed(
                    commitment.typed, evidence.signature, commitment.provider
                )
                finding.check(
                    named and owner and signed, f"slot {slot} of round {_words(name)} is not its provider's word"
                )
                leaves[slot] = leaf
            present = set(slots_of(committed.present))
            if not present <= set(leaves):
                finding.miss(f"commitments of round {_words(name)}")
                continue
            itself = [slot for slot in leaves if (name, slot) in direct]
            holds = present <= set(itself) or self._gives(committed.commitment_root, leaves, itself)
            finding.check(holds, f"the commitments of round {_words(name)} do not give its root")

    def _gives(self, root: bytes, leaves: dict[int, bytes], itself: list[int]) -> bool:
        """Whether leaves give a root. Those of providers that entered themselves stand without it: the aggregator may
        have taken some of them in and left others out."""
        free, rest = itself[:CHOICES_MAX], {slot: leaf for slot, leaf in leaves.items() if slot not in itself}
        for chosen in product((True, False), repeat=len(free)):
            self._searched += len(self.providers)
            if self._searched > SEARCH_MAX:
                words = "which commitments gave their rounds' roots takes too long to find out"
                raise LimitExceeded(words, limit=SEARCH_MAX, actual=self._searched)
            taken = {slot for slot, there in zip(free, chosen, strict=True) if there} | set(itself[CHOICES_MAX:])
            if commitment_root({**rest, **{slot: leaves[slot] for slot in taken}}, len(self.providers)) == root:
                return True
        return False

    def _signed(self, values: dict[str, object], signature: bytes, signer: str) -> bool:
        return self._signer("Commitment", values, signature) == signer

    def _signer(self, kind: str, values: dict[str, object], signature: bytes) -> str:
        try:
            return recover(typed_digest(self.domain, kind, values), signature)
        except (Malformed, TypeError, ValueError, OverflowError):
            return ""

    def transcript(self, name: RoundName, slot: int) -> Transcript | None:
        """A slot's opened leaves, if they give what it committed."""
        if (name, slot) not in self._transcripts:
            self._transcripts[name, slot] = self._open(name, slot)
        return self._transcripts[name, slot]

    def _open(self, name: RoundName, slot: int) -> Transcript | None:
        evidence = self.evidence.rounds.get(name, RoundEvidence()).slots.get(slot)
        if evidence is None or evidence.opening is None:
            return None
        commitment, order = evidence.commitment, self.evidence.order
        work = SlotName(commitment.job, commitment.generation, commitment.round, commitment.slot, commitment.provider)
        try:
            count = order.steps_per_round // max(1, order.steps_per_segment)
            transcript = Transcript.from_json(work, evidence.opening, count)
        except Malformed:
            return None
        opens = secret_hash(transcript.secret) == commitment.secret_hash
        return transcript if opens and transcript.root == commitment.transcript_root else None

    def check_openings(self, finding: Finding) -> None:
        """Each included slot opened all its leaves: they give the committed root, and begin where the round begins."""
        opened = self.by_round(RoundOpened)
        for name, included in self.by_round(Included).items():
            for slot in slots_of(included.included):
                where = f"slot {slot} of round {_words(name)}"
                evidence = self.evidence.rounds.get(name, RoundEvidence()).slots.get(slot)
                if evidence is None or evidence.opening is None:
                    finding.miss(where)
                    continue
                transcript = self.transcript(name, slot)
                finding.check(transcript is not None, f"{where} does not open to its commitment")
                if transcript is not None and name in opened:
                    start = opened[name].start_root
                    begins = transcript.leaves[0].state_root == start == evidence.commitment.start_root
                    finding.check(begins, f"{where} began elsewhere")
                    finding.check(transcript.leaves[-1].update_root != ZERO, f"{where} has no update")

    def check_states(self, finding: Finding) -> None:
        """From the initial state to the registered one, each final round begins where the one before it ended."""
        opened, aggregated = self.by_round(RoundOpened), self.by_round(Aggregated)
        state, index, good_enough = self.evidence.order.state_root, 0, False
        for final in self.said(Finalised):
            name = (final.generation, final.round)
            finding.check(final.round == index, f"round {final.round} became final out of order")
            begins = name in opened and opened[name].start_root == state
            finding.check(begins, f"round {_words(name)} does not begin where the one before it ended")
            ends = name in aggregated and aggregated[name].end_root == final.end_root
            finding.check(ends, f"round {_words(name)} became final with another end than its aggregate's")
            state, index = final.end_root, index + 1
            good_enough = ends and aggregated[name].score >= self.evidence.order.stop_score
        for minted in self.said(Minted):
            finding.check(minted.state_root == state, "the registered model is not the last state")
            last = good_enough or index == self.evidence.order.rounds
            finding.check(last, "a model was registered before the last round")

    # who checked

    def check_tables(self, finding: Finding) -> None:
        """Validators' tables are those that they revealed, and what they found is what was committed."""
        revealed: dict[tuple[RoundName, str], bytes] = {}
        for event in self.said(TableRevealed):
            name = (event.generation, event.round)
            if (name, event.validator) in revealed:
                same = revealed[name, event.validator] == event.table_root
                finding.check(same, f"{event.validator} revealed two tables in round {_words(name)}")
                continue
            revealed[name, event.validator] = event.table_root
            rows = self.evidence.rounds.get(name, RoundEvidence()).tables.get(event.validator)
            who = f"{event.validator} in round {_words(name)}"
            if rows is None:
                finding.miss(f"the table of {who}")
                continue
            entries = _entries(rows)
            finding.check(
                entries is not None and table_root(entries) == event.table_root, f"the table of {who} is another"
            )
            for entry in entries or ():
                transcript = self.transcript(name, entry.slot)
                if transcript is None or entry.segment >= len(transcript.leaves) - 1:
                    continue
                start, end = transcript.leaves[entry.segment : entry.segment + 2]
                told = (start.state_root, end.state_root, end.loss_bits)
                agrees = (entry.start_root, entry.state_root, entry.loss_bits) == told
                judged = not self._judged.isdisjoint((event.validator, transcript.name.provider))
                finding.check(
                    agrees or judged, f"{who} found slot {entry.slot} segment {entry.segment} to be otherwise"
                )

    @cached_property
    def _judged(self) -> frozenset[str]:
        """Who was found out in this job, so that a disagreement with them is settled."""
        disproved, penalised = self.said(Disproved), self.said(Penalised)
        return frozenset((*(event.provider for event in disproved), *(event.account for event in penalised)))

    def check_quorums(self, finding: Finding) -> None:
        """A quorum of drawn validators has signed what was accepted and what the aggregate came to."""
        for name, included in self.by_round(Included).items():
            values: dict[str, object] = {
                **self._named(name),
                "drawing": self.evidence.rounds.get(name, RoundEvidence()).drawing,
                "accepted": bitmap_hash(list(included.accepted)),
                "included": bitmap_hash(list(included.included)),
                "served": included.served,
                "resultRoot": included.result_root,
            }
            aggregate = self.by_round(Aggregated).get(name)
            self._check_quorum(finding, name, "Result", values, optional=aggregate is not None and aggregate.optimistic)
            if aggregate is not None:
                values = {**self._named(name), "endRoot": aggregate.end_root, "score": aggregate.score}
                self._check_quorum(finding, name, "Aggregate", values, optional=aggregate.optimistic)

    def _check_quorum(
        self, finding: Finding, name: RoundName, kind: str, values: dict[str, object], *, optional: bool
    ) -> None:
        signers = set()
        for vote in self.evidence.rounds.get(name, RoundEvidence()).votes:
            if vote.kind == kind and vote.signer in self.validators and vote.signer not in signers:
                try:
                    signature = bytes.fromhex(vote.content["signature"])
                except (KeyError, TypeError, ValueError):
                    continue
                if self._signer(kind, values, signature) == vote.signer:
                    signers.add(vote.signer)
        quorum = self.evidence.order.quorum
        if len(signers) >= quorum:
            finding.held += 1
        elif not optional:
            finding.miss(f"{quorum - len(signers)} signatures under the {kind.lower()} of round {_words(name)}")

    def _named(self, name: RoundName) -> dict[str, object]:
        return {"job": self.evidence.job, "generation": name[0], "round": name[1]}

    # who was paid

    def check_money(self, finding: Finding) -> None:
        """Escrow and credit of the job are filled and emptied to the last unit, and paid for the work that counted."""
        matched = [event.price for event in self.said(Matched)] or [0]
        finding.check(matched == [self.evidence.price], "the price of a slot is not the one that was matched")
        key, balance = self.evidence.job.to_bytes(32, "big"), {Kind.ESCROW: 0, Kind.CREDIT: 0}
        claimed: dict[str, int] = {}
        for move in [event for event in self.events if isinstance(event, Moved)]:
            if move.token != self.evidence.order.token:
                continue
            if max(move.from_kind, move.to_kind) > max(Kind):
                raise Malformed("money moved between buckets that there are none of")
            source, target = Kind(move.from_kind), Kind(move.to_kind)
            if source in balance and move.from_key == key:
                balance[source] -= move.amount
                finding.check(balance[source] >= 0, f"more left the {source.name.lower()} than was in it")
            if target in balance and move.to_key == key:
                balance[target] += move.amount
            if (source, target) == (Kind.CREDIT, Kind.FREE) and move.from_key == key:
                account = "0x" + move.to_key[12:].hex()
                claimed[account] = claimed.get(account, 0) + move.amount
        for event in self.said(Claimed):
            finding.check(
                claimed.get(event.account.lower(), 0) == event.amount, f"{event.account} was paid another amount"
            )
        self._check_pay(finding)
        if self.said(Ended):
            finding.check(balance[Kind.ESCROW] == 0, f"{balance[Kind.ESCROW]} units are left in escrow after the end")
            if balance[Kind.CREDIT]:
                finding.miss(f"claims of {balance[Kind.CREDIT]} units")

    def _check_pay(self, finding: Finding) -> None:
        """Each final round credits the price of every included slot, half of every other accepted one, and the fees."""
        order, price, included = self.evidence.order, self.evidence.price, self.by_round(Included)
        forfeits = bool(self.said(Disproved) or self.said(Penalised) or self.said(AggregatorReplaced))
        for final in self.said(Finalised):
            name = (final.generation, final.round)
            fixed = included.get(name)
            if fixed is None:
                finding.check(False, f"round {_words(name)} was paid without an included set")
                continue
            full = len(slots_of(fixed.included))
            half = len(set(slots_of(fixed.accepted)) - set(slots_of(fixed.included)))
            most = full * price + half * (price // 2) + fixed.served.bit_count() * order.validator_fee
            exact = final.credited in (most, most + order.aggregator_fee)
            bounded = forfeits and final.credited <= most + order.aggregator_fee
            finding.check(exact or bounded, f"round {_words(name)} credits {final.credited} units and not {most}")
        for void in self.said(Voided):
            bound = self.round_cost(price)
            finding.check(void.credited <= bound, f"a void round {void.round} credits more than a round costs")


def slots_of(rows: Sequence[int]) -> list[int]:
    """The slots in a bitmap of the chain's. Errors: `LimitExceeded` for one of more slots than a job has."""
    if 256 * len(rows) > PROVIDERS_MAX:
        raise LimitExceeded("a set of too many slots", limit=PROVIDERS_MAX, actual=256 * len(rows))
    return bitmap_slots(rows)


def _entries(rows: list[Any]) -> list[Entry] | None:
    """A table's rows; nothing where they cannot be rows."""
    try:
        entries = [
            Entry(slot, segment, bytes.fromhex(start), bytes.fromhex(end), bits)
            for slot, segment, start, end, bits in rows
        ]
    except (TypeError, ValueError):
        return None
    counts = [part for each in entries for part in (each.slot, each.segment, each.loss_bits)]
    roots = [root for each in entries for root in (each.start_root, each.state_root)]
    fits = all(type(part) is int and 0 <= part < 1 << 32 for part in counts) and all(len(root) == 32 for root in roots)
    return entries if fits else None


def _words(name: RoundName) -> str:
    return f"{name[1]}" + (f" (generation {name[0]})" if name[0] else "")
