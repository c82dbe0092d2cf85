"""Games about steps of small nets: whoever is right wins, whatever node the lie is in and however it is defended.

The contracts run on an EVM; both sides are the code that ships. A liar's work follows from its lie: everything after it
is consistent, so there is one place only where it can be shown to lie.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.exact.values import TORCH_DTYPES
from assay.proof.bisect import Challenger
from assay.proof.claim import Alter, Claim, Feed, Records, Replay
from assay.proof.defence import Defender
from assay.proof.evidence import Kind, Question, as_tensor, number_at
from assay.proof.opened import Move
from assay.proof.rows import Rows, row_root
from assay.protocol.merkle import depth, roots_hash
from assay.work.batch import Feed as Batches
from assay.work.program import Bundle
from assay.work.walk import Fault
from tests.conformance.arbiter.harness import Halted
from tests.conformance.arbiter.table import CHALLENGER, CLOCK_S, DEFENDER, STRANGER, Played, Table, play
from tests.conformance.exact.small_nets import bundle_of, step_inputs

TOP = (8, 0)
"""The whole tree over the rows of the CNN."""
STEPS = {"mlp": 1, "cnn": 3, "gpt": 1, "dropout": 2}


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


def work_of(name: str, alter: Alter | None = None) -> Replay:
    """Somebody's work on the step of a small net."""
    bundle = bundle_of(name, "exact15")
    start = list(bundle.state.values())
    return Replay(
        bundle.step, start, lambda run: step_inputs(bundle, start, run)[len(start) :], STEPS[name], alter=alter
    )


@cache
def honest_work(name: str) -> Replay:
    return work_of(name)


def claim_of(subject: str, work: Replay, **other: Any) -> Claim:
    """What this work amounts to."""
    fields = {
        "subject": sha256(subject.encode()).digest(),
        "defender": DEFENDER,
        "program": work.program,
        "origins": work.origins(0),
        "feed": Feed(),
        "end": work.ends[-1],
        "end_count": work.end_count,
        "steps": work.steps,
        "loss_bits": work.loss_bits,
    }
    return Claim(**{**fields, **other})


def changed(tensor: Tensor, element: int, amount: int) -> Tensor:
    """One element by a unit or a last bit."""
    number = number_at(tensor, element)
    by_bit = tensor.dtype in (torch.float32, torch.bool)
    return as_tensor(tensor, element, number ^ 1 if by_bit else number + amount)


def one_of_each(name: str) -> list[int]:
    """A node of each kind, the same in every run."""
    nodes = bundle_of(name, "exact15").step.nodes
    kinds: dict[str, list[int]] = {}
    for position, node in enumerate(nodes):
        kinds.setdefault(BY_OPCODE[node.opcode].name, []).append(position)
    draw = Random(f"nodes of {name}")
    return sorted(draw.choice(positions) for positions in kinds.values())


def lie_at(name: str, position: int, amount: int = 1) -> Replay:
    """Work with one element of a node's value changed, in a drawn run, and all that follows from it."""
    program = bundle_of(name, "exact15").step
    number = len(program.inputs) + position
    draw = Random(f"{name} {position} {amount}")
    run, element = draw.randrange(STEPS[name]), draw.randrange(program.values[number].size)

    def alter(at: int, value: int, tensor: Tensor) -> Tensor | None:
        return changed(tensor, element, amount) if (at, value) == (run, number) else None

    return work_of(name, alter)


def ends_as(work: Replay, other: Replay) -> bool:
    return work.ends == other.ends and work.loss_bits == other.loss_bits


@pytest.mark.parametrize("name", STEPS)
def test_a_liar_loses_and_a_false_challenger_too_whatever_the_node(table: Table, name: str) -> None:
    honest = honest_work(name)
    played = 0
    for position in one_of_each(name):
        for amount in (1, -1):
            false = lie_at(name, position, amount)
            if ends_as(false, honest):
                continue  # nothing came of it
            label = f"{name} {position} {amount}"
            claim = claim_of(label, false)
            found = play(table, claim, Challenger(claim, honest), Defender(claim, false))
            assert found.outcome == "upheld", (label, found)
            assert len(found.moves) <= 14, (label, found)
            claim = claim_of(f"honest {label}", honest)
            found = play(table, claim, Challenger(claim, false), Defender(claim, honest))
            assert found.outcome == "dismissed", (label, found)
            played += 1
    assert played > 12


