"""Every network of peers keeps the same promises, in one process or in a file between many."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from assay.chain.signer import KeySigner
from assay.net import spool as spools
from assay.net.memory import Board
from assay.net.spool import SCHEMA, Spool
from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.message import (
    BODY_BYTES_MAX,
    EVERYONE,
    MESSAGE_LIFE_S,
    OVERHEAD_BYTES,
    SKEW_S,
    Message,
    sign,
)
from assay.protocol.typed import Domain
from assay.store.database import Database

Make = Callable[[], Board | Spool]
HUGE = 2**256 - 1


class Clock:
    """The chain's time, as a test sets it."""

    now_s = 0

    def __call__(self) -> int:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path, domain: Domain, clock: Clock) -> Make:
    if request.param == "memory":
        return lambda: Board(domain, clock)
    return lambda: open_spool(tmp_path, domain, clock)


def open_spool(folder: Path, domain: Domain, clock: Callable[[], int] = lambda: 0) -> Spool:
    return Spool(Database(folder / "board.sqlite", SCHEMA, durable=False), domain, clock)


def say(domain: Domain, signer: KeySigner, text: str = "hello", **given: object) -> Message:
    fields: dict[str, object] = {"expires_s": 1_000, "nonce": 1, **given}
    name = fields.pop("name", (1, 0, 0))
    return sign(domain, signer, "state", name, {"text": text}, **fields)  # type: ignore[arg-type]


class TestBoards:
    def test_everybody_hears_what_is_for_everybody(self, make: Make, domain: Domain, signers: list[KeySigner]) -> None:
        board = make()
        ends = [board.peers(signer.address) for signer in signers]
        sent = [say(domain, signers[index % 3], str(index), nonce=index) for index in range(7)]
        for index, message in enumerate(sent):
            ends[index % 3].send(message)
        assert [end.poll() for end in ends] == [sent] * 3
        assert [end.poll() for end in ends] == [[]] * 3

    def test_a_letter_is_for_its_recipient(self, make: Make, domain: Domain, signers: list[KeySigner]) -> None:
        board = make()
        ends = [board.peers(signer.address) for signer in signers]
        letter = say(domain, signers[0], recipient=signers[1].address)
        ends[0].send(letter)
        assert [end.poll() for end in ends] == [[], [letter], []]

    def test_who_comes_late_hears_what_was_said(self, make: Make, domain: Domain, signers: list[KeySigner]) -> None:
        board = make()
        first = say(domain, signers[0])
        board.peers(signers[0].address).send(first)
        late = board.peers(signers[2].address)
        assert late.poll() == [first]
        second = say(domain, signers[0], "again", nonce=2)
        board.peers(signers[0].address).send(second)
        assert late.poll() == [second]

    def test_the_same_words_twice_are_heard_twice(self, make: Make, domain: Domain, signers: list[KeySigner]) -> None:
        board, message = make(), say(domain, signers[0])
        for _ in range(2):
            board.peers(signers[0].address).send(message)
        assert board.peers(signers[1].address).poll() == [message] * 2

    def test_what_nobody_signed_is_not_taken(self, make: Make, domain: Domain, signers: list[KeySigner]) -> None:
        board, message = make(), say(domain, signers[0])
        elsewhere = say(Domain(1, domain.rounds), signers[0])
        forged = [
            replace(message, sender=signers[1].address),
            replace(message, body=b'{"text":"bye"}'),
            replace(message, recipient=signers[1].address),
            replace(message, job=2),
            replace(message, expires_s=1_001),
            replace(message, signature=message.signature[:-1]),
            elsewhere,
        ]
        for each in forged:
            with pytest.raises(Malformed):
                board.peers(signers[0].address).send(each)
        assert board.peers(signers[1].address).poll() == []

    def test_a_message_that_is_too_long_is_not_taken(
        self, make: Make, domain: Domain, signers: list[KeySigner]
    ) -> None:
        board = make()
        with pytest.raises(LimitExceeded):
            board.peers(signers[0].address).send(replace(say(domain, signers[0]), body=bytes(BODY_BYTES_MAX + 1)))
        assert board.peers(signers[1].address).poll() == []

    def test_numbers_of_256_bits_arrive(
        self, make: Make, domain: Domain, signers: list[KeySigner], clock: Clock
    ) -> None:
        board, clock.now_s = make(), 2**64 - 2
        message = say(domain, signers[0], name=(HUGE, 2**32 - 1, 2**32 - 1), expires_s=2**64 - 1, nonce=HUGE)
        board.peers(signers[0].address).send(message)
        assert board.peers(signers[1].address).poll() == [message]

    def test_nothing_is_kept_for_longer_than_what_is_said_lives(
        self, make: Make, domain: Domain, signers: list[KeySigner], clock: Clock
    ) -> None:
        board, clock.now_s = make(), 5_000
        end, last_s = board.peers(signers[0].address), 5_000 + MESSAGE_LIFE_S + SKEW_S
        for expires_s in (last_s + 1, 2**64 - 1):
            with pytest.raises(LimitExceeded, match="for too long"):
                end.send(say(domain, signers[0], expires_s=expires_s))
        end.send(say(domain, signers[0], expires_s=last_s))
        assert len(board.peers(signers[1].address).poll()) == 1

    def test_what_has_expired_is_not_heard_and_not_kept(
        self, make: Make, domain: Domain, signers: list[KeySigner], clock: Clock
    ) -> None:
        board = make()
        early, end = board.peers(signers[1].address), board.peers(signers[0].address)
        for expires_s in (10, 30, 20):
            end.send(say(domain, signers[0], expires_s=expires_s, nonce=expires_s))
        assert len(early.poll()) == 3
        clock.now_s = 15
        board.purge()
        assert [each.expires_s for each in board.peers(signers[2].address).poll()] == [30, 20]
        clock.now_s = 31
        board.purge()
        end.send(say(domain, signers[0], expires_s=40))
        assert [each.expires_s for each in board.peers(signers[2].address).poll()] == [40]
        assert [each.expires_s for each in early.poll()] == [40]
        if isinstance(board, Board):
            assert len(board.messages) == 1


