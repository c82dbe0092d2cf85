"""A job file on disk: read with limits, and remembering its folder, from which the paths in it are meant."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assay.api.consent import Consent, refuse
from assay.protocol import job as protocol
from assay.protocol.errors import BadInput, Refused, show

FILE_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Job(protocol.Job):
    """A job file's content. `folder`: where relative paths and Python files of it are looked for; `consent`: who agrees
    before such a file is run."""

    folder: Path = Path()
    consent: Consent = field(default=refuse, compare=False, repr=False)

    @classmethod
    def load(cls, path: Path | str, changes: Mapping[str, Any] | None = None, *, consent: Consent = refuse) -> "Job":
        """The job in a TOML file, with other values for keys like `train.rounds` where `changes` has them.

        A Python file that it names is run when the job is quoted or posted without a model, and `consent` agrees:
        `assay.agree` always does. Nothing is run here.

        Errors: `BadInput` with the field, what it may hold and a fix; `Refused`.
        """
        path = Path(path)
        try:
            tables = protocol.read_toml(read_text(path))
            for key, value in (changes or {}).items():
                section, _, name = key.partition(".")
                table = tables.setdefault(section, {})
                if isinstance(table, dict):
                    table[name] = value
            job = cls.from_tables(tables)
        except (BadInput, Refused) as error:
            error.fields.setdefault("file", str(path))
            raise
        assert isinstance(job, cls)
        return replace(job, folder=path.parent, consent=consent)

    def value_of(self, key: str) -> str:
        """What the file holds at a key like `train.rounds`, or a section, for a message."""
        table: Any = json.loads(self.document)
        for part in key.split("."):
            table = table.get(part, "") if isinstance(table, dict) else ""
        return show(table)

    @classmethod
    def parse(cls, text: str) -> "Job":
        """The job in the text of a TOML file; paths in it are meant from the working folder."""
        job = super().parse(text)
        assert isinstance(job, cls)
        return job


def read_text(path: Path) -> str:
    """A small text file. Errors: `BadInput`."""
    try:
        if path.exists() and not path.is_file():
            raise BadInput(f"{path} is no job file", hint="name a file, not a folder", file=str(path))
        if not path.is_file():
            raise BadInput(f"there is no job file {path}", hint="write one with: assay init", file=str(path))
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"cannot read {path}: {error.strerror}", hint="name a file that you may read", file=str(path)
        ) from error
    if len(content) > FILE_MAX_BYTES:
        raise BadInput(f"{path} is larger than {FILE_MAX_BYTES} bytes", hint="is it a job file?", file=str(path))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not text in UTF-8", hint="is it a job file?", file=str(path)) from error
