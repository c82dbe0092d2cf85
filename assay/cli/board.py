"""The live display of a job: what its events say, on a terminal that redraws or as lines that stay.

`Board` takes the events of a run (dictionaries with a `kind`; unknown kinds are ignored) and is a rich renderable;
`watch` chooses between the live display and plain lines.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from assay.cli.terminal import plain, printable

Event = Mapping[str, Any]
ROUNDS_SHOWN = 8
VERDICTS_SHOWN = 10
VERDICT_STYLES = {
    "slashed": "bold red",
    "penalised": "yellow",
    "late": "yellow",
    "billed": "yellow",
    "rejected": "yellow",
    "dismissed": "dim",
}


class Board:
    """What is known of a run so far."""

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self.clock = clock
        self.started_s = clock()
        self.step = "starting"
        self.opened = (0, 0, 0)
        self.rounds: deque[Event] = deque(maxlen=ROUNDS_SHOWN)
        self.verdicts: deque[Event] = deque(maxlen=VERDICTS_SHOWN)
        self.verdict_count = 0
        self.money: Event = {}
        self.done = False
        self.spinner = Spinner("dots", style="cyan")

    def note(self, event: Event) -> None:
        """Take one event in."""
        kind = event.get("kind")
        if kind == "step":
            self.step = printable(event.get("text", ""))
        elif kind == "opened":
            self.opened = (int(event.get("round", 0)), int(event.get("generation", 0)), int(event.get("rounds", 0)))
        elif kind == "round":
            self.rounds.append(event)
        elif kind == "verdict":
            self.verdicts.append(event)
            self.verdict_count += 1
        elif kind == "money":
            self.money = event
        elif kind == "done":
            self.done = True

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [self._head()]
        if self.rounds:
            parts.append(self._rounds())
        if self.verdicts:
            parts.append(self._verdicts())
        if self.money:
            parts.append(money_line(self.money))
        return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))

    def _head(self) -> RenderableType:
        index, generation, count = self.opened
        grid = Table.grid(padding=(0, 1))
        mark: RenderableType = plain("✓", "green") if self.done else self.spinner
        cells: list[RenderableType] = [mark, plain(self.title, "bold")]
        if count:
            cells.append(ProgressBar(total=count, completed=count if self.done else min(index, count), width=20))
            where = plain(f"round {index} of {count}")
            cells.append(where + plain(f", generation {generation}", "yellow") if generation else where)
        cells.append(plain(f"{self.clock() - self.started_s:.0f} s", "dim"))
        for _ in cells:
            grid.add_column(no_wrap=True)
        grid.add_row(*cells)
        return Group(grid, _clipped(plain(f"  {self.step}", "dim")))

    def _rounds(self) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("round", "loss", "accuracy", "accepted", "late", "rejected"):
            table.add_column(name, justify="right")
        for event in self.rounds:
            table.add_row(*round_cells(event))
        return table

    def _verdicts(self) -> RenderableType:
        symbol = printable(self.money.get("symbol", ""), 12)
        rows = [verdict_cells(event, symbol) for event in self.verdicts]
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        # Only the evidence gives way when the terminal is narrow.
        for index in range(2):
            table.add_column(no_wrap=True, min_width=min(40, max(len(row[index]) for row in rows)))
        table.add_column(no_wrap=True, overflow="ellipsis")
        hidden = self.verdict_count - len(self.verdicts)
        if hidden:
            table.add_row(plain(f"and {hidden} before", "dim"), "", "")
        for row in rows:
            table.add_row(*row)
        return table


def _clipped(text: Text) -> Text:
    """A line that is cut rather than wrapped, so that the display keeps its height."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def round_cells(event: Event) -> tuple[Text, ...]:
    """One finished round: index (and generation), loss, accuracy, and how the slots fared."""
    generation = int(event.get("generation") or 0)
    name = f"{int(event.get('index', 0))}" + (f" (generation {generation})" if generation else "")
    late, rejected = int(event.get("late") or 0), int(event.get("rejected") or 0)
    return (
        plain(name),
        plain(_figure(event.get("loss"), "{:.4f}")),
        plain(_figure(event.get("accuracy"), "{:.1%}"), "green"),
        plain(event.get("accepted", "")),
        plain(late, "yellow" if late else "dim"),
        plain(rejected, "red" if rejected else "dim"),
    )


def verdict_cells(event: Event, symbol: str = "") -> tuple[Text, ...]:
    """Who, what became of it with the amount, and the evidence."""
    what = printable(event.get("what", ""))
    amount = printable(event.get("amount") or "")
    outcome = f"{what} {amount} {symbol}".strip() if amount and amount != "0" else what
    who = plain(event.get("subject", ""), "bold") + plain(f" ({printable(event.get('behaviour', ''))})", "dim")
    return who, plain(outcome, VERDICT_STYLES.get(what, "")), plain(event.get("evidence", ""), "dim")


def money_line(event: Event) -> Text:
    """Where the money is."""
    symbol = printable(event.get("symbol", ""), 12)
    parts = [f"{name} {printable(event.get(name, '0'))}" for name in ("escrow", "paid", "burned")]
    return plain("money  ", "dim") + plain(" · ".join(parts) + f" {symbol}")


def describe(event: Event) -> str | None:
    """An event as one line of text; None for a kind that needs none."""
    kind = event.get("kind")
    if kind == "step":
        return f"· {printable(event.get('text', ''))}"
    if kind == "round":
        name, loss, accuracy, accepted, late, rejected = (cell.plain for cell in round_cells(event))
        return f"round {name}: loss {loss}, accuracy {accuracy}, {accepted} accepted, {late} late, {rejected} rejected"
    if kind == "verdict":
        who, outcome, evidence = (cell.plain for cell in verdict_cells(event))
        return f"! {who} {outcome}: {evidence}"
    return None


@contextmanager
def watch(console: Console, title: str) -> Iterator[Callable[[Event], None]]:
    """A sink for events: a display that redraws on a terminal, else a line for each event worth one."""
    if not console.is_terminal:
        console.print(plain(title))
        yield lambda event: _print_line(console, event)
        return
    board = Board(title)
    with Live(board, console=console, refresh_per_second=8) as live:
        yield board.note
        live.refresh()


def _print_line(console: Console, event: Event) -> None:
    line = describe(event)
    if line is not None:
        console.print(plain(line))


def _figure(value: Any, form: str) -> str:
    return "–" if value is None else form.format(float(value))
