"""Run five steps of shipped programs on drawn inputs and print their state hashes: a process of its own."""

import json
import sys
from hashlib import sha256

import torch

from assay.architectures import load_shipped
from assay.exact import kernels
from assay.exact.random import random_words
from assay.work.interpret import Fault, Runner
from assay.work.program import Bundle

STEPS = 5


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
    """Hash of all state tensors and losses after the steps."""
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


def main(path: str, threads: str, names: list[str]) -> None:
    """Print hashes, or that the path is wrong here. The int8 path takes every product it may."""
    torch.set_num_threads(int(threads))
    kernels.INT8_WORK = kernels.INT8_SIDE = 2
    report = {"agrees": kernels.agrees(path), "capability": torch.backends.cpu.get_cpu_capability()}
    if report["agrees"]:
        report["hashes"] = {name: state_hash(name, path) for name in names}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
