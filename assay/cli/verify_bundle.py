"""`assay verify-bundle`: check a bundle of evidence offline."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.place import RPC_HELP, JsonOption

if TYPE_CHECKING:
    from assay.api.finding import Finding


def run(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file that assay export wrote.")],
    recompute: Annotated[
        bool,
        typer.Option(
            "--recompute",
            help="Execute all included work again as well, which takes as long as it took; needs PyTorch.",
        ),
    ] = False,
    rpc: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"A node of the bundle's chain, to confirm what the chain said: {RPC_HELP}"),
    ] = None,
    as_json: JsonOption = False,
) -> int | None:
    """Check a bundle of evidence, on any machine, without a network.

    Signatures, commitments, openings, tables, quorums, states and money must fit what the chain said. What the chain
    said is taken from the bundle, or with `--rpc` compared with a node of that chain: block, logs and order. Ends with
    8 when something does not fit.

    Examples:

    - `assay verify-bundle job-1.assay`

    - `assay verify-bundle job-1.assay --recompute --json`

    - `assay verify-bundle job-1.assay --rpc http://127.0.0.1:8545`
    """
    from assay.api.bundle import open_bundle
    from assay.chain.location import resolve_url
    from assay.cli.terminal import out, plain, print_json
    from assay.cli.verbs import FOUND

    findings, console = [], out()
    url = rpc and resolve_url(rpc)
    with open_bundle(bundle) as (evidence, blobs):
        from assay.api.verify import Verifier

        def checks() -> Iterator["Finding"]:
            yield from Verifier(evidence, blobs).run()
            if url is not None:
                from assay.api.anchors import check_at

                yield check_at(evidence, url)
            if recompute:
                from assay.api.reexecute import reexecute
                from assay.cli.session import use_one_thread
                from assay.roles.world import Compute

                use_one_thread()
                yield from reexecute(evidence, blobs, Compute(time.perf_counter))

        for finding in checks():
            findings.append(finding)
            if not as_json:
                style = "bold red" if not finding.holds else "yellow" if finding.missing else "green"
                console.print(plain(f"{finding.name:<12} ") + plain(finding.words, style))
        place = {"chain_id": evidence.chain_id, "block": evidence.head, "block_hash": evidence.head_hash.hex()}
    holds = all(finding.holds for finding in findings)
    whole = holds and not any(finding.missing for finding in findings)
    if as_json:
        checked = [finding.to_json() for finding in findings]
        print_json({"job": evidence.job, "holds": holds, "whole": whole, "chain": place, "checks": checked})
    else:
        words = (
            "everything holds"
            if whole
            else "what is here holds, and something is missing"
            if holds
            else "it does NOT hold"
        )
        console.print(plain(words, "bold green" if whole else "bold yellow" if holds else "bold red"))
        source = "taken from the bundle" if rpc is None else "confirmed by the node"
        taken = f"{source}: {len(evidence.logs)} logs of chain {evidence.chain_id} up to block {evidence.head}"
        console.print(plain(taken, "dim"))
    return None if holds else FOUND
