"""Ctrl-C at any point of posting and watching: whoever does it again ends where one would have without it."""

from collections.abc import Callable
from typing import Any

import pytest
from own_jobs import make_net, tiny_job, tiny_samples

import assay
from assay.api.sdk import Network
from assay.chain.rpc import Rpc
from assay.protocol.errors import Refused
from assay.store.memory import MemoryBlobs

Step = tuple[type, str]
STEPS: dict[str, Step] = {"a transaction": (Rpc, "request"), "a blob": (MemoryBlobs, "put")}
SENDING = "eth_sendRawTransaction"


class Interrupter:
    """Ctrl-C before, or right after, the n-th of something this process does."""

    def __init__(self, patch: pytest.MonkeyPatch, step: Step, at: int, *, after: bool) -> None:
        self.count, self.at, self.after = 0, at, after
        kind, name = step
        self.inner: Callable[..., Any] = getattr(kind, name)
        interrupter = self

        def call(self_: Any, *args: Any, **kwargs: Any) -> Any:
            interrupter.count += name == "put" or args[0] == SENDING
            hit = interrupter.count == interrupter.at and (name == "put" or args[0] == SENDING)
            if hit and not interrupter.after:
                raise KeyboardInterrupt
            done = interrupter.inner(self_, *args, **kwargs)
            if hit:
                raise KeyboardInterrupt
            return done

        patch.setattr(kind, name, call)


def post(net: Network) -> int:
    return net.post(tiny_job(), model=make_net(), data=tiny_samples()).number


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("what", STEPS)
def test_posting_may_be_interrupted_anywhere(what: str, after: bool) -> None:
    at, interrupted = 1, True
    while interrupted:
        with assay.connect(local=True, seed=f"resume {what} {at} {after}".encode().ljust(32)[:32]) as net:
            before = net.client.wallet
            with pytest.MonkeyPatch.context() as patch:
                Interrupter(patch, STEPS[what], at, after=after)
                try:
                    post(net)
                    interrupted = False
                except KeyboardInterrupt:
                    pass
            jobs = net.client.world.ledger.jobs
            try:
                number = post(net)
            except Refused as stands:
                number = stands.fields["job"]
            assert number == jobs.job_count() == 1, "it is posted once, however often it was tried"
            assert net.client.wallet == before - jobs.view_of(1).deposited, "and paid once"
            at += 1
    assert at > 3, "approval, deposit, order"


def test_watching_may_be_interrupted_after_any_event() -> None:
    with assay.connect(local=True, seed=b"resume watching".ljust(32)) as net:
        job, heard = net.job(post(net)), 0
        while True:
            events = job.events()
            told = []
            for event in events:
                told.append(str(event))
                if len(told) > heard + 3:
                    break  # interrupted
            else:
                break
            events.close()
            heard = len(told)
        assert told[-1] == "job 1 is over"
        assert job.status()["complete"]
