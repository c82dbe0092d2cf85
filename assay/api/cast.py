"""Who takes part in the demo: what may be chosen, and what of it is refused before anything heavy is loaded."""

from dataclasses import dataclass
from pathlib import Path

from assay.chain.location import check_url
from assay.protocol.errors import BadInput
from assay.roles.zoo import CHEATS, Card

AGGREGATORS = 2
PROVIDERS_MAX = 64


@dataclass(frozen=True)
class DemoOptions:
    """What may be chosen. `providers` counts the honest; `cheaters` join them, or take a place in their own role.

    `rpc` is a node's URL, nothing for the embedded chain; the key in `key_file` pays for gas there.
    """

    seed: int = 7
    providers: int = 4
    cheaters: tuple[str, ...] = ("skipper", "needle", "rubber-stamp")
    rounds: int = 0
    data: str = "sklearn:digits"
    model: str = ""
    validators: int = 5
    rpc: str | None = None
    key_file: Path | None = None


def choose_cast(options: DemoOptions) -> dict[str, list[Card | None]]:
    """Who plays each place: None for the honest. Errors: `BadInput`."""
    if options.rpc is not None:
        check_url(options.rpc)
    elif options.key_file is not None:
        raise BadInput("a key file pays for gas on a node", hint="name the node with --rpc")
    unknown = [name for name in options.cheaters if name not in CHEATS]
    if unknown:
        raise BadInput(f"no cheat is called {unknown[0]!r}", hint="`assay zoo` lists them")
    cards = [CHEATS[name] for name in options.cheaters]
    posted = [card.name for card in cards if card.role == "consumer"]
    if posted:
        raise BadInput(f"{posted[0]} is a consumer's cheat, and the demo's consumer is you", hint="try another one")
    by_role = {role: [card for card in cards if card.role == role] for role in ("provider", "validator", "aggregator")}
    if not options.providers >= 1 or options.providers + len(by_role["provider"]) > PROVIDERS_MAX:
        raise BadInput(f"the demo has 1 to {PROVIDERS_MAX} providers, cheaters included", hint="ask for fewer")
    if len(by_role["validator"]) > (options.validators - 1) // 2 or len(by_role["aggregator"]) >= AGGREGATORS:
        raise BadInput(
            "that many cheats would be the majority", hint="a quorum must be honest until disputes replace it"
        )
    return {
        "provider": [*[None] * options.providers, *by_role["provider"]],
        "validator": [*[None] * (options.validators - len(by_role["validator"])), *by_role["validator"]],
        "aggregator": [*by_role["aggregator"], *[None] * (AGGREGATORS - len(by_role["aggregator"]))],
    }
