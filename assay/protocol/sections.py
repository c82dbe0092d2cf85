"""Sections of a job file and their keys: what each means, what it may hold, and its default."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.protocol import keys
from assay.protocol.keys import key
from assay.protocol.transcript import SEGMENT_STEPS_MAX

RULE_REPORTS = {
    "mean": (0, 1),
    "trimmed-mean": (2, 1),
    "median": (2, 1),
    "krum": (2, 3),
    "multi-krum": (2, 4),
    "norm-bound": (1, 1),
}
"""(a, b): a rule needs a * f + b updates to bear f Byzantine ones. Trimmed mean and median: Yin et al. 2018. Krum:
Blanchard et al. 2017, n >= 2f + 3; Multi-Krum: the same, 2f + 2 < n - m with m >= 1."""

LOSSES: dict[str, tuple[str, ...]] = {
    "cross_entropy": ("smoothing", "ignore"),
    "mse": (),
    "l1": (),
    "smooth_l1": ("beta",),
    "huber": ("delta",),
    "bce_with_logits": (),
    "kl_div": (),
    "nll": ("ignore",),
}
"""Those that have a name, and the settings that each takes."""
PROFILES = ("exact15", "exact8", "exact22")
_CID = r"sha256:[0-9a-f]{64}"


@dataclass(frozen=True)
class Terms:
    """What is wanted and what it may cost."""

    name: str = key(
        keys.text(r"[a-z0-9][a-z0-9._-]{0,63}", "lower-case letters, digits, dots and dashes, at most 64"),
        "Name of the job.",
    )
    budget: str = key(keys.amount(), "Most that the job may cost, the deposits included.")
    deadline_s: int = key(
        keys.duration(), "When the job should have ended; the quote compares its windows with it.", 12 * 3600
    )
    token: str = key(
        keys.text(r"default|native|0x[0-9a-fA-F]{40}", '"default", "native" or the address of an ERC-20'),
        "Token of payment and stake: the network's own, the chain's coin, or an ERC-20.",
        "default",
    )


@dataclass(frozen=True)
class Match:
    """Who is looked for, at what price and stake."""

    providers: int = key(keys.integer(1, 1024), "Slots: how many providers train side by side.", 4)
    validators: int = key(keys.integer(1, 64), "Validators drawn by the beacon.", 5)
    price_ceiling: str = key(
        keys.amount(), "Most that is paid per slot and round; derived from the budget if left out.", "", derived=True
    )
    min_stake: str = key(
        keys.amount(), "Stake that each provider locks; the cost of a round if left out.", "", derived=True
    )
    validator_stake: str = key(
        keys.amount(), "Stake that each validator locks; the cost of a round if left out.", "", derived=True
    )
    aggregator_stake: str = key(
        keys.amount(), "Stake that the aggregator locks; the cost of a round if left out.", "", derived=True
    )


@dataclass(frozen=True)
class NamedLoss:
    """A loss by name, with settings. What is left out is as PyTorch has it."""

    name: str = key(keys.choice(*LOSSES), "The loss; its mean over a batch, of kl_div over samples.")
    smoothing: float | None = key(
        keys.number(0, 0.999), "Share of a target that cross_entropy spreads evenly over all classes.", None
    )
    ignore: int | None = key(
        keys.integer(-(1 << 31), (1 << 31) - 1),
        "Targets of this class number are left out by cross_entropy and nll, and when the model is measured.",
        None,
    )
    beta: float | None = key(
        keys.number(0, 1e9, open_low=True), "Where smooth_l1 turns from a parabola to a line; 1 if left out.", None
    )
    delta: float | None = key(
        keys.number(0, 1e9, open_low=True), "Where huber turns from a parabola to a line; 1 if left out.", None
    )

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that are given."""
        names = ("smoothing", "ignore", "beta", "delta")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True)
