"""What `audit` and `dispute` show of a real game, and a challenge of one's own, on a network inside this process."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from assay.api.sdk import Network
from assay.chain.contracts.disputes import ChallengeOpened, ChallengeSealed, Settled
from assay.chain.contracts.games import Ruled
from assay.chain.events import Event
from assay.cli import main, session
from assay.cli.verbs import FOUND
from assay.protocol.phase import Settlement
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.roles.zoo import CHEATS
from assay.roles.zoo.needle import ELEMENT
from tests.unit.cli.contested import (
    LIAR,
    MONEY,
    OPTIMIZER,
    SEGMENTS,
    SLOT,
    STEPS,
    Mute,
    Turns,
    open_net,
    set_up,
    tiny_bundle,
    until_challenging,
)

Run = Callable[..., tuple[int, str, str]]
SEGMENT = SEGMENTS // 2
LIE = ("1", "--round", "0", "--slot", str(SLOT), "--segment", str(SEGMENT))


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Network], Run]:
    """Runs verbs as somebody sees the network: (exit code, standard output, standard error)."""

    def see(net: Network) -> Run:
        @contextmanager
        def opened(*_: object) -> Iterator[Network]:
            yield net

        for name in ("open_network", "open_account", "open_challenger"):
            monkeypatch.setattr(session, name, opened)

        def run(*arguments: str) -> tuple[int, str, str]:
            code = main(list(arguments))
            shown = capsys.readouterr()
            return code, shown.out, shown.err

        return run

    return see


@pytest.fixture(scope="module")
def played() -> Stage:
    """A job in which a watch-tower has played against the needle, to its end."""
    stage = set_up()
    stage.watch(Validator, watch=True)
    stage.play()
    return stage


def plain(found: tuple[int, str, str]) -> dict[str, Any]:
    value = json.loads(found[1])
    assert isinstance(value, dict)
    return value


def flat(text: str) -> str:
    return " ".join(text.split())


def test_audit_goes_down_to_the_number_that_was_changed(played: Stage, see: Callable[[Network], Run]) -> None:
    run, bundle = see(open_net(played)), tiny_bundle()
    code, out, _ = run("audit", *LIE)
    number = bundle.step.outputs[0]
    node = number - len(bundle.step.inputs)
    told = plain(run("audit", *LIE, "--json"))
    (checked,) = told["checked"]
    found = checked["descent"]["difference"]
    assert code == FOUND
    assert not told["honest"]
    assert (found["step"], found["run"], found["node"], found["value"]) == (
        SEGMENT * STEPS + STEPS - 1,
        STEPS - 1,
        node,
        number,
    )
    assert (found["tensor"], found["shape"], found["element"], found["index"]) == ("0.weight", [5, 6], ELEMENT, [0, 3])
    assert (found["operator"], found["source"]) == ("sub", bundle.step.side.sources[node])
    claimed, computed = (int(found[name]["bits"], 16) for name in ("claimed", "computed"))
    assert claimed ^ computed == 1, "its last bit"
    assert float(found["claimed"]["value"]) == pytest.approx(float(found["computed"]["value"]), rel=1e-5)
    assert (found["accused"], found["role"], found["ruling"]) == (played.address(LIAR), "provider", "upheld")
    for words in ("step 5", f"node {node} (sub of", "element 3 [0, 3] of 0.weight", found["claimed"]["bits"]):
        assert words in flat(out)
    for words in (found["computed"]["bits"], "the contract: upheld", "upheld: the claim is wrong"):
        assert words in flat(out)


def test_audit_of_a_slot_finds_it_by_itself_and_of_the_job_says_what_was_disputed(
    played: Stage, see: Callable[[Network], Run], tmp_path: Path
) -> None:
    run = see(open_net(played))
    by_slot = plain(run("audit", f"1/0/{SLOT}", "--json"))["checked"][0]["descent"]["difference"]
    by_dispute = plain(run("audit", "1", "--dispute", "1", "--json"))["checked"][0]["descent"]["difference"]
    assert by_slot == by_dispute
    code, out, _ = run("audit", "1")
    assert code == 0, "what was disproved is not in what is left"
    assert f"dispute 1: segment {SEGMENT} of slot {SLOT} of round 0" in out
    whole = plain(run("audit", "1", "--json"))
    assert [each["outcome"] for each in whole["disputes"]] == ["upheld"]
    assert run("audit", "1", "--round", "0", "--slot", str(SLOT), "--segment", "1")[0] == 0
    drawn = tmp_path / "game.svg"
    assert run("audit", *LIE, "--draw", str(drawn))[0] == FOUND
    assert by_slot["claimed"]["bits"] in drawn.read_text()


def test_dispute_lists_a_game_with_its_cost_and_draws_it(
    played: Stage, see: Callable[[Network], Run], tmp_path: Path
) -> None:
    run = see(open_net(played))
    code, out, _ = run("dispute", "1")
    assert code == 0
    assert f"dispute 1: segment {SEGMENT} of slot {SLOT} of round 0" in out
    for words in ("1 step, 1 value, 1 leaf, 1 element left", "transactions", "gas", "coin", "slashed from the accused"):
        assert words in flat(out)
    (entry,) = plain(run("dispute", "1", "--json"))["disputes"]
    (opened,), (ruled,) = played.said(ChallengeOpened), played.said(Ruled)
    assert (entry["game"], entry["challenger"], entry["accused"]) == (1, opened.challenger, opened.accused)
    assert entry["phase"] == "settled"
    levels = entry["narrowing"]["levels"]
    assert [level["kind"] for level in levels] == ["steps", "rows", "rows", "content"]
    assert [level["chosen"] for level in levels][-1] == ruled.element
    bond = played.network.ledger.rounds.round_cost(1) // 5
    assert entry["money"]["bond"] == entry["money"]["returned"] == bond
    assert entry["money"]["slashed"] > entry["money"]["reward"] > 0
    gas = sum(move["gas"] or 0 for move in entry["moves"])
    assert gas == sum(bill["gas"] for bill in entry["cost"].values()) > 0
    assert {move["side"] for move in entry["moves"]} == {"challenger", "accused", "anybody"}

    path = tmp_path / "game.svg"
    code, out, _ = run("dispute", "1", "--dispute", "1", "--draw", str(path))
    assert code == 0
    assert f"wrote {path}" in out
    assert "opens values 72 to 135 of step 5" in out
    texts = " ".join(element.text or "" for element in ElementTree.fromstring(path.read_text()).iter())
    assert "on with element 3" in texts


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dispute", "2"), "there is no job 2"),
        (("dispute", "1", "--dispute", "9"), "there are 1"),
        (("dispute", "1", "--round", "0"), "--slot"),
        (("dispute", "1", *LIE[1:], "--update"), "one thing"),
        (("dispute", "1", "--round", "0", "--score", "--aggregate"), "one thing"),
        (("dispute", "1", "--score"), "--round"),
        (("dispute", "1", "--dispute", "1", "--round", "0", "--score"), "either look at a dispute or raise one"),
        (("dispute", "1", "--watch", "--round", "0", "--aggregate"), "either look at a dispute or raise one"),
        (("dispute", "1", "--round", "0", "--slot", "1", "--score"), "--slot"),
        (("dispute", "1", "--round", "0", "--slot", "1", "--update", "--table", "0x" + "a" * 40), "--table"),
        (("dispute", "1", *LIE[1:], "--table", "me"), "is no address"),
        (("audit", "1", "--slot", "1"), "--round"),
        (("audit", "1/0", "--round", "1"), "leave --round out"),
        (("audit", "1/0/1/3", "--segment", "1"), "no step"),
        (("audit", "1", "--dispute", "9"), "there are 1"),
        (("audit", "1/0/1", "--segment", "99"), "segments 0 to"),
        (("audit", "1/0/0", "--draw", "x.svg"), "nothing was disputed"),
    ],
)
def test_what_is_not_there_is_refused_with_a_hint(
    played: Stage, see: Callable[[Network], Run], arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = see(open_net(played))(*arguments)
    assert (code, out) == (2, "")
    assert words in flat(err)


def test_who_only_looks_challenges_nothing(played: Stage, see: Callable[[Network], Run]) -> None:
    code, _, err = see(open_net(played))("dispute", *LIE, "--yes")
    assert code == 2
    assert "only looks" in err


@pytest.fixture
def lying() -> tuple[Stage, Turns]:
    """The same job where nobody has looked yet, while it can be challenged."""
    stage = set_up()
    turns = Turns(stage)
    until_challenging(stage, turns)
    return stage, turns


def wealth(stage: Stage, name: str) -> int:
    token, address = stage.network.token, stage.address(name)
    return token.balance_of(address) + stage.network.ledger.vault.free(token.address, address)


def test_a_challenge_is_refused_before_anything_is_spent_where_nothing_differs(
    lying: tuple[Stage, Turns], see: Callable[[Network], Run]
) -> None:
    stage, turns = lying
    run = see(open_net(stage, "me", MONEY, turns))
    coin = stage.network.ledger.rpc.get_balance(stage.address("me"))
    for part in (
        ("--slot", "1", "--segment", "1"),
        ("--slot", str(SLOT), "--segment", "0"),
        ("--slot", "1", "--update"),
    ):
        code, out, err = run("dispute", "1", "--round", "0", *part, "--yes")
        assert (code, out) == (5, "")
        assert "nothing differs" in err
        assert "would lose its bond of" in err
    refused = plain(run("dispute", "1", "--round", "0", "--slot", "0", "--segment", "0", "--yes", "--json"))
    assert (refused["error"], refused["hint"]) == ("refused", "nothing was spent; --anyway challenges all the same")
    assert not stage.said(ChallengeSealed)
    assert wealth(stage, "me") == MONEY
    assert stage.network.ledger.rpc.get_balance(stage.address("me")) == coin
    code, _, err = run("dispute", *LIE)
    assert code == 2, "nobody is there to ask"
    assert "--yes" in err
    assert not stage.said(ChallengeSealed)


def test_whoever_challenges_anyway_loses_the_bond(lying: tuple[Stage, Turns], see: Callable[[Network], Run]) -> None:
    stage, turns = lying
    run = see(open_net(stage, "me", MONEY, turns))
    told = plain(run("dispute", "1", "--round", "0", "--slot", "1", "--segment", "1", "--anyway", "--yes", "--json"))
    assert [event.outcome for event in stage.said(Settled)] == [Settlement.DISMISSED]
    assert told["dispute"]["outcome"] == "dismissed"
    assert told["descent"]["agrees"]
    money = told["dispute"]["money"]
    assert money["bond"] == money["burned"] + money["paid_to_accused"]
    assert wealth(stage, "me") == MONEY - money["bond"]


@pytest.mark.parametrize("kind", [ChallengeSealed, ChallengeOpened])
def test_a_challenge_is_played_live_to_its_end_and_goes_on_after_an_interruption(
    lying: tuple[Stage, Turns], see: Callable[[Network], Run], tmp_path: Path, kind: type[Event]
) -> None:
    stage, turns = lying
    run = see(open_net(stage, "me", MONEY, turns))

    def interrupt() -> None:
        if stage.said(kind):
            raise KeyboardInterrupt

    turns.each = interrupt
    assert run("dispute", *LIE, "--yes")[0] == 130
    assert not stage.said(Settled)
    assert len(stage.said(ChallengeSealed)) == 1
    turns.each = lambda: None
    code, out, _ = run("dispute", *LIE, "--draw", str(tmp_path / "game.svg"))
    assert code == 0, "what is begun wants no consent again"
    assert len(stage.said(ChallengeSealed)) == 1, "nor another bond"
    assert [event.challenger for event in stage.said(ChallengeOpened)] == [stage.address("me")]
    assert [event.outcome for event in stage.said(Settled)] == [Settlement.UPHELD]
    lines = flat(out)
    for words in ("seals a challenge", "1 step, 128 values left", "64 values left", "30 elements left", "gas, 0.0"):
        assert words in lines
    assert "upheld: the claim is wrong" in lines
    assert "who you against" in lines
    assert wealth(stage, "me") > MONEY, "a share of the slash"
    assert (tmp_path / "game.svg").exists()


def test_a_game_of_others_is_followed_live(lying: tuple[Stage, Turns], see: Callable[[Network], Run]) -> None:
    stage, turns = lying
    stage.watch(Validator, watch=True)
    run = see(open_net(stage, "onlooker", 0, turns))
    assert "nothing is disputed" in run("dispute", "1")[1]
    while not stage.said(ChallengeOpened):
        turns()
    (entry,) = plain(run("dispute", "1", "--json"))["disputes"]
    assert (entry["phase"], entry["outcome"], entry["turn"]) == ("game", "open", "accused")
    assert entry["deadline_s"] > stage.network.ground.now_s()
    now = run("dispute", "1")[1]
    assert "it is the accused's turn" in now
    assert "of simulated time left" in now
    code, out, _ = run("dispute", "1", "--watch")
    assert code == 0
    assert "asks for the states between the steps" in out
    assert "settled: upheld" in out
    code, out, _ = see(open_net(stage, "me", MONEY, turns))("dispute", *LIE, "--yes")
    assert code in (2, 5), "it is disproved already"


def test_an_update_that_is_not_its_segments_is_followed_by_what_was_served(see: Callable[[Network], Run]) -> None:
    stage = set_up("update-swapper", (Validator,) * 3)
    stage.play()
    run = see(open_net(stage))
    (entry,) = plain(run("dispute", "1", "--json"))["disputes"]
    assert (entry["about"], entry["slot"], entry["outcome"]) == ("emit", SLOT, "upheld")
    assert f"the update of slot {SLOT} of round 0" in run("dispute", "1")[1]
    told = plain(run("audit", "1", "--dispute", "1", "--json"))
    found = told["checked"][0]["descent"]["difference"]
    assert (found["about"], found["step"]) == ("update", None)
    assert found["differing"] > 0
    assert found["claimed"] != found["computed"]
    assert run("audit", "1", "--dispute", "1")[0] == FOUND


@pytest.fixture
def flattered() -> tuple[Stage, Turns]:
    """A job whose aggregator says that every answer is right, where nobody accuses it."""
    stage = set_up("", (Mute,) * 3, CHEATS["false-marks"].load())
    turns = Turns(stage)
    until_challenging(stage, turns)
    return stage, turns


def test_a_score_is_challenged_and_played_down_to_a_count_of_a_batch(
    flattered: tuple[Stage, Turns], see: Callable[[Network], Run], tmp_path: Path
) -> None:
    stage, turns = flattered
    run = see(open_net(stage, "me", MONEY, turns))
    drawn = tmp_path / "game.svg"

    def interrupt() -> None:
        if stage.said(ChallengeOpened):
            raise KeyboardInterrupt

    turns.each = interrupt
    assert run("dispute", "1", "--round", "0", "--score", "--yes")[0] == 130
    (entry,) = plain(run("dispute", "1", "--json"))["disputes"]
    assert (entry["phase"], entry["turn"], entry["game"], entry["batch"]) == ("waiting", "accused", None, None)
    code, out, _ = run("dispute", "1")
    assert "open: the aggregator has yet to show what it is made of" in out
    turns.each = lambda: None
    code, out, err = run("dispute", "1", "--round", "0", "--score", "--yes", "--draw", str(drawn))
    assert code == 0, err
    for words in ("begins the game, since what it rests on is shown", "settled: upheld"):
        assert words in flat(out)
    (entry,) = plain(run("dispute", "1", "--json"))["disputes"]
    assert (entry["about"], entry["outcome"], entry["accused"]) == ("score", "upheld", stage.address("aggregator-1"))
    assert f"batch {entry['batch']} of the score of round 0" in run("dispute", "1")[1]
    assert [event.outcome for event in stage.said(Settled)] == [Settlement.UPHELD]
    told = plain(run("audit", "1", "--dispute", "1", "--json"))
    (checked,) = told["checked"]
    found = checked["descent"]["difference"]
    assert (checked["part"], found["role"], found["step"]) == ("aggregate", "aggregator", None)
    assert found["claimed"] != found["computed"]
    assert drawn.exists()
    assert wealth(stage, "me") > MONEY


def test_a_score_that_is_not_due_is_said_so_at_once(see: Callable[[Network], Run]) -> None:
    stage = set_up("", (Mute,) * 3, rounds=2)
    turns = Turns(stage)
    until_challenging(stage, turns)
    run = see(open_net(stage, "me", MONEY, turns))
    before = stage.network.ground.now_s()
    found = run("dispute", "1", "--round", "0", "--score", "--yes", "--json")
    assert found[0] == 5
    refused = json.loads(found[1])
    assert refused["error"] == "refused"
    assert refused["message"].startswith("no score of round 0 is due, and it has none")
    assert "round 1, the last" in refused["hint"]
    assert stage.network.ground.now_s() == before, "nothing was waited for"
    assert not stage.said(ChallengeSealed)


def test_a_true_aggregate_is_not_challenged(flattered: tuple[Stage, Turns], see: Callable[[Network], Run]) -> None:
    stage, turns = flattered
    code, _, err = see(open_net(stage, "me", MONEY, turns))("dispute", "1", "--round", "0", "--aggregate", "--yes")
    assert code == 5
    assert "nothing differs in the aggregate of round 0" in err
    assert not stage.said(ChallengeSealed)


class Slanderer(CHEATS["false-row"].load(), Mute):  # type: ignore[misc]
    """Says of the first slot what it has not found."""


class Stamper(CHEATS["rubber-stamp"].load(), Mute):  # type: ignore[misc]
    """Makes its rows up."""


def row_of(stage: Stage, wanted: Callable[[Any], bool]) -> tuple[str, ...]:
    """How a row of the last validator's table is named."""
    liar = stage.network.parties["validator-3"]
    rows = liar.judge.own_rows((stage.job, 0, 0))
    row = next(each for each in rows if wanted(each))
    place = ("--slot", str(row.slot), "--segment", str(row.segment))
    return ("1", "--round", "0", *place, "--table", liar.world.address)


