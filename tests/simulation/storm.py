"""One run: a network whose ports fail by plan, jobs with cheats in them, and what must hold all the while.

The contracts, the roles and the arithmetic are the real ones; time passes only here, and never by itself.
"""

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

import numpy as np
import torch
from requests.exceptions import RequestException
from torch import nn
from web3 import Web3

from assay.chain.calendar import Calendar, freezes_of
from assay.chain.events import Emitted
from assay.chain.ledger import Ledger
from assay.protocol.errors import AssayError, Reverted
from assay.protocol.job import Job
from assay.protocol.words import words_hash
from assay.roles.aggregator import Aggregator
from assay.roles.consumer import Consumer, chain_order
from assay.roles.network import Network
from assay.roles.provider import Provider
from assay.roles.stage import DECIMALS, POOLS
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.world import SeededEntropy, World
from assay.roles.zoo import CHEATS
from assay.store.samples import Samples
from assay.work.capture import capture
from assay.work.compiled.warm import WARM_S
from assay.work.program import Bundle
from tests.simulation import plan as plans
from tests.simulation.faults import Crash, Faults, FaultyBlobs, FaultyJournal, FaultyPeers, FaultyProvider, Line
from tests.simulation.plan import Plan
from tests.simulation.watch import Broken, Watch, hold

OPTIMIZER = {"name": "sgd", "lr": 0.5, "momentum": 0.9}
COUNTS_MAX = 5
CHALLENGE_S = 300
SWEEPS_MAX = 6_000
IDLE_BLOCKS = 4
"""Idle blocks before time jumps to whatever comes next: more than the beacon's delay."""
PAUSE_S = 2
"""After which whoever runs a role tries again."""
BUCKETS = 6
"""Of the vault: free, staked, bond, escrow, credit, burned."""
HONEST: dict[str, Callable[..., Any]] = {
    "provider": Provider,
    "validator": Validator,
    "aggregator": Aggregator,
}
PAID_ALL_THE_SAME = frozenset({"hidden-states", "late", "late-server", "stale-start"})
"""Cheats that lose something else than all their pay: a stale start is none in the first round."""


@dataclass
class Stage:
    """A chain with the contracts on it, made once in a process; every run begins where it was left."""

    network: Network
    began_s: int
    mark: int

    def clear(self, seed: bytes) -> Network:
        """The network of another run."""
        self.network.chain.revert(self.mark)
        # Blocks after a fork are others, and how many forks there were depends on what this process has played before.
        self.network.chain.fork_count = 0
        self.mark = self.network.chain.snapshot()
        self.network.ground._now_s = self.began_s  # type: ignore[attr-defined]
        return self.network.again(seed)


@cache
def stage() -> Stage:
    """The stage of this process."""
    # No honest party may decide by how busy this machine is: while a party works it is always `float()`, which is zero.
    network = Network(sha256(b"storm").digest(), float)
    return Stage(network, network.ground.now_s(), network.chain.snapshot())


@cache
def samples() -> Samples:
    """A data set that is as small as one can be."""
    torch.set_num_threads(1)
    x = np.random.default_rng(1).random((48, 4), dtype=np.float32)
    return Samples(x, (x.sum(1) > 2).astype(np.int64))


@cache
def bundle() -> Bundle:
    """Programs of a model of 15 + 8 numbers."""
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x, y = torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64)
    return capture(model, "cross_entropy", OPTIMIZER, x, y, counts=range(1, COUNTS_MAX + 1), init="seed:1")


def warm() -> None:
    """From now on whoever runs a program first in this process compiles it, as in a network that has been at work for a
    while. The bits are the same; where there is no compiler, they are interpreted as before."""
    spent_s = {program.root: WARM_S for _, _, program in bundle().sections()}
    stage().network.warmth.spent_s.update(spent_s)


def job_of(plan: Plan, index: int) -> Job:
    """Four steps a round in four segments."""
    providers = plan.honest + len(plan.played("provider"))
    return Job.from_tables(
        {
            "job": {"name": f"storm-{index}", "budget": "500"},
            "match": {"providers": providers, "validators": plan.validators},
            "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
            "data": {"source": "sklearn:digits"},
            "train": {
                "optimizer": OPTIMIZER,
                "rounds": plan.rounds,
                "steps": 4,
                "segment_steps": 1,
                "batch_size": 2,
                "seed": plan.seed + index,
            },
            "aggregate": {"reports_min": 1},
            "verify": {"samples": plan.samples, "redo_rounds": 4, "challenge": f"{CHALLENGE_S}s"},
        }
    )


@dataclass
class Actor:
    """A party: how it is made, what it stands on, and since when it is away."""

    name: str
    make: Callable[[World], Any]
    world: World
    line: Line
    role: Any = None
    back_s: int | None = None
    restarts: int = 0
    refusals: Counter[str] = field(default_factory=Counter)


