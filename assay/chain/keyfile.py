"""Reading a key from a file that nobody else can read. Neither the key nor what the file holds is ever shown."""

import os
import stat
from pathlib import Path

from assay.chain.signer import KeySigner
from assay.protocol.errors import BadInput

KEY_FILE_LIMIT_BYTES = 128
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_key(path: Path) -> KeySigner:
    """The signer of a key file: 32 bytes in hex, with or without 0x. Errors: `BadInput`."""
    try:
        # A pipe would make us wait for its other end; what is opened is what is looked at.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise BadInput(f"cannot read the key file {path}: {words}", hint="give the path of a file") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{path} is not a file", hint="put the key into a file of its own")
        if os.name == "posix" and status.st_mode & OTHERS:
            raise BadInput(f"others than its owner may use the key file {path}", hint=f"chmod 600 {path}")
        content = os.read(handle, KEY_FILE_LIMIT_BYTES + 1)
    finally:
        os.close(handle)
    try:
        key = bytes.fromhex(content.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        key = b""
    if len(content) > KEY_FILE_LIMIT_BYTES or len(key) != 32:
        raise BadInput(f"{path} does not hold a key", hint="write its 32 bytes in hex, and nothing else")
    return KeySigner(key)
