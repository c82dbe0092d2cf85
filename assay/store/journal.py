"""A party's journal in a file: what a role must remember over a restart, written before the act that depends on it."""

from pathlib import Path

from assay.protocol.errors import BadInput, Malformed
from assay.store.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
OWNER = "journal/owner"


class FileJournal:
    """The journal of one party on one deployment. What it holds are secrets: only its owner can read the file.

    `owner` says whose journal and on which deployment, for job numbers begin anew on each. Raises `BadInput` for a
    journal of another owner, and what `Database` raises.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self._database = Database(path, SCHEMA)
        try:
            self._database.execute("INSERT OR IGNORE INTO entries VALUES (?, ?)", OWNER, owner.encode())
            if self.get(OWNER) != owner.encode():
                hint = "remove it with the rest of that network, or name another home"
                raise BadInput(f"{path.name} is a journal of another party or network", hint=hint)
        except BaseException:
            self.close()
            raise

    def get(self, key: str) -> bytes | None:
        """The value, or nothing."""
        rows = self._database.execute("SELECT value FROM entries WHERE key = ?", key)
        if not rows:
            return None
        if not isinstance(rows[0][0], bytes):
            raise Malformed(f"{self._database.path.name} is damaged", hint="restore it from a copy")
        return rows[0][0]

    def put(self, key: str, value: bytes) -> None:
        """Remembers a value; it is on the disk when this returns."""
        self._database.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", key, bytes(value))

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
