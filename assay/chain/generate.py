"""Write the typed clients: one module per deployable contract, one for the structs, from the shipped ABIs.

python -m assay.chain.generate            write assay/chain/contracts/
python -m assay.chain.generate --check    compare, and exit 1 naming the modules that are stale
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from assay.chain.artifacts import Artifact, list_artifacts, load_artifact, parse_artifact
from assay.chain.render import collect_structs, render_client, render_package, render_structs, to_snake
from assay.protocol.errors import BadInput

TARGET = Path(__file__).parent / "contracts"


def select_artifacts(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Those that get a client: deployable, no library, and with something to call or to listen to. Sorted by name.

    A library is what another contract links: nobody calls it, and its events surface under that contract's address.
    """
    there = tuple(artifacts)
    libraries = {name for artifact in there for name in artifact.links}
    chosen = [
        artifact
        for artifact in there
        if artifact.is_deployable
        and artifact.name not in libraries
        and (artifact.get_entries("function") or artifact.get_entries("event"))
    ]
    return sorted(chosen, key=lambda artifact: artifact.name)


def generate(artifacts: Iterable[Artifact], package: str = "assay.chain.contracts") -> dict[str, str]:
    """Source text by file name, formatted. `package` is where the modules will be imported from."""
    chosen = select_artifacts(artifacts)
    structs = collect_structs(chosen)
    texts = {"__init__.py": render_package(chosen), "containers.py": render_structs(structs)}
    for artifact in chosen:
        texts[f"{to_snake(artifact.name)}.py"] = render_client(artifact, structs, package)
    return {name: format_source(text, package) for name, text in sorted(texts.items())}


def format_source(text: str, package: str) -> str:
    """The text as ruff sorts and formats it. Raises `BadInput` where ruff is not installed or refuses."""
    ours = ",".join(f'"{name}"' for name in sorted({"assay", package.split(".")[0]}))
    settings = ["--isolated", "--config", "line-length = 120", "--config", f"lint.isort.known-first-party = [{ours}]"]
    for command in (["check", "--select", "I,F401", "--fix", "--quiet"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, *settings, "-"]
        done = subprocess.run(ruff, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BadInput(
                f"ruff cannot format the generated source: {done.stderr[:500]}", hint="pip install assay[check]"
            )
        text = done.stdout
    return text


def find_stale(texts: Mapping[str, str], target: Path) -> list[str]:
    """Names of files that differ from `texts`, are missing, or should not be there."""
    there = {path.name for path in target.glob("*.py")}
    different = {name for name in texts.keys() & there if (target / name).read_text() != texts[name]}
    return sorted(different | (texts.keys() ^ there))


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m assay.chain.generate", description="write the typed clients")
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 if anything is stale")
    parser.add_argument("--artifacts", type=Path, help="a folder of artifacts instead of the shipped ones")
    parser.add_argument("--target", type=Path, default=TARGET, help="where the modules go")
    parser.add_argument("--package", default="assay.chain.contracts", help="what they are imported as")
    options = parser.parse_args(arguments)
    if options.artifacts is None:
        artifacts = [load_artifact(name) for name in list_artifacts()]
    else:
        artifacts = [parse_artifact(path.read_text()) for path in sorted(options.artifacts.glob("*.json"))]
    texts = generate(artifacts, options.package)
    stale = find_stale(texts, options.target)
    if options.check:
        for name in stale:
            sys.stderr.write(f"stale: {options.target.name}/{name} (run python -m assay.chain.generate)\n")
        return 1 if stale else 0
    options.target.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in texts:
            (options.target / name).write_text(texts[name])
        else:
            (options.target / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
