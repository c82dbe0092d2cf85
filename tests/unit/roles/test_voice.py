"""What is said in a phase is said again while it lasts, ever more rarely, and no longer."""

from types import SimpleNamespace
from typing import Any

import pytest

from assay.protocol.phase import RoundPhase
from assay.roles.voice import PAUSE_MIN_S, Voice
from assay.roles.wake import ACTED, IDLE, wake_at

NAME, DEADLINE_S = (1, 0, 0), 80
LIFE_S = 1_000
"""For how long what is said is kept."""


class Place:
    """A party's world and clerk, as far as a voice uses them."""

    def __init__(self) -> None:
        self.now_s, self.phase = 0, RoundPhase.TRAINING
        self.said: list[tuple[int, str, dict[str, object], str]] = []
        self.frozen_s = 0
        self.calendar = SimpleNamespace(chain_s=lambda: self.now_s + self.frozen_s)

    def clock(self) -> int:
        return self.now_s

    def say(self, kind: str, name: Any, content: dict[str, object], recipient: str) -> Any:
        assert name == NAME
        self.said.append((self.now_s, kind, content, recipient))
        return SimpleNamespace(expires_s=self.calendar.chain_s() + LIFE_S)

    def round(self, name: Any) -> Any:
        assert name == NAME
        return SimpleNamespace(phase=self.phase, deadline=DEADLINE_S)


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def voice(place: Place) -> Voice:
    return Voice(place, place)  # type: ignore[arg-type]


def test_it_is_repeated_after_pauses_that_double(place: Place, voice: Voice) -> None:
    assert voice.say(NAME, "opening", {"slot": 1}) == ACTED
    for place.now_s in range(DEADLINE_S):
        voice.repeat(1)
    assert [at_s for at_s, *_ in place.said] == [0, 10, 30, 70]
    assert voice.repeat(1) == wake_at(150)
    assert voice.repeat(2) == IDLE


def test_while_time_stands_still_it_is_said_again_before_it_is_lost(place: Place, voice: Voice) -> None:
    voice.say(NAME, "opening", {"slot": 1})
    for place.frozen_s in range(0, 5 * LIFE_S, 50):
        voice.repeat(1)
    assert len(place.said) == 5
    for place.now_s in range(DEADLINE_S):
        voice.repeat(1)
    assert len(place.said) > 5


def test_to_say_it_again_changes_nothing_and_something_else_takes_its_place(place: Place, voice: Voice) -> None:
    voice.say(NAME, "commitments", {"root": 1})
    assert voice.say(NAME, "commitments", {"root": 1}) == IDLE
    assert voice.say(NAME, "commitments", {"root": 2}) == ACTED
    place.now_s = 10
    voice.repeat(1)
    assert [content["root"] for _, _, content, _ in place.said] == [1, 2, 2]


def test_it_ends_with_its_phase_or_when_it_has_been_heard(place: Place, voice: Voice) -> None:
    voice.say(NAME, "request", {"segment": 1}, "a", 1)
    voice.say(NAME, "request", {"segment": 2}, "a", 2)
    voice.hush(NAME, "request", "a", 1)
    place.now_s = 10
    voice.repeat(1)
    assert [content["segment"] for _, _, content, _ in place.said] == [1, 2, 2]
    place.phase, place.now_s = RoundPhase.SAMPLING, 40
    assert voice.repeat(1) == IDLE
    assert len(place.said) == 3


def test_who_asks_the_same_at_once_again_is_not_answered(place: Place, voice: Voice) -> None:
    answers = []
    for place.now_s in (0, 0, PAUSE_MIN_S - 1, PAUSE_MIN_S):
        answers.append(voice.answer(NAME, "state", {"cid": ""}, "a", 1))
    assert answers == [ACTED, IDLE, IDLE, ACTED]
