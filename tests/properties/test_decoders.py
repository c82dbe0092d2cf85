"""Every decoder of bytes from outside: whatever it is given, it answers or refuses with an error of our tree, and soon.

Three ways to be wrong: any bytes, the right bytes damaged, and the right form filled with anything.
"""

import ast
import json
import re
import time
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.net.spool import COLUMNS, SCHEMA, Spool
from assay.protocol.errors import AssayError
from assay.protocol.typed import Domain
from assay.store.database import Database
from assay.store.sources import read_npz
from tests.fuzz.decoders import ADDRESS, DECODERS, ELSEWHERE, JOB, WORD

ROOT = Path(__file__).parents[2]
LIMIT_S = 2.0
"""Much more than any of them needs for so little."""
MEMORY_MAX_BYTES = 64 << 20
"""Much more than any of them may take for the bytes that blow up."""
DECODES = re.compile(r"from_(bytes|json|document|abi|tables)|decode(_\w+)?|read_\w+|parse(_\w+)?|recover|load")
"""How functions are called that make something of what they are given."""


def bounded(name: str, content: bytes) -> AssayError | None:
    """Reads; a refusal is an answer too, and anything else that is raised is a crash."""
    began_s, refusal = time.perf_counter(), None
    try:
        DECODERS[name].read(content)
    except AssayError as error:
        refusal = error
    assert len(str(refusal)) < 2_000, "a refusal does not repeat what it was given"
    assert time.perf_counter() - began_s < LIMIT_S
    return refusal


@cache
def sound_bytes(name: str) -> bytes:
    """What a decoder reads, made once."""
    return DECODERS[name].sound()


@pytest.mark.parametrize("name", [name for name in DECODERS if name not in ("side", "rule", "view", "event", "model")])
def test_what_is_whole_is_read(name: str) -> None:
    DECODERS[name].read(sound_bytes(name))


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=40)
@given(content=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(name: str, content: bytes) -> None:
    bounded(name, content)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=40)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    content = bytearray(sound_bytes(name))
    for _ in range(data.draw(st.integers(1, 4))):
        if not content:
            break
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "repeat", "swap", "huge"])):
            case "flip":
                content[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del content[at : at + data.draw(st.integers(1, 64))]
            case "insert":
                content[at:at] = data.draw(st.binary(max_size=16))
            case "repeat":
                content[at:at] = content[at : at + 64] * data.draw(st.integers(1, 3))
            case "swap":
                content = content[at:] + content[:at]
            case "huge":
                content[at : at + 8] = b"\xff" * 8
    bounded(name, bytes(content))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["0x", "0x0", WORD, ADDRESS, "ab" * 32, "é", "0x-1", "١٢", "0x" + "f" * 64]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=16,
)
PLAIN = (
    *("quantity", "bytes", "object", "log", "filter", "request-number", "deployment", "leaf", "transcript", "result"),
    *("evidence", "record", "body", "document", "manifest", "field", "job", "side", "rule", "keystore", "network-log"),
)
"""Decoders of JSON."""
FORMS = tuple(name for name in PLAIN if name not in ("quantity", "bytes", "object", "field", "request-number"))
"""Those of objects with keys."""


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=50)
@given(value=plain)
def test_any_values_are_read_or_refused(name: str, value: object) -> None:
    bounded(name, json.dumps(value).encode())


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=60)
@given(data=st.data())
def test_the_right_form_with_anything_in_it_is_read_or_refused(name: str, data: st.DataObject) -> None:
    value: dict[str, Any] = json.loads(sound_bytes(name))
    for key in data.draw(st.lists(st.sampled_from(sorted(value)), min_size=1, max_size=3)):
        match data.draw(st.sampled_from(["drop", "replace", "within", "below"])):
            case "drop":
                value.pop(key, None)
            case "replace":
                value[key] = data.draw(plain)
            case "within" if isinstance(value.get(key), list) and value[key]:
                value[key] = [*value[key][:-1], data.draw(plain)]
            case "below" if isinstance(value.get(key), dict) and value[key]:
                value[key] = {**value[key], data.draw(st.sampled_from(sorted(value[key]))): data.draw(plain)}
            case _:
                value[key] = [value.get(key), data.draw(plain)]
    bounded(name, json.dumps(value).encode())


values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8) | st.binary(max_size=80)


