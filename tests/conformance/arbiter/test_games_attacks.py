"""Games in which one side does what no honest one does: it gets nothing by it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.exact.profile import PROFILES
from assay.exact.values import Value
from assay.proof.bisect import Challenger
from assay.proof.claim import Claim, Feed, Replay
from assay.proof.defence import Defender
from assay.proof.evidence import as_tensor, show_sample
from assay.proof.opened import Key, Move, reach_of
from assay.proof.rows import Rows
from assay.protocol.merkle import depth, merkle_proof, roots_hash, value_root
from assay.work.program import Program
from assay.work.state import content_of
from tests.conformance.arbiter.harness import Halted
from tests.conformance.arbiter.table import CHALLENGER, DEFENDER, KINDS, OUTCOMES, Table, play
from tests.conformance.arbiter.test_games import claim_of, data_work, honest_work, overflowing, spoilt, work_of

OUTSIDE = [("demandLeaves", 50, 0), ("demandLeaves", 0, 1 << 20), ("demandContent", 1 << 20)]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


def outcome(table: Table, game: int) -> str:
    return OUTCOMES[table.view(game)[4]]


def opened(table: Table, claim: Claim, work: Replay, step: int) -> int:
    """A game in which the top of a run's rows is open."""
    game, top, defender = table.open(claim), depth(claim.row_count), Defender(claim, work)
    states = work.ends[:-1]
    if states:
        answer(table, game, claim, defender, ("steps",))
    table.move(game, claim, Move("demandRun", (step, states)), CHALLENGER)
    answer(table, game, claim, defender, ("rows", step, top, 0))
    return game


def answer(table: Table, game: int, claim: Claim, defender: Defender, owed: Key) -> None:
    """The defender opens what it owes."""
    move = defender.move(owed)
    assert move is not None
    table.move(game, claim, move, DEFENDER)


def demand(table: Table, game: int, claim: Claim, work: Replay, name: str, *where: int) -> None:
    """Asks for something, and has it answered."""
    move = Move(name, where if name != "demandRun" else (where[0], work.ends[:-1]))
    table.move(game, claim, move, CHALLENGER)
    kind = "rows" if name == "demandRun" else name.removeprefix("demand").lower()
    assert KINDS[table.view(game)[2]] == kind
    answer(table, game, claim, Defender(claim, work, data_work(spoilt=True)[2]), (kind, *where))


def test_the_first_rows_asked_for_are_those_of_the_whole(table: Table) -> None:
    honest = honest_work("mlp")
    claim = claim_of("first rows", honest)
    top = depth(claim.row_count)
    for height, index in ((0, 0), (6, 1), (top - 1, 0), (top + 1, 0)):
        with pytest.raises(Halted):
            table.move(table.open(claim), claim, Move("demandRows", (0, height, index)), CHALLENGER)
    game = opened(table, claim, honest, 0)
    for height, index in ((0, 0), (6, 1), (top - 1, 0)):
        demand(table, game, claim, honest, "demandRows", 0, height, index)
    assert outcome(table, game) == "open"


@pytest.mark.parametrize(("name", "where"), [(name, where) for name, *where in OUTSIDE])
@pytest.mark.parametrize("row", [0, 9])
def test_whoever_asks_for_what_a_value_has_not_got_loses(table: Table, name: str, where: list[int], row: int) -> None:
    honest = honest_work("mlp")
    claim = claim_of(f"outside {name} {where} {row}", honest)
    game = opened(table, claim, honest, 0)
    demand(table, game, claim, honest, name, 0, row, *where)
    assert outcome(table, game) == "dismissed"


def test_an_end_that_is_zero_is_asked_for_as_any_other(table: Table) -> None:
    honest = honest_work("mlp")
    claim = claim_of("zero", honest, end=bytes(32))
    found = play(table, claim, Challenger(claim, honest), Defender(claim, honest))
    assert [name for name, _ in found.moves][-2:] == ["demandState", "timeout"]
    assert found.outcome == "upheld"


# ---------------------------------------------------------------- faults


