"""Every cheat that we know, one per file, as a role that differs from the honest one in a few lines.

The demo, the simulation and the tests play them beside honest controls. `UNCAUGHT` is the rest of the truth.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Card:
    """One cheat: `name` on the command line, the party it replaces, what it does, and what catches it."""

    name: str
    role: str
    does: str
    caught_by: str
    consequence: str
    watched: bool = False
    """Whether samples mostly miss it, so that a watch-tower has to look at everything."""
    false: str = ""
    """Which of its own segments are false, of a cheat that samples find: all, half or one."""

    @property
    def found(self) -> str:
        """A key of `FOUND`: who has to be honest for it to be found."""
        return next(way for way, (names, _, _) in FOUND.items() if self.name in names)

    def load(self) -> Any:
        """The class that plays it."""
        module = import_module(f"assay.roles.zoo.{self.name.replace('-', '_')}")
        return module.Cheat


def _provider(name: str, does: str, caught_by: str, consequence: str = "slashed, unpaid", *, false: str = "") -> Card:
    return Card(name, "provider", does, caught_by, consequence, false=false)


CARDS = (
    _provider("lazy", "trains nothing and commits the start state", "sampled segments differ", false="all"),
    _provider("skipper", "trains every other segment only", "sampled segments differ", false="half"),
    _provider("random-weights", "commits random states", "sampled segments differ", false="all"),
    _provider("wrong-data", "trains on another slot's samples", "sampled segments differ", false="all"),
    _provider(
        "low-precision", "rounds its state to bfloat16 after each segment", "sampled segments differ", false="all"
    ),
    Card(
        "needle",
        "provider",
        "changes one number inside one step, and stands by it",
        "a watch-tower and a game that comes down to that number",
        "slashed, unpaid",
        watched=True,
        false="one",
    ),
    _provider(
        "crying-provider",
        "says that its work ends in a fault of the job",
        "all look at the slot that says so",
    ),
    _provider("stale-start", "starts from an older state than the round's", "start root compared on chain"),
    _provider("update-swapper", "honest transcript, another update", "update re-derived from the end state"),
    _provider("two-faced", "commits a false state and shows it to one validator", "the state opens itself to all"),
    _provider(
        "copycat",
        "commits another provider's transcript as its own",
        "every leaf binds slot and provider",
        "whole lock lost",
    ),
    _provider("two-roots", "signs two commitments for one slot", "both signatures shown on chain", "whole lock lost"),
    _provider("late", "commits after the window", "deadline", "unpaid, bond burned"),
    _provider("silent", "never commits", "deadline", "unpaid, bond burned"),
    _provider("unrevealed-secret", "never opens its secret", "secret demanded on chain", "whole lock lost"),
    _provider(
        "hidden-leaves",
        "skips segments, then opens its secret without its leaves",
        "all leaves demanded on chain",
        "whole lock lost",
    ),
    _provider("hidden-states", "serves no start states", "a quorum signs that it got none", "bond pays the replays"),
    _provider(
        "late-server",
        "serves start states only once they are of no use",
        "a quorum signs that none came in time",
        "bond pays the replays",
    ),
    _provider(
        "decoy-commitment",
        "enters one commitment, tells everybody another",
        "what is told does not stand on chain",
        "unpaid, bond burned",
    ),
    _provider("garbage", "commits a valid hash of a truncated update", "canonical check", "unpaid, bond burned"),
    Card(
        "rubber-stamp",
        "validator",
        "fills its table without re-executing",
        "rows begin elsewhere than opened leaves",
        "slashed, unpaid",
    ),
    Card(
        "end-copier",
        "validator",
        "asks for the states after its segments and copies them",
        "losses and starts are sealed",
        "slashed, unpaid",
    ),
    Card(
        "false-row",
        "validator",
        "says of honest segments that they end elsewhere, and stands by it",
        "a game that comes down to where they end",
        "slashed",
    ),
    Card("short-table", "validator", "leaves rows of its sample out", "nonce tells the sample", "slashed, unpaid"),
    Card("hidden-rows", "validator", "reveals a root and no rows", "a quorum names who served", "slashed, unpaid"),
    Card("silent-validator", "validator", "takes a seat and shows no table", "deadline", "slashed, loses its seat"),
    Card(
        "inventing-aggregator",
        "aggregator",
        "commits a state of its own",
        "no quorum signs, and a game is lost",
        "slashed, replaced",
    ),
    Card(
        "needle-aggregator",
        "aggregator",
        "adds up wrongly by one number, and stands by it",
        "a game that comes down to that number",
        "slashed, replaced",
    ),
    Card(
        "flattering-aggregator",
        "aggregator",
        "commits a score that the model has not",
        "marks that do not add up to it",
        "slashed, replaced",
    ),
    Card(
        "false-marks",
        "aggregator",
        "commits such a score, and shows marks that add up to it",
        "a game that comes down to one batch's count",
        "slashed, replaced",
    ),
    Card(
        "disparaging-aggregator",
        "aggregator",
        "says that a state cannot be measured",
        "a game about the fault that it shows",
        "slashed, replaced",
    ),
    Card(
        "crying-aggregator",
        "aggregator",
        "says that the updates come to a fault of the job",
        "a game about the fault that it claims",
        "slashed, replaced",
    ),
    Card("stalling-aggregator", "aggregator", "commits nothing", "deadline", "lock lost, replaced"),
    Card(
        "hasty-aggregator",
        "aggregator",
        "commits a made-up root",
        "a quorum must vouch for roots",
        "comes too late to harm",
    ),
    Card(
        "excluding-aggregator",
        "aggregator",
        "leaves a provider out of its roots",
        "no quorum vouches for them",
        "comes too late to harm",
    ),
    Card(
        "withholding-aggregator",
        "aggregator",
        "keeps the quorum's word to itself, and accepts nobody once it may decide alone",
        "any validator carries it",
        "comes too late to harm",
    ),
    Card("poisoned-program", "consumer", "posts a program beyond every limit", "limits before bidding", "no bids"),
    Card(
        "nan-bomb",
        "consumer",
        "posts a job that overflows",
        "a slot has committed to the fault, and nobody disproves it",
        "deposit burned, work paid",
    ),
)
"""The zoo."""

CHEATS = {card.name: card for card in CARDS}

FOUND = {
    "sample": (
        ("lazy", "skipper", "random-weights", "wrong-data", "low-precision", "needle"),
        "one validator whose sample meets it, or one watch-tower",
        "a game",
    ),
    "opening": (
        ("update-swapper", "two-faced", "copycat", "crying-provider"),
        "one validator, or one watch-tower: all compare what was opened",
        "a game",
    ),
    "sum": (
        (
            *("inventing-aggregator", "needle-aggregator", "flattering-aggregator", "false-marks"),
            *("disparaging-aggregator", "crying-aggregator"),
        ),
        "one validator, or one watch-tower: all add up and measure themselves",
        "a game",
    ),
    "row": (
        ("false-row",),
        "one validator, or one watch-tower: all compare rows with what was opened",
        "a game",
    ),
    "contract": (
        (
            *("stale-start", "two-roots", "late", "silent", "unrevealed-secret", "hidden-leaves", "silent-validator"),
            *("stalling-aggregator", "hasty-aggregator"),
        ),
        "nobody: a contract compares, or a deadline passes; anybody calls it",
        "a call",
    ),
    "quorum": (
        (
            *("hidden-states", "late-server", "decoy-commitment", "garbage", "short-table", "hidden-rows"),
            *("rubber-stamp", "end-copier", "excluding-aggregator", "withholding-aggregator"),
        ),
        "k of m validators, who sign",
        "a call",
    ),
    "fault": (("nan-bomb",), "one validator that has met it too, or the provider that has", "a call"),
    "limits": (("poisoned-program",), "nobody: whoever looks stays away", "nothing"),
}
"""By what has to happen: which cheats are found by it, who has to be honest for that, and what it takes on chain."""

UNCAUGHT = (
    ("a second sample", "when a quorum fails after secrets are out, the sample that is drawn anew is not blind"),
    (
        "a last backward pass",
        "a validator that asks for the state after a segment may leave out its last step's second half",
    ),
    ("shared results", "validators who pass each other their results in private do less work than they are paid for"),
    ("a majority that hides bytes", "k of n validators who withhold blobs can make a round void, not wrong"),
    (
        "a corrupt committee",
        "k lying validators decide what games do not: who is accepted, who served, and that bytes are not there",
    ),
    ("poisoned public data", "training on bad data is not a wrong computation"),
)
"""What no check here catches."""
