"""A provider that crashes after it has signed must not look like one that keeps two books."""

from typing import Any

from assay.chain.contracts.rounds import Disproved
from assay.roles.provider import Provider


class Forgetful(Provider):
    """Trains and signs every round twice, the second time with nothing but its journal left."""

    behaviour = "forgetful"

    def tell(self, name: Any, piece: Any) -> None:
        super().tell(name, piece)
        reborn = Provider(self.world, self.price)
        start = self.state(name[0], piece.commitment.start_root)
        assert start is not None
        work = reborn.compute(name, piece.slot, start, piece.commitment.start_root)
        again = reborn.commit(name, piece.commitment.start_root, piece.slot, work)
        assert again.commitment == piece.commitment
        reborn.tell(name, again)


def test_a_provider_that_signs_again_after_a_crash_signs_the_same(set_up: Any) -> None:
    stage = set_up(providers=(Forgetful,), rounds=2)
    stage.play()
    assert not stage.said(Disproved)
    assert stage.paid("provider-4") == stage.paid("provider-1") > 0