BEHIND = [("demandState", 1, 0), ("demandRun", 2, 8, 0), ("demandContent", 1, -1, 0)]


@pytest.mark.parametrize("make", [overflowing, spoilt])
@pytest.mark.parametrize(("name", "where"), [(name, where) for name, *where in BEHIND])
def test_behind_a_fault_there_is_nothing_to_open(
    table: Table, make: Callable[[], Replay], name: str, where: Sequence[int]
) -> None:
    honest = make()
    if where[0] >= honest.steps:
        pytest.skip("the fault is in the last run")
    feed = data_work(spoilt=True)[1] if make is spoilt else Feed()
    claim = claim_of(f"behind {make.__name__} {name} {where}", honest, feed=feed)
    game = opened(table, claim, honest, 1 if name != "demandRun" else 0)
    where = [claim.row_count - 1 if each < 0 else each for each in where]
    demand(table, game, claim, honest, name, *where)
    assert outcome(table, game) == "fault"


@pytest.mark.parametrize("shows", [True, False])
def test_a_state_is_claimed_to_follow_from_a_fault(table: Table, shows: bool) -> None:
    """A run that begins with no state cannot be refuted: that the one before it has given none is to be shown."""
    honest = overflowing()
    claim = claim_of(f"after a fault {shows}", honest, end=b"\x07" * 32)
    defender = Defender(claim, honest) if shows else Silent(claim, honest)
    found = play(table, claim, Challenger(claim, honest), defender)
    assert found.outcome == ("fault" if shows else "upheld"), found


class Silent(Defender):
    """Shows no state, nor why there is none."""

    def move(self, demand: Key, sum_: tuple[Any, ...] | None = None) -> Move | None:
        return None if demand[0] == "state" else super().move(demand, sum_)


def test_a_run_that_ends_in_a_fault_has_no_loss_to_be_compared(table: Table) -> None:
    """Its loss was computed before the fault, and is not what is claimed."""
    program = honest_work("mlp").program
    loss = program.outputs[-1]

    def overflow(run: int, value: int, tensor: Tensor) -> Tensor | None:
        return torch.full_like(tensor, 3e38) if value > loss and tensor.dtype == torch.float32 else None

    work = work_of("mlp", overflow)
    fault = work.rows(0).fault
    assert fault is not None
    assert fault.node_index > loss - len(program.inputs)
    claim = claim_of("loss before a fault", work)
    assert claim.loss_bits == 0
    game = opened(table, claim, work, 0)
    operand = Defender(claim, work)._operand(0, loss - claim.first, work.values(0, [loss])[loss], [(0, 1)])
    move = Move("proveLoss", (loss, merkle_proof(program.trees[1], claim.end_count), operand))
    with pytest.raises(Halted):
        table.move(game, claim, move, CHALLENGER)
    assert outcome(table, game) == "open"


def test_a_fault_that_follows_from_a_lie_does_not_answer_for_it(table: Table) -> None:
    """A liar's own value has a later node overflow: what is asked about the lie has to be opened."""
    honest = honest_work("mlp")
    program = honest.program
    position = next(at for at, node in enumerate(program.nodes) if BY_OPCODE[node.opcode].name == "rescale")
    number = len(program.inputs) + position

    def alter(run: int, value: int, tensor: Tensor) -> Tensor | None:
        return torch.full_like(tensor, 3e38) if value >= number and tensor.dtype == torch.float32 else None

    liar = work_of("mlp", alter)
    assert liar.faulty == 0
    claim = claim_of("fault of its own", liar)
    game = opened(table, claim, liar, 0)
    row = number - claim.first
    table.move(game, claim, Move("demandContent", (0, row, 0)), CHALLENGER)
    excuse = Defender(claim, liar)._fault(0)
    assert excuse is not None
    with pytest.raises(Halted):
        table.move(game, claim, excuse, DEFENDER)
    assert reach_of(("content", 0, row, 0)) == (0, row + 1)
    found = play(table, replace(claim, subject=b"again".ljust(32)), Challenger(claim, honest), Defender(claim, liar))
    assert found.outcome == "upheld"


# ---------------------------------------------------------------- samples, and ends that are no node's


