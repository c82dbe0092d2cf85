"""A finished job as its report: who did what, where the money went, what was checked, what it cost."""

import math
from typing import Any

from assay.api.descent import Digger
from assay.api.docket import Docket
from assay.api.figure import figure_of
from assay.api.gas import ROUND_PHASES, gas_by_phase
from assay.api.observer import Observer
from assay.api.report import GAMES_MAX
from assay.api.token import Token
from assay.chain.contracts.containers import Order
from assay.chain.contracts.models import Models
from assay.market.detection import mixed_job_detection, round_detection
from assay.protocol.commitment import bitmap_slots
from assay.protocol.score import score_plain
from assay.protocol.units import format_amount
from assay.roles.audit import audit_step
from assay.roles.exam import evaluate, predict
from assay.roles.network import Network
from assay.roles.round import RoundName

CHEATED_SHARE = 0.1
"""Detection is stated for a cheat in a tenth of a round's segments, wherever they are."""
SYMBOL, DECIMALS = "aUSD", 6


class Story:
    """Reads everything off the chain, the peers' messages and the parties' meters."""

    def __init__(self, network: Network, observer: Observer, order: Order, job: int) -> None:
        self.network, self.observer, self.order, self.job = network, observer, order, job
        self.ledger = network.ledger

    def report(self) -> dict[str, Any]:
        """The report of a job that is complete and classifies, but for `seconds.total` and `ratio.overhead`, which only
        the caller knows."""
        assignment = self.observer.assignment(self.job)
        ended = self.ledger.rounds.final_state(self.job)
        final = ended.root
        state = self.observer.state(self.job, final)
        assert state is not None
        index = int.from_bytes(final[:4], "big") % assignment.test.count
        predicted, margin = predict(self.observer.world.compute, assignment, state, assignment.test, index)
        return {
            **self.outcome(),
            "model": {
                "token_id": self.ledger.open(Models).token_of(self.job),
                "state_root": final.hex(),
                "score": score_plain(assignment.metric, ended.score),
                "program_root": assignment.bundle.root.hex(),
            },
            "answer": {
                "held_out_sample": index,
                "predicted": predicted,
                "label": int(assignment.test.y[index]),
                "margin": round(margin, 4),
            },
        }

    def outcome(self) -> dict[str, Any]:
        """What became of any job that has ended: who did what, the money, detection, gas, seconds."""
        seconds = self.seconds()
        return {
            "token": {"symbol": SYMBOL, "decimals": DECIMALS},
            "accuracy": self.accuracy(),
            "validator_fee": format_amount(self.order.validator_fee, DECIMALS),
            "price": format_amount(self.observer.price, DECIMALS),
            "rounds": [story.to_json() for story in self.observer.stories.values()],
            **self.parties(),
            "escrow": self.amounts(self.observer.account.escrow),
            "stakes": self.amounts(self.observer.account.stakes),
            "bonds": self.amounts(self.observer.account.bonds),
            "audit": self.audit(),
            "disputes": self.observer.contests.entries,
            "games": self.games(),
            "gas": self.gas(),
            "seconds": {**seconds, "total": 0.0},
            "ratio": {
                "verify_train": seconds["verify"] / seconds["train"] if seconds["train"] else 0.0,
                "overhead": 0.0,
            },
        }

    @property
    def complete(self) -> bool:
        """Whether all rounds of the job came to their end."""
        return self.ledger.rounds.complete(self.job)

    def accuracy(self) -> float | None:
        """Of the final state, by the committed program; nothing where there is none, or where it does not classify."""
        assignment = self.observer.assignment(self.job)
        if not self.complete or assignment.test.y.dtype.kind != "i":
            return None
        state = self.observer.state(self.job, self.ledger.rounds.final_state(self.job).root)
        assert state is not None
        return evaluate(self.observer.world.compute, assignment, state, assignment.test).accuracy

    def amounts(self, units: dict[str, int]) -> dict[str, str]:
        """Units as whole tokens."""
        return {name: format_amount(amount, DECIMALS) for name, amount in units.items()}

    def parties(self) -> dict[str, Any]:
        """Everybody who worked, by role."""
        groups: dict[str, list[dict[str, Any]]] = {"providers": [], "validators": [], "aggregators": []}
        full, half, served = (self.observer.count(earned) for earned in ("full", "half", "served"))
        checked = self.rows_by_validator()
        for name, world in self.network.worlds.items():
            group = name.split("-")[0] + "s"
            if group not in groups:
                continue
            purse = self.observer.account.purses[world.address]
            row: dict[str, Any] = {
                "name": name,
                "behaviour": self.observer.behaviours[world.address],
                **self.amounts(vars(purse)),
                "evidence": self.observer.evidence(world.address),
            }
            if group == "aggregators":
                row["drawn"] = world.address in self.observer.aggregators
            if group == "providers":
                row["rounds_accepted"] = full[world.address]
                row["rounds_half"] = half[world.address]
                row["segments_accepted"] = full[world.address] * self.observer.assignment(self.job).segment_count
            if group == "validators":
                row["rounds_served"] = served[world.address]
                row["segments_checked"] = checked.get(world.address, 0)
            groups[group].append(row)
        return groups

    def rows_by_validator(self) -> dict[str, int]:
        """Rows of all revealed tables, by validator."""
        counts: dict[str, int] = {}
        for page in self.observer.book.rounds.values():
            for validator, rows in page.tables.items():
                counts[validator] = counts.get(validator, 0) + len(rows)
        return counts

    def audit(self) -> dict[str, Any]:
        """What was checked, how likely a cheat was to be caught, and one step checked once more."""
        segments = self.observer.assignment(self.job).segment_count
        checked = total = 0
        caught: list[float] = []
        for name, story in self.observer.stories.items():
            page = self.observer.book.round(name)
            honest = [rows for address, rows in page.tables.items() if self.observer.behaviours[address] == "honest"]
            view = self.ledger.rounds.view_of(*name)
            pairs = len(bitmap_slots(view.present)) * segments
            # A round that was undone before anybody showed a table had no chance to catch anything, and cost nothing.
            if not pairs or (story.void and not page.tables):
                continue
            cheated = math.ceil(CHEATED_SHARE * pairs)
            missed = 1.0
            for rows in honest:
                missed *= 1 - round_detection(pairs, cheated, len(rows))
            caught.append(1 - missed)
            checked += sum(len(rows) for rows in honest)
            total += pairs
        step = self.audited_step()
        verdict = audit_step(self.observer, *step) if step else None
        return {
            "segments_checked": checked,
            "segments_total": total,
            "detection_per_round": min(caught, default=0.0),
            "detection_per_job": mixed_job_detection(caught),
            "cheated_share": CHEATED_SHARE,
            "honest": verdict.honest if verdict else None,
            "words": verdict.words if verdict else "no round came to its end",
        }

    def audited_step(self) -> tuple[RoundName, Any, int, int] | None:
        """A step in the middle of an included slot of the last final round; nothing where there is none."""
        final = [name for name, story in self.observer.stories.items() if not story.void and story.accepted]
        if not final:
            return None
        last = max(final)
        view = self.ledger.rounds.view_of(*last)
        return last, view, bitmap_slots(view.included)[0], self.order.steps_per_round // 2

    def games(self) -> list[dict[str, Any]]:
        """The first games that were played, as they are drawn: each with the element that it came to."""
        digger, names = Digger(self.observer), {world.address: name for name, world in self.network.worlds.items()}
        docket = Docket(self.ledger, self.job, digger.layout)
        docket.read()
        figures = []
        for contest in [each for each in docket.contests() if each.narrowing is not None][:GAMES_MAX]:
            found = digger.descend(contest.name, contest.unit, contest.narrowing, contest.batch).difference
            token = Token(self.order.token, SYMBOL, DECIMALS)
            figures.append(figure_of(contest, found, token, names).to_json())
        return figures

    def gas(self) -> dict[str, Any]:
        """Gas of the job's transactions; setting up balances and stakes apart."""
        phases = gas_by_phase(self.network.chain)
        per_round = sum(phases[phase] for phase in ROUND_PHASES) // max(1, len(self.observer.stories))
        total = sum(gas for phase, gas in phases.items() if phase != "fund")
        return {"total": total, "per_round": per_round, "per_phase": phases}

    def seconds(self) -> dict[str, float]:
        """Seconds of work, summed over all parties."""
        sums: dict[str, float] = {}
        for name, world in self.network.worlds.items():
            if name != "observer":
                for kind, spent_s in world.compute.meter.seconds.items():
                    sums[kind] = sums.get(kind, 0.0) + spent_s
        return {
            "train": sums.get("train", 0.0),
            "verify": sums.get("verify", 0.0) + sums.get("aggregate", 0.0),
            "hash": sums.get("hash", 0.0),
            "chain": self.network.meter.seconds.get("chain", 0.0),
        }
