"""`assay status`: what runs, whom each job waits for, and what one's accounts hold."""

from assay.cli.place import HomeOption, JsonOption, open_home


def run(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how the network stands: its process and crew, every job with whom it waits for and until when, and accounts.

    It needs no password and changes nothing.

    Examples:

    - `assay status`

    - `assay status --json`
    """
    from assay.api.status import read_status
    from assay.cli.terminal import out, own_name, plain, print_json

    with open_home(home) as place:
        status = read_status(place)
    if as_json:
        print_json(status)
        return
    console = out()
    if not status["running"]:
        console.print(plain("the network is down", "bold yellow") + plain(f"; start it: {own_name()} up", "dim"))
    else:
        words = f"chain {status['chain_id']} at {status['url']}, block {status['block']}"
        console.print(plain("the network is up", "bold green") + plain(f"  {words}", "dim"))
        counts: dict[str, int] = {}
        for member in status["crew"]:
            counts[member["role"]] = counts.get(member["role"], 0) + 1
        if status["frozen_until_s"]:
            console.print(plain(status["frozen"], "bold yellow"))
        crew = ", ".join(f"{count} {role}{'s' * (count != 1)}" for role, count in counts.items())
        console.print(plain("crew  ", "dim") + plain(crew or "none on this machine"))
    for account in status["accounts"]:
        line = plain("you   ", "dim") + plain(f"{account['name']} ", "bold") + plain(account["address"], "dim")
        if "wallet" in account:
            held = (
                f"  {account['wallet']} {account['symbol']}, {account['staked']} at stake, {account['locked']} locked"
            )
            line += plain(held)
        console.print(line)
    for job in status["jobs"]:
        line = plain(f"job {job['job']}  ", "bold") + plain(job["phase"], "" if job["live"] else "dim")
        console.print(line + plain(f"  {job['words']}" if "words" in job else ""))
    for trouble in status["troubles"]:
        console.print(plain("! ", "yellow") + plain(trouble))
