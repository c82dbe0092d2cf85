"""Job files: what a person writes, what stands on chain, and what a stranger may send."""

import dataclasses
import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

from assay.protocol.errors import AssayError, BadInput, LimitExceeded, Malformed, Refused, TooManyByzantine
from assay.protocol.job import Job, choose_segment_steps, reports_needed
from assay.protocol.order import Order, OrderWindows, Roots, order_of
from assay.protocol.sections import RULE_REPORTS, SECTIONS, NamedLoss, reference

ROOT = Path(__file__).parents[3]

MINIMAL = """
[job]
name = "digits"
budget = "250"
[model]
architecture = "assay.architectures:cnn"
[data]
source = "sklearn:digits"
[train]
optimizer = { name = "adamw", lr = 1e-3 }
"""

WHOLE = """
[job]
name = "digits-cnn"
budget = "250"
deadline = "12h"
token = "0x1111111111111111111111111111111111111111"
[match]
providers = 7
validators = 5
min_stake = "500"
validator_stake = "100.50"
[model]
architecture = "assay.architectures:cnn"
options = { width = 16, dropout = 0.5, norm = "layer", bias = true }
init = "seed:7"
[data]
source = "folder:data/images"
held_out = 0.25
[train]
optimizer = { name = "sgd", lr = [0.1, 0.05], momentum = 0.9, nesterov = true }
rounds = 20
steps = 48
segment_steps = 4
batch_size = 64
seed = 7
arithmetic = "exact15"
stop = { metric = "accuracy", at = 0.97 }
[aggregate]
rule = "krum"
byzantine_max = 2
fee = "0.25"
[verify]
scheme = "recompute"
rate = 0.13
quorum = "3 of 5"
challenge = "30m"
lookahead = 2
[windows]
bid = "90s"
train = "1h"
"""


def edit(section: str, line: str, text: str = MINIMAL) -> str:
    """The job file with one more line in a section."""
    if f"[{section}]" in text:
        return text.replace(f"[{section}]", f"[{section}]\n{line}")
    return f"{text}\n[{section}]\n{line}\n"


def test_a_minimal_job_is_resolved() -> None:
    job = Job.parse(MINIMAL)
    assert (job.match.providers, job.match.validators) == (4, 5)
    assert (job.train.steps, job.train.segment_steps, job.segment_count) == (48, 3, 16)
    assert job.verify.quorum == (3, 5)
    assert (job.verify.samples, job.verify.rate) == (1, 0.0)
    assert job.aggregate.reports_min == 2
    assert job.verify.redo_rounds == 4
    assert len(job.seed) == 32


def test_a_whole_job_is_read() -> None:
    job = Job.parse(WHOLE)
    assert job.terms.deadline_s == 12 * 3600
    assert job.match.validator_stake == "100.5"
    assert job.model.options == (("bias", True), ("dropout", 0.5), ("norm", "layer"), ("width", 16))
    assert job.train.optimizer.lr == (0.1, 0.05)
    assert job.train.stop is not None
    assert (job.train.stop.metric, job.train.stop.at) == ("accuracy", 0.97)
    assert (job.verify.challenge_s, job.windows.bid_s, job.windows.train_s) == (1800, 90, 3600)
    assert job.aggregate.reports_min == 7
    assert job.segment_count == 12
    assert job.verify.samples == int(0.13 * 84 / 5)


@pytest.mark.parametrize("text", [MINIMAL, WHOLE], ids=["minimal", "whole"])
def test_a_document_is_canonical_and_undone(text: str) -> None:
    job = Job.parse(text)
    assert Job.from_document(job.document) == job
    assert job.document_hash == sha256(job.document).digest()
    assert json.dumps(json.loads(job.document), sort_keys=True, separators=(",", ":")).encode() == job.document


BROAD = edit(
    "train",
    'accumulate = 4\naverage = 0.999\narithmetic = { head = "exact22", "blocks.0" = "exact8" }',
    edit("model", 'loss = { name = "cross_entropy", smoothing = 0.1, ignore = -100 }'),
)


