"""A connection to an embedded chain that tells how long each answer took."""

from collections.abc import Callable
from typing import Any

from web3 import Web3
from web3.types import RPCEndpoint, RPCResponse

from assay.chain.embedded import EmbeddedChain
from assay.chain.provider import EmbeddedProvider


class MeteredProvider(EmbeddedProvider):
    """The embedded chain's provider; `note` gets the seconds of each request by `timer`."""

    def __init__(self, chain: EmbeddedChain, timer: Callable[[], float], note: Callable[[float], None]) -> None:
        super().__init__(chain)
        self._timer, self._note = timer, note

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Answer one request."""
        started_s = self._timer()
        try:
            return super().make_request(method, params)
        finally:
            self._note(self._timer() - started_s)


def connect_metered(chain: EmbeddedChain, timer: Callable[[], float], note: Callable[[float], None]) -> Web3:
    """A web3 connection to an open embedded chain, metered."""
    return Web3(MeteredProvider(chain, timer, note))
