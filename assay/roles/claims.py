"""What the accused has claimed, with every proof, as the contract takes it to a dispute."""

from assay.chain.contracts.containers import Claim, RoundView
from assay.chain.contracts.containers import Entry as ChainEntry
from assay.protocol.commitment import Commitment
from assay.protocol.phase import Target
from assay.protocol.table import Table, aggregate_digest
from assay.protocol.transcript import ZERO, Leaf
from assay.roles.finding import Disagreement
from assay.roles.forms import chain_leaf, on_chain
from assay.roles.judge import Judge
from assay.roles.round import RoundName

NOBODY = "0x" + "00" * 20
NO_ENTRY = ChainEntry(0, 0, ZERO)


def claim_of(judge: Judge, name: RoundName, view: RoundView, disagreement: Disagreement) -> Claim:
    """What a disagreement is about; a slot's opening and a table's rows must be here."""
    if disagreement.target == Target.AGGREGATE:
        return aggregate_claim(name, aggregate_digest(view.end_root, view.score))
    commitment, proof, signature = judge.party.standing(name, disagreement.slot)
    opened = judge.openings.of(name, view, disagreement.slot)
    assert opened is not None
    assert opened.transcript is not None
    transcript, segment = opened.transcript, disagreement.segment
    before, after = Leaf(0, ZERO), transcript.leaves[-1]
    if disagreement.target == Target.SEGMENT:
        before, after = transcript.leaves[segment], transcript.leaves[segment + 1]
    told = judge.tables.rows(name, disagreement.accused) if disagreement.target == Target.TABLE else None
    rows = None if told is None else Table(told)
    return Claim(
        target=disagreement.target,
        commitment=commitment,
        commitment_proof=tuple(proof),
        signature=signature,
        secret=transcript.secret,
        before=chain_leaf(before),
        before_proof=tuple(transcript.proof(before.index)),
        after=chain_leaf(after),
        after_proof=tuple(transcript.proof(after.index)),
        validator=disagreement.accused if rows else NOBODY,
        entry=ChainEntry(**vars(rows.entries[disagreement.row])) if rows else NO_ENTRY,
        entry_index=disagreement.row,
        entry_count=len(rows.entries) if rows else 0,
        entry_proof=tuple(rows.proof(disagreement.row)) if rows else (),
    )


def aggregate_claim(name: RoundName, disputed: bytes) -> Claim:
    """What a round comes to, as it stands on chain: the digest of its end root and score."""
    leaf = chain_leaf(Leaf(0, ZERO))
    return Claim(
        target=Target.AGGREGATE,
        commitment=on_chain(Commitment(*name, 0, NOBODY, ZERO, ZERO, disputed, ZERO, ZERO)),
        commitment_proof=(),
        signature=b"",
        secret=ZERO,
        before=leaf,
        before_proof=(),
        after=leaf,
        after_proof=(),
        validator=NOBODY,
        entry=NO_ENTRY,
        entry_index=0,
        entry_count=0,
        entry_proof=(),
    )
