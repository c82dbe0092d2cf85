"""What a dispute about one training step costs: transactions and gas, by the kind of node that the lie is in.

`python -m bench.dispute [--json] [--write] [--only mlp] [--kinds contract,where] [--chain osaka|cancun|embedded]`

Each game is played to its end on the contracts, by the moves that ship, and each move costs what its receipt says: on
anvil by Osaka's rules, where calldata costs 10 gas a token at least (EIP-7623), or by Cancun's, or on the embedded
chain. *Served*: the challenger was given what the defender's roots are of, so it asks for what the contracts have to
have seen, and shows the element. *Withheld*: it was given nothing. To the moves come three transactions of `Disputes`,
of which two are counted and the gas is not: a challenge is sealed, opened, and settled. For the digits MLP on the
embedded chain they took 105,253, 481,332 and 369,225 gas (settling slashes and closes the slot).
"""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.proof.bisect import Challenger
from assay.proof.claim import Claim, Feed, Replay
from assay.proof.defence import Defender
from assay.proof.evidence import SUMS, as_tensor, number_at
from assay.proof.opened import Key
from assay.protocol.merkle import depth
from assay.work.capture import capture
from assay.work.program import Program
from bench import _record
from bench.exact import EXAMPLES
from bench.on_node import CHAINS, table_on
from tests.conformance.arbiter.table import Played, Table, opened, play

OPENING = 2
"""Transactions before the first move: the challenge, sealed and opened."""
HALF = 1 << 22
"""The bit of a float that is half of its leading one."""
FAR = 1 << 36
"""The bit of a sum that no rounding takes away."""
STEPS = 2
"""Runs of the claim, so that one has to be found among them."""


class Served(dict[Key, bytes]):
    """All that a defender could be asked for is known, but for what has to be opened on chain."""

    def __init__(self, defender: Defender) -> None:
        super().__init__()
        self.defender = defender

    def _is_given(self, key: Key) -> bool:
        below_top = key[0] == "rows" and key[2] < depth(self.defender.claim.row_count)
        return key[0] in ("leaves", "content") or below_top

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (isinstance(key, tuple) and self._is_given(key))

    def __missing__(self, key: Key) -> bytes:
        answer = self.defender.move(key)
        assert answer is not None
        self[key] = opened(answer)
        return self[key]


@dataclass(frozen=True)
class Case:
    """A model's step, and what it is run on."""

    name: str
    program: Program
    start: list[Tensor]
    batch: list[Tensor]

    def work(self, position: int | None = None) -> Replay:
        """Honest work, or with one element of a node's value changed in the second run."""
        if position is None:
            return Replay(self.program, self.start, lambda _: self.batch, STEPS)
        number = len(self.program.inputs) + position
        element = Random(f"{self.name} {position}").randrange(self.program.values[number].size)

        def alter(run: int, value: int, tensor: Tensor) -> Tensor | None:
            if (run, value) != (1, number):
                return None
            was = number_at(tensor, element)
            if BY_OPCODE[self.program.nodes[position].opcode].name in SUMS:
                return as_tensor(tensor, element, was ^ FAR)
            if tensor.dtype == torch.float32:
                return as_tensor(tensor, element, was ^ HALF)  # a last bit is often rounded away further on
            return as_tensor(tensor, element, was ^ 1 if tensor.dtype == torch.bool else was + 1)

        return Replay(self.program, self.start, lambda _: self.batch, STEPS, alter=alter)

    def positions(self, kinds: list[str]) -> Iterator[tuple[str, int]]:
        """Of each kind of node the one with the largest value, or of a sum with the most addends."""
        found: dict[str, tuple[int, int]] = {}
        for position, node in enumerate(self.program.nodes):
            name = BY_OPCODE[node.opcode].name
            values = [self.program.values[each].size for each in (*node.inputs, len(self.program.inputs) + position)]
            size = max(values)
            if size > found.get(name, (0, 0))[0]:
                found[name] = size, position
        return ((name, position) for name, (_, position) in found.items() if not kinds or name in kinds)


def case_of(name: str) -> Case:
    """One of the models of `bench.exact`."""
    torch.manual_seed(5)
    model, x, y, rule = EXAMPLES[name]()
    bundle = capture(model, "cross_entropy", rule, x, y, "exact15", counts=(1,))
    return Case(name, bundle.step, list(bundle.state.values()), [x, y])


