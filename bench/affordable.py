"""What the widest moves of a game cost, and whether `assay.proof.affordable` foresees it.

`python -m bench.affordable [--json] [--write] [--chain osaka|cancun|embedded] [--quick]`

A node joins so many values, which are rows of the run, or tensors of a state (an opening shows up to 64 roots of their
neighbours, and of more than 64 tensors those of all groups); or a sample has so many bytes. One element is shown to be
wrong, on the contracts. Gas is what the receipt says, by Osaka's rules on anvil; the embedded chain takes none that is
larger than 128 KiB, as nodes do by default, and there is none of those here on it.
"""

import argparse
import json
import shlex
import sys
from typing import Any

from assay.proof.affordable import GAS_BASE, GAS_PER_BYTE, gas_of
from assay.protocol.transaction import GAS_LIMIT, SIZE_LIMIT_BYTES
from bench import _record
from bench.on_node import CHAINS, table_on
from tests.conformance.arbiter.table import Table
from tests.conformance.arbiter.wide import Shown, joined, show_joined, show_sample

JOINED = (
    (8, 0, "rows"), (64, 0, "rows"), (64, 2_000, "rows"), (64, 60_000, "rows"), (100, 60_000, "rows"),
    (256, 60_000, "rows"), (8, 0, "state"), (40, 0, "state"), (64, 0, "state"), (128, 0, "state"),
)  # fmt: skip
"""(values that are joined, others beside them, where they lie). 256 of a state take more gas than a transaction may."""
SAMPLES = (250, 8_000, 30_000, 100_000)
"""Floats of a sample."""


def measure(table: Table, *, quick: bool) -> list[tuple[str, Shown]]:
    """Each move as it was made."""
    wide = JOINED[:1] if quick else JOINED
    rows = []
    for count, others, placing in wide:
        among = f"{count + others + 1:,} rows" if placing == "rows" else f"a state's {count + others:,}"
        rows.append((f"{count} of {among}", show_joined(table, joined(count, others, placing))))
    samples = SAMPLES[:1] if quick else SAMPLES
    return rows + [(f"a sample of {4 * each + 8:,} bytes", show_sample(table, each)) for each in samples]


def main() -> None:
    """Print a line per move, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.affordable", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/affordable.md")
    parser.add_argument("--quick", action="store_true", help="one of each")
    parser.add_argument("--chain", default="osaka", choices=CHAINS, help="where the moves are made (anvil by default)")
    options = parser.parse_args()
    load = _record.load_average()
    with table_on(options.chain) as table:
        rows = measure(table, quick=options.quick)
    assert all(shown.outcome == "upheld" for _, shown in rows), rows
    if options.write:
        write(load, rows)
    moves: dict[str, Any] = {name: {**vars(shown), "gas_at_most": gas_of(shown.size)} for name, shown in rows}
    if options.json:
        print(json.dumps({"moves": moves}))
    else:
        for name, each in moves.items():
            print(name, each)


def write(load: tuple[float, float, float], rows: list[tuple[str, Shown]]) -> None:
    """Keeps the figures."""
    head = ("shown", "bytes of the call", "foreseen, of the transaction", "gas", "at most")
    lines = [
        (name, *(f"{figure:,}" for figure in (each.size, each.foreseen, each.gas, gas_of(each.size))))
        for name, each in rows
    ]
    said = (
        f"*At most* is {GAS_BASE:,} and {GAS_PER_BYTE} a byte (`assay.proof.affordable.gas_of`): of the"
        f" {SIZE_LIMIT_BYTES:,} bytes that nodes take {gas_of(SIZE_LIMIT_BYTES):,}, of the {GAS_LIMIT:,} that a"
        " transaction may use. So size is what a program is refused for."
    )
    command = shlex.join(["python", "-m", "bench.affordable", *sys.argv[1:]])
    parts = [_record.table(head, lines), said, (__doc__ or "").split("\n\n", 2)[2].strip()]
    _record.write("affordable", "What the widest moves cost", command, "contracts as they ship", load, parts)


if __name__ == "__main__":
    main()
