"""What a validator does so that all of them know the same: vouches for roots, passes on what some were not shown.

Nobody gains by showing something to a few only: what one honest validator has heard, every other gets by asking.
"""

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap_slots
from assay.roles.book import RoundName, commitment_content, drop, row_content
from assay.roles.judge import Judge
from assay.roles.party import Party
from assay.roles.rooted import find_leaves
from assay.roles.vote import cast, root_values
from assay.roles.wake import ACTED, IDLE, Wake, wake_at


class Witness:
    """A validator among validators."""

    def __init__(self, party: Party, judge: Judge) -> None:
        self.party = party
        self.judge = judge
        self._vouched: dict[RoundName, object] = {}
        self._answered: set[tuple[RoundName, str, str]] = set()
        self._wanted: set[tuple[RoundName, str]] = set()

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        for known in (self._vouched, self._answered, self._wanted):
            drop(known, job, below)

    def vouch(self, name: RoundName) -> Wake:
        """Signs the root that the aggregator proposes, once every commitment behind it is here and none is left out.

        Who is left out is passed on, so that the next proposal holds it; without a quorum's word the aggregator must
        wait until everybody could enter directly.
        """
        party, page = self.party, self.party.book.round(name)
        if page.proposal is None or self._vouched.get(name) == (page.proposal, len(page.commitments)):
            return IDLE
        self._vouched[name] = (page.proposal, len(page.commitments))
        root, rows = page.proposal
        present = set(bitmap_slots(rows))
        left_out = [
            slot for slot in party.clerk.open_slots(name[0]) if slot in page.commitments and slot not in present
        ]
        if left_out:
            commitments = [commitment_content(*page.commitments[slot]) for slot in left_out]
            party.world.say("commitments", name, {"commitments": commitments}, party.clerk.aggregator(name[0]))
            return ACTED
        slot_count = party.clerk.order(name[0]).providers
        if find_leaves(page, root, rows, lambda _: None, party.clerk.place, slot_count) is None:
            return IDLE
        shown: dict[str, object] = {"root": root.hex(), "present": list(rows)}
        cast(party.world, name, "Root", root_values(name, root, list(rows)), shown)
        return ACTED

    def revealed(self, name: RoundName, view: RoundView) -> list[str]:
        """Who has revealed a table and holds its seat still."""
        return [v for at, v in enumerate(self.party.validators(name[0])) if view.tables_revealed >> at & 1]

    def want(self, name: RoundName, view: RoundView) -> Wake:
        """Asks the others for tables that stand on chain and were not shown here, before its patience is over."""
        due_s = view.deadline - 3 * self.party.clerk.order(name[0]).windows.open // 4
        if self.party.world.clock() < due_s:
            return wake_at(due_s)
        revealed = [validator for validator in self.revealed(name, view) if (name, validator) not in self._wanted]
        unheard = [validator for validator in revealed if self.judge.rows(name, validator) is None]
        self._wanted |= {(name, validator) for validator in unheard}
        if unheard:
            self.party.world.say("want", name, {"of": unheard})
        return ACTED if unheard else IDLE

    def pass_on(self, name: RoundName) -> Wake:
        """Shows others' tables to whoever asks."""
        wake = IDLE
        for asker, validator in self.party.book.round(name).wanted:
            rows = None if (name, asker, validator) in self._answered else self.judge.rows(name, validator)
            if rows is not None:
                self._answered.add((name, asker, validator))
                self.party.world.say("table", name, {"of": validator, "rows": row_content(rows)}, asker)
                wake = ACTED
        return wake
