"""What a party remembers of what anybody may say: only what has a place, and never more than its quota."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.chain.signer import KeySigner
from assay.protocol.commitment import Commitment, commitment_root
from assay.protocol.errors import Unavailable
from assay.protocol.message import OVERHEAD_BYTES, Message
from assay.protocol.table import Entry, table_root
from assay.protocol.typed import Domain, typed_digest
from assay.roles import scribe
from assay.roles.book import QUOTA_STRANGERS_BYTES, Book
from assay.roles.content import commitment_content
from assay.roles.round import RoundName

DOMAIN = Domain(31_337, "0x" + "11" * 20)
PROVIDERS = [KeySigner.create(bytes([at]) * 32) for at in (1, 2)]
VALIDATORS = [KeySigner.create(bytes([at]) * 32) for at in (3, 4)]
AGGREGATOR = KeySigner.create(bytes([5]) * 32)
STRANGER = KeySigner.create(bytes([9]) * 32)
NAME = (1, 0, 2)


ORIGIN = (bytes(32), bytes([9]) * 32)


class Roll:
    """One running job with rounds 0 to 3, two slots and two seats."""

    def admits(self, name: RoundName) -> bool:
        return name[0] == 1 and 0 <= name[1] <= 1 and 0 <= name[2] <= 3

    def origin(self, name: RoundName) -> tuple[bytes, bytes]:
        return ORIGIN

    def providers(self, job: int) -> Sequence[str]:
        return [signer.address for signer in PROVIDERS]

    def validators(self, job: int) -> Sequence[str]:
        return [signer.address for signer in VALIDATORS]

    def rows_most(self, job: int) -> int:
        return 64

    def aggregator(self, job: int) -> str:
        return AGGREGATOR.address

    def parties(self, job: int) -> Collection[str]:
        return {*self.providers(job), *self.validators(job)}


@pytest.fixture
def book() -> Book:
    return Book(DOMAIN, Roll())


def said(kind: str, sender: KeySigner, content: object, name: RoundName = NAME) -> Message:
    body = json.dumps(content).encode()
    return Message(kind, *name, sender.address, "0x" + "00" * 20, body, 0, 0, b"")


def commitment(slot: int, transcript: int = 5, start: bytes = ORIGIN[1]) -> tuple[Commitment, bytes]:
    signer = PROVIDERS[slot]
    signed = Commitment(*NAME, slot, signer.address, ORIGIN[0], start, bytes([transcript]) * 32, bytes(32), bytes(32))
    return signed, signer.sign_digest(typed_digest(DOMAIN, "Commitment", signed.typed))


def commitments(*pairs: tuple[Commitment, bytes]) -> dict[str, object]:
    return {"commitments": [commitment_content(*pair) for pair in pairs]}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 300), 1 << 300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=70)
    | st.sampled_from(["00" * 32, "zz" * 32, "0x" + "00" * 20, "Result", "Fault", 0, 1, -1, 1 << 40]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("slot", "segment", "commitments", "rows", "type", "root", "cid", "start", "transcript", "secret", "sealed")
CONTENT = st.dictionaries(
    st.sampled_from((*FIELDS, "signature", "leaf", "end", "states", "losses", "of", "present")), PLAIN
)
KINDS = st.sampled_from(
    ["commitments", "opening", "table", "want", "missing", "request", "state", "aggregate", "vote", "nonsense"]
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    KINDS,
    st.sampled_from([*PROVIDERS, *VALIDATORS, AGGREGATOR, STRANGER]),
    CONTENT | PLAIN | st.fixed_dictionaries({"commitments": st.lists(CONTENT, max_size=3)}),
    st.tuples(st.integers(-2, 3), st.integers(-2, 3), st.integers(-2, 5)),
)
def test_no_message_breaks_it(kind: str, sender: KeySigner, content: object, name: RoundName) -> None:
    book = Book(DOMAIN, Roll())
    book.note([said(kind, sender, content, name)])
    assert all(Roll().admits(page) for page in book.rounds)
    for page in book.rounds.values():
        assert not page.commitments, "nobody has signed anything"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b"[" * 500_000, b'{"slot":1e999}', b'{"a":1,"a":2}'])
def test_bodies_that_are_not_an_object_are_dropped(book: Book, body: bytes) -> None:
    book.note([replace(said("request", STRANGER, {}), body=body)])
    assert not book.round(NAME).requests


@pytest.mark.parametrize("name", [(2, 0, 0), (0, 0, 0), (-1, 0, 0), (1 << 300, 0, 0), (1, 7, 0), (1, 0, 9), (1, -1, 0)])
def test_rounds_that_do_not_exist_get_no_page(book: Book, name: RoundName) -> None:
    book.note([said("request", PROVIDERS[0], {"slot": 0, "segment": 0}, name)])
    assert not book.rounds


def test_commitments_count_by_signature_whoever_brings_them(book: Book) -> None:
    signed, signature = commitment(1)
    book.note([said("commitments", STRANGER, commitments((signed, signature)))])
    assert book.round(NAME).commitments == {1: (signed, signature)}


def test_a_commitment_signed_by_another_than_the_slots_holder_is_dropped(book: Book) -> None:
    signed, _ = commitment(1)
    forged = PROVIDERS[0].sign_digest(typed_digest(DOMAIN, "Commitment", signed.typed))
    book.note([said("commitments", PROVIDERS[1], commitments((signed, forged)))])
    assert not book.round(NAME).commitments


def test_two_commitments_are_kept_as_one_pair_and_the_first_stands(book: Book) -> None:
    first = commitment(0)
    for transcript in range(5, 9):
        book.note([said("commitments", PROVIDERS[0], commitments(commitment(0, transcript)))])
    page = book.round(NAME)
    assert page.commitments == {0: first}
    assert list(page.equivocations) == [0]
    assert page.equivocations[0][2].transcript_root == bytes([6]) * 32


def test_what_was_signed_of_a_chain_that_is_no_more_gives_way(book: Book) -> None:
    """A commitment to another start is no second one, and the one to this chain's start takes its place."""
    gone, stands = commitment(0, 5, start=bytes([8]) * 32), commitment(0, 6)
    book.note([said("commitments", AGGREGATOR, commitments(gone))])
    assert book.round(NAME).commitments[0] == gone
    book.note([said("commitments", STRANGER, commitments(stands))])
    assert book.round(NAME).commitments[0] == stands
    book.note([said("commitments", AGGREGATOR, commitments(gone, commitment(0, 7, start=bytes([8]) * 32)))])
    assert book.round(NAME).commitments[0] == stands
    assert not book.round(NAME).equivocations


