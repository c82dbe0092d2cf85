"""What somebody who waits is told, and when."""

from assay.cli.terminal import Pace


def test_who_waits_hears_something_after_two_seconds_and_every_two_from_then_on() -> None:
    now_s = [10.0]
    pace = Pace(timer=lambda: now_s[0])
    due = []
    for step_s in (0.0, 1.9, 0.1, 0.1, 1.8, 0.1, 9.0, 1.9, 0.2):
        now_s[0] += step_s
        due.append(pace.is_due())
    assert due == [False, False, True, False, False, True, True, False, True]
