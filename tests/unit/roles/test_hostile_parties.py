"""Roles among people who say anything at any time, and in jobs that nobody should have posted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assay.chain.contracts.jobs import Cancelled, Faulted
from assay.chain.contracts.rounds import Disproved, FaultAttested, Finalised, Late, Penalised
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Refused
from assay.protocol.message import BODY_BYTES_MAX, encode_body
from assay.protocol.phase import JobPhase
from assay.protocol.score import BATCHES_MAX
from assay.protocol.table import Entry
from assay.roles.assignment import ROWS_SHOWN_MAX, admit, fetch_assignment
from assay.roles.clerk import Clerk
from assay.roles.content import commitment_content, row_content
from assay.roles.flaws import UNSOUND
from assay.roles.forms import on_chain
from assay.roles.party import Party
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, Wake
from assay.roles.world import World
from assay.roles.zoo.poisoned_program import Cheat
from assay.store.manifest import describe
from assay.store.samples import Samples
from assay.work.program import Bundle, Limits

Tiny = Callable[..., Stage]
JUNK: list[dict[str, object]] = [
    {},
    {"slot": 0, "segment": 1, "leaf": None, "cid": "nowhere"},
    {"slot": 0, "segment": 1, "leaf": {"index": 1, "state": "zz", "proof": 5}, "cid": 7},
    {"slot": 0, "secret": "00" * 32, "states": ["00"], "losses": [0], "update": ""},
    {"slot": 0, "secret": "zz", "states": 5, "losses": None, "update": {}},
    {"slot": 0, "secret": ["00"], "states": "00" * 32, "losses": [1 << 400], "update": "00" * 32, "end": {}},
    {"type": "Result", "accepted": [-1], "included": [1 << 300], "root": "00" * 32, "signature": "00"},
    {"type": "Result", "accepted": 7, "included": None, "root": None},
    {"type": "Fault", "digest": "zz", "signature": "00" * 65},
    {"type": "Fault", "digest": "00" * 40, "signature": 5},
    {"type": "Aggregate", "root": [], "signature": {}},
    {"rows": [[0, 0, "00" * 32], [5, 1 << 31, "ff" * 32], [0, 0, "00" * 32]]},
    {"rows": [[0]]},
    {"root": "00" * 32, "cid": "sha256:" + "0" * 64},
    {"commitments": [{"slot": 0}, 5, None]},
    {"commitments": {"slot": 0}},
]
KINDS = ("commitments", "opening", "table", "request", "state", "aggregate", "vote", "")


class Vandal:
    """Says everything that is wrong about every open round, each turn, for a while."""

    behaviour = "vandal"

    def __init__(self, world: World, turns: int = 25) -> None:
        self.world, self.clerk, self.turns = world, Clerk(world), turns

    def tick(self) -> Wake:
        """One turn."""
        if self.turns and self.world.ledger.rounds.progress(1).next:
            self.turns -= 1
            for name, _ in self.clerk.rounds(1):
                for kind in KINDS:
                    for content in JUNK:
                        self.world.say(kind, name, content)
        return IDLE


def vandalised(kind: type[Any]) -> type[Any]:
    """The same role, with a vandal's messages under its own key."""

    class Vandalised(kind):  # type: ignore[misc]
        behaviour = "vandal"

        def tick(self) -> Wake:
            Vandal(self.world).tick()
            return super().tick()

    return Vandalised


def close_files(stage: Stage) -> None:
    vandal = stage.network.parties["watcher"]
    vandal.clerk.close(1)


def test_honest_work_goes_on_under_a_strangers_noise(tiny_stage: Tiny) -> None:
    stage = tiny_stage(rounds=2)
    stage.watch(Vandal)
    close_files(stage)
    stage.play()
    assert len(stage.said(Finalised)) == 2
    assert [stage.said(kind) for kind in (Disproved, Penalised, Late)] == [[], [], []]
    assert stage.paid("provider-1") == stage.paid("provider-2") == 2 * stage.price()


def test_roles_survive_a_providers_and_a_validators_noise(tiny_stage: Tiny) -> None:
    stage = tiny_stage(
        providers=(Provider, Provider, vandalised(Provider)), validators=(Validator, Validator, vandalised(Validator))
    )
    stage.play(turns_max=3_000)
    assert stage.said(Finalised)
    honest = {stage.address(name) for role in ("provider", "validator") for name in stage.honest(role)}
    blamed = {event.provider for kind in (Disproved, Late) for event in stage.said(kind)}
    assert not honest & (blamed | {event.account for event in stage.said(Penalised)})
    assert stage.paid("provider-1") == stage.price()


def test_what_is_final_is_let_go(tiny_stage: Tiny) -> None:
    stage = tiny_stage(rounds=3)
    stage.play()
    for name, party in stage.network.parties.items():
        if name == "consumer":
            continue
        party.listen()
        assert not party.book.rounds, name
        assert not party.book.published, name
        assert not getattr(party, "pieces", {}), name
        sheets, judge = getattr(party, "sheets", None), getattr(party, "judge", party)
        assert sheets is None or not sheets.held, name
        openings, aggregates = getattr(judge, "openings", None), getattr(judge, "aggregates", None)
        assert openings is None or not openings._opened, name
        assert aggregates is None or not aggregates._found, name
        replays = getattr(judge, "replays", None)
        assert replays is None or not replays._trails, name
        voice = getattr(party, "voice", None)
        assert voice is None or not voice._sayings, name