def test_losses_micro_batches_averages_and_widths_are_read() -> None:
    job = Job.parse(BROAD)
    assert (job.train.accumulate, job.train.average, job.train.profile) == (4, 0.999, "exact15")
    assert job.train.arithmetic == (("blocks.0", "exact8"), ("default", "exact15"), ("head", "exact22"))
    assert job.model.loss == NamedLoss("cross_entropy", smoothing=0.1, ignore=-100)
    assert (job.model.loss_name, job.model.ignored_target) == ("cross_entropy", -100)
    assert Job.from_document(job.document) == job


def test_what_says_nothing_new_is_not_in_the_document() -> None:
    plain = Job.parse(MINIMAL)
    said = edit("train", 'accumulate = 1\narithmetic = { default = "exact15" }')
    said = edit("model", 'loss = { name = "cross_entropy" }', said)
    assert Job.parse(said).document == plain.document
    tables = json.loads(plain.document)
    assert (tables["model"]["loss"], tables["train"]["arithmetic"]) == ("cross_entropy", "exact15")
    assert not {"accumulate", "average"} & set(tables["train"])


def test_how_a_file_is_written_does_not_matter_for_its_document() -> None:
    reordered = "\n".join(reversed(re.split(r"\n(?=\[)", MINIMAL)))
    spelled = MINIMAL.replace('"250"', '"250.00"').replace("1e-3", "0.001")
    spelled = edit("train", "steps = 48", spelled)
    assert Job.parse(reordered).document == Job.parse(spelled).document == Job.parse(MINIMAL).document


