"""Whoever only watches is told things too: hostile openings neither stop the observer nor show in its figures."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assay.api.observer import Observer
from assay.chain.contracts.rounds import Finalised
from assay.roles.provider import Provider
from assay.roles.stage import DECIMALS, Stage
from assay.roles.world import World
from assay.work.normal import Graph
from assay.work.program import Bundle

Tiny = Callable[..., Stage]
NAN_BITS, ONE_BITS = 0x7FC00000, 0x3F800000
LIES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "not a number": lambda opening: {"losses": [*opening["losses"][:-1], NAN_BITS]},
    "another loss": lambda opening: {"losses": [*opening["losses"][:-1], ONE_BITS]},
    "no list": lambda opening: {"losses": None},
    "an empty list": lambda opening: {"losses": []},
    "texts": lambda opening: {"losses": ["x"] * len(opening["losses"])},
    "beyond 32 bits": lambda opening: {"losses": [1 << 400]},
    "many": lambda opening: {"losses": [ONE_BITS] * 80_000},
    "no secret": lambda opening: {"secret": None},
}


def lying(lie: str, told: list[dict[str, Any]]) -> type[Provider]:
    """A provider that opens honestly, and then once more as it should not; what it says then is noted in `told`."""

    class Liar(Provider):
        behaviour = "liar"

        def __init__(self, world: World, *given: Any) -> None:
            super().__init__(world, *given)
            say = world.say

            def say_twice(kind: str, name: Any, content: dict[str, Any], *rest: Any) -> Any:
                said = say(kind, name, content, *rest)
                if kind == "opening":
                    told.append({**content, **LIES[lie](content)})
                    say(kind, name, told[-1], *rest)
                return said

            world.say = say_twice  # type: ignore[method-assign, assignment]

    return Liar


def watch(stage: Stage) -> tuple[Observer, list[dict[str, Any]]]:
    notes: list[dict[str, Any]] = []
    observer = Observer(stage.network.world("observer", 0), stage.network.token.address, DECIMALS, {}, notes.append)
    stage.network.parties["observer"] = observer
    stage.play()
    observer.tick()
    json.dumps(notes, allow_nan=False)
    json.dumps([story.to_json() for story in observer.stories.values()], allow_nan=False)
    return observer, notes


def last_loss(opening: dict[str, Any]) -> float:
    loss: float = struct.unpack(">f", opening["losses"][-1].to_bytes(4, "big"))[0]
    return loss


def test_the_loss_of_a_round_is_the_mean_of_what_was_committed(tiny_stage: Tiny) -> None:
    observer, _ = watch(tiny_stage(rounds=2))
    assert len(observer.stories) == 2
    for name, story in observer.stories.items():
        losses = [last_loss(observer.book.round(name).openings[slot]) for slot in (0, 1)]
        assert story.loss == sum(losses) / 2
        assert story.mark is not None
        assert story.accepted == 2


@pytest.mark.parametrize("lie", LIES)
def test_a_hostile_opening_shows_nothing(lie: str, tiny_stage: Tiny) -> None:
    told: list[dict[str, Any]] = []
    stage = tiny_stage(providers=(Provider, Provider, lying(lie, told)))
    observer, _ = watch(stage)
    assert stage.said(Finalised)
    ((name, story),) = observer.stories.items()
    page, holders = observer.book.round(name), stage.network.ledger.jobs.providers_of(1)
    honest = [slot for slot, holder in enumerate(holders) if holder != stage.address("provider-3")]
    (lying_slot,) = {0, 1, 2} - set(honest)
    assert page.openings[lying_slot] == told[-1]
    assert story.loss == sum(last_loss(page.openings[slot]) for slot in honest) / 2


def test_a_job_whose_model_cannot_be_measured_is_watched_to_its_end(tiny_stage: Tiny, bundle: Bundle) -> None:
    graph = Graph(bundle.step.profile)
    for value in bundle.evaluate.inputs:
        graph.add_input("", value.dtype, value.shape)
    loss = graph.map("div", graph.sum(len(bundle.rules), (0, 1)), graph.scalar(0.0))
    evaluate = graph.finish([graph.integer(1), graph.integer(4), loss], ["correct", "targets", "loss_sum"])
    stage = tiny_stage(programs=replace(bundle, evaluate=evaluate))
    observer, notes = watch(stage)
    assert stage.said(Finalised)
    (story,) = observer.stories.values()
    assert story.mark is None
    assert story.to_json()["accuracy"] is None
    assert story.loss is not None
    assert any("cannot be measured" in note.get("text", "") for note in notes)
