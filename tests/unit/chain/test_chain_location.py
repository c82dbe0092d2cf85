"""Where a node is: as an argument, or in a file, of which nothing is shown."""

from pathlib import Path

import pytest

from assay.chain.location import resolve_url
from assay.protocol.errors import BadInput, LimitExceeded

SECRET = "https://host.example/v3/s3cr3t"


def written(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "node.url"
    path.write_bytes(content)
    path.chmod(mode)
    return f"@{path}"


def test_a_url_is_itself_or_what_a_file_holds(tmp_path: Path) -> None:
    assert resolve_url(SECRET) == SECRET
    assert resolve_url(written(tmp_path, f"{SECRET}\r\n".encode())) == SECRET


@pytest.mark.parametrize(
    "content",
    [b"", b"s3cr3t", b"ftp://s3cr3t", b"\xff\xfes3cr3t", SECRET.encode() + b"\nmore", SECRET.encode("utf-16")],
)
def test_what_a_file_holds_is_not_shown(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadInput, match="does not hold a node's URL") as refused:
        resolve_url(written(tmp_path, content))
    assert "s3cr3t" not in str(refused.value) + refused.value.hint
    assert refused.value.__suppress_context__


def test_a_file_is_its_owners_and_short(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="others than its owner"):
        resolve_url(written(tmp_path, SECRET.encode(), 0o644))
    with pytest.raises(LimitExceeded):
        resolve_url(written(tmp_path, b"x" * 5_000))
    with pytest.raises(BadInput, match="cannot read the URL file"):
        resolve_url(f"@{tmp_path / 'none'}")
