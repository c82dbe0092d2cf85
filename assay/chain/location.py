"""Where a node is: its URL, checked, and as much of it as may be shown (paths and passwords of URLs are often keys)."""

from pathlib import Path
from urllib.parse import urlsplit

from assay.protocol.errors import BadInput

URL_HINT = "give http://host:port or https://..."
URL_FILE_LIMIT_BYTES = 1 << 11


def check_url(url: str) -> str:
    """The URL, if it can be a node's. Errors: `BadInput`."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
        raise BadInput(f"not a node's URL: {url[:80]!r}", hint=URL_HINT)
    return url


def resolve_url(given: str) -> str:
    """A node's URL as somebody has given it: itself, or `@PATH` of a file that only its owner may read and that holds
    it, so that a secret in it is seen neither among the machine's processes nor in a shell's history. What the file
    holds is never shown. Errors: `BadInput`, `LimitExceeded`."""
    if not given.startswith("@"):
        return check_url(given)
    from assay.chain.keystore import read_private

    path = Path(given[1:]).expanduser()
    content = read_private(path, URL_FILE_LIMIT_BYTES, "URL file")
    try:
        return check_url(content.decode("ascii").strip())
    except (UnicodeDecodeError, BadInput):
        hint = "write it into the file, http://host:port or https://..., and nothing else"
        raise BadInput(f"{path} does not hold a node's URL", hint=hint) from None


def show_url(url: str) -> str:
    """Scheme, host and port of a checked URL."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
