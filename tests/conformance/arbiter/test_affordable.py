"""What a move takes at most is known before anybody bids: its size to the byte, its gas from above."""

import pytest

from assay.proof.affordable import ENVELOPE_BYTES, Part, check_part, gas_of
from assay.protocol.errors import Undecidable
from assay.protocol.transaction import GAS_LIMIT, SIZE_LIMIT_BYTES
from tests.conformance.arbiter.table import Table
from tests.conformance.arbiter.wide import joined, show_joined, show_sample

CALL_BYTES = ENVELOPE_BYTES - 4
"""Of a transaction beside the call, whose selector is counted with the envelope."""


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


@pytest.mark.parametrize("rank", [2, 5])
@pytest.mark.parametrize(
    ("count", "others", "placing"),
    [(4, 0, "rows"), (70, 0, "rows"), (70, 1_000, "rows"), (4, 0, "state"), (30, 40, "state"), (40, 4_000, "state")],
)
def test_joined_values(table: Table, count: int, others: int, placing: str, rank: int) -> None:
    trial = joined(count, others, placing, rank)
    shown = show_joined(table, trial)
    assert shown.outcome == "upheld"
    assert shown.size == shown.foreseen - CALL_BYTES
    assert shown.gas <= gas_of(shown.size)
    part = Part("joined", trial.program, tuple(map(len, trial.roots)))
    if shown.foreseen <= SIZE_LIMIT_BYTES:
        check_part(part)
    else:
        with pytest.raises(Undecidable, match=f"joins {count} values at once: to dispute node 0"):
            check_part(part)


@pytest.mark.parametrize("elements", [1, 250, 8_000, 30_000])
def test_samples(table: Table, elements: int) -> None:
    shown = show_sample(table, elements)
    assert shown.outcome == "upheld"
    assert 0 <= shown.foreseen - shown.size <= 2_048
    assert shown.gas <= gas_of(shown.size)


def test_what_nodes_take_is_within_what_a_transaction_may_use() -> None:
    assert gas_of(SIZE_LIMIT_BYTES) <= GAS_LIMIT
