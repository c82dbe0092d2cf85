"""The table of primitives as Solidity constants and as a page of the reference; both are generated, never written."""

from assay.exact.primitives import PRIMITIVES, Primitive


def constant_name(primitive: Primitive) -> str:
    """`INTEGER_SUM` for `integer_sum`."""
    return primitive.name.upper()


def solidity_constants() -> str:
    """A Solidity library with one `uint16` opcode per primitive."""
    rows = [f"    uint16 internal constant {constant_name(each)} = {each.opcode:#06x};" for each in PRIMITIVES]
    return "\n".join(["library Opcodes {", *rows, "}", ""])


def signature(primitive: Primitive) -> str:
    """Arity and attributes in words."""
    inputs = "any" if primitive.arity < 0 else str(primitive.arity)
    return f"{inputs} | {', '.join(primitive.attributes) or 'none'}"


def markdown_table() -> str:
    """The reference table."""
    rows = [
        f"| `{each.opcode:#04x}` | `{each.name}` | {each.version} | {signature(each)} | {each.summary} |"
        for each in PRIMITIVES
    ]
    head = ["| opcode | name | version | inputs | attributes | result |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(row.replace("|a|", "absolute value of a") for row in rows), ""])
