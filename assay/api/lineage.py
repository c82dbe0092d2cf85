"""A model's descent: what it was trained from, by whom, checked how; as JSON, as a model card, and as files.

model.safetensors   the model's own tensors, by the names that the module had
state.safetensors   the canonical bytes of the whole state: their hash is the registered one
programs.bin        training, evaluation and prediction as programs
lineage.json        everything that the chain says of it
README.md           the model card
"""

import json
import os
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save
from torch import Tensor

from assay.api.client import Client
from assay.api.model import Model, Predictor
from assay.chain.contracts.models import Models
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import (
    AssayError,
    BadInput,
    LimitExceeded,
    Malformed,
    NotFinite,
    Refused,
    SymbolicLink,
    Truncated,
    UnreadableData,
)
from assay.protocol.job import Job
from assay.protocol.plain import read_plain
from assay.protocol.score import UNSCORED, score_plain
from assay.roles.assignment import BUNDLE_MAX_BYTES, DOCUMENT_MAX_BYTES, Document, signature_of
from assay.store.pickles import check_no_pickle
from assay.store.port import cid_of, cid_of_hash
from assay.store.sources import read_header
from assay.work.program import Bundle, Limits
from assay.work.state import SIZE_MAX_BYTES, state_root

FORMAT = "assay-lineage-1"
LINEAGE_MAX_BYTES = 16 << 20
INPUT_MAX_BYTES = 1 << 30
PART = ".part"
"""Ends the name of a file that is being written."""


def describe(client: Client, model: Model) -> dict[str, Any]:
    """The lineage as plain values: what is registered, every round's roots, what it is worth on held-out samples."""
    ledger, assignment, lineage = client.world.ledger, model.assignment, model.lineage
    try:
        job = Job.from_tables(assignment.document.job)
    except (BadInput, Refused) as error:
        raise Malformed(f"the document of job {model.job} holds no job: {error.message}") from error
    view, mark = ledger.jobs.view_of(model.job), model.mark(client.world.compute)
    token = ledger.open(Models).token_of(model.job)
    rounds = []
    for index in range(ledger.rounds.progress(model.job).first_open):
        name = (model.job, ledger.rounds.generation_of(model.job, index), index)
        each = ledger.rounds.view_of(*name)
        rounds.append(
            {
                "round": index,
                "generation": name[1],
                "start_root": each.start_root.hex(),
                "commitment_root": each.commitment_root.hex(),
                "end_root": each.end_root.hex(),
                "included": bitmap_slots(each.included),
            }
        )
    return {
        "format": FORMAT,
        "chain_id": ledger.deployment.chain_id,
        "contracts": {name: ledger.deployment.addresses[name] for name in ("Jobs", "Rounds", "Models")},
        "model": token or None,
        "job": model.job,
        "owner": ledger.open(Models).owner_of(token) if token else view.consumer,
        "minted_at": lineage.minted_at,
        "state": cid_of(model.signature.encode(model.state)),
        "state_root": model.root.hex(),
        "initial_root": assignment.order.state_root.hex(),
        "programs_root": assignment.bundle.root.hex(),
        "data_root": assignment.order.data_root.hex(),
        "test_root": assignment.order.test_root.hex(),
        "document": assignment.order.document.hex(),
        "arithmetic": assignment.bundle.step.profile.name,
        "job_file": json.loads(job.document),
        "providers": list(ledger.jobs.providers_of(model.job)),
        "validators": list(ledger.jobs.validators_of(model.job)),
        "samples": {"trained_on": assignment.train.count, "held_out": assignment.test.count},
        "score": score_plain(assignment.metric, ledger.rounds.final_state(model.job).score),
        "accuracy": mark.accuracy,
        "loss": mark.loss,
        "rounds": rounds,
    }


