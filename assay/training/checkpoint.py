"""A checkpoint: a training's whole state and what it is a state of, as one safetensors file.

The file is a state's canonical bytes (`assay.work.state`) whose header begins with a note: settings, count of steps,
root of the tensors, roots of the programs that made them. Any safetensors reader opens it. Here nothing but the
note is parsed: the header has to equal the one that follows from the note and the signature, byte for byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from torch import Tensor

from assay.protocol.errors import BadInput, LimitExceeded, Malformed, Pickled, Truncated
from assay.protocol.plain import read_plain, write_plain
from assay.work.state import HEADER_ALIGNMENT, RESERVED_NAME, Signature, state_root

FORMAT = "assay.training.1"
HEADER_MAX_BYTES = 8 << 20
"""Of a header with its note: names of all tensors, and a learning rate for each of 65,536 steps."""
LENGTH_BYTES = 8
"""Of the header's length, which comes first."""
NUMBER_DIGITS = 20
COUNTS = 1 << 63
"""A count of steps is an int64 of the program's."""
PROGRAMS_MAX = 8
"""Step programs of one training, each for a form of batch."""
FORM_MAX = 200
"""Characters of a batch's form in words."""
ROOT_DIGITS = 64
PICKLES = (b"\x80", b"PK")
"""How what `pickle` and `torch.save` write begins."""
OTHER = "to begin with these weights under other settings, load them under their own, then compile step.model() anew"


@dataclass(frozen=True)
class Note:
    """What a checkpoint says of its tensors. `optimizer` is its table as canonical JSON, `programs` the root of the
    step program of each form of batch, `count` the steps done."""

    profile: str
    optimizer: str
    seed: int
    count: int
    root: str
    programs: Mapping[str, str]

    def to_metadata(self) -> dict[str, str]:
        """As a safetensors header has it: texts by name, and a hash of them, by which damage is found."""
        entries = {
            "count": str(self.count),
            "format": FORMAT,
            "optimizer": self.optimizer,
            "profile": self.profile,
            "programs": write_plain(dict(self.programs)).decode(),
            "root": self.root,
            "seed": str(self.seed),
        }
        return {**entries, "sha256": sha256(write_plain(entries)).hexdigest()}

    @classmethod
    def from_metadata(cls, entries: object) -> "Note":
        """From a header's texts. Errors: `Malformed` unless `to_metadata` would write just these."""
        if not isinstance(entries, dict) or not all(isinstance(text, str) for text in entries.values()):
            raise Malformed("a checkpoint's note is not a table of texts")
        if entries.get("format") != FORMAT:
            raise Malformed(
                f"this file does not say that it is a checkpoint of {FORMAT}", hint="load what step.save wrote"
            )
        programs = read_plain(entries.get("programs", "").encode(), HEADER_MAX_BYTES)
        note = cls(
            entries.get("profile", ""),
            entries.get("optimizer", ""),
            _number(entries.get("seed", "")),
            _number(entries.get("count", "")),
            entries.get("root", ""),
            programs if _are_programs(programs) else {},
        )
        if note.to_metadata() != entries or not _is_root(note.root) or note.count >= COUNTS:
            raise Malformed("a checkpoint's note is not as it is written")
        return note

    def require(self, other: "Note") -> None:
        """That this checkpoint belongs to a training, of which `other` is the note. Errors: `BadInput` where profile,
        optimizer, seed or the program for a form of batch differ."""
        if self.profile != other.profile:
            raise BadInput(f"the checkpoint is of profile {self.profile[:20]!r}, this is {other.profile}", hint=OTHER)
        theirs, ours = self._optimizer(), other._optimizer()
        if theirs != ours:
            key = next((key for key in ours if ours[key] != theirs.get(key)), "its settings")
            found = f"{key} is {str(theirs.get(key))[:40]}, here {str(ours.get(key))[:40]}"
            raise BadInput(f"the checkpoint is of another optimizer: {found}", hint=OTHER)
        if self.seed != other.seed:
            raise BadInput(f"the checkpoint is of seed {self.seed}, this is {other.seed}", hint=OTHER)
        for form, root in self.programs.items():
            require_program(form, root, other.programs.get(form, root))

    def _optimizer(self) -> dict[str, Any]:
        """The optimizer's table; numbers compare by value, 1 as 1.0."""
        table = read_plain(self.optimizer.encode(), HEADER_MAX_BYTES)
        if not isinstance(table, dict):
            raise Malformed("a checkpoint's optimizer is not a table")
        return table


