"""The SDK: what a program or a notebook says.

net = assay.connect()
job = net.post(assay.Job.load("job.toml"), model=assay.capture(model, loss, optimizer))
for event in job.events():
    print(event)
job.audit(round=3, slot=1, step=17).honest
model = job.model()
"""

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import nn

from assay.api.client import Client
from assay.api.contest import Contest
from assay.api.descent import Digger
from assay.api.docket import Docket
from assay.api.draft import Draft, make_draft, read_samples
from assay.api.inspect import Address, Audit, Auditor, Wait, Watcher, replay
from assay.api.job import Job
from assay.api.model import Model, load_model
from assay.api.own_model import OwnModel, load_architecture
from assay.proof.verdict import Verdict
from assay.protocol.errors import AssayError, AtFault, BadInput, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.exam import SCALE

BLOB_MAX_BYTES = 64 << 20
HOME, ACCOUNT = ".assay", "me"
"""Folder below the user's own, and account, where none is named."""


class JobEvent(dict[str, Any]):
    """Something that happened in a job: its `kind` and what belongs to it; printed as one line."""

    @property
    def kind(self) -> str:
        """step, opened, wait, round, verdict or done."""
        return str(self["kind"])

    def __str__(self) -> str:
        match self.kind:
            case "opened":
                return f"round {self['round']} of {self['rounds']} begins"
            case "round":
                loss = "" if self["loss"] is None else f", loss {self['loss']:.4f}"
                accuracy = "" if self["accuracy"] is None else f", accuracy {self['accuracy']:.1%}"
                return f"round {self['index']}: {self['accepted']} accepted{loss}{accuracy}"
            case "verdict":
                return f"{self['subject']} {self['what']} {self['amount']}: {self['evidence']}"
        return str(self.get("text", self.kind))


class Network:
    """A network as one account sees it. Close it, or use it in a `with` statement."""

    def __init__(self, client: Client, close: Any = None) -> None:
        self.client = client
        self._close = close

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the connection; jobs go on."""
        if self._close is not None:
            self._close()
            self._close = None

    def draft(self, job: Job, model: OwnModel | nn.Module | None = None, data: object = None) -> Draft:
        """Everything that posting would publish, checked; nothing is sent."""

        def find(cid: str) -> bytes:
            return self.client.world.blobs.get(cid, BLOB_MAX_BYTES)

        return make_draft(job, model, read_samples(data), token=self.client.find_token(job.terms.token), find=find)

    def quote(
        self,
        job: Job,
        model: OwnModel | nn.Module | None = None,
        data: object = None,
        *,
        at_risk: str | None = None,
    ) -> dict[str, Any]:
        """Price, seconds, gas, cost of verification, detection, stakes. Nothing is spent.

        With `at_risk`, what a fraud would be worth in whole tokens, also the scheme that makes it not pay.
        """
        draft = self.draft(job, model, data)
        self.client.check(draft)
        quoted = draft.to_json(self.client.world.compute, self.client.gas_price_wei(), at_risk)
        missing = self.client.missing(draft) if self.client.is_live else ""
        if missing:
            quoted["notes"] = [*quoted["notes"], f"nobody could be matched now: it waits for {missing} with a stake"]
        return quoted

    def post(
        self, job: Job, model: OwnModel | nn.Module | None = None, data: object = None, *, again: bool = False
    ) -> "PostedJob":
        """Publishes and posts a job. Program, data and all weights become public. `again`: even if it stands already.

        Errors: `BadInput`, `Refused`, `Unsupported`, and nothing posted.
        """
        draft = self.draft(job, model, data)
        number = self.client.post(draft, again=again)
        return PostedJob(self, number, draft.own)

    def job(self, number: int) -> "PostedJob":
        """A job that stands, anybody's. Errors: `BadInput`."""
        self.client.view(number)
        return PostedJob(self, number)

    def models(self) -> list[dict[str, Any]]:
        """Registered models, oldest first."""
        from assay.api.lineage import list_models

        return list_models(self.client)


