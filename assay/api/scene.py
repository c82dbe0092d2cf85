"""One job played to its end by a cast in this process: what the demo and `assay simulate` have in common.

Nothing here decides anything: it sets the parties up, lets them run, watches, and adds up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from math import ceil
from typing import Any

import torch

from assay.api.effort import MeasuredNetwork, effort_s, warm_up
from assay.api.observer import Observer
from assay.api.quoted import quote_lines
from assay.api.story import Story
from assay.chain.ground import Ground
from assay.market.quote import Quote, quote
from assay.protocol.errors import AtFault, Unavailable
from assay.protocol.job import Job
from assay.protocol.phase import JobPhase
from assay.roles.aggregator import Aggregator
from assay.roles.exam import SCALE
from assay.roles.network import Role
from assay.roles.provider import Provider
from assay.roles.stage import DECIMALS, Stage
from assay.roles.validator import Validator
from assay.roles.zoo import Card
from assay.store.samples import Samples
from assay.work.program import Bundle

SYMBOL = "aUSD"
TURNS_MAX = 100_000
DEADLINE_MAX_S = 366 * 86400
"""Most that a job file admits."""
BID_TRANSACTIONS = 3
"""Of each provider while bids are taken, one after another: the window that a slow chain fills first."""
BID_SHARE = 0.5
"""How much of that window they may take."""
Note = Callable[[dict[str, Any]], None]
Cast = dict[str, list[Card | None]]


@dataclass(frozen=True)
class Scene:
    """A job with its programs and samples, who plays it (None for the honest), and what decides all chance."""

    job: Job
    bundle: Bundle
    train: Samples
    test: Samples
    cast: Cast
    seed: bytes


def perform(
    make_scene: Callable[[], Scene], ground: Ground, note: Note, tell: Callable[[Story], dict[str, Any]]
) -> dict[str, Any]:
    """Plays a job on a ground, which is closed then: what `tell` makes of it, its quote, and how long all of it took.

    Errors: `AtFault`, `Unavailable` where the job was cancelled.
    """
    started_s, began_s = time.perf_counter(), effort_s()
    # Tensors this small are slower on two threads than on one; the bits are the same.
    torch.set_num_threads(1)
    try:
        report = _play(make_scene(), ground, note, tell)
    finally:
        ground.close()
    report["seconds"]["total"] = time.perf_counter() - started_s
    train_s = report["seconds"]["train"]
    report["ratio"]["overhead"] = (effort_s() - began_s - train_s) / train_s if train_s else 0.0
    note({"kind": "done"})
    return report


def _play(scene: Scene, ground: Ground, note: Note, tell: Callable[[Story], dict[str, Any]]) -> dict[str, Any]:
    quoted = quote_of(quote(scene.job, DECIMALS))
    # Keys follow from the seed alone where no stranger sees the chain.
    place = "a node's chain" if ground.salt else "a chain of our own"
    note({"kind": "step", "text": f"deploying the contracts on {place}"})
    # A node computes elsewhere: of it there is only how long it lets one wait.
    timer = time.perf_counter if ground.salt else effort_s
    network = MeasuredNetwork(sha256(scene.seed + ground.salt).digest(), timer, ground=ground)
    job = stretch(scene.job, network.transaction_s)
    stage = Stage(network, job, scene.bundle, scene.train, scene.test)
    enter_cast(stage, scene.cast)
    if any(card and card.watched for cards in scene.cast.values() for card in cards):
        stage.watch(Validator, watch=True)
    warm_up(network.worlds.values(), scene.bundle)
    names = {world.address: name for name, world in network.worlds.items()}
    observer = Observer(network.world("observer", 0), network.token.address, DECIMALS, names, note)
    observer.behaviours = {network.worlds[name].address: network.parties[name].behaviour for name in network.parties}
    network.parties["observer"] = observer
    for line in quote_lines(quoted, SYMBOL):
        note({"kind": "step", "text": f"quoted {line}"})
    note({"kind": "step", "text": "posting the job"})
    stage.play(turns_max=TURNS_MAX)
    phase = network.ledger.jobs.view_of(stage.job).phase
    if phase == JobPhase.FAULTED:
        raise AtFault("training gave numbers that are not finite: the job itself is at fault", hint=SCALE)
    if phase == JobPhase.CANCELLED:
        raise Unavailable(
            "the job was cancelled: its places were not taken in time",
            hint="use a node that answers sooner, or fewer parties",
        )
    note({"kind": "step", "text": "taking the stakes back"})
    network.unstake_all()
    observer.tick()
    observer.account.check()
    return {**tell(Story(network, observer, stage.order, stage.job)), "quote": quoted}


def stretch(job: Job, transaction_s: float) -> Job:
    """The job with windows in which all transactions fit, one after another, each of `transaction_s` seconds."""
    bids_s = BID_TRANSACTIONS * job.match.providers * transaction_s
    factor = max(1, ceil(bids_s / (BID_SHARE * job.windows.bid_s)))
    windows = {window.name: factor * getattr(job.windows, window.name) for window in fields(job.windows)}
    verify = replace(job.verify, challenge_s=factor * job.verify.challenge_s)
    terms = replace(job.terms, deadline_s=min(factor * job.terms.deadline_s, DEADLINE_MAX_S))
    return replace(job, terms=terms, windows=replace(job.windows, **windows), verify=verify)


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