@pytest.mark.parametrize(
    ("section", "line", "key", "hint"),
    [
        ("train", "stepz = 4", "train.stepz", 'did you mean "steps"?'),
        ("verify", 'chalenge = "1m"', "verify.chalenge", 'did you mean "challenge"?'),
        ("match", "zzzz = 1", "match.zzzz", "known are providers"),
        ("train", "rounds = 0", "train.rounds", "a whole number from 1"),
        ("train", "rounds = 2.0", "train.rounds", "a whole number"),
        ("train", "rounds = true", "train.rounds", "a whole number"),
        ("train", 'arithmetic = "exact16"', "train.arithmetic", 'did you mean "exact15"?'),
        ("train", "seed = -1", "train.seed", "a whole number"),
        ("train", "steps = 48\nsegment_steps = 5", "train.segment_steps", "divides 48"),
        ("train", "steps = 4096\nsegment_steps = 2048", "train.segment_steps", "1024"),
        ("train", "steps = 4096\nsegment_steps = 2", "train.segment_steps", "at least 4 steps a segment"),
        ("train", 'arithmetic = { default = "exact8", head = "exact16" }', "train.arithmetic", "exact15"),
        ("train", 'arithmetic = { "a b" = "exact8" }', "train.arithmetic", "by module path"),
        ("train", "accumulate = 0", "train.accumulate", "from 1 to 256"),
        ("train", "accumulate = 5", "train.accumulate", "4 divides 64"),
        ("train", "average = 0", "train.average", "above 0"),
        ("train", "average = 1.0", "train.average", "0.999999"),
        ("model", 'loss = "hinge"', "model.loss", '"cross_entropy"'),
        ("model", 'loss = { name = "hinge" }', "model.loss.name", '"cross_entropy"'),
        ("model", 'loss = { name = "mse", ignore = 0 }', "model.loss.ignore", "use cross_entropy or nll"),
        ("model", 'loss = { name = "huber", beta = 1 }', "model.loss.beta", "use smooth_l1"),
        ("model", 'loss = { name = "cross_entropy", smoothing = 1 }', "model.loss.smoothing", "0.999"),
        ("model", 'loss = { name = "cross_entropy", ignore = 0.5 }', "model.loss.ignore", "whole number"),
        ("model", 'loss = { name = "cross_entropy", smooth = 0.1 }', "model.loss.smooth", '"smoothing"'),
        ("model", "loss = { smoothing = 0.1 }", "model.loss.name", "one of"),
        ("train", "stop = { metric = 'accuracy' }", "train.stop.at", "a number"),
        ("train", "stop = { metric = 'accurcy', at = 1 }", "train.stop.metric", 'did you mean "accuracy"?'),
        ("train", "stop = 5", "train.stop", ""),
        ("job", 'deadline = "12"', "job.deadline", "a number and a unit"),
        ("job", 'deadline = "0s"', "job.deadline", "a duration"),
        ("job", 'deadline = "500d"', "job.deadline", "a duration"),
        ("job", 'token = "USD"', "job.token", "the address"),
        ("match", 'min_stake = "1e3"', "match.min_stake", "decimal text"),
        ("match", "min_stake = 5", "match.min_stake", "decimal text"),
        ("data", "held_out = 0", "data.held_out", "above 0"),
        ("data", "held_out = nan", "data.held_out", "a number"),
        ("data", 'mode = "secret"', "data.mode", 'one of "public"'),
        ("model", 'init = "random"', "model.init", '"seed:N"'),
        ("model", "options = { x = [1] }", "model.options", "a table"),
        ("model", "options = { __class__ = 1 }", "model.options", "a table"),
        ("verify", 'quorum = "2 of 5"', "verify.quorum", "at least 3"),
        ("verify", 'quorum = "6 of 5"', "verify.quorum", "at least 3"),
        ("verify", 'quorum = "3 of 4"', "verify.quorum", '"3 of 5"'),
        ("verify", 'quorum = "most"', "verify.quorum", '"3 of 5"'),
        ("verify", "samples = 1\nrate = 0.1", "verify.rate", "one of them"),
        ("verify", "samples = 33", "verify.samples", "adjacent"),
        ("verify", 'scheme = "trust"', "verify.scheme", "recompute"),
        ("aggregate", "byzantine_max = 1", "aggregate.byzantine_max", "krum"),
        ("aggregate", 'rule = "krum"\nbyzantine_max = 1', "match.providers", "match.providers is 4"),
        ("aggregate", 'rule = "trimmed-mean"\nbyzantine_max = 2', "match.providers", "byzantine_max to 1 or less"),
        ("aggregate", 'rule = "median"\nbyzantine_max = 2', "match.providers", "byzantine_max to 1 or less"),
        ("aggregate", 'rule = "multi-krum"\nbyzantine_max = 1', "match.providers", "byzantine_max to 0 or less"),
        ("aggregate", 'rule = "bulyan"', "aggregate.rule", '"multi-krum"'),
        ("aggregate", 'rule = "norm-bound"', "aggregate.norm_max", "like 1.0"),
        ("aggregate", 'rule = "norm-bound"\nnorm_max = 0', "aggregate.norm_max", "from 1e-09"),
        ("aggregate", 'rule = "norm-bound"\nnorm_max = 1\nbyzantine_max = 4', "match.providers", "to 3 or less"),
        ("aggregate", 'rule = "krum"\nnorm_max = 1.0', "aggregate.norm_max", "norm-bound"),
        ("aggregate", "norm_max = 1.0", "aggregate.norm_max", "norm-bound"),
        ("aggregate", "reports_min = 5", "aggregate.reports_min", "it is 5"),
        ("windows", 'challenge = "1m"', "windows.challenge", ""),
        ("privacy", "clip = 1.0", "privacy", "known are job"),
    ],
)
def test_a_wrong_key_is_named_with_a_hint(section: str, line: str, key: str, hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        Job.parse(edit(section, line))
    assert caught.value.fields["key"] == key
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('name = "digits"\n', "", "job.name"),
        ('name = "digits"', 'name = "Digits!"', "job.name"),
        ("lr = 1e-3", "lr = 0", "train.optimizer.lr"),
        ("lr = 1e-3", "lr = []", "train.optimizer.lr"),
        ("lr = 1e-3", "lr = inf", "train.optimizer.lr"),
        ("lr = 1e-3", "lr = nan", "train.optimizer.lr"),
        ("lr = 1e-3", f"lr = {'9' * 400}", "train.optimizer.lr"),
        ("lr = 1e-3", f"lr = [{'9' * 400}]", "train.optimizer.lr"),
        ("lr = 1e-3", "lr = 1e-3, momentum = 0.9", "train.optimizer.momentum"),
        ("lr = 1e-3", "lr = 1e-3, betas = [0.9, 1.0]", "train.optimizer.betas"),
        ("lr = 1e-3", "lr = 1e-3, betas = [0.9]", "train.optimizer.betas"),
        ('"adamw", lr = 1e-3', '"sgd", lr = 1e-3, nesterov = true', "train.optimizer.nesterov"),
        ('"adamw"', '"adamx"', "train.optimizer.name"),
        ("assay.architectures:cnn", "rm -rf /", "model.architecture"),
        ("sklearn:digits", "digits", "data.source"),
    ],
)
def test_a_wrong_value_is_named(old: str, new: str, key: str) -> None:
    assert old in MINIMAL
    with pytest.raises(BadInput) as caught:
        Job.parse(MINIMAL.replace(old, new))
    assert caught.value.fields["key"] == key
    assert caught.value.hint