class Model:
    """What is trained."""

    architecture: str = key(
        keys.text(
            rf"[A-Za-z_][A-Za-z0-9_.]{{0,199}}:[A-Za-z_][A-Za-z0-9_]{{0,99}}|{_CID}",
            '"file:name" of a Python file beside the job file, a net like "assay.architectures:cnn", or the address of'
            " a captured program",
        ),
        "Captured to a program on the consumer's machine, who is asked before a file is run; or captured before.",
    )
    options: tuple[tuple[str, Any], ...] = key(keys.options(), "Arguments of the architecture's function.", ())
    init: str = key(
        keys.text(rf"seed:[0-9]{{1,18}}|given|{_CID}", '"seed:N", "given" or the address of a state'),
        "Initial weights: drawn by integer arithmetic from a seed, as the model has them, or a state.",
        "seed:0",
    )
    loss: str | NamedLoss = key(
        keys.text_or_table(
            keys.text(
                rf"{'|'.join(LOSSES)}|[A-Za-z_][A-Za-z0-9_.]{{0,199}}:[A-Za-z_][A-Za-z0-9_]{{0,99}}",
                f'{", ".join(map(repr, LOSSES))} or "file:function" of a Python file beside the job file'.replace(
                    "'", '"'
                ),
            ),
            NamedLoss,
        ),
        "What training makes small: by name, with settings, or a function of (output, y) that gives the mean over a"
        " batch.",
        "cross_entropy",
    )

    @property
    def loss_name(self) -> str:
        """The loss's name, or where its function is."""
        return self.loss if isinstance(self.loss, str) else self.loss.name

    @property
    def ignored_target(self) -> int | None:
        """Targets of this class number are left out, beside negative ones, when the model is measured."""
        return None if isinstance(self.loss, str) else self.loss.ignore


@dataclass(frozen=True)
class Data:
    """What it is trained on."""

    source: str = key(
        keys.text(r"[a-z]{1,20}:.{1,1000}", 'a source like "sklearn:digits" or "folder:PATH"'), "Data set by name."
    )
    mode: str = key(
        keys.choice("public", "private"),
        "Public data is published with the job; private data stays with its holders.",
        "public",
    )
    held_out: float = key(
        keys.number(0, 0.9, open_low=True), "Share of the samples that is never trained on and measures accuracy.", 0.2
    )
    split_seed: int = key(keys.integer(0, (1 << 63) - 1), "Which samples are held out.", 0)


@dataclass(frozen=True)
class Optimizer:
    """An inner optimizer; each slot runs its own, restarted every round."""

    name: str = key(keys.choice("sgd", "adam", "adamw", "adagrad", "lion"), "The rule.")
    lr: float | tuple[float, ...] = key(keys.rates(), "Learning rate, or one per step of a round.")
    momentum: float = key(keys.number(0, 1), "Momentum of sgd.", 0.0)
    nesterov: bool = key(keys.flag(), "Nesterov's form of momentum.", False)
    weight_decay: float = key(keys.number(0, 10), "Weight decay, decoupled in adamw and lion.", 0.0)
    betas: tuple[float, float] = key(
        keys.pair(keys.number(0, 1)), "Decay of the moments of adam, adamw and lion.", (0.9, 0.999)
    )
    eps: float = key(keys.number(0, 1, open_low=True), "Added to the denominator of adam, adamw and adagrad.", 1e-8)
    clip_norm: float | None = key(
        keys.number(0, 1e9, open_low=True), "What the length of all gradients together is cut to before a step.", None
    )


@dataclass(frozen=True)
class Stop:
    """When to stop early."""

    metric: str = key(keys.choice("accuracy", "loss"), "What is measured on the held-out samples after each round.")
    at: float = key(keys.number(-1e9, 1e9), "Stop once accuracy is at least, or loss at most, this.")


@dataclass(frozen=True)
class Train:
    """How it is trained."""

    optimizer: Optimizer = key(keys.table(Optimizer), "The inner optimizer.")
    rounds: int = key(keys.integer(1, 100_000), "Rounds: train apart, then aggregate.", 20)
    steps: int = key(keys.integer(1, 1_000_000), "Steps of each slot in a round.", 48)
    segment_steps: int = key(
        keys.integer(0, SEGMENT_STEPS_MAX),
        "Steps between two commitments; where it is left out, as many as give a round 8 to 16 segments.",
        0,
        derived=True,
    )
    batch_size: int = key(keys.integer(1, 65_536), "Samples of a step.", 64)
    accumulate: int = key(
        keys.whole_or_none(1, 256),
        "Equal micro-batches that a step takes its batch in, to save memory; its gradient is their exact mean.",
        1,
    )
    average: float | None = key(
        keys.number(0, 0.999999, open_low=True),
        "Share of an exponential moving average of the weights that a step keeps, like 0.999; the average is what is"
        " measured, predicts and is the model.",
        None,
    )
    seed: int = key(
        keys.integer(0, (1 << 63) - 1), "Decides, with a beacon drawn after matching, the order of samples.", 0
    )
    arithmetic: str | tuple[tuple[str, str], ...] = key(
        keys.choice_by_place("exact15", *PROFILES),
        "Arithmetic profile: bits of an operand of an inner product; the same everywhere, or by module path.",
        "exact15",
    )
    stop: Stop | None = key(
        keys.table(Stop),
        "End with the first round that is good enough; what is not used is refunded.",
        None,
    )

    @property
    def profile(self) -> str:
        """The arithmetic profile of whatever no path of `arithmetic` names: the one that stands on chain."""
        return self.arithmetic if isinstance(self.arithmetic, str) else dict(self.arithmetic)["default"]


