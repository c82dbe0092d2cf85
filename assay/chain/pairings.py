"""Precompiled contracts on pairing curves, for the exact interpreter: bn254 (0x06 to 0x08) and point evaluation (0x0a).

The curves are py_ecc's, loaded when one is asked for. Sources: EIP-196, 197, 4844, and the execution specs.
"""

import hashlib
import sys
from functools import cache
from importlib import import_module
from typing import Any

from assay.chain.frame import cut

KZG_MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
KZG_ANSWER = (4_096).to_bytes(32, "big") + KZG_MODULUS.to_bytes(32, "big")
KZG_SECRET_G2 = bytes.fromhex(
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)
"""The ceremony's secret on G2, compressed: the one element of its setup that checking needs."""


@cache
def load_curve(name: str) -> Any:
    """A module of py_ecc. Loading one raises this process's recursion limit a hundredfold, which is put back."""
    limit = sys.getrecursionlimit()
    try:
        return import_module(f"py_ecc.{name}")
    finally:
        sys.setrecursionlimit(limit)


def _read_point(raw: bytes) -> Any:
    """A point of bn254 from its 64 bytes, on curve; `ValueError` otherwise."""
    curve = load_curve("optimized_bn128")

    x, y = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    if max(x, y) >= curve.field_modulus:
        raise ValueError("not a field element")
    point = (curve.FQ(x), curve.FQ(y), curve.FQ(1 if x or y else 0))
    if not curve.is_on_curve(point, curve.b):
        raise ValueError("not on the curve")
    return point


def _read_twisted_point(raw: bytes) -> Any:
    """A point of bn254's twist from its 128 bytes, imaginary parts first, in the right subgroup; else `ValueError`."""
    curve = load_curve("optimized_bn128")

    parts = [int.from_bytes(raw[i : i + 32], "big") for i in range(0, 128, 32)]
    if max(parts) >= curve.field_modulus:
        raise ValueError("not a field element")
    x, y = curve.FQ2((parts[1], parts[0])), curve.FQ2((parts[3], parts[2]))
    point = (x, y, curve.FQ2((1 if any(parts) else 0, 0)))
    if not curve.is_on_curve(point, curve.b2) or not curve.is_inf(curve.multiply(point, curve.curve_order)):
        raise ValueError("not in the subgroup")
    return point


def _write_point(point: Any) -> bytes:
    normal = load_curve("optimized_bn128").normalize(point)
    return b"".join(int(x).to_bytes(32, "big") for x in normal)


def add_points(payload: bytes) -> bytes | None:
    """The sum of two points of bn254 (0x06)."""
    try:
        return _write_point(
            load_curve("optimized_bn128").add(_read_point(cut(payload, 0, 64)), _read_point(cut(payload, 64, 64)))
        )
    except ValueError:
        return None


def multiply_point(payload: bytes) -> bytes | None:
    """A point of bn254 times a number (0x07)."""
    times = int.from_bytes(cut(payload, 64, 32), "big")
    try:
        return _write_point(load_curve("optimized_bn128").multiply(_read_point(cut(payload, 0, 64)), times))
    except ValueError:
        return None


def check_pairings(payload: bytes) -> bytes | None:
    """Whether a product of pairings is one (0x08): a word, 1 or 0."""
    if len(payload) % 192:
        return None
    curve = load_curve("optimized_bn128")
    product = curve.FQ12.one()
    try:
        for start in range(0, len(payload), 192):
            point = _read_point(payload[start : start + 64])
            twisted = _read_twisted_point(payload[start + 64 : start + 192])
            product *= curve.pairing(twisted, point, final_exponentiate=False)
    except ValueError:
        return None
    return int(curve.final_exponentiate(product) == curve.FQ12.one()).to_bytes(32, "big")


def check_evaluation(payload: bytes) -> bytes | None:
    """That a committed polynomial has a value at a point (0x0a): the field's size and modulus, or failure."""
    if len(payload) != 192:
        return None
    versioned, commitment, proof = payload[:32], payload[96:144], payload[144:]
    at, value = int.from_bytes(payload[32:64], "big"), int.from_bytes(payload[64:96], "big")
    if b"\x01" + hashlib.sha256(commitment).digest()[1:] != versioned or max(at, value) >= KZG_MODULUS:
        return None
    infinity, curve, points = b"\xc0" + bytes(47), load_curve("optimized_bls12_381"), load_curve("bls.g2_primitives")
    is_valid = load_curve("bls").G2ProofOfPossession.KeyValidate
    if not all(raw == infinity or is_valid(raw) for raw in (commitment, proof)):
        return None
    # e(commitment - [value], [1]) = e(proof, [secret - at])
    left = curve.add(points.pubkey_to_G1(commitment), curve.multiply(curve.G1, -value % KZG_MODULUS))
    right = curve.add(points.signature_to_G2(KZG_SECRET_G2), curve.multiply(curve.G2, -at % KZG_MODULUS))
    product = curve.pairing(curve.neg(curve.G2), left, final_exponentiate=False)
    product *= curve.pairing(right, points.pubkey_to_G1(proof), final_exponentiate=False)
    return KZG_ANSWER if curve.final_exponentiate(product) == curve.FQ12.one() else None
