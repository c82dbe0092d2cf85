"""Compiled contracts as they ship in the package: ABI, bytecode with holes for libraries, and the sources' hash."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from assay.protocol.errors import BadInput, Malformed

SIZE_LIMIT_BYTES = 4 << 20


@dataclass(frozen=True)
class Artifact:
    """One compiled contract. `links` maps a library's name to the byte offsets of its address in `bytecode`."""

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    links: Mapping[str, tuple[int, ...]]
    deployed_size_bytes: int
    source_hash: str

    @property
    def is_deployable(self) -> bool:
        """False for an interface or an abstract contract."""
        return bool(self.bytecode)

    def get_entries(self, kind: str) -> list[Mapping[str, Any]]:
        """ABI entries of a kind: "function", "event", "error", "constructor"."""
        return [entry for entry in self.abi if entry.get("type") == kind]

    def link(self, libraries: Mapping[str, str]) -> bytes:
        """The bytecode with library addresses filled in. Raises `BadInput` naming the one that is missing."""
        code = bytearray(self.bytecode)
        for name, offsets in self.links.items():
            if name not in libraries:
                raise BadInput(f"{self.name} needs the library {name}", hint="deploy the library first")
            address = bytes.fromhex(libraries[name].removeprefix("0x"))
            for offset in offsets:
                code[offset : offset + 20] = address
        return bytes(code)


def parse_artifact(text: str) -> Artifact:
    """Read an artifact's JSON. Raises `Malformed`."""
    if len(text) > SIZE_LIMIT_BYTES:
        raise Malformed("the artifact is too large", hint="rebuild the contracts")
    try:
        value = json.loads(text)
        code = value["bytecode"].removeprefix("0x")
        links = {str(name): tuple(int(o) for o in offsets) for name, offsets in value.get("links", {}).items()}
        if not all(isinstance(entry, dict) for entry in value["abi"]):
            raise TypeError("an ABI entry is not an object")
        bytecode = bytes.fromhex(code)
        if any(not 0 <= o <= len(bytecode) - 20 for offsets in links.values() for o in offsets):
            raise ValueError("a link lies outside the code")
        return Artifact(
            name=str(value["name"]),
            abi=tuple(value["abi"]),
            bytecode=bytecode,
            links=links,
            deployed_size_bytes=int(value["deployed_size"]),
            source_hash=str(value["source_hash"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"not an artifact: {error!r}", hint="rebuild the contracts") from None


@cache
def load_artifact(name: str) -> Artifact:
    """A shipped artifact by its contract's name. Raises `BadInput` where there is none."""
    source = files("assay.chain") / "artifacts" / f"{name}.json"
    if not name.isidentifier() or not source.is_file():
        raise BadInput(f"no contract is called {name!r}", hint=f"one of: {', '.join(list_artifacts())}")
    return parse_artifact(source.read_text())


@cache
def list_artifacts() -> tuple[str, ...]:
    """Names of all shipped artifacts, sorted."""
    folder = files("assay.chain") / "artifacts"
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json")))
