"""What a job file names as `module:name`: a net that ships with Assay, or a Python file of the user's own.

A job file may come from a stranger. So only a file in its own folder is looked at, it runs only once somebody has
agreed to it, from the bytes that were agreed to, and what is called must be defined in it: nothing that is imported. It
imports what is installed: files beside it, which nobody has been shown, are not on its path while it is read.
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from torch import nn

from assay import architectures
from assay.api.consent import Consent
from assay.protocol import keys
from assay.protocol.errors import BadKey, LimitExceeded, SymbolicLink, show

SHIPPED = "assay.architectures"
NETS = ("cnn", "gpt", "mlp")
FILE_MAX_BYTES = 1 << 20
OWN = "assay_own"
"""What modules made of users' files are called: a file named like a package hides none and is not hidden."""
PACKAGES = ("assay", "torch", "importlib")
"""Whose lines are not the user's."""
ALLOWED = {
    "model.architecture": f"{SHIPPED}:NAME of {', '.join(NETS)}, or FILE:NAME of a .py file beside the job file",
    "model.loss": "a loss by name, or FILE:NAME of a function in a .py file beside the job file",
    "model.options": "arguments that the architecture takes",
}
"""What a key may hold that names code."""
THEIRS = (Exception, SystemExit)
"""What a user's code may raise without ending this process: a file that calls `sys.exit` is a file that is wrong."""


def wrong(key: str, value: object, message: str, hint: str, allowed: str = "") -> BadKey:
    """The refusal of a key that names code."""
    return BadKey(message, hint=hint, key=key, value=show(value), allowed=allowed or ALLOWED[key])


def find_shipped(place: str, key: str) -> Callable[..., nn.Module]:
    """A net that ships with Assay. Errors: `BadKey`."""
    name = place.partition(":")[2]
    if name not in NETS:
        raise wrong(key, place, f"{SHIPPED} has no {name}", keys.nearest(name, NETS))
    found: Callable[..., nn.Module] = getattr(architectures, name)
    return found


def find_own(place: str, folder: Path, key: str, consent: Consent) -> Any:
    """The class or function `file:name` in a file of the job's folder. Errors: `BadKey`, and what `consent` raises."""
    stem, _, name = place.partition(":")
    path, content = _read(stem, folder, place, key)
    consent(path, content)
    module = _run(stem, path, content, place, key)
    found = vars(module).get(name)
    known = sorted(each for each, value in vars(module).items() if _is_own(value, module, key))
    if found is None:
        raise wrong(key, place, f"{path.name} has no {name}", keys.nearest(name, known or ["nothing"]))
    if not _is_own(found, module, key):
        what = "a function" if key == "model.loss" else "a class derived from nn.Module, or a function"
        raise wrong(
            key, place, f"{name} is not {what}, defined in {path.name}", keys.nearest(name, known or ["nothing"])
        )
    return found


def ask(places: dict[str, str], folder: Path, consent: Consent) -> None:
    """Asks for all of a job's files before anything begins. `places` are what it names, by key. Errors: as for
    `find_own`."""
    for key, place in places.items():
        stem, is_named, _ = place.partition(":")
        if is_named and stem not in (SHIPPED, "sha256"):
            consent(*_read(stem, folder, place, key))


def _is_own(found: object, module: ModuleType, key: str) -> bool:
    """Whether a job may name it: defined in that very module, and what the key asks for."""
    if isinstance(found, FunctionType):
        return found.__module__ == module.__name__ and found.__globals__ is vars(module)
    is_net = isinstance(found, type) and issubclass(found, nn.Module) and found.__module__ == module.__name__
    return is_net and key != "model.loss"


def _read(stem: str, folder: Path, place: str, key: str) -> tuple[Path, bytes]:
    """The file and its content. Errors: `BadKey`, `SymbolicLink`, `LimitExceeded`."""
    path = folder / f"{stem}.py"
    if not stem.isidentifier() or not path.is_file():
        where = "a name with dots in it is no file beside the job file" if "." in stem else f"there is no {path}"
        raise wrong(key, place, f"{where}: a job file runs no other code", "put the Python file beside the job file")
    if path.resolve().parent != folder.resolve():
        raise SymbolicLink(f"{path.name} is a link to elsewhere", hint="put the file itself there", path=str(path))
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise wrong(key, place, f"cannot read {path}: {error.strerror}", "name a file that you may read") from error
    if len(content) > FILE_MAX_BYTES:
        raise LimitExceeded(f"{path.name} is too long", limit=FILE_MAX_BYTES, actual=path.stat().st_size)
    return path, content


def _run(stem: str, path: Path, content: bytes, place: str, key: str) -> ModuleType:
    """A module of these bytes; no cached bytecode, which is not what was agreed to, and no file beside it, even where
    this process was started in that folder. Errors: `BadKey`."""
    paths, folder = sys.path, path.resolve().parent
    module = ModuleType(f"{OWN}.{stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    sys.path = [each for each in paths if Path(each).resolve() != folder]
    try:
        exec(compile(content, str(path), "exec", dont_inherit=True), vars(module))
    except THEIRS as error:
        raise theirs(error, f"{path.name} cannot be run", key, place) from error
    finally:
        sys.path = paths
    return module


def theirs(error: BaseException, what: str, key: str, value: object, allowed: str = "") -> BadKey:
    """A user's own error: its words and the last line of theirs that it passed, no traceback."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        frame = trace.tb_frame
        path, package = Path(frame.f_code.co_filename), str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if path.suffix == ".py" and package not in PACKAGES:
            place = f" at {path.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(error, SystemExit):
        words, hint = f"it ends the process: sys.exit({error.code!r})"[:200], "leave that out of the file"
    else:
        words = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        hint = "mend it, or give other model.options"
    return wrong(key, value, f"{what}{place}: {words}", hint, allowed)


def takes(factory: Callable[..., Any]) -> str:
    """The arguments of a class or function, for people."""
    try:
        words = str(inspect.signature(factory)).partition(" ->")[0]
    except (TypeError, ValueError):
        return ""
    return f"the arguments {words}"[:200]
