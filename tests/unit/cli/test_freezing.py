"""A network that its operator freezes and thaws, and how that is told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from assay.api.freezing import open_operator
from assay.api.home import Home, frozen_words
from assay.api.inspect import Wait
from assay.api.local import LocalNetwork
from assay.api.shift import waits
from assay.cli import main, place
from assay.protocol.errors import Refused

FROZEN_MAX_S = 14 * 86_400
CHAIN_S = 1_900_000_000


@pytest.fixture
def network() -> Iterator[LocalNetwork]:
    here = LocalNetwork(b"frozen".ljust(32))
    yield here
    here.close()


@pytest.fixture
def run(
    network: LocalNetwork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a verb as whoever operates the network."""
    home = SimpleNamespace(ledger=lambda _: network.network.ledger)

    @contextmanager
    def opened(*_: object) -> Iterator[object]:
        yield home

    monkeypatch.setattr(place, "open_home", opened)
    monkeypatch.setattr("assay.api.freezing.open_operator", lambda _: None)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_an_operator_freezes_and_thaws(run: Callable[..., tuple[int, str, str]], network: LocalNetwork) -> None:
    code, out, _ = run("freeze", "--yes", "--json")
    answer = json.loads(out)
    assert (code, answer["frozen"], answer["until_s"] - answer["from_s"]) == (0, True, FROZEN_MAX_S)
    code, _, err = run("freeze", "--yes")
    assert (code, "frozen already" in err) == (Refused.exit_code, True)
    network.network.ground.approach(answer["from_s"] + 1_000)
    client = network.client()
    assert client.calendar()() == answer["from_s"]
    assert client.calendar().left_s() == FROZEN_MAX_S - 1_000
    assert waits(client.world, "provider").startswith("the network is frozen, until ")
    code, out, _ = run("thaw", "--json")
    assert (code, json.loads(out)) == (0, {"frozen": False, "allowance_s": FROZEN_MAX_S - 1_000})
    assert client.calendar().left_s() == 0
    assert client.calendar()() == answer["from_s"]
    code, _, err = run("thaw")
    assert (code, "not frozen" in err) == (Refused.exit_code, True)


def test_people_are_told(run: Callable[..., tuple[int, str, str]]) -> None:
    _, out, _ = run("freeze", "--yes")
    assert "the network is frozen, until" in out
    assert "thaw" in out
    said = run("thaw")[1]
    assert "the network goes on" in said
    assert "days more now" in said


def test_nobody_else_does(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not operate"):
        open_operator(Home.create(tmp_path / "home"))


def test_a_wait_comes_later_by_the_rest_of_a_freeze() -> None:
    words = Wait("the match", CHAIN_S + 60).words(CHAIN_S, frozen_s=100, is_live=False)
    assert words == (
        "the network is frozen, for 100 s of simulated time at the latest;"
        " waiting for the match, 160 s of simulated time left"
    )
    assert frozen_words(CHAIN_S, 600) in Wait("the match").words(CHAIN_S, frozen_s=600)
