"""Keys in files, encrypted with a password: the format that Ethereum's wallets share (Web3 Secret Storage, version 3).

Neither a key nor a password is ever shown, and a keystore from elsewhere cannot ask for more work than we admit.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_utils.address import to_checksum_address

from assay.chain.signer import KeySigner
from assay.protocol.errors import AssayError, BadInput, LimitExceeded, Malformed, Refused
from assay.protocol.plain import read_plain

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
KEYSTORE_LIMIT_BYTES, KEYSTORE_DEPTH_MAX = 1 << 14, 6
PASSWORD_LIMIT_BYTES = 1 << 10
OTHERS = stat.S_IRWXG | stat.S_IRWXO
WORK_MAX = {"n": 1 << 20, "r": 16, "p": 16, "c": 10_000_000, "dklen": 64}
"""Most that a keystore may ask for: scrypt's cost, block size and lanes, PBKDF2's count, bytes of the derived key."""
MEMORY_MAX_BYTES = 1 << 30
"""Of scrypt: 128 * n * r."""
RESTORE = "restore it from a copy"


def check_name(name: str) -> str:
    """The name of an account, if it can be one. Errors: `BadInput`."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{name[:40]!r} cannot be an account's name", hint="use lower-case letters, digits and dashes, at most 32"
        )
    return name


def create_keystore(folder: Path, name: str, password: str, *, iterations: int | None = None) -> KeySigner:
    """A new key, kept as `name` in a folder. Errors: `BadInput` where there is one of that name."""
    if not password:
        raise BadInput("an empty password protects nothing", hint="choose a password")
    key = os.urandom(32)
    signer, path = KeySigner(key), folder / f"{check_name(name)}.json"
    content = json.dumps(Account.encrypt(key, password, kdf="scrypt", iterations=iterations)).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, content)
    except FileExistsError:
        raise BadInput(f"there is an account {name} already", hint="choose another name") from None
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}", hint="choose another folder") from None
    return signer


def open_keystore(folder: Path, name: str, password: str) -> KeySigner:
    """The key kept as `name`. Errors: `BadInput` for no such account or another password, `Malformed`."""
    keystore = _read_keystore(folder / f"{check_name(name)}.json", name)
    try:
        key = bytes(Account.decrypt(keystore, password))
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise BadInput(f"the password does not open account {name}", hint="try again") from None
        raise Malformed(f"the keystore of {name} cannot be read", hint="restore it from a copy") from None
    except (KeyError, TypeError, AttributeError, NotImplementedError):
        raise Malformed(f"the keystore of {name} cannot be read", hint="restore it from a copy") from None
    return KeySigner(key)


def address_of(folder: Path, name: str) -> str:
    """The address that a keystore says it is of; only opening it tells whether it is. Errors: as `open_keystore`."""
    return _address(_read_keystore(folder / f"{check_name(name)}.json", name), name)


def list_keystores(folder: Path) -> dict[str, str]:
    """Accounts by name, with the addresses that their keystores claim; what is no keystore is left out."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        if NAME.fullmatch(path.stem):
            try:
                found[path.stem] = address_of(folder, path.stem)
            except (BadInput, Malformed, Refused):
                continue
    return found


def broken_keystores(folder: Path) -> Iterator[AssayError]:
    """What is wrong with each that is named like a keystore and is none."""
    for path in sorted(folder.glob("*.json")):
        try:
            address_of(folder, path.stem)
        except AssayError as error:
            yield error


def read_password(path: Path) -> str:
    """The password in a file that nobody else can read: its first line. Errors: `BadInput`."""
    content = read_private(path, PASSWORD_LIMIT_BYTES, "password file")
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        hint = "save it as plain text in UTF-8, with the password on the first line"
        raise BadInput(f"{path} does not hold a password: its bytes are no text", hint=hint) from None
    if not lines or not lines[0]:
        raise BadInput(f"{path} does not hold a password", hint="write it on the first line")
    return lines[0]


def read_private(path: Path, limit_bytes: int, what: str) -> bytes:
    """A small file that only its owner may use. Errors: `BadInput`, `LimitExceeded`."""
    try:
        # A pipe would make us wait for its other end; what is opened is what is looked at.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise BadInput(f"cannot read the {what} {path}: {words}", hint="give the path of a file") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{path} is not a file", hint=f"give the path of a {what}")
        if os.name == "posix" and status.st_mode & OTHERS:
            raise BadInput(f"others than its owner may use the {what} {path}", hint=f"chmod 600 {path}")
        content = os.read(handle, limit_bytes + 1)
    finally:
        os.close(handle)
    if len(content) > limit_bytes:
        raise LimitExceeded(f"{path} is too long for a {what}", limit=limit_bytes, actual=status.st_size)
    return content


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner can read. Raises `OSError`, `FileExistsError` where there is one."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with open(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_keystore(path: Path, name: str) -> dict[str, Any]:
    if path.exists() and not path.is_file():
        raise Malformed(f"{path} is no keystore: it is not a file", hint=f"{RESTORE}, after you have moved that away")
    if not path.is_file():
        known = sorted(each.stem for each in path.parent.glob("*.json"))
        hint = f"there are {', '.join(known)}" if known else "make one: `assay faucet` does"
        raise BadInput(f"there is no account {name}", hint=hint)
    content = read_private(path, KEYSTORE_LIMIT_BYTES, "keystore")
    try:
        keystore = read_plain(content, KEYSTORE_LIMIT_BYTES, KEYSTORE_DEPTH_MAX)
    except Malformed as error:
        raise Malformed(f"{path} is no keystore: {error.message:.100}", hint=RESTORE) from None
    try:
        box = keystore["crypto"]
        work = box["kdfparams"]
        if keystore["version"] != 3 or box["kdf"] not in ("scrypt", "pbkdf2") or box["cipher"] != "aes-128-ctr":
            raise ValueError("another format")
        asked = {field: work[field] for field in WORK_MAX if field in work}
        if any(type(value) is not int or value < 1 for value in asked.values()):
            raise ValueError("work is no number")
    except (KeyError, TypeError, ValueError):
        raise Malformed(f"{path} is no keystore", hint=RESTORE) from None
    if any(value > WORK_MAX[field] for field, value in asked.items()):
        raise Refused(f"the keystore {path.name} asks for more work than is admitted", hint="encrypt it anew with less")
    if 128 * asked.get("n", 1) * asked.get("r", 1) > MEMORY_MAX_BYTES:
        raise Refused(f"the keystore {path.name} asks for too much memory", hint="encrypt it anew with less")
    _address(keystore, name)
    return dict(keystore)


def _address(keystore: dict[str, Any], name: str) -> str:
    address = keystore.get("address")
    if not isinstance(address, str) or not re.fullmatch(r"(0x)?[0-9a-fA-F]{40}", address):
        raise Malformed(f"the keystore of {name} names no address", hint="restore it from a copy")
    return str(to_checksum_address("0x" + address.removeprefix("0x")))