class PostedJob:
    """A job that stands on chain."""

    def __init__(self, net: Network, number: int, own: OwnModel | None = None) -> None:
        self.net, self.number, self.own = net, number, own
        self._notes: list[dict[str, Any]] = []
        client = net.client
        self._watcher = Watcher(
            client.open_world(), client.payment_of(number), number, self._notes.append, is_live=client.is_live
        )

    def __repr__(self) -> str:
        return f"<job {self.number}: {self.status()['phase']}>"

    def status(self) -> dict[str, Any]:
        """How it stands, and whom it waits for."""
        self._watcher.tick()
        return self._watcher.summary()

    def story(self) -> list[JobEvent]:
        """What has happened so far."""
        self._watcher.tick()
        return [JobEvent(note) for note in self._notes]

    def events(self) -> Iterator[JobEvent]:
        """What happens, from the beginning until the job is over; it is seen through on the way.

        Interrupt it whenever you like: whoever asks again hears everything again. Errors: `Unavailable`, `Refused` when
        the job ends without a model.
        """
        client, told = self.net.client, 0
        wait: tuple[Wait | None, int | None] = None, None
        while True:
            wake = client.push(self.number)
            # Asked first, so that what ends it is heard.
            is_over = client.over(self.number)
            self._watcher.tick()
            while told < len(self._notes):
                yield JobEvent(self._notes[told])
                told += 1
            if is_over:
                break
            waiting, frozen = self._watcher.waiting(), self._watcher.world.calendar.frozen_until_s()
            if waiting is not None and (waiting, frozen) != wait:
                yield JobEvent({"kind": "wait", "text": self._watcher.told(waiting)})
            wait = waiting, frozen
            client.pass_time(wake)
        yield JobEvent({"kind": "done", "text": f"job {self.number} is over"})

    def wait(self) -> "PostedJob":
        """Waits until it is over. Errors: as for `check_complete`."""
        for _ in self.events():
            pass
        self.check_complete()
        return self

    def check_complete(self) -> None:
        """Errors: `Unavailable` while it runs or when it was cancelled; `AtFault` when it was itself at fault."""
        view = self.net.client.view(self.number)
        watch = f"watch it with: assay watch {self.number}"
        if view.phase == JobPhase.CANCELLED:
            raise Unavailable(
                f"job {self.number} was cancelled", hint="its places were not taken, or you called it off"
            )
        if view.phase == JobPhase.FAULTED:
            raise AtFault(
                f"job {self.number} was itself at fault: training gave numbers that are not finite",
                hint=f"{SCALE}; see which operator: assay audit {self.number}",
                job=self.number,
            )
        if not self.net.client.world.ledger.rounds.complete(self.number):
            ended = "ended before its last round" if view.ended else "has not ended yet"
            raise Unavailable(f"job {self.number} {ended}", hint=watch)

    def audit(self, round: int | None = None, slot: int | None = None, step: int | None = None) -> Audit:
        """Re-executes this work here and compares it with what was committed: `.honest`, `.words`."""
        return Audit(tuple(self.auditor().audit(Address(self.number, round, slot, step))))

    def auditor(self) -> Auditor:
        """What audits, with everything heard that was said."""
        self.net.client.reader.hear()
        return Auditor(self.net.client.reader)

    def disputes(self) -> list[Contest]:
        """What was disputed in it, in order, and how far each dispute has come."""
        docket = self.docket()
        docket.read()
        return docket.contests()

    def docket(self) -> Docket:
        """What reads disputes, and reads on; nothing is read yet."""
        return Docket(self.net.client.world.ledger, self.number, self.digger().layout)

    def digger(self) -> Digger:
        """What follows a claim down to an element, with everything heard that was said."""
        self.net.client.reader.hear()
        return Digger(self.net.client.reader)

    def replay(self) -> Verdict:
        """Whether the final state follows from the initial one and the published updates."""
        self.net.client.reader.hear()
        return replay(self.net.client.reader, self.number)

    def trained(self) -> Model:
        """The trained model as the network knows it: programs, weights, lineage."""
        self.check_complete()
        return load_model(self.net.client, self.number)

    def model(self, module: nn.Module | None = None) -> nn.Module:
        """The agreed weights: in a copy of `module`, or of the one that was posted; else the committed program of
        predictions as a module. Errors: `BadInput` for a module that is not what was trained."""
        trained = self.trained()
        own = OwnModel(module) if module is not None else self.own or self._find_own(trained)
        return trained.module() if own is None else trained.fill(deepcopy(own.module))

    def _find_own(self, trained: Model) -> OwnModel | None:
        try:
            job = Job.from_tables(trained.assignment.document.job)
            assert isinstance(job, Job)
            own = load_architecture(job) if job.model.architecture.startswith("assay.architectures:") else None
        except AssayError:
            return None
        return own

    def fetch(self, folder: Path | str) -> list[Path]:
        """Writes weights, programs, model card and lineage into a folder. Errors: `BadInput` where it cannot."""
        from assay.api.lineage import write_model

        return write_model(self.net.client, self.trained(), Path(folder))

    def cancel(self) -> None:
        """Calls it off."""
        self.net.client.cancel(self.number)


def connect(
    home: Path | str | None = None,
    *,
    account: str | None = None,
    password: str | None = None,
    password_file: Path | str | None = None,
    local: bool = False,
    seed: bytes | None = None,
) -> Network:
    """A network: the one of a home folder (`ASSAY_HOME` or `~/.assay`, made by `assay up`), or with `local` one inside
    this process.

    With a password it acts as `account` ("me" if left out), without one it only looks. A local network has honest
    parties and simulated time, needs nothing, and is gone with the process; the same `seed` gives the same one. Errors:
    `BadInput`, `Unavailable` with what to do.
    """
    if local:
        from assay.api.local import LocalNetwork

        here = LocalNetwork(seed)
        return Network(here.client(), here.close)
    from assay.api.home import Home
    from assay.api.home_client import open_client
    from assay.chain.keystore import read_password

    place = Home.open(Path(home or os.environ.get("ASSAY_HOME") or Path.home() / HOME))
    try:
        if password is None and password_file is not None:
            password = read_password(Path(password_file))
        if password is None and account is not None:
            raise BadInput(f"account {account} has a password", hint="give password= or password_file=")
        signer = None if password is None else place.account(account or ACCOUNT, password)
        return Network(open_client(place, signer), place.close)
    except BaseException:
        place.close()
        raise
