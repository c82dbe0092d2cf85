"""Makes the frozen vectors of the protocol's layouts: `python tests/conformance/protocol/protocol_vectors.py`.

Hashes are hex without prefix, addresses with "0x", integers are plain numbers, but those above 2^53 are decimal texts,
so that any JSON reader keeps them. Running it must change nothing, unless a layout gets a new version.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from assay.protocol import commitment, merkle, schedule, table, transcript, typed
from assay.protocol.commitment import Commitment
from assay.protocol.job import Job
from assay.protocol.score import UNSCORED, BatchMark, Marks
from assay.protocol.table import Entry, Table
from assay.protocol.transcript import SlotName, Transcript
from assay.store.manifest import describe
from assay.store.samples import Samples

FOLDER = Path(__file__).parents[3] / "vectors" / "protocol"
CHAIN_ID = 31337
ROUNDS = "0x" + "5b" * 20

JOB_FILE = """
[job]
name = "vector"
budget = "250"
[match]
providers = 6
[model]
architecture = "assay.architectures:mlp"
options = { width = 64 }
init = "seed:7"
[data]
source = "sklearn:digits"
[train]
optimizer = { name = "sgd", lr = 0.1, momentum = 0.9 }
rounds = 12
steps = 48
seed = 7
[verify]
quorum = "3 of 5"
challenge = "30m"
"""


def word(name: str) -> bytes:
    """32 bytes that belong to a name."""
    return sha256(name.encode()).digest()


def address(name: str) -> str:
    """An address that belongs to a name."""
    return "0x" + word(name)[:20].hex()


def merkle_vectors() -> dict[str, Any]:
    trees = []
    for count in (0, 1, 2, 3, 4, 5, 7, 8, 13):
        hashes = [merkle.leaf_hash(f"leaf {at}".encode()) for at in range(count)]
        proofs = [[sibling.hex() for sibling in merkle.merkle_proof(hashes, at)] for at in range(count)]
        trees.append(
            {
                "count": count,
                "depth": merkle.depth(count),
                "leaves": [each.hex() for each in hashes],
                "root": merkle.merkle_root(hashes).hex(),
                "proofs": proofs,
            }
        )
    groups = [[word(f"root {at}") for at in range(count)] for count in (0, 1, 2, 64, 65, 130)]
    return {
        "empty": merkle.EMPTY.hex(),
        "leaf": [
            {"content": content.hex(), "hash": merkle.leaf_hash(content).hex()} for content in (b"", b"a", bytes(4096))
        ],
        "node": {
            "left": word("l").hex(),
            "right": word("r").hex(),
            "hash": merkle.node_hash(word("l"), word("r")).hex(),
        },
        "trees": trees,
        "roots": [
            {"roots": [each.hex() for each in group], "hash": merkle.roots_hash(group).hex()} for group in groups
        ],
    }


def tensor_vectors() -> dict[str, Any]:
    rows: list[tuple[str, list[int], bytes]] = [
        ("F32", [2, 3], np.arange(6, dtype="<f4").tobytes()),
        ("F32", [], np.float32(1.5).tobytes()),
        ("F32", [0, 4], b""),
        ("F32", [1024], np.linspace(-1, 1, 1024, dtype="<f4").tobytes()),
        ("F32", [1025], np.linspace(-1, 1, 1025, dtype="<f4").tobytes()),
        ("I64", [3], np.array([-1, 0, 1 << 40], dtype="<i8").tobytes()),
        ("I16", [2], np.array([-32768, 32767], dtype="<i2").tobytes()),
        ("I32", [1], np.array([-2], dtype="<i4").tobytes()),
        ("BOOL", [3], bytes([1, 0, 1])),
    ]
    roots = [merkle.tensor_root(*row) for row in rows]
    return {
        "tensors": [
            {"dtype": dtype, "shape": shape, "content": content.hex(), "root": root.hex()}
            for (dtype, shape, content), root in zip(rows, roots, strict=True)
        ],
        "state_root": merkle.roots_hash(roots).hex(),
    }


def commitment_of(slot: int) -> Commitment:
    return Commitment(
        3,
        1,
        4,
        slot,
        address(f"provider {slot}"),
        word("beacon"),
        word("start"),
        word(f"transcript {slot}"),
        word("hash"),
        word("sealed"),
    )


def commitment_vectors() -> dict[str, Any]:
    commitments = {slot: commitment_of(slot) for slot in (0, 2, 3, 5)}
    leaves = {slot: each.leaf(CHAIN_ID, ROUNDS) for slot, each in commitments.items()}
    domain = typed.Domain(CHAIN_ID, ROUNDS)
    return {
        "chain_id": CHAIN_ID,
        "rounds": ROUNDS,
        "slot_count": 6,
        "commitments": [
            {
                **{name: value.hex() if isinstance(value, bytes) else value for name, value in each.typed.items()},
                "leaf": leaves[slot].hex(),
                "typed_digest": typed.typed_digest(domain, "Commitment", each.typed).hex(),
                "proof": [sibling.hex() for sibling in commitment.commitment_proof(leaves, 6, slot)],
            }
            for slot, each in commitments.items()
        ],
        "root": commitment.commitment_root(leaves, 6).hex(),
        "domain_separator": domain.separator.hex(),
        "bitmaps": [
            {"slot_count": count, "slots": slots, "words": [f"{row:064x}" for row in commitment.bitmap(slots, count)]}
            for count, slots in ((6, [0, 2, 3, 5]), (1, []), (256, [255]), (300, [0, 255, 256, 299]))
        ],
    }


def transcript_vectors() -> dict[str, Any]:
    name = SlotName(3, 1, 4, 2, address("provider 2"))
    states = [word(f"state {at}") for at in range(5)]
    losses = [0, 0x40135D8E, 0x3F800000, 0x3F000000, 0x00000001]
    made = Transcript(name, word("secret"), transcript.leaves_of(states, losses, word("update")))
    return {
        "job": name.job,
        "generation": name.generation,
        "round": name.round,
        "slot": name.slot,
        "provider": name.provider,
        "secret": made.secret.hex(),
        "secret_hash": transcript.secret_hash(made.secret).hex(),
        "leaves": [
            {
                "index": leaf.index,
                "state_root": leaf.state_root.hex(),
                "loss_bits": leaf.loss_bits,
                "update_root": leaf.update_root.hex(),
                "salt": transcript.salt(made.secret, leaf.index).hex(),
                "sealed_loss": transcript.sealed_loss(made.secret, leaf.index, leaf.loss_bits).hex(),
                "hash": hashed.hex(),
                "proof": [sibling.hex() for sibling in made.proof(leaf.index)],
            }
            for leaf, hashed in zip(made.leaves, made.hashes(), strict=True)
        ],
        "root": made.root.hex(),
        "faults": [
            {"step": step, "node": node, "operator": name, "digest": transcript.fault_digest(step, node, name).hex()}
            for step, node, name in ((0, 0, "input"), (5, 398, "div"))
        ],
    }


def table_vectors() -> dict[str, Any]:
    fault = transcript.fault_digest(5, 398, "div")
    entries = (
        Entry(0, 3, word("state 3"), word("state 4"), 0x40135D8E),
        Entry(5, 0, word("start"), fault, 0),
        Entry(2, 15, fault, fault, 0),
    )
    made = Table(entries)
    return {
        "score_digest": [
            {"end_root": word("end").hex(), "score": score, "digest": table.score_digest(word("end"), score).hex()}
            for score in (950_000, -83_200, UNSCORED)
        ],
        "entries": [
            {
                "slot": entry.slot,
                "segment": entry.segment,
                "start_root": entry.start_root.hex(),
                "state_root": entry.state_root.hex(),
                "loss_bits": entry.loss_bits,
                "leaf": entry.leaf().hex(),
                "proof": [sibling.hex() for sibling in made.proof(at)],
            }
            for at, entry in enumerate(entries)
        ],
        "root": made.root.hex(),
        "empty_root": table.table_root([]).hex(),
    }


def score_vectors() -> dict[str, Any]:
    largest, fault = 0x7F7F_FFFF, transcript.fault_digest(2, 398, "div")
    rows: dict[str, Marks] = {
        "one batch": Marks(0, (BatchMark(61, 64, 0x40135D8E),)),
        "batches of several sizes": Marks(
            0, (BatchMark(61, 64, 0x41A4_0000), BatchMark(60, 64, 0x4135_D8E1), BatchMark(3, 7, 0x3F80_0000))
        ),
        "a loss below zero": Marks(0, (BatchMark(0, 4, 0xC040_0000), BatchMark(0, 4, 0x3F80_0000))),
        "thirds, rounded down": Marks(0, (BatchMark(1, 3, 0x3F80_0000),)),
        "thirds below zero, rounded down": Marks(0, (BatchMark(2, 3, 0xBF80_0000),)),
        "less than a unit": Marks(0, (BatchMark(0, 1, 0x2B00_0000),)),
        "a unit and less than a unit": Marks(0, (BatchMark(0, 1, 0x2B80_0001),)),
        "less than a unit below zero": Marks(0, (BatchMark(0, 1, 0xAB00_0000), BatchMark(0, 1, 0x8000_0001))),
        "subnormal": Marks(0, (BatchMark(0, 1, 0x0000_0001), BatchMark(0, 1, 0x007F_FFFF))),
        "minus zero": Marks(0, (BatchMark(0, 1, 0x8000_0000),)),
        "no targets": Marks(0, (BatchMark(0, 0, 0),)),
        "the largest loss": Marks(0, (BatchMark(0, 1, largest),)),
        "the least loss": Marks(0, (BatchMark(0, 1, largest | 1 << 31),)),
        "the largest and the least": Marks(0, (BatchMark(0, 1, largest), BatchMark(1, 1, largest | 1 << 31))),
        "the most targets": Marks(0, (BatchMark((1 << 63) - 1, (1 << 63) - 1, largest),) * 2),
        "more right than targets": Marks(1, (BatchMark(65, 64, 0),)),
        "fewer than no right answers": Marks(1, (BatchMark(-1, 64, 0),)),
        "fewer than no targets": Marks(1, (BatchMark(-2, -1, 0),)),
        "an infinite loss": Marks(2, (BatchMark(1, 64, 0x7F80_0000),)),
        "no number": Marks(2, (BatchMark(1, 64, 0xFFC0_0000),)),
        "a fault": Marks(2, (), fault),
    }
    return {
        "marks": [
            {
                "name": name,
                "first": marks.first,
                "batches": [
                    {
                        "correct_count": str(each.correct_count),
                        "target_count": str(each.target_count),
                        "loss_bits": each.loss_bits,
                    }
                    for each in marks.batches
                ],
                "content": marks.content.hex(),
                "fault": marks.fault.hex(),
                "accuracy": str(marks.score(False)),
                "loss": str(marks.score(True)),
            }
            for name, marks in rows.items()
        ]
    }


def schedule_vectors() -> dict[str, Any]:
    key = schedule.work_key(word("seed"), word("beacon"), 1, 4)
    counts = (1, 2, 10, 255, 256, 257, 1437)
    wide = 1 << 32
    return {
        "seed": word("seed").hex(),
        "beacon": word("beacon").hex(),
        "generation": 1,
        "round": 4,
        "work_key": key.hex(),
        "slot_key": {"slot": 2, "key": schedule.slot_key(word("seed"), word("beacon"), 1, 4, 2).hex()},
        "permutations": [
            {"count": count, "images": schedule.permute(key, count, np.arange(min(count, 300))).tolist()}
            for count in counts
        ]
        + [{"count": wide, "images": schedule.permute(key, wide, np.arange(4)).tolist()}],
        "batches": [
            {
                "sample_count": 1437,
                "slot": slot,
                "slot_count": 6,
                "step": step,
                "batch_size": 64,
                "indices": schedule.batch_indices(key, 1437, slot, 6, step, 64).tolist(),
            }
            for slot, step in ((0, 0), (5, 3), (2, 47))
        ],
        "samples": [
            {
                "nonce": word(f"nonce {at}").hex(),
                "job": 3,
                "generation": 1,
                "round": 4,
                "present": present,
                "segment_count": segments,
                "sample_count": count,
                "pairs": schedule.sample_segments(
                    word("beacon"), word(f"nonce {at}"), (3, 1, 4), present, segments, count
                ),
            }
            for at, (present, segments, count) in enumerate(
                (([0, 1, 2, 3, 4, 5], 16, 3), ([0, 2, 5], 8, 100), ([7], 1, 1), ([], 16, 3))
            )
        ],
        "shares": [
            {
                "full": full,
                "slot_count": slots,
                "present_count": present,
                "seats": seats,
                "total": schedule.sample_total(full, slots, present),
                "shares": [
                    schedule.sample_share(schedule.sample_total(full, slots, present), seats, seat, word("beacon"))
                    for seat in seats
                ],
            }
            for full, slots, present, seats in (
                (10, 6, 6, [0, 1, 2, 3, 4]),
                (10, 6, 4, [0, 1, 3, 4]),
                (1, 1, 1, [2]),
                (3, 500, 1, [0, 1]),
            )
        ],
    }


def job_vectors() -> dict[str, Any]:
    job = Job.parse(JOB_FILE)
    return {
        "file": JOB_FILE,
        "document": job.document.decode(),
        "hash": job.document_hash.hex(),
        "seed": job.seed.hex(),
    }


def manifest_vectors() -> dict[str, Any]:
    samples = Samples(np.arange(30, dtype="<f4").reshape(5, 2, 3) / np.float32(4), np.array([3, 1, 4, 1, 5], "<i8"))
    made, blobs = describe(samples)
    return {
        "count": made.count,
        "x": [made.x.dtype, list(made.x.shape)],
        "y": [made.y.dtype, list(made.y.shape)],
        "record_bytes": made.record_bytes,
        "content": b"".join(blobs).hex(),
        "samples_root": made.samples_root.hex(),
        "root": made.root.hex(),
    }


def build() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every file's name and content."""
    yield "merkle", merkle_vectors()
    yield "tensor", tensor_vectors()
    yield "commitment", commitment_vectors()
    yield "transcript", transcript_vectors()
    yield "table", table_vectors()
    yield "score", score_vectors()
    yield "schedule", schedule_vectors()
    yield "job", job_vectors()
    yield "manifest", manifest_vectors()


def text_of(content: dict[str, Any]) -> str:
    """One file's text."""
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for file_name, content in build():
        (FOLDER / f"{file_name}.json").write_text(text_of(content))