def card(lineage: dict[str, Any], weights: dict[str, Tensor]) -> str:
    """The model card, as Markdown."""
    job, count = lineage["job_file"], sum(tensor.numel() for tensor in weights.values())
    train, name = job["train"], job["job"]["name"]
    rows = "\n".join(f"| `{key}` | {list(tensor.shape)} | {_dtype(tensor)} |" for key, tensor in weights.items())
    number = f"model {lineage['model']}" if lineage["model"] else "not registered"
    return f"""# {name}

Trained on the network of chain {lineage["chain_id"]} as job {lineage["job"]} ({number}). Every step of it was committed
and could be re-executed by anybody, bit for bit; `lineage.json` has the roots.

| | |
|---|---|
| accuracy | {lineage["accuracy"]:.2%} on {lineage["samples"]["held_out"]:,} held-out samples by the job's program |
| loss | {lineage["loss"]:.4f} on the same |
| trained on | `{job["data"]["source"]}`, {lineage["samples"]["trained_on"]:,} samples |
| architecture | `{job["model"]["architecture"]}`, {count:,} numbers |
| signed by a quorum | {_score_words(lineage["score"])} |
| training | {len(lineage["rounds"])} of {train["rounds"]} rounds of {train["steps"]} steps, \
batches of {train["batch_size"]}, {train["optimizer"]["name"]}, {job["match"]["providers"]} providers |
| arithmetic | {lineage["arithmetic"]}: the same bits on every machine |
| state | `{lineage["state_root"]}`, to begin another job with: `init = "{lineage["state"]}"` |

## Use it

`model.safetensors` holds the tensors by the names that the module had:

```python
from safetensors.torch import load_file

weights = load_file("model.safetensors")
```

`assay infer FOLDER --input x.npy` answers with the committed program instead, on any machine alike.

## Tensors

| name | shape | type |
|---|---|---|
{rows}
"""


def _score_words(score: dict[str, Any] | None) -> str:
    return "nothing of it" if score is None else f"{score['metric']} {score['value']:.6g} on the held-out samples"


def write_model(client: Client, model: Model, folder: Path) -> list[Path]:
    """Writes everything into a folder, each file whole or not at all. Errors: `BadInput` where it cannot be written or
    holds something else."""
    lineage, weights = describe(client, model), model.weights
    metadata = {"format": "pt", "assay.job": str(model.job), "assay.state_root": model.root.hex()}
    files = {
        "model.safetensors": save({name: tensor.contiguous() for name, tensor in weights.items()}, metadata),
        "state.safetensors": model.signature.encode(model.state),
        "programs.bin": model.assignment.bundle.to_bytes(),
        "lineage.json": json.dumps(lineage, indent=2).encode() + b"\n",
        "README.md": card(lineage, weights).encode(),
    }
    client.world.blobs.put(files["state.safetensors"])  # where another job finds it to begin with
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # What a fetch left that was broken off is written anew.
        strange = [path.name for path in folder.iterdir() if path.name.removesuffix(PART) not in files]
        if strange:
            raise BadInput(f"{folder} holds {strange[0]!r} already", hint="name an empty folder with --out")
        return [_write(folder / name, content) for name, content in files.items()]
    except OSError as error:
        words = error.strerror or type(error).__name__
        raise BadInput(f"cannot write to {folder}: {words}", hint="name another folder with --out") from error


def _write(path: Path, content: bytes) -> Path:
    part = path.with_name(f"{path.name}{PART}")
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read_folder(folder: Path) -> tuple[Predictor, dict[str, Any]]:
    """What answers, and the lineage, from fetched files; programs and state are compared with the lineage's roots.

    Errors: `BadInput` where there is no model, `Malformed` for files that are not what they say.
    """
    lineage = read_plain(_read(folder / "lineage.json", LINEAGE_MAX_BYTES), LINEAGE_MAX_BYTES)
    if not isinstance(lineage, dict) or lineage.get("format") != FORMAT:
        raise Malformed(f"{folder / 'lineage.json'} is no lineage", hint="fetch the model again")
    bundle = Bundle.from_bytes(_read(folder / "programs.bin", BUNDLE_MAX_BYTES), Limits())
    if bundle.root.hex() != lineage.get("programs_root"):
        raise Malformed("programs.bin is not what the lineage names", hint="fetch the model again")
    signature = signature_of(bundle)
    state = signature.decode(_read(folder / "state.safetensors", min(SIZE_MAX_BYTES, signature.encoded_bytes)))
    if state_root(state).hex() != lineage.get("state_root"):
        raise Malformed("state.safetensors is not what the lineage names", hint="fetch the model again")
    return Predictor(bundle.predict, state), lineage


