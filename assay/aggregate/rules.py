"""Aggregation rules by the names that a job file gives them, and whether a job's programs are of the job's rule."""

from collections.abc import Callable

from assay.aggregate.krum import Krum, MultiKrum
from assay.aggregate.norm import NormBound
from assay.aggregate.trimmed import Median, TrimmedMean
from assay.protocol.errors import BadInput, Refused
from assay.protocol.job import Job
from assay.protocol.sections import Aggregate
from assay.work.capture import MEAN, Rule, rule_source
from assay.work.program import Bundle

RULES: dict[str, Callable[[Aggregate], Rule]] = {
    "mean": lambda _: MEAN,
    "trimmed-mean": lambda terms: TrimmedMean(terms.byzantine_max),
    "median": lambda terms: Median(terms.byzantine_max),
    "krum": lambda terms: Krum(terms.byzantine_max),
    "multi-krum": lambda terms: MultiKrum(terms.byzantine_max),
    "norm-bound": lambda terms: NormBound(terms.byzantine_max, terms.norm_max or 1.0),
}
"""Each is a program in the normal form, so that whatever a job may name can be disputed down to one element."""


def get_rule(name: str, byzantine_count: int = 0, norm_max: float | None = None) -> Rule:
    """The rule of this name, which is to bear so many arbitrary updates. Errors: `BadInput` for no rule's name."""
    if name not in RULES:
        raise BadInput(f"unknown aggregation rule {name!r}", hint=f"choose one of {', '.join(RULES)}")
    return RULES[name](Aggregate(rule=name, byzantine_max=byzantine_count, norm_max=norm_max))


def rule_of(job: Job) -> Rule:
    """The rule that a job names: what its aggregates are captured with."""
    return RULES[job.aggregate.rule](job.aggregate)


def check_rule(job: Job, bundle: Bundle) -> None:
    """Programs that say they are of another rule than the job's. Errors: `Refused`.

    They say so in their side tables, which no root covers but the job's document does; a consumer that lies there
    deceives nobody about the programs themselves, which are what is run.
    """
    wanted = rule_source(rule_of(job))
    said = {source for program in bundle.aggregate.values() for source in program.side.sources}
    others = sorted(source for source in said if source.startswith("aggregate by ") and source != wanted)
    if others:
        raise Refused(
            f"the job's programs {others[0]}, its file says {wanted}",
            hint="capture them with assay.aggregate.rules.rule_of(job)",
            key="aggregate.rule",
        )