def game(table: Table, case: Case, honest: Replay, position: int, *, served: bool) -> Played | None:
    """A liar that is found out; nothing where its lie changes nothing."""
    liar = case.work(position)
    if liar.ends == honest.ends and liar.loss_bits == honest.loss_bits:
        return None
    subject = f"{case.name} {position} {served}".encode().ljust(32, b"\0")
    ends = (liar.ends[-1], len(case.start), STEPS, liar.loss_bits)
    claim = Claim(subject, table.defender, case.program, honest.origins(0), Feed(), *ends)
    defender = Defender(claim, liar)
    played = play(table, claim, Challenger(claim, honest), defender, Served(defender) if served else {})
    assert played.outcome == "upheld", (case.name, position, played)
    return played


def measure(table: Table, case: Case, kinds: list[str], *, loud: bool) -> dict[str, Any]:
    """By kind of node: moves and gas of both ways."""
    honest, rows = case.work(), {}
    for kind, position in case.positions(kinds):
        games = {way: game(table, case, honest, position, served=way == "served") for way in ("served", "withheld")}
        row = {way: _figures(each) for way, each in games.items() if each is not None}
        if len(row) == len(games):
            rows[kind] = row
        if loud:
            print(case.name, kind, row or "no lie that matters", flush=True)
    return rows


def _figures(played: Played) -> dict[str, int]:
    gas = [each for _, each in played.moves]
    return {"transactions": OPENING + len(gas), "gas": sum(gas), "max_transaction_gas": max(gas)}


def worst(rows: dict[str, Any]) -> dict[str, Any]:
    """The most of each figure over the kinds of nodes."""
    ways = {
        way: {key: max(row[way][key] for row in rows.values()) for key in ("transactions", "gas")}
        for way in ("served", "withheld")
    }
    largest = max(row[way]["max_transaction_gas"] for row in rows.values() for way in row)
    return {**ways, "max_transaction_gas": largest}


def main() -> None:
    """Print a line per kind of node, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.dispute", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/dispute.md")
    parser.add_argument("--only", default="mlp,cnn,gpt", help="models, by comma")
    parser.add_argument("--chain", default="osaka", choices=CHAINS, help="where they are played (anvil by default)")
    parser.add_argument("--kinds", default="", help="kinds of nodes, by comma; all of them if left out")
    options = parser.parse_args()
    load = _record.load_average()
    cases = [case_of(name) for name in options.only.split(",")]
    kinds = [kind for kind in options.kinds.split(",") if kind]
    with table_on(options.chain) as table:
        rows = {case.name: measure(table, case, kinds, loud=not options.json) for case in cases}
    games = {name: worst(each) for name, each in rows.items()}
    nodes = {case.name: len(case.program.nodes) for case in cases}
    if options.write:
        write(load, rows, games, nodes)
    print(json.dumps({"games": games, "nodes": nodes, "kinds": rows}) if options.json else games)


def write(load: tuple[float, float, float], rows: dict[str, Any], games: dict[str, Any], nodes: dict[str, int]) -> None:
    """Keeps the figures."""
    head = ("model", "nodes", "served: transactions", "gas", "withheld: transactions", "gas", "largest transaction")
    ways = ("served", "withheld")
    lines = [
        (name, f"{nodes[name]:,}", *(f"{each[way][key]:,}" for way in ways for key in ("transactions", "gas")),
         f"{each['max_transaction_gas']:,}")
        for name, each in games.items()
    ]  # fmt: skip
    parts = ["## The worst kind of node", _record.table(head, lines), (__doc__ or "").split("\n\n", 2)[2].strip()]
    for name, kinds in rows.items():
        found = [
            (kind, *(f"{row[way][key]:,}" for way in ways for key in ("transactions", "gas")))
            for kind, row in kinds.items()
        ]
        parts += [f"## {name}", _record.table(("node", *head[2:6]), found)]
    command = shlex.join(["python", "-m", "bench.dispute", *sys.argv[1:]])
    _record.write("dispute", "What a dispute costs", command, f"torch {torch.__version__}", load, parts)


if __name__ == "__main__":
    main()
