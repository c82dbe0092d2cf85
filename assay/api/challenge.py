"""One account's challenge of one claim, played to its end by the code that every validator plays with.

look (execute again) -> seal, with the bond -> open -> play -> settle

Whoever is interrupted goes on from what is: the chain has the game, the account's journal what was sealed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from assay.api.client import Client
from assay.api.contest import PARTS
from assay.api.descent import Descent, Digger
from assay.api.token import balance_of
from assay.chain.contracts.containers import RoundView
from assay.chain.contracts.disputes import Disputes
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import BadInput, Insufficient, Refused, Unavailable
from assay.protocol.phase import JobPhase, Outcome, Target
from assay.protocol.score import UNSCORED, is_due
from assay.protocol.units import format_amount
from assay.roles.challenge import Challenges, Raised
from assay.roles.duels import Duels
from assay.roles.finding import Disagreement, Unit
from assay.roles.judge import Judge
from assay.roles.memory import Memory
from assay.roles.notices import ROUNDS_END, Dispute
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.wake import Wake
from assay.roles.world import World
from assay.work.limits import within_memory

OF_AGGREGATORS = (Target.AGGREGATE, Target.SCORE)
SHOWN_MAX = 20
"""Rows of a table that are named."""
LOOKS_MAX, ENDS_MAX = 240, 6
"""How often a state is asked for that a challenge begins with: two minutes on a network in real time."""


@dataclass(frozen=True)
class Charge:
    """What is to be challenged: a segment of a slot, its update, what a validator's table says of a segment, or a
    round's aggregate or score."""

    name: RoundName
    target: Target
    slot: int = 0
    segment: int = 0
    validator: str = ""

    @property
    def words(self) -> str:
        """For people."""
        return f"{PARTS[self.target].format(slot=self.slot, segment=self.segment)} of round {self.name[2]}"