def first_lie(name: str = "mlp", kind: str = "mul") -> Replay:
    nodes = bundle_of(name, "exact15").step.nodes
    positions = [at for at, node in enumerate(nodes) if BY_OPCODE[node.opcode].name == kind]
    return next(work for work in (lie_at(name, at) for at in positions) if not ends_as(work, honest_work(name)))


def test_who_agrees_leaves(table: Table) -> None:
    honest = honest_work("cnn")
    claim = claim_of("agreed", honest)
    found = play(table, claim, Challenger(claim, honest), Defender(claim, honest))
    assert [name for name, _ in found.moves] == ["answerSteps", "resign"]
    assert found.outcome == "dismissed"


def test_a_claim_that_nothing_is_behind_is_lost_by_the_clock(table: Table) -> None:
    honest = honest_work("mlp")
    claim = claim_of("nothing", honest, end=b"\x09" * 32)
    found = play(table, claim, Challenger(claim, honest), Defender(claim, honest))
    assert [name for name, _ in found.moves][-2:] == ["demandState", "timeout"]
    assert found.outcome == "upheld"


def test_a_state_that_is_not_made_of_its_values_is_shown(table: Table) -> None:
    honest = honest_work("mlp")
    roots = honest.end_roots(0)
    roots[2] = roots[3]

    class Swapped(Replay):
        def end_roots(self, step: int) -> list[bytes]:
            return list(roots)

    swapped = Swapped(honest.program, honest.state(0), honest.batch)
    claim = claim_of("swapped", honest, end=roots_hash(roots))
    found = play(table, claim, Challenger(claim, honest), Defender(claim, swapped))
    assert found.moves[-1][0] == "proveOutput"
    assert found.outcome == "upheld"


def test_a_loss_that_is_another_is_shown(table: Table) -> None:
    honest = honest_work("cnn")
    claim = claim_of("loss", honest, loss_bits=honest.loss_bits ^ 1)
    found = play(table, claim, Challenger(claim, honest), Defender(claim, honest))
    assert found.moves[-1][0] == "proveLoss"
    assert found.outcome == "upheld"
    # And who says so of the right one loses.
    claim = claim_of("right loss", honest)
    false = Challenger(claim_of("right loss", honest, loss_bits=honest.loss_bits ^ 1), honest)
    found = play(table, claim, false, Defender(claim, honest))
    assert found.outcome == "dismissed"


def test_nobody_opens_for_a_defender_and_nobody_moves_out_of_turn(table: Table) -> None:
    honest, liar = honest_work("cnn"), lie_at("cnn", one_of_each("cnn")[5])
    claim = claim_of("framed", honest)
    game = table.open(claim)
    framing = Defender(claim, liar).move(("steps",))
    for caller in (CHALLENGER, STRANGER):
        with pytest.raises(Halted):
            table.move(game, claim, framing, caller)
    with pytest.raises(Halted):
        table.move(game, claim, Move("demandRun", (0, [])), CHALLENGER)
    table.move(game, claim, Defender(claim, honest).move(("steps",)), DEFENDER)
    with pytest.raises(Halted):
        table.move(game, claim, Defender(claim, honest).move(("steps",)), DEFENDER)
    move = Challenger(claim, liar).move({("steps",): b"".join(honest.ends[:-1])})
    with pytest.raises(Halted):
        table.move(game, claim, move, STRANGER)
    with pytest.raises(Halted):
        table.move(game, claim_of("framed", honest, end=b"\x01" * 32), move, CHALLENGER)
    table.move(game, claim, move, CHALLENGER)
    rows = ("rows", move.arguments[0], depth(claim.row_count), 0)
    with pytest.raises(Halted):
        table.move(game, claim, Defender(claim, liar).move(rows), STRANGER)
    with pytest.raises(Halted):
        table.send("timeout", game)


