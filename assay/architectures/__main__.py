"""`python -m assay.architectures [NAME...]`: capture the shipped programs again; print their roots."""

import sys
from pathlib import Path

from assay.architectures.ship import SHIPPED


def main(names: list[str]) -> None:
    """Write the named bundles, or all."""
    folder = Path(__file__).parent
    for name in names or SHIPPED:
        bundle = SHIPPED[name].capture()
        (folder / f"{name}.bin").write_bytes(bundle.to_bytes())
        sys.stdout.write(f"{name} {bundle.root.hex()}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