class Plaintiff(Party):
    """Who challenges: it holds no seat, and does nothing else in any job."""

    behaviour = "plaintiff"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.judge = Judge(self)
        self.challenges = Challenges(self, self.judge)
        self.duels = Duels(self, self.judge, self.challenges.shown)
        self.digger = Digger(self, self.judge)

    def check(self, charge: Charge) -> RoundView:
        """Whether there is something that could be challenged. Errors: `BadInput`, `Refused`."""
        job, _, index = charge.name
        segments = self.clerk.segments(job)
        if charge.segment >= segments:
            raise BadInput(f"a slot has segments 0 to {segments - 1}", hint="count segments from 0")
        rounds = dict(self.clerk.rounds(job)) if self.clerk.view(job).phase == JobPhase.RUNNING else {}
        view = rounds.get(charge.name)
        if view is None:
            raise Refused(
                f"nothing of round {index} of job {job} can be challenged: it is final, void or not open",
                hint=f"see what was disputed: assay dispute {job}",
            )
        if charge.target in OF_AGGREGATORS:
            if not any(view.end_root):
                raise Refused(f"round {index} has no aggregate yet", hint="challenge it once there is one")
            order = self.clerk.order(job)
            is_measured = view.score != UNSCORED or is_due(order.stop_score, index, order.rounds)
            if charge.target == Target.SCORE and not is_measured:
                last = f"round {order.rounds - 1}, the last"
                raise Refused(
                    f"no score of round {index} is due, and it has none: a job that does not stop by its score is"
                    f" measured once, in {last}",
                    hint=f"challenge the score of {last}, or what this round comes to: --aggregate",
                )
            return view
        if charge.slot not in bitmap_slots(view.present):
            raise BadInput(
                f"slot {charge.slot} committed nothing in round {index}",
                hint=f"present are {', '.join(map(str, bitmap_slots(view.present))) or 'none'}",
            )
        rows = self.judge.rows(charge.name, charge.validator) if charge.target == Target.TABLE else ()
        places = [(row.slot, row.segment) for row in rows]
        if charge.target == Target.TABLE and (charge.slot, charge.segment) not in places:
            raise BadInput(
                f"{charge.validator} has shown no row about segment {charge.segment} of slot {charge.slot}",
                hint=f"it has shown {', '.join(f'{slot}/{at}' for slot, at in places[:SHOWN_MAX]) or 'none'}",
            )
        return view

    def unit(self, charge: Charge) -> Unit | None:
        """What is disputed of the round; nothing of a slot that there is not."""
        providers, target = self.clerk.providers(charge.name[0]), int(charge.target)
        if charge.slot >= len(providers):
            return None
        if charge.target in OF_AGGREGATORS:
            return self.world.ledger.rounds.aggregator_of(*charge.name), target, 0, 0
        segment = self.clerk.segments(charge.name[0]) if charge.target == Target.EMIT else charge.segment
        return charge.validator or providers[charge.slot], target, charge.slot, segment

    def sealed(self, charge: Charge) -> bool:
        """Whether this account's bond lies on a challenge of it that is not opened yet."""
        kept: Memory[tuple[Raised, ...]] = Memory(
            self.world.journal,
            "challenges",
            lambda all_raised: [raised.to_json() for raised in all_raised],
            lambda rows: tuple(map(Raised.from_json, rows)),
        )
        place = (charge.name, self.unit(charge))
        mine = [each for each in kept.get(charge.name[0]) or () if (each.name, each.unit) == place]
        return any(self.challenges.bond(each) for each in mine)

    def mine(self, charge: Charge) -> Dispute | None:
        """This account's own dispute about it, open or over."""
        unit = self.unit(charge)
        found = [each for each in self.clerk.notices.disputes(charge.name[0]) if each.challenger == self.world.address]
        return next((each for each in found if (each.name, each.unit) == (charge.name, unit)), None)

    def look(self, charge: Charge) -> Descent:
        """Executes it again here, once; what is missing is asked for."""
        self.listen()
        unit = self.unit(charge)
        assert unit is not None, "it was checked"
        with within_memory():
            found = self.digger.descend(charge.name, unit)
        self.voice.repeat(charge.name[0])
        return found

    def check_begins(self, charge: Charge) -> None:
        """Errors: `Refused` for a row of a table that begins elsewhere than the work before it leads to; only where a
        round begins is on chain."""
        unit = self.unit(charge)
        if charge.target != Target.TABLE or not charge.segment or unit is None:
            return
        with within_memory():
            stray = self.digger.stray(charge.name, unit)
        if stray is not None and stray.agrees is False:
            raise Refused(
                f"{charge.words} begins elsewhere than the work before it leads to, and no contract blames a row for "
                "where it begins",
                hint="nothing was spent; validators leave its table out of what was served: it earns nothing, and costs"
                " what silence costs",
            )

    def act(self, charge: Charge) -> Wake:
        """One turn: seals, opens, moves or settles, whatever is due. Errors: `Refused` where the contracts refuse it,
        or where somebody else has said it."""
        self.listen()
        job = charge.name[0]
        with within_memory():
            wake = self.duels.tick(job) | self.challenges.pursue(job) | self.voice.repeat(job)
            if self.mine(charge) is None:
                wake |= self._raise(charge)
        return wake

    def _raise(self, charge: Charge) -> Wake:
        name, view, unit = charge.name, self.check(charge), self.unit(charge)
        assert unit is not None, "it was checked"
        self.check_begins(charge)
        wake = self.challenges.raise_one(name, view, self._disagreement(name, unit), 0)
        if wake.acted or wake.at_s is not None:
            return wake
        known = self.clerk.notices.disputes(name[0])
        others = [each for each in known if (each.name, each.accused) == (name, unit[0])]
        if any(each.outcome == Outcome.UPHELD for each in others):
            raise Refused(
                f"whoever stands for {charge.words} is disproved already", hint=f"see how: assay dispute {name[0]}"
            )
        if any(each.outcome == Outcome.OPEN for each in others):
            raise Refused(
                "somebody else has challenged it, and plays",
                hint=f"follow it: assay dispute {name[0]} --watch",
            )
        why = self.clerk.refusals[-1].message if self.clerk.refusals else "it was said before"
        raise Refused(f"the contracts do not take this challenge: {why}", hint="its bond came back, or was never taken")

    def _disagreement(self, name: RoundName, unit: Unit) -> Disagreement:
        accused, target, slot, segment = unit
        if target != Target.TABLE:
            return Disagreement(Target(target), slot, segment, accused)
        places = [(each.slot, each.segment) for each in self.judge.rows(name, accused)]
        return Disagreement(Target.TABLE, slot, segment, accused, places.index((slot, segment)))

    # what a party that holds no seat keeps

    def keeps(self, job: int) -> bool:  # noqa: ARG002 - any
        """Whatever it looks at."""
        return True

    def held_from(self, job: int) -> int:
        """The same; what an open dispute is about is needed until it is settled."""
        return min(super().held_from(job), *self.challenges.open_rounds(job), ROUNDS_END)

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        super().forget(job, below)
        for part in (self.judge, self.challenges):
            part.forget(job, below)
        self.duels.forget(job)


