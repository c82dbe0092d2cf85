"""The state's digest names what changed, in one way."""

from assay.chain.state import Change, State, digest_diff

A, B = b"\x01" * 20, b"\x02" * 20


def digest(diff: dict[bytes, Change]) -> bytes:
    state = State()
    state.apply({A: Change(5, 1, b"code", {1: 10})})
    return digest_diff(diff, state.apply(diff))


def test_digest_does_not_depend_on_order() -> None:
    first = {A: Change(5, 1, None, {3: 1, 2: 1}), B: Change(1, 0)}
    other = {B: Change(1, 0), A: Change(5, 1, None, {2: 1, 3: 1})}
    assert digest(first) == digest(other)


def test_digest_leaves_out_what_was_only_touched() -> None:
    plain = {B: Change(1, 0)}
    touched = {A: Change(5, 1, b"code", {1: 10}), B: Change(1, 0, b"", {7: 0})}
    assert digest(plain) == digest(touched)


def test_digest_tells_changes_apart() -> None:
    changes = [
        {},
        {A: Change(6, 1)},
        {A: Change(5, 2)},
        {A: Change(5, 1, b"other")},
        {A: Change(5, 1, None, {1: 11})},
        {A: Change(5, 1, None, {1: 0})},
    ]
    assert len({digest(change) for change in changes}) == len(changes)
