"""`assay freeze`: let a network of one's own stand still."""

from assay.cli.place import HomeOption, JsonOption, YesOption


def run(yes: YesOption = False, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Let the network of this home stand still, for 14 of any 365 days at most.

    No window and no clock runs out meanwhile, nothing is settled and no stake comes back; work, bids and moves go on.
    It decides nothing, and ends by itself when its time is used up. Only its operator can: the home that deployed it.

    Examples:

    - `assay freeze`

    - `assay freeze --yes --json`
    """
    from assay.api.freezing import freeze
    from assay.api.home import frozen_words
    from assay.cli.place import confirm, open_home
    from assay.cli.terminal import out, own_name, plain, print_json

    with open_home(home) as place:
        confirm("Freeze the network? Everybody waits until it is thawed.", yes=yes)
        done = freeze(place)
    if as_json:
        print_json(done)
        return
    console = out()
    console.print(plain(frozen_words(done["from_s"], done["until_s"] - done["from_s"]), "bold yellow"))
    console.print(plain(f"  let it go on with: {own_name()} thaw", "dim"))
