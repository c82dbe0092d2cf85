"""The frozen layouts, recomputed by the protocol and again by other means: plain recursion, eth_abi, eth_account."""

import json
from fractions import Fraction
from hashlib import sha256
from math import floor, isfinite
from typing import Any

import numpy as np
import pytest
from eth_abi import encode
from eth_abi.packed import encode_packed
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from protocol_vectors import FOLDER, build, text_of

from assay.protocol import merkle, schedule
from assay.protocol.job import Job
from assay.protocol.transcript import SlotName, Transcript


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return content


@pytest.mark.parametrize(("name", "content"), list(build()), ids=lambda each: each if isinstance(each, str) else "")
def test_the_protocol_gives_the_frozen_values(name: str, content: dict[str, Any]) -> None:
    assert (FOLDER / f"{name}.json").read_text() == text_of(content)


def test_no_file_is_without_a_test() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {name for name, _ in build()}


def h(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def plain_root(hashes: list[bytes], size: int | None = None) -> bytes:
    """A Merkle root by recursion: halves of the next power of two, an empty node where nothing is."""
    size = size or 1 << max(len(hashes) - 1, 0).bit_length()
    if not hashes:
        return h(bytes(32)) if size == 1 else h(b"\1", plain_root([], size // 2), plain_root([], size // 2))
    if size == 1:
        return hashes[0]
    left, right = hashes[: size // 2], hashes[size // 2 :]
    if not right:
        # A whole empty half is one empty node, not a tree of them.
        return h(b"\1", plain_root(left, size // 2), h(bytes(32)))
    return h(b"\1", plain_root(left, size // 2), plain_root(right, size // 2))


def x(text: str) -> bytes:
    return bytes.fromhex(text)


def test_trees_by_recursion() -> None:
    vectors = load("merkle")
    assert x(vectors["empty"]) == h(bytes(32))
    for row in vectors["leaf"]:
        assert x(row["hash"]) == h(b"\0", x(row["content"]))
    node = vectors["node"]
    assert x(node["hash"]) == h(b"\1", x(node["left"]), x(node["right"]))
    for tree in vectors["trees"]:
        leaves = [x(leaf) for leaf in tree["leaves"]]
        assert x(tree["root"]) == plain_root(leaves)
        for at, proof in enumerate(tree["proofs"]):
            siblings = [x(each) for each in proof]
            assert len(siblings) == tree["depth"]
            assert merkle.verify(x(tree["root"]), tree["count"], at, leaves[at], siblings)
            assert not merkle.verify(x(tree["root"]), tree["count"], at + 1, leaves[at], siblings)
            assert not merkle.verify(
                x(tree["root"]), tree["count"], at, leaves[at], [*siblings, siblings[0] if siblings else bytes(32)]
            )
    for row in vectors["roots"]:
        roots = [x(root) for root in row["roots"]]
        if len(roots) <= 64:
            assert x(row["hash"]) == h(b"\2", len(roots).to_bytes(4, "big"), *roots)


def test_tensors_by_hand() -> None:
    codes = {"F32": 1, "F64": 2, "I8": 3, "I16": 4, "I32": 5, "I64": 6, "U8": 7, "BOOL": 8}
    vectors = load("tensor")
    for row in vectors["tensors"]:
        content = x(row["content"])
        leaves = [h(b"\0", content[at : at + 4096]) for at in range(0, len(content), 4096)]
        dims = b"".join(size.to_bytes(8, "big") for size in row["shape"])
        assert x(row["root"]) == h(bytes([3, codes[row["dtype"]], len(row["shape"])]), dims, plain_root(leaves))
    roots = [x(row["root"]) for row in vectors["tensors"]]
    assert x(vectors["state_root"]) == h(b"\2", len(roots).to_bytes(4, "big"), *roots)


def tag(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


FIELDS = ["uint256", "uint32", "uint32", "uint16", "address", *["bytes32"] * 5]
NAMES = ["job", "generation", "round", "slot", "provider", "beacon", "startRoot", "transcriptRoot", "secretHash"]
NAMES += ["sealedHash"]


def test_commitments_as_solidity_encodes_them() -> None:
    vectors = load("commitment")
    leaves = [h(bytes(32))] * vectors["slot_count"]
    for row in vectors["commitments"]:
        values = [x(row[name]) if kind == "bytes32" else row[name] for kind, name in zip(FIELDS, NAMES, strict=True)]
        head = [tag("assay.commitment.2"), vectors["chain_id"], vectors["rounds"]]
        leaf = h(b"\0", encode(["bytes32", "uint256", "address", *FIELDS], [*head, *values]))
        assert x(row["leaf"]) == leaf
        leaves[row["slot"]] = leaf
        message = encode_typed_data(
            {"name": "Assay", "version": "1", "chainId": vectors["chain_id"], "verifyingContract": vectors["rounds"]},
            {"Commitment": [{"name": name, "type": kind} for kind, name in zip(FIELDS, NAMES, strict=True)]},
            dict(zip(NAMES, values, strict=True)),
        )
        assert message.header.hex() == vectors["domain_separator"]
        assert x(row["typed_digest"]) == keccak(b"\x19\x01" + message.header + message.body)
    assert x(vectors["root"]) == plain_root(leaves)
    for row in vectors["bitmaps"]:
        rows = [int(each, 16) for each in row["words"]]
        assert [at for at in range(256 * len(rows)) if rows[at // 256] >> at % 256 & 1] == row["slots"]
        assert len(rows) == -(-row["slot_count"] // 256)


def test_transcripts_as_solidity_encodes_them() -> None:
    vectors = load("transcript")
    kinds = [*FIELDS[:5], "uint32", "bytes32", "bytes32", "bytes32", "bytes32"]
    hashes = []
    for leaf in vectors["leaves"]:
        leaf_salt = h(
            encode(["bytes32", "bytes32", "uint256"], [tag("assay.salt.1"), x(vectors["secret"]), leaf["index"]])
        )
        assert x(leaf["salt"]) == leaf_salt
        loss = [tag("assay.loss.1"), x(vectors["secret"]), leaf["index"], leaf["loss_bits"]]
        assert x(leaf["sealed_loss"]) == h(encode(["bytes32", "bytes32", "uint256", "uint32"], loss))
        values = [*(vectors[name] for name in NAMES[:5]), leaf["index"], leaf_salt]
        values += [x(leaf["state_root"]), x(leaf["sealed_loss"]), x(leaf["update_root"])]
        hashes.append(h(b"\0", encode(["bytes32", *kinds], [tag("assay.segment.2"), *values])))
        assert x(leaf["hash"]) == hashes[-1]
    assert x(vectors["root"]) == plain_root(hashes)
    assert x(vectors["secret_hash"]) == h(x(vectors["secret"]))
    for fault in vectors["faults"]:
        parts = [tag("assay.fault.1"), fault["step"], fault["node"], h(fault["operator"].encode())]
        assert x(fault["digest"]) == h(encode(["bytes32", "uint256", "uint256", "bytes32"], parts))


def test_an_opening_in_json_gives_the_frozen_root() -> None:
    vectors = load("transcript")
    name = SlotName(*(vectors[field] for field in NAMES[:5]))
    opening = {
        "secret": vectors["secret"],
        "states": [leaf["state_root"] for leaf in vectors["leaves"]],
        "losses": [leaf["loss_bits"] for leaf in vectors["leaves"]],
        "update": vectors["leaves"][-1]["update_root"],
    }
    assert Transcript.from_json(name, opening, 4).root.hex() == vectors["root"]


def test_tables_as_solidity_encodes_them() -> None:
    vectors = load("table")
    for row in vectors["score_digest"]:
        values = [tag("assay.digest.score.1"), x(row["end_root"]), row["score"]]
        assert x(row["digest"]) == h(encode(["bytes32", "bytes32", "int64"], values))
    kinds = ["bytes32", "uint16", "uint32", "bytes32", "bytes32", "uint32"]
    leaves = []
    for row in vectors["entries"]:
        found = [x(row["start_root"]), x(row["state_root"]), row["loss_bits"]]
        leaves.append(h(b"\0", encode(kinds, [tag("assay.entry.2"), row["slot"], row["segment"], *found])))
        assert x(row["leaf"]) == leaves[-1]
    for root, count, rows in ((vectors["root"], 3, leaves), (vectors["empty_root"], 0, [])):
        assert x(root) == h(encode(["bytes32", "uint256", "bytes32"], [tag("assay.table.1"), count, plain_root(rows)]))


def plain_loss(bits: int) -> Fraction | None:
    """A binary32 to the 2^-40, rounded down; nothing where it is not finite."""
    value = float(np.uint32(bits).view(np.float32))
    return Fraction(floor(Fraction(value) * 2**40), 2**40) if isfinite(value) else None


def test_scores_by_fractions() -> None:
    least, most = -(1 << 63), (1 << 63) - 1
    for row in load("score")["marks"]:
        marks = [(int(each["correct_count"]), int(each["target_count"]), each["loss_bits"]) for each in row["batches"]]
        kinds = ["int64", "int64", "uint32"]
        assert x(row["content"]) == b"".join(encode_packed(kinds, mark) for mark in marks)
        losses = [plain_loss(bits) for _, _, bits in marks]
        if any(x(row["fault"])) or None in losses or any(not 0 <= right <= count for right, count, _ in marks):
            assert row["accuracy"] == row["loss"] == str(least)
            continue
        count = sum(mark[1] for mark in marks) or 1
        assert int(row["accuracy"]) == floor(Fraction(sum(mark[0] for mark in marks) * 10**6, count))
        loss = floor(-sum(losses, Fraction(0)) * 10**6 / count)
        assert int(row["loss"]) == max(least + 1, min(most - 1, loss))


def plain_permute(key: bytes, count: int, position: int) -> int:
    """One image of the permutation, with Python's integers."""
    half = max(4, ((count - 1).bit_length() + 1) // 2)
    stream = sha256(b"assay.feistel.1" + key).digest()
    while True:
        left, right = position >> half, position & ((1 << half) - 1)
        for at in range(8):
            product = ((right ^ int.from_bytes(stream[4 * at : 4 * at + 4], "big")) & 0xFFFFFFFF) * 0xD2511F53
            product = ((product >> 32) ^ (product & 0xFFFFFFFF)) * 0xCD9E8D57
            left, right = right, left ^ (((product >> 32) ^ (product >> 16)) & ((1 << half) - 1))
        position = left << half | right
        if position < count:
            return position


def test_schedules_with_plain_integers() -> None:
    vectors = load("schedule")
    parts = [tag("assay.schedule.1"), x(vectors["seed"]), x(vectors["beacon"]), vectors["generation"], vectors["round"]]
    key = h(encode(["bytes32", "bytes32", "bytes32", "uint32", "uint32"], parts))
    assert x(vectors["work_key"]) == key
    for row in vectors["permutations"]:
        count = row["count"]
        assert row["images"] == [plain_permute(key, count, at) for at in range(len(row["images"]))]
        whole = schedule.permute(key, count, np.arange(count)) if count <= 2000 else np.arange(count % 7)
        assert sorted(whole.tolist()) == list(range(len(whole)))
    for row in vectors["batches"]:
        shard = row["sample_count"] // row["slot_count"]
        walk = [(row["step"] * row["batch_size"] + at) % shard for at in range(row["batch_size"])]
        places = [row["slot"] + row["slot_count"] * at for at in walk]
        assert row["indices"] == [plain_permute(key, row["sample_count"], at) for at in places]


def test_samples_with_plain_integers() -> None:
    vectors = load("schedule")
    for row in vectors["samples"]:
        parts = [
            tag("assay.sample.1"),
            x(vectors["beacon"]),
            x(row["nonce"]),
            row["job"],
            row["generation"],
            row["round"],
        ]
        key = h(encode(["bytes32", "bytes32", "bytes32", "uint256", "uint32", "uint32"], parts))
        picked: list[list[int]] = []
        total = len(row["present"]) * row["segment_count"]
        for at in range(total):
            place = plain_permute(key, total, at)
            slot, segment = row["present"][place // row["segment_count"]], place % row["segment_count"]
            if len(picked) < row["sample_count"] and not (
                {(slot, segment - 1), (slot, segment + 1)} & set(map(tuple, picked))
            ):
                picked.append([slot, segment])
        assert row["pairs"] == picked
    for row in vectors["shares"]:
        total = max(1, row["full"] * row["present_count"] // row["slot_count"])
        assert row["total"] == total
        assert sum(row["shares"]) == total
        first = int.from_bytes(
            h(encode(["bytes32", "bytes32"], [tag("assay.share.1"), x(vectors["beacon"])])), "big"
        ) % len(row["seats"])
        # Dealt from behind: the last places before the first seat get what is left over.
        expected = [total // len(row["seats"])] * len(row["seats"])
        for extra in range(total % len(row["seats"])):
            expected[(first - 1 - extra) % len(row["seats"])] += 1
        assert row["shares"] == expected


def test_job_documents_by_json_alone() -> None:
    vectors = load("job")
    tables = json.loads(vectors["document"])
    assert json.dumps(tables, sort_keys=True, separators=(",", ":")) == vectors["document"]
    assert x(vectors["hash"]) == h(vectors["document"].encode())
    assert Job.parse(vectors["file"]) == Job.from_document(vectors["document"].encode())
    assert x(vectors["seed"]) == h(encode(["bytes32", "uint256"], [tag("assay.seed.1"), tables["train"]["seed"]]))


def test_manifests_by_hand() -> None:
    vectors = load("manifest")
    content, size = x(vectors["content"]), vectors["record_bytes"]
    records = [content[at : at + size] for at in range(0, len(content), size)]
    assert len(records) == vectors["count"]
    root = plain_root([h(b"\0", record) for record in records])
    assert x(vectors["samples_root"]) == root
    form = bytes([1, 2]) + (2).to_bytes(8, "big") + (3).to_bytes(8, "big") + bytes([6, 0])
    parts = [tag("assay.manifest.1"), vectors["count"], root, h(form)]
    assert x(vectors["root"]) == h(encode(["bytes32", "uint256", "bytes32", "bytes32"], parts))