class Challenge:
    """A challenge on a network, from the first look to the settlement. Errors: as for `Plaintiff.check`, `BadInput` for
    a connection that only looks."""

    def __init__(self, client: Client, charge: Charge) -> None:
        if not client.acts:
            raise BadInput("this connection only looks", hint="connect with password= or password_file=")
        self.client, self.charge = client, charge
        self.party = Plaintiff(client.open_world())
        self.party.listen()
        if self.party.mine(charge) is None:
            self.party.check(charge)

    @property
    def is_begun(self) -> bool:
        """Whether its bond was put up before, by this account."""
        return self.party.mine(self.charge) is not None or self.party.sealed(self.charge)

    @property
    def number(self) -> int | None:
        """Of the dispute, once it is open."""
        mine = self.party.mine(self.charge)
        return None if mine is None else mine.number

    @property
    def bond(self) -> int:
        """What it costs to be wrong, in units of what the job pays in."""
        return self.client.world.ledger.open(Disputes).bond_of(self.charge.name[0])

    def look(self) -> Descent:
        """Executes it again, and waits for the state that it begins with. Nothing is spent. Errors: `Unavailable` where
        that is not served, `Refused` for a row that begins where no contract asks it to."""
        for count in range(LOOKS_MAX):
            found = self.party.look(self.charge)
            self.party.check_begins(self.charge)
            # An end that was served shows an element before any game does, if its provider still serves it.
            ended = found.agrees or found.difference is not None or count > ENDS_MAX
            if found.agrees is not None and ended:
                return found
            self.client.pass_time(Wake())
        raise Unavailable(
            f"{self.charge.words} cannot be executed again: {found.reason}",
            hint="slots open when a round's samples are in; try again then",
        )

    def check_funds(self) -> None:
        """Errors: `Insufficient` where the account cannot put the bond up."""
        job, ledger, address = self.charge.name[0], self.client.world.ledger, self.client.world.address
        token = self.client.payment_of(job)
        held = ledger.vault.free(token.address, address) + balance_of(ledger, token.address, address)
        if held < self.bond:
            raise Insufficient(
                f"the account holds {token.words(held)}, and the bond is {token.words(self.bond)}",
                hint="get more: assay faucet (on a network of your own)",
                needed=format_amount(self.bond, token.decimals),
                held=format_amount(held, token.decimals),
            )

    def play(self) -> Iterator[int | None]:
        """Plays it; the dispute's number after each turn, nothing before it has one. Ends once it is settled. Errors:
        `Refused`, `Unavailable`."""
        while True:
            wake = self.party.act(self.charge)
            mine = self.party.mine(self.charge)
            yield None if mine is None else mine.number
            if mine is not None and mine.outcome != Outcome.OPEN:
                return
            self.client.pass_time(wake)