class Retyped(Replay):
    """Work that has committed other samples, as values of another type."""

    def rows(self, step: int) -> Rows:
        found = super().rows(step)
        x = self.batch(step)[0]
        root = value_root("F32", (x.numel(),), content_of(as_tensor(x, 3, 0x40200000)))
        return replace(found, roots=(root, *found.roots[1:]))

    def values(self, step: int, wanted: Collection[int]) -> dict[int, Tensor]:
        found = super().values(step, wanted)
        if self.first not in wanted:
            return found
        return {**found, self.first: as_tensor(found[self.first], 3, 0x40200000).reshape(-1)}


def test_samples_of_another_type_cannot_be_opened(table: Table) -> None:
    honest, feed, records = data_work()
    liar = data_work(kind=Retyped)[0]
    claim = claim_of("retyped", liar, feed=feed, end=b"\x07" * 32)
    found = play(table, claim, Challenger(claim, honest, records), Defender(claim, liar))
    assert found.moves[-1][0] == "timeout"
    assert found.outcome == "upheld"


def test_a_sample_that_the_program_ends_in_is_its_makers_fault(table: Table) -> None:
    whole, feed, records = data_work()
    x = whole.first
    program = replace(whole.program, outputs=(x, *whole.program.outputs))
    honest = Replay(program, whole.state(0), whole.batch, 1, end_count=1, first_step=5)
    claim = claim_of("sample out", honest, feed=feed, loss_bits=None)
    game = opened(table, claim, honest, 0)
    defender = Defender(claim, honest)
    table.move(game, claim, Move("demandState", (0, 0)), CHALLENGER)
    answer(table, game, claim, defender, ("state", 0, 0))
    value = honest.values(0, [x])[x]
    shown = show_sample(claim, records, 0, 0, 5, defender._operand(0, 0, value, [(5, 1)]))
    table.move(game, claim, Move("proveSample", (0, shown)), CHALLENGER)
    assert outcome(table, game) == "dismissed"


def test_a_program_without_nodes_has_an_end_all_the_same(table: Table) -> None:
    program = Program(PROFILES["exact15"], (Value("F32", (3,)), Value("F32", (2,))), (), (1, 0))
    start = [torch.ones(3), torch.zeros(2)]
    honest = Replay(program, start, lambda run: [], 1)
    for label, other in (("right", False), ("wrong", True)):

        class Swapped(Replay):
            def end_roots(self, step: int) -> list[bytes]:
                return list(reversed(super().end_roots(step)))

        work = Swapped(program, start, lambda run: []) if other else honest
        ends = honest.end_roots(0)
        claim = claim_of(f"no nodes {label}", honest, end=roots_hash(ends[::-1] if other else ends), loss_bits=None)
        found = play(table, claim, Challenger(claim, honest), Defender(claim, work))
        assert found.outcome == ("upheld" if other else "dismissed"), found


@pytest.mark.parametrize("wrong", [3, 64 * 30 + 7])
def test_the_group_that_an_end_differs_in_is_asked_for_at_once(table: Table, wrong: int) -> None:
    """A game has 24 demands, and a large state more groups of tensors than that."""
    count = 64 * 30 + 9
    program = Program(PROFILES["exact15"], (Value("F32", (1,)),) * count, (), tuple(reversed(range(count))))
    honest = Replay(program, [torch.full((1,), float(at)) for at in range(count)], lambda run: [])
    ends = honest.end_roots(0)
    false = [*ends[:wrong], bytes(31) + b"\1", *ends[wrong + 1 :]]

    class Swapped(Replay):
        def end_roots(self, step: int) -> list[bytes]:
            return false

    work = Swapped(program, honest.state(0), lambda run: [])
    claim = claim_of(f"many tensors {wrong}", honest, end=roots_hash(false), loss_bits=None)
    found = play(table, claim, Challenger(claim, honest), Defender(claim, work))
    asked = ["demandState", "answerState"]
    assert [name for name, _ in found.moves] == [*asked, *asked[: 2 * (wrong >= 64)], "proveOutput"]
    assert found.outcome == "upheld"
