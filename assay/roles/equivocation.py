"""Two commitments that one provider signed for one slot: shown to the chain, they cost it its whole lock.

Both have to have been heard. Of one that was entered directly the chain tells its hash alone; whole it stands in the
calldata of whoever disputes it, which no event repeats and which may have come through any contract.
"""

from assay.roles.book import Book
from assay.roles.clerk import Clerk
from assay.roles.forms import on_chain
from assay.roles.wake import IDLE, Wake


def expose(clerk: Clerk, book: Book, job: int) -> Wake:
    """Shows two commitments that were signed for one slot to the chain, while there is a lock to lose."""
    wake, rounds = IDLE, clerk.ledger.rounds
    for page in [page for name, page in book.rounds.items() if name[0] == job]:
        for slot, (one, one_signature, other, other_signature) in page.equivocations.items():
            if slot in clerk.open_slots(job) and _at_stake(clerk, job, one.provider):
                twins = (on_chain(one), one_signature, on_chain(other), other_signature)
                wake |= clerk.attempt(rounds.equivocate(*twins))
    return wake


def _at_stake(clerk: Clerk, job: int, account: str) -> int:
    obligation = clerk.ledger.jobs.obligation(job, account)
    return clerk.ledger.stakes.lock_of(obligation).amount
