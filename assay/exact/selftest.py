"""Whether this machine computes every primitive as defined: `python -m assay.exact.selftest [--json]`.

Each primitive runs on inputs drawn by integer arithmetic, at lengths that take scalar and vector code (1, 15, 16,
100,003), and the hash of its results is compared with the one on record (`answers.json`). Inner products are
checked on every path; a path that is wrong here is never used.
"""

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources
from typing import Any

import torch
from torch import Tensor

from assay.exact import index, kernels, reduce
from assay.exact.primitives import BY_NAME, PRIMITIVES
from assay.exact.profile import EXACT15
from assay.exact.random import random_words
from assay.exact.rules import Attributes
from assay.exact.values import TORCH_DTYPES, Value

LENGTHS = (1, 15, 16, 100_003)
RANGES = {"exp": (-100.0, 88.0), "log": (1e-4, 40.0), "tanh": (-12.0, 12.0), "erf": (-6.0, 6.0), "sqrt": (0.0, 1e30)}
Case = tuple[list[Tensor], Attributes, tuple[int, ...], str]


def words(stream: int, count: int) -> Tensor:
    """Random words for a case."""
    return random_words(torch.tensor([1, 2]), torch.tensor(3), stream, count)


def uniform(stream: int, count: int, low: float, high: float) -> Tensor:
    """Floats in a range, by exact steps."""
    return (words(stream, count).double() * ((high - low) / 2**32) + low).float()


def any_finite(stream: int, count: int) -> Tensor:
    """Finite floats of every exponent and sign, subnormals too, no zeros."""
    bits = words(stream, count)
    bits = torch.where((bits >> 23 & 0xFF) == 0xFF, bits ^ (1 << 29), bits) | 1
    return bits.to(torch.int32).view(torch.float32)


def elementwise_cases(name: str) -> Iterator[Case]:
    """Cases of a primitive that maps elements."""
    for length in LENGTHS:
        primitive = BY_NAME[name]
        if name in RANGES or name in ("sin", "cos"):
            yield [uniform(1, length, *RANGES.get(name, (-100.0, 100.0)))], (), (length,), "F32"
        elif name in ("and", "or", "not"):
            yield [words(each, length) % 2 == 1 for each in range(primitive.arity)], (), (length,), "BOOL"
        elif name == "where":
            yield [words(1, length) % 2 == 1, any_finite(2, length), any_finite(3, length)], (), (length,), "F32"
        elif name.startswith("integer_"):
            yield [words(1, length) * 3_000_000_019, words(2, length) * 7], (), (length,), "I64"
        elif name == "to_float":
            yield [words(1, length) * 2_000_000_011 - (1 << 62)], (), (length,), "F32"
        elif name == "to_integer":
            yield [(words(1, length) % 65536 - 32768).to(torch.int16)], (), (length,), "I64"
        else:
            dtype = "BOOL" if 0x30 <= primitive.opcode < 0x36 else "F32"
            yield [any_finite(each, length) for each in range(1, 1 + primitive.arity)], (), (length,), dtype


def other_cases() -> dict[str, list[Case]]:
    """Cases of the primitives that move, gather or reduce."""
    image = uniform(1, 2 * 3 * 5 * 7, -1.0, 1.0).reshape(2, 3, 5, 7)
    rows = any_finite(2, 40 * 33).reshape(40, 33)
    mild = uniform(3, 40 * 33, -2.0, 2.0).reshape(40, 33)
    bits, limit = EXACT15.bits, EXACT15.limit
    sum_bits = reduce.sum_bits(33)
    operand = (words(4, 2 * 40 * 65) % (2 * limit + 1) - limit).to(torch.int16).reshape(2, 40, 65)
    exponents = BY_NAME["exponent"].apply([rows], (2, bits, limit), Value("I16", (40, 1)))
    kernel = (3, 2, 2, 1, 1, 0, 0, 1, 1, 2, 1, 2)
    unfolded = tuple(index.unfold(image, kernel).shape)
    sums = words(5, 40 * 33).reshape(40, 33) * 5 - (1 << 33)
    return {
        "iota": [([], (1,), (3, 5), "I64")],
        "reshape": [([image], (), (6, 35), "F32")],
        "permute": [([image], (2, 0, 3, 1), (5, 2, 7, 3), "F32")],
        "expand": [([rows[:, :1]], (), (40, 9), "F32")],
        "slice": [([rows], (3, 1, 2, 4), (18, 8), "F32")],
        "pad": [([rows], (1, 2, 3, 0), (44, 35), "F32")],
        "concat": [([rows, mild], (1,), (40, 66), "F32")],
        "unfold": [([image], kernel, unfolded, "F32")],
        "flip": [([image], (12,), (2, 3, 5, 7), "F32")],
        "gather": [([rows, words(6, 50) % 40], (), (50, 33), "F32")],
        "pick": [([rows, words(7, 40) % 33], (), (40,), "F32")],
        "exponent": [
            ([rows], (2, bits, limit), (40, 1), "I16"),
            ([image], (14, sum_bits, reduce.sum_limit(sum_bits)), (2, 1, 1, 1), "I16"),
        ],
        "quantise": [([rows, exponents], (bits,), (40, 33), "I16")],
        "contract": [([operand, operand.flip(1)], (), (2, 40, 40), "I64")],
        "integer_sum": [([operand], (), (2, 40), "I64")],
        "rescale": [([sums, exponents], (-28,), (40, 33), "F32")],
        "integer_sum_at": [([operand[0], words(8, 40) % 9 - 1], (), (7, 65), "I64")],
        "amax": [([rows], (), (40,), "F32")],
        "argmax": [([rows], (), (40,), "I64")],
        "random": [([torch.tensor([7, 8]), torch.tensor(9)], (10,), (1001,), "I64")],
    }


def answer_hash(name: str) -> str:
    """Hash of a primitive's results over its cases."""
    moved = other_cases()
    digest = sha256()
    for args, attributes, shape, dtype in moved[name] if name in moved else elementwise_cases(name):
        result = BY_NAME[name].apply(args, attributes, Value(dtype, shape)).contiguous()
        assert (result.dtype, tuple(result.shape)) == (TORCH_DTYPES[dtype], shape), name
        digest.update(result.numpy().tobytes())
    return digest.hexdigest()


def recorded() -> dict[str, str]:
    """The hashes on record."""
    answers: dict[str, str] = json.loads(resources.files("assay.exact").joinpath("answers.json").read_text())
    return answers


def check() -> dict[str, Any]:
    """The report: per primitive and path whether it agrees, and what this machine is."""
    known = recorded()
    names = [primitive.name for primitive in PRIMITIVES if primitive.name != "constant"]
    operators = {name: answer_hash(name) == known.get(name) for name in names}
    paths = {path: kernels.agrees(path) for path in kernels.PATHS}
    return {
        "agrees": all(operators.values()) and paths["float64"],
        "operators": operators,
        "paths": paths,
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the report; 0 when everything agrees."""
    parser = argparse.ArgumentParser(prog="python -m assay.exact.selftest", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    report = check()
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        wrong = [name for name, agrees in report["operators"].items() if not agrees]
        right = len(report["operators"]) - len(wrong)
        sys.stdout.write(f"{right} operators agree; wrong: {', '.join(wrong) or 'none'}\n")
        for path, agrees in report["paths"].items():
            sys.stdout.write(f"path {path}: {'agrees' if agrees else 'wrong here, not used'}\n")
    return 0 if report["agrees"] else 1


if __name__ == "__main__":
    sys.exit(main())