def test_a_challenger_shows_nothing_that_is_a_defenders_to_show(table: Table) -> None:
    honest = honest_work("mlp")
    claim = claim_of("wrong kinds", honest)
    game = table.open(claim)
    move = Move("demandRun", (0, []))
    table.move(game, claim, move, CHALLENGER)
    defender = Defender(claim, honest)
    table.move(game, claim, defender.move(("rows", 0, 8, 0)), DEFENDER)
    nodes = [BY_OPCODE[node.opcode].name for node in honest.program.nodes]
    evidence = defender.exhibit(0, nodes.index("mul"), Question(nodes.index("mul"), 0, Kind.ELEMENT))
    for kind in (Kind.FAULT, Kind.WITNESS, Kind.PART):
        with pytest.raises(Halted):
            table.move(game, claim, Move("prove", (0, (int(kind), *evidence[1:]))), CHALLENGER)
    table.move(game, claim, Move("prove", (0, evidence)), CHALLENGER)
    assert table.view(game)[4] == 2


def test_whoever_does_not_move_in_time_loses(table: Table) -> None:
    honest = honest_work("cnn")
    for name, answers, outcome in (("silent defender", False, 1), ("silent challenger", True, 2)):
        claim = claim_of(name, honest)
        game = table.open(claim)
        if answers:
            table.move(game, claim, Defender(claim, honest).move(("steps",)), DEFENDER)
        table.now_s += CLOCK_S
        with pytest.raises(Halted):
            table.send("timeout", game)
        table.now_s += 1
        with pytest.raises(Halted):
            table.move(game, claim, Move("resign"), STRANGER)
        table.send("timeout", game, caller=STRANGER)
        assert table.view(game)[4] == outcome
        with pytest.raises(Halted):
            table.send("timeout", game)


def test_what_was_opened_once_is_known_in_every_game_about_the_claim(table: Table) -> None:
    liar, honest = first_lie(), honest_work("mlp")
    claim = claim_of("many", liar)
    known: dict[Any, bytes] = {}
    games = [table.open(claim) for _ in range(10)]
    found: list[Played] = [
        play(table, claim, Challenger(claim, honest), Defender(claim, liar), known, game) for game in games
    ]
    assert {each.outcome for each in found} == {"upheld"}
    assert len(found[0].moves) > 4
    assert all([name for name, _ in each.moves] == ["prove"] for each in found[1:])


def test_an_answer_given_elsewhere_is_recalled(table: Table) -> None:
    honest = honest_work("cnn")
    claim = claim_of("recalled", honest)
    first, second = table.open(claim), table.open(claim)
    with pytest.raises(Halted):
        table.send("recall", second)
    table.move(first, claim, Defender(claim, honest).move(("steps",)), DEFENDER)
    table.now_s += 2 * CLOCK_S
    with pytest.raises(Halted):
        table.send("timeout", second)
    table.send("recall", second, caller=STRANGER)
    assert table.view(second)[2] == 0
    table.move(
        second,
        claim,
        Challenger(claim, lie_at("cnn", one_of_each("cnn")[3])).move({("steps",): b"".join(honest.ends[:-1])}),
        CHALLENGER,
    )


def data_work(
    alter: Alter | None = None, spoilt: bool = False, kind: type[Replay] = Replay
) -> tuple[Replay, Feed, Records]:
    """Work on samples that the schedule deals out of a data set, of which one may be no number."""
    bundle: Bundle = bundle_of("mlp", "exact15")
    start = list(bundle.state.values())
    draw = torch.Generator().manual_seed(1)
    x, y = torch.randn(40, 6, generator=draw), torch.randint(10, (40,), generator=draw)
    feed = Feed(bytes(32), 40, 2, 3, 5, 4, bytes(range(32)))
    if spoilt:
        x[feed.sample_of(1, 2), 4] = float("nan")
    content = b"".join(bytes(a.numpy().tobytes()) + bytes(b.numpy().tobytes()) for a, b in zip(x, y, strict=True))
    records = Records(content, 32)
    batches = Batches(x, y, feed.key, 2, 3, 4)
    work = kind(bundle.step, start, lambda run: batches.batch(5 + run), 2, alter=alter, first_step=5)
    return work, replace(feed, samples_root=records.root), records