class Storm:
    """The run of one plan. `play` raises `Broken` where something does not hold; any other exception is a bug too."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = Random(f"assay.storm.{plan.seed}")
        self.network = stage().clear(sha256(b"storm" + plan.seed.to_bytes(8, "big")).digest())
        self.ground, self.chain = self.network.ground, self.network.chain
        self.actors: dict[str, Actor] = {}
        self.lines: dict[str, Line] = {}
        self.jobs: list[int] = []
        self.sweeps = 0
        self.story: deque[str] = deque(maxlen=160)
        self._reorgs = list(plan.reorgs)
        self._cursor = self.network.ledger.open_cursor()
        self._log: list[Emitted] = []
        self._calendar = Calendar(self.ground.now_s)
        """What was frozen, as all events tell."""
        self._set_up()

    # before

    def _set_up(self) -> None:
        plan, consumers = self.plan, self.plan.played("consumer")
        consumer = CHEATS[consumers[0]].load() if consumers else Consumer
        self._enter("consumer", consumer, 0)
        client = self.actors["consumer"].role
        self.orders = []
        for index in range(plan.jobs):
            job = job_of(plan, index)
            self.orders.append(
                chain_order(
                    job, *client.publish(job, bundle(), samples(), samples()), self.network.token.address, DECIMALS
                )
            )
        self.order = self.orders[0]
        self.network.mint(client.world, sum(self.network.ledger.jobs.cost(order) for order in self.orders))
        self._enter_all("provider", [*["provider"] * plan.honest, *plan.played("provider")])
        false = plan.played("validator")
        self._enter_all("validator", [*["validator"] * (plan.validators - len(false)), *false])
        leads = plan.played("aggregator") or ["aggregator"]
        self._enter_all("aggregator", [*leads, "aggregator"], enrolled=len(leads))
        if plan.watched:
            self._enter("watcher", lambda world: Validator(world, watch=True), 0)
            self.network.mint(self.actors["watcher"].world, plan.jobs * self.network.challenge_bonds(self.order))
        self.jobs = [client.post(order) for order in self.orders]
        self._first_block = self.chain.head.header.number
        for line in self.lines.values():
            line.began_s, line.armed = self.ground.now_s(), True
        addresses = {actor.world.address: name for name, actor in self.actors.items() if self._is_sound(name)}
        self._sound = addresses if plan.sound_chain else {}
        self._began_s = self.ground.now_s()
        self._watch = self._new_watch()

    def _enter_all(self, role: str, kinds: list[str], enrolled: int = 1 << 16) -> None:
        plan, network, order = self.plan, self.network, self.order
        stake = plan.jobs * getattr(order, f"{role}_stake")
        spare = plan.jobs * (2 * order.price_ceiling if role == "provider" else network.challenge_bonds(order))
        for index, kind in enumerate(kinds):
            cheat = HONEST.get(kind) or CHEATS[kind].load()
            make = (lambda world, cheat=cheat: cheat(world, order.price_ceiling)) if role == "provider" else cheat
            name = f"{role}-{index + 1}"
            self._enter(name, make, stake + spare)
            network.stake(self.actors[name].world, stake, POOLS[role] if index < enrolled else None)

    def _enter(self, name: str, make: Callable[[World], Any], wealth: int) -> None:
        faults = self.plan.faults.get(name, Faults())
        line = Line(faults, self.ground.now_s, self.ground.now_s(), Random(f"{self.plan.seed}/{name}"))
        world = self.network.world(name, wealth)
        self.lines[world.address] = line
        web3 = Web3(FaultyProvider(self.network.web3.provider, line))
        world = replace(
            world,
            ledger=Ledger(web3, self.network.deployment, world.signer, wait=lambda _: None),
            blobs=FaultyBlobs(world.blobs, line),
            journal=FaultyJournal(world.journal, line),
            clock=lambda: self.ground.now_s() + (faults.skew_s if line.armed else 0),
            depth_blocks=plans.DEPTH_MAX if self.plan.reorgs else 0,
        )
        actor = self.actors[name] = Actor(name, make, world, line)
        self._start(actor)

    def _start(self, actor: Actor) -> None:
        """A new process: nothing but key, journal and what others hold is left."""
        world, name = actor.world, actor.name.encode()
        ends = FaultyPeers(self.network.board.peers(world.address), world.address, actor.line, self.lines)
        seed = words_hash("assay.storm.entropy", self.network.seed, sha256(name + bytes([actor.restarts])).digest())
        actor.world = replace(world, peers=ends, entropy=SeededEntropy(seed), message_count=0)
        actor.role, actor.back_s = actor.make(actor.world), None

    def _is_sound(self, name: str) -> bool:
        return self.actors[name].role.behaviour == "honest" and name not in self.plan.unsound

    def _new_watch(self) -> Watch:
        blocks, at = self.chain.blocks, self._calendar.at
        return Watch(self._sound, CHALLENGE_S, lambda number: at(blocks[number].header.timestamp))

    # the run

    def play(self) -> None:
        """From the posted jobs to their end. Raises `Broken`."""
        idle = 0
        while not self._over():
            self.sweeps += 1
            self._operate()
            hold(self.sweeps < SWEEPS_MAX, f"no end: {self._standing()}")
            wake = self._sweep()
            self._rewrite()
            self._look()
            idle = 0 if wake.acted else idle + 1
            next_s = self._next_s(wake)
            if wake.acted:
                continue
            overdue = wake.at_s is not None and wake.at_s <= self.ground.now_s()
            if idle > IDLE_BLOCKS and next_s is not None and not overdue:
                self.ground.approach(next_s)
                idle = 0
            else:
                self.ground.pass_block()
        self._settle()
        self._look()
        self._conclude()

    def _sweep(self) -> Wake:
        wake = IDLE
        names = sorted(self.actors)
        self.chance.shuffle(names)
        for name in names:
            wake |= self._turn(self.actors[name])
        return wake

    def _turn(self, actor: Actor) -> Wake:
        if actor.back_s is not None:
            if self.ground.now_s() < actor.back_s:
                return IDLE
            self.story.append(f"{self.sweeps}: {actor.name} is back")
            try:
                self._start(actor)
            except (Crash, AssayError, OSError) as death:
                return self._fall(actor, death)
        try:
            taken: Wake = actor.role.tick()
        except (Crash, OSError, RequestException) as death:
            return self._fall(actor, death)
        except AssayError as refusal:
            # Whoever runs a role waits and gives it its next turn.
            actor.refusals[type(refusal).__name__] += 1
            return wake_at(self.ground.now_s() + PAUSE_S)
        except Exception as trouble:
            # A cheat may trip over another's, whom a node lies to over what cannot be; else it is a bug.
            if actor.role.behaviour == "honest" and not actor.line.faults.lying_node:
                raise
            return self._fall(actor, trouble)
        if taken.acted:
            self.story.append(f"{self.sweeps}: {actor.name} acted")
        return taken if taken.at_s is None else replace(taken, at_s=actor.world.calendar.when_s(taken.at_s))

    def _operate(self) -> None:
        """The operator freezes the network and thaws it, again where that was taken back."""
        if not self.plan.freezes:
            return
        clock, passed_s = self.network.ledger.clock, self.ground.now_s() - self._began_s
        due = any(span.holds(passed_s) for span in self.plan.freezes)
        if due != bool(clock.frozen_until()):
            self.story.append(f"{self.sweeps}: the operator {'freezes' if due else 'thaws'} the network")
            (clock.freeze() if due else clock.thaw()).send()

    def _fall(self, actor: Actor, death: BaseException) -> Wake:
        """The process died; whoever runs it starts it again."""
        self.story.append(f"{self.sweeps}: {actor.name} fell: {type(death).__name__} {death}")
        actor.restarts += 1
        actor.back_s = self.ground.now_s() + (actor.line.faults.down_s if isinstance(death, Crash) else 5)
        return IDLE

    def _next_s(self, wake: Wake) -> int | None:
        times = [wake.at_s]
        for actor in self.actors.values():
            times += [actor.back_s, actor.world.peers.due_s()]  # type: ignore[attr-defined]
        now_s = self.ground.now_s()
        began_s = next(iter(self.lines.values())).began_s
        for line in self.lines.values():
            spans = (*line.faults.cut_off, *line.faults.disk_full)
            times += [began_s + at_s for span in spans for at_s in (span.from_s, span.until_s)]
        times += [self._began_s + at_s for span in self.plan.freezes for at_s in (span.from_s, span.until_s)]
        return min((at_s for at_s in times if at_s is not None and at_s > now_s), default=None)

    def _rewrite(self) -> None:
        head = self.chain.head.header.number
        while self._reorgs and head >= self._first_block + self._reorgs[0].at_block:
            reorg = self._reorgs.pop(0)
            depth = min(reorg.depth, head - self._first_block)
            self.story.append(f"{self.sweeps}: reorg of {depth} blocks")
            self.chain.reorganise(depth, keep_transactions=reorg.keep)

    def _look(self) -> None:
        page = self._cursor.drain()
        if page.removed:
            gone = {(log.block_hash, log.log_index) for log in page.removed}
            self._log = [each for each in self._log if (each.log.block_hash, each.log.log_index) not in gone]
            self._calendar.learn(freezes_of(each.event for each in self._log))
            self._watch = self._new_watch()
            self._watch.enter(self._log)
        fresh = [found for found in map(self.network.ledger.decode, page.added) if found is not None]
        self.story.extend(
            f"{self.sweeps}: {each.event}"[:200] for each in fresh if type(each.event).__name__ != "Moved"
        )
        self._log += fresh
        if self.plan.freezes:
            self._calendar.learn(freezes_of(each.event for each in self._log))
        self._watch.enter(fresh)
        for each in fresh:
            self._strike(each.event)
        if fresh or self.sweeps % 16 == 0:
            self._conserved()

    def _strike(self, event: object) -> None:
        """Whoever is to crash after this, crashes."""
        named = {value for value in vars(event).values() if isinstance(value, str) and value.startswith("0x")}
        for actor in self.actors.values():
            wanted = type(event).__name__ == actor.line.faults.crash_after and actor.line.armed
            if wanted and not actor.line.marked and (not named or actor.world.address in named):
                actor.line.marked = True
                self._fall(actor, Crash())

    def _conserved(self) -> list[int]:
        vault, token = self.network.ledger.vault, self.network.token
        totals = [vault.total(token.address, kind) for kind in range(BUCKETS)]
        hold(sum(totals) == token.balance_of(vault.address), f"the vault holds other than its buckets: {totals}")
        return totals

    def _over(self) -> bool:
        if not all(self.network.ledger.jobs.view_of(job).ended for job in self.jobs):
            return False
        sound = [actor.role for name, actor in self.actors.items() if self._is_sound(name) and actor.back_s is None]
        return all(role.clerk.closed(job) for job in self.jobs for role in sound)

    def _standing(self) -> str:
        jobs = [self.network.ledger.jobs.view_of(job) for job in self.jobs]
        open_rounds = [name for name, page in self._watch.pages.items() if page.steps and not page.closed]
        return f"{[view.phase.name for view in jobs]}, open: {open_rounds}"

    # the end

    def _settle(self) -> None:
        """What the absent have earned is there for anybody to send them. Who is sound has taken its own by now."""
        rounds = self.network.ledger.rounds
        absent = [actor for name, actor in self.actors.items() if actor.back_s is not None or not self._is_sound(name)]
        for job in self.jobs:
            for actor in absent:
                with suppress(Reverted):  # where it has no bid, or its bond is back already
                    self.network.ledger.jobs.settle_bid(job, actor.world.address).send()
                if rounds.earned(job, actor.world.address) and not self._watch.claimed[job, actor.world.address]:
                    rounds.claim(job, actor.world.address).send()

    def _conclude(self) -> None:
        """Every job is over and every unit accounted for; work is paid, lies are not."""
        token, watch = self.network.token, self._watch
        hold(not watch.early, f"final before its window was over: {watch.early}")
        totals = self._conserved()
        wallets = sum(token.balance_of(actor.world.address) for actor in self.actors.values())
        minted = token.total_supply()
        hold(
            wallets + sum(totals) == minted, f"{wallets + sum(totals)} units are there, {minted} were minted: {totals}"
        )
        hold(totals[3:5] == [0, 0], f"escrow or credit of a job that is over: {totals}")
        # Whoever is away at the end can still take the bond of a sealed challenge back.
        hold(self.plan.unsound or not self._sound or not totals[2], f"bonds of a job that is over: {totals}")
        hold(not set(watch.locks) - watch.released, "a lock outlives its job")
        for job in self.jobs:
            self._conclude_pay(job)

    def _is_judged(self, job: int) -> bool:
        """Whether liars were found out. In a job that is at fault itself nobody is judged, who was there is paid; and
        no quorum decides where too few seats are left, since a rewritten chain forgot what the honest had shown."""
        if job in self._watch.faulted:
            return False
        jobs = self.network.ledger.jobs
        held = sum(int(validator, 16) != 0 for validator in jobs.validators_of(job))
        return self.plan.sound_chain or held >= jobs.order_of(job).quorum

    def _conclude_pay(self, job: int) -> None:
        providers, price = self.network.ledger.jobs.providers_of(job), self.network.ledger.jobs.view_of(job).price
        for name, actor in self.actors.items():
            account = actor.world.address
            paid = self._watch.paid[job, account]
            if account in self._sound and account in providers:
                least, most = self._watch.due(job, providers.index(account), price)
                hold(least <= paid <= most, f"{name} was paid {paid} in job {job}, and has earned {least} to {most}")
            cheat = actor.role.behaviour
            judged = self._is_judged(job)
            if judged and cheat in CHEATS and CHEATS[cheat].role == "provider" and cheat not in PAID_ALL_THE_SAME:
                hold(paid == 0, f"{name} ({cheat}) was paid {paid} in job {job}")


def play(plan: Plan) -> Storm:
    """Plays a plan to its end. Raises `Broken`, or whatever else should not have happened."""
    storm = Storm(plan)
    storm.play()
    return storm


__all__ = ["Broken", "Storm", "play"]
