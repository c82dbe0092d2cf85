"""Deploying: a plan of steps, the plan of the whole system, and what comes out of it.

The order, the arguments and the wiring are those of `contracts/DEPLOY.md`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError
from web3 import Web3

from assay.chain.artifacts import Artifact, load_artifact
from assay.chain.reverts import compute_selector, format_type
from assay.chain.sender import Sender
from assay.protocol.errors import BadInput, Malformed
from assay.protocol.plain import read_plain

ADDRESS_FILE_LIMIT_BYTES, ADDRESS_FILE_DEPTH_MAX = 1 << 20, 2


@dataclass(frozen=True)
class Ref:
    """Stands for the address of a contract that an earlier step deployed."""

    name: str


Argument: TypeAlias = Any  # a value of the ABI's type, a Ref, or a sequence of either


@dataclass(frozen=True)
class Create:
    """Deploy `artifact` with constructor arguments; libraries are linked by name."""

    artifact: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Invoke:
    """Call a function of a deployed contract, by name."""

    contract: str
    function: str
    arguments: tuple[Argument, ...] = ()


Step: TypeAlias = Create | Invoke


@dataclass(frozen=True)
class Limits:
    """Bounds of the `Params` contract. Times in seconds, `beacon_delay` in blocks."""

    window_floor_s: int = 600
    window_ceiling_s: int = 2_592_000
    unbonding_s: int = 1_209_600
    rounds_max: int = 1_024
    providers_max: int = 256
    validators_max: int = 64
    lookahead_max: int = 4
    beacon_delay: int = 32
    challenge_bond_bps: int = 2_000

    def to_abi(self) -> tuple[int, ...]:
        """In the contract's order."""
        return (
            self.window_floor_s,
            self.window_ceiling_s,
            self.unbonding_s,
            self.rounds_max,
            self.providers_max,
            self.validators_max,
            self.lookahead_max,
            self.beacon_delay,
            self.challenge_bond_bps,
        )


POOL_MINIMUM = 10**6
"""Least weight in a pool of the test stablecoin: one whole token, so that a crowd of empty accounts costs something."""
DEMO_LIMITS = Limits(window_floor_s=1, unbonding_s=60, beacon_delay=2)


