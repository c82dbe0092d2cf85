"""`assay thaw`: let a frozen network go on."""

from assay.cli.place import HomeOption, JsonOption


def run(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Let the network of this home go on: all that waited has as much time left as when it was frozen.

    Examples:

    - `assay thaw`

    - `assay thaw --json`
    """
    from assay.api.freezing import DAY_S, thaw
    from assay.cli.place import open_home
    from assay.cli.terminal import out, plain, print_json

    with open_home(home) as place:
        done = thaw(place)
    if as_json:
        print_json(done)
        return
    console = out()
    console.print(plain("the network goes on", "bold green"))
    console.print(plain(f"  it could be frozen for {done['allowance_s'] / DAY_S:.1f} days more now", "dim"))
