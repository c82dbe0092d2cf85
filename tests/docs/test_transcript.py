"""The first hour's transcript: every command of the page is run, in order, and prints what the page says."""

from pathlib import Path

import pytest

from tests.docs.transcript import plain, play, read_steps

PAGE = Path(__file__).parents[2] / "docs/tutorials/first-hour.md"
pytestmark = pytest.mark.xdist_group("hour")


@pytest.mark.long
def test_the_first_hour_is_as_it_is_told(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    ended = []
    for step in play(text, tmp_path):
        assert "Traceback" not in "\n".join(step.printed), step.command
        assert plain(step.shown) == plain(step.printed), step.command
        assert step.command.split()[0] != "assay" or step.code in (0, 2, 130), step.command
        ended.append(step.command)
    assert ended == [step.command for step in read_steps(text)]
    assert "assay down" in ended[-1], "and nothing is left running"


def test_what_differs_from_run_to_run_is_left_out_and_nothing_else() -> None:
    one = [
        "round 1: loss 0.0733, accuracy 95.5%, 4 accepted",
        "· waiting for a block",
        "model 1, state fda1a67384cdf9c4c0",
    ]
    other = ["round 1: loss 0.1, accuracy 9.25%, 4 accepted", "model 1, state 00aa67384cdf9c4c0906"]
    assert plain(one) == plain(other)
    assert plain(["round 1: 4 accepted"]) != plain(["round 1: 3 accepted"])