def require_program(form: str, known: str, found: str) -> None:
    """That a step's program is the one of a checkpoint. Errors: `BadInput`."""
    if known != found:
        raise BadInput(
            f"the checkpoint's program for batches of {form} is {known[:16]}…, here it is {found[:16]}…",
            hint="model, loss or settings differ, or another release of PyTorch captured it",
            form=form,
        )


def encode(signature: Signature, tensors: list[Tensor], note: Note) -> bytes:
    """A checkpoint's bytes; the same on every machine. Errors: `Malformed` for tensors that do not fit, `NotFinite`."""
    return _header(signature, note) + signature.encode(tensors)[len(signature.header) :]


def decode_note(content: bytes) -> Note:
    """The note of bytes from outside. Errors: `Malformed`, of its kinds `Pickled`, `Truncated`, `LimitExceeded`."""
    if not content[LENGTH_BYTES:].startswith(b"{"):
        if content.startswith(PICKLES):
            raise Pickled("this is a pickle: opening it could run code, so it is not opened", hint="use step.save")
        raise Malformed("this is not a safetensors file", hint="load what step.save wrote")
    size = int.from_bytes(content[:LENGTH_BYTES], "little")
    if size > HEADER_MAX_BYTES:
        raise LimitExceeded("a checkpoint's header is too long", limit=HEADER_MAX_BYTES, actual=size)
    text = content[LENGTH_BYTES : LENGTH_BYTES + size]
    if len(text) < size:
        raise Truncated("a checkpoint ends in its header", hint="fetch it again", expected=size, actual=len(text))
    header = read_plain(text, HEADER_MAX_BYTES)
    return Note.from_metadata(header.get(RESERVED_NAME) if isinstance(header, dict) else None)


def decode_tensors(content: bytes, signature: Signature, note: Note) -> list[Tensor]:
    """The tensors of a checkpoint whose note is read; exactly the bytes that `encode` would give pass.

    Errors: `Malformed` with the reason, of its kinds `Truncated` and `NotFinite`; `BadInput` for another model's.
    """
    header = _header(signature, note)
    if content[: len(header)] != header:
        raise BadInput(
            "the checkpoint is of another model: its tensors have other names, types or shapes",
            hint="compile the model that it was saved from",
        )
    size, expected = len(content), len(header) + signature.size_bytes
    if size < expected:
        raise Truncated(
            f"a checkpoint ends after {size} of {expected} bytes",
            hint="fetch it again",
            expected=expected,
            actual=size,
        )
    if size > expected:
        raise Malformed(f"a checkpoint has {size} bytes instead of {expected}")
    tensors = signature.decode_tensors(memoryview(content)[len(header) :])
    if state_root(tensors).hex() != note.root:
        raise Malformed("the checkpoint's tensors are not those of its root", hint="fetch it again")
    return tensors


def _header(signature: Signature, note: Note) -> bytes:
    """A state's own header with the note as its first entry, its length in front."""
    own = signature.header[LENGTH_BYTES:].rstrip(b" ")
    text = b'{"%s":%s,%s' % (RESERVED_NAME.encode(), write_plain(note.to_metadata()), own[1:])
    text += b" " * (-len(text) % HEADER_ALIGNMENT)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS):
        raise Malformed("a checkpoint's note lacks a number")
    return int(text)


def _is_root(text: object) -> bool:
    return isinstance(text, str) and len(text) == ROOT_DIGITS and set(text) <= set("0123456789abcdef")


def _are_programs(entries: object) -> bool:
    return (
        isinstance(entries, dict)
        and len(entries) <= PROGRAMS_MAX
        and all(len(form) <= FORM_MAX and _is_root(root) for form, root in entries.items())
    )