class TestSpool:
    def test_what_was_said_is_heard_by_another_process(
        self, tmp_path: Path, domain: Domain, signers: list[KeySigner]
    ) -> None:
        one, other = open_spool(tmp_path, domain), open_spool(tmp_path, domain)
        end, message = other.peers(signers[1].address), say(domain, signers[0])
        assert other.last == 0
        one.peers(signers[0].address).send(message)
        assert other.last == 1
        assert end.poll() == [message]

    def test_what_got_into_the_file_unsigned_is_not_heard(
        self, tmp_path: Path, domain: Domain, signers: list[KeySigner]
    ) -> None:
        spool, honest = open_spool(tmp_path, domain), say(domain, signers[0])
        spool.append(honest)
        whole = (honest.kind, "1", "0", "0", honest.sender, EVERYONE, honest.body, "1000", "1", honest.signature)
        lies = [
            (*whole[:6], b"{}", *whole[7:]),
            (*whole[:1], "2", *whole[2:]),
            (*whole[:1], "-1", *whole[2:]),
            (*whole[:1], "9" * 5_000, *whole[2:]),
            (*whole[:1], None, *whole[2:]),
            (*whole[:1], "1e3", *whole[2:]),
            (*whole[:4], signers[1].address, *whole[5:]),
            (*whole[:6], None, *whole[7:]),
            (*whole[:6], bytes(BODY_BYTES_MAX + 1), *whole[7:]),
            (*whole[:9], None),
            (None,) * 5 + (EVERYONE,) + (None,) * 4,
        ]
        with sqlite3.connect(tmp_path / "board.sqlite") as connection:
            for lie in lies:
                columns = "kind, job, generation, round, sender, recipient, body, expires, nonce, signature"
                connection.execute(f"INSERT INTO messages ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?)", lie)
        connection.close()
        assert spool.last == 1 + len(lies)
        assert spool.peers(signers[2].address).poll() == [honest]

    def test_what_has_expired_is_dropped_and_numbers_go_on(
        self, tmp_path: Path, domain: Domain, signers: list[KeySigner]
    ) -> None:
        clock = Clock()
        spool = open_spool(tmp_path, domain, clock)
        old, new = say(domain, signers[0], expires_s=10, nonce=1), say(domain, signers[0], expires_s=20, nonce=2)
        spool.append(new)
        spool.append(old)
        end = spool.peers(signers[1].address)
        clock.now_s = 15
        spool.purge()
        assert end.poll() == [new]
        spool.append(say(domain, signers[0], "later", expires_s=30, nonce=3))
        assert [message.nonce for message in end.poll()] == [3]

    def test_a_sender_goes_on_counting_after_a_restart(
        self, tmp_path: Path, domain: Domain, signers: list[KeySigner]
    ) -> None:
        spool = open_spool(tmp_path, domain)
        assert spool.count_of(signers[0].address) == 0
        for nonce in (9, 10, 2):
            spool.append(say(domain, signers[0], nonce=nonce))
        spool.append(say(domain, signers[1], nonce=77))
        assert open_spool(tmp_path, domain).count_of(signers[0].address) == 10

    def test_who_says_too_much_loses_the_oldest_of_its_own_and_nobody_elses(
        self, tmp_path: Path, domain: Domain, signers: list[KeySigner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spools, "SENDER_BYTES_MAX", 100_000)
        spool, (loud, quiet, _) = open_spool(tmp_path, domain), signers
        spool.append(say(domain, quiet, "first"))
        for nonce in range(60):
            spool.append(say(domain, loud, "y" * 5_000, nonce=nonce))
        heard = spool.peers(quiet.address).poll()
        assert heard[0].sender == quiet.address
        nonces = [each.nonce for each in heard[1:]]
        assert nonces == list(range(nonces[0], 60)), "the newest"
        assert sum(each.size_bytes for each in heard[1:]) <= 100_000
        assert len(nonces) >= 100_000 * 7 // 8 // 5_600

    def test_an_empty_message_takes_room_as_well(
        self, tmp_path: Path, domain: Domain, signers: list[KeySigner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spools, "SENDER_BYTES_MAX", 20 * OVERHEAD_BYTES)
        monkeypatch.setattr(spools, "KEPT_BYTES", 10 * OVERHEAD_BYTES)
        spool = open_spool(tmp_path, domain)
        for nonce in range(50):
            spool.append(sign(domain, signers[0], "state", (1, 0, 0), {}, expires_s=1_000, nonce=nonce))
        assert len(spool.peers(signers[1].address).poll()) < 20
        assert len(spool._verified) <= 10

    def test_a_file_that_somebody_has_filled_for_ever_is_emptied(
        self, tmp_path: Path, domain: Domain, signers: list[KeySigner]
    ) -> None:
        spool = open_spool(tmp_path, domain)
        message = say(domain, signers[0], expires_s=2**64 - 1)
        end = (message.body, str(message.expires_s), "1", message.signature)
        values = (message.kind, "1", "0", "0", message.sender, EVERYONE, *end)
        with sqlite3.connect(tmp_path / "board.sqlite") as connection:
            connection.execute(f"INSERT INTO messages ({spools.COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)", values)
        connection.close()
        spool.purge()
        assert spool.peers(signers[1].address).poll() == []