@pytest.mark.parametrize(
    ("liar", "wanted", "words"),
    [
        (Slanderer, lambda row: row.slot == 0, "asks for the states between the steps"),
        (Stamper, lambda row: row.segment == 0, "begins elsewhere"),
    ],
    ids=["ends elsewhere", "begins elsewhere than the round"],
)
def test_a_row_of_a_table_is_challenged(
    see: Callable[[Network], Run], liar: type[Validator], wanted: Callable[[Any], bool], words: str
) -> None:
    stage = set_up("", (Mute, Mute, liar))
    turns = Turns(stage)
    until_challenging(stage, turns)
    run, row = see(open_net(stage, "me", MONEY, turns)), row_of(stage, wanted)
    code, out, err = run("dispute", *row, "--yes")
    assert code == 0, err
    assert words in flat(out)
    assert "settled: upheld" in flat(out)
    (entry,) = plain(run("dispute", "1", "--json"))["disputes"]
    assert (entry["about"], entry["outcome"], entry["accused"]) == ("table", "upheld", row[-1])
    told = plain(run("audit", "1", "--dispute", "1", "--json"))
    assert not told["honest"]
    assert wealth(stage, "me") > MONEY


def test_a_row_that_begins_elsewhere_than_its_slot_is_refused_before_any_bond(see: Callable[[Network], Run]) -> None:
    stage = set_up("", (Mute, Mute, Stamper))
    turns = Turns(stage)
    until_challenging(stage, turns)
    run, row = see(open_net(stage, "me", MONEY, turns)), row_of(stage, lambda row: row.segment > 0)
    for insisting in ((), ("--anyway",)):
        code, out, err = run("dispute", *row, *insisting, "--yes")
        assert (code, out) == (5, "")
        assert "begins elsewhere than the work before it leads to" in flat(err)
        assert "validators leave its table out" in flat(err)
    refused = plain(run("dispute", *row, "--yes", "--json"))
    assert refused["error"] == "refused"
    assert not stage.said(ChallengeSealed)
    assert wealth(stage, "me") == MONEY


