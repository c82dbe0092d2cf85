"""A home folder's network as a client sees it: with a key to act, or without one to look."""

import time

from assay.api.client import Client
from assay.api.home import Home
from assay.api.token import describe_token
from assay.chain.signer import KeySigner
from assay.roles.wake import Wake
from assay.roles.world import World

PAUSE_S = 0.5
"""Between two looks at the chain."""


def open_client(home: Home, signer: KeySigner | None = None) -> Client:
    """A client of a home's network; without a signer it only looks. Errors: `BadInput`, `Unavailable` when the network
    is not running."""
    world = home.onlooker() if signer is None else home.world(signer)

    def open_world() -> World:
        return home.onlooker() if signer is None else home.world(signer, journal=world.journal)

    return Client(open_world, describe_token(home.web3, home.token), pass_time, acts=signer is not None)


def pass_time(wake: Wake) -> None:
    """A moment, unless something was done and more may be to do."""
    time.sleep(0 if wake.acted else PAUSE_S)
