"""One number that is claimed and not so: where, what was claimed, what the arithmetic gives, and whose claim it is."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.api.layout import Layout, name_of, operator_of, source_of
from assay.proof.places import spread

HASH_SHOWN = 16


@dataclass(frozen=True)
class Number:
    """A value for people, and its bits in hex."""

    text: str
    bits: str

    @classmethod
    def of(cls, raw: bytes, dtype: str) -> "Number":
        """An element as it lies in a value's bytes, little endian; floats in as few digits as tell them apart."""
        number = int.from_bytes(raw, "little", signed=dtype not in ("F32", "BOOL"))
        text = str(np.float32(struct.unpack("<f", raw)[0])) if dtype == "F32" else str(number)
        return cls(text, f"0x{int.from_bytes(raw, 'little'):0{2 * len(raw)}x}")

    @classmethod
    def of_hash(cls, root: bytes) -> "Number":
        """A root, where a whole tensor is meant."""
        return cls(f"root {root.hex()[:HASH_SHOWN]}…", "0x" + root.hex())

    def __str__(self) -> str:
        return self.text if self.text.startswith("root") else f"{self.text} ({self.bits})"

    def to_json(self) -> dict[str, str]:
        """As plain values."""
        return {"value": self.text, "bits": self.bits}


@dataclass(frozen=True)
class Difference:
    """Where a claim is not what the arithmetic gives, as far down as it could be followed.

    `about`: element, tensor, loss, update, aggregate, mark of a batch, or end (of a segment: which of its tensors is
    false is known, and not from which step on). `step` is counted in the round, `run` in what is disputed; `ruling` is
    the contract's, where it was asked.
    """

    about: str
    accused: str
    whose: str
    run: int | None
    step: int | None
    number: int
    node: int | None
    operator: str
    source: str
    tensor: str
    dtype: str
    shape: tuple[int, ...]
    element: int
    claimed: Number | None
    computed: Number | None
    ruling: str = ""
    differing: int | None = None
    """Of what was served how many elements of the tensor differ."""

    @property
    def is_real(self) -> bool:
        """Whether both numbers are known, and are not the same."""
        return self.claimed is not None and self.computed is not None and self.claimed != self.computed

    @property
    def index(self) -> tuple[int, ...]:
        """The element's place along each axis."""
        return tuple(spread(self.element, self.shape)) if self.shape else ()

    @property
    def place(self) -> str:
        """Step and node, in words."""
        step = f"step {self.step}, " if self.step is not None else ""
        source = f" of {self.source}" if self.source else ""
        return (
            f"{step}{self.operator}{source}"
            if self.node is None
            else f"{step}node {self.node} ({self.operator}{source})"
        )

    @property
    def what(self) -> str:
        """The tensor and the element, in words."""
        name = self.tensor or f"value {self.number}"
        form = f"{self.dtype} {list(self.shape)}"
        if self.about == "tensor":
            return f"tensor {name}, {form}"
        return f"element {self.element} {list(self.index)} of {name}, {form}" if self.shape else f"{name}, {form}"

    def rows(self) -> list[tuple[str, str]]:
        """Names and values for a person."""
        rows = [("where", self.place), ("what", self.what)]
        if self.about == "end":
            rows[0] = (
                "where",
                f"at the end, which {self.place} gives"
                + ("" if self.step is not None else "; no game has found the step"),
            )
        rows += [
            ("claimed", f"{self.claimed or 'not opened'}, by {self.whose} {self.accused}"),
            ("computed", str(self.computed or "nothing: a fault comes before it")),
        ]
        if self.differing is not None:
            rows.append(("differing", f"{self.differing:,} elements of this tensor"))
        if self.ruling:
            rows.append(("ruling", f"the contract: {self.ruling}"))
        return rows

    @property
    def words(self) -> str:
        """One sentence."""
        said = f"claimed {self.claimed or 'what was not opened'}, the arithmetic gives {self.computed or 'a fault'}"
        return f"{self.place}: {self.what}: {said}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "about": self.about,
            "accused": self.accused,
            "role": self.whose,
            "run": self.run,
            "step": self.step,
            "value": self.number,
            "node": self.node,
            "operator": self.operator,
            "source": self.source,
            "tensor": self.tensor,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "element": self.element,
            "index": list(self.index),
            "claimed": None if self.claimed is None else self.claimed.to_json(),
            "computed": None if self.computed is None else self.computed.to_json(),
            "ruling": self.ruling or None,
            "differing": self.differing,
        }


ROLES = {"SEGMENT": "provider", "EMIT": "provider", "TABLE": "validator"}
"""Whose a claim is, by its target; of anything else the aggregator's."""


def difference_at(
    layout: Layout, number: int, element: int, *, about: str, run: int | None, accused: str, whose: str
) -> Difference:
    """A place in a program, with nothing said of what was claimed there."""
    program, value = layout.program, layout.program.values[number]
    node = number - len(program.inputs)
    return Difference(
        about=about,
        accused=accused,
        whose=whose,
        run=run,
        step=None if run is None else layout.first_step + run,
        number=number,
        node=node if node >= 0 else None,
        operator=operator_of(program, number),
        source=source_of(program, number),
        tensor=name_of(program, number),
        dtype=value.dtype,
        shape=tuple(value.shape),
        element=element,
        claimed=None,
        computed=None,
    )
