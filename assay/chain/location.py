"""Where a node is: its URL, checked, and as much of it as may be shown (paths and passwords of URLs are often keys)."""

from urllib.parse import urlsplit

from assay.protocol.errors import BadInput

URL_HINT = "give http://host:port or https://..."


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


def show_url(url: str) -> str:
    """Scheme, host and port of a checked URL."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
