"""The widest moves that a program can make a game need: many joined values, one large sample."""

from dataclasses import dataclass
from hashlib import sha256

import torch
from eth_abi.abi import encode
from torch import Tensor

from assay.exact.primitives import BY_NAME
from assay.exact.profile import PROFILES
from assay.exact.values import Value
from assay.proof import evidence
from assay.proof.affordable import Part, evidence_bytes, sample_bytes
from assay.proof.claim import Claim, Feed, Records, Replay
from assay.proof.defence import Defender
from assay.proof.evidence import Question
from assay.proof.opened import Move, opening
from assay.proof.rows import row_root
from assay.protocol.merkle import levels
from assay.work.node import Node
from assay.work.program import Program
from assay.work.state import content_of
from tests.conformance.arbiter.harness import type_of
from tests.conformance.arbiter.rulings import Trial, one_node
from tests.conformance.arbiter.table import OUTCOMES, Table


@dataclass(frozen=True)
class Shown:
    """A move as it was made: size of the call in bytes, gas, the size of its transaction as it is foreseen, and how the
    game ended."""

    size: int
    gas: int
    foreseen: int
    outcome: str


def joined(count: int, others: int, placing: str, rank: int = 2) -> Trial:
    """A node that joins so many values, which lie among `others` in the rows, or are tensors of a state with them."""
    draw = torch.Generator().manual_seed(count)
    inputs = [torch.randn((1,) * (rank - 1) + (2,), generator=draw) for _ in range(count)]
    rest, out = [torch.zeros(1)] * others, Value("F32", (count, *(1,) * (rank - 2), 2))
    if placing == "state":
        return one_node("concat", inputs + rest, out, (0,), origins=(count + others,), uses=range(count))
    every = [torch.zeros(1), *inputs, *rest]
    return one_node("concat", every, out, (0,), origins=(1,), uses=range(1, count + 1))


def show_joined(table: Table, trial: Trial) -> Shown:
    """An element of such a node, shown to be wrong."""
    number = trial.number(0)
    claimed = trial.values[number].clone()
    claimed.reshape(-1)[0] += 1
    rows = [row_root(trial.program, at, trial.values[at]) for at in range(trial.first, len(trial.program.values))]
    rows[number - trial.first] = row_root(trial.program, number, claimed)
    tree = levels(rows)
    subject = sha256(repr((trial.program.inputs, trial.origins)).encode()).digest()
    claim = Claim(subject, table.defender, trial.program, trial.roots, Feed(), b"\1" * 32, 1)
    game = _opened(table, claim, tree)
    move = Move("prove", (0, trial.evidence(Question(0, 0), claimed)[1]))
    part = Part("joined", trial.program, tuple(map(len, trial.roots)))
    return _made(table, game, claim, move, evidence_bytes(part, 0))


def show_sample(table: Table, elements: int) -> Shown:
    """An element of a sample of so many floats, shown to be another."""
    types = Value("F32", (3,)), Value("F32", (2, elements)), Value("I64", (2,))
    program = Program(PROFILES["exact15"], types, (Node(BY_NAME["neg"].opcode, 1, "F32", (3,), (0,)),), (3,))
    samples, labels = torch.randn(5, elements, generator=torch.Generator().manual_seed(elements)), torch.arange(5)
    rows = [bytes(content_of(x)) + bytes(content_of(y)) for x, y in zip(samples, labels, strict=True)]
    records = Records(b"".join(rows), len(rows[0]))
    feed = Feed(records.root, 5, batch_size=2)

    def batch(run: int) -> list[Tensor]:
        at = [feed.sample_of(run, place) for place in range(2)]
        return [samples[at], labels[at]]

    liar = Replay(program, [torch.ones(3)], batch, alter=lambda _, value, x: x + 1 if value == 1 else None)
    subject = sha256(repr(elements).encode()).digest()
    claim = Claim(subject, table.defender, program, liar.origins(0), feed, liar.ends[0], 1)
    defender = Defender(claim, liar, records)
    game = _opened(table, claim, liar.rows(0).levels)
    operand = defender._operand(0, 0, liar.values(0, [1])[1], [(0, 1)])
    move = Move("proveSample", (0, evidence.show_sample(claim, records, 0, 0, 0, operand)))
    return _made(table, game, claim, move, sample_bytes(Part("samples", program, (1,)), records.record_bytes, 1))


def _opened(table: Table, claim: Claim, tree: list[list[bytes]]) -> int:
    """A game in which the top of a run's rows is open."""
    game, top = table.open(claim), len(tree) - 1
    table.move(game, claim, Move("demandRun", (0, [])), table.challenger)
    table.move(game, claim, Move("answerRows", (0, top, 0, *opening(tree, top, 0))), table.defender)
    return game


def _made(table: Table, game: int, claim: Claim, move: Move, foreseen: int) -> Shown:
    arguments = move.call(game, claim.to_abi())
    types = [type_of(each) for each in table.harness.functions[move.name]["inputs"]]
    gas = table.move(game, claim, move, table.challenger)
    return Shown(4 + len(encode(types, arguments)), gas, foreseen, OUTCOMES[table.view(game)[4]])
