"""The one tree of refusals.

    AssayError
    ├── BadInput            something a person wrote is wrong: a job file, a flag, a path
    ├── Malformed           bytes from outside are not what they claim to be
    │   └── LimitExceeded   ... or are larger than we admit
    ├── Unsupported         a model, operator, data set or machine that Assay cannot take
    ├── Refused             a party declines: price, admission, a scheme that does not hold for this job
    ├── Unavailable         bytes, a peer or a chain did not answer in time
    └── Reverted            a contract said no; carries the decoded custom error

Cheating is a `Verdict` value, not an error; a bug is any other exception.
"""

from typing import Any, ClassVar


class AssayError(Exception):
    """A refusal with a stable `code`, a `hint` that says what to do next, and typed `fields`."""

    code: ClassVar[str] = "assay"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_json(self) -> dict[str, Any]:
        """The error as plain values, for `--json` output."""
        return {"error": self.code, "message": self.message, "hint": self.hint, **self.fields}


class BadInput(AssayError):
    """Something a person wrote is wrong: a job file, a flag, a path."""

    code = "bad-input"
    exit_code = 2


class Malformed(AssayError):
    """Bytes from outside are not what they claim to be."""

    code = "malformed"
    exit_code = 3


class LimitExceeded(Malformed):
    """Something from outside is larger than we admit. Fields: `limit`, `actual`."""

    code = "limit-exceeded"


class Unsupported(AssayError):
    """A model, operator, data set or machine that Assay cannot take."""

    code = "unsupported"
    exit_code = 4


class Refused(AssayError):
    """A party declines: price, admission, a scheme that does not hold for this job."""

    code = "refused"
    exit_code = 5


class Unavailable(AssayError):
    """Bytes, a peer or a chain did not answer in time."""

    code = "unavailable"
    exit_code = 6


class Reverted(AssayError):
    """A contract said no. Fields: `contract_error` (the custom error's name) and its arguments."""

    code = "reverted"
    exit_code = 7
