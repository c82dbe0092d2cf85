"""What every record of a bench says of itself: the command, the machine, how busy that was at the start."""

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
BUSY_SHARE = 0.25
"""Load per core above which a record says of itself that it is no quiet machine's."""


def load_average() -> tuple[float, float, float]:
    """Processes that ran or waited, over the last 1, 5 and 15 minutes; ask before the bench itself counts."""
    one, five, fifteen = os.getloadavg()
    return round(one, 2), round(five, 2), round(fifteen, 2)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(name: str, title: str, command: str, versions: str, load: Sequence[float], parts: Iterable[str]) -> Path:
    """Writes `NAME.md` into the results: where and when it was busy, then the parts. The path."""
    cores = os.cpu_count() or 1
    busy = (
        "a quiet machine"
        if load[0] <= BUSY_SHARE * cores
        else "a busy machine, so rates are too low and times too long"
    )
    about = (
        f"{cores} cores ({platform.machine()}), Python {platform.python_version()}, {versions}. Load average at the"
        f" start {' '.join(str(each) for each in load)} (1, 5, 15 minutes): {busy}."
    )
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text("\n\n".join([f"# {title}", f"    {command}", about, *parts]) + "\n", encoding="utf-8")
    return path