def test_a_fault_of_a_batch_that_is_none_is_challenged_and_played(see: Callable[[Network], Run]) -> None:
    stage = set_up("", (Mute,) * 3, CHEATS["disparaging-aggregator"].load())
    turns = Turns(stage)
    until_challenging(stage, turns)
    run = see(open_net(stage, "me", MONEY, turns))
    code, out, err = run("dispute", "1", "--round", "0", "--score", "--yes")
    assert code == 0, err
    assert "settled: upheld" in flat(out)
    told = plain(run("audit", "1", "--dispute", "1", "--json"))
    assert not told["honest"]
    assert wealth(stage, "me") > MONEY


def test_a_fault_of_the_job_is_listed_as_nobodys_lie(see: Callable[[Network], Run], tmp_path: Path) -> None:
    stage = set_up("", optimizer={**OPTIMIZER, "lr": 1e38})
    stage.play()
    run = see(open_net(stage))
    entry, *_ = plain(run("dispute", "1", "--json"))["disputes"]
    assert (entry["claimed"], entry["game"], entry["outcome"], entry["money"]["bond"]) == (True, None, "job_fault", 0)
    code, out, _ = run("dispute", "1")
    assert code == 0
    assert "a fault of the job in segment" in flat(out)
    code, _, err = run("dispute", "1", "--dispute", "1", "--draw", str(tmp_path / "fault.svg"))
    assert (code, "no game was played" in flat(err)) == (2, True)


def test_a_row_that_there_is_not_is_refused(flattered: tuple[Stage, Turns], see: Callable[[Network], Run]) -> None:
    stage, turns = flattered
    run = see(open_net(stage, "me", MONEY, turns))
    place = ("--round", "0", "--slot", "0", "--segment", "0", "--table", stage.address("me"))
    code, _, err = run("dispute", "1", *place, "--yes")
    assert code == 2
    assert "has shown no row about segment 0 of slot 0" in flat(err)
