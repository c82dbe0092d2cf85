"""A web3 connection to the embedded chain or to any node."""

from collections.abc import Callable
from typing import Any

import requests
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint, RPCResponse

from assay.chain.embedded import EmbeddedChain
from assay.chain.location import check_url, show_url
from assay.chain.provider import EmbeddedProvider
from assay.chain.rpc import Rpc
from assay.protocol.errors import AssayError, BadInput, Unreachable

TIMEOUT_S = 30.0
Heard = Callable[[str, Any, RPCResponse, float], None]
"""Told of each answer: method, parameters, answer, seconds by the timer."""


class NodeProvider(HTTPProvider):
    """A node's provider whose failures never quote the URL, and that can be listened to."""

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, request_kwargs={"timeout": timeout_s}, session=requests.Session())
        self.timer: Callable[[], float] = lambda: 0.0
        self.heard: Heard | None = None

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request."""
        started_s = self.timer()
        try:
            answer = super().make_request(method, params)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            words = f"HTTP status {status}" if status else type(error).__name__
            raise requests.RequestException(words) from None
        if self.heard is not None:
            self.heard(method, params, answer, self.timer() - started_s)
        return answer

    def close(self) -> None:
        """Ends the HTTP session."""
        session = self._request_session_manager._explicit_session
        if session is not None:
            session.close()


def connect(url: str | None = None, *, timeout_s: float = TIMEOUT_S, **settings: Any) -> Web3:
    """Connect to `url` (http or https), or open an embedded chain where it is None.

    `settings` are those of `EmbeddedChain`, or `chain=` for one that is open already. Raises `Unreachable` when a node
    does not answer, and `BadInput` for a URL of another kind.
    """
    if url is None:
        chain = settings.pop("chain", None) or EmbeddedChain(**settings)
        return Web3(EmbeddedProvider(chain))
    if settings:
        raise BadInput("settings of the embedded chain do not go with a URL", hint="leave out the URL or the settings")
    provider = NodeProvider(check_url(url), timeout_s)
    web3 = Web3(provider)
    try:
        Rpc(web3).get_chain_id()
    except AssayError as error:
        provider.close()
        hint = "start it, or check the URL"
        where = show_url(url)
        raise Unreachable(f"no node answers at {where}: {error.message}", hint=hint, url=where) from None
    return web3


def disconnect(web3: Web3) -> None:
    """Close what `connect` opened: the HTTP session, or the embedded chain's file."""
    chain = get_embedded(web3)
    if chain is not None:
        chain.close()
    elif isinstance(web3.provider, NodeProvider):
        web3.provider.close()


def get_embedded(web3: Web3) -> EmbeddedChain | None:
    """The embedded chain behind a connection, or None when it is a node's."""
    provider = web3.provider
    return provider.chain if isinstance(provider, EmbeddedProvider) else None
