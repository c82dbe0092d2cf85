"""What the accused has claimed, with every proof, as the contract takes it to a dispute."""

from dataclasses import replace

from assay.chain.contracts.containers import Claim, RoundView
from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.chain.contracts.containers import Entry as ChainEntry
from assay.protocol.commitment import Commitment
from assay.protocol.phase import Target
from assay.protocol.table import Table, score_digest
from assay.protocol.transcript import ZERO, Leaf, Transcript
from assay.roles.finding import Disagreement
from assay.roles.forms import chain_leaf, on_chain
from assay.roles.judge import Judge
from assay.roles.party import Party
from assay.roles.round import RoundName

NOBODY = "0x" + "00" * 20
NO_ENTRY = ChainEntry(0, 0, ZERO, ZERO, 0)


def claim_of(judge: Judge, name: RoundName, view: RoundView, disagreement: Disagreement) -> Claim:
    """What a disagreement is about; a slot's opening and a table's rows must be here."""
    if disagreement.target in (Target.AGGREGATE, Target.SCORE):
        return aggregate_claim(name, view, disagreement.target)
    if disagreement.target == Target.TABLE:
        return table_claim(judge, name, disagreement)
    opened = judge.openings.of(name, view, disagreement.slot)
    assert opened is not None
    assert opened.transcript is not None
    return slot_claim(
        judge.party, name, opened.transcript, disagreement.target, disagreement.slot, disagreement.segment
    )


def table_claim(judge: Judge, name: RoundName, disagreement: Disagreement) -> Claim:
    """A row of a table."""
    shown = judge.tables.rows(name, disagreement.accused)
    assert shown is not None
    rows, index = Table(shown), disagreement.row
    commitment, proof, signature = judge.party.standing(name, disagreement.slot)
    return replace(
        NO_CLAIM,
        target=Target.TABLE,
        commitment=commitment,
        commitment_proof=tuple(proof),
        signature=signature,
        validator=disagreement.accused,
        entry=ChainEntry(**vars(rows.entries[index])),
        entry_index=index,
        entry_count=len(rows.entries),
        entry_proof=tuple(rows.proof(index)),
    )


def slot_claim(party: Party, name: RoundName, transcript: Transcript, target: Target, slot: int, segment: int) -> Claim:
    """The same about what a slot has opened."""
    commitment, proof, signature = party.standing(name, slot)
    before, after = Leaf(0, ZERO), transcript.leaves[-1]
    if target == Target.SEGMENT:
        before, after = transcript.leaves[segment], transcript.leaves[segment + 1]
    return replace(
        NO_CLAIM,
        target=target,
        commitment=commitment,
        commitment_proof=tuple(proof),
        signature=signature,
        secret=transcript.secret,
        before=chain_leaf(before),
        before_proof=tuple(transcript.proof(before.index)),
        after=chain_leaf(after),
        after_proof=tuple(transcript.proof(after.index)),
    )


def told(view: RoundView, target: Target) -> bytes:
    """What a round says on chain that it comes to, or scores."""
    return score_digest(view.end_root, view.score) if target == Target.SCORE else view.end_root


def aggregate_claim(name: RoundName, view: RoundView, target: Target) -> Claim:
    """What a round comes to, or scores, as it stands on chain."""
    return replace(NO_CLAIM, target=target, commitment=_commitment(name, told(view, target)))


def _commitment(name: RoundName, told: bytes) -> ChainCommitment:
    return on_chain(Commitment(*name, 0, NOBODY, ZERO, ZERO, told, ZERO, ZERO))


NO_CLAIM = Claim(
    target=Target.SEGMENT,
    commitment=_commitment((0, 0, 0), ZERO),
    commitment_proof=(),
    signature=b"",
    secret=ZERO,
    before=chain_leaf(Leaf(0, ZERO)),
    before_proof=(),
    after=chain_leaf(Leaf(0, ZERO)),
    after_proof=(),
    validator=NOBODY,
    entry=NO_ENTRY,
    entry_index=0,
    entry_count=0,
    entry_proof=(),
)
"""What a claim leaves empty."""
