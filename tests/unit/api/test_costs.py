"""What a node says of transactions: taken as it is where it makes sense, left open where it does not."""

from types import SimpleNamespace
from typing import Any

import pytest

from assay.api.costs import ASKED_MAX, Costs
from assay.api.moves import NOTHING_KNOWN
from assay.chain.artifacts import load_artifact
from assay.chain.reverts import compute_selector
from assay.protocol.errors import Refused, Unavailable

GAMES, DISPUTES, SENDER = ("0x" + digit * 40 for digit in "123")
RECEIPT = {"gasUsed": "0x64", "effectiveGasPrice": "0x3", "from": SENDER, "to": GAMES}


def costs(receipt: Any, sent: Any = None) -> tuple[Costs, list[str]]:
    asked = []

    def request(method: str, *_: object) -> Any:
        asked.append(method)
        found = receipt if method == "eth_getTransactionReceipt" else sent
        if isinstance(found, Exception):
            raise found
        return found

    deployment = SimpleNamespace(addresses={"Games": GAMES, "Disputes": DISPUTES})
    ledger: Any = SimpleNamespace(rpc=SimpleNamespace(request=request), deployment=deployment)
    return Costs(ledger), asked


def selector(name: str) -> bytes:
    return next(
        compute_selector(each) for each in load_artifact("Games").get_entries("function") if each["name"] == name
    )


def test_a_move_is_known_by_its_call_and_asked_about_once() -> None:
    found, asked = costs(RECEIPT, {"input": "0x" + (selector("provePart") + b"rest").hex()})
    spent = found.of(bytes(32))
    assert (spent.gas, spent.fee_wei, spent.sender) == (100, 300, SENDER)
    assert (spent.call, spent.arguments) == ("provePart", b"rest")
    assert found.of(bytes(32)) == spent
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("to", "payload"), [("0x" + "9" * 40, "0x"), (None, "0x"), (GAMES, "0x"), (GAMES, "0xdeadbeef")]
)
def test_a_call_of_something_else_is_no_move(to: str | None, payload: str) -> None:
    found, _ = costs({**RECEIPT, "to": to}, {"input": payload})
    assert found.of(bytes(32)).call == ""
    assert found.of(bytes(32)).gas == 100


ODD = [None, [], {}, {**RECEIPT, "gasUsed": "0x" + "f" * 64}, {**RECEIPT, "gasUsed": -1}, {**RECEIPT, "from": "me"}]


@pytest.mark.parametrize("receipt", [*ODD, Refused("no such method")], ids=lambda value: str(value)[:30])
def test_what_makes_no_sense_is_not_known(receipt: Any) -> None:
    found, asked = costs(receipt)
    assert found.of(bytes(32)) == NOTHING_KNOWN
    assert found.of(bytes(32)) == NOTHING_KNOWN
    assert len(asked) == 1


def test_a_node_that_does_not_answer_is_said_to() -> None:
    found, _ = costs(Unavailable("it is down"))
    with pytest.raises(Unavailable):
        found.of(bytes(32))


def test_there_is_an_end_to_asking() -> None:
    found, asked = costs(None)
    for number in range(ASKED_MAX + 10):
        assert found.of(number.to_bytes(32, "big")) == NOTHING_KNOWN
    assert len(asked) == ASKED_MAX
