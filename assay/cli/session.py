"""Opening the network of a home for a verb: to look at it, or as an account of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assay.cli.place import open_home, unlock

if TYPE_CHECKING:
    from assay.api.sdk import Network


@contextmanager
def open_network(home: Path | None) -> Iterator["Network"]:
    """A network to look at; no key is opened."""
    from assay.api.home_client import open_client
    from assay.api.sdk import Network

    use_one_thread()
    with open_home(home) as place:
        yield Network(open_client(place))


@contextmanager
def open_account(home: Path | None, account: str, password_file: Path | None) -> Iterator["Network"]:
    """A network as an account of one's own."""
    from assay.api.home_client import open_client
    from assay.api.sdk import Network

    use_one_thread()
    with open_home(home) as place:
        yield Network(open_client(place, unlock(place, account, password_file)))


@contextmanager
def open_challenger(home: Path | None, account: str, password_file: Path | None) -> Iterator["Network"]:
    """The same to challenge with: one process at a time, for challenges are in the account's journal, which a validator
    of the same key writes in. Errors: `Refused` where one does."""
    from assay.api.home_client import open_client
    from assay.api.sdk import Network
    from assay.protocol.errors import Refused

    use_one_thread()
    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        hold = place.hold(signer.address, "validator")
        if not hold.take("dispute"):
            raise Refused(
                f"{signer.address} works as validator in another process",
                hint="stop that one, or use another --account; with --watch it challenges by itself",
            )
        try:
            yield Network(open_client(place, signer))
        finally:
            hold.release()


def use_one_thread() -> None:
    """Tensors of small models are slower on two threads than on one; the bits are the same."""
    import torch

    torch.set_num_threads(1)