def test_an_option_beyond_64_bits_is_refused() -> None:
    for value in ("0x" + "f" * 5_000, "9" * 400, str(1 << 63)):
        with pytest.raises(BadInput) as caught:
            Job.parse(edit("model", f"options = {{ width = {value} }}"))
        assert caught.value.fields["key"] == "model.options"
    assert dict(Job.parse(edit("model", f"options = {{ width = {1 - (1 << 63)} }}")).model.options) == {
        "width": 1 - (1 << 63)
    }


def test_private_data_refuses_recomputation_with_the_reason() -> None:
    with pytest.raises(Refused, match="would have to see the data"):
        Job.parse(edit("data", 'mode = "private"'))


def test_what_is_not_toml_is_bad_input() -> None:
    with pytest.raises(BadInput, match="not TOML"):
        Job.parse("[job")
    with pytest.raises(BadInput, match="must be a table"):
        Job.parse("job = 5")


def hostile_documents() -> list[bytes]:
    good = Job.parse(MINIMAL).document
    tables = json.loads(good)

    def remade(**change: object) -> bytes:
        return json.dumps({**tables, **change}, sort_keys=True, separators=(",", ":")).encode()

    return [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        good + b"\n",
        good.replace(b":4,", b":4.0,", 1),
        good.replace(b'"exact15"', b'"exact99"'),
        good.replace(b'"job":{', b'"job":{"name":"x",', 1),
        remade(job={}),
        remade(extra={}),
        remade(train={**tables["train"], "segment_steps": 0}),
        remade(train={**tables["train"], "seed": 1 << 70}),
        remade(train={**tables["train"], "optimizer": {**tables["train"]["optimizer"], "lr": 10**400}}),
        remade(data={**tables["data"], "held_out": -(10**400)}),
        remade(model={**tables["model"], "options": {"width": 10**400}}),
        remade(verify={**tables["verify"], "rate": 0.1, "samples": 0}),
        remade(data={**tables["data"], "mode": "private"}),
        remade(match=5),
        json.dumps(tables).encode(),
        b'{"job":' + b"9" * 10_000 + b"}",
    ]


@pytest.mark.parametrize("content", hostile_documents())
def test_only_canonical_documents_pass(content: bytes) -> None:
    with pytest.raises(Malformed):
        Job.from_document(content)


def test_a_huge_document_is_refused_unread() -> None:
    with pytest.raises(LimitExceeded):
        Job.from_document(b" " * (2 << 20))


@pytest.mark.parametrize(
    ("steps", "segment_steps"),
    [
        (48, 3),
        (40, 4),
        (1, 1),
        (7, 1),
        (8, 1),
        (17, 1),
        (100, 10),
        (1000, 100),
        (96, 6),
        (34, 2),
        (20_000, 1_000),
        (1_000_000, 1_000),
    ],
)
def test_segments_are_chosen_so_that_a_round_has_about_a_dozen(steps: int, segment_steps: int) -> None:
    assert choose_segment_steps(steps) == segment_steps


@pytest.mark.parametrize("rule", RULE_REPORTS)
def test_a_rule_is_taken_at_its_limit_and_not_beyond(rule: str) -> None:
    bears = 0 if rule == "mean" else 3
    needed = reports_needed(rule, bears)
    lines = f'rule = "{rule}"\nbyzantine_max = {bears}' + "\nnorm_max = 0.5" * (rule == "norm-bound")
    job = Job.parse(edit("aggregate", lines, edit("match", f"providers = {needed}")))
    assert (job.aggregate.rule, job.aggregate.byzantine_max, job.aggregate.reports_min) == (rule, bears, needed)
    assert Job.from_document(job.document) == job
    if bears:
        with pytest.raises(TooManyByzantine, match=f"needs {needed} providers") as caught:
            Job.parse(edit("aggregate", lines, edit("match", f"providers = {needed - 1}")))
        assert f"or byzantine_max to {bears - 1} or less" in caught.value.hint