@pytest.mark.parametrize("input_", [0, 1])
def test_samples_of_ones_own_are_shown(table: Table, input_: int) -> None:
    honest, feed, records = data_work()
    number = honest.first + input_

    def alter(run: int, value: int, tensor: Tensor) -> Tensor | None:
        if (run, value) != (1, number):
            return None
        return as_tensor(tensor, 3, 0x40200000 if input_ == 0 else (int(tensor[3]) + 1) % 10)

    liar = data_work(alter)[0]
    claim = claim_of(f"samples {input_}", liar, feed=feed)
    found = play(table, claim, Challenger(claim, honest, records), Defender(claim, liar))
    assert found.moves[-1][0] == "proveSample"
    assert found.outcome == "upheld"
    claim = claim_of(f"true samples {input_}", honest, feed=feed)
    found = play(table, claim, Challenger(claim, liar, records), Defender(claim, honest))
    assert found.outcome == "dismissed"


class Hiding(Replay):
    """Work that has made values up from where the job is at fault on."""

    def _fault_free(self, step: int) -> int:
        fault = super().rows(step).fault
        return len(self.program.values) if fault is None else self.first + len(super().rows(step).roots)

    def rows(self, step: int) -> Rows:
        found, from_ = super().rows(step), self._fault_free(step)
        made_up = [row_root(self.program, at, self._zeros(at)) for at in range(from_, len(self.program.values))]
        return Rows(self.program, self.first, (*found.roots, *made_up))

    def values(self, step: int, wanted: Collection[int]) -> dict[int, Tensor]:
        found, from_ = super().values(step, wanted), self._fault_free(step)
        return {at: found[at] if at < from_ else self._zeros(at) for at in wanted}

    def _zeros(self, value: int) -> Tensor:
        declared = self.program.values[value]
        return torch.zeros(declared.shape, dtype=TORCH_DTYPES[declared.dtype])

    def _outputs(self, step: int, state: list[Tensor]) -> list[Tensor] | Fault:
        found = super()._outputs(step, state)
        return [self._zeros(each) for each in self.program.outputs] if isinstance(found, Fault) else found


def overflowing(kind: type[Replay] = Replay) -> Replay:
    """Work on a poisoned job: x of its second run is so large that a node overflows."""
    bundle = bundle_of("mlp", "exact15")
    start = list(bundle.state.values())

    def batch(run: int) -> list[Tensor]:
        x, *rest = step_inputs(bundle, start, run)[len(start) :]
        return [x * (1e37 if run == 1 else 1.0), *rest]

    return kind(bundle.step, start, batch, 3)


def spoilt(kind: type[Replay] = Replay) -> Replay:
    """Work on a data set with a sample that is no number, in the second run."""
    return data_work(spoilt=True, kind=kind)[0]


@pytest.mark.parametrize("make", [overflowing, spoilt])
def test_a_fault_of_the_job_is_nobodys_lie(table: Table, make: Callable[..., Replay]) -> None:
    honest, hiding = make(), make(Hiding)
    fault = honest.rows(1).fault
    assert fault is not None
    assert (fault.node_index < 0) == (make is spoilt)
    feed, records = (data_work(spoilt=True)[1:]) if make is spoilt else (Feed(), None)
    for label, accused, accuser in (("said", honest, hiding), ("hidden", hiding, honest)):
        claim = claim_of(f"{label} {make.__name__}", accused, feed=feed)
        found = play(table, claim, Challenger(claim, accuser, records), Defender(claim, accused, records))
        # Samples of one's own are a lie whatever the right ones are like.
        lies = label == "hidden" and make is spoilt
        assert found.outcome == ("upheld" if lies else "fault"), (label, found)


def test_a_fault_that_is_claimed_has_to_be_shown(table: Table) -> None:
    honest, sound = overflowing(), honest_work("mlp")
    claim = claim_of("made up", sound, end=honest.ends[-1], loss_bits=0)
    found = play(table, claim, Challenger(claim, sound), Defender(claim, sound))
    assert found.outcome == "upheld", found
