"""What is disputed follows what was read, taken back and dropped."""

from typing import Any

from assay.chain.contracts.disputes import ChallengeOpened, Settled
from assay.chain.events import Emitted, LogEntry
from assay.protocol.phase import Outcome, Settlement, Target
from assay.roles.notices import TOPICS, Notices

ACCUSED, CHALLENGER = "0x" + "11" * 20, "0x" + "22" * 20


class Told:
    """Notices that are told events, as their cursor would."""

    def __init__(self, notices: Notices, monkeypatch: Any) -> None:
        self.notices, self.events = notices, dict[LogEntry, Any]()
        monkeypatch.setattr(notices._ledger, "decode", lambda log: Emitted(self.events[log], log))

    def tell(self, event: Any) -> LogEntry:
        place = len(self.events)
        log = LogEntry(ACCUSED, (type(event).TOPIC,), b"", place, bytes(32), bytes(32), place)
        assert log.topics[0] in TOPICS
        self.events[log] = event
        self.notices._unread.append(log)
        self.notices._enter()
        return log

    def outcomes(self, job: int) -> list[tuple[int, Outcome]]:
        return [(each.number, each.outcome) for each in self.notices.disputes(job)]


def opened(number: int, job: int, index: int = 0) -> ChallengeOpened:
    return ChallengeOpened(number, job, ACCUSED, Target.SEGMENT, 0, index, 0, 1, CHALLENGER, number)


def test_disputes_are_what_they_are_by_now(tiny_stage: Any, monkeypatch: Any) -> None:
    told = Told(tiny_stage().network.parties["validator-1"].clerk._notices, monkeypatch)
    assert told.outcomes(1) == []
    first = told.tell(opened(1, 1))
    assert told.outcomes(1) == [(1, Outcome.OPEN)]
    told.tell(opened(2, 1, 3))
    told.tell(opened(3, 2))
    settled = told.tell(Settled(1, Settlement.UPHELD))
    assert told.outcomes(1) == [(1, Outcome.UPHELD), (2, Outcome.OPEN)]
    told.notices.disputes(1).clear()
    assert len(told.outcomes(1)) == 2
    told.notices._take_back([settled])
    assert told.outcomes(1) == [(1, Outcome.OPEN), (2, Outcome.OPEN)]
    told.tell(Settled(1, Settlement.DISMISSED))
    assert told.outcomes(1)[0] == (1, Outcome.DISMISSED)
    told.notices.forget(1, 2)
    assert (told.outcomes(1), told.outcomes(2)) == ([(2, Outcome.OPEN)], [(3, Outcome.OPEN)])
    told.notices._take_back([first])
    assert told.outcomes(1) == [(2, Outcome.OPEN)]
