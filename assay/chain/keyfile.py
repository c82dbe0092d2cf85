"""Reading a key from a file that nobody else can read. Neither the key nor what the file holds is ever shown."""

from pathlib import Path

from assay.chain.keystore import read_private
from assay.chain.signer import KeySigner
from assay.protocol.errors import BadInput, LimitExceeded

KEY_FILE_LIMIT_BYTES = 128


def read_key(path: Path) -> KeySigner:
    """The signer of a key file: 32 bytes in hex, with or without 0x. Errors: `BadInput`."""
    try:
        text = read_private(path, KEY_FILE_LIMIT_BYTES, "key file").decode("ascii")
        key = bytes.fromhex(text.strip().removeprefix("0x"))
    except (ValueError, LimitExceeded):
        key = b""
    if len(key) != 32:
        raise BadInput(f"{path} does not hold a key", hint="write its 32 bytes in hex, and nothing else")
    return KeySigner(key)