class Accomplice(Provider):
    """A provider that bids on what it has not looked at and commits to nothing real."""

    behaviour = "accomplice"

    def bid(self, job: int) -> Wake:
        self.assignment = lambda job: None  # type: ignore[assignment, method-assign, misc, return-value]
        try:
            return super().bid(job)
        finally:
            del self.assignment

    def admit(self, assignment: Any) -> None:
        """Takes anything."""

    def train(self, name: Any, view: Any, slot: int) -> Wake:
        root = bytes([slot + 1]) * 32
        signed = Commitment(*name, slot, self.world.address, *self.clerk.origin(name), root, root, root)
        self.world.say("commitments", name, {"commitments": [commitment_content(signed, self.sign(signed))]})
        return self.clerk.attempt(self.world.ledger.rounds.commit_slot(on_chain(signed)))


def poisoner(world: World) -> Cheat:
    consumer = Cheat(world)
    consumer.poison = "flipped"
    return consumer


def test_a_poisoned_job_with_its_own_providers_finds_nobody_to_check_it(tiny_stage: Tiny) -> None:
    stage = tiny_stage(providers=(Accomplice, Accomplice), consumer=poisoner)
    stage.play()
    assert stage.said(Cancelled)
    assert not stage.said(Penalised)


def test_a_poisoned_job_that_nobody_could_look_at_before_is_stopped_by_the_drawn(
    tiny_stage: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Party, "consider", lambda self, job, *checks: IDLE)
    stage = tiny_stage(providers=(Accomplice, Accomplice), consumer=poisoner)
    stage.play()
    assert [each.digest for each in stage.said(FaultAttested)] == [UNSOUND]
    assert not stage.said(Faulted), "what no contract has seen forfeits nothing"
    assert stage.network.ledger.jobs.view_of(stage.job).phase == JobPhase.DONE
    assert not stage.said(Penalised), "nobody is slashed for what could not be executed"
    for name in stage.honest("validator"):
        assert stage.paid(name) == stage.order.validator_fee


def declined(stage: Stage) -> str:
    """Why the first provider left a posted job alone."""
    stage.play()
    assert stage.said(Cancelled)
    return str(stage.network.parties["provider-1"].bidding.declined[stage.job])


def test_data_of_another_type_than_the_step_takes_is_declined(tiny_stage: Tiny, samples: Samples) -> None:
    wrong = Samples(samples.x, samples.y.astype(np.float32))
    assert "does not fit its step" in declined(tiny_stage(train=wrong))


def test_programs_that_cannot_aggregate_every_number_of_updates_are_declined(tiny_stage: Tiny, bundle: Bundle) -> None:
    lame = replace(bundle, aggregate={2: bundle.aggregate[2]})
    assert "do not aggregate every number" in declined(tiny_stage(programs=lame))


def test_samples_that_nobody_could_show_in_one_message_are_declined(
    tiny_stage: Tiny, bundle: Bundle, samples: Samples
) -> None:
    stage = tiny_stage()
    order = stage.network.ledger.jobs.order_of(stage.post())
    (data, _), limits = describe(samples), Limits()
    large = replace(order, providers=30, reports_min=3, steps_per_round=1_024, steps_per_segment=1)
    for count, quorum in ((30 * 1_024, 3), (3_400, 3), (2_300, 2)):
        with pytest.raises(Refused, match="would not fit a message"):
            admit(replace(large, samples_per_validator=count, validators=3, quorum=quorum), bundle, data, data, limits)
    with pytest.raises(Refused, match="do not aggregate every number"):  # which is what is looked at next
        admit(replace(large, samples_per_validator=3_300, validators=3, quorum=3), bundle, data, data, limits)
    rows = [Entry(29, 1_023, bytes([255]) * 32, bytes([255]) * 32, 0xFFFF_FFFF)] * ROWS_SHOWN_MAX
    assert len(encode_body({"of": stage.address("validator-1"), "rows": row_content(rows)})) <= BODY_BYTES_MAX


def test_a_program_beyond_this_machines_limits_is_refused(tiny_stage: Tiny) -> None:
    stage = tiny_stage()
    job = stage.post()
    world = stage.network.worlds["provider-1"]
    order = stage.network.ledger.jobs.order_of(job)
    for limits in (Limits(nodes=3), Limits(operations=10), Limits(live_bytes=100)):
        with pytest.raises(Exception, match="at most"):
            fetch_assignment(world, order, job, limits)
    other = replace(order, programs=bytes(32))
    with pytest.raises(Refused, match="not those of its order"):
        fetch_assignment(world, other, job, Limits())


def test_an_order_that_scores_something_else_than_its_file_says_is_refused(tiny_stage: Tiny) -> None:
    stage = tiny_stage()
    job = stage.post()
    order = stage.network.ledger.jobs.order_of(job)
    assert not order.scores_loss
    with pytest.raises(Refused, match="does not score its accuracy"):
        fetch_assignment(stage.network.worlds["provider-1"], replace(order, scores_loss=True), job, Limits())


def test_held_out_samples_whose_marks_nobody_could_show_are_refused(
    tiny_stage: Tiny, bundle: Bundle, samples: Samples
) -> None:
    stage = tiny_stage()
    order = stage.network.ledger.jobs.order_of(stage.post())
    data, _ = describe(samples)
    assert admit(order, bundle, data, replace(data, count=4 * BATCHES_MAX), Limits()) == 4
    with pytest.raises(Refused, match="are 4097 batches") as refusal:
        admit(order, bundle, data, replace(data, count=4 * BATCHES_MAX + 1), Limits())
    assert refusal.value.fields["key"] == "train.batch_size"
