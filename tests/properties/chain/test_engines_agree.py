"""Two implementations of one machine: whatever the code, pyrevm and the interpreter do the same.

Where pyrevm has a wheel, that is; the vectors in tests/conformance/chain hold the interpreter to the specification.
"""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.chain.engine import Message, Outcome, compute_intrinsic_gas
from assay.chain.interpreter import Interpreter
from assay.chain.state import Account, Change, State
from tests.properties.chain.chain_programs import COINBASE, SENDER, TARGET, Case, draw_case, make_context, push, store

revm = pytest.importorskip("assay.chain.revm", exc_type=ImportError)


def after(state: State, diff: dict[bytes, Change]) -> dict[bytes, Account]:
    """Every account as it would be."""
    undo = state.apply(diff)
    seen = {a: Account(x.balance, x.nonce, x.code, x.code_hash, dict(x.storage)) for a, x in state.accounts.items()}
    state.apply(undo)
    return seen


def check_agreement(case: Case, gas_limit: int = 30_000_000) -> Outcome:
    """Both engines say the same of a message, and would leave the same state behind."""
    state, context = case.open_state(), make_context(gas_limit)
    ours, theirs = (engine(state).execute(context, case.message) for engine in (Interpreter, revm.Revm))
    for name in ("success", "gas_used", "output", "halt", "logs", "created"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert after(state, ours.diff) == after(state, theirs.diff)
    return ours


def make_case(code: bytes, data: bytes = b"", gas: int = 1_000_000) -> Case:
    """A message to a contract with that code."""
    accounts = {SENDER: Change(10**24, 1), TARGET: Change(0, 1, code), COINBASE: Change(3, 0)}
    return Case(accounts, Message(SENDER, TARGET, data, 0, gas, 9, 1))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(0, 1))
def test_engines_agree_on_any_program_and_wherever_its_gas_ends(random: Random, share: float) -> None:
    case = draw_case(random)
    used = check_agreement(case).gas_used
    least = compute_intrinsic_gas(case.message)
    if used > least:
        check_agreement(replace(case, message=replace(case.message, gas_limit=least + int(share * (used - least)))))


@pytest.mark.parametrize("opcode", range(256))
def test_engines_agree_on_each_opcode_on_stacks_of_each_height(opcode: int) -> None:
    for height in (0, 1, 2, 3, 5, 7, 16, 17, 1_023, 1_024):
        filled = b"".join(push(value % 70) for value in range(height))
        check_agreement(make_case(filled + bytes([opcode]) + b"\x5f\x52\x59\x5f\xf3"))
    for arguments in ((0, 0, 0), (2**256 - 1, 2**255, 3), (2**255, 2**256 - 1, 2), (256, 2**256 - 1, 0), (31, 32, 33)):
        filled = b"".join(push(value) for value in (1, 2, 3, 4, *reversed(arguments)))
        check_agreement(make_case(filled + bytes([opcode]) + b"\x5f\x52\x60\x20\x5f\xf3"))


def test_engines_agree_when_the_gas_ends_at_each_point() -> None:
    """Calls, a creation, storage, a log, memory and a precompile, with every limit up to what they take."""
    inner = b"\x60\x07\x60\x01\x55\x60\x20\x5f\xa0\x5f\x5f\xfd"
    made = bytes.fromhex("600160015560ff5f5360015ff3")
    code = (
        store(inner)
        + b"\x60\x05\x5f\x55"
        + b"\x36\x15\x61\x00\x00\x57"  # with data: go on; without: an invalid jump
        + store(made)
        + push(len(made))
        + b"\x5f\x5f\xf0\x50"
        + b"".join(push(value) for value in (32, 64, 32, 0, 2, 2**256 - 1))
        + b"\xfa\x50\x5f\x5f\x5f\x5f\x5f\x30\x61\xff\xff\xf1\x5f\x5f\xa0\x00"
    )
    whole = check_agreement(make_case(code, b"\1", 200_000)).gas_used
    for gas in (*range(21_016, 21_200, 3), *range(21_200, whole + 300, 217)):
        check_agreement(make_case(code, b"\1", gas))


def test_engines_agree_on_the_deepest_call() -> None:
    """A contract that calls itself with all gas: 1,024 deep, where there is enough of it."""
    code = b"\x5f\x5f\x5f\x5f\x5f\x30\x5a\xf1\x5f\x54\x60\x01\x01\x5f\x55\x00"
    depth = check_agreement(make_case(code, gas=2**40), 2**41)
    assert depth.diff[TARGET].storage == {0: 1_025}


@pytest.mark.parametrize("limit", [1_023, 1_024, 1_025])
def test_engines_agree_on_a_full_stack(limit: int) -> None:
    outcome = check_agreement(make_case(b"\x5f" * limit + b"\x00"))
    assert outcome.halt == ("StackOverflow" if limit > 1_024 else "")
