"""Prints what each operation of the arbiter's floats costs: python -m tests.conformance.arbiter.float_gas."""

from tests.conformance.arbiter.harness import Harness
from tests.conformance.arbiter.test_float import GAS, usual


def main() -> None:
    floats = Harness("FloatHarness")
    for name in GAS:
        _, gas = usual(floats, name)
        print(f"{name:10} {gas.mean():8.0f} on average, {gas.min():6} to {gas.max():6}")  # noqa: T201


if __name__ == "__main__":
    main()
