"""Reading JSON from outside takes time in proportion to its length."""

import pytest

from assay.protocol.errors import AssayError
from assay.protocol.plain import read_plain

SIZE = 1 << 20


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * (SIZE // 2 - 1),
        '"' * (SIZE - 1),
        '"\\' * (SIZE // 2 - 1),
        "\\" * (SIZE - 1),
        "[" * 30 + '"\\' * 9999,
    ],
)
def test_read_plain_of_unclosed_strings_ends_in_refusal(text: str) -> None:
    with pytest.raises(AssayError):
        read_plain(text.encode(), SIZE)


def test_read_plain_counts_brackets_outside_strings_only() -> None:
    assert read_plain(b'{"a":"[[[[\\"[[[["}', 100, depth_max=1) == {"a": '[[[["[[[['}
    with pytest.raises(AssayError):
        read_plain(b'{"a":[1]}', 100, depth_max=1)
