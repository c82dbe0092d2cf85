"""`assay models`: the registry."""

from assay.cli.place import HomeOption, JsonOption


def run(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the registered models: number, name, rounds, owner, and how the hash of the state begins.

    Examples:

    - `assay models`

    - `assay models --json`
    """
    from assay.cli.session import open_network
    from assay.cli.terminal import out, own_name, plain, print_json, printable

    with open_network(home) as network:
        models = network.models()
    if as_json:
        print_json({"models": models})
        return

    from rich import box
    from rich.table import Table

    console = out()
    if not models:
        console.print(plain(f"no model is registered yet; a job that completes makes one: {own_name()} post job.toml"))
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim", pad_edge=False)
    for name in ("model", "name", "rounds", "owner", "state"):
        table.add_column(name, overflow="fold")
    for model in models:
        cells = (model["model"], model["name"] or "(its document is not served)", model["rounds"], model["owner"])
        table.add_row(*(plain(cell) for cell in cells), plain(printable(model["state_root"], 22), "dim"))
    console.print(table)
