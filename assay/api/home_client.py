"""A home folder's network as a client sees it: with a key to act, or without one to look."""

import time
from collections.abc import Callable
from pathlib import Path

from assay.api.client import Client
from assay.api.draft import Token
from assay.api.home import Home
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.protocol.errors import BadInput
from assay.roles.wake import Wake
from assay.roles.world import World

HOME = ".assay"
PAUSE_S = 0.5
"""Between two looks at the chain."""

Password = Callable[[str], str]
"""Asks for the password of an account of this name."""


def default_home() -> Path:
    """`~/.assay`."""
    return Path.home() / HOME


def choose_account(home: Home, account: str | None) -> str:
    """The account that is meant: the named one, or the only one. Errors: `BadInput`."""
    names = list(home.accounts())
    if account is not None:
        if account not in names:
            have = f"there are {', '.join(names)}" if names else "make one: assay faucet"
            raise BadInput(f"there is no account {account} in {home.path}", hint=have)
        return account
    if len(names) != 1:
        have = f"choose one with --account: {', '.join(names)}" if names else "make one: assay faucet"
        raise BadInput(f"{home.path} has {len(names) or 'no'} account{'s' * (len(names) != 1)}", hint=have)
    return names[0]


def open_home(
    path: Path | str | None = None, account: str | None = None, password: str | Password | None = None
) -> tuple[Client, Callable[[], None]]:
    """A client of the network in a home folder, and what closes it.

    Without a password it only looks. Errors: `BadInput` where there is no network or account, `Unavailable` when it is
    not running.
    """
    home = Home.open(Path(path) if path is not None else default_home())
    try:
        signer = None
        if password is not None:
            name = choose_account(home, account)
            signer = home.account(name, password if isinstance(password, str) else password(name))

        def open_world() -> World:
            return home.onlooker() if signer is None else home.world(signer)

        def pass_time(wake: Wake) -> None:
            time.sleep(0 if wake.acted else PAUSE_S)

        coin = TestStablecoin(home.web3, home.token)
        client = Client(open_world, Token(home.token, coin.symbol(), coin.decimals()), pass_time)
    except BaseException:
        home.close()
        raise
    return client, home.close
