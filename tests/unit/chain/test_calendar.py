"""Protocol time: the chain's time less what was frozen."""

from hypothesis import given
from hypothesis import strategies as st

from assay.chain.calendar import Calendar, Freeze, freezes_of
from assay.chain.contracts.clock import Frozen, Thawed


def at(now_s: int, *freezes: Freeze) -> Calendar:
    calendar = Calendar(lambda: now_s)
    calendar.learn(freezes)
    return calendar


def test_it_is_the_chains_time_where_nothing_was_frozen() -> None:
    calendar = at(1_000)
    assert (calendar(), calendar.at(900), calendar.when_s(1_100)) == (1_000, 900, 1_100)
    assert (calendar.frozen_until_s(), calendar.left_s()) == (None, 0)


def test_it_stands_still_and_goes_on() -> None:
    past, now = Freeze(100, 150), Freeze(300, 700)
    frozen = at(400, past, now)
    assert (frozen(), frozen.frozen_until_s(), frozen.left_s()) == (250, 700, 300)
    assert (frozen.at(120), frozen.at(200), frozen.at(699)) == (100, 150, 250)
    assert at(800, past, now)() == 350
    assert at(800, past, now).left_s() == 0


def test_a_moment_comes_later_by_what_is_frozen_before_it() -> None:
    calendar = at(400, Freeze(100, 150), Freeze(300, 700))
    assert [calendar.when_s(at_s) for at_s in (99, 100, 249, 250, 300)] == [99, 150, 299, 700, 750]


def test_freezes_follow_from_the_clocks_events() -> None:
    events = [Frozen(100, 900), Thawed(150, 50), Frozen(300, 700)]
    assert freezes_of(events) == (Freeze(100, 150), Freeze(300, 700))
    assert freezes_of([]) == ()


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(0, 400))
def test_when_and_at_belong_together(lengths: list[int], at_s: int) -> None:
    freezes, from_s = [], 0
    for length in lengths:
        freezes.append(Freeze(from_s + length, from_s + 2 * length))
        from_s += 2 * length
    calendar = at(1_000, *freezes)
    when_s = calendar.when_s(at_s)
    assert calendar.at(when_s) == at_s
    assert not any(each.from_s <= when_s < each.until_s for each in freezes)
