"""What a party makes of the events of games."""

from assay.chain.contracts.games import Answered, Demanded
from assay.roles.duels import KINDS, Record, _hash

CLAIM = b"c" * 32


def answered(game: int, kind: str, *fields: int, content: bytes = b"") -> Answered:
    return Answered(game, CLAIM, KINDS.index(kind), _hash(kind, *fields), content)


def test_what_was_opened_in_one_game_is_known_in_all() -> None:
    demanded = Demanded(1, CLAIM, KINDS.index("content"), 0, 5, 0, 2)
    record = Record.of([demanded, answered(1, "content", 0, 5, 2, content=b"x")])
    assert record.known == {("content", 0, 5, 2): b"x"}


def test_a_witness_is_shown_in_each_game_anew() -> None:
    """The contracts do not keep it: it ends the game that asked for it."""
    asked = [Demanded(game, CLAIM, KINDS.index("witness"), 0, 7, 0, 3) for game in (1, 2)]
    record = Record.of([asked[0], answered(1, "witness", 0, 7, 3), asked[1]])
    owed = record.keys[_hash("witness", 0, 7, 3)]
    assert owed not in record.known
