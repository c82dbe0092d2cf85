"""Pickles, by whatever name: bytes that would run code if they were opened as Python opens them. They never are."""

import zipfile
from pathlib import Path

from assay.protocol.errors import Pickled

HEAD_BYTES = 2
PROTOCOL, PROTOCOLS = 0x80, range(2, 6)
"""How a pickle of protocol 2 to 5 begins; earlier ones have no mark, and fail as what they are not."""
ZIP = b"PK"
MEMBERS_MAX = 10_000


def check_no_pickle(path: Path) -> None:
    """Looks at how a file begins, and at the names in it where it is an archive, as `torch.save` makes them.

    Errors: `Pickled`; `OSError`, `zipfile.BadZipFile`.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if is_pickle(head):
        raise _found(path.name)
    if head == ZIP:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:MEMBERS_MAX]
        if any(name.endswith(".pkl") for name in names):
            raise _found(path.name)


def is_pickle(head: bytes) -> bool:
    """Whether bytes begin like a pickle."""
    return len(head) >= HEAD_BYTES and head[0] == PROTOCOL and head[1] in PROTOCOLS


def _found(name: str) -> Pickled:
    return Pickled(
        f"{name} is a pickle: opening it could run code, so it is not opened",
        hint="save numbers only: numpy.savez or numpy.save for data, safetensors for weights",
    )