def test_what_came_before_its_chain_is_entered_once_it_is_repeated(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = commitment(0)
    monkeypatch.setattr(Roll, "origin", lambda self, name: (bytes([1]) * 32, ORIGIN[1]))
    book.note([said("commitments", AGGREGATOR, commitments(signed))])
    assert not book.round(NAME).commitments, "signed of another draw than the one that is seen here"
    monkeypatch.undo()
    book.reopen(NAME[0])
    book.note([said("commitments", AGGREGATOR, commitments(signed))])
    assert book.round(NAME).commitments == {0: signed}


def test_only_holders_open_and_serve_and_only_validators_vote_and_show_tables(book: Book) -> None:
    rows = {"rows": [[0, 1, "00" * 32, "00" * 32, 0]]}
    for sender in (PROVIDERS[0], STRANGER):
        book.note(
            [
                said("opening", sender, {"slot": 1}),
                said("state", sender, {"slot": 1, "segment": 0}),
                said("table", sender, rows),
                said("vote", sender, {"type": "Result"}),
            ]
        )
    page = book.round(NAME)
    assert [page.openings, page.served, page.tables, page.votes] == [{}] * 4
    book.note([said("opening", PROVIDERS[1], {"slot": 1}), said("table", VALIDATORS[0], rows)])
    book.note([said("vote", VALIDATORS[0], {"type": "Result"}), said("vote", VALIDATORS[0], {"type": "Other"})])
    assert list(page.openings) == [1]
    assert list(page.tables) == [VALIDATORS[0].address]
    assert list(page.votes) == ["Result"]


def test_only_the_aggregator_proposes_a_root(book: Book) -> None:
    proposal = {**commitments(commitment(0)), "root": "ab" * 32, "present": [1]}
    book.note([said("commitments", STRANGER, proposal), said("commitments", PROVIDERS[0], proposal)])
    assert book.round(NAME).proposal is None
    book.note([said("commitments", AGGREGATOR, {**proposal, "present": [-1]})])
    assert book.round(NAME).proposal is None
    book.note([said("commitments", AGGREGATOR, proposal)])
    assert book.round(NAME).proposal == (b"\xab" * 32, (1,))


def test_a_table_is_known_by_its_root_whoever_tells_it(book: Book) -> None:
    owner, teller = (signer.address for signer in VALIDATORS)
    rows = {"rows": [[0, 1, "00" * 32, "00" * 32, 0]], "of": owner}
    root = table_root([Entry(0, 1, bytes(32), bytes(32), 0)])
    book.note([said("table", STRANGER, rows), said("table", PROVIDERS[0], rows)])
    assert not book.round(NAME).rooted
    book.note([said("table", VALIDATORS[1], rows)])
    page = book.round(NAME)
    assert page.rooted == {(owner, root): (Entry(0, 1, bytes(32), bytes(32), 0),)}
    assert not page.tables, "only its owner's word is its own"
    assert teller != owner


def test_validators_alone_miss_states_and_want_tables_and_only_so_many(book: Book) -> None:
    missing = [said("missing", VALIDATORS[0], {"slot": 0, "segment": at}) for at in range(1, 9)]
    book.note([said("missing", STRANGER, {"slot": 0, "segment": 1}), *missing])
    assert list(book.round(NAME).missing) == [(VALIDATORS[0].address, 0, at) for at in range(1, 9)]
    others = [signer.address for signer in (*VALIDATORS, STRANGER)]
    book.note([said("want", PROVIDERS[0], {"of": others}), said("want", VALIDATORS[0], {"of": others})])
    assert list(book.round(NAME).wanted) == [(VALIDATORS[0].address, other) for other in others[:2]]


def test_strangers_announce_no_states_and_parties_only_a_few(book: Book) -> None:
    def announce(sender: KeySigner, at: int) -> Message:
        return said("aggregate", sender, {"root": bytes([at]).hex() * 32, "cid": f"sha256:{at}"})

    book.note([announce(STRANGER, 1)])
    assert not book.published
    book.note([announce(VALIDATORS[0], at) for at in range(50)])
    assert len(book.published) == scribe.ROOTS_MAX


def test_all_strangers_together_have_one_quota_of_bytes(book: Book) -> None:
    message = said("request", STRANGER, {"slot": 0, "segment": 0, "padding": "x" * 60_000})
    book.note([replace(message, sender=KeySigner.create(bytes([9, at]) * 16).address) for at in range(1, 40)])
    page = book.round(NAME)
    assert len(page.requests) == QUOTA_STRANGERS_BYTES // len(message.body)
    book.note([said("request", VALIDATORS[0], {"slot": 0, "segment": 0})])
    assert (VALIDATORS[0].address, 0, 0) in page.requests, "parties have their own"


def test_empty_words_are_counted_as_well(book: Book) -> None:
    # What is asked again is answered again, so it is entered each time; the account stops all the same.
    book.note([said("want", STRANGER, {})] * (2 * QUOTA_STRANGERS_BYTES // OVERHEAD_BYTES))
    (spent_bytes,) = book.round(NAME).spent_bytes.values()
    assert QUOTA_STRANGERS_BYTES // 2 < spent_bytes <= QUOTA_STRANGERS_BYTES


def told_root(*pairs: tuple[Commitment, bytes]) -> tuple[bytes, dict[str, object]]:
    place = DOMAIN.chain_id, DOMAIN.rounds
    root = commitment_root({signed.slot: signed.leaf(*place) for signed, _ in pairs}, len(PROVIDERS))
    return root, {**commitments(*pairs), "root": root.hex(), "present": [3]}


def test_what_a_root_is_made_of_is_kept_where_it_is_so_and_from_who_has_a_part(book: Book) -> None:
    first, other = commitment(0, 5), commitment(0, 6)
    root, content = told_root(other, commitment(1))
    book.note([said("commitments", PROVIDERS[0], commitments(first)), said("commitments", STRANGER, content)])
    assert not book.round(NAME).sets
    book.note([said("commitments", VALIDATORS[0], {**content, "root": "11" * 32})])
    assert not book.round(NAME).sets
    book.note([said("commitments", VALIDATORS[0], content)])
    page = book.round(NAME)
    assert page.sets[VALIDATORS[0].address][0] == root
    assert page.sets[VALIDATORS[0].address][1][0] == other, "not the one that was heard first"
    assert page.commitments[0] == first
    later, content = told_root(commitment(1))
    book.note([said("commitments", VALIDATORS[0], content)])
    assert [known for known, _ in page.sets.values()] == [later], "one for each who tells"


def test_requests_are_bounded_and_counted_once(book: Book) -> None:
    book.note([said("request", STRANGER, {"slot": 0, "segment": 1})] * 5)
    assert len(book.round(NAME).requests) == 1
    book.note([said("request", STRANGER, {"slot": 0, "segment": at}) for at in range(2_000)])
    assert len(book.round(NAME).requests) == scribe.REQUESTS_STRANGERS_MAX


def test_final_rounds_are_forgotten_and_not_taken_up_again(book: Book) -> None:
    for index in range(3):
        for generation in (0, 1):
            book.note([said("request", STRANGER, {"slot": 0, "segment": 0}, (1, generation, index))])
    book.forget(1, 2)
    assert set(book.rounds) == {(1, 0, 2), (1, 1, 2)}
    book.note([said("request", STRANGER, {"slot": 0, "segment": 0}, (1, 0, 1))])
    assert (1, 0, 1) not in book.rounds
    book.close(1)
    assert not book.rounds


def test_everything_is_typed(book: Book) -> None:
    content: Any = {"slot": True, "segment": 0}
    book.note([said("request", STRANGER, content), said("request", STRANGER, {"slot": 0, "segment": 1.0})])
    assert not book.round(NAME).requests


def test_a_table_survives_a_node_that_does_not_answer_once() -> None:
    class Flaky(Roll):
        answers = iter([Unavailable("the node does not answer"), 64])

        def rows_most(self, job: int) -> int:
            answer = next(self.answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

    book, message = Book(DOMAIN, Flaky()), said("table", VALIDATORS[0], {"rows": [[0, 0, "00" * 32, "00" * 32, 0]]})
    with pytest.raises(Unavailable):
        book.note([message])
    book.note([message])
    assert book.round(NAME).rooted


def test_tables_that_stand_nowhere_take_no_room(book: Book) -> None:
    """More rows than any sample has are none, and whoever tells one table after another is not heard for ever."""
    validator = VALIDATORS[0]

    def tell(number: int, count: int) -> None:
        rows = [[0, at, f"{number:064x}", "00" * 32, 0] for at in range(count)]
        book.note([said("table", validator, {"rows": rows})])

    tell(0, 65)
    assert not book.round(NAME).rooted
    for number in range(3 * scribe.TABLES_MAX):
        tell(number, 64)
    assert len(book.round(NAME).rooted) == scribe.TABLES_MAX
