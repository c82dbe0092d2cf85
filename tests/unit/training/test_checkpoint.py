"""Checkpoints: whole, canonical and of this training, or refused before anything changes."""

import json
import pickle
from hashlib import sha256
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from torch import nn

import assay.exact
from assay.exact import Training
from assay.protocol.errors import (
    BadInput,
    LimitExceeded,
    Malformed,
    NotFinite,
    Pickled,
    Truncated,
)
from assay.training import checkpoint

ADAMW = {"name": "adamw", "lr": 0.01}
X, Y = torch.arange(24.0).reshape(8, 3) / 32, torch.arange(8) % 2


def compiled(optimizer: object = ADAMW, *, width: int = 4, **options) -> Training:
    net = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
    return assay.exact.compile(net, options.pop("loss", "cross_entropy"), optimizer, init="seed:1", **options)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint after three steps."""
    step = compiled()
    for _ in range(3):
        step(X, Y)
    step.save(tmp_path / "saved")
    return tmp_path / "saved"


def header_of(content: bytes) -> tuple[dict, bytes]:
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def rebuilt(header: object, rest: bytes) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + rest


def test_any_reader_of_safetensors_opens_it(saved: Path) -> None:
    step = compiled()
    step.load(saved)
    tensors = safetensors.torch.load_file(saved)
    assert set(tensors) == set(step.state)
    assert all(torch.equal(tensors[name], step.state[name]) for name in tensors)
    with safetensors.safe_open(saved, "pt") as file:
        note = file.metadata()
    assert (note["profile"], note["count"], note["root"]) == ("exact15", "3", step.root)
    assert json.loads(note["optimizer"])["lr"] == 0.01
    assert json.loads(note["programs"]) == step.programs
    assert header_of(saved.read_bytes()) == header_of(rebuilt(*header_of(saved.read_bytes())))


def test_saving_replaces_what_was_there_or_leaves_it(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()
    step = compiled()
    step(X, Y)

    def broken(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", broken)
        with pytest.raises(OSError, match="disk full"):
            step.save(saved)
    assert saved.read_bytes() == before
    step.save(str(saved))
    assert saved.read_bytes() != before
    assert [each.name for each in saved.parent.iterdir()] == ["saved"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": "exact22"}, "of profile 'exact15', this is exact22"),
        ({"optimizer": {"name": "adamw", "lr": 0.02}}, "lr is 0.01, here 0.02"),
        ({"optimizer": {"name": "adam", "lr": 0.01}}, "name is adamw, here adam"),
        ({"seed": 1}, "of seed 0, this is 1"),
        ({"width": 5}, "of another model"),
    ],
)
def test_another_trainings_is_refused_and_changes_nothing(saved: Path, options: dict, words: str) -> None:
    step = compiled(**options)
    root = step.root
    with pytest.raises(BadInput, match=words) as refusal:
        step.load(saved)
    assert refusal.value.hint
    assert (step.root, step.count, step.programs) == (root, 0, {})


def test_a_number_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    compiled({"name": "sgd", "lr": 1}).save(tmp_path / "one")
    compiled({"name": "sgd", "lr": 1.0}).load(tmp_path / "one")


def test_another_program_is_refused_at_once_where_it_is_known_else_when_it_is_captured(saved: Path) -> None:
    ways = [compiled(loss=nn.CrossEntropyLoss(label_smoothing=0.1)) for _ in range(2)]
    ways[0](X, Y)
    root = ways[0].root
    with pytest.raises(BadInput, match=r"program for batches of x F32\[8,3\], y I64\[8\] is"):
        ways[0].load(saved)
    assert (ways[0].root, ways[0].count) == (root, 1)
    ways[1].load(saved)
    root = ways[1].root
    with pytest.raises(BadInput, match="the checkpoint's program") as refusal:
        ways[1](X, Y)
    assert "PyTorch" in refusal.value.hint
    assert (ways[1].root, ways[1].count) == (root, 3)


def test_a_checkpoint_names_the_programs_of_its_own_steps(saved: Path, tmp_path: Path) -> None:
    step = compiled()
    for size in range(1, 1 + checkpoint.PROGRAMS_MAX):
        step(X[:size], Y[:size])
    step.load(saved)
    assert list(step.programs) == ["x F32[8,3], y I64[8]"]
    step(X[:3], Y[:3])
    step.save(tmp_path / "more")
    again = compiled()
    again.load(tmp_path / "more")
    assert again.programs == step.programs
    assert len(again.programs) == 2


def test_what_is_no_checkpoint_is_refused(saved: Path, tmp_path: Path) -> None:
    weights = compiled().model().state_dict()
    torch.save(weights, tmp_path / "torch")
    (tmp_path / "pickle").write_bytes(pickle.dumps({"a": 1}))
    safetensors.torch.save_file(weights, tmp_path / "weights")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("weights")
    for name, kind in {"torch": Pickled, "pickle": Pickled, "empty": Malformed, "text": Malformed}.items():
        with pytest.raises(kind):
            compiled().load(tmp_path / name)
    with pytest.raises(Malformed, match="note"):
        compiled().load(tmp_path / "weights")
    with pytest.raises(FileNotFoundError):
        compiled().load(tmp_path / "none")


def test_damage_anywhere_is_found(saved: Path) -> None:
    whole, step = saved.read_bytes(), compiled()
    root = step.root
    size = 8 + int.from_bytes(whole[:8], "little")
    for at in [*range(0, size, 7), *range(size, len(whole), 5), len(whole) - 1]:
        saved.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((Malformed, BadInput)):
            step.load(saved)
    for length in range(0, len(whole), 61):
        saved.write_bytes(whole[:length])
        with pytest.raises(Malformed):
            step.load(saved)
    saved.write_bytes(whole[:-1])
    with pytest.raises(Truncated):
        step.load(saved)
    saved.write_bytes(whole + b"\0")
    with pytest.raises(Malformed, match="instead of"):
        step.load(saved)
    assert (step.root, step.count) == (root, 0)
    saved.write_bytes(whole)
    step.load(saved)
    assert step.count == 3


def noted(content: bytes, key: str, text: object) -> bytes:
    """A checkpoint whose note says something else, with the hash that belongs to it."""
    header, rest = header_of(content)
    note = header["__metadata__"]
    note[key] = text
    entries = {name: entry for name, entry in note.items() if name != "sha256"}
    note["sha256"] = sha256(json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return rebuilt(header, rest)


def test_a_note_that_save_would_write_is_read(saved: Path) -> None:
    saved.write_bytes(noted(saved.read_bytes(), "count", "4"))
    step = compiled()
    step.load(saved)
    assert step.count == 4


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("count", "03", "not as it is written"),
        ("count", "-3", "lacks a number"),
        ("count", str(1 << 63), "not as it is written"),
        ("count", "9" * 5000, "lacks a number"),
        ("seed", "", "lacks a number"),
        ("root", "0" * 64, "not those of its root"),
        ("root", "A" * 64, "not as it is written"),
        ("format", "assay.training.2", "does not say"),
        ("programs", "[]", "not as it is written"),
        ("programs", "{", "not JSON"),
        ("programs", json.dumps({str(each): "0" * 64 for each in range(9)}, separators=(",", ":")), "as it is written"),
        ("programs", '{"x":"12"}', "not as it is written"),
        ("optimizer", "[]", "not a table"),
        ("optimizer", "[" * 5000, "nested too deeply"),
        ("extra", "1", "not as it is written"),
        ("count", 3, "not a table of texts"),
    ],
)
def test_a_note_that_save_would_not_write(saved: Path, key: str, text: object, words: str) -> None:
    saved.write_bytes(noted(saved.read_bytes(), key, text))
    step = compiled()
    with pytest.raises(Malformed, match=words):
        step.load(saved)
    assert step.count == 0


def test_a_header_in_another_order_or_with_other_places_is_refused(saved: Path) -> None:
    header, rest = header_of(saved.read_bytes())
    saved.write_bytes(rebuilt(dict(reversed(header.items())), rest))
    with pytest.raises(BadInput, match="another model"):
        compiled().load(saved)
    header["0.bias"]["data_offsets"] = [0, 16]
    saved.write_bytes(rebuilt(header, rest))
    with pytest.raises(BadInput, match="another model"):
        compiled().load(saved)
    saved.write_bytes(rebuilt({"__metadata__": [1]}, rest))
    with pytest.raises(Malformed, match="note"):
        compiled().load(saved)


def test_numbers_that_are_not_finite_and_sizes_beyond_reason(saved: Path) -> None:
    whole = saved.read_bytes()
    size = 8 + int.from_bytes(whole[:8], "little")
    saved.write_bytes(whole[:size] + b"\0\0\xc0\x7f" + whole[size + 4 :])
    with pytest.raises(NotFinite):
        compiled().load(saved)
    saved.write_bytes((1 << 62).to_bytes(8, "little") + whole[8:])
    with pytest.raises(LimitExceeded):
        compiled().load(saved)


def test_a_file_much_too_long_is_not_read_whole(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "HEADER_MAX_BYTES", 4096)
    with saved.open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(LimitExceeded, match="too large for this model"):
        compiled().load(saved)
