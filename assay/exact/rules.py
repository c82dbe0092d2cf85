"""Type rules of the primitives: what a program may declare, without looking at a tensor. Errors: `Malformed`."""

from dataclasses import dataclass, replace

from assay.exact import index
from assay.exact.values import ANY_INTEGER, EXACT_INTEGER, INTEGER_TYPES, REDUCTION_LIMIT, Value, require

Attributes = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One use of a primitive: input ids and types, attributes, and the declared type."""

    inputs: tuple[int, ...]
    types: tuple[Value, ...]
    attributes: Attributes
    declared: Value


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape, numpy's rule."""
    rank = max(map(len, shapes))
    wide = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result = []
    for sizes in zip(*wide, strict=True):
        size = max(sizes)
        require(all(each in (1, size) for each in sizes), f"shapes {shapes} do not broadcast")
        result.append(size)
    return tuple(result)


def all_are(call: Call, *dtypes: str) -> None:
    """Inputs are of these types, and all of the same."""
    require(all(each.dtype in dtypes for each in call.types), f"inputs must be {' or '.join(dtypes)}")
    require(len({each.dtype for each in call.types}) == 1, "inputs must have one element type")


def floats_rule(call: Call) -> Value:
    all_are(call, "F32")
    return Value("F32", broadcast(*(each.shape for each in call.types)))


def compare_rule(call: Call) -> Value:
    all_are(call, "F32", "I64")
    return Value("BOOL", broadcast(*(each.shape for each in call.types)), 1)


def logic_rule(call: Call) -> Value:
    all_are(call, "BOOL")
    return Value("BOOL", broadcast(*(each.shape for each in call.types)), 1)


def where_rule(call: Call) -> Value:
    condition, left, right = call.types
    require(condition.dtype == "BOOL" and left.dtype == right.dtype, "where takes a boolean and two values of one type")
    require(left.dtype in ("F32", "I64"), "where selects F32 or I64")
    return Value(left.dtype, broadcast(condition.shape, left.shape, right.shape), max(left.bound, right.bound))


def integers_rule(call: Call) -> Value:
    all_are(call, "I64")
    bound = sum(each.bound for each in call.types)
    return Value("I64", broadcast(*(each.shape for each in call.types)), min(bound, ANY_INTEGER))


def product_rule(call: Call) -> Value:
    all_are(call, "I64")
    bound = call.types[0].bound * call.types[1].bound
    return Value("I64", broadcast(*(each.shape for each in call.types)), min(bound, ANY_INTEGER))


def to_float_rule(call: Call) -> Value:
    require(call.types[0].dtype in ("BOOL", "I64"), "to_float converts BOOL or I64")
    return Value("F32", call.types[0].shape)


def to_integer_rule(call: Call) -> Value:
    require(call.types[0].dtype in ("BOOL", "I16", "I32"), "to_integer converts BOOL, I16 or I32")
    return Value("I64", call.types[0].shape, call.types[0].bound)


def constant_rule(call: Call) -> Value:
    require(call.declared.dtype in ("F32", "I64", "BOOL"), "constants are F32, I64 or BOOL")
    return call.declared


def iota_rule(call: Call) -> Value:
    (axis,) = call.attributes
    shape = call.declared.shape
    require(0 <= axis < len(shape), "iota's axis is outside its shape")
    return Value("I64", shape, shape[axis] - 1)


def moved(source: Value, shape: tuple[int, ...]) -> Value:
    """The type of an index map of `source`; exponents stay exponents, but no longer of whole groups."""
    origin = None if source.origin is None else (-1, *source.origin[1:])
    return replace(source, shape=shape, origin=origin)


def reshape_rule(call: Call) -> Value:
    require(call.types[0].size == call.declared.size, "reshape keeps the number of elements")
    return moved(call.types[0], call.declared.shape)


def permute_rule(call: Call) -> Value:
    shape = call.types[0].shape
    require(sorted(call.attributes) == list(range(len(shape))), "permute needs each axis once")
    return moved(call.types[0], tuple(shape[axis] for axis in call.attributes))


def expand_rule(call: Call) -> Value:
    require(broadcast(call.types[0].shape, call.declared.shape) == call.declared.shape, "expand does not fit")
    return moved(call.types[0], call.declared.shape)


