"""Five steps of shipped programs on drawn inputs, and the hashes of their states: a process of its own.

    python tests/conformance/exact/five_steps.py float64,int8 1,2 digits-mlp gpt-tiny     paths, threads, programs
    python tests/conformance/exact/five_steps.py --record                                 vectors/exact/steps.json

It prints per thread count the hashes by path, and those of the same training by native PyTorch.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional

from assay.architectures import SHIPPED, load_shipped
from assay.exact import kernels
from assay.exact.random import random_words
from assay.work.interpret import Runner
from assay.work.program import Bundle
from assay.work.walk import Fault

STEPS = 5
NAMES = ("digits-mlp", "digits-mlp-adamw", "digits-cnn", "digits-cnn-adamw", "gpt-tiny")
GOLDEN = Path(__file__).parents[3] / "vectors" / "exact" / "steps.json"
OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}


def drawn_batch(bundle: Bundle, step: int) -> list[torch.Tensor]:
    """Images in 0..1 or tokens, and classes, by the integer generator."""
    x, y = bundle.step.inputs[len(bundle.rules) :]
    key = torch.tensor([11, 12])
    images = random_words(key, torch.tensor(step), 1, x.size) % 17
    classes = random_words(key, torch.tensor(step), 2, y.size) % 10
    if x.dtype == "I64":
        return [images.reshape(x.shape), classes.reshape(y.shape)]
    return [(images.float() / torch.tensor(16.0)).reshape(x.shape), classes.reshape(y.shape)]


def state_hash(name: str, path: str) -> str:
    """Hash of the losses and of all state tensors after the steps."""
    bundle = load_shipped(name)
    runner = Runner(bundle.step, path)
    state = list(bundle.state.values())
    digest = sha256()
    for step in range(STEPS):
        result = runner.run([*state, *drawn_batch(bundle, step)])
        assert not isinstance(result, Fault), result
        *state, loss = result
        digest.update(loss.numpy().tobytes())
    for tensor in state:
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def native_hash(name: str) -> str:
    """The same of native PyTorch from the same weights: the control."""
    bundle, shipped = load_shipped(name), SHIPPED[name]
    model = shipped.architecture(**shipped.options)
    model.load_state_dict({key: bundle.state[key] for key in model.state_dict()})
    options: dict[str, Any] = {key: value for key, value in shipped.optimizer.items() if key != "name"}
    optimizer = OPTIMIZERS[shipped.optimizer["name"]](model.parameters(), **options)
    digest = sha256()
    for step in range(STEPS):
        x, y = drawn_batch(bundle, step)
        loss = functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        digest.update(loss.detach().numpy().tobytes())
    for tensor in model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def report(paths: list[str], threads: list[int], names: list[str]) -> dict[str, Any]:
    """Hashes, with None for a path that is wrong here. The int8 path takes every product it may."""
    kernels.INT8_WORK = kernels.INT8_SIDE = 2
    runs = {}
    for count in threads:
        torch.set_num_threads(count)
        kernels.agrees.cache_clear()
        exact = {
            path: {name: state_hash(name, path) for name in names} if kernels.agrees(path) else None for path in paths
        }
        runs[str(count)] = {"exact": exact, "native": {name: native_hash(name) for name in names}}
    return {"capability": torch.backends.cpu.get_cpu_capability(), "threads": runs}


def golden() -> dict[str, dict[str, str]]:
    """Roots of all shipped programs, and the hashes after the steps by the integer reference path."""
    rows = {}
    for name in SHIPPED:
        bundle = load_shipped(name)
        rows[name] = {"bundle_root": bundle.root.hex(), "step_root": bundle.step.root.hex()}
        if name in NAMES:
            rows[name]["after_5_steps"] = state_hash(name, "int64")
    return rows


def main(arguments: list[str]) -> None:
    """Record the golden hashes, or print a report."""
    if arguments == ["--record"]:
        GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n", encoding="utf-8")
        return
    paths, threads, *names = arguments
    result = report(paths.split(","), [int(count) for count in threads.split(",")], names)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
