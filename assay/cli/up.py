"""`assay up`: a network of your own on this machine, kept in a home folder, in the background."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.place import RPC_HELP, CompileOption, HomeOption, JsonOption, MemoryOption, home_path


def run(
    bare: Annotated[bool, typer.Option(help="Without the local crew: bring your own parties.")] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the chain on this machine; a free one if left out.")
    ] = None,
    block_s: Annotated[
        float | None,
        typer.Option(min=0.2, max=60, help="Seconds between blocks while the chain is used; 2 if left out."),
    ] = None,
    rpc: Annotated[
        str | None, typer.Option(metavar="URL", help=f"Somebody else's node instead of a chain of ours: {RPC_HELP}")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="With --rpc: a private key in hex, readable by you only, that pays for gas."),
    ] = None,
    memory_mb: MemoryOption = 0,
    compiled: CompileOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a network on this machine, or go on with the one that was stopped.

    A background process serves a chain on this machine and, unless told otherwise, plays a crew of 4 providers,
    5 validators and 2 aggregators with test money. Everything is kept in the home folder: stop it, kill it, start it
    again. The network's time stands still while it is down, so nobody misses a deadline meanwhile. Interrupting this
    does not stop what it has started: another `assay up` waits for it.

    Examples:

    - `assay up`

    - `assay up --bare --port 8545`

    - `assay up --home runs/network --json`

    - `assay up --rpc http://127.0.0.1:8545 --home runs/anvil`

    - `assay up --rpc @node.url --home runs/testnet`
    """
    from assay.api.home import Home
    from assay.api.operator import crew_of, follow, start
    from assay.chain.location import resolve_url, show_url
    from assay.cli.terminal import err, out, own_name, plain, print_json
    from assay.protocol.errors import BadInput

    if block_s is not None and block_s != block_s:
        raise BadInput("--block-s is no number", hint="give seconds from 0.2 to 60")
    url = "" if rpc is None else resolve_url(rpc)
    if rpc is None and key_file is not None:
        raise BadInput("a key file pays for gas on a node", hint="name the node with --rpc")
    place = Home.create(home_path(home))
    fresh, console = not place.is_running(), err()

    def say(step: str) -> None:
        if not as_json:
            console.print(plain(f"· {step}", "dim"))

    given: dict[str, object] = {
        "--port": port,
        "--block-s": block_s,
        "--key-file": key_file and key_file.absolute(),
        "--memory-mb": memory_mb,
    }
    arguments = [f"{name}={value}" for name, value in given.items() if value] + ["--bare"] * bare
    arguments += ["--compile"] * compiled
    try:
        if fresh:
            fresh = start(place, arguments, say, url=url)
        else:
            follow(place, say)
    except KeyboardInterrupt:
        say(f"the network goes on starting in the background: {own_name()} up waits for it, {own_name()} down stops it")
        raise
    place = Home.open(place.path)
    record, crew = place.record, crew_of(place)
    assert record is not None
    counts = {role: sum(member["role"] == role for member in crew) for role in ("provider", "validator", "aggregator")}
    if as_json:
        state = {"home": str(place.path), "url": show_url(record.url), "chain_id": record.chain_id, "started": fresh}
        print_json(state | {"token": record.token, "crew": counts})
        return
    shown = out()
    who = ", ".join(f"{count} {role}s" for role, count in counts.items()) if crew else "no crew"
    shown.print(plain("the network is up" if fresh else "the network is up already", "bold green"))
    shown.print(plain("  chain  ", "dim") + plain(f"{record.chain_id} at {show_url(record.url)}"))
    shown.print(plain("  crew   ", "dim") + plain(who))
    shown.print(plain("  home   ", "dim") + plain(place.path))
    name = own_name()
    shown.print(plain(f"next: {name} faucet (an account with test money), {name} status, {name} down", "dim"))
