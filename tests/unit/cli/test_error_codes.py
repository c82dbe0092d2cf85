"""Every way to be refused, provoked from outside: its code, its exit code, a hint, and no traceback."""

import json
import pickle
import socket
import stat
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.api.bundle import EVIDENCE
from assay.api.home import Home, Record
from assay.api.local import LocalNetwork
from assay.api.sdk import Network
from assay.architectures import load_shipped
from assay.chain.embedded import EmbeddedChain
from assay.chain.server import ChainServer
from assay.cli import main, reference, session, verbs
from assay.protocol.errors import AssayError, BadKey, error_tree
from assay.protocol.sections import SECTIONS
from assay.store.disk import DiskBlobs
from assay.store.manifest import fetch_manifest
from assay.store.port import cid_of, hash_of
from assay.store.sources import read_npz
from assay.work.limits import Space

MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
    def forward(self, x):
        return self.layer(x.flatten(1))

class Glance(Net):
    def forward(self, x):
        return super().forward(x[:, :64])

class Fourier(Net):
    def forward(self, x):
        return torch.fft.fft(super().forward(x)).real
"""
KEYED = {kind.code for kind in error_tree(BadKey)}
CODES = {error.code: error.exit_code for error in error_tree() if error is not AssayError}


@dataclass
class Place:
    """A user's folder with a job file, and a network inside this process."""

    folder: Path
    network: LocalNetwork
    run: Callable[..., int]

    def job(self, **changes: str) -> str:
        """A job file of its own in which texts are replaced."""
        text = (self.folder / "job.toml").read_text()
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        path = self.folder / "changed.toml"
        path.write_text(text)
        return path.name

    def edited(self, old: str, new: str) -> list[str]:
        """Asking what a changed job file would cost, offline."""
        return ["quote", self.job(**{old: new}), "--offline", "--yes"]

    def data(self, x: Any, y: Any = None) -> list[str]:
        """Asking what a job on these samples would cost."""
        (self.folder / "data").mkdir(exist_ok=True)
        np.savez(self.folder / "data" / "a.npz", x=x, y=np.arange(60) % 3 if y is None else y)
        return self.edited("sklearn:digits", "folder:data")

    def raw(self, content: bytes) -> list[str]:
        """The same on a file of these bytes."""
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "data" / "a.npz").write_bytes(content)
        return self.edited("sklearn:digits", "folder:data")

    def bundle(self, name: str, content: bytes = b"x", *, link: bool = False, packed: bool = False) -> list[str]:
        """Checking a bundle with such a member."""
        member = zipfile.ZipInfo(name)
        if link:
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(self.folder / "b.assay", "w") as archive:
            archive.writestr(EVIDENCE, b"{}")
            archive.writestr(member, content, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
        return ["verify-bundle", "b.assay"]

    def model(self, state: Callable[[bytes], bytes]) -> list[str]:
        """Asking a fetched model whose state is changed."""
        from assay.roles.assignment import signature_of

        bundle, folder = load_shipped("digits-mlp"), self.folder / "model"
        folder.mkdir(exist_ok=True)
        lineage = {"format": "assay-lineage-1", "programs_root": bundle.root.hex(), "state_root": "00" * 32}
        (folder / "lineage.json").write_text(json.dumps(lineage))
        (folder / "programs.bin").write_bytes(bundle.to_bytes())
        encoded = signature_of(bundle).encode(list(bundle.state.values()))
        (folder / "state.safetensors").write_bytes(state(encoded))
        return ["infer", "model", "--input", "x.npy"]

    def home(self, name: str, **changes: Any) -> Home:
        """A home that speaks of this network's contracts."""
        home = Home.create(self.folder / name)
        deployment = self.network.network.ledger.deployment
        fields: dict[str, Any] = {"chain_id": deployment.chain_id, "url": "http://127.0.0.1:1"}
        home.keep(Record(**{**fields, "deployment": deployment, "token": self.network.token.address, **changes}))
        return home


@pytest.fixture(scope="module")
def network() -> Iterator[LocalNetwork]:
    here = LocalNetwork(b"errors".ljust(32))
    yield here
    here.close()


@pytest.fixture
def place(tmp_path: Path, network: LocalNetwork, monkeypatch: pytest.MonkeyPatch) -> Place:
    @contextmanager
    def opened(*given: Any) -> Iterator[Network]:
        yield Network(network.client(given[1] if len(given) > 1 else "me"))

    monkeypatch.setattr(session, "open_account", opened)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 8, 8), np.float32))
    assert main(["init", "model.py:Net", "--no-check", "--json"]) == 0
    return Place(tmp_path, network, lambda *words: main(list(words)))


