"""The page on aggregation has all rules that a job may name, with what they need, and names no other as offered."""

import re
from pathlib import Path

import pytest

from assay.aggregate.rules import RULES, get_rule
from assay.protocol.errors import BadInput
from assay.protocol.sections import RULE_REPORTS

PAGE = (Path(__file__).parents[2] / "docs/explanation/aggregation.md").read_text(encoding="utf-8")


def needs(per_byzantine: int, base: int) -> str:
    """As the page has it."""
    factor = "" if per_byzantine == 1 else str(per_byzantine)
    return f"n >= {factor}f + {base}" if per_byzantine else f"n >= {base}, f = 0"


def test_every_rule_with_what_it_needs() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .+\. \| (.+?) \| (\w+) \|$", PAGE, re.MULTILINE)
    assert rows == [(name, needs(*RULE_REPORTS[name]), "yes") for name in RULES]


def test_what_is_not_offered_is_refused() -> None:
    rows = re.findall(r"^\| (.+?) \| .+ \| not offered \|$", PAGE, re.MULTILINE)
    assert len(rows) == PAGE.count("not offered |") == 8
    for name in ("bulyan", "meamed", "geometric-median", "centred-clipping", "arc", "bucketing", "fltrust", "dnc"):
        with pytest.raises(BadInput):
            get_rule(name)