@dataclass(frozen=True)
class Deployment:
    """Where the contracts are: chain, addresses by contract name, and the block before which nothing happened."""

    chain_id: int
    first_block: int
    addresses: Mapping[str, str]
    gas_used: int = field(default=0, compare=False)

    def get_address(self, name: str) -> str:
        """Address of a contract. Raises `BadInput` naming what there is."""
        try:
            return self.addresses[name]
        except KeyError:
            raise BadInput(f"{name} is not deployed here", hint=f"deployed: {', '.join(self.addresses)}") from None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"chain_id": self.chain_id, "first_block": self.first_block, "addresses": dict(self.addresses)}

    @classmethod
    def from_json(cls, value: Any) -> "Deployment":
        """From `to_json`. Raises `Malformed`."""
        try:
            addresses, numbers = dict(value["addresses"].items()), (value["chain_id"], value["first_block"])
            if not all(isinstance(each, str) and Web3.is_checksum_address(each) for each in addresses.values()):
                raise ValueError("an address has no valid checksum")
            if not all(type(number) is int and 0 <= number < 1 << 64 for number in numbers):
                raise ValueError("a chain's or a block's number is out of range")
            return cls(*numbers, addresses)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Malformed(f"not a deployment: {error!r:.200}", hint="deploy again, or fetch the file again") from None

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Read what `save` wrote. Raises `BadInput` where there is no file, `Malformed` for another one."""
        if not path.is_file():
            raise BadInput(f"there is no deployment at {path}", hint="deploy first, or name another file")
        with path.open("rb") as file:
            content = file.read(ADDRESS_FILE_LIMIT_BYTES + 1)
        try:
            return cls.from_json(read_plain(content, ADDRESS_FILE_LIMIT_BYTES, ADDRESS_FILE_DEPTH_MAX))
        except Malformed as error:
            kind, hint = type(error), "deploy again, or fetch the file again"
            raise kind(f"{path.name} is no deployment: {error.message}", hint=hint, **error.fields) from None


def plan_system(owner: str, limits: Limits = DEMO_LIMITS, *, with_tokens: bool = True) -> tuple[Step, ...]:
    """Every step of a whole deployment. `owner` owns `Params`, may stop the `Clock`, and holds the supply of
    `AssayToken`, if there are tokens."""
    vault, stakes, params, beacon, clock = Ref("Vault"), Ref("Stakes"), Ref("Params"), Ref("Beacon"), Ref("Clock")
    jobs, rounds, disputes = Ref("Jobs"), Ref("Rounds"), Ref("Disputes")
    tokens: tuple[Step, ...] = (
        Create("TestStablecoin"),
        Create("AssayToken", (owner, 10**27)),
        Invoke("Params", "setPoolMinimum", (Ref("TestStablecoin"), POOL_MINIMUM)),
    )
    return (
        Create("Payroll"),
        Create("Verdicts"),
        Create("Evidence"),
        Create("Book"),
        Create("Bids"),
        Create("Draws"),
        Create("Cases"),
        Create("Claims"),
        Create("Grounds"),
        Create("Samples"),
        Create("Functions"),
        Create("Moves"),
        Create("Arbiter"),
        Create("Params", (owner, limits.to_abi())),
        Create("Clock", (params,)),
        Create("Vault"),
        Create("Stakes", (vault, params, clock)),
        Create("Beacon"),
        Create("Jobs", (vault, stakes, params, beacon, clock)),
        Create("Rounds", (vault, stakes, jobs, beacon, clock)),
        Create("Disputes", (vault, jobs, rounds, clock)),
        Create("Games", (Ref("Arbiter"), disputes, clock)),
        Create("Models", (jobs, rounds)),
        *(tokens if with_tokens else ()),
        Invoke("Vault", "wire", ((stakes, jobs, rounds, disputes),)),
        Invoke("Stakes", "wire", ((jobs, rounds),)),
        Invoke("Jobs", "wire", (rounds,)),
        Invoke("Rounds", "wire", (disputes,)),
        Invoke("Disputes", "wire", (Ref("Games"),)),
    )


def deploy(sender: Sender, steps: Sequence[Step]) -> Deployment:
    """Run the steps in order from one account. Raises `Reverted` with the decoded error of the step that failed."""
    addresses: dict[str, str] = {}
    first_block, gas_used = sender.rpc.get_head() + 1, 0
    for step in steps:
        if isinstance(step, Create):
            artifact = load_artifact(step.artifact)
            sent = sender.send(None, pack_creation(artifact, _resolve(step.arguments, addresses), addresses))
            if sent.created is None:
                raise Malformed(f"the receipt of {step.artifact} names no contract", hint="use another node")
            addresses[step.artifact] = sent.created
        else:
            payload = pack_invocation(load_artifact(step.contract), step.function, _resolve(step.arguments, addresses))
            sent = sender.send(_find(step.contract, addresses), payload)
        gas_used += sent.gas_used
    return Deployment(sender.rpc.get_chain_id(), first_block, addresses, gas_used)


def pack_creation(artifact: Artifact, arguments: Sequence[Any], libraries: Mapping[str, str]) -> bytes:
    """Initcode: linked bytecode, then the constructor's arguments."""
    if not artifact.is_deployable:
        raise BadInput(f"{artifact.name} is an interface", hint="deploy what implements it")
    constructors = artifact.get_entries("constructor")
    inputs = constructors[0]["inputs"] if constructors else []
    return artifact.link(libraries) + _encode(f"{artifact.name}'s constructor", inputs, arguments)


def pack_invocation(artifact: Artifact, function: str, arguments: Sequence[Any]) -> bytes:
    """Calldata of a function by its name."""
    found = [entry for entry in artifact.get_entries("function") if entry["name"] == function]
    if len(found) != 1:
        raise BadInput(f"{artifact.name} has {len(found)} functions called {function}", hint="look at its ABI")
    return compute_selector(found[0]) + _encode(f"{artifact.name}.{function}", found[0]["inputs"], arguments)


def _encode(what: str, inputs: Sequence[Mapping[str, Any]], arguments: Sequence[Any]) -> bytes:
    try:
        return encode([format_type(part) for part in inputs], list(arguments))
    except (EncodingError, ValueError, TypeError) as error:
        raise BadInput(f"{what} does not take these arguments: {error}", hint="look at its ABI") from None


def _find(name: str, addresses: Mapping[str, str]) -> str:
    if name not in addresses:
        raise BadInput(f"the plan uses {name} before it deploys it", hint="reorder the steps")
    return addresses[name]


def _resolve(arguments: Sequence[Argument], addresses: Mapping[str, str]) -> list[Any]:
    resolved: list[Any] = []
    for argument in arguments:
        if isinstance(argument, Ref):
            resolved.append(_find(argument.name, addresses))
        elif isinstance(argument, list | tuple):
            resolved.append(_resolve(argument, addresses))
        else:
            resolved.append(argument)
    return resolved
