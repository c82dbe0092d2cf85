"""The embedded chain over HTTP: a node for wallets, closed to web pages, and none the worse for any request."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from assay.chain.connect import connect, disconnect
from assay.chain.embedded import EmbeddedChain
from assay.chain.rpc import Rpc
from assay.chain.sender import Sender
from assay.chain.server import BODY_LIMIT_BYTES, ChainServer, Heart, NetworkClock
from assay.chain.signer import KeySigner
from assay.protocol.errors import BadInput, Refused

SECRET = "a-secret-of-some-length"


@pytest.fixture
def server() -> Iterator[ChainServer]:
    server = ChainServer(EmbeddedChain(4_711), SECRET)
    server.start()
    try:
        yield server
    finally:
        server.close()


def ask(server: ChainServer, body: Any, path: str = "/", **headers: str | None) -> tuple[int, Any]:
    """One request as it is given; a header of None is left out."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given: dict[str, str | None] = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest("POST", path, skip_host="Host" in given)
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def call(method: Any, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}


def test_money_is_sent_through_it(server: ChainServer) -> None:
    web3 = connect(server.operator_url)
    signer = KeySigner.create(b"\x01" * 32)
    Rpc(web3).request("anvil_setBalance", signer.address, hex(10**18))
    sent = Sender(web3, signer).send("0x" + "22" * 20, value_wei=5)
    assert Rpc(web3).get_balance("0x" + "22" * 20) == 5
    assert sent.block_number == Rpc(web3).get_head() == 1
    disconnect(web3)


def test_what_only_the_operator_may_do_is_not_for_everybody(server: ChainServer) -> None:
    web3 = connect(server.url)
    for method, params in (
        ("anvil_setBalance", ["0x" + "22" * 20, "0x1"]),
        ("evm_increaseTime", [9]),
        ("evm_mine", []),
    ):
        with pytest.raises(Refused, match="not for everybody"):
            Rpc(web3).request(method, *params)
    assert Rpc(web3).get_head() == 0
    disconnect(web3)
    for path in (f"/{SECRET}x", f"/{SECRET[:-1]}", "/x", f"/{SECRET}/"):
        assert ask(server, call("evm_mine"), path)[0] == 404
    assert server.chain.head.header.number == 0
    assert ask(server, call("evm_mine"), f"/{SECRET}") == (200, {"jsonrpc": "2.0", "id": 7, "result": "0x0"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Length": str(BODY_LIMIT_BYTES + 1)}, 413),
        ({"Content_Length": "9" * 4_000}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": None}, 411),
    ],
)
def test_what_a_web_page_or_a_flood_would_send_is_refused(
    server: ChainServer, headers: dict[str, str | None], status: int
) -> None:
    assert ask(server, call("eth_blockNumber"), **headers)[0] == status
    assert ask(server, call("eth_blockNumber"))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"3",
        b"null",
        b'"eth_blockNumber"',
        b'{"id": NaN}',
        b'{"method": 1}',
        b'{"method": "eth_call", "params": {}}',
        b'{"method": "eth_call", "id": []}',
        json.dumps([call("eth_chainId")] * 300).encode(),
        json.dumps(call("do_eth_call")).encode(),
        json.dumps(call("__init__")).encode(),
    ],
)
def test_a_body_that_is_no_request_gets_an_error(server: ChainServer, body: bytes) -> None:
    status, answer = ask(server, body)
    assert status == 200
    assert answer["error"]["code"] in (-32700, -32600, -32601)


HOSTILE: tuple[Any, ...] = (
    None,
    "",
    "0x",
    "x",
    -1,
    2**300,
    1.5,
    [],
    {},
    [[]],
    {"from": []},
    "0x" + "f" * 80,
    True,
    "\0",
)


@pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
def test_no_parameter_of_any_method_breaks_it(server: ChainServer, hostile: Any) -> None:
    methods = [name.removeprefix("do_") for name in dir(server._provider) if name.startswith("do_")]
    assert len(methods) > 35
    for method in methods:
        for params in ([hostile], [hostile, hostile], [hostile] * 3):
            answer = server.answer(json.dumps(call(method, *params)).encode(), operator=True)
            assert ("result" in answer) != ("error" in answer), (method, params)
            json.dumps(answer)
    assert ask(server, call("eth_chainId"))[1]["result"] == hex(4_711)


def test_a_batch_is_answered_in_order(server: ChainServer) -> None:
    asked = [{**call("eth_chainId"), "id": "a"}, 5, {**call("evm_mine"), "id": 2}, {**call("net_version"), "id": None}]
    answers = ask(server, asked)[1]
    assert [answer.get("id") for answer in answers] == ["a", None, 2, None]
    assert [answer.get("result") for answer in answers] == [hex(4_711), None, None, "4711"]


def test_it_listens_on_loopback_only(server: ChainServer) -> None:
    assert server._server.server_address[0] == "127.0.0.1"
    with pytest.raises(BadInput, match="cannot listen"):
        ChainServer(server.chain, SECRET, port=server.port)


def test_who_connects_and_says_nothing_keeps_nobody_out(server: ChainServer) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        assert ask(server, call("eth_chainId"))[0] == 200
        idle[0].sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n")
        assert ask(server, call("eth_chainId"))[0] == 200
    finally:
        for each in idle:
            each.close()


def test_many_at_once_lose_nothing(server: ChainServer) -> None:
    keys = [KeySigner.create(bytes([index]) * 32) for index in range(1, 7)]
    operator = Rpc(connect(server.operator_url))
    for key in keys:
        operator.request("anvil_setBalance", key.address, hex(10**18))

    def send(key: KeySigner) -> None:
        web3 = connect(server.url)
        for _ in range(5):
            Sender(web3, key).send("0x" + "33" * 20, value_wei=1)
        disconnect(web3)

    threads = [threading.Thread(target=send, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert operator.get_balance("0x" + "33" * 20) == 30
    disconnect(operator.web3)


def test_blocks_come_as_time_passes_and_rarely_when_nobody_sends() -> None:
    chain = EmbeddedChain()
    busy, idle = Heart(chain, block_s=0.05, idle_s=0.05), Heart(EmbeddedChain(), block_s=0.05, idle_s=60)
    idle._used_s -= 1_000
    busy.start()
    idle.start()
    limit_s = time.monotonic() + 20
    while chain.head.header.number < 5 and time.monotonic() < limit_s:
        time.sleep(0.02)
    busy.close()
    idle.close()
    number = chain.head.header.number
    assert number >= 5
    assert idle._chain.head.header.number == 0
    time.sleep(0.2)
    assert chain.head.header.number == number, "a heart that was closed beats no more"


def test_a_network_that_was_down_goes_on_where_it_was() -> None:
    now_s = [100.0]
    clock = NetworkClock(5_000.0, lambda: now_s[0])
    assert clock() == 5_000
    now_s[0] += 7.5
    assert clock() == 5_007.5
    clock.hold(4_000)
    assert clock() == 4_001
    now_s[0] += 60
    assert clock() == 4_001
    clock.resume()
    now_s[0] += 1
    assert clock() == 4_002
    clock.resume()
    assert clock() == 4_002
