"""A web3 connection to the embedded chain or to any node."""

from typing import Any

import requests
from web3 import HTTPProvider, Web3

from assay.chain.embedded import EmbeddedChain
from assay.chain.provider import EmbeddedProvider
from assay.protocol.errors import BadInput, Unavailable

TIMEOUT_S = 30.0


def connect(url: str | None = None, *, timeout_s: float = TIMEOUT_S, **settings: Any) -> Web3:
    """Connect to `url` (http or https), or open an embedded chain where it is None.

    `settings` are those of `EmbeddedChain`, or `chain=` for one that is open already. Raises `Unavailable` when a node
    does not answer, and `BadInput` for a URL of another kind.
    """
    if url is None:
        chain = settings.pop("chain", None) or EmbeddedChain(**settings)
        return Web3(EmbeddedProvider(chain))
    if settings:
        raise BadInput("settings of the embedded chain do not go with a URL", hint="leave out the URL or the settings")
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"not a node's URL: {url!r}", hint="give http://host:port or https://...")
    session = requests.Session()
    web3 = Web3(HTTPProvider(url, request_kwargs={"timeout": timeout_s}, session=session))
    if not web3.is_connected():
        session.close()
        raise Unavailable(f"no node answers at {url}", hint="start it, or check the URL")
    return web3


def disconnect(web3: Web3) -> None:
    """Close what `connect` opened: the HTTP session, or the embedded chain's file."""
    chain = get_embedded(web3)
    if chain is not None:
        chain.close()
    elif isinstance(web3.provider, HTTPProvider):
        session = web3.provider._request_session_manager._explicit_session
        if session is not None:
            session.close()


def get_embedded(web3: Web3) -> EmbeddedChain | None:
    """The embedded chain behind a connection, or None when it is a node's."""
    provider = web3.provider
    return provider.chain if isinstance(provider, EmbeddedProvider) else None
