"""A game out of its events: levels, what is left, who moved, and what odd events of a node do to none of it."""

from dataclasses import replace
from typing import Any

import pytest
from eth_hash.auto import keccak

from assay.api.contest import Contest
from assay.api.layout import Layout, layout_of, name_of, operator_of, source_of
from assay.api.moves import Side, Spent
from assay.api.narrowing import Narrowing, narrow
from assay.architectures.ship import load_shipped
from assay.chain.contracts.containers import Sum
from assay.chain.contracts.games import Answered, Demanded, Ended, Ruled, Summed
from assay.chain.events import Emitted, Event, LogEntry
from assay.proof.evidence import PART_BYTES
from assay.protocol.merkle import depth
from assay.protocol.phase import Ending, Target
from assay.protocol.words import word
from assay.roles.duels import KINDS
from assay.work.program import Bundle

CLAIM, OTHER = bytes([7]) * 32, bytes([8]) * 32
STEPS = 4
HUGE = (1 << 256) - 1


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_shipped("digits-mlp")


@pytest.fixture(scope="module")
def layout(bundle: Bundle) -> Layout:
    found = layout_of(bundle, Target.SEGMENT, STEPS, 2)
    assert found is not None
    return found


class Tape:
    """Events of games, each in a transaction of its own unless `together`."""

    def __init__(self) -> None:
        self.emitted: list[Emitted[Event]] = []
        self.spent: dict[bytes, Spent] = {}

    def add(self, event: Event, *, together: bool = False, **spent: Any) -> "Tape":
        at = len(self.emitted)
        transaction = self.emitted[-1].log.transaction_hash if together else at.to_bytes(32, "big")
        log = LogEntry("0x" + "12" * 20, (), b"", at, bytes(32), transaction, 0)
        self.emitted.append(Emitted(event, log))
        self.spent.setdefault(transaction, Spent(**{"gas": 1_000, "fee_wei": 7_000, **spent}))
        return self

    def ask(self, kind: str, *where: int, game: int = 1, claim: bytes = CLAIM) -> "Tape":
        """A demand, by its key."""
        fields = {"steps": "", "rows": "shi", "leaves": "srhi", "content": "sri", "state": "si", "witness": "sri"}[kind]
        places = dict(zip(fields, where, strict=True))
        ordered = (places.get(name, 0) for name in "srhi")
        return self.add(Demanded(game, claim, KINDS.index(kind), *ordered))

    def open(self, kind: str, *where: int, content: bytes, game: int = 1, claim: bytes = CLAIM) -> "Tape":
        """An answer, to the demand of this key."""
        demanded = keccak(word(KINDS.index(kind)) + b"".join(map(word, where)))
        return self.add(Answered(game, claim, KINDS.index(kind), demanded, content))

    def narrow(self, layout: Layout | None, game: int = 1) -> Narrowing:
        return narrow(game, self.emitted, layout, self.spent)


def hashes(count: int) -> bytes:
    return bytes(32 * count)


