"""`assay down`: stop the network in the background; everything stays in the home."""

from assay.cli.place import HomeOption, JsonOption, home_path


def run(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop the network that `assay up` started. Its chain, keys, bytes and journals stay; `assay up` goes on.

    Examples:

    - `assay down`

    - `assay down --home runs/network`
    """
    from assay.api.home import Home
    from assay.api.operator import stop
    from assay.cli.terminal import out, plain, print_json

    place = Home(home_path(home))
    stopped = stop(place)
    if as_json:
        print_json({"home": str(place.path), "stopped": stopped})
        return
    out().print(plain("the network is stopped" if stopped else "no network was running"))