def slice_rule(call: Call) -> Value:
    source, shape = call.types[0].shape, call.declared.shape
    rank = len(source)
    require(len(call.attributes) == 2 * rank and len(shape) == rank, "slice needs a start and a step per axis")
    for start, step, size, limit in zip(call.attributes[:rank], call.attributes[rank:], shape, source, strict=True):
        require(start >= 0 and 1 <= step <= limit, "slice's starts and steps are positive and within the axis")
        require(start + (size - 1) * step < limit, "slice leaves its input")
    return moved(call.types[0], shape)


def pad_rule(call: Call) -> Value:
    source = call.types[0].shape
    rank = len(source)
    require(len(call.attributes) == 2 * rank, "pad needs two amounts per axis")
    require(all(0 <= amount < 1 << 24 for amount in call.attributes), "pad amounts are not negative")
    before, after = call.attributes[:rank], call.attributes[rank:]
    shape = tuple(low + size + high for low, size, high in zip(before, source, after, strict=True))
    return moved(call.types[0], shape)


def concat_rule(call: Call) -> Value:
    (axis,) = call.attributes
    first = call.types[0] if call.types else None
    require(first is not None and 1 <= len(call.types) <= 256, "concat takes 1 to 256 inputs")
    assert first is not None
    require(0 <= axis < len(first.shape), "concat's axis is outside the shape")
    rest = [each.shape[:axis] + each.shape[axis + 1 :] for each in call.types]
    require(len({each.dtype for each in call.types}) == 1 and len(set(rest)) == 1, "concat's inputs differ")
    require(all(len(each.shape) == len(first.shape) for each in call.types), "concat's inputs differ in rank")
    shape = (*first.shape[:axis], sum(each.shape[axis] for each in call.types), *first.shape[axis + 1 :])
    origins = {each.origin is None for each in call.types}
    return replace(
        moved(first, shape),
        bound=max(each.bound for each in call.types),
        origin=(-1, 0, 0) if origins == {False} else None,
    )


def flip_rule(call: Call) -> Value:
    source = call.types[0]
    require(1 <= call.attributes[0] < 1 << len(source.shape), "flip's axes are outside the shape")
    return moved(source, source.shape)


def unfold_rule(call: Call) -> Value:
    require(len(call.types[0].shape) == 4, "unfold takes [N, C, H, W]")
    size_n, size_c, size_h, size_w = call.types[0].shape
    kh, kw, sh, sw, top, bottom, left, right, dh, dw, wide_h, wide_w = call.attributes
    require(
        all(1 <= each < 1 << 16 for each in (kh, kw, sh, sw, dh, dw, wide_h, wide_w)), "unfold's sizes are positive"
    )
    require(all(0 <= each < 1 << 16 for each in (top, bottom, left, right)), "unfold's padding is not negative")
    out_h = index.unfold_size(size_h, kh, sh, top, bottom, dh, wide_h)
    out_w = index.unfold_size(size_w, kw, sw, left, right, dw, wide_w)
    require(out_h > 0 and out_w > 0, "unfold's kernel does not fit")
    result = moved(call.types[0], (size_n, out_h, out_w, size_c, kh, kw))
    padded = size_n * size_c * ((size_h - 1) * wide_h + 1 + top + bottom) * ((size_w - 1) * wide_w + 1 + left + right)
    require(padded <= 4 * (call.types[0].size + result.size) + REDUCTION_LIMIT, "unfold pads far beyond its result")
    return result


def gather_rule(call: Call) -> Value:
    table, places = call.types
    require(places.dtype == "I64" and len(table.shape) >= 1, "gather takes a table and I64 indices")
    return moved(table, places.shape + table.shape[1:])


def pick_rule(call: Call) -> Value:
    table, places = call.types
    require(places.dtype == "I64" and table.shape[:-1] == places.shape, "pick takes one index per row")
    require(len(table.shape) >= 1, "pick takes rows")
    return moved(table, places.shape)


