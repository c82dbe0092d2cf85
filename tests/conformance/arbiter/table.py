"""A game played out between two sides on the contracts themselves, move by move."""

from dataclasses import dataclass, field
from typing import Any

from assay.proof.bisect import Challenger
from assay.proof.claim import Claim
from assay.proof.defence import Defender
from assay.proof.opened import Key, Move
from tests.conformance.arbiter.harness import CALLER, Halted, Harness

CLOCK_S = 3_600
OUTCOMES = ("open", "upheld", "dismissed", "fault")
MOVES_MAX = 64
SUM = "(uint32,uint32,uint256,uint256,uint256,uint256,int256,bool)"
SUMMED = f"Summed(uint256,bytes32,{SUM})"
KINDS = ("", "steps", "rows", "leaves", "content", "state", "parts", "witness", "fault")


@dataclass
class Table:
    """The arbiter and the games, deployed. Whoever calls is both sides and the owner."""

    harness: Harness = field(default_factory=lambda: Harness("Games", [("address", "Arbiter"), ("address", CALLER)]))
    now_s: int = 1_000

    def send(self, name: str, *arguments: Any) -> tuple[Any, int]:
        """A transaction: (result, its gas). Errors: `Halted`."""
        return self.harness.send(name, *arguments, now_s=self.now_s)

    def open(self, claim: Claim) -> int:
        """Begins a game."""
        return int(self.send("open", claim.to_abi(), CALLER, CLOCK_S)[0])

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
    table: Table, claim: Claim, challenger: Challenger, defender: Defender, known: dict[Key, bytes] | None = None
) -> Played:
    """Plays a game to its end. A side that has no move lets its clock run out."""
    known = {} if known is None else known
    game = table.open(claim)
    moves: list[tuple[str, int]] = []
    demand: Key | None = ("steps",) if claim.steps > 1 and ("steps",) not in known else None
    sum_: tuple[Any, ...] | None = None
    for _ in range(MOVES_MAX):
        if demand is None:
            move = challenger.move(known)
            demand, sum_ = _make(table, game, claim, move, moves)
        else:
            answer = defender.move(demand, sum_)
            if answer is None:
                table.now_s += 2 * CLOCK_S
                _, gas = table.send("timeout", game)
                moves.append(("timeout", gas))
            else:
                try:
                    _make(table, game, claim, answer, moves)
                except Halted:
                    table.now_s += 2 * CLOCK_S
                    _, gas = table.send("timeout", game)
                    moves.append(("timeout", gas))
                else:
                    known[demand] = opened(answer)
            demand = None
        outcome = OUTCOMES[table.view(game)[4]]
        if outcome != "open":
            return Played(moves, outcome)
    raise AssertionError(f"no end: {moves}")


def _make(
    table: Table, game: int, claim: Claim, move: Move, moves: list[tuple[str, int]]
) -> tuple[Key | None, tuple[Any, ...] | None]:
    """Makes a move; what is owed then."""
    arguments = (game,) if move.name == "resign" else (game, claim.to_abi(), *move.arguments)
    _, gas = table.send(move.name, *arguments)
    moves.append((move.name, gas))
    if not move.name.startswith(("demand", "prove")):
        return None, None
    kind = KINDS[table.view(game)[2]]
    if not kind:
        return None, None
    rest = move.arguments
    if kind == "parts":
        sum_ = table.harness.event(SUMMED, [SUM])[0]
        return ("parts", *sum_[:5]), sum_
    if kind == "witness":
        return ("witness", rest[0], rest[1][1], rest[1][4]), None
    return (kind, *(rest[:3] if kind == "rows" else rest)), None


def opened(move: Move) -> bytes:
    """What an answer opened, as the event has it."""
    if move.name == "answerParts":
        return bytes(move.arguments[1])
    if move.name == "answerContent":
        return bytes(move.arguments[2][2][1])
    if move.name in ("answerWitness", "answerFault"):
        return b""
    hashes = {"answerSteps": 0, "answerRows": 3, "answerLeaves": 4, "answerState": 2}[move.name]
    return b"".join(move.arguments[hashes])
