"""A trained model: its programs and the state that the network agreed on; from the network, or from a folder."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from assay.api.client import Client
from assay.chain.contracts.containers import Lineage
from assay.chain.contracts.models import Models
from assay.protocol.errors import BadInput, Malformed, Unavailable, Unsupported
from assay.roles.assignment import Assignment, State
from assay.roles.exam import evaluate
from assay.roles.world import Compute
from assay.store.samples import Samples
from assay.work.interpret import Runner
from assay.work.mark import Mark
from assay.work.program import Program
from assay.work.state import Signature, state_root
from assay.work.walk import Fault
from assay.work.weights import fill, weights_of


@dataclass(frozen=True)
class Model:
    """A state of a job that is complete."""

    assignment: Assignment
    state: State
    lineage: Lineage

    @property
    def job(self) -> int:
        """The job that made it."""
        return self.assignment.job

    @property
    def signature(self) -> Signature:
        """Names, types and shapes of the state's tensors."""
        return self.assignment.signature

    @property
    def root(self) -> bytes:
        """Hash of the state, as registered."""
        return state_root(self.state)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The model's own tensors by the names that the module had for them; averaged, where the job asked for it."""
        rows = zip(self.signature.specs, self.state, strict=True)
        return weights_of((spec.name, tensor) for spec, tensor in rows)

    def fill(self, module: nn.Module) -> nn.Module:
        """A module with these weights in it. Errors: `BadInput` where it is another model."""
        return fill(module, self.weights)

    def module(self) -> "Predictor":
        """The committed program of predictions, as a module: its outputs are the same bits on every machine."""
        return Predictor(self.assignment.bundle.predict, self.state)

    def mark(self, compute: Compute, samples: Samples | None = None) -> Mark:
        """What it is worth by the committed program of evaluation, on the job's held-out samples if none are given."""
        return evaluate(compute, self.assignment, self.state, samples or self.assignment.test)


class Predictor(nn.Module):
    """A program of predictions and its weights. x [N, ...] of any N gives the outputs [N, ...] of the model."""

    def __init__(self, program: Program, state: State) -> None:
        super().__init__()
        self._runner = Runner(program)
        self._form = program.inputs[-1]
        for index, tensor in enumerate(state):
            self.register_buffer(f"state_{index}", tensor.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of the model. Errors: `BadInput` for another shape, `Unsupported` where the program faults."""
        return self.run(x)[0]

    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Outputs, and the best class of each; nothing for a model that does not classify."""
        found = self.run(x)
        return found[0], found[1] if len(found) > 1 else None

    def run(self, x: Tensor) -> list[Tensor]:
        """Every output of the program, for all of x."""
        size, *form = self._form.shape
        if x.ndim != len(form) + 1 or list(x.shape[1:]) != form or not len(x):
            raise BadInput(f"x has shape {list(x.shape)}, the model takes {['N', *form]}", hint="reshape it")
        state = list(self.buffers())
        x = x.to(torch.int64 if self._form.dtype == "I64" else torch.float32)
        parts = []
        for at in range(0, len(x), size):
            batch = x[at : at + size]
            padded = torch.cat([batch, batch.new_zeros((size - len(batch), *form))]) if len(batch) < size else batch
            outputs = self._runner.run([*state, padded.contiguous()])
            if isinstance(outputs, Fault):
                raise Unsupported(f"the model cannot answer: {outputs.reason} in {outputs.operator}")
            parts.append([output[: len(batch) * (len(output) // size)] for output in outputs])
        return [torch.cat(column) for column in zip(*parts, strict=True)]


def load_model(client: Client, job: int) -> Model:
    """The model that a complete job made, verified against its final root. Errors: `Unavailable`, `Malformed`."""
    client.reader.hear()
    final = client.world.ledger.rounds.final_state(job).root
    state = client.reader.state(job, final)
    if state is None:
        raise Unavailable(
            f"nobody serves the final state of job {job}", hint=f"derive it from its updates: assay replay {job}"
        )
    lineage = client.world.ledger.open(Models).lineage_of(job)
    if any(lineage.state_root) and lineage.state_root != final:
        raise Malformed("the registry and the rounds name different states")
    return Model(client.reader.assignment(job), state, lineage)


def find_model(client: Client, token: int) -> Model:
    """The model of a number in the registry. Errors: `BadInput` where there is none."""
    lineage = client.world.ledger.open(Models).lineage_of(token)
    if not lineage.job:
        raise BadInput(f"there is no model {token}", hint="list them with: assay models")
    return load_model(client, lineage.job)


def lines_of(outputs: Tensor, answers: Tensor | None) -> list[dict[str, Any]]:
    """One plain line per output: the best class and how far it is ahead of the second, or the numbers themselves."""
    if answers is None:
        return [{"output": output.flatten().tolist()} for output in outputs]
    rows = []
    for output, answer in zip(outputs, answers, strict=True):
        ranked = torch.topk(output.flatten(), min(2, output.numel())).values.tolist()
        rows.append({"answer": int(answer), "margin": round(ranked[0] - ranked[-1], 6)})
    return rows
