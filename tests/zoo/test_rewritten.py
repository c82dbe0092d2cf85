"""A chain that is rewritten around the draw: the work is other work then, and nobody is bound by what it signed."""

from typing import Any

import pytest

from assay.chain.contracts.rounds import Disproved, Late, Penalised
from assay.roles.provider import Provider

DEPTH_MAX = 10


@pytest.mark.parametrize("depth_blocks", [0, 12])
def test_providers_that_signed_before_the_draw_changed_are_paid(set_up: Any, depth_blocks: int) -> None:
    told: list[str] = []

    class Watched(Provider):
        def tell(self, name: Any, piece: Any) -> None:
            super().tell(name, piece)
            told.append(self.world.address)

    stage = set_up(rounds=1, honest=0, providers=(Watched,) * 3)
    network = stage.network
    for world in network.worlds.values():
        world.depth_blocks = depth_blocks
    stage.post()
    beacons: list[bytes] = []

    def over() -> bool:
        jobs = network.ledger.jobs
        if not beacons and len(told) == 3:
            depth = network.ledger.rpc.get_head() - jobs.view_of(stage.job).draw_block + 1
            assert depth <= DEPTH_MAX, "else the draw would stand"
            beacons.append(jobs.view_of(stage.job).beacon)
            network.chain.reorganise(depth, keep_transactions=True)
            beacons.append(jobs.view_of(stage.job).beacon)
        return stage.over()

    network.run(over, turns_max=5_000)
    assert beacons[0] != beacons[1], "the draw is another, and so is the work"
    assert len(told) == 6, "all three have trained and signed again"
    assert not [*stage.said(Late), *stage.said(Disproved), *stage.said(Penalised)]
    assert all(stage.paid(f"provider-{at}") == stage.price() for at in (1, 2, 3))
