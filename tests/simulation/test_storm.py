"""The storm over seeds: twenty by default, two hundred at length, as `.ci/run` plays them too. `python -m
tests.simulation` plays any of them."""

import pytest

from assay.work.compiled.toolchain import compiler
from tests.simulation import storm
from tests.simulation.__main__ import play
from tests.simulation.plan import draw

SEEDS, BATCH = 200, 5
SHORT = 20
"""As many as fit in `make test`."""


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(first, marks=() if first < SHORT else pytest.mark.long, id=f"{first}-{first + BATCH - 1}")
        for first in range(0, SEEDS, BATCH)
    ],
)
def test_every_seed_holds(first: int) -> None:
    played = [play(seed) for seed in range(first, first + BATCH)]
    broken = [f"seed {each.seed}: {each.words}\n{each.broken}" for each in played if each.broken]
    assert not broken, "\n".join(broken)


def test_a_seed_is_the_same_run_whatever_was_played_before_it() -> None:
    def heads(*seeds: int) -> bytes:
        for seed in seeds:
            run = storm.Storm(draw(seed))
            run.play()
        return run.chain.head.hash

    assert heads(1) == heads(2, 1)


def test_a_seed_is_the_same_run_compiled() -> None:
    """Long simulations compile the job's programs."""

    def head() -> tuple[bytes, int]:
        run = storm.Storm(draw(1))
        run.play()
        compiled = sum(made is not None for made in storm.stage().network.warmth.built.values())
        return run.chain.head.hash, compiled

    warmth = storm.stage().network.warmth
    interpreted, count = head()
    storm.warm()
    try:
        compiled, more = head()
        assert compiled == interpreted
        assert count == 0 or compiler() is None
        assert more > 0 or compiler() is None
    finally:
        warmth.spent_s.clear(), warmth.built.clear()
