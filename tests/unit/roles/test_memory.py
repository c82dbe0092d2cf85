"""What a party keeps over its process's end, and who cannot make it believe otherwise."""

import pytest

from assay.chain.artifacts import load_artifact
from assay.chain.reverts import format_type
from assay.protocol.errors import Malformed
from assay.protocol.table import Entry as Row
from assay.roles.bidding import Bid
from assay.roles.challenge import Raised
from assay.roles.memory import Memory
from assay.roles.seals import CLAIM_TYPE
from assay.roles.sheet import Sheet
from assay.roles.world import MemoryJournal

WORD, WHO = bytes(range(32)), "0x" + "11" * 20
ROWS = {(0, 1): Row(0, 1, WORD, bytes(32), 7), (3, 2): Row(3, 2, bytes(32), WORD, 0)}
KINDS = {
    "bid": Bid(2**90, WORD),
    "sheet": Sheet(5, WORD, list(ROWS), bytes(32), WORD, ROWS),
    "raised": Raised((1, 2, 3), (WHO, 0, 4, 5), b"claim", WORD, bytes(32)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_kept_is_there_in_the_next_process(kind: str) -> None:
    journal, value = MemoryJournal(), KINDS[kind]
    Memory(journal, kind, type(value).to_json, type(value).from_json).keep(value, 1, "a")  # type: ignore[attr-defined]
    again = Memory(journal, kind, type(value).to_json, type(value).from_json)  # type: ignore[attr-defined]
    assert again.get(1, "a") == value
    assert again.get(1, "b") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b'{"price":"x","salt":"00"}', b'{"price":1,"salt":"zz"}'])
def test_a_journal_that_somebody_wrote_in_is_refused(content: bytes) -> None:
    journal = MemoryJournal()
    journal.put("bid/1", content)
    with pytest.raises(Malformed):
        Memory(journal, "bid", Bid.to_json, Bid.from_json).get(1)


def test_words_are_kept_as_they_are() -> None:
    memory = Memory.of_words(MemoryJournal(), "secret")
    assert memory.keep(WORD, 1, 0, 2) == WORD
    assert memory.get(1, 0, 2) == WORD


def test_a_claim_is_written_as_its_contract_reads_it() -> None:
    functions = load_artifact("Disputes").get_entries("function")
    (function,) = [each for each in functions if each["name"] == "openChallenge"]
    assert format_type(function["inputs"][0]) == CLAIM_TYPE