@settings(max_examples=40)
@given(rows=st.lists(st.lists(values, min_size=10, max_size=10), max_size=5))
def test_any_row_of_a_spool_is_a_message_or_dropped(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    database = Database(tmp_path_factory.mktemp("spool") / "board.sqlite", SCHEMA, durable=False)
    spool = Spool(database, Domain(1, ADDRESS), lambda: 0)
    for row in rows:
        database.execute(f"INSERT OR IGNORE INTO messages ({COLUMNS}) VALUES ({', '.join('?' * 10)})", *row)
    assert spool.peers(ADDRESS).poll() == []
    spool.count_of(ADDRESS)
    database.close()


HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"
BOMBS = {
    "brackets in a body": ("body", b"[" * 100_000),
    "objects in a body": ("body", b'{"a":' * 100_000),
    "digits in a body": ("body", b"9" * 100_000),
    "an exponent in a body": ("body", b'{"a":1e99999}'),
    "brackets in a job file": ("job-file", b"[job]\nname = " + b"[" * 50_000),
    "a dotted key in a job file": ("job-file", b"a." * 30_000 + b"b = 1"),
    "many dotted keys in a job file": (
        "job-file",
        b"".join(b"a%d." % n + b"a." * 120 + b"b = 1\n" for n in range(400)),
    ),
    "one word in a job file": ("job-file", b"a" * 500_000),
    "quotes in a job file": ("job-file", b'"' * 500_000),
    "a decimal number in a job file": ("job-file", b"x = " + b"9" * 100_000),
    "a hexadecimal number in a job file": ("job-file", JOB + b"seed = 0x" + b"f" * 100_000),
    "digits in a manifest": ("manifest", b'{"count":' + b"9" * 5_000 + b"}"),
    "a long header of a state": ("state", (1 << 60).to_bytes(8, "little") + b"{}"),
    "a deep header of a state": ("state", (1 << 20).to_bytes(8, "little") + b'{"w":' * 20_000),
    "digits in an amount": ("amount", b"9" * 100_000),
    "an exponent in an amount": ("amount", b"1e999999999"),
    "digits in a duration": ("duration", b"9" * 100_000 + b"h"),
    "digits in an address": ("address", b"9" * 100_000),
    "a length in a transaction": ("transaction", b"\x02" + b"\xff" * 9),
    "depth in a transaction": ("transaction", b"\x02" + b"\xc1" * 100_000),
    "depth in evidence": ("evidence", b'{"rounds":' * 5_000),
    "a wish for work in a keystore": (
        "keystore",
        DECODERS["keystore"].sound().replace(b'"n": 2', b'"n": 1073741824'),
    ),
    "a shape in an array": ("input", b"\x93NUMPY\x01\x00\x76\x00" + HEADER.ljust(117) + b"\n"),
}
"""Bytes made to hang or to fill: decoder, content."""


@pytest.mark.parametrize("what", BOMBS)
def test_what_is_made_to_blow_up_is_refused_at_once(what: str) -> None:
    tracemalloc.start()
    try:
        refused = bounded(*BOMBS[what])
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused is not None
    assert peak_bytes < MEMORY_MAX_BYTES


def test_an_archive_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((1 << 22, 4), np.float32), y=np.zeros(1 << 22, np.int64))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(AssayError):
        read_npz(path, 1 << 20)


GENERATED = ROOT / "assay/chain/contracts"
"""Typed clients and events out of the contracts' ABI: `view` and `event` read by them."""


def defined_decoders() -> set[str]:
    """Public functions and methods of `assay` that are called like decoders, as module:name."""
    found = set()
    for path in (ROOT / "assay").rglob("*.py"):
        if GENERATED in path.parents:
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            inner = node.body if isinstance(node, ast.ClassDef) else [node]
            prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            found |= {
                f"{module}:{prefix}{each.name}"
                for each in inner
                if isinstance(each, ast.FunctionDef) and DECODES.fullmatch(each.name)
            }
    return found


def test_every_decoder_is_here_or_said_to_be_none() -> None:
    covered = [name for decoder in DECODERS.values() for name in decoder.covers]
    assert len(set(covered)) == len(covered)
    assert not set(covered) & set(ELSEWHERE)
    named, defined = set(covered) | set(ELSEWHERE), defined_decoders()
    assert defined - named == set(), "decoders that nothing fuzzes"
    assert named - defined == set(), "decoders that are gone"
