"""Going down from a claim to the element in which it is wrong, by re-executing it here.

Believes nobody: commitments come from the chain, bytes are compared with their hashes. What was opened in a game says
where to look, and what was claimed there; without a game there is the state that was served, if one was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from assay.api.element import ROLES, Difference, Number, difference_at
from assay.api.layout import Layout, layout_of
from assay.api.narrowing import Judged, Narrowing, claimed_of
from assay.exact.values import ITEM_BYTES
from assay.proof.bisect import Challenger
from assay.proof.claim import Replay
from assay.proof.opened import Key, Move, hashes_in
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import AssayError
from assay.protocol.phase import Target
from assay.protocol.score import UNSCORED, BatchMark, is_due
from assay.protocol.table import Entry, score_digest
from assay.protocol.transcript import ZERO, Leaf
from assay.roles.assignment import State
from assay.roles.exam import marks
from assay.roles.finding import Unit
from assay.roles.forms import from_chain
from assay.roles.grounds import Examination, Ground, Merger, Stand, records_of
from assay.roles.judge import Judge
from assay.roles.pace import patience_s
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.starts import Starts
from assay.work.state import content_of, root_of

AWAITED = "what it begins with, or its opening, is not here"
STRAYED = "the row begins elsewhere than the slot's work leads to"
UNMEASURED = "nobody has to measure this round"
ODD = (LookupError, ValueError, StopIteration, AssertionError)
"""What following openings raises that no game could have come to: a node that tells of other events than there are."""


@dataclass(frozen=True)
class Descent:
    """What re-execution found of one claim. `agrees` is None where it could not be done, and `reason` says why; it says
    what differs where that is no run's end."""

    agrees: bool | None
    reason: str = ""
    claimed_end: bytes = b""
    computed_end: bytes = b""
    difference: Difference | None = None
    step: int | None = None
    """The first of the round after which the opened states are not those of re-execution, where they were opened."""

    @property
    def words(self) -> str:
        """One sentence."""
        if self.agrees is None:
            return f"could not be executed again: {self.reason}"
        if self.agrees:
            return "executed again, equal bit for bit"
        if self.difference is None and self.reason:
            return self.reason
        if self.difference is None:
            claimed, computed = self.claimed_end.hex()[:12], self.computed_end.hex()[:12]
            told = "where they part was neither opened nor served"
            if self.step is not None:
                told = f"they part in step {self.step}, of which no more was opened"
            return f"claimed end {claimed}, re-execution gives {computed}; {told}"
        return self.difference.words

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "agrees": self.agrees,
            "words": self.words,
            "claimed_end": self.claimed_end.hex() or None,
            "computed_end": self.computed_end.hex() or None,
            "step": self.step,
            "difference": None if self.difference is None else self.difference.to_json(),
        }


class _Unasking(Starts):
    """What was served so far: an onlooker asks nobody for more."""

    def ask(self, name: RoundName, slot: int, segment: int) -> None:
        """Nothing."""


class Onlooker(Judge):
    """A judge that only reads."""

    def __init__(self, party: Party) -> None:
        super().__init__(party)
        self.starts = _Unasking(party)


