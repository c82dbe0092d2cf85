"""Every decoder of bytes from outside, each with something that it reads; and the functions of `assay` behind them.

`tests/properties` give them hypothesis's bytes, `python -m tests.fuzz` those that reach new code.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np
import torch
from web3 import Web3

from assay.api.bundle import Evidence, open_bundle, write_bundle
from assay.api.figure import Bar, Figure, Line
from assay.api.home import Record
from assay.api.inspect import Address
from assay.api.lineage import read_folder, read_input
from assay.api.operator import read_log as read_network_log
from assay.architectures.ship import load_shipped
from assay.chain.contracts.disputes import Disputes
from assay.chain.contracts.jobs import Jobs
from assay.chain.contracts.rounds import Rounds
from assay.chain.deploy import Deployment
from assay.chain.embedded import EmbeddedChain
from assay.chain.events import read_log
from assay.chain.filters import parse_criteria
from assay.chain.journal import Journal
from assay.chain.keyfile import read_key
from assay.chain.keystore import address_of, create_keystore, read_password
from assay.chain.reverts import explain_revert
from assay.chain.rpc import read_bytes, read_object, read_quantity
from assay.chain.signer import KeySigner
from assay.chain.simulate import parse_quantity
from assay.chain.transactions import decode_transaction
from assay.proof.served import LeafOpening
from assay.protocol.job import Job
from assay.protocol.message import decode_body
from assay.protocol.plain import read_plain
from assay.protocol.transcript import SlotName, Transcript
from assay.protocol.typed import recover
from assay.protocol.units import parse_amount, parse_duration_s
from assay.roles.assignment import Document, signature_of
from assay.roles.vote import Result
from assay.store.manifest import Field, Manifest, describe
from assay.store.samples import Samples
from assay.store.sources import read_npz
from assay.training import checkpoint
from assay.work.initial import Rule
from assay.work.program import Bundle, Program, Side
from assay.work.state import Signature, state_root

WORD, ADDRESS = "0x" + "12" * 32, "0x" + "12" * 20
SLOT = SlotName(1, 0, 0, 0, ADDRESS)
LOG = {
    "address": ADDRESS,
    "topics": [WORD],
    "data": "0x",
    "blockNumber": "0x1",
    "blockHash": WORD,
    "transactionHash": WORD,
    "logIndex": "0x0",
}
JOB = b"""
[job]
name = "j"
budget = "250"
[match]
providers = 3
validators = 3
[model]
architecture = "a.b:c"
[data]
source = "sklearn:digits"
[train]
optimizer = { name = "sgd", lr = 0.5 }
"""
LEAF = {
    "index": 1,
    "state": "ab" * 32,
    "loss": "ab" * 32,
    "update": "ab" * 32,
    "salt": "ab" * 32,
    "proof": ["ab" * 32] * 2,
}
OPENING = {"secret": "ab" * 32, "states": ["ab" * 32] * 2, "losses": [0, 1], "update": "ab" * 32}
RESULT = {"accepted": [1], "included": [1], "served": 1, "root": "ab" * 32}
PLACED = {"chain_id": 1, "first_block": 0, "addresses": {"Vault": ADDRESS}}
EVIDENCE: dict[str, Any] = {
    "format": "assay-evidence-2",
    "chain_id": 1,
    "contracts": {"Vault": ADDRESS},
    "first_block": 0,
    "head": 1,
    "head_hash": "ab" * 32,
    "job": 1,
    "price": 1,
    "order": {},
    "logs": [[ADDRESS, ["ab" * 32], "", 1, "ab" * 32, "ab" * 32, 0]],
    "rounds": [],
}
FIGURE = Figure("a", "b", (Bar("c", "d", "e", 0, 3, 1),), (Line("claimed", "1.5 (0x3fc00000)", "claimed"),))
TENSORS = [torch.zeros(3, 2), torch.zeros(2)]
NOTE = checkpoint.Note("exact15", '{"lr":1}', 0, 3, state_root(TENSORS).hex(), {"x F32[4,2]": "ab" * 32})


@dataclass(frozen=True)
class Decoder:
    """How bytes are read, bytes that are right, and the functions that this reaches, as module:name."""

    read: Callable[[bytes], Any]
    sound: Callable[[], bytes]
    covers: tuple[str, ...]


def text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """A reader of text as one of bytes."""
    return lambda content: read(content.decode("utf-8", "replace"))


def value(read: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    """A reader of plain values as one of JSON."""
    return lambda content: read(read_plain(content, 1 << 20))


def file(read: Callable[[Path], Any], name: str = "given") -> Callable[[bytes], Any]:
    """A reader of files as one of bytes."""

    @cache
    def folder() -> Path:
        return Path(mkdtemp(prefix="decoders-"))

    def read_content(content: bytes) -> Any:
        path = folder() / name
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
        return read(path)

    return read_content


def as_json(plain: object) -> Callable[[], bytes]:
    """A plain value as JSON."""
    return lambda: json.dumps(plain).encode()


@cache
def shipped() -> Bundle:
    """A real bundle."""
    return load_shipped("digits-mlp")


@cache
def samples() -> Samples:
    """A small data set."""
    return Samples(np.ones((3, 2), np.float32), np.zeros(3, np.int64))


def npz() -> bytes:
    """The same as a file."""
    sink = BytesIO()
    np.savez_compressed(sink, x=samples().x, y=samples().y)
    return sink.getvalue()


def npy() -> bytes:
    """An array as a file."""
    sink = BytesIO()
    np.save(sink, samples().x)
    return sink.getvalue()


def transaction() -> bytes:
    """One that is signed."""
    fields = {"nonce": 1, "gas": 21_000, "maxFeePerGas": 2, "maxPriorityFeePerGas": 1, "value": 3, "data": b"ab"}
    return KeySigner(b"\1" * 32).sign_transaction({**fields, "to": ADDRESS, "chainId": 31_337, "type": 2})


def signature() -> Signature:
    """Form of a small state."""
    return Signature.of({"w": torch.zeros(3, 2), "b": torch.zeros(2)})


def document() -> bytes:
    """A job's document."""
    address = "sha256:" + "ab" * 32
    return Document({"a": 1}, address, address, address, address).to_bytes()