Provoke = Callable[[Place], Any]
"""Words of a verb, or a call of a public function."""


def link(place: Place) -> list[str]:
    (place.folder / "elsewhere.npz").write_bytes(b"secret")
    (place.folder / "data").mkdir(exist_ok=True)
    (place.folder / "data" / "a.npz").symlink_to(place.folder / "elsewhere.npz")
    return place.edited("sklearn:digits", "folder:data")


def large_samples(place: Place) -> list[str]:
    """Samples that no transaction can show, though the model takes them."""
    (place.folder / "large").mkdir()
    np.savez(place.folder / "large" / "a.npz", x=np.zeros((60, 40_000), np.float32), y=np.arange(60) % 3)
    name = place.job(**{"sklearn:digits": "folder:large", "model:Net": "model:Glance"})
    return ["post", name, "--yes"]


def corrupt(place: Place) -> Callable[[], object]:
    blobs = DiskBlobs(place.folder / "blobs")
    cid = blobs.put(b"what was put")
    name = hash_of(cid).hex()
    (place.folder / "blobs" / name[:2] / name).write_bytes(b"what is there")
    return lambda: blobs.get(cid, 100)


def huge_manifest(place: Place) -> Callable[[], object]:
    blobs, cid = DiskBlobs(place.folder / "blobs"), cid_of(b"a manifest")
    path = place.folder / "blobs" / cid[7:9] / cid[7:]
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(10 << 30)
    return lambda: fetch_manifest(blobs, cid, bytes(32))


def bomb(place: Place) -> Callable[[], object]:
    path = place.folder / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((1 << 20, 16), np.float32), y=np.zeros(1 << 20, np.int64))
    assert path.stat().st_size < 1 << 20
    return lambda: read_npz(path, 1 << 24)


def other_chain(place: Place) -> Callable[[], object]:
    place.home("home", chain_id=place.network.network.ledger.deployment.chain_id + 1)
    chain = EmbeddedChain(7)
    server = ChainServer(chain, "operator")
    server.start()
    place.home("home", url=server.url, served=False)

    def ask() -> object:
        try:
            return Home.open(place.folder / "home").connect()
        finally:
            server.close()
            chain.close()

    return ask


def poor(place: Place) -> list[str]:
    place.network.wealth, before = 5, place.network.wealth
    place.network.client("poor")
    place.network.wealth = before
    return ["post", "job.toml", "--yes", "--account", "poor"]


def reverted(place: Place) -> Callable[[], object]:
    jobs = place.network.client("stranger").world.ledger.jobs
    return lambda: jobs.cancel(99).send()


