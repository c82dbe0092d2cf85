"""A bundle of evidence: one file that holds what a job left behind, for whoever was not there.

    evidence.json     what the chain said, and what parties signed and opened
    blobs/HASH        bytes by their hash: programs, initial and final state, samples, updates

It is a zip whose members are stored and not compressed, under no other names, so that nothing in it can grow or lead
elsewhere. Everything read from one is hostile until it is checked (`assay.api.verify`).
"""

import io
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from assay.chain.artifacts import list_artifacts
from assay.chain.contracts.containers import Order, Windows
from assay.chain.events import Event, LogEntry
from assay.chain.ledger import find_client
from assay.protocol.commitment import Commitment
from assay.protocol.errors import (
    AssayError,
    BadInput,
    Bomb,
    LimitExceeded,
    Malformed,
    MissingBlob,
    PathOutside,
    SymbolicLink,
    Unavailable,
)
from assay.protocol.plain import read_plain, write_plain
from assay.store.port import check_content, check_size, hash_of

FORMAT = "assay-evidence-2"
EVIDENCE = "evidence.json"
BLOB = re.compile(r"blobs/([0-9a-f]{64})")
EVIDENCE_MAX_BYTES = 256 << 20
BUNDLE_MAX_BYTES = 8 << 30
MEMBERS_MAX = 100_000
DIRECTORY_MAX_BYTES = 160 * MEMBERS_MAX
"""Of the archive's directory, which is read whole before anything in it is looked at."""
LOGS_MAX = 1_000_000
STAMP = (1980, 1, 1, 0, 0, 0)
"""Date of every member, so that the same evidence makes the same file."""
RoundName = tuple[int, int]
"""(generation, round) of the bundle's job."""


@dataclass(frozen=True)
class SlotEvidence:
    """A slot's signed commitment in a round, and what was opened of it."""

    commitment: Commitment
    signature: bytes
    opening: dict[str, Any] | None


@dataclass(frozen=True)
class Vote:
    """A validator's signature under a typed value of a round."""

    kind: str
    signer: str
    content: dict[str, Any]


@dataclass
class RoundEvidence:
    """What is known of one round of one generation."""

    drawing: int = 0
    slots: dict[int, SlotEvidence] = field(default_factory=dict)
    tables: dict[str, list[list[Any]]] = field(default_factory=dict)
    """Rows [slot, segment, start root in hex, state root in hex, loss bits] by validator."""
    votes: list[Vote] = field(default_factory=list)