def test_what_rules_need() -> None:
    needs = {rule: [reports_needed(rule, f) for f in (0, 1, 2)] for rule in RULE_REPORTS if rule != "mean"}
    assert needs == {
        "trimmed-mean": [1, 3, 5],
        "median": [1, 3, 5],
        "krum": [3, 5, 7],
        "multi-krum": [4, 6, 8],
        "norm-bound": [1, 2, 3],
    }


def test_krum_needs_its_precondition() -> None:
    assert [reports_needed("krum", f) for f in (0, 1, 2)] == [3, 5, 7]
    assert reports_needed("mean", 0) == 1
    text = edit("aggregate", 'rule = "krum"\nbyzantine_max = 1', edit("match", "providers = 5"))
    assert Job.parse(text).aggregate.reports_min == 5


def test_every_key_is_described_once() -> None:
    rows = list(reference())
    names = [row[0] for row in rows]
    assert len(set(names)) == len(names) > 44
    assert all(words and doc.endswith(".") for _, words, _, doc in rows)
    defaults = {name: default for name, _, default, _ in rows}
    assert defaults["job.budget"] == "required"
    assert defaults["windows.train"] == "300s"
    assert defaults["train.optimizer.nesterov"] == "false"
    assert {name.split(".")[0] for name in names} == set(SECTIONS)


def struct_fields(name: str) -> list[str]:
    """Names of a struct's members in Types.sol, in order."""
    source = (ROOT / "contracts" / "src" / "Types.sol").read_text()
    body = re.search(rf"struct {name} \{{(.*?)\n\}}", source, re.DOTALL)
    assert body is not None
    return re.findall(r"^\s*\w+(?:\[\])? (\w+);", body[1], re.MULTILINE)


ENDLESS = WHOLE.replace('stop = { metric = "accuracy", at = 0.97 }\n', "")
"""An order cannot end early yet."""


def order() -> Order:
    roots = Roots(*[bytes([at]) * 32 for at in range(1, 5)])
    return order_of(Job.parse(ENDLESS), roots, token="0x" + "22" * 20, decimals=6)


def test_the_order_mirrors_the_contracts_struct() -> None:
    def plain(name: str) -> str:
        return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)

    assert [plain(name) for name in struct_fields("Order")] == [field.name for field in dataclasses.fields(Order)]
    assert struct_fields("Windows") == [field.name for field in dataclasses.fields(OrderWindows)]
    assert list(order().to_abi()) == struct_fields("Order")
    assert list(order().to_abi()["windows"]) == struct_fields("Windows")


def test_an_order_is_read_back_from_the_chains_tuple() -> None:
    made = order()
    struct = made.to_abi()
    row = (*list(struct.values())[:-1], tuple(struct["windows"].values()))
    assert Order.from_abi(row) == made


def test_the_order_says_what_the_job_says() -> None:
    made, job = order(), Job.parse(ENDLESS)
    assert made.document == job.document_hash
    assert made.profile == b"exact15".ljust(32, b"\0")
    assert (made.rounds, made.steps_per_round, made.steps_per_segment, made.segment_count) == (20, 48, 4, 12)
    assert (made.provider_stake, made.validator_stake) == (500_000_000, 100_500_000)
    assert (made.quorum, made.reports_min, made.aggregator_fee) == (3, 7, 250_000)
    assert made.windows == OrderWindows(90, 60, 60, 3600, 120, 120, 120, 1800)
    assert made.cost == (20 + 4) * made.round_cost + made.fault_deposit <= 250_000_000


def test_errors_are_plain_values_too() -> None:
    with pytest.raises(AssayError) as caught:
        Job.parse(edit("train", "stepz = 4"))
    rows = json.loads(json.dumps(caught.value.to_json()))
    assert rows == {
        "error": "unknown-key",
        "message": "train.stepz is not a key of a job",
        "hint": 'did you mean "steps"?',
        "key": "train.stepz",
        "allowed": "optimizer, rounds, steps, segment_steps, batch_size, accumulate, average, seed, arithmetic, stop",
    }
