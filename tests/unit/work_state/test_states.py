"""States: one encoding, one hash, nothing else passes."""

import json
import struct
import time

import pytest
import safetensors.torch
import torch
from torch import Tensor

from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.merkle import roots_hash, tensor_root
from assay.work.state import Signature, Spec, content_of, root_of, state_root


def table() -> dict[str, Tensor]:
    """One tensor of each type, empty ones and scalars among them, in no alphabetic order."""
    return {
        "z.weight": torch.arange(2000, dtype=torch.float32).reshape(40, 50) / 7,
        "a.bias": torch.tensor([0.0, -0.0, 1e-45, -3.4e38]),
        "step": torch.tensor(5),
        "small": torch.tensor([-32768, 32767], dtype=torch.int16),
        "middle": torch.tensor([[7]], dtype=torch.int32),
        "mask": torch.tensor([True, False, True]),
        "empty": torch.empty(0, 3),
    }


def test_encoding_is_undone_bit_for_bit() -> None:
    tensors = table()
    signature = Signature.of(tensors)
    content = signature.encode(list(tensors.values()))
    assert len(content) == signature.encoded_bytes
    decoded = signature.decode(content)
    assert signature.encode(decoded) == content
    assert state_root(decoded) == state_root(list(tensors.values()))
    assert [tensor.dtype for tensor in decoded] == [tensor.dtype for tensor in tensors.values()]


def test_safetensors_reads_what_we_write() -> None:
    tensors = table()
    loaded = safetensors.torch.load(Signature.of(tensors).encode(list(tensors.values())))
    assert set(loaded) == set(tensors)
    assert all(root_of(loaded[name]) == root_of(tensor) for name, tensor in tensors.items())


def test_the_root_is_over_the_tensors_little_endian_bytes() -> None:
    values = [1.5, -2.0, 3.25]
    assert root_of(torch.tensor(values)) == tensor_root("F32", [3], struct.pack("<3f", *values))
    assert root_of(torch.tensor([[-2]])) == tensor_root("I64", [1, 1], struct.pack("<q", -2))
    assert root_of(torch.tensor(1.5)) == tensor_root("F32", [], struct.pack("<f", 1.5))
    assert root_of(torch.empty(0, 3)) == tensor_root("F32", [0, 3], b"")
    assert state_root([torch.tensor(1.5)]) == roots_hash([root_of(torch.tensor(1.5))])


def test_a_view_hashes_like_its_copy() -> None:
    square = torch.arange(12.0).reshape(3, 4)
    for view in (square.t(), square[:, 1:3], square.flip(0), square[1:]):
        assert root_of(view) == root_of(view.clone(memory_format=torch.contiguous_format))
    assert root_of(square.t()) != root_of(square)


@pytest.mark.parametrize("stride", [0, 1, 3])
@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_one_element_hashes_alike_whatever_its_stride(shape: tuple[int, ...], stride: int) -> None:
    one = torch.arange(5.0).as_strided(shape, (stride,) * len(shape), storage_offset=2)
    assert bytes(content_of(one)) == struct.pack("<f", 2.0)
    assert root_of(one) == tensor_root("F32", list(shape), struct.pack("<f", 2.0))


@pytest.mark.parametrize("change", ["value", "sign of zero", "type", "shape", "order", "count"])
def test_the_root_binds_everything(change: str) -> None:
    base = [torch.zeros(4), torch.ones(4)]
    other = {
        "value": [torch.zeros(4), torch.tensor([1, 1, 1, 1.0000001])],
        "sign of zero": [-torch.zeros(4), torch.ones(4)],
        "type": [torch.zeros(4, dtype=torch.int32), torch.ones(4)],
        "shape": [torch.zeros(2, 2), torch.ones(4)],
        "order": base[::-1],
        "count": base[:1],
    }[change]
    assert state_root(other) != state_root(base)


def hostile() -> list[tuple[str, bytes]]:
    """Bytes that are nearly a state."""
    tensors = {"w": torch.ones(4), "m": torch.tensor([True])}
    signature = Signature.of(tensors)
    good = signature.encode(list(tensors.values()))
    size = int.from_bytes(good[:8], "little")
    header, rest = json.loads(good[8 : 8 + size]), good[8 + size :]

    def remade(entries: object, body: bytes = rest) -> bytes:
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * (size - len(text))
        return len(text).to_bytes(8, "little") + text + body

    swapped = dict(reversed(header.items()))
    nan, infinite = struct.pack("<f", float("nan")), struct.pack("<f", float("inf"))
    return [
        ("empty", b""),
        ("truncated", good[:-1]),
        ("trailing", good + b"\0"),
        ("huge header length", (1 << 63).to_bytes(8, "little") + good[8:]),
        ("other order", remade(swapped)),
        ("metadata", remade({"__metadata__": {"a": "b"}, **header})),
        ("overlap", remade({**header, "m": {**header["m"], "data_offsets": [0, 1]}})),
        ("other type", remade({**header, "w": {**header["w"], "dtype": "I32"}})),
        ("nan", good[:-17] + nan + good[-13:]),
        ("infinity", good[:-17] + infinite + good[-13:]),
        ("neither true nor false", good[:-1] + b"\x02"),
        ("other padding", good[:8] + good[8 : 8 + size].replace(b" ", b"\n") + rest),
    ]


@pytest.mark.parametrize(("case", "content"), hostile(), ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_not_the_one_encoding_is_malformed(case: str, content: bytes) -> None:
    signature = Signature.of({"w": torch.ones(4), "m": torch.tensor([True])})
    with pytest.raises(Malformed):
        signature.decode(content)


def test_a_state_beyond_the_limit_is_refused_before_it_is_read() -> None:
    signature = Signature.of({"w": torch.empty(1 << 20)})
    with pytest.raises(LimitExceeded) as caught:
        signature.decode(b"", size_max_bytes=1 << 20)
    assert caught.value.fields["limit"] == 1 << 20


@pytest.mark.parametrize(
    "tensors",
    [[], [torch.ones(3)], [torch.ones(4, dtype=torch.float64)], [torch.ones(2, 2)], [torch.full((4,), float("nan"))]],
)
def test_only_fitting_finite_tensors_are_encoded(tensors: list[Tensor]) -> None:
    with pytest.raises(Malformed):
        Signature.of({"w": torch.ones(4)}).encode(tensors)


def test_decoding_copies_so_that_a_buffer_can_be_reused() -> None:
    signature = Signature.of({"w": torch.ones(4)})
    buffer = bytearray(signature.encode([torch.ones(4)]))
    (decoded,) = signature.decode(buffer)
    buffer[-4:] = b"\xff" * 4
    assert decoded.tolist() == [1.0] * 4


def test_hashing_looks_at_the_bytes_in_place() -> None:
    tensor = torch.zeros(4)
    view = content_of(tensor)
    tensor[0] = 1.0
    assert bytes(view[:4]) == struct.pack("<f", 1.0)


def test_a_small_state_hashes_in_under_a_millisecond() -> None:
    tensors = [torch.rand(64, 64), torch.rand(64), torch.rand(64, 10), torch.rand(10), torch.tensor(1.0)] * 3
    best_s = float("inf")
    for _ in range(50):
        began_s = time.perf_counter()
        state_root(tensors)
        best_s = min(best_s, time.perf_counter() - began_s)
    assert best_s < 1e-3


@pytest.mark.parametrize("names", [("a", "a"), ("__metadata__",)])
def test_names_that_a_header_cannot_hold_are_malformed(names: tuple[str, ...]) -> None:
    with pytest.raises(Malformed):
        Signature(tuple(Spec(name, "F32", (1,)) for name in names))