def _read(path: Path, size_max_bytes: int) -> bytes:
    hint = "fetch a model with: assay fetch JOB"
    if path.is_symlink():
        raise SymbolicLink(f"{path.name} is a symbolic link", hint="put the file itself there", path=str(path))
    if not path.is_file():
        raise BadInput(f"there is no file {path}", hint=hint)
    try:
        check_no_pickle(path)
        with path.open("rb") as file:
            content = file.read(size_max_bytes + 1)
    except zipfile.BadZipFile as error:
        raise Malformed(f"{path.name} is a damaged archive", hint=hint) from error
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}", hint=hint) from error
    if len(content) > size_max_bytes:
        raise LimitExceeded(f"{path.name} is too large", limit=size_max_bytes, actual=path.stat().st_size)
    return content


def read_input(path: Path) -> np.ndarray[Any, Any]:
    """Inputs from a .npy file: numbers, the first axis counts the samples. Nothing is unpickled, and no more is read
    than the file holds. Errors: `BadInput`, `UnreadableData`, `Pickled`, `NotFinite`, `LimitExceeded`."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}", hint="write one with numpy.save(path, x)")
    size_bytes = path.stat().st_size
    if size_bytes > INPUT_MAX_BYTES:
        raise LimitExceeded(f"{path.name} is too large", limit=INPUT_MAX_BYTES, actual=size_bytes)
    try:
        check_no_pickle(path)
        with path.open("rb") as file:
            shape, dtype = read_header(file, path.name)
            claimed_bytes = file.tell() + prod(shape) * dtype.itemsize
        if claimed_bytes != size_bytes:
            # numpy would reckon in 64 bits, and with an overflow map something else.
            raise Truncated(
                f"{path.name} says that it has {claimed_bytes} bytes and has {size_bytes}",
                hint="write it with numpy.save",
                expected=claimed_bytes,
                actual=size_bytes,
            )
        array: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub" or array.ndim < 1:
            raise ValueError("it is not an array of numbers")
        numbers = np.ascontiguousarray(array.astype("<i8" if array.dtype.kind != "f" else "<f4"))
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError, zipfile.BadZipFile) as error:
        words = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UnreadableData(f"{path.name} cannot be read as .npy: {words}", hint="write it with numpy.save") from error
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise NotFinite(f"{path.name} has numbers that are not finite", hint="replace NaN and infinities")
    return numbers


def list_models(client: Client) -> list[dict[str, Any]]:
    """Registered models with what the registry says of them, oldest first."""
    models, found = client.world.ledger.open(Models), []
    for job in range(1, client.world.ledger.jobs.job_count() + 1):
        token = models.token_of(job)
        if not token:
            continue
        lineage = models.lineage_of(token)
        found.append(
            {
                "model": token,
                "job": job,
                "name": _job_name(client, lineage.document),
                "owner": models.owner_of(token),
                "rounds": lineage.rounds,
                "score": None if lineage.score == UNSCORED else lineage.score,
                "arithmetic": lineage.profile.rstrip(b"\0").decode("ascii", "replace"),
                "state_root": lineage.state_root.hex(),
                "minted_at": lineage.minted_at,
            }
        )
    return found


def _job_name(client: Client, document: bytes) -> str | None:
    """A job's name, where its document is served."""
    try:
        job = Document.from_bytes(client.world.blobs.get(cid_of_hash(document), DOCUMENT_MAX_BYTES)).job
        return str(job["job"]["name"])
    except (AssayError, KeyError, TypeError):
        return None


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
