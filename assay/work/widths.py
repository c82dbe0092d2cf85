"""How wide operands of inner products are, by module: a profile for the whole model, and others for parts of it.

A part is named by its path, as `named_modules` gives it: "blocks.0" is everything below it, and the longest path that
fits decides. An operator belongs to the module in which it runs forward, and so does its backward. The program's
header carries the default profile; nodes carry their own bits, as always.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from assay.exact.profile import Profile, get_profile
from assay.protocol.errors import BadInput
from assay.protocol.keys import nearest

DEFAULT = "default"
BACKWARD = "backward of "
"""What the note of a backward operator begins with (`assay.work.source`)."""
SHOWN = 64
"""Paths that a message names at most."""
Spec = str | Mapping[str, str] | tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Widths:
    """A default profile and those of some paths, longest first."""

    default: Profile
    parts: tuple[tuple[str, Profile], ...] = ()

    @classmethod
    def parse(cls, spec: Spec, model: nn.Module) -> "Widths":
        """From a name, or a table such as `{default = "exact15", head = "exact22"}`. Errors: `BadInput`, also for a
        path that is no module of the model."""
        if isinstance(spec, str):
            return cls(get_profile(spec))
        named = dict(spec)
        default = get_profile(named.pop(DEFAULT, "exact15"))
        known = [path for path, _ in model.named_modules() if path]
        for path in named:
            if path not in known:
                raise BadInput(
                    f"arithmetic names {path!r}, which is no module of the model",
                    hint=nearest(path, known[:SHOWN]),
                    about="arithmetic",
                    allowed=f"paths of modules: {', '.join(known[:SHOWN])}",
                )
        parts = sorted(((path, get_profile(name)) for path, name in named.items()), key=lambda part: -len(part[0]))
        return cls(default, tuple(parts))

    def at(self, source: str) -> Profile:
        """The profile of an operator with this note."""
        path, found, _ = source.removeprefix(BACKWARD).partition(": ")
        if not found:
            return self.default
        return next(
            (profile for part, profile in self.parts if path == part or path.startswith(f"{part}.")), self.default
        )
