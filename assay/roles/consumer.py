"""A consumer: orders a training job, pays into escrow, and takes the model.

publish -> post -> close -> draw -> start -> (rounds) -> end -> mint -> fetch
"""

import json
from hashlib import sha256

from assay.aggregate.rules import check_rule
from assay.chain.contracts.containers import Order, Windows
from assay.chain.contracts.jobs import Posted
from assay.chain.contracts.models import Models
from assay.protocol.errors import Refused
from assay.protocol.job import Job
from assay.protocol.order import Roots, order_of
from assay.protocol.phase import JobPhase
from assay.roles import overdue
from assay.roles.assignment import Document, has_classes, signature_of
from assay.roles.clerk import Clerk
from assay.roles.settle import settle
from assay.roles.wake import IDLE, Wake
from assay.roles.world import World
from assay.store.manifest import publish
from assay.store.samples import Samples
from assay.work.program import Bundle
from assay.work.state import state_root


class Consumer:
    """Posts orders and sees them through; every step after posting could be taken by anybody else."""

    behaviour = "honest"

    def __init__(self, world: World) -> None:
        self.world = world
        self.clerk = Clerk(world)

    def publish(self, job: Job, bundle: Bundle, train: Samples, test: Samples) -> tuple[Document, Roots]:
        """Puts programs, initial state and samples where strangers can fetch them. From here on they are public.

        Errors: `Refused` where the programs aggregate by another rule than the job's.
        """
        check_rule(job, bundle)
        blobs, state = self.world.blobs, list(bundle.state.values())
        (train_manifest, train_cid), (test_manifest, test_cid) = publish(blobs, train), publish(blobs, test)
        document = Document(
            job=json.loads(job.document),
            programs=blobs.put(bundle.to_bytes()),
            state=blobs.put(signature_of(bundle).encode(state)),
            train=train_cid,
            test=test_cid,
        )
        blobs.put(document.to_bytes())
        roots = Roots(
            bundle.root, train_manifest.root, test_manifest.root, state_root(state), classes=has_classes(bundle)
        )
        return document, roots

    def post(self, order: Order) -> int:
        """Pays the worst cost into escrow and posts. The order's blobs must have been published. Errors: `Refused`."""
        jobs = self.world.ledger.jobs
        cost = jobs.cost(order)
        if not self.clerk.fund(order.token, cost):
            raise Refused(f"the wallet does not hold the {cost} units that the job may cost", hint="fund it first")
        sent = jobs.post(order).send()
        return jobs.find(sent, Posted)[0].event.job

    def tick(self) -> Wake:
        """One turn."""
        self.clerk.refresh()
        for job in self.clerk.rewritten():
            self.clerk.reopen(job)
        wake = IDLE
        for job in self.clerk.jobs():
            wake |= self.see_through(job) if self.minds(job) else self.clerk.close(job, unseen=True)
        return wake

    def minds(self, job: int) -> bool:
        """Whether a job is this consumer's: the chain says who posted it."""
        return self.clerk.view(job).consumer == self.world.address

    def see_through(self, job: int) -> Wake:
        """Takes the next step of a job's life as soon as its time has come."""
        view = self.clerk.view(job)
        over = view.ended or view.phase in (JobPhase.DONE, JobPhase.CANCELLED)
        return self.take(job) if over else overdue.take(self.clerk, job)

    def take(self, job: int) -> Wake:
        """Mints the model of a complete job and closes the file."""
        wake = IDLE
        if self.world.ledger.rounds.complete(job) and not self.world.ledger.open(Models).token_of(job):
            wake = self.clerk.attempt(self.world.ledger.open(Models).mint(job))
        return wake | settle(self.world, self.clerk, job)


def chain_order(job: Job, document: Document, roots: Roots, token: str, decimals: int) -> Order:
    """The order as the contracts take it; its document is the published one, which holds the job's own."""
    order = order_of(job, roots, token=token, decimals=decimals)
    windows = Windows(**vars(order.windows))
    return Order(**{**vars(order), "document": sha256(document.to_bytes()).digest(), "windows": windows})
