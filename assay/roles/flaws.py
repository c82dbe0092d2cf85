"""What can be wrong with a job itself, so that nothing of it can be re-executed: its bytes are not to be had, or not
what its order says."""

from assay.chain.contracts.containers import RoundView
from assay.protocol.errors import AssayError, Overload, Unavailable
from assay.protocol.phase import RoundPhase
from assay.protocol.words import words_hash
from assay.roles.party import Party
from assay.roles.patience import Patience
from assay.roles.round import RoundName

UNSOUND, UNSERVED = words_hash("assay.fault.unsound.1"), words_hash("assay.fault.unserved.1")
"""Digests of faults that no program has met: a job's bytes do not fit its order, or nobody serves them."""


class Flaws:
    """What one party has found wrong with jobs."""

    def __init__(self, party: Party, patience: Patience) -> None:
        self._party, self._patience = party, patience
        self._unsound: set[int] = set()

    def of(self, name: RoundName, view: RoundView) -> bytes | None:
        """Digest of what is wrong with a round's job, if anything. Errors: `Unavailable` while its bytes are waited
        for."""
        job = name[0]
        if job not in self._unsound:
            # What the chain says of the job is asked before: a node's wrong answer is no flaw of it.
            self._party.clerk.order(job)
            try:
                self._party.assignment(job)
            except Unavailable:
                if view.phase >= RoundPhase.SAMPLING and self._patience.over(name, view):
                    return UNSERVED
                raise
            except Overload:
                raise  # that is this machine's trouble
            except AssayError as trouble:
                self._party.troubles[job] = trouble.message
                self._unsound.add(job)
        return UNSOUND if job in self._unsound else None

    def forget(self, job: int) -> None:
        """Looks anew at a job whose number the chain may have given to another order."""
        self._unsound.discard(job)