class Digger:
    """Descends for one party, which has heard what there is to hear."""

    def __init__(self, party: Party, judge: Judge | None = None) -> None:
        self.party = party
        self.judge = judge or Onlooker(party)

    def layout(self, name: RoundName, target: Target, segment: int) -> Layout | None:
        """How large it is what a dispute is about; nothing where the job's programs cannot be had."""
        try:
            assignment = self.party.assignment(name[0])
        except AssayError:
            return None
        updates = len(bitmap_slots(self.party.clerk.round(name).included)) if target == Target.AGGREGATE else 0
        return layout_of(assignment.bundle, target, assignment.order.steps_per_segment, segment, updates)

    def ground(self, name: RoundName, unit: Unit, batch: int = 0) -> Stand | None:
        """What a claim is about, as it was opened; nothing where that, or a state that it takes, is not here. `batch`:
        of a score's marks."""
        accused, target, slot, segment = unit
        if target == Target.AGGREGATE:
            parts, end_root = self.judge.parts(name), self.party.clerk.round(name).end_root
            return Merger(self.party.assignment(name[0]), name, accused, *parts, end_root) if parts else None
        if target == Target.SCORE:
            state, shown = self.end(name), self.party.clerk.notices.marks(name)
            told = None if shown is None else from_chain(shown)
            if state is None or told is None or told.at(batch) is None:
                return None
            return Examination(self.party.assignment(name[0]), name, accused, state, told, batch)
        if target == Target.TABLE:
            return self._row(name, unit)
        transcript, judge = self.judge.transcript(name, slot), self.judge
        if transcript is None:
            return None
        emit, leaves = target == Target.EMIT, transcript.leaves
        first = 0 if emit else segment
        if not 0 <= first < len(leaves) - 1:
            return None
        start = judge.state(name, slot, first)
        end = judge.state(name, slot, len(leaves) - 1) if emit else None
        if start is None or (emit and end is None):
            return None
        after, assignment = leaves[-1] if emit else leaves[first + 1], self.party.assignment(name[0])
        return Ground(assignment, name, slot, accused, Target(target), segment, (leaves[first], start), after, end)

    def _row(self, name: RoundName, unit: Unit) -> Ground | None:
        """A row of a table, from where it says that it began."""
        accused, _, slot, segment = unit
        row = self.entry(name, unit)
        start = None if row is None else self.judge.begun(name, slot, segment, row.start_root)
        if row is None or start is None:
            return None
        before, after = Leaf(segment, row.start_root), Leaf(segment + 1, row.state_root, row.loss_bits)
        assignment = self.party.assignment(name[0])
        return Ground(assignment, name, slot, accused, Target.TABLE, segment, (before, start), after)

    def entry(self, name: RoundName, unit: Unit) -> Entry | None:
        """The row of a table that a claim is about."""
        accused, _, slot, segment = unit
        rows = self.judge.rows(name, accused)
        return next((each for each in rows if (each.slot, each.segment) == (slot, segment)), None)

    def end(self, name: RoundName) -> State | None:
        """The state that a round says it ends in."""
        return self.party.state(name[0], self.party.clerk.round(name).end_root)

    def stray(self, name: RoundName, unit: Unit) -> Descent | None:
        """Of a row that begins neither where its slot says nor where the work leads to: where that is, from the round's
        start. Nothing of one that begins at either, or that is not here."""
        row, view = self.entry(name, unit), self.party.clerk.round(name)
        if row is None:
            return None
        root: bytes | None = view.start_root
        if row.segment:
            transcript = self.judge.transcript(name, row.slot)
            if transcript is None or transcript.leaves[row.segment].state_root == row.start_root:
                return None
            stretch = self.judge.replays.replay(name, view, row.slot, row.segment - 1)
            root = None if stretch is None else stretch.span.state_root
        if root is None:
            return Descent(None, AWAITED)
        return None if root == row.start_root else Descent(False, STRAYED, row.start_root, root)

    def _measure(self, name: RoundName, unit: Unit) -> Descent:
        """A score of which no batch is disputed yet: as a whole, or by the first mark that is false."""
        assignment, view, state = self.party.assignment(name[0]), self.party.clerk.round(name), self.end(name)
        order, compute, shown = assignment.order, self.party.world.compute, self.party.clerk.notices.marks(name)
        if view.score == UNSCORED and not is_due(order.stop_score, name[2], order.rounds):
            return Descent(None, UNMEASURED)
        if state is None:
            return Descent(None, AWAITED)
        with compute.metered("verify"), compute.within(patience_s(order.windows.open)):
            mine = marks(compute, assignment, state, assignment.test)
        batch = None if shown is None else mine.first_other(from_chain(shown))
        if batch is not None:
            return self.descend(name, unit, batch=batch)
        found = mine.score(order.scores_loss)
        words = "" if found == view.score else f"the end state scores {found}, not {view.score}"
        told, given = (score_digest(view.end_root, each) for each in (view.score, found))
        return Descent(not words, words, told, given)

    def descend(
        self, name: RoundName, unit: Unit, narrowing: Narrowing | None = None, batch: int | None = None
    ) -> Descent:
        """Re-executes one claim and follows the first difference as far down as what was opened leads. Errors: those of
        fetching the job, `LimitExceeded` where its program takes longer than is allowed here."""
        if unit[1] == Target.SCORE and batch is None:
            return self._measure(name, unit)
        stray = self.stray(name, unit) if unit[1] == Target.TABLE else None
        if stray is not None:
            return stray
        ground, layout = self.ground(name, unit, batch or 0), self.layout(name, Target(unit[1]), unit[3])
        if ground is None or layout is None:
            return Descent(None, AWAITED)
        compute, windows = self.party.world.compute, self.party.clerk.order(name[0]).windows
        with compute.metered("verify"), compute.within(patience_s(windows.table + windows.open)):
            work = ground.replay(compute.allowance)
            claim, end = ground.claim, work.ends[-1]
            if isinstance(ground, Examination) and ground.marks.fault != ZERO:
                # That a fault is claimed is decided by whether there is one, whatever was named as its digest.
                agrees = work.faulty is not None
            else:
                agrees = end == claim.end and claim.loss_bits in (None, work.loss_bits)
            found = self._found(ground, layout, work, narrowing)
            if found is None and not agrees:
                found = self._served(ground, layout, work)
            if found is None and not agrees and end == claim.end:
                loss = Judged(layout.steps - 1, layout.program.outputs[-1], 0, "", "proveLoss")
                found = self._numbers(ground, layout, work, loss, {})
            run = None if agrees or narrowing is None else _parting(work.ends, narrowing.known, claim.end)
        step = None if run is None or layout.whole else layout.first_step + run
        return Descent(agrees, "", claim.end, end, found, step)

    # by what was opened in a game

    def _found(self, ground: Stand, layout: Layout, work: Replay, narrowing: Narrowing | None) -> Difference | None:
        if narrowing is None:
            return None
        judged = narrowing.judged or self._next(ground, work, narrowing.known)
        if judged is None or not 0 <= judged.number < len(layout.program.values) or judged.run >= layout.steps:
            return None
        if judged.about != "tensor" and judged.element >= layout.program.values[judged.number].size:
            return None
        try:
            return self._numbers(ground, layout, work, judged, narrowing.known)
        except ODD:
            return None

    def _next(self, ground: Stand, work: Replay, known: Mapping[Key, bytes]) -> Judged | None:
        """What a challenger would show now; nothing where more has to be opened first."""
        if not known:
            return None
        try:
            return _judged(ground, Challenger(ground.claim, work, records_of(ground)).move(known))
        except ODD:
            return None

    def _numbers(
        self, ground: Stand, layout: Layout, work: Replay, judged: Judged, known: Mapping[Key, bytes]
    ) -> Difference:
        raw = claimed_of(judged, known, layout)
        element = 0 if judged.about == "tensor" else judged.element
        found = self._place(ground, layout, judged.number, element, judged.about, judged.run)
        found = replace(found, ruling=judged.ruling)
        value = work.values(judged.run, [judged.number]).get(judged.number)
        if judged.about == "tensor":
            mine = None if value is None else Number.of_hash(root_of(value))
            return replace(found, claimed=Number.of_hash(raw) if raw else None, computed=mine)
        if judged.about == "loss":
            raw = (ground.claim.loss_bits or 0).to_bytes(4, "little")
        item = ITEM_BYTES[found.dtype]
        claimed = Number.of(raw, found.dtype) if len(raw) == item else None
        return replace(found, claimed=claimed, computed=None if value is None else _element(value, element, item))

    # by what was served

    def _served(self, ground: Stand, layout: Layout, work: Replay) -> Difference | None:
        """The first element of what was served for an end that is not as it should be."""
        theirs = self._shown_end(ground)
        if theirs is None or work.faulty is not None:
            return None
        outputs = layout.program.outputs[: layout.end_count]
        values = work.values(layout.steps - 1, outputs)
        for number, claimed in zip(outputs, theirs, strict=False):
            mine = values.get(number)
            if mine is None or mine.shape != claimed.shape or mine.dtype != claimed.dtype:
                continue
            item = mine.element_size()
            one, other = (_items(tensor, item) for tensor in (claimed, mine))
            parts = [at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
            if parts:
                run = 0 if layout.steps == 1 else None
                about = layout.whole.removeprefix("the ") or "end"
                found = self._place(ground, layout, number, parts[0], about, run)
                stated, given = (_element(tensor, parts[0], item) for tensor in (claimed, mine))
                return replace(found, claimed=stated, computed=given, differing=len(parts))
        return None

    def _shown_end(self, ground: Stand) -> State | None:
        if isinstance(ground, Merger):
            return self.end(ground.name)
        if isinstance(ground, Examination):
            told = ground.marks.at(ground.batch)
            counts = (told.correct_count, told.target_count) if isinstance(told, BatchMark) else ()
            return [torch.tensor(count) for count in counts] or None
        if ground.target == Target.EMIT:
            opened = self.judge.openings.of(ground.name, self.party.clerk.round(ground.name), ground.slot)
            return None if opened is None else opened.update
        # Nobody serves where a row of a table ends.
        whole = ground.target == Target.SEGMENT
        return self.judge.state(ground.name, ground.slot, ground.segment + 1) if whole else None

    def _place(
        self, ground: Stand, layout: Layout, number: int, element: int, about: str, run: int | None
    ) -> Difference:
        found = difference_at(
            layout,
            number,
            element,
            about=about,
            run=None if layout.whole else run,
            accused=ground.accused,
            whose=ROLES.get(ground.target.name, "aggregator"),
        )
        names = ground.assignment.bundle.state_names
        if ground.target not in (Target.EMIT, Target.SCORE) and number in layout.program.outputs[: layout.end_count]:
            return replace(found, tensor=names[layout.program.outputs.index(number)])
        return found


def _judged(ground: Stand, move: Move) -> Judged | None:
    """Where a move shows that a claim is wrong; nothing of one that only asks."""
    inputs, first, ruling = len(ground.program.inputs), ground.claim.first, ""
    match move.name, move.arguments:
        case "prove", (step, evidence):
            return Judged(step, inputs + evidence[1], evidence[4], ruling, move.name)
        case "provePart", (sum_, _, _, evidence):
            return Judged(sum_[0], inputs + evidence[1], evidence[4], ruling, move.name)
        case "proveSample", (step, sample):
            return Judged(step, first + sample[0], sample[1], ruling, move.name)
        case "proveOutput", (step, output, number, *_):
            return Judged(step, number, output, ruling, move.name)
        case "proveLoss", (number, *_):
            return Judged(ground.claim.steps - 1, number, 0, ruling, move.name)
    return None


def _parting(mine: Sequence[bytes], known: Mapping[Key, bytes], end: bytes) -> int | None:
    """The first run after which the states differ; nothing where those between the runs were not opened."""
    claimed = [*hashes_in(known.get(("steps",), b"")), end]
    if len(claimed) != len(mine):
        return None
    return next((at for at, (one, other) in enumerate(zip(mine, claimed, strict=True)) if one != other), None)


def _element(tensor: Tensor, element: int, item: int) -> Number:
    raw = bytes(content_of(tensor)[element * item : (element + 1) * item])
    dtype = {"torch.float32": "F32", "torch.int16": "I16", "torch.int32": "I32", "torch.int64": "I64"}
    return Number.of(raw, dtype.get(str(tensor.dtype), "BOOL"))


def _items(tensor: Tensor, item: int) -> Sequence[bytes]:
    """The bytes of each element."""
    content = bytes(content_of(tensor))
    return [content[at : at + item] for at in range(0, len(content), item)]