@dataclass
class Evidence:
    """Everything but the blobs."""

    chain_id: int
    contracts: dict[str, str]
    first_block: int
    head: int
    head_hash: bytes
    job: int
    price: int
    order: Order
    logs: list[LogEntry]
    rounds: dict[RoundName, RoundEvidence]

    def events(self) -> Iterator[tuple[LogEntry, Event]]:
        """The logs as typed events, in order. Errors: `Malformed` for one that no contract of ours declares."""
        kinds = {
            (address, event.TOPIC): event
            for name, address in self.contracts.items()
            for event in (find_client(name).EVENTS if name in list_artifacts() else ())
        }
        for log in self.logs:
            kind = kinds.get((log.address, log.topics[0])) if log.topics else None
            if kind is None:
                raise Malformed(f"block {log.block_number} has a log that no contract of the bundle declares")
            yield log, kind.decode(log)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return write_plain(
            {
                "format": FORMAT,
                "chain_id": self.chain_id,
                "contracts": self.contracts,
                "first_block": self.first_block,
                "head": self.head,
                "head_hash": self.head_hash.hex(),
                "job": self.job,
                "price": self.price,
                "order": _plain_order(self.order),
                "logs": [_plain_log(log) for log in self.logs],
                "rounds": [[*name, _plain_round(each)] for name, each in sorted(self.rounds.items())],
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evidence":
        """Evidence from outside. Errors: `Malformed`, `LimitExceeded`."""
        value = read_plain(content, EVIDENCE_MAX_BYTES)
        try:
            if value["format"] != FORMAT:
                raise Malformed("a bundle of another format", hint=f"this version reads {FORMAT}")
            if len(value["logs"]) > LOGS_MAX:
                raise LimitExceeded("a bundle has too many logs", limit=LOGS_MAX, actual=len(value["logs"]))
            contracts = {_text(name): _text(address) for name, address in value["contracts"].items()}
            return cls(
                chain_id=_count(value["chain_id"]),
                contracts=contracts,
                first_block=_count(value["first_block"]),
                head=_count(value["head"]),
                head_hash=_word(value["head_hash"]),
                job=_count(value["job"]),
                price=_count(value["price"]),
                order=_read_order(value["order"]),
                logs=[_read_log(log) for log in value["logs"]],
                rounds={
                    (_count(generation), _count(index)): _read_round(each)
                    for generation, index, each in value["rounds"]
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise Malformed(f"a bundle's evidence cannot be read: {error!r:.120}") from error


class BundleBlobs:
    """Blobs in an open bundle, verified as they are read; the port of a store that takes nothing."""

    def __init__(self, archive: zipfile.ZipFile, sizes: dict[str, int]) -> None:
        self._archive, self._sizes = archive, sizes

    def __iter__(self) -> Iterator[str]:
        return iter(self._sizes)

    def put(self, content: bytes) -> str:  # noqa: ARG002 - the port has it
        """A bundle does not change."""
        raise Unavailable("a bundle takes no blobs")

    def get(self, cid: str, size_max_bytes: int) -> bytes:
        """See `Blobs.get`."""
        name = hash_of(cid).hex()
        if cid not in self._sizes:
            raise MissingBlob(f"{cid} is not in the bundle", hint="export it again, with its blobs", cid=cid)
        check_size(self._sizes[cid], size_max_bytes)
        with readable():
            return check_content(cid, self._archive.read(f"blobs/{name}"))

    def has(self, cid: str) -> bool:
        """See `Blobs.has`."""
        return cid in self._sizes

    def drop(self, cid: str) -> None:
        """A bundle does not change."""


def write_bundle(path: Path, evidence: Evidence, contents: Iterable[bytes]) -> int:
    """Writes a bundle, whole or not at all; its size in bytes. Errors: `BadInput`."""
    from assay.store.port import cid_of

    if not path.name or path.is_dir():
        raise BadInput(f"cannot write {path}: it is a folder", hint="name a file with --out")
    part = path.with_name(f"{path.name}.part")
    written: set[str] = set()
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(EVIDENCE, STAMP), evidence.to_bytes())
            for content in contents:
                name = f"blobs/{hash_of(cid_of(content)).hex()}"
                if name not in written:
                    written.add(name)
                    archive.writestr(zipfile.ZipInfo(name, STAMP), content)
        part.replace(path)
        return path.stat().st_size
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}", hint="name another file with --out") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def open_bundle(path: Path) -> Iterator[tuple[Evidence, BundleBlobs]]:
    """A bundle's evidence and blobs. Errors: `BadInput` for no file, `Malformed`, `LimitExceeded`."""
    if not path.is_file():
        raise BadInput(f"there is no bundle {path}", hint="make one with: assay export JOB")
    size_bytes = path.stat().st_size
    if size_bytes > BUNDLE_MAX_BYTES:
        raise LimitExceeded(f"{path.name} is too large", limit=BUNDLE_MAX_BYTES, actual=size_bytes)
    with readable():
        file = _Guarded(io.FileIO(path))
    with file:
        with readable():
            archive = zipfile.ZipFile(file)
        file.admitted_bytes = size_bytes
        sizes = _members(archive, size_bytes)
        with readable():
            content = archive.read(EVIDENCE)
        yield Evidence.from_bytes(content), BundleBlobs(archive, sizes)


class _Guarded(io.BufferedReader):
    """A bundle's file, of which nothing longer than a directory is read at once until that has been looked at."""

    admitted_bytes = DIRECTORY_MAX_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Errors: `LimitExceeded` for more than is admitted."""
        if size is not None and size > self.admitted_bytes:
            raise LimitExceeded("a bundle's directory is too long", limit=self.admitted_bytes, actual=size)
        return super().read(size)


def _members(archive: zipfile.ZipFile, size_bytes: int) -> dict[str, int]:
    """Sizes of the blobs by address. Errors: `Malformed` for members that are not ours, or that claim more than is
    there."""
    members = archive.infolist()
    if len(members) > MEMBERS_MAX:
        raise LimitExceeded("a bundle has too many members", limit=MEMBERS_MAX, actual=len(members))
    for member in members:
        _check_member(member)
    names = [member.filename for member in members]
    if len(set(names)) != len(names) or EVIDENCE not in names:
        raise Malformed("this is no bundle of evidence", hint="make one with: assay export JOB")
    sizes = {}
    for member in members:
        match = BLOB.fullmatch(member.filename)
        if match is None and member.filename != EVIDENCE:
            raise Malformed(f"a bundle holds {member.filename[:80]!r}, which no bundle does")
        if match is not None:
            sizes[f"sha256:{match[1]}"] = member.file_size
    # Members may not share bytes: together they are no more than the file.
    if sum(member.file_size for member in members) > size_bytes:
        raise LimitExceeded("a bundle's members claim more than it holds", limit=size_bytes, actual=size_bytes + 1)
    evidence_bytes = archive.getinfo(EVIDENCE).file_size
    if evidence_bytes > EVIDENCE_MAX_BYTES:
        raise LimitExceeded("a bundle's evidence is too long", limit=EVIDENCE_MAX_BYTES, actual=evidence_bytes)
    return sizes


def _check_member(member: zipfile.ZipInfo) -> None:
    """Errors: `PathOutside`, `SymbolicLink`, `Bomb`, `Malformed` for what no bundle holds."""
    name = member.filename[:80]
    if name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name):
        raise PathOutside(f"a bundle holds {name!r}, which leads out of it", hint="do not trust this file", name=name)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise SymbolicLink(f"a bundle holds the link {name!r}", hint="do not trust this file", path=name)
    if member.file_size > member.compress_size:
        raise Bomb(
            f"{name!r} would unpack from {member.compress_size} bytes to {member.file_size}",
            hint="bundles are stored plain: do not trust this file",
            limit=member.compress_size,
            actual=member.file_size,
        )
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.file_size != member.compress_size:
        raise Malformed(f"{name!r} is compressed or encrypted", hint="bundles are stored plain")


@contextmanager
def readable() -> Iterator[None]:
    """Whatever zipfile raises for damaged archives, as `Malformed`."""
    try:
        yield
    except AssayError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, KeyError) as error:
        words = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise Malformed(f"the bundle cannot be read: {words}", hint="fetch or export it again") from error


def _plain_order(order: Order) -> dict[str, Any]:
    rows = {each.name: getattr(order, each.name) for each in fields(order)}
    plain = {name: value.hex() if isinstance(value, bytes) else value for name, value in rows.items()}
    return {**plain, "windows": vars(order.windows)}


def _read_order(value: dict[str, Any]) -> Order:
    rows: dict[str, Any] = {}
    for each in fields(Order):
        given = value[each.name]
        if each.name == "windows":
            rows[each.name] = Windows(**{part.name: _count(given[part.name]) for part in fields(Windows)})
        else:
            kinds = {"str": _text, "bytes": _word, "int": _count, "bool": _flag}
            kind = each.type if isinstance(each.type, str) else each.type.__name__
            rows[each.name] = kinds[kind](given)
    return Order(**rows)


def _plain_log(log: LogEntry) -> list[Any]:
    place = [log.block_number, log.block_hash.hex(), log.transaction_hash.hex(), log.log_index]
    return [log.address, [topic.hex() for topic in log.topics], log.payload.hex(), *place]


def _read_log(value: list[Any]) -> LogEntry:
    address, topics, payload, number, block_hash, transaction_hash, index = value
    if not isinstance(topics, list) or len(topics) > 4:
        raise ValueError("not the topics of a log")
    words = tuple(_word(topic) for topic in topics)
    place = (_count(number), _word(block_hash), _word(transaction_hash), _count(index))
    return LogEntry(_text(address), words, bytes.fromhex(_text(payload)), *place)


def _plain_round(each: RoundEvidence) -> dict[str, Any]:
    return {
        "drawing": each.drawing,
        "slots": [
            [_plain_commitment(slot.commitment), slot.signature.hex(), slot.opening]
            for _, slot in sorted(each.slots.items())
        ],
        "tables": each.tables,
        "votes": [[vote.kind, vote.signer, vote.content] for vote in each.votes],
    }


def _read_round(value: dict[str, Any]) -> RoundEvidence:
    slots = {}
    for commitment, signature, opening in value["slots"]:
        read = _read_commitment(commitment)
        if opening is not None and not isinstance(opening, dict):
            raise ValueError("an opening is not an object")
        slots[read.slot] = SlotEvidence(read, bytes.fromhex(_text(signature)), opening)
    votes = [Vote(_text(kind), _text(signer), dict(content)) for kind, signer, content in value["votes"]]
    tables = {_text(name): list(rows) for name, rows in value["tables"].items()}
    return RoundEvidence(_count(value["drawing"]), slots, tables, votes)


def _plain_commitment(commitment: Commitment) -> dict[str, Any]:
    rows = vars(commitment).items()
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in rows}


def _read_commitment(value: dict[str, Any]) -> Commitment:
    counts = {name: _count(value[name]) for name in ("job", "generation", "round", "slot")}
    roots = {
        name: _word(value[name]) for name in ("beacon", "start_root", "transcript_root", "secret_hash", "sealed_hash")
    }
    provider = _text(value["provider"])
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", provider):
        raise ValueError("not an address")
    return Commitment(**counts, provider=provider, **roots)  # type: ignore[arg-type]


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 256:
        raise ValueError(f"{str(value)[:20]} is not a count")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _word(value: object) -> bytes:
    text = _text(value)
    if len(text) != 64:
        raise ValueError("not 32 bytes in hex")
    return bytes.fromhex(text)