def chain_file() -> bytes:
    """A chain's file with some blocks."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "chain.bin"
        chain = EmbeddedChain(31_337, clock=lambda: 1_800_000_000, path=path)
        chain.set_balance(b"\1" * 20, 5)
        chain.mine()
        chain.close()
        return path.read_bytes()


def keystore() -> bytes:
    """An encrypted key; cheap to open."""
    with TemporaryDirectory() as folder:
        create_keystore(Path(folder), "given", "a password", iterations=2)
        return (Path(folder) / "given.json").read_bytes()


def evidence() -> bytes:
    """A whole one, of a job of which nothing is known."""
    from dataclasses import fields

    from assay.chain.contracts.containers import Order, Windows

    kinds: dict[str, Any] = {"str": ADDRESS, "bytes": "00" * 32, "int": 1, "bool": False}
    rows = {
        each.name: kinds[getattr(each.type, "__name__", str(each.type))]
        for each in fields(Order)
        if each.name != "windows"
    }
    order = {**rows, "windows": {each.name: 1 for each in fields(Windows)}}
    return json.dumps({**EVIDENCE, "order": order}).encode()


def bundle_file() -> bytes:
    """A bundle of evidence."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "b.assay"
        write_bundle(path, Evidence.from_bytes(evidence()), [b"a blob"])
        return path.read_bytes()


def read_journal(path: Path) -> None:
    """The embedded chain's file."""
    Journal(path, 31_337).close()


def read_bundle(path: Path) -> None:
    """A bundle of evidence, every blob of it."""
    with open_bundle(path) as (_, blobs):
        for cid in blobs:
            blobs.get(cid, 1 << 20)


def read_lineage(path: Path) -> None:
    """A fetched model: the file is its lineage, or its state, by the first byte."""
    bundle, content = shipped(), path.read_bytes()
    folder = path.parent
    lineage = {"format": "assay-lineage-1", "programs_root": bundle.root.hex(), "state_root": "00" * 32}
    (folder / "programs.bin").write_bytes(bundle.to_bytes())
    (folder / "lineage.json").write_bytes(content if content[:1] == b"{" else json.dumps(lineage).encode())
    (folder / "state.safetensors").write_bytes(content)
    read_folder(folder)


