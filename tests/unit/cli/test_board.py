"""The display of a run: every kind of event, on a terminal and as lines, with names that try to break it."""

import copy
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from assay.cli.board import Board, describe, watch
from assay.cli.closing import print_closing
from assay.cli.terminal import printable

SAMPLE = json.loads((Path(__file__).parents[1] / "api" / "sample_report.json").read_text())
EVENTS = (
    {"kind": "step", "text": "matching"},
    {"kind": "opened", "round": 0, "generation": 0, "rounds": 12},
    {
        "kind": "round",
        "index": 0,
        "generation": 0,
        "loss": 1.25,
        "accuracy": 0.5,
        "accepted": 5,
        "late": 1,
        "rejected": 1,
    },
    {
        "kind": "verdict",
        "subject": "skipper-5",
        "behaviour": "skipper",
        "what": "slashed",
        "amount": "51.5",
        "evidence": "segment 9 differs",
    },
    {"kind": "opened", "round": 0, "generation": 1, "rounds": 12},
    {
        "kind": "round",
        "index": 0,
        "generation": 1,
        "loss": None,
        "accuracy": None,
        "accepted": 5,
        "late": 0,
        "rejected": 0,
    },
    {"kind": "money", "escrow": "250", "paid": "10", "burned": "17.2", "symbol": "tUSD"},
    {"kind": "weather", "text": "never shown"},
    {"kind": "done"},
)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None, legacy_windows=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_board_shows_what_it_was_told():
    board = Board("assay demo", clock=lambda: 0.0)
    for event in EVENTS:
        board.note(event)
        console = terminal()
        console.print(board)
    text = shown(console)
    for wanted in (
        "generation 1",
        "round 0 of 12",
        "1.2500",
        "50.0%",
        "skipper-5",
        "slashed 51.5 tUSD",
        "segment 9 differs",
    ):
        assert wanted in text
    assert "escrow 250 · paid 10 · burned 17.2 tUSD" in text
    assert "never shown" not in text


def test_board_keeps_its_height():
    board = Board("assay demo", clock=lambda: 0.0)
    for index in range(1000):
        board.note({**EVENTS[2], "index": index})
        board.note(EVENTS[3])
    console = terminal()
    console.print(board)
    assert len(shown(console).splitlines()) < 30
    assert "and 990 before" in shown(console)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event["kind"]))
def test_lines(event):
    line = describe(event)
    assert (line is None) == (event["kind"] in ("opened", "money", "weather", "done"))
    assert line is None or "\n" not in line


def test_without_a_terminal_lines_stay():
    console = Console(file=io.StringIO(), width=200)
    with watch(console, "assay demo") as note:
        for event in EVENTS:
            note(event)
    assert shown(console).splitlines() == [
        "assay demo",
        "· matching",
        "round 0: loss 1.2500, accuracy 50.0%, 5 accepted, 1 late, 1 rejected",
        "! skipper-5 (skipper) slashed 51.5: segment 9 differs",
        "round 0 (generation 1): loss –, accuracy –, 5 accepted, 0 late, 0 rejected",
    ]


def test_on_a_terminal_the_display_is_live_and_ends_with_its_last_state():
    console = terminal()
    with watch(console, "assay demo") as note:
        for event in EVENTS:
            note(event)
    assert "slashed 51.5 tUSD" in shown(console)
    assert "escrow 250 · paid 10 · burned 17.2 tUSD" in shown(console)


def test_a_hostile_name_moves_no_cursor_and_makes_no_markup():
    hostile = "[bold]\x1b[2J\x07\r\n\u202e" + "x" * 10_000
    board = Board("assay demo", clock=lambda: 0.0)
    board.note({**EVENTS[3], "subject": hostile, "evidence": hostile, "behaviour": hostile})
    board.note({"kind": "step", "text": hostile})
    console = Console(file=io.StringIO(), width=200)
    console.print(board)
    assert "[bold]" in shown(console)
    assert not set("\x1b\x07\r\u202e") & set(shown(console))
    assert len(shown(console)) < 10_000
    assert len(printable(hostile)) == 200


def test_closing_tells_who_did_what_and_where_the_money_went():
    console = Console(file=io.StringIO(), width=160)
    print_closing(console, SAMPLE, ("runs/demo/report.html",), (("assay zoo", "every cheat"),))
    text = " ".join(shown(console).split())
    for wanted in (
        "update-swapper",
        "96.39% on held-out data",
        "250 tUSD = paid 154 + refunded 95.999999 + held 0.000001",
        "700 tUSD = withdrawn 545.5 + burned 51.500001",
        "182 of 1408 segments",
        "99.997% per job",
        "equal, bit for bit",
        "12.7% of training time",
        "predicted 7",
        "runs/demo/report.html",
        "assay zoo every cheat",
    ):
        assert wanted in text


def test_closing_does_not_call_a_failed_audit_equal():
    report = copy.deepcopy(SAMPLE)
    report["audit"]["honest"] = False
    console = Console(file=io.StringIO(), width=160)
    print_closing(console, report, (), (("assay zoo", ""),))
    assert "NOT equal" in shown(console)


def test_closing_tells_who_was_not_drawn_what_was_quoted_and_the_overhead():
    report = copy.deepcopy(SAMPLE)
    report["aggregators"] = [{**report["aggregators"][0], "paid": "0", "drawn": False, "evidence": []}]
    report["quote"] = {
        "cost": "250",
        "price_ceiling": "2.5",
        "validator_fee": "0.75",
        "aggregator_fee": "1.25",
        "provider_stake": "27.5",
        "validator_stake": "27.5",
        "aggregator_stake": "27.5",
        "verification_share": 0.087,
        "detection_per_round": 0.93,
        "detection_per_job": 0.9996,
    }
    console = terminal()
    print_closing(console, report, ("out/report.html",), (("assay zoo", "cheats"),))
    text = " ".join(shown(console).split())
    assert "not drawn" in text
    text = text.replace(report["token"]["symbol"], "tUSD")
    assert "250 tUSD at most: a round pays a slot up to 2.5, a validator 0.75, the aggregator 1.25 8.7% of" in text
    assert "to stake: 27.5 tUSD each" in text
    assert "by honest validators alone" in text
    assert "everything that is not training" in text


def test_closing_shows_where_bonds_went():
    report = copy.deepcopy(SAMPLE)
    report["bonds"] = {
        "posted": "10",
        "returned": "5",
        "burned": "2.5",
        "paid_to_validators": "1.5",
        "paid_to_accused": "1",
        "held": "0",
    }
    late = report["providers"][0]
    late |= {"slashed": "1", "bond_burned": "2.5", "bond_paid": "0.25"}
    console = terminal()
    print_closing(console, report, ("out/report.html",), (("assay zoo", "cheats"),))
    text = " ".join(shown(console).split())
    assert "= returned 5 + burned 2.5 + to validators 1.5 + to the accused 1 + held 0" in text
    assert "3.75" in text
