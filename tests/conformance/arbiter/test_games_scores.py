"""Games about one batch of held-out samples: the evaluation of small nets, whatever the lie is in, and the samples that
the last batch is filled up with."""

from collections.abc import Iterator
from random import Random

import pytest
import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.proof.bisect import Challenger
from assay.proof.claim import Alter, Claim, Feed, Records, Replay
from assay.proof.defence import Defender
from assay.proof.evidence import as_tensor
from assay.work.program import Program
from tests.conformance.arbiter.table import Played, Table, play
from tests.conformance.arbiter.test_games import changed, claim_of, ends_as
from tests.conformance.exact.small_nets import bundle_of

COUNT, SIZE, LAST = 10, 4, 2
"""Samples, those of a batch, and the batch of which the second half is filled up."""
NETS = ("mlp", "cnn")


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


def program_of(name: str) -> Program:
    return bundle_of(name, "exact15").evaluate


def evaluation(name: str, batch: int = LAST, alter: Alter | None = None) -> tuple[Replay, Feed, Records]:
    """Somebody's work on one batch, with the samples that it is made of."""
    bundle, program = bundle_of(name, "exact15"), program_of(name)
    draw = torch.Generator().manual_seed(5)
    shape = program.inputs[-2].shape[1:]
    x, y = torch.randn(COUNT, *shape, generator=draw), torch.randint(10, (COUNT,), generator=draw)
    content = b"".join(bytes(a.numpy().tobytes()) + bytes(b.numpy().tobytes()) for a, b in zip(x, y, strict=True))
    records = Records(content, len(content) // COUNT)
    rows = torch.arange(batch * SIZE, (batch + 1) * SIZE)
    fed = [x[rows % COUNT], torch.where(rows < COUNT, y[rows % COUNT], -1)]
    feed = Feed(records.root, COUNT, first_step=batch, batch_size=SIZE)
    state = list(bundle.state.values())
    work = Replay(program, state, lambda _: fed, end_count=2, alter=alter, first_step=batch)
    return work, feed, records


def contest(table: Table, label: str, claimed: Replay, other: Replay, feed: Feed, records: Records) -> Played:
    claim: Claim = claim_of(label, claimed, feed=feed)
    return play(table, claim, Challenger(claim, other, records), Defender(claim, claimed, records))


def lies(name: str, kind: str) -> Iterator[Replay]:
    """Work with one element of a value of this kind changed."""
    program, draw = program_of(name), Random(f"{name} {kind}")
    positions = [at for at, node in enumerate(program.nodes) if BY_OPCODE[node.opcode].name == kind]
    for _ in range(12):
        number = len(program.inputs) + draw.choice(positions)
        element = draw.randrange(program.values[number].size)

        def alter(_: int, value: int, tensor: Tensor, number: int = number, element: int = element) -> Tensor | None:
            return changed(tensor, element, 1) if value == number else None

        yield evaluation(name, alter=alter)[0]


@pytest.mark.parametrize("name", NETS)
def test_a_liar_about_a_score_loses_and_a_false_challenger_too(table: Table, name: str) -> None:
    program = program_of(name)
    honest, feed, records = evaluation(name)
    kinds = sorted({BY_OPCODE[node.opcode].name for node in program.nodes})
    played = 0
    for kind in kinds:
        false = next(filter(lambda each: not ends_as(each, honest), lies(name, kind)), None)
        if false is None:
            continue  # nothing comes of it
        assert contest(table, f"{name} {kind}", false, honest, feed, records).outcome == "upheld", kind
        assert contest(table, f"honest {name} {kind}", honest, false, feed, records).outcome == "dismissed", kind
        played += 1
    assert played >= 6


@pytest.mark.parametrize("batch", [0, LAST])
@pytest.mark.parametrize("input_", [0, 1])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_every_sample_of_a_batch_is_the_one_that_the_contract_says(
    table: Table, batch: int, input_: int, place: int
) -> None:
    """Behind the last sample they begin again, and a target there counts for nothing."""
    honest, feed, records = evaluation("mlp", batch)
    number = honest.first + input_
    element = place if input_ else 6 * place + 2

    def alter(_: int, value: int, tensor: Tensor) -> Tensor | None:
        if value != number:
            return None
        return as_tensor(tensor, element, (int(tensor[place]) + 3) % 10 if input_ else 0x40200000)

    liar = evaluation("mlp", batch, alter)[0]
    if ends_as(liar, honest):
        assert (input_, batch) == (0, LAST), "what belongs to no target changes nothing"
        return
    label = f"{batch} {input_} {place}"
    found = contest(table, f"samples {label}", liar, honest, feed, records)
    assert (found.moves[-1][0], found.outcome) == ("proveSample", "upheld")
    found = contest(table, f"true samples {label}", honest, liar, feed, records)
    assert (found.moves[-1][0], found.outcome) == ("proveSample", "dismissed")


def test_counts_that_the_run_does_not_end_in_are_shown(table: Table) -> None:
    honest, feed, records = evaluation("mlp")
    program = honest.program

    def alter(_: int, value: int, tensor: Tensor) -> Tensor | None:
        return tensor + 1 if value == program.outputs[0] else None

    claim = claim_of("a count", honest, feed=feed, end=evaluation("mlp", alter=alter)[0].ends[-1])
    found = play(table, claim, Challenger(claim, honest, records), Defender(claim, honest, records))
    assert found.outcome == "upheld"