class Told:
    """A home whose process has said this."""

    def __init__(self, path: Path) -> None:
        self.path = path.parent


class Liar:
    """A node that answers every call with the same bytes."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def make_request(self, method: str, params: object) -> dict[str, object]:
        return {"jsonrpc": "2.0", "id": 1, "result": "0x" + self.payload.hex()}


def read_views(payload: bytes) -> None:
    """What a node answers to calls of the contracts, each of them; the first that reads it speaks for all."""
    from assay.protocol.errors import AssayError

    web3 = Web3()
    web3.provider = Liar(payload)  # type: ignore[assignment]
    jobs, rounds, disputes = (kind(web3, ADDRESS) for kind in (Jobs, Rounds, Disputes))
    views: list[tuple[Callable[..., Any], tuple[int, ...]]] = [
        (jobs.view_of, (1,)),
        (jobs.order_of, (1,)),
        (jobs.providers_of, (1,)),
        (jobs.validators_of, (1,)),
        (jobs.slots_open, (1,)),
        (rounds.progress, (1,)),
        (rounds.view_of, (1, 0, 0)),
        (rounds.orphans_of, (1,)),
        (disputes.view_of, (1,)),
        (disputes.updates_of, (1, 0, 0)),
        (disputes.marks_of, (1, 0, 0)),
    ]
    for view, words in views:
        try:
            view(*words)
        except AssayError:
            continue


KINDS = [kind for contract in (Jobs, Rounds, Disputes) for kind in contract.EVENTS]


def read_events(content: bytes) -> None:
    """A log: its kind, a count of topics, three topics, its payload."""
    head = content[:2].ljust(2, b"\0")
    kind, count = KINDS[head[0] % len(KINDS)], head[1] % 4
    topics = ["0x" + content[at : at + 32].ljust(32, b"\0").hex() for at in (2, 34, 66)[:count]]
    log = {**LOG, "topics": ["0x" + kind.TOPIC.hex(), *topics], "data": "0x" + content[98:].hex()}
    kind.decode(read_log(log))


def read_checkpoint(content: bytes) -> None:
    """The note, whose training this is, and the tensors."""
    note = checkpoint.decode_note(content)
    note.require(NOTE)
    checkpoint.decode_tensors(content, signature(), note)


DECODERS: dict[str, Decoder] = {
    "bundle": Decoder(
        Bundle.from_bytes,
        lambda: shipped().to_bytes(),
        ("assay.work.program:Bundle.from_bytes", "assay.work.program:read_json"),
    ),
    "program": Decoder(
        Program.from_bytes,
        lambda: shipped().step.to_bytes(),
        (
            "assay.work.program:Program.from_bytes",
            "assay.work.node:read_node",
            "assay.work.node:read_type",
            "assay.work.walk:read_constant",
        ),
    ),
    "side": Decoder(
        value(lambda each: Side.from_json(each) if isinstance(each, dict) else None),
        as_json({"inputs": [], "outputs": []}),
        ("assay.work.program:Side.from_json",),
    ),
    "rule": Decoder(value(Rule.from_json), as_json({"draw": "zeros"}), ("assay.work.initial:Rule.from_json",)),
    "state": Decoder(
        signature().decode,
        lambda: signature().encode(TENSORS),
        ("assay.work.state:Signature.decode", "assay.work.state:Signature.decode_tensors"),
    ),
    "checkpoint": Decoder(
        read_checkpoint,
        lambda: checkpoint.encode(signature(), TENSORS, NOTE),
        ("assay.training.checkpoint:decode_note", "assay.training.checkpoint:decode_tensors"),
    ),
    "manifest": Decoder(
        Manifest.from_bytes,
        lambda: describe(samples(), 64)[0].to_bytes(),
        ("assay.store.manifest:Manifest.from_bytes",),
    ),
    "field": Decoder(value(Field.from_json), as_json(["F32", [1, 2]]), ("assay.store.manifest:Field.from_json",)),
    "document": Decoder(Document.from_bytes, document, ("assay.roles.assignment:Document.from_bytes",)),
    "body": Decoder(
        decode_body,
        lambda: b'{"slot":1,"rows":[[1,2,"ab"]]}',
        ("assay.protocol.message:decode_body", "assay.protocol.plain:read_plain"),
    ),
    "job-file": Decoder(
        text(Job.parse),
        lambda: JOB,
        (
            "assay.protocol.job:Job.parse",
            "assay.protocol.job:read_toml",
            "assay.protocol.job:Job.from_tables",
            "assay.protocol.keys:read_section",
        ),
    ),
    "job": Decoder(
        Job.from_document, lambda: Job.parse(JOB.decode()).document, ("assay.protocol.job:Job.from_document",)
    ),
    "data": Decoder(
        file(lambda path: read_npz(path, 1 << 20), "given.npz"),
        npz,
        ("assay.store.sources:read_npz", "assay.store.sources:read_header"),
    ),
    "input": Decoder(file(read_input, "given.npy"), npy, ("assay.api.lineage:read_input",)),
    "model": Decoder(
        file(read_lineage),
        lambda: signature_of(shipped()).encode(list(shipped().state.values())),
        ("assay.api.lineage:read_folder",),
    ),
    "chain": Decoder(
        file(read_journal, "given.bin"),
        chain_file,
        ("assay.chain.records:decode_record", "assay.chain.rlp:decode"),
    ),
    "transaction": Decoder(decode_transaction, transaction, ("assay.chain.transactions:decode_transaction",)),
    "evidence": Decoder(Evidence.from_bytes, evidence, ("assay.api.bundle:Evidence.from_bytes",)),
    "bundle-file": Decoder(file(read_bundle, "given.assay"), bundle_file, ()),
    "record": Decoder(
        Record.from_bytes,
        lambda: Record(31_337, "http://127.0.0.1:1").to_bytes(),
        ("assay.api.home:Record.from_bytes",),
    ),
    "network-log": Decoder(
        file(lambda path: list(read_network_log(Told(path))), "network.log"),  # type: ignore[arg-type]
        lambda: b'{"event":"Seated"}\n',
        ("assay.api.operator:read_log",),
    ),
    "keystore": Decoder(
        file(lambda path: address_of(path.parent, "given"), "given.json"),
        keystore,
        ("assay.chain.keystore:read_private",),
    ),
    "key-file": Decoder(file(read_key), lambda: b"ab" * 32, ("assay.chain.keyfile:read_key",)),
    "password-file": Decoder(file(read_password), lambda: b"word\n", ("assay.chain.keystore:read_password",)),
    "amount": Decoder(
        text(lambda each: parse_amount(each, 6)), lambda: b"12.5", ("assay.protocol.units:parse_amount",)
    ),
    "duration": Decoder(text(parse_duration_s), lambda: b"12h", ("assay.protocol.units:parse_duration_s",)),
    "figure": Decoder(value(Figure.from_json), as_json(FIGURE.to_json()), ("assay.api.figure:Figure.from_json",)),
    "address": Decoder(text(Address.parse), lambda: b"3/0/1/17", ("assay.api.inspect:Address.parse",)),
    "signature": Decoder(
        lambda content: recover(bytes(32), content),
        lambda: KeySigner(b"\1" * 32).sign_digest(bytes(32)),
        ("assay.protocol.typed:recover",),
    ),
    "revert": Decoder(explain_revert, lambda: bytes.fromhex("08c379a0") + bytes(64), ()),
    "view": Decoder(
        read_views,
        lambda: bytes(32) * 20,
        ("assay.chain.client:read_nothing", "assay.chain.client:read_struct", "assay.chain.client:Struct.from_abi"),
    ),
    "event": Decoder(
        read_events,
        lambda: bytes(98) + bytes(32) * 8,
        ("assay.chain.events:Event.decode", "assay.chain.events:Event.from_abi", "assay.chain.events:decode_topic"),
    ),
    "quantity": Decoder(value(read_quantity), as_json("0x1"), ("assay.chain.rpc:read_quantity",)),
    "bytes": Decoder(value(read_bytes), as_json("0x12"), ("assay.chain.rpc:read_bytes",)),
    "object": Decoder(value(read_object), as_json({}), ("assay.chain.rpc:read_object",)),
    "log": Decoder(value(read_log), as_json(LOG), ("assay.chain.events:read_log",)),
    "filter": Decoder(
        value(lambda each: parse_criteria(each) if isinstance(each, dict) else None),
        as_json({"address": ADDRESS, "topics": [WORD], "fromBlock": "0x0"}),
        ("assay.chain.filters:parse_criteria", "assay.chain.filters:parse_bytes"),
    ),
    "request-number": Decoder(value(parse_quantity), as_json("0x1"), ("assay.chain.simulate:parse_quantity",)),
    "deployment": Decoder(
        file(Deployment.load),
        as_json(PLACED),
        ("assay.chain.deploy:Deployment.load", "assay.chain.deploy:Deployment.from_json"),
    ),
    "leaf": Decoder(
        value(lambda each: LeafOpening.from_json(each, 3)), as_json(LEAF), ("assay.proof.served:LeafOpening.from_json",)
    ),
    "transcript": Decoder(
        value(lambda each: Transcript.from_json(SLOT, each, 1)),
        as_json(OPENING),
        ("assay.protocol.transcript:Transcript.from_json",),
    ),
    "result": Decoder(
        value(lambda each: Result.from_json(each) if isinstance(each, dict) else None),
        as_json(RESULT),
        ("assay.roles.vote:Result.from_json",),
    ),
}
"""By the name that `python -m tests.fuzz` knows it by."""

ELSEWHERE: dict[str, str] = {
    "assay.api.draft:read_samples": "arrays of the user's own program",
    "assay.api.job:Job.load": "reads the file that `job-file` decodes",
    "assay.api.job:Job.parse": "calls the decoder of `job-file`",
    "assay.work.losses:parse_loss": "takes what the decoder of `job-file` has read, or a caller's own table",
    "assay.work.widths:Widths.parse": "takes what the decoder of `job-file` has read, or a caller's own table",
    "assay.api.job:read_text": "reads the file that `job-file` decodes",
    "assay.api.own_model:read_loss": "objects of the user's own program",
    "assay.api.status:read_status": "asks, and decodes nothing",
    "assay.chain.artifacts:parse_artifact": "a file of this package",
    "assay.chain.engine:Engine.load": "the embedded chain's own state",
    "assay.chain.revm:Revm.load": "the embedded chain's own state",
    "assay.chain.interpreter:Interpreter.load": "the embedded chain's own state",
    "assay.chain.filters:Filters.read_all": "logs of the embedded chain",
    "assay.chain.ledger:Ledger.decode": "calls the decoders of `event`",
    "assay.chain.simulate:parse_message": "of parts that `filter` and `request-number` read; needs a chain",
    "assay.proof.served:read_start": "calls the decoder of `state`",
    "assay.protocol.order:Order.from_abi": "values that web3 has decoded; `view` reads the same struct",
    "assay.roles.assignment:read_bundle": "calls the decoder of `bundle`",
    "assay.roles.bidding:Bid.from_json": "a party's own journal, through `assay.roles.memory`",
    "assay.roles.challenge:Raised.from_json": "a party's own journal, through `assay.roles.memory`",
    "assay.roles.content:read_bits": "of a message; the tests of `assay.roles.book` say anything",
    "assay.roles.content:read_commitment": "of a message; the tests of `assay.roles.book` say anything",
    "assay.roles.content:read_index": "of a message; the tests of `assay.roles.book` say anything",
    "assay.roles.content:read_rows": "of a message; the tests of `assay.roles.book` say anything",
    "assay.roles.content:read_segment": "of a message; the tests of `assay.roles.book` say anything",
    "assay.roles.content:read_word": "of a message; the tests of `assay.roles.book` say anything",
    "assay.roles.sheet:Sheet.from_json": "a party's own journal, through `assay.roles.memory`",
    "assay.roles.zoo:Card.load": "a table of this package",
    "assay.store.sources:load": "finds the files that `data` decodes",
    "assay.training.training:Training.load": "reads the file that `checkpoint` decodes",
    "assay.work.initial:parse_seed": "text that a job file's pattern admits",
    "assay.work.optimizer:Optimizer.parse": "a table that a job file's kinds admit",
    "assay.work.outer:Outer.parse": "a table that a job file's kinds admit",
    "assay.work.stock:read_optimizer": "objects of the user's own program",
}
"""Functions that are called like decoders and are none of bytes from outside, each with the reason."""
