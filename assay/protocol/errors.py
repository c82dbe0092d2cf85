"""The one tree of refusals.

    AssayError
    ├── BadInput                something a person wrote is wrong: a job file, a flag, a path
    │   ├── BadKey              ... a key of a job file: carries key, value, what is allowed
    │   │   ├── UnknownKey
    │   │   ├── MissingKey
    │   │   ├── WrongValue
    │   │   ├── Impossible      keys that do not go together
    │   │   │   ├── TooManyByzantine
    │   │   │   └── DeadlineTooShort
    │   │   └── BudgetTooSmall
    │   ├── Undecidable         programs or samples of which no dispute could be decided on chain
    │   └── WrongChain
    ├── Malformed               bytes from outside are not what they claim to be
    │   ├── CorruptBlob
    │   ├── Truncated
    │   ├── Pickled
    │   ├── UnreadableData
    │   ├── NotFinite
    │   ├── PathOutside
    │   ├── SymbolicLink
    │   └── LimitExceeded       ... or are larger than we admit
    │       ├── Bomb            ... once they are unpacked
    │       └── Overload        ... or would take more time or memory than this machine has for them
    ├── Unsupported             a model, operator, data set or machine that Assay cannot take
    ├── Refused                 a party declines: price, admission, a scheme that does not hold for this job
    │   ├── Insufficient
    │   └── AtFault
    ├── Unavailable             bytes, a peer or a chain did not answer in time
    │   ├── MissingBlob
    │   └── Unreachable
    └── Reverted                a contract said no; carries the decoded custom error

A kind of an error has its own `code` and its family's exit code. Cheating is a `Verdict` value, not an error; a bug is
any other exception.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

SHOWN_MAX = 80
"""Characters that a message repeats of what it was given."""


class AssayError(Exception):
    """A refusal with a stable `code`, a `hint` that says what to do next, and typed `fields`."""

    code: ClassVar[str] = "assay"
    exit_code: ClassVar[int] = 1
    remedy: ClassVar[str] = ""
    """What the reference tells whoever meets this code, and a person where there is no hint for the case at hand."""

    def __init__(self, message: str, *, hint: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_json(self) -> dict[str, Any]:
        """The error as plain values, for `--json` output."""
        return {"error": self.code, "message": self.message, "hint": self.hint or self.remedy, **self.fields}


class BadInput(AssayError):
    """Something a person wrote is wrong: a job file, a flag, a path."""

    code = "bad-input"
    exit_code = 2
    remedy = "The hint names what may be given. `assay VERB --help` has the arguments with examples."


class BadKey(BadInput):
    """A key of a job file is wrong, in a way that none of its kinds says. Fields: `key`, and where known `value` and
    `allowed`."""

    code = "bad-key"
    remedy = "Compare the file with the reference. Nothing is posted while a key is wrong."


class UnknownKey(BadKey):
    """A job file has a key or a section that no job has. Fields: `key`, `allowed` (the names there are)."""

    code = "unknown-key"
    remedy = "The hint names the nearest key there is, or all of them. `assay init` writes a file with every key."


class MissingKey(BadKey):
    """A job file lacks a key that has no default. Fields: `key`, `allowed`."""

    code = "missing-key"
    remedy = "Give the key; the reference says what it may hold."


class WrongValue(BadKey):
    """A key of a job file holds a value of another type, or out of its range. Fields: `key`, `value`, `allowed`."""

    code = "wrong-value"
    remedy = "`allowed` says what the key may hold; whole tokens and durations are text in quotes."


class Impossible(BadKey):
    """Keys of a job file that are right alone and do not go together. Fields: `key`, `value`, `allowed`."""

    code = "impossible-combination"
    remedy = "The message names both sides and the hint a change that makes them fit."


class TooManyByzantine(Impossible):
    """The aggregation rule cannot bear `byzantine_max` arbitrary updates among so many providers. Fields: `key`,
    `value`, `allowed`."""

    code = "too-many-byzantine"
    remedy = (
        "The mean bears none; to bear f, trimmed-mean and median need 2f + 1 updates, krum 2f + 3, multi-krum 2f + 4,"
        " norm-bound f + 1. Lower `aggregate.byzantine_max`, raise `match.providers`, or take another"
        " `aggregate.rule`."
    )


class DeadlineTooShort(Impossible):
    """The deadline is before the end of the windows: matching, one round and its challenge. Fields: `key`, `value`,
    `allowed`."""

    code = "deadline-too-short"
    remedy = "Raise `job.deadline`, or shorten the `[windows]` and `verify.challenge`."


class BudgetTooSmall(BadKey):
    """The budget does not pay what the job costs at most. Fields: `key`, `value`, `allowed`."""

    code = "budget-too-small"
    remedy = "Raise `job.budget`, or lower the rounds, the providers or the prices. `assay quote` shows the parts."


class Undecidable(BadInput):
    """A job's programs or samples are such that no contract could decide a dispute about them: a transaction that shows
    what it takes would be larger than nodes admit. Who trains, checks or aggregates leaves such a job. Fields: `limit`,
    `actual`, and where known `program`, `node`, `operator`, `source`."""

    code = "undecidable"
    remedy = (
        "The message names what is too wide, and the hint what fits: join fewer tensors at a time, or make one sample"
        " smaller. Nothing is posted."
    )


class WrongChain(BadInput):
    """A node serves another chain than the one that is meant. Fields: `chain_id`, `expected`."""

    code = "wrong-chain"
    remedy = "Check the URL. A home belongs to one chain: for another one name another `--home`."


class Malformed(AssayError):
    """Bytes from outside are not what they claim to be."""

    code = "malformed"
    exit_code = 3
    remedy = "Nothing of it was used. Fetch it again, from another holder where there is one, or make it anew."


class CorruptBlob(Malformed):
    """Bytes have another hash than the one they were asked for by. Fields: `cid`."""

    code = "corrupt-blob"
    remedy = "`assay doctor` finds damaged blobs of a home. Remove the file that it names and fetch the bytes again."


class Truncated(Malformed):
    """A file or a blob ends too early. Fields: `expected`, `actual`, in bytes."""

    code = "truncated"
    remedy = "Copying or writing it was interrupted: fetch it again, and see that the disk is not full."


class Pickled(Malformed):
    """A file holds pickled Python objects, whatever its name says. They could run code, and are never opened."""

    code = "pickle"
    remedy = (
        "Save numbers and nothing else: `numpy.savez(path, x=x, y=y)` with arrays of a numeric type, weights with"
        " `safetensors`. Open a pickle only if you made it yourself."
    )


class UnreadableData(Malformed):
    """A data file cannot be read as what it should be, or not at all."""

    code = "unreadable-data"
    remedy = "Write it with `numpy.savez(path, x=inputs, y=targets)` (data) or `numpy.save(path, x)` (inputs)."


class NotFinite(Malformed):
    """Data or weights have NaN or infinities in them."""

    code = "not-finite"
    remedy = "Replace or leave out those samples: `numpy.isfinite(x).all()` must hold."


class PathOutside(Malformed):
    """An archive names a file outside of the folder it is meant for. Fields: `name`."""

    code = "path-outside"
    remedy = "Nothing was written. Nobody makes such a name by accident: do not trust where it came from."


class SymbolicLink(Malformed):
    """A symbolic link stands where a file is read that others may see. Links are not followed. Fields: `path`."""

    code = "symbolic-link"
    remedy = "Put the file itself there. What a job publishes is then what lies in the folder that you named."


class LimitExceeded(Malformed):
    """Something from outside is larger than we admit. Fields: `limit`, `actual`."""

    code = "limit-exceeded"
    remedy = "It was refused before it was read. Make it smaller; the limits protect whoever reads."


class Bomb(LimitExceeded):
    """An archive is small and would unpack to far more than we admit. Fields: `limit`, `actual`, in bytes."""

    code = "decompression-bomb"
    remedy = "Nothing was unpacked. If it is your own data, write it in several files."


class Overload(LimitExceeded):
    """Something would take more time or memory than this machine gives it: nothing is wrong with the thing itself.
    Fields: `limit`, `actual`, in seconds or bytes."""

    code = "overload"
    remedy = "Another machine may take it. `--memory-mb` raises what jobs may take of this one."


class Unsupported(AssayError):
    """A model, operator, data set or machine that Assay cannot take."""

    code = "unsupported"
    exit_code = 4
    remedy = "The primitives are what a program may consist of; the message names what is not."


class Refused(AssayError):
    """A party declines: price, admission, a scheme that does not hold for this job."""

    code = "refused"
    exit_code = 5
    remedy = "The message says who declines and why; the hint what would be taken."


class Insufficient(Refused):
    """An account holds less than what it is to pay. Fields: `needed`, `held`, in whole tokens."""

    code = "insufficient-balance"
    remedy = "Fund the account (`assay faucet` on a network of your own), or ask for less."


class AtFault(Refused):
    """A job is itself at fault: its own program gives numbers that are not finite, whoever executes it."""

    code = "job-at-fault"
    remedy = (
        "Lower the learning rate, or scale the inputs to about -1 to 1. `assay quote` tries the first step and spends"
        " nothing. `assay audit JOB` names the operator of a job that stands: work that was done on it is paid, and the"
        " fault deposit is forfeited."
    )


class Unavailable(AssayError):
    """Bytes, a peer or a chain did not answer in time."""

    code = "unavailable"
    exit_code = 6
    remedy = "Try again. What was begun goes on where it stopped."


class MissingBlob(Unavailable):
    """Nobody here has the bytes behind a hash. Fields: `cid`."""

    code = "missing-blob"
    remedy = "Ask whoever posted the job, or another holder, to serve it; then run the verb again."


class Unreachable(Unavailable):
    """No node answers. Fields: `url`, without what may be secret in it."""

    code = "unreachable-node"
    remedy = "Start the node, or check the URL. For a network of your own: `assay up`."


class Reverted(AssayError):
    """A contract said no. Fields: `contract_error` (the custom error's name), `arguments` by name."""

    code = "reverted"
    exit_code = 7
    remedy = "The error's name and arguments are the contract's own; its interface says when it reverts so."


def error_tree(root: type[AssayError] = AssayError) -> Iterator[type[AssayError]]:
    """The tree in its own order, each error before its kinds; those that other rooms add included."""
    yield root
    for kind in root.__subclasses__():
        if kind.__module__.startswith("assay."):
            yield from error_tree(kind)


def show(value: object) -> str:
    """A value from a file, cut, for a message. Never fails, though there are integers too long for decimal text."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):
        text = f"a very long {type(value).__name__}"
    shown = repr(text[:SHOWN_MAX]) if isinstance(value, str) else text[:SHOWN_MAX]
    return shown if len(text) <= SHOWN_MAX else f"{shown}…"
