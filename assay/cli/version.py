"""`assay version`: this package and what its results may depend on."""

import platform
from importlib import metadata
from typing import Annotated

import typer

PACKAGES = ("torch", "numpy", "web3", "pyrevm", "coincurve")


def run(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Print the versions of Assay, Python and the packages that matter to a bug report.

    Examples:

    - `assay version`

    - `assay version --json`
    """
    from assay.chain.equipment import find_curve, find_engine
    from assay.cli.terminal import out, plain, print_json

    versions = {
        "assay": _version("assay"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **{name: _version(name) for name in PACKAGES},
        "engine": find_engine().words,
        "signatures": find_curve().words,
    }
    if as_json:
        print_json(versions)
        return
    console = out()
    for name, version in versions.items():
        console.print(plain(f"{name:<10} ", "dim") + plain(version or "not installed"))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