def overflowing(place: Place) -> list[str]:
    (place.folder / "huge").mkdir()
    x = np.random.default_rng(0).random((60, 6), dtype="f4") * np.float32(1e30)
    np.savez(place.folder / "huge" / "a.npz", x=x, y=np.arange(60) % 3)
    return ["demo", "--data", "folder:huge", "--rounds", "1", "--providers", "2", "--cheaters", "", "--out", "out"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PROVOCATIONS: dict[str, tuple[str, Provoke]] = {
    "a flag of the wrong type": ("bad-input", lambda _: ["quote", "job.toml", "--offline=5"]),
    "a path that is not there": ("bad-input", lambda _: ["verify-bundle", "nothing.assay"]),
    "a job file that is not there": ("bad-input", lambda _: ["quote", "nothing.toml", "--offline"]),
    "a job file that is not TOML": ("bad-input", lambda place: place.edited("[job]", "[job")),
    "a name that the model's file has not": ("bad-key", lambda place: place.edited("model:Net", "model:Nett")),
    "a job file of the wrong type": ("wrong-value", lambda place: place.edited('budget = "250"', "budget = 250")),
    "a value out of range": ("wrong-value", lambda place: place.edited("rounds = 4", "rounds = 0")),
    "a value that is nearly one": ("wrong-value", lambda place: place.edited('"sgd"', '"sdg"')),
    "an unknown key": ("unknown-key", lambda place: place.edited("rounds = 4", "rouns = 4")),
    "an unknown section": ("unknown-key", lambda place: place.edited("[verify]", "[verifi]")),
    "a key that is missing": ("missing-key", lambda place: place.edited('budget = "250"', "")),
    "an impossible combination": (
        "impossible-combination",
        lambda place: place.edited("segment_steps = 2", "segment_steps = 7"),
    ),
    "f too large for the rule": (
        "too-many-byzantine",
        lambda place: place.edited("[aggregate]", '[aggregate]\nrule = "krum"\nbyzantine_max = 2'),
    ),
    "f with a rule that bears none": (
        "too-many-byzantine",
        lambda place: place.edited("[aggregate]", "[aggregate]\nbyzantine_max = 1"),
    ),
    "a budget under the quote": ("budget-too-small", lambda place: place.edited('"250"', '"0.00001"')),
    "a deadline under the windows": (
        "deadline-too-short",
        lambda place: place.edited("[job]", '[job]\ndeadline = "1m"'),
    ),
    "samples that no dispute could be about": ("undecidable", large_samples),
    "a wrong chain id": ("wrong-chain", other_chain),
    "a bundle of something else": ("malformed", lambda place: place.bundle("other")),
    "a corrupt blob": ("corrupt-blob", corrupt),
    "truncated safetensors": ("truncated", lambda place: place.model(lambda state: state[:-9])),
    "a pickle for safetensors": ("pickle", lambda place: place.model(lambda _: pickle.dumps([1], protocol=4))),
    "a pickle for data": ("pickle", lambda place: place.raw(pickle.dumps({"x": [1]}, protocol=5))),
    "objects in an array": ("pickle", lambda place: place.data(np.array([{}] * 60, object))),
    "unreadable data": ("unreadable-data", lambda place: place.raw(b"x,y\n1,2\n")),
    "NaN in the data": ("not-finite", lambda place: place.data(np.full((60, 6), np.nan, np.float32))),
    "NaN in training": ("job-at-fault", overflowing),
    "a 10 GB manifest": ("limit-exceeded", huge_manifest),
    "a zip bomb for data": ("decompression-bomb", bomb),
    "a zip bomb for a bundle": (
        "decompression-bomb",
        lambda place: place.bundle("blobs/" + "a" * 64, bytes(10 << 20), packed=True),
    ),
    "more memory than there is": ("overload", lambda _: lambda: Space(1 << 20).admit(1 << 30, 0, 0)),
    "path traversal": ("path-outside", lambda place: place.bundle("../../etc/passwd")),
    "a symbolic link in an archive": ("symbolic-link", lambda place: place.bundle("blobs/" + "a" * 64, link=True)),
    "a symbolic link to data": ("symbolic-link", link),
    "an operator without an exact form": ("unsupported", lambda _: ["init", "model.py:Fourier", "--out", "other.toml"]),
    "private data": (
        "refused",
        lambda place: place.edited("[data]", '[data]\nmode = "private"'),
    ),
    "an insufficient balance": ("insufficient-balance", poor),
    "a network that is down": (
        "unavailable",
        lambda place: ["models", "--home", str(place.home("down", operator="http://127.0.0.1:1/x").path)],
    ),
    "a missing blob": (
        "missing-blob",
        lambda place: lambda: DiskBlobs(place.folder / "blobs").get(cid_of(b"nowhere"), 100),
    ),
    "an unreachable node": (
        "unreachable-node",
        lambda _: ["demo", "--rpc", f"http://127.0.0.1:{free_port()}", "--out", "out"],
    ),
    "a revert": ("reverted", reverted),
}
"""What somebody does, the code of what it meets, and how it is done."""


@pytest.mark.parametrize("name", PROVOCATIONS)
def test_each_refusal_has_its_code_a_hint_and_no_traceback(
    name: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, provoke = PROVOCATIONS[name]
    words = provoke(place)
    if callable(words):
        words = trial(words, monkeypatch)
    capsys.readouterr()
    before = place.network.network.ledger.jobs.job_count()
    assert main([*words, "--json"]) == CODES[code]
    shown = capsys.readouterr()
    failure = json.loads(shown.out)
    assert (failure["error"], "Traceback" in shown.err) == (code, False)
    assert failure["message"]
    assert failure["hint"], "it says what to do next"
    assert len(failure["message"] + failure["hint"]) < 1_000, "what was given is not repeated at length"
    if code in KEYED:
        assert failure["key"].partition(".")[0] in SECTIONS or code == "unknown-key"
        assert failure["allowed"]
    if code == "reverted":
        assert failure["contract_error"]
    assert place.network.network.ledger.jobs.job_count() == before, "nothing was posted"


def trial(call: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A public function as a verb."""
    import typer

    def run(as_json: bool = typer.Option(False, "--json")) -> None:
        """Call it."""
        call()

    module = types.ModuleType("assay.cli.trial")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "assay.cli.trial", module)
    monkeypatch.setattr(verbs, "VERBS", (*verbs.VERBS, "trial"))
    return ["trial"]


@pytest.mark.parametrize(
    "name", ["an unknown key", "a budget under the quote", "truncated safetensors", "a missing blob"]
)
def test_people_are_shown_the_message_the_hint_and_the_code(
    name: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, provoke = PROVOCATIONS[name]
    words = provoke(place)
    if callable(words):
        words = trial(words, monkeypatch)
    capsys.readouterr()
    assert main(words) == CODES[code]
    shown = capsys.readouterr().err
    lines = shown.splitlines()
    assert lines[0].startswith("assay: ")
    assert lines[-2].startswith("  hint: ")
    assert lines[-1] == f"  code: {code}"
    assert ("  field: " in shown) == (code in KEYED)


def test_every_code_of_the_reference_is_provoked() -> None:
    page = reference.pages()["errors.md"]
    for code in CODES:
        assert f"\n## {code}\n" in page
    assert {code for code, _ in PROVOCATIONS.values()} == set(CODES)


def test_every_error_says_what_to_do() -> None:
    codes = [error.code for error in error_tree()]
    assert len(set(codes)) == len(codes)
    for error in error_tree():
        if error is not AssayError:
            assert error.remedy.endswith(".")
            assert error.exit_code == next(base for base in error.__mro__ if base.__base__ is AssayError).exit_code


SECRET = "correct-horse-battery-staple"


def with_secrets(place: Place) -> list[list[str]]:
    """Verbs that are given a secret, and refuse."""
    for name, content in (("password", SECRET), ("key", SECRET), ("key2", "ab" * 31 + SECRET)):
        (place.folder / name).write_text(content + "\n")
        (place.folder / name).chmod(0o600)
    home = place.home("secrets")
    home.new_account("me", "another one")
    port = free_port()
    return [
        ["claim", "--home", str(home.path), "--password-file", "password"],
        ["stake", "5", "--yes", "--home", str(home.path), "--password-file", "password", "--account", "nobody"],
        ["demo", "--rpc", f"http://127.0.0.1:{port}", "--key-file", "key", "--out", "out"],
        ["demo", "--rpc", f"http://127.0.0.1:{port}", "--key-file", "key2", "--out", "out"],
        ["demo", "--rpc", f"http://user:{SECRET}@127.0.0.1:{port}/{SECRET}?key={SECRET}", "--out", "out"],
        ["up", "--rpc", f"http://127.0.0.1:{port}/v3/{SECRET}", "--home", str(place.folder / "node")],
    ]


@pytest.mark.parametrize("index", range(6))
def test_no_refusal_shows_a_secret(index: int, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    words = with_secrets(place)[index]
    for extra in ([], ["--json"]):
        assert main([*words, *extra]) != 0
        shown = capsys.readouterr()
        assert SECRET not in shown.out + shown.err
    for log in place.folder.rglob("*.log"):
        assert SECRET not in log.read_text()
