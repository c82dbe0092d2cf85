"""The embedded chain for other processes: JSON-RPC over HTTP on this machine's loopback, and blocks as time passes.

What a wallet asks a node for is there for every process of the machine. What only the operator may do (give coin, move
time) wants the secret path that stands in the owner's network file. A web page that a browser shows can reach
loopback too; its requests carry an `Origin`, or another `Host`, and are refused.
"""

import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from assay.chain.embedded import EmbeddedChain
from assay.chain.provider import EmbeddedProvider
from assay.protocol.errors import AssayError, BadInput
from assay.protocol.plain import read_plain

LOOPBACK = "127.0.0.1"
BODY_LIMIT_BYTES, DEPTH_MAX, BATCH_LIMIT_COUNT = 4 << 20, 16, 256
CONNECTION_LIMIT_COUNT, SILENCE_S = 128, 60.0
PUBLIC = ("eth_", "net_", "web3_")
"""What methods that are open to every process begin with."""
BLOCK_S, IDLE_BLOCK_S, BUSY_S = 2.0, 30.0, 120.0
"""Seconds between blocks, the same when nobody has sent anything for `BUSY_S`: a network that idles for a week should
not fill the disk with empty blocks."""


class ChainServer:
    """Serves a chain until `close`; whoever knows `secret` is its operator. Raises `BadInput` for a taken port."""

    def __init__(self, chain: EmbeddedChain, secret: str, *, port: int = 0) -> None:
        self.chain, self._secret = chain, secret
        self._provider = EmbeddedProvider(chain)
        try:
            self._server = _Server((LOOPBACK, port), self)
        except OSError as error:
            raise BadInput(f"cannot listen on port {port}: {error.strerror}", hint="name another --port") from None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="rpc", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """For everybody on this machine."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def operator_url(self) -> str:
        """For whoever started it."""
        return f"{self.url}/{self._secret}"

    def start(self) -> None:
        """Answers from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stops listening; answers that are under way are given."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def is_operator(self, path: str) -> bool:
        """Whether a request's path is the secret one; `BadInput` for a path that is neither."""
        if path in ("", "/"):
            return False
        if not hmac.compare_digest(path.encode(), f"/{self._secret}".encode()):
            raise BadInput("there is nothing at this path", hint="read the URL from the network file")
        return True

    def answer(self, body: bytes, *, operator: bool) -> Any:
        """The answer to a request's body: an object, or a list of them for a batch."""
        try:
            asked = read_plain(body, BODY_LIMIT_BYTES, DEPTH_MAX)
        except AssayError as error:
            return _failure(None, -32700, error.message)
        if not isinstance(asked, list):
            return self._answer_one(asked, operator=operator)
        if not 0 < len(asked) <= BATCH_LIMIT_COUNT:
            return _failure(None, -32600, f"a batch holds 1 to {BATCH_LIMIT_COUNT} requests")
        return [self._answer_one(each, operator=operator) for each in asked]

    def _answer_one(self, asked: Any, *, operator: bool) -> dict[str, Any]:
        if not isinstance(asked, dict):
            return _failure(None, -32600, "a request is an object")
        number, method, params = asked.get("id"), asked.get("method"), asked.get("params", [])
        if not isinstance(number, str | int | None) or not isinstance(method, str) or not isinstance(params, list):
            return _failure(None, -32600, "a request has a method, a list of parameters and an id")
        if not operator and not method.startswith(PUBLIC):
            return _failure(number, -32601, f"the method {method[:80]} is not for everybody")
        try:
            return {**self._provider.make_request(method, params), "id": number}  # type: ignore[arg-type]
        except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError):
            # Parameters of the wrong shape: the provider expects web3's, and these may be anybody's.
            return _failure(number, -32602, f"parameters that {method[:80]} does not take")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: ChainServer) -> None:
        self.owner = owner
        self.places = threading.BoundedSemaphore(CONNECTION_LIMIT_COUNT)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, as long as there are not too many."""
        if not self.places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up in the middle is nobody's trouble; anything else is a bug and is shown."""
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = SILENCE_S
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        owner = self.server.owner
        hosts = (f"{LOOPBACK}:{owner.port}", f"localhost:{owner.port}")
        if self.headers.get("Origin") is not None or self.headers.get("Host") not in hosts:
            return self._refuse(403, "this is not for web pages")
        if self.headers.get_content_type() != "application/json":
            return self._refuse(415, "send application/json")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 12:
            return self._refuse(411, "send a Content-Length")
        if int(length) > BODY_LIMIT_BYTES:
            return self._refuse(413, f"send at most {BODY_LIMIT_BYTES} bytes")
        try:
            operator = owner.is_operator(self.path)
        except BadInput as error:
            return self._refuse(404, error.message)
        return self._send(200, owner.answer(self.rfile.read(int(length)), operator=operator))

    def do_GET(self) -> None:
        self._refuse(405, "send JSON-RPC by POST")

    def _refuse(self, status: int, words: str) -> None:
        self.close_connection = True
        self._send(status, {"error": words})

    def _send(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: paths are secrets, and so may be what is asked."""


class Heart:
    """Mines a block every `block_s` seconds while the chain is used, and every `idle_s` while it is not."""

    def __init__(
        self,
        chain: EmbeddedChain,
        *,
        block_s: float = BLOCK_S,
        idle_s: float = IDLE_BLOCK_S,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chain, self._block_s, self._idle_s, self._timer = chain, block_s, max(block_s, idle_s), timer
        self._used_s = timer()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="blocks", daemon=True)
        self._seen = len(chain.blocks)

    def start(self) -> None:
        """Beats from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stops."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _beat(self) -> None:
        mined_s = self._timer()
        while not self._stopped.wait(min(self._block_s, 1.0) / 2):
            now_s = self._timer()
            blocks = self._chain.blocks[self._seen :]
            self._seen += len(blocks)
            if any(block.receipts for block in blocks):
                self._used_s = mined_s = now_s
            pause_s = self._block_s if now_s - self._used_s < BUSY_S else self._idle_s
            if now_s - mined_s >= pause_s:
                self._chain.mine()
                mined_s = now_s


class NetworkClock:
    """Seconds of a network that stands still while nobody runs it.

    It begins where the chain's last block ended, or now for a new chain, and goes on with the machine's steady clock:
    a network that was down, or a machine that slept, has missed no deadline, and a clock that is set moves nothing.
    """

    def __init__(self, began_s: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._began_s, self._timer, self._started_s = began_s, timer, timer()
        self._held_s: float | None = None

    def __call__(self) -> float:
        """Seconds since the epoch, less those while it was down."""
        return self._began_s + self._timer() - self._started_s if self._held_s is None else self._held_s

    def hold(self, head_s: int) -> None:
        """Stands still after the last block that a chain has, until `resume`."""
        self._held_s = head_s + 1

    def resume(self) -> None:
        """Goes on from where it was held, if it was."""
        if self._held_s is not None:
            self._began_s, self._held_s = self._held_s - (self._timer() - self._started_s), None


def _failure(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
