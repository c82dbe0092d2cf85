"""A game played out between two sides on the contracts themselves, move by move."""

from dataclasses import dataclass, field, replace
from typing import Any

from assay.proof.bisect import Challenger
from assay.proof.claim import Claim
from assay.proof.defence import Defender
from assay.proof.opened import Key, Move, places_in
from assay.protocol.merkle import depth
from tests.conformance.arbiter.harness import CALLER, Halted, Harness

CLOCK_S = 3_600
CHALLENGER, DEFENDER, STRANGER = ("0x" + each * 20 for each in ("c1", "d1", "e1"))
OUTCOMES = ("open", "upheld", "dismissed", "fault")
MOVES_MAX = 64
SUM = "(uint32,uint32,uint256,uint256,uint256,uint256,int256,bool)"
SUMMED = f"Summed(uint256,bytes32,{SUM})"
KINDS = ("", "steps", "rows", "leaves", "content", "state", "parts", "witness")


GIVEN = [("address", "Arbiter"), ("address", CALLER), ("address", f"Clock {CALLER}")]
"""What `Games` is made with: the clock is never stopped here."""


@dataclass
class Table:
    """The arbiter and the games, deployed; `CALLER` owns them."""

    harness: Any = field(default_factory=lambda: Harness("Games", GIVEN))
    now_s: int = 1_000
    challenger: str = CHALLENGER
    defender: str = DEFENDER
    owner: str = CALLER

    def send(self, name: str, *arguments: Any, caller: str = "") -> tuple[Any, int]:
        """A transaction: (result, its gas). Errors: `Halted`."""
        sent: tuple[Any, int] = self.harness.send(name, *arguments, now_s=self.now_s, caller=caller or self.owner)
        return sent

    def move(self, game: int, claim: Claim, move: Move, caller: str) -> int:
        """Makes a move: its gas."""
        return self.send(move.name, *move.call(game, claim.to_abi()), caller=caller)[1]

    def open(self, claim: Claim) -> int:
        """Begins a game."""
        return int(self.send("open", claim.to_abi(), self.challenger, CLOCK_S)[0])

    def view(self, game: int) -> tuple[Any, ...]:
        """`GameView`."""
        return tuple(self.harness.call("viewOf", game))


@dataclass
class Played:
    """How a game went: its moves with their gas, and its outcome."""

    moves: list[tuple[str, int]]
    outcome: str

    @property
    def gas(self) -> int:
        """Of all moves."""
        return sum(gas for _, gas in self.moves)


def play(
    table: Table,
    claim: Claim,
    challenger: Challenger,
    defender: Defender,
    known: dict[Key, bytes] | None = None,
    game: int | None = None,
) -> Played:
    """Plays a game to its end. A side that has no move, or none that counts, lets its clock run out."""
    known = {} if known is None else known
    game = table.open(claim) if game is None else game
    moves: list[tuple[str, int]] = []
    answered = set(known) if type(known) is dict else set[Key]()  # what is known otherwise was not shown on chain
    demand, sum_ = _owed(table, game, claim, Move("open"))
    for _ in range(MOVES_MAX):
        if demand is None:
            move = challenger.move(known)
            moves.append((move.name, table.move(game, claim, move, table.challenger)))
            demand, sum_ = _owed(table, game, claim, move)
        else:
            answer = replace(defender, shown=places_in(answered)).move(demand, sum_)
            moves.append(_answer(table, game, claim, answer, demand, known))
            answered.add(demand)
            demand = None
        outcome = OUTCOMES[table.view(game)[4]]
        if outcome != "open":
            return Played(moves, outcome)
    raise AssertionError(f"no end: {moves}")


def _answer(
    table: Table, game: int, claim: Claim, answer: Move | None, demand: Key, known: dict[Key, bytes]
) -> tuple[str, int]:
    if answer is not None:
        try:
            gas = table.move(game, claim, answer, table.defender)
        except Halted:
            pass
        else:
            if not answer.name.startswith("answerFault"):
                known[demand] = opened(answer)
            return answer.name, gas
    table.now_s += 2 * CLOCK_S
    return "timeout", table.send("timeout", game)[1]


def _owed(table: Table, game: int, claim: Claim, move: Move) -> tuple[Key | None, tuple[Any, ...] | None]:
    """What the defender owes after a move."""
    kind, rest = KINDS[table.view(game)[2]], move.arguments
    if kind == "parts":
        (sum_,) = table.harness.event(SUMMED, [SUM])
        return ("parts", *sum_[:5]), sum_
    if kind == "witness":
        return ("witness", rest[0], rest[1][1], rest[1][4]), None
    if kind == "steps":
        return ("steps",), None
    if move.name == "demandRun":
        return ("rows", rest[0], depth(claim.row_count), 0), None
    return ((kind, *(rest[:3] if kind == "rows" else rest)) if kind else None), None


def opened(move: Move) -> bytes:
    """What an answer opened, as the event has it."""
    if move.name == "answerParts":
        return bytes(move.arguments[1])
    if move.name == "answerContent":
        return bytes(move.arguments[2][2][1])
    if move.name == "answerWitness":
        return b""
    hashes = {"answerSteps": 0, "answerRows": 3, "answerLeaves": 4, "answerState": 2}[move.name]
    return b"".join(move.arguments[hashes])
