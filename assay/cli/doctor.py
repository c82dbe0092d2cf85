"""`assay doctor`: what may keep you from taking part, each with its fix."""

from assay.cli.place import HomeOption, JsonOption, home_path

UNWELL = 9
"""Exit code when something failed."""


def run(home: HomeOption = None, as_json: JsonOption = False) -> int | None:
    """Check storage, arithmetic, keys, messages, journals, chain, clock, balance and stake; each failure has its fix.

    Ends with 9 when something failed.

    Examples:

    - `assay doctor`

    - `assay doctor --home runs/network --json`
    """
    from assay.api.doctor import Doctor, report
    from assay.cli.terminal import out, plain, print_json

    styles, console, checks = {"ok": "green", "note": "yellow", "fail": "bold red"}, out(), []
    for check in Doctor(home_path(home)).examine():
        checks.append(check)
        if as_json:
            continue
        console.print(
            plain(f"{check.state:<5}", styles[check.state]) + plain(f"{check.name:<11} ") + plain(check.words)
        )
        if check.fix:
            console.print(plain(f"{'':<17}fix: ", "cyan") + plain(check.fix))
    whole = report(checks)
    if as_json:
        print_json(whole)
    return None if whole["well"] else UNWELL
