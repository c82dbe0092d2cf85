"""The report page: complete, self-contained, honest about sums, and harmless whatever names it is given."""

import copy
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from assay.api import schema
from assay.api.chart import Point, curve
from assay.api.markup import Html, tag
from assay.api.report import GAMES_MAX, render_report, write_report
from assay.protocol.errors import Malformed

SAMPLE = json.loads((Path(__file__).parent / "sample_report.json").read_text())
HOSTILE = "</table><script>alert(1)</script><img src=x onerror=alert(1)>\" ' \x1b[2J\u202e"
VOID = {"meta", "br", "img", "input", "link"}


class Page(HTMLParser):
    """Collects a page's elements and checks that they are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture
def report():
    return copy.deepcopy(SAMPLE)


def test_page_is_whole_and_small(report):
    text = render_report(report)
    page = Page(text)
    assert page.open == []
    assert len(text.encode()) < 300_000
    for wanted in (
        "96.4%",
        "154.00",
        "skipper",
        "update-swapper",
        "rubber-stamp",
        "9 of 9",
        "99.997%",
        "18,402,113",
    ):
        assert wanted in page.text


def test_page_asks_nothing_of_anybody(report):
    page = Page(render_report(report))
    names = {name for name, _ in page.elements}
    assert not names & {"script", "img", "link", "iframe", "object", "form", "base", "a"}
    for _, attributes in page.elements:
        assert not set(attributes) & {"src", "href", "action", "srcset"}
        assert not any(name.startswith("on") for name in attributes)
    policies = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert "url(" not in render_report(report)
    assert "@import" not in render_report(report)


def test_every_text_of_a_hostile_report_is_escaped(report):
    def poison(value):
        if isinstance(value, dict):
            return {name: poison(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [poison(inner) for inner in value]
        if isinstance(value, str) and not value.replace(".", "").isdigit():
            return HOSTILE
        return value

    hostile = poison(report)
    hostile["gas"]["per_phase"] = {HOSTILE: 1}
    hostile["answer"] = {HOSTILE: HOSTILE}
    text = render_report(hostile)
    page = Page(text)
    assert page.open == []
    assert {name for name, _ in page.elements} == {name for name, _ in Page(render_report(report)).elements}
    assert not set("\x1b\u202e") & set(text)


def test_long_jobs_stay_small(report):
    report["rounds"] = [{**report["rounds"][0], "index": index} for index in range(3000)]
    report["providers"] = [{**report["providers"][0], "name": f"p{index}"} for index in range(1024)]
    text = render_report(report)
    assert len(text.encode()) < 300_000
    assert "The first 200 of 3000 rounds" in text


def test_sums_that_hold_are_told_from_sums_that_do_not(report):
    assert "Does not add up" not in render_report(report)
    report["escrow"]["held"] = "0.000002"
    assert "Does not add up: 0.000001 tUSD apart." in render_report(report)
    report["escrow"]["held"] = "0.000001"
    report["stakes"]["burned"] = "51.5"
    assert "Does not add up: -0.000001 tUSD apart." in render_report(report)


def test_bonds_are_shown_as_a_sum_and_the_difference_is_named(report):
    report["bonds"] = {
        "posted": "65.333328",
        "returned": "43.555552",
        "burned": "21.777776",
        "paid_to_validators": "0",
        "paid_to_accused": "0",
        "held": "0",
    }
    page = Page(render_report(report))
    assert "Bonds: 65.333328 tUSD posted" in page.text
    assert "Does not add up" not in page.text
    assert "accused and honest" not in page.text
    report["bonds"] |= {"burned": "21.777775", "paid_to_accused": "0.000003"}
    assert "Does not add up: 0.000002 tUSD apart." in render_report(report)


def test_a_quote_of_unlike_stakes_names_each(report):
    report["quote"] = {
        "cost": "249.999935",
        "price_ceiling": "3.629629",
        "validator_fee": "0.816666",
        "aggregator_fee": "1.361111",
        "provider_stake": "27.222215",
        "validator_stake": "28.222215",
        "aggregator_stake": "29.222215",
        "verification_share": 0.0651,
        "detection_per_round": 0.927,
        "detection_per_job": 0.9999999,
    }
    page = Page(render_report(report))
    assert "to stake: provider 27.222215 tUSD, validator 28.222215 tUSD, aggregator 29.222215 tUSD." in page.text


def test_a_report_without_disputes_shows_no_list_of_them(report):
    report["disputes"] = []
    page = Page(render_report(report))
    assert "0 disputes opened." in page.text
    assert not any("[]" in word for word in page.words)
    assert "li" not in {name for name, _ in page.elements}
    report["disputes"] = [{"id": 1}]
    assert "1 dispute opened." in render_report(report)


@pytest.mark.parametrize(
    "values", [[0.981, 0.984, 0.986], [0.5, 0.97], [0.9691, 0.9694], [0.1, 0.4, 0.9], [0.96, 0.96]]
)
@pytest.mark.parametrize("percent", [True, False])
def test_no_two_ticks_of_an_axis_read_alike(values, percent):
    points = [Point(index, value, False, "") for index, value in enumerate(values)]
    page = Page(curve(points, title="Accuracy", percent=percent))
    ticks = [word for word in page.words if word.endswith("%") == percent and word not in {"0", "1", "2"}]
    assert len(ticks) == len(set(ticks)) >= 2


def test_one_round_is_spoken_of_as_one(report):
    report["rounds"] = [{**report["rounds"][0], "generation": 0}]
    text = render_report(report)
    assert "1 round was run." in text
    assert "rounds were run" not in text


def test_rounds_that_were_rewound_are_hollow(report):
    page = Page(render_report(report))
    assert sum(a.get("class") == "void" for _, a in page.elements) == 2
    report["rounds"] = [entry for entry in report["rounds"] if entry["generation"] == 1]
    assert not any(a.get("class") == "void" for _, a in Page(render_report(report)).elements)
    report["rounds"][-1]["void"] = True
    assert "round 13, 96.4%, void" in Page(render_report(report)).text


def test_a_network_without_cheats_is_not_said_to_have_any(report):
    for group in ("providers", "validators", "aggregators"):
        report[group] = [party for party in report[group] if party["behaviour"] == "honest"]
    page = Page(render_report(report))
    assert "9 of 9" in page.text
    assert "cheats that lost money" not in page.text
    assert "not all of them did the work" not in page.text


def test_nothing_measured_is_said(report):
    for entry in report["rounds"]:
        entry["loss"] = entry["accuracy"] = None
    assert render_report(report).count("Nothing was measured.") == 2


def test_detection_is_never_rounded_to_certainty(report):
    report["audit"]["detection_per_job"] = 0.999999999
    assert "over 99.999%" in render_report(report)
    report["audit"]["detection_per_job"] = 1.0
    assert "within the job with 100%" in render_report(report)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("accuracy",), float("nan")),
        (("escrow", "paid"), 12.5),
        (("escrow", "paid"), "NaN"),
        (("rounds",), {}),
        (("gas", "per_phase"), {"match": -1}),
        (("audit", "honest"), 1),
        (("model",), None),
    ],
)
def test_report_that_does_not_hold_is_refused_with_its_path(report, path, value):
    target = report
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    with pytest.raises(Malformed, match=".".join(("report", *path))):
        render_report(report)
    del target[path[-1]]
    with pytest.raises(Malformed, match=f"{path[-1]} is missing"):
        render_report(report)


def test_both_files_are_written(report, tmp_path):
    page, twin = write_report(report, tmp_path / "runs" / "demo")
    assert page.read_text() == render_report(report)
    assert json.loads(twin.read_text()) == report


def test_every_key_is_documented():
    rows = list(schema.describe())
    assert len(rows) == len({path for path, _, _ in rows})
    assert all(documentation.endswith((".", ";")) for _, _, documentation in rows)
    assert "rounds[].loss" in {path for path, _, _ in rows}


def test_tag_escapes_all_but_html():
    assert tag("p", "<b>", class_='"', hidden=True, title=None) == '<p class="&quot;" hidden>&lt;b&gt;</p>'
    assert tag("p", Html("<b>x</b>")) == "<p><b>x</b></p>"


def test_games_are_drawn_and_harmless_and_not_without_end(report):
    game = {
        "title": "Dispute 1: segment 2 of slot 3 of round 0",
        "subtitle": "watcher against provider-4",
        "bars": [{"label": HOSTILE, "note": HOSTILE, "caption": HOSTILE, "first": 0, "opened": 2, "chosen": 1}],
        "lines": [{"name": "claimed", "text": HOSTILE, "tone": "claimed"}],
    }
    report["games"] = [game] * (GAMES_MAX + 3)
    text = render_report(report)
    page = Page(text)
    assert page.open == []
    assert "<script" not in text
    assert "http://" not in text
    drawn = [attributes for name, attributes in page.elements if name == "svg" and attributes.get("class") == "nw"]
    assert len(drawn) == GAMES_MAX
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    report["games"] = [{**game, "bars": [{**game["bars"][0], "chosen": "javascript:1"}]}]
    with pytest.raises(Malformed):
        render_report(report)
