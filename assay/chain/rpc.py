"""JSON-RPC below web3's contract layer: plain requests, hostile answers refused, errors of our own tree."""

from functools import lru_cache
from typing import Any, TypeAlias

from requests.exceptions import RequestException
from web3 import Web3
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from assay.chain.reverts import explain_revert
from assay.protocol.errors import Malformed, Refused, Unavailable

BlockTag: TypeAlias = int | str
REVERT_CODE = 3
ANSWER_LIMIT_BYTES = 64 << 20
ANSWERS_KEPT, SHORT = 4_096, 4 << 10
"""How many answers of contracts are kept, and up to how many characters each."""


class Rpc:
    """Requests to the node behind a web3 connection."""

    def __init__(self, web3: Web3) -> None:
        self.web3 = web3
        self._provider = web3.provider

    def request(self, method: str, *params: Any) -> Any:
        """The result of one request.

        Raises `Unavailable` when the node does not answer, `Reverted` with the decoded error when a contract said no,
        and `Refused` with the node's words for any other error.
        """
        try:
            answer = self._provider.make_request(RPCEndpoint(method), list(params))
        except (RequestException, OSError, Web3Exception) as error:
            raise Unavailable(f"the node did not answer {method}: {error}", hint="is it running?") from None
        except ValueError as error:
            raise Malformed(f"the node's answer to {method} is not JSON: {error}", hint="check the URL") from None
        if not isinstance(answer, dict):
            raise Malformed(f"the node's answer to {method} is not an object", hint="check the URL")
        failure = answer.get("error")
        if failure:
            raise _explain_error(method, failure)
        if "result" not in answer:
            raise Malformed(f"the node's answer to {method} has no result", hint="check the URL")
        return answer["result"]

    def get_chain_id(self) -> int:
        """The chain's id."""
        return read_quantity(self.request("eth_chainId"))

    def get_head(self) -> int:
        """Number of the newest block."""
        return read_quantity(self.request("eth_blockNumber"))

    def get_balance(self, address: str) -> int:
        """Balance in wei."""
        return read_quantity(self.request("eth_getBalance", address, "latest"))

    def get_timestamp(self) -> int:
        """Timestamp of the newest block, in seconds."""
        return read_quantity(read_object(self.request("eth_getBlockByNumber", "latest", False)).get("timestamp"))

    def call(self, to: str, payload: bytes, *, sender: str | None = None, value_wei: int = 0, block: BlockTag) -> bytes:
        """eth_call. `block` is a number or a tag."""
        transaction = {"to": to, "data": "0x" + payload.hex()}
        if sender is not None:
            transaction["from"] = sender
        if value_wei:
            transaction["value"] = hex(value_wei)
        answer = self.request("eth_call", transaction, hex(block) if isinstance(block, int) else block)
        return _read_short(answer) if isinstance(answer, str) and len(answer) <= SHORT else read_bytes(answer)


def _explain_error(method: str, error: Any) -> Exception:
    if not isinstance(error, dict):
        return Refused(f"{method}: {str(error)[:500]}", hint="ask the node's log")
    message, payload = str(error.get("message", ""))[:500], error.get("data")
    if isinstance(payload, dict):  # some nodes nest it
        payload = payload.get("data")
    if error.get("code") == REVERT_CODE or "execution reverted" in message:
        return explain_revert(read_bytes(payload) if isinstance(payload, str) else b"")
    return Refused(f"{method}: {message}", hint="the node refuses the request", rpc_code=error.get("code"))


def read_quantity(value: Any, limit: int = 2**256) -> int:
    """A hex quantity from a node. Raises `Malformed`."""
    if isinstance(value, str) and value.startswith("0x") and 2 < len(value) <= 66:
        try:
            number = int(value, 16)
        except ValueError:
            number = limit
        if number < limit:
            return number
    raise Malformed(f"the node sent {str(value)[:80]!r} for a number", hint="use another node")


def read_bytes(value: Any, size_bytes: int | None = None) -> bytes:
    """Hex bytes from a node, of a size where one is given. Raises `Malformed`."""
    if isinstance(value, str) and value.startswith("0x") and len(value) <= 2 * ANSWER_LIMIT_BYTES:
        try:
            payload = bytes.fromhex(value[2:])
        except ValueError:
            payload = None
        if payload is not None and (size_bytes is None or len(payload) == size_bytes):
            return payload
    wanted = "bytes" if size_bytes is None else f"{size_bytes} bytes"
    raise Malformed(f"the node sent {str(value)[:80]!r} for {wanted}", hint="use another node")


@lru_cache(maxsize=ANSWERS_KEPT)
def _read_short(answer: str) -> bytes:
    """The same bytes for the same answer: whoever waits gets it many times, and hashes and decodes it once."""
    return read_bytes(answer)


def read_object(value: Any) -> dict[str, Any]:
    """A JSON object from a node. Raises `Malformed`."""
    if not isinstance(value, dict):
        raise Malformed(f"the node sent {str(value)[:80]!r} for an object", hint="use another node")
    return value