def exponent_rule(call: Call) -> Value:
    axes, bits, limit = call.attributes
    source = call.types[0]
    rank = len(source.shape)
    require(source.dtype == "F32" and rank >= 1, "exponent takes F32")
    require(1 <= axes < 1 << rank, "exponent's axes are outside the shape")
    require(
        2 <= bits <= 30 and limit % 2 == 1 and (1 << (bits - 1)) > limit >= 1 << (bits - 2), "exponent's bits and limit"
    )
    shape = tuple(1 if axes >> axis & 1 else size for axis, size in enumerate(source.shape))
    return Value("I16", shape, 160, (call.inputs[0], bits, limit))


def quantise_rule(call: Call) -> Value:
    source, exponents = call.types
    require(exponents.origin is not None and exponents.origin[0] == call.inputs[0], "quantise needs its own exponents")
    assert exponents.origin is not None
    _, bits, limit = exponents.origin
    require(call.attributes == (bits,), "quantise's bits differ from its exponents'")
    return Value("I16" if limit < 1 << 15 else "I32", source.shape, limit)


def contract_rule(call: Call) -> Value:
    left, right = call.types
    require(left.dtype == right.dtype and left.dtype in ("I16", "I32"), "contract takes quantised operands")
    require(len(left.shape) == 3 and len(right.shape) == 3, "contract takes [B, M, K] and [B, N, K]")
    require(left.shape[0] == right.shape[0] and left.shape[2] == right.shape[2], "contract's shapes differ")
    length = left.shape[2]
    bound = length * left.bound * right.bound
    require(length <= REDUCTION_LIMIT and bound <= EXACT_INTEGER, "contract is too long: split it and add")
    return Value("I64", (left.shape[0], left.shape[1], right.shape[1]), bound)


def integer_sum_rule(call: Call) -> Value:
    source = call.types[0]
    require(source.dtype in (*INTEGER_TYPES, "BOOL") and len(source.shape) >= 1, "integer_sum takes integers")
    require(source.shape[-1] <= REDUCTION_LIMIT, "integer_sum is too long: sum by a tree")
    return Value("I64", source.shape[:-1], min(source.bound * source.shape[-1], ANY_INTEGER))


def sum_at_rule(call: Call) -> Value:
    source, places = call.types
    require(source.dtype in ("I16", "I32") and len(source.shape) == 2, "integer_sum_at takes rows of integers")
    require(places.dtype == "I64" and places.shape == source.shape[:1], "integer_sum_at takes one index per row")
    require(source.shape[0] <= REDUCTION_LIMIT, "integer_sum_at is too long: split it and add")
    require(len(call.declared.shape) == 2 and call.declared.shape[1] == source.shape[1], "integer_sum_at keeps columns")
    return Value("I64", call.declared.shape, source.bound * source.shape[0])


def rescale_rule(call: Call) -> Value:
    require(2 <= len(call.types) <= 3, "rescale takes integers and one or two exponents")
    sums, *exponents = call.types
    require(sums.dtype in INTEGER_TYPES and sums.bound <= EXACT_INTEGER, "rescale's integers may exceed 2^53")
    require(all(each.origin is not None for each in exponents), "rescale takes exponents")
    (shift,) = call.attributes
    require(-64 <= shift <= 64, "rescale's shift is outside -64..64")
    shape = broadcast(*(each.shape for each in call.types))
    require(shape == sums.shape, "rescale's exponents broadcast over its integers, not beyond")
    return Value("F32", shape)


def amax_rule(call: Call) -> Value:
    source = call.types[0]
    require(source.dtype == "F32" and len(source.shape) >= 1, "amax takes rows of F32")
    return Value("F32", source.shape[:-1])


def argmax_rule(call: Call) -> Value:
    source = call.types[0]
    require(source.dtype == "F32" and len(source.shape) >= 1, "argmax takes rows of F32")
    return Value("I64", source.shape[:-1], source.shape[-1] - 1)


def random_rule(call: Call) -> Value:
    key, step = call.types
    (stream,) = call.attributes
    require(
        key.dtype == step.dtype == "I64" and key.shape == (2,) and step.shape == (), "random takes a key and a step"
    )
    require(
        0 <= stream < 1 << 32 and len(call.declared.shape) == 1, "random's stream is a 32-bit word, its result a row"
    )
    return Value("I64", call.declared.shape, (1 << 32) - 1)
