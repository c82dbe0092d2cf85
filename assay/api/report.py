"""The report of a finished job as one self-contained page and one JSON file.

The page has no script and asks nothing of any server: its own policy forbids both. Everything in it that came from a
job, a party or a token is escaped.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from assay.api.chart import Point, bar, curve
from assay.api.drawing import draw
from assay.api.figure import Figure
from assay.api.ledger import amount_text, lost_by, money, percent_text
from assay.api.markup import Html, clean, tag
from assay.api.quoted import quote_lines
from assay.api.schema import check

Report = Mapping[str, Any]
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
ROWS_MAX = 200
EVIDENCE_MAX = 3
GAMES_MAX = 4
"""Games that are drawn."""
GROUPS = (("providers", "provider"), ("validators", "validator"), ("aggregators", "aggregator"))


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write `report.html` and `report.json` into a folder, made if need be; return their paths. Errors: `Malformed`."""
    page = render_report(report)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "report.html", folder / "report.json"
    paths[0].write_text(page, encoding="utf-8")
    paths[1].write_text(json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return paths


def render_report(report: Report) -> str:
    """The page. Errors: `Malformed` if the report is not what `assay.api.schema.REPORT` says."""
    check(report)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"Assay: a job at {percent_text(report['accuracy'])}"),
        tag("style", _style()),
    )
    body = tag(
        "body",
        _header(report),
        tag("main", _parties(report), _training(report), money(report), _cost(report), _ledger(report), _model(report)),
        tag(
            "footer",
            tag(
                "p",
                "Every figure here is in ",
                tag("code", "report.json"),
                ", made by the same run. Amounts are exact.",
            ),
        ),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


@cache
def _style() -> Html:
    return Html(resources.files("assay.api").joinpath("templates/report.css").read_text(encoding="utf-8"))


def _section(name: str, title: str, lead: object, *children: object) -> Html:
    return tag("section", tag("h2", title, id=name), tag("p", lead, class_="lead"), *children, aria_labelledby=name)


def _header(report: Report) -> Html:
    parties = [party for group, _ in GROUPS for party in report[group]]
    cheats = [party for party in parties if party["behaviour"] != "honest"]
    caught = sum(lost_by(party) > 0 for party in cheats)
    honest = len(parties) - len(cheats)
    spared = sum(lost_by(party) == 0 for party in parties if party["behaviour"] == "honest")
    accuracy, ratio = percent_text(report["accuracy"]), report["ratio"]
    lazy = ", and not all of them did the work" if any(p["behaviour"] != "honest" for p in report["providers"]) else ""
    lead = (
        f"{len(report['providers'])} providers trained it for payment{lazy}. Samples of the work were executed again"
        " and compared bit for bit; what nobody could disprove was paid."
    )
    return tag(
        "header",
        tag("p", "Assay · job report", class_="mark"),
        tag("h1", f"A model trained by strangers, right on {accuracy} of data it never saw"),
        tag("p", lead, class_="lead"),
        tag(
            "dl",
            _figure(accuracy, "accuracy on held-out data"),
            _figure(f"{caught} of {len(cheats)}" if cheats else "0", "cheats that lost money" if cheats else "cheats"),
            _figure(f"{spared} of {honest}", "honest parties that lost nothing"),
            _figure(percent_text(ratio["verify_train"]), "verification, of training's processor time"),
            _figure(f"{Decimal(report['escrow']['paid']):,.2f}", f"{clean(report['token']['symbol'])} paid for work"),
            _figure(f"{float(report['seconds']['total']):.1f} s", "from posting to answer"),
            class_="figures",
        ),
    )


def _figure(value: str, name: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", value))


def _training(report: Report) -> Html:
    rounds = report["rounds"]
    loss = curve(_points(rounds, "loss", "{:.4f}"), title="Training loss by round", percent=False)
    accuracy = curve(_points(rounds, "accuracy", "{:.1%}"), title="Accuracy by round", percent=True)
    rewinds = max((entry["generation"] for entry in rounds), default=0)
    times = "once" if rewinds == 1 else f"{rewinds} times"
    lead = f"{_count(len(rounds), 'round')} {'was' if len(rounds) == 1 else 'were'} run." + (
        f" The job was rewound {times}: the rounds from the disproved one on were void"
        " (hollow marks) and ran again without the liar."
        if rewinds
        else " None had to be run again." * (len(rounds) > 1)
    )
    rows = [
        tag(
            "tr",
            tag("th", str(entry["index"]), scope="row", class_="n"),
            *(
                tag("td", text, class_="n")
                for text in (
                    str(entry["generation"]),
                    "–" if entry["loss"] is None else f"{entry['loss']:.4f}",
                    "–" if entry["accuracy"] is None else percent_text(entry["accuracy"]),
                    str(entry["accepted"]),
                    str(entry["late"]),
                    str(entry["rejected"]),
                )
            ),
        )
        for entry in rounds[:ROWS_MAX]
    ]
    names = ("round", "generation", "loss", "accuracy", "accepted", "late", "rejected")
    head = tag("thead", tag("tr", *(tag("th", name, scope="col", class_="n") for name in names)))
    caption = tag("caption", _more(len(rounds), "rounds") or "All rounds, in the order in which they ran")
    return _section(
        "training",
        "Training",
        lead,
        tag(
            "div",
            tag("figure", tag("h3", "Loss"), loss),
            tag("figure", tag("h3", "Accuracy on held-out data"), accuracy),
            class_="pair",
        ),
        tag(
            "details",
            tag("summary", "Every round in numbers"),
            tag("div", tag("table", caption, head, tag("tbody", *rows)), class_="scroll"),
        ),
    )


def _points(rounds: list[Report], key: str, form: str) -> list[Point]:
    """A point per round that has the value; void when a later generation came back to it or to one before it."""
    first: dict[int, int] = {}
    for entry in rounds:
        first[entry["generation"]] = min(entry["index"], first.get(entry["generation"], entry["index"]))
    points = []
    for entry in rounds:
        if entry[key] is None:
            continue
        again = any(generation > entry["generation"] and index <= entry["index"] for generation, index in first.items())
        void = again or bool(entry.get("void"))
        label = f"round {entry['index']}, {form.format(entry[key])}" + (", void" if void else "")
        points.append(Point(entry["index"], float(entry[key]), void, label))
    return points


def _parties(report: Report) -> Html:
    symbol = clean(report["token"]["symbol"])
    rows: list[Html] = []
    count = 0
    for group, role in GROUPS:
        for party in report[group]:
            count += 1
            if len(rows) < ROWS_MAX:
                rows.append(_party(party, role))
    head = tag(
        "thead",
        tag(
            "tr",
            tag("th", "who", scope="col"),
            tag("th", "behaviour", scope="col"),
            tag("th", "segments", scope="col", class_="n"),
            tag("th", f"paid, {symbol}", scope="col", class_="n"),
            tag("th", f"lost, {symbol}", scope="col", class_="n"),
            tag("th", "evidence", scope="col"),
        ),
    )
    more = _more(count, "parties")
    return _section(
        "who",
        "Who did what",
        "Behaviour is what each party was set to do. The contracts did not know it: they judged by evidence alone.",
        tag("table", more and tag("caption", more), head, tag("tbody", *rows), class_="who"),
    )


def was_drawn(party: Report) -> bool:
    """False for one that only stood by."""
    return bool(party.get("drawn", True)) or Decimal(party["paid"]) > 0


def _party(party: Report, role: str) -> Html:
    honest, lost = party["behaviour"] == "honest", lost_by(party)
    segments = party.get("segments_accepted", party.get("segments_checked"))
    return tag(
        "tr",
        tag("th", party["name"], role not in party["name"] and tag("span", f" {role}", class_="quiet"), scope="row"),
        tag("td", tag("span", party["behaviour"], class_="badge good" if honest else "badge bad")),
        tag("td", "" if segments is None else str(segments), class_="n", data_name="segments"),
        tag("td", party["paid"] if was_drawn(party) else "not drawn", class_="n", data_name="paid"),
        tag("td", amount_text(lost) if lost else "–", class_="n taken" if lost else "n", data_name="lost"),
        tag("td", evidence_text(party["evidence"])),
    )


def evidence_text(found: Any) -> str:
    """Evidence as a line: text as it is, named values, or several of these, of which the first few are shown."""
    if not found:
        return ""
    if isinstance(found, Mapping):
        return ", ".join(f"{str(name).replace('_', ' ')} {value}" for name, value in found.items())
    if isinstance(found, list | tuple):
        more = f"; and {len(found) - EVIDENCE_MAX} more" if len(found) > EVIDENCE_MAX else ""
        return "; ".join(evidence_text(each) for each in found[:EVIDENCE_MAX]) + more
    return str(found)


def _cost(report: Report) -> Html:
    seconds, audit, ratio = report["seconds"], report["audit"], report["ratio"]
    share = f" in {percent_text(audit['cheated_share'])} of the segments" if "cheated_share" in audit else ""
    parts = [
        ("c0", "training", float(seconds["train"])),
        ("c1", "re-execution", float(seconds["verify"])),
        ("c2", "hashing of states", float(seconds["hash"])),
        ("c3", "the chain", float(seconds["chain"])),
    ]
    lead = (
        f"{audit['segments_checked']:,} of {audit['segments_total']:,} segments were executed again. Who cheats{share}"
        f" in a round is caught in it with probability {percent_text(audit['detection_per_round'])} (in the worst"
        f" round, by honest validators alone), and within the job with {percent_text(audit['detection_per_job'], 3)}."
    )
    rows = [
        tag(
            "tr",
            tag("td", tag("i", class_=style, aria_hidden="true"), class_="swatch"),
            tag("th", name, scope="row"),
            tag("td", f"{size:.2f} s", class_="n"),
            tag("td", f"{_share(size, parts[0][2])} of training", class_="n quiet"),
        )
        for style, name, size in parts
    ]
    return _section(
        "cost",
        "Cost of verification",
        lead,
        _quoted(report),
        bar([(style, size) for style, _, size in parts], title="Seconds by kind of work"),
        tag(
            "table",
            tag("caption", "Seconds of processor time, summed over all parties"),
            tag("tbody", *rows),
            class_="parts",
        ),
        tag(
            "p",
            f"Verification cost {percent_text(ratio['verify_train'])} of training, everything that is not training"
            f" {percent_text(ratio['overhead'])}.",
            class_="sum",
        ),
    )


def _quoted(report: Report) -> Html | None:
    quoted = report.get("quote")
    if quoted is None:
        return None
    lines = quote_lines(quoted, clean(report["token"]["symbol"]))
    return tag("p", "Quoted before posting: ", *(f"{line}; " for line in lines[:-1]), f"{lines[-1]}.", class_="lead")


def _ledger(report: Report) -> Html:
    gas, disputes = report["gas"], report["disputes"]
    phases = sorted(gas["per_phase"].items(), key=lambda item: -item[1])[:ROWS_MAX]
    count = disputes if isinstance(disputes, int) else len(disputes or ())
    rows = [
        tag(
            "tr",
            tag("td", tag("i", class_=f"c{min(index, 5)}", aria_hidden="true"), class_="swatch"),
            tag("th", name, scope="row"),
            tag("td", f"{used:,}", class_="n"),
            tag("td", _share(used, sum(used for _, used in phases)), class_="n quiet"),
        )
        for index, (name, used) in enumerate(phases)
    ]
    outside = sum(used for _, used in phases) - gas["total"]
    caption = "Gas by phase" + (
        f"; {outside:,} of it before and beside the job, not in the total" if outside > 0 else ""
    )
    entries = disputes[:ROWS_MAX] if isinstance(disputes, list) else []
    listed = tag("ul", *(tag("li", evidence_text(each)) for each in entries)) if entries else None
    per_round = gas["per_round"]
    each_round = f", {per_round:,.0f} a round" if isinstance(per_round, int | float) else ""
    return _section(
        "chain",
        "On the chain",
        f"{gas['total']:,} gas in all{each_round}. {_count(count, 'dispute')} opened.",
        bar([(f"c{min(index, 5)}", used) for index, (_, used) in enumerate(phases)], title="Gas by phase"),
        tag("table", tag("caption", caption), tag("tbody", *rows), class_="parts"),
        listed and tag("details", tag("summary", "Disputes"), listed),
        *_games(report),
    )


def _games(report: Report) -> Iterator[Html]:
    """How each game narrowed a claim down, as far as they are drawn."""
    for at, game in enumerate(report.get("games", ())[:GAMES_MAX]):
        yield tag("figure", draw(Figure.from_json(game), f"game-{at}", inline=True), class_="game")


def _signed(score: Any) -> list[Html]:
    if not isinstance(score, dict):
        return []
    return [tag("dt", "signed by a quorum"), tag("dd", f"{score.get('metric')} {score.get('value')}")]


def _model(report: Report) -> Html:
    model, audit = report["model"], report["audit"]
    honest = audit["honest"]
    return _section(
        "model",
        "The model and its answer",
        "The registry holds the roots of the weights and of the program that made them, so whoever has both can check.",
        tag("p", evidence_text(report["answer"]), class_="answer"),
        tag(
            "dl",
            tag("dt", "token"),
            tag("dd", model["token_id"]),
            tag("dt", "weights"),
            tag("dd", tag("code", model["state_root"])),
            *_signed(model.get("score")),
            tag("dt", "program"),
            tag("dd", tag("code", model["program_root"])),
            tag("dt", "one step audited"),
            tag(
                "dd",
                tag(
                    "span",
                    "equal, bit for bit" if honest else "not equal to its commitment",
                    class_="badge good" if honest else "badge bad",
                ),
            ),
            class_="key",
        ),
    )


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _more(count: int, noun: str) -> str | None:
    return f"The first {ROWS_MAX} of {count} {noun}; all are in report.json" if count > ROWS_MAX else None
