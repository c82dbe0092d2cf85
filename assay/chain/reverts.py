"""What a contract meant by a revert: custom errors of every shipped contract, `Error(string)` and `Panic(uint256)`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from assay.chain.artifacts import list_artifacts, load_artifact
from assay.protocol.errors import Reverted

ERROR_STRING = bytes.fromhex("08c379a0")
PANIC = bytes.fromhex("4e487b71")
PANICS = {
    0x01: "an assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "a value is not of its enum",
    0x22: "a storage array is badly encoded",
    0x31: "pop of an empty array",
    0x32: "index out of bounds",
    0x41: "too much memory",
    0x51: "call of an empty function pointer",
}

_extra: dict[bytes, Mapping[str, Any]] = {}


def format_type(entry: Mapping[str, Any]) -> str:
    """Canonical ABI type of a parameter, tuples spelled out."""
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(format_type(part) for part in entry["components"])
    return f"({inner}){kind[5:]}"


def compute_selector(entry: Mapping[str, Any]) -> bytes:
    """The first four bytes of the keccak of a function's or error's signature."""
    return compute_topic(entry)[:4]


def compute_topic(entry: Mapping[str, Any]) -> bytes:
    """Keccak of a signature: an event's first topic."""
    types = ",".join(format_type(part) for part in entry["inputs"])
    return bytes(keccak(f"{entry['name']}({types})".encode()))


@cache
def _known_errors() -> Mapping[bytes, Mapping[str, Any]]:
    return {
        compute_selector(entry): entry
        for name in list_artifacts()
        for entry in load_artifact(name).get_entries("error")
    }


def register_errors(abi: tuple[Mapping[str, Any], ...]) -> None:
    """Teach the decoder the errors of a contract that does not ship with the package."""
    for entry in abi:
        if entry.get("type") == "error":
            _extra[compute_selector(entry)] = entry


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


def explain_revert(payload: bytes, **where: Any) -> Reverted:
    """The exception for a revert payload. Fields: `contract_error`, `arguments` by name, `payload`, and `where`."""
    name, arguments, message = "", {}, "the contract reverted without a reason"
    selector, body = payload[:4], payload[4:]
    entry = _extra.get(selector) or _known_errors().get(selector)
    try:
        if selector == ERROR_STRING:
            (reason,) = decode(["string"], body)
            name, arguments, message = "Error", {"message": reason}, str(reason)
        elif selector == PANIC:
            (code,) = decode(["uint256"], body)
            name, arguments, message = "Panic", {"code": code}, PANICS.get(code, f"panic {code:#x}")
        elif entry is not None:
            values = decode([format_type(part) for part in entry["inputs"]], body)
            names = [part["name"] or f"argument_{i}" for i, part in enumerate(entry["inputs"])]
            name, arguments = str(entry["name"]), dict(zip(names, map(_plain, values), strict=True))
            shown = ", ".join(f"{k}={v}" for k, v in arguments.items())
            message = f"{name}({shown})"
        elif payload:
            message = f"the contract reverted with an unknown error 0x{selector.hex()}"
    except (DecodingError, UnicodeDecodeError, OverflowError):
        message = f"the contract reverted with a malformed error 0x{selector.hex()}"
    return Reverted(
        message,
        hint="the contract's documentation says when it reverts so",
        contract_error=name,
        arguments=arguments,
        payload="0x" + payload.hex(),
        **where,
    )
