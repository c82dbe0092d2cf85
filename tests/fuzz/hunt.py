"""One decoder under libFuzzer, in a process of its own: `python -m tests.fuzz.hunt NAME CORPUS [libFuzzer's options]`.

Only Assay's own code, and the parsers in Python that it leans on, guide the search: they are instrumented while they
are imported.
"""

import sys

import atheris

GUIDES = ["assay", "tomllib", "safetensors", "zipfile", "rlp", "eth_abi"]

with atheris.instrument_imports(include=GUIDES):
    from assay.protocol.errors import AssayError
    from tests.fuzz.decoders import DECODERS


def main() -> None:
    """libFuzzer ends the process, with another code than 0 where something was found."""
    name, *options = sys.argv[1:]
    read = DECODERS[name].read

    def attempt(content: bytes) -> None:
        try:
            read(content)
        except AssayError:
            return

    atheris.Setup([name, *options], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
