"""Posts something that is not a program: bytes to hang, to fill or to take over the machine that reads them."""

import io
import pickle
from collections.abc import Callable
from dataclasses import replace

from assay.protocol.job import Job
from assay.protocol.order import Roots
from assay.roles.assignment import Document
from assay.roles.consumer import Consumer
from assay.store.samples import Samples
from assay.work.limits import DEFAULT_LIMITS
from assay.work.program import Bundle


def oversize(bundle: Bundle) -> bytes:
    """More bytes than a provider reads."""
    return bundle.to_bytes().ljust(DEFAULT_LIMITS.program_bytes + 1, b"\0")


def flip(bundle: Bundle) -> bytes:
    """One bit is wrong."""
    content = bytearray(bundle.to_bytes())
    content[len(content) // 2] ^= 1
    return bytes(content)


class _Payload:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return exec, ("raise SystemExit('a stranger ran code here')",)


def pickled(_: Bundle) -> bytes:
    """A pickle that runs code when it is read."""
    sink = io.BytesIO()
    pickle.dump(_Payload(), sink)
    return sink.getvalue()


POISONS = {"oversized": oversize, "flipped": flip, "pickled": pickled}


class Cheat(Consumer):
    """A consumer that wants other people's machines. `poison` is a name in `POISONS`."""

    behaviour = "poisoned-program"
    poison = "oversized"

    def publish(self, job: Job, bundle: Bundle, train: Samples, test: Samples) -> tuple[Document, Roots]:
        document, roots = super().publish(job, bundle, train, test)
        poisoned = replace(document, programs=self.world.blobs.put(POISONS[self.poison](bundle)))
        self.world.blobs.put(poisoned.to_bytes())
        return poisoned, roots
