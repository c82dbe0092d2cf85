"""What a validator does so that all of them know the same: vouches for roots, passes on what some were not shown.

Nobody gains by showing something to a few only: what one honest validator has heard, every other gets by asking.
"""

from collections.abc import Sequence

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import RoundPhase
from assay.protocol.transcript import ZERO
from assay.protocol.typed import typed_digest
from assay.roles.content import commitment_content, row_content
from assay.roles.judge import Judge
from assay.roles.party import Party
from assay.roles.rooted import find_leaves
from assay.roles.round import RoundName, drop
from assay.roles.vote import cast, gather, root_values, unserved_values
from assay.roles.wake import ACTED, IDLE, Wake, wake_at


class Witness:
    """A validator among validators."""

    def __init__(self, party: Party, judge: Judge) -> None:
        self.party = party
        self.judge = judge
        self._vouched: dict[RoundName, object] = {}
        self._asked_s: dict[tuple[RoundName, int], dict[int, int]] = {}
        self._sampled: dict[RoundName, set[tuple[int, int]]] = {}
        self._served: set[tuple[RoundName, int, int]] = set()
        self._missed: set[tuple[RoundName, int]] = set()
        self._unserved: dict[RoundName, dict[int, str]] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        for kept in (self._vouched, self._asked_s, self._sampled, self._served, self._missed, self._unserved):
            drop(kept, job, below)

    def vouch(self, name: RoundName, view: RoundView) -> Wake:
        """Signs the root that the aggregator proposes, once every commitment behind it is here and none is left out.

        Who is left out is passed on, so that the next proposal holds it; without a quorum's word the aggregator must
        wait until everybody could enter directly.
        """
        party, page = self.party, self.party.book.round(name)
        if page.proposal is None or self._vouched.get(name) == (page.proposal, len(page.commitments)):
            return IDLE
        root, rows = page.proposal
        present, open_slots = set(bitmap_slots(rows)), party.clerk.open_slots(name[0])
        closes_s = view.opened_at + party.clerk.order(name[0]).windows.train
        if not present.issuperset(open_slots) and party.world.clock() < closes_s:
            # Kept until then, a word for some of the slots would leave out whoever has come since.
            return wake_at(closes_s)
        origin = party.clerk.origin(name)
        standing = [slot for slot, (commitment, _) in page.commitments.items() if commitment.origin == origin]
        left_out = [slot for slot in open_slots if slot in standing and slot not in present]
        self._vouched[name] = (page.proposal, len(page.commitments))
        if left_out:
            commitments = [commitment_content(*page.commitments[slot]) for slot in left_out]
            aggregator = party.clerk.aggregator(name[0])
            return party.voice.say(name, "commitments", {"commitments": commitments}, aggregator) | ACTED
        slot_count = party.clerk.order(name[0]).providers
        if find_leaves(page, root, rows, lambda _: None, party.clerk.place, slot_count) is None:
            return IDLE
        shown: dict[str, object] = {"root": root.hex(), "present": list(rows)}
        return cast(party, name, "Root", root_values(name, root, list(rows)), shown)

    def revealed(self, name: RoundName, view: RoundView) -> list[str]:
        """Who has revealed a table and holds its seat still."""
        return [v for at, v in enumerate(self.party.validators(name[0])) if view.tables_revealed >> at & 1]

    def heard(self, name: RoundName, view: RoundView) -> list[bool]:
        """Whose rows of them are here."""
        return [self.judge.tables.rows(name, validator) is not None for validator in self.revealed(name, view)]

    def want(self, name: RoundName, view: RoundView) -> Wake:
        """Asks the others for tables that stand on chain and were not shown here, before its patience is over."""
        due_s = view.deadline - 3 * self.party.clerk.order(name[0]).windows.open // 4
        if self.party.world.clock() < due_s:
            return wake_at(due_s)
        unheard = [each for each in self.revealed(name, view) if self.judge.tables.rows(name, each) is None]
        if not unheard:
            self.party.voice.hush(name, "want")
            return IDLE
        return self.party.voice.say(name, "want", {"of": unheard})

    def pass_on(self, name: RoundName) -> Wake:
        """Shows others' tables to whoever asks."""
        wake = IDLE
        wanted = self.party.book.round(name).wanted
        for asker, validator in list(wanted):
            rows = self.judge.tables.rows(name, validator)
            if rows is not None:
                del wanted[asker, validator]
                content: dict[str, object] = {"of": validator, "rows": row_content(rows)}
                wake |= self.party.voice.answer(name, "table", content, asker, validator)
        return wake

    def miss(self, name: RoundName, view: RoundView, awaited: Sequence[tuple[int, int]]) -> Wake:
        """Tells the others which start states nobody has served here, a quarter of a window after asking for them."""
        due_s = view.deadline - 3 * self._window_s(name, view) // 4
        if self.party.world.clock() < due_s:
            return wake_at(due_s)
        wake = IDLE
        for slot, segment in awaited:
            if segment:
                content: dict[str, object] = {"slot": slot, "segment": segment}
                wake |= self.party.voice.say(name, "missing", content, topic=(slot, segment))
                self._asked_s.setdefault((name, slot), {}).setdefault(segment, due_s)
        return wake

    def inquire(self, name: RoundName, view: RoundView, own: Sequence[tuple[int, int]]) -> Wake:
        """Asks for start states that others miss: passes on what it gets, signs that it got none, has the slot billed.

        What did not come while tables were blind is missed for good: validators have replayed it by the time that it
        is shown to everybody. While they are blind nobody is served two adjacent states of a slot, so whoever has asked
        for one, in any drawing of the round, does not ask for, nor sign for the lack of, another beside it.
        """
        wake, starts, now_s = IDLE, self.judge.starts, self.party.world.clock()
        self._sampled.setdefault(name, set()).update(own)
        heard: dict[str, int] = {}
        for asker, slot, segment in self.party.book.round(name).missing:
            # Nobody can miss more than its sample.
            heard[asker] = heard.get(asker, 0) + 1
            if heard[asker] > self.judge.tables.rows_max(name, view):
                continue
            asked = self._asked_s.setdefault((name, slot), {})
            if segment in asked or self._asked_beside(name, slot, segment):
                continue
            if slot in bitmap_slots(view.present) and 0 < segment < self.party.clerk.segments(name[0]):
                asked[segment] = now_s
                wake = ACTED
        for slot in [slot for known, slot in self._asked_s if known == name]:
            for segment, asked_s in self._asked_s[name, slot].items():
                if (name, slot, segment) in self._served:
                    continue
                if starts.find(name, view, slot, segment) is not None:
                    self._served.add((name, slot, segment))
                    starts.relay(name, slot, segment)
                    continue
                due_s = self._due_s(name, view, asked_s, beside=self._asked_beside(name, slot, segment))
                if now_s < due_s:
                    wake |= wake_at(due_s)
                elif self._may_miss(name, view, slot, segment):
                    self._missed.add((name, slot))
        for slot in [slot for known, slot in self._missed if known == name]:
            if view.phase >= RoundPhase.OPENING and self._had_states(name, view, slot):
                wake |= self._sign_unserved(name, slot)
        return wake | self._bill(name, view)

    def _asked_beside(self, name: RoundName, slot: int, segment: int) -> bool:
        """Whether this validator has asked for the start state before or after this one."""
        near = {segment - 1, segment + 1}
        asked, sampled = self._asked_s.get((name, slot), {}), self._sampled.get(name, set())
        return bool(near & asked.keys()) or any((slot, each) in sampled for each in near)

    def _may_miss(self, name: RoundName, view: RoundView, slot: int, segment: int) -> bool:
        """Whether a state that has not come by now is to be missed."""
        if view.phase == RoundPhase.SAMPLING:
            return not self._asked_beside(name, slot, segment)
        return view.phase >= RoundPhase.OPENING and self._had_states(name, view, slot)

    def _due_s(self, name: RoundName, view: RoundView, asked_s: int, *, beside: bool) -> int:
        """When a state that was asked for is missed: while tables are blind as soon as who samples it replays it, and
        not before its provider has had an eighth of the window to answer. What it has to refuse until then, it has a
        quarter of the next window for."""
        window_s = self._window_s(name, view)
        if view.phase == RoundPhase.SAMPLING:
            return max(view.deadline - window_s // 2, asked_s + window_s // 8)
        began_s = view.deadline - window_s if beside and view.phase == RoundPhase.OPENING else asked_s
        return max(asked_s, began_s) + window_s // 4

    def _had_states(self, name: RoundName, view: RoundView, slot: int) -> bool:
        """Whether a slot opened a transcript of states; one that met a fault of the job has none after it."""
        opened = self.judge.openings.of(name, view, slot)
        return opened is not None and opened.transcript is not None and opened.transcript.leaves[-1].update_root != ZERO

    def _sign_unserved(self, name: RoundName, slot: int) -> Wake:
        signed = self._unserved.setdefault(name, {})
        if slot in signed:
            return IDLE
        world = self.party.world
        digest = typed_digest(world.domain, "Unserved", unserved_values(name, slot))
        signed[slot] = world.signer.sign_digest(digest).hex()
        signatures = {str(at): each for at, each in signed.items()}
        content: dict[str, object] = {"type": "Unserved", "signatures": signatures}
        return self.party.voice.say(name, "vote", content, topic="Unserved")

    def _bill(self, name: RoundName, view: RoundView) -> Wake:
        wake, party = IDLE, self.party
        if view.phase < RoundPhase.OPENING:
            return wake
        for slot in self._unserved.get(name, {}):
            if party.clerk.notices.billed(name, slot):
                continue
            quorum, validators = party.clerk.order(name[0]).quorum, party.validators(name[0])
            values, page = unserved_values(name, slot), party.book.round(name)
            signatures = gather(party.world.domain, page, "Unserved", values, validators, quorum)
            if signatures is not None:
                wake |= party.clerk.attempt(party.world.ledger.rounds.bill_unserved(*name, slot, signatures))
        return wake

    def _window_s(self, name: RoundName, view: RoundView) -> int:
        windows = self.party.clerk.order(name[0]).windows
        return windows.table if view.phase == RoundPhase.SAMPLING else windows.open