@dataclass(frozen=True)
class Aggregate:
    """How the slots' updates become one."""

    rule: str = key(keys.choice(*RULE_REPORTS), "Aggregation rule.", "mean")
    byzantine_max: int = key(
        keys.integer(0, 511),
        "Arbitrary updates that the rule has to bear (f): trimmed-mean and median need 2f + 1 reports, krum 2f + 3,"
        " multi-krum 2f + 4, norm-bound f + 1; the mean bears none.",
        0,
    )
    norm_max: float | None = key(
        keys.number(1e-9, 1e9), "The length that norm-bound, and no other rule, cuts each update to.", None
    )
    reports_min: int = key(
        keys.integer(0, 1024),
        "Fewer accepted slots than this and the round is void; left out, half of the slots or what the rule needs.",
        0,
        derived=True,
    )
    fee: str = key(
        keys.amount(), "The aggregator's fee per round; derived from the budget if left out.", "", derived=True
    )


@dataclass(frozen=True)
class Verify:
    """How it is checked."""

    scheme: str = key(keys.choice("recompute"), "Verification scheme.", "recompute")
    samples: int = key(
        keys.integer(0, 65_535), "Segments that each validator re-executes per round; or give rate.", 0, derived=True
    )
    rate: float = key(
        keys.number(0, 1),
        "Share of a round's segments re-executed by all validators together; 0.13 if neither is given.",
        0.0,
        derived=True,
    )
    quorum: tuple[int, int] = key(
        keys.quorum(), "Validators whose equal word decides; a majority if left out.", (0, 0), derived=True
    )
    challenge_s: int = key(keys.duration(), "How long anybody may dispute a round before it is final.", 120)
    lookahead: int = key(keys.integer(0, 64), "Rounds that may run ahead of the oldest that is not final.", 2)
    redo_rounds: int = key(
        keys.integer(0, 65_535),
        "Rounds of reserve for work that is done again; left out, a fifth of the rounds, at least two.",
        0,
        derived=True,
    )
    fee: str = key(keys.amount(), "A validator's fee per round; derived from the budget if left out.", "", derived=True)
    fault_deposit: str = key(
        keys.amount(),
        "Forfeited when the job itself is at fault; derived from the budget if left out.",
        "",
        derived=True,
    )


@dataclass(frozen=True)
class Windows:
    """How long each phase may last; it ends earlier when all have reported. Defaults fit a local network."""

    bid_s: int = key(keys.duration(), "Sealed bids are taken.", 60)
    reveal_s: int = key(keys.duration(), "Bids are opened.", 60)
    enlist_s: int = key(keys.duration(), "Drawn validators commit their nonces.", 60)
    train_s: int = key(keys.duration(), "From a round's opening to its commitment.", 300)
    table_s: int = key(keys.duration(), "Validators re-execute and commit their tables.", 120)
    open_s: int = key(keys.duration(), "Tables and secrets are opened, slots are judged.", 120)
    aggregate_s: int = key(keys.duration(), "The aggregate is made and attested.", 120)


SECTIONS: dict[str, tuple[str, type[Any]]] = {
    "job": ("terms", Terms),
    "match": ("match", Match),
    "model": ("model", Model),
    "data": ("data", Data),
    "train": ("train", Train),
    "aggregate": ("aggregate", Aggregate),
    "verify": ("verify", Verify),
    "windows": ("windows", Windows),
}
"""Sections of a job file, in the order in which they are read: name, field of `Job`, class."""


def reference() -> Iterator[tuple[str, str, str, str]]:
    """Every key of a job file: (section.key, what it may hold, default, documentation)."""
    for name, (_, section) in SECTIONS.items():
        for row in keys.describe(section, name):
            yield row
            nested = {"model.loss": NamedLoss, "train.optimizer": Optimizer, "train.stop": Stop}.get(row[0])
            if nested:
                yield from keys.describe(nested, row[0])
