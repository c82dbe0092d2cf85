"""`assay audit`: execute somebody's work again and compare it with what was committed."""

from typing import Annotated

import typer

from assay.cli.place import HomeOption, JsonOption


def run(
    address: Annotated[str, typer.Argument(metavar="JOB[/ROUND[/SLOT[/STEP]]]", help="Whose work, counted from 0.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> int | None:
    """Execute work again here, and compare every bit with what its provider has committed on chain.

    A whole job takes as long as its training did, on one machine; one step takes a moment. Ends with 8 when something
    is not as it was committed.

    Examples:

    - `assay audit 1/0/2/17`

    - `assay audit 1/0`

    - `assay audit 1 --json`
    """
    from assay.api.inspect import Address, Audit
    from assay.cli.session import open_network
    from assay.cli.terminal import out, plain, print_json
    from assay.cli.verbs import FOUND

    place, console, checked = Address.parse(address), out(), []
    with open_network(home) as network:
        network.client.view(place.job)
        for each in network.job(place.job).auditor().audit(place):
            checked.append(each)
            if not as_json:
                style = "green" if each.verdict.honest else "bold red"
                console.print(plain(f"{each.address!s:<14} ") + plain(each.verdict.words, style))
    audit = Audit(tuple(checked))
    if as_json:
        print_json({"address": str(place), **audit.to_json()})
    else:
        console.print(plain(audit.words, "bold"))
    return None if audit.honest else FOUND