def down_to(layout: Layout, number: int, *, game: int = 1) -> Tape:
    """A game that was played down to the first leaf of a value of step 1."""
    row, top, tape = number - layout.first, depth(layout.row_count), Tape()
    tape.ask("steps", game=game).open("steps", content=hashes(STEPS - 1), game=game)
    tape.ask("rows", 1, top, 0, game=game)
    tape.open("rows", 1, top, 0, content=hashes(-(-layout.row_count // 64)), game=game)
    width = min(64, layout.row_count - row // 64 * 64)
    tape.ask("rows", 1, 6, row // 64, game=game).open("rows", 1, 6, row // 64, content=hashes(width), game=game)
    count = layout.leaf_count(number)
    tape.ask("leaves", 1, row, depth(count), 0, game=game)
    tape.open("leaves", 1, row, depth(count), 0, content=hashes(count), game=game)
    size = layout.leaf_bytes(number)
    tape.ask("content", 1, row, 0, game=game)
    return tape.open("content", 1, row, 0, content=bytes(range(256)) * (size // 256), game=game)


def test_a_game_comes_down_level_by_level_to_an_element(layout: Layout) -> None:
    number = layout.program.outputs[0]
    row = number - layout.first
    tape = down_to(layout, number)
    tape.add(Ruled(1, 1, number, 3, 0), call="prove").add(Ended(1, CLAIM, Ending.UPHELD), together=True)
    found = tape.narrow(layout)
    assert [level.kind for level in found.levels] == ["steps", "rows", "rows", "leaves", "content"]
    assert [level.chosen for level in found.levels] == [1, row // 64, row, 0, 3]
    assert [level.left for level in found.levels] == [1, min(64, layout.row_count - row // 64 * 64), 1, 1, 1]
    assert all(level.answered and not level.elsewhere for level in found.levels)
    assert [level.gas for level in found.levels] == [1_000, 2_000, 2_000, 2_000, 2_000]
    assert found.ending == Ending.UPHELD
    assert found.judged is not None
    assert (found.judged.about, found.judged.ruling) == ("element", "upheld")
    assert found.claimed == bytes([12, 13, 14, 15])
    assert found.left == {"steps": 1, "values": 1, "leaves": 1, "elements": 1}
    assert [move.side for move in found.moves[-2:]] == [Side.CHALLENGER] * 2
    assert [move.gas for move in found.moves[-2:]] == [1_000, None], "a transaction's cost is told once"


def test_what_is_left_shrinks_with_every_level(layout: Layout) -> None:
    number, seen = layout.program.outputs[0], []
    tape = down_to(layout, number)
    for until in range(1, len(tape.emitted) + 1):
        left = narrow(1, tape.emitted[:until], layout).left
        seen.append([left["steps"], left["values"], left["elements"]])
    assert seen[0] == [STEPS, layout.row_count, None]
    assert seen[2] == [1, layout.row_count, None]
    assert seen[6][1] == 1
    assert seen[-1] == [1, 1, layout.elements_per_leaf(number)]
    sizes = [row[1] for row in seen]
    assert sizes == sorted(sizes, reverse=True)


def test_what_was_opened_in_another_game_is_a_level_of_this_one_too(layout: Layout) -> None:
    number = layout.program.outputs[0]
    tape = down_to(layout, number, game=1)
    tape.add(Ruled(2, 1, number, 3, 0), call="prove").add(Ended(2, CLAIM, Ending.UPHELD), together=True)
    found = tape.narrow(layout, game=2)
    assert [level.kind for level in found.levels] == ["steps", "rows", "rows", "leaves", "content"]
    assert all(level.elsewhere for level in found.levels)
    assert found.claimed == bytes([12, 13, 14, 15])
    assert sum(level.gas for level in found.levels) == 0


def test_a_game_about_another_claim_opens_nothing_here(layout: Layout) -> None:
    tape = Tape().ask("steps").ask("steps", game=2, claim=OTHER)
    tape.open("steps", content=hashes(STEPS - 1), game=2, claim=OTHER)
    (level,) = tape.narrow(layout).levels
    assert not level.answered
    assert level.opened == 0


def test_any_number_of_other_games_takes_nothing_from_this_one(layout: Layout) -> None:
    tape = Tape()
    for game in range(2, 1_200):
        tape.ask("steps", game=game, claim=OTHER)
    number, first = layout.program.outputs[0], len(tape.emitted)
    for each in down_to(layout, number).emitted:
        tape.add(each.event)
    found = tape.narrow(layout)
    assert [level.kind for level in found.levels] == ["steps", "rows", "rows", "leaves", "content"]
    assert len(found.moves) == len(tape.emitted) - first


def test_without_a_layout_counts_are_left_open() -> None:
    tape = Tape().ask("steps").open("steps", content=hashes(1)).ask("rows", 0, 8, 0)
    found = tape.open("rows", 0, 8, 0, content=hashes(3)).ask("rows", 0, 6, 2).narrow(None)
    assert [(level.opened, level.chosen, level.total) for level in found.levels] == [
        (2, 0, 2),
        (3, 2, None),
        (0, None, None),
    ]
    assert found.left == {"steps": 1, "values": 64, "leaves": None, "elements": None}


def test_a_sum_goes_down_by_parts(bundle: Bundle, layout: Layout) -> None:
    node, inputs = len(layout.program.nodes) - 1, len(layout.program.inputs)
    first = Sum(1, node, 5, 0, 100_000, 512, -7, True)
    second = Sum(1, node, 5, 512, 512, 256, 3, False)
    tape = Tape()
    for sum_, parts in ((first, 196), (second, 2)):
        tape.add(Ruled(1, 1, inputs + node, 5, 3), call="prove").add(Summed(1, CLAIM, sum_), together=True)
        demanded = keccak(word(KINDS.index("parts")) + b"".join(word(int(each)) for each in sum_.to_abi()))
        tape.add(Answered(1, CLAIM, KINDS.index("parts"), demanded, bytes(parts * PART_BYTES)))
    words = [0, 0, *(int(each) for each in second.to_abi()), 0, 1]
    arguments = b"".join(word(each) for each in words)
    tape.add(Ruled(1, 1, inputs + node, 5, 0), call="provePart", arguments=arguments)
    found = tape.narrow(layout)
    levels = [level for level in found.levels if level.kind == "parts"]
    assert [(level.opened, level.total, level.covers, level.chosen) for level in levels] == [
        (196, 196, 512, 1),
        (2, 2, 256, 1),
    ]
    short = replace(tape.spent[tape.emitted[-1].log.transaction_hash], arguments=arguments[:64])
    tape.spent[tape.emitted[-1].log.transaction_hash] = short
    assert [level.chosen for level in tape.narrow(layout).levels if level.kind == "parts"] == [1, None]


@pytest.mark.parametrize(("call", "about"), [("proveOutput", "tensor"), ("proveLoss", "loss"), ("", "tensor")])
def test_an_end_that_is_not_made_of_the_values(layout: Layout, call: str, about: str) -> None:
    tape = Tape().ask("state", 1, 0).open("state", 1, 0, content=bytes([9]) * 32 * layout.end_count)
    number = layout.program.outputs[layout.end_count if about == "loss" else 1]
    found = tape.add(Ruled(1, 1, number, 0 if about == "loss" else 1, 0), call=call).narrow(layout)
    assert found.judged is not None
    assert found.judged.about == about
    (level,) = found.levels
    assert (level.opened, level.chosen) == (layout.end_count, None if about == "loss" else 1)
    assert found.claimed == (b"" if about == "loss" else bytes([9]) * 32)


def test_an_update_is_as_large_as_its_program(bundle: Bundle) -> None:
    layout = layout_of(bundle, Target.EMIT, STEPS, 2)
    assert layout is not None
    assert (layout.steps, layout.end_count, layout.first) == (1, len(bundle.emit.outputs), len(bundle.emit.inputs))
    assert layout_of(bundle, Target.AGGREGATE, STEPS, 0, updates=99) is None
    assert layout_of(bundle, Target.TABLE, STEPS, 2) == layout_of(bundle, Target.SEGMENT, STEPS, 2)
    mark = layout_of(bundle, Target.SCORE, STEPS, 0)
    assert mark is not None
    assert (mark.steps, mark.end_count, mark.first) == (1, 2, len(bundle.evaluate.inputs) - 2), "two counts, and a loss"
    assert mark.words(0) == "the mark of a batch"


def test_an_aggregate_is_as_large_as_the_program_for_as_many_updates(bundle: Bundle) -> None:
    count = min(bundle.aggregate)
    layout, program = layout_of(bundle, Target.AGGREGATE, STEPS, 0, count), bundle.aggregate[count]
    assert layout is not None
    assert (layout.steps, layout.end_count, layout.first) == (1, len(program.outputs), len(program.inputs))
    assert layout.words(0) == "the aggregate"
    assert layout_of(bundle, Target.AGGREGATE, STEPS, 0, 10_000) is None


ODD = [
    Demanded(1, CLAIM, KINDS.index("rows"), HUGE, HUGE, HUGE, HUGE),
    Demanded(1, CLAIM, KINDS.index("leaves"), 0, 0, 255, 0),
    Demanded(1, CLAIM, 0, 0, 0, 0, 0),
    Demanded(1, CLAIM, 255, 0, 0, 0, 0),
    Demanded(1, CLAIM, KINDS.index("parts"), 0, 0, 0, 0),
    Answered(1, CLAIM, 255, bytes(32), b"x"),
    Answered(1, CLAIM, KINDS.index("content"), bytes(32), b"never asked for"),
    Ruled(1, HUGE, HUGE, HUGE, 255),
    Summed(1, CLAIM, Sum(HUGE, HUGE, HUGE, HUGE, HUGE, 0, -(1 << 255), True)),
]


@pytest.mark.parametrize("event", ODD, ids=lambda event: type(event).__name__)
def test_what_no_game_says_is_passed_over(layout: Layout, event: Event) -> None:
    sound = down_to(layout, layout.program.outputs[0])
    expected = sound.narrow(layout)
    odd = down_to(layout, layout.program.outputs[0]).add(event)
    assert odd.narrow(layout).levels == expected.levels
    Tape().add(event).narrow(layout)
    Tape().add(event).narrow(None)


ASKED = [
    ("rows", 1, 40, 3),
    ("rows", 3, 0, 5_000),
    ("leaves", 9_999, 2**40, 3, 3),
    ("content", 1, 2**40, 2**40),
    ("state", 1, 2**40),
    ("witness", 1, 2**40, 2**40),
]


@pytest.mark.parametrize("key", ASKED, ids=str)
@pytest.mark.parametrize("content", [b"", b"x", bytes(31), bytes(32 * 100)])
def test_demands_beyond_the_program_and_answers_of_any_length_do_no_harm(
    layout: Layout, key: tuple[Any, ...], content: bytes
) -> None:
    kind, *where = key
    tape = Tape().ask(kind, *where).open(kind, *where, content=content)
    for each in (layout, None):
        for level in tape.narrow(each).levels:
            assert level.opened <= 25_600
            assert level.chosen is None or level.first <= level.chosen
    tape.add(Ruled(1, 3, 2**40, 2**40, 0))
    tape.narrow(layout)
    tape.narrow(None)


def test_a_challenger_that_asks_all_over_is_told_in_order(layout: Layout) -> None:
    tape = Tape().ask("steps").open("steps", content=hashes(STEPS - 1))
    found = tape.ask("rows", 3, depth(layout.row_count), 0).ask("rows", 0, depth(layout.row_count), 0).narrow(layout)
    assert [(level.kind, level.run) for level in found.levels] == [("steps", None), ("rows", 3), ("rows", 0)]


def test_values_are_called_as_the_side_table_calls_them(layout: Layout) -> None:
    program = layout.program
    assert name_of(program, 0) == "layers.0.weight"
    assert name_of(program, program.outputs[0]) == "layers.0.weight"
    assert operator_of(program, 0) == "input"
    node = program.outputs[0]
    assert source_of(program, node) == program.side.sources[node - len(program.inputs)]
    bare = replace(program, side=type(program.side)())
    assert (name_of(bare, 0), source_of(bare, node)) == ("input 0", "")


def test_what_is_disputed_is_said_and_what_is_new_goes_by_its_name() -> None:
    def about(target: Target, generation: int = 0) -> str:
        return Contest(1, (1, generation, 2), target, 3, 4, "0xa", "0xb", 5, "open", "game").about

    assert about(Target.SEGMENT) == "segment 4 of slot 3 of round 2"
    assert about(Target.EMIT, 1) == "the update of slot 3 of round 2 (generation 1)"
    assert about(Target.AGGREGATE) == "the aggregate of round 2"
