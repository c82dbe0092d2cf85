"""What stands in for the two compiled packages where they have no build: which one is at work here, and why.

Either choice gives the same results, gas, errors, block hashes and signatures; only the time differs.
"""

import platform
import sys
from dataclasses import dataclass
from importlib import metadata, util

ENGINES = {"revm": "pyrevm", "interpreter": ""}
"""The embedded chain's engines, and the package that each needs."""
CURVES = {"coincurve": "coincurve", "eth-keys": ""}
"""What signs and recovers, and the package that each needs. eth-keys chooses by itself, in this order."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """`choice` is what runs; `missing` the faster package that is not here, or nothing."""

    choice: str
    missing: str = ""

    @property
    def words(self) -> str:
        """One clause for people."""
        package = {**ENGINES, **CURVES}[self.choice]
        if package:
            return f"{package} {metadata.version(package)}"
        kind = "our interpreter" if self.choice in ENGINES else "eth-keys in Python"
        why = "does not load" if _is_installed(self.missing) else "is not installed"
        here = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.system()} {platform.machine()}"
        return f"{kind}, exact but slower: {self.missing} {why} ({here})"


def find_engine(choice: str | None = None) -> Equipment:
    """The engine that a chain opened now would have, or the one named `choice` that it has."""
    return _find(ENGINES, choice)


def find_curve() -> Equipment:
    """What signs transactions and recovers their senders: eth-keys says which one it has loaded."""
    from eth_keys.backends import get_backend_class

    return _find(CURVES, "coincurve" if "CoinCurve" in get_backend_class().__name__ else "eth-keys")


def _find(packages: dict[str, str], choice: str | None) -> Equipment:
    (fast, package), (slow, _) = packages.items()
    if (choice or (fast if _is_installed(package) else slow)) == fast:
        return Equipment(fast)
    return Equipment(slow, package)


def _is_installed(package: str) -> bool:
    try:
        return util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False
