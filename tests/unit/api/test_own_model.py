"""A user's own model, loss, optimizer and job file: taken as they are, or refused with the field and a fix."""

import importlib.util
import os
import py_compile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from own_jobs import JOB, make_net, tiny_job, tiny_samples
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from assay.api.consent import KEPT_MAX, Agreed, agree
from assay.api.draft import make_draft, read_samples
from assay.api.job import Job
from assay.api.own_file import find_own
from assay.api.own_model import capture, load_architecture, read_loss
from assay.api.template import write_template
from assay.protocol.errors import (
    AssayError,
    AtFault,
    BadInput,
    BadKey,
    LimitExceeded,
    Malformed,
    Refused,
    SymbolicLink,
    Unsupported,
)
from assay.protocol.sections import SECTIONS, NamedLoss
from assay.store.samples import Samples
from assay.work.stock import read_optimizer

NET = make_net()


@pytest.mark.parametrize("loss", ["cross_entropy", functional.cross_entropy, nn.CrossEntropyLoss()])
def test_the_same_loss_in_three_forms(loss: object) -> None:
    assert read_loss(loss) == ("cross_entropy", None)


@pytest.mark.parametrize(
    ("loss", "named"),
    [
        (nn.L1Loss(), "l1"),
        (functional.huber_loss, "huber"),
        (nn.HuberLoss(delta=2.0), NamedLoss("huber", delta=2.0)),
        (nn.KLDivLoss(reduction="batchmean"), "kl_div"),
        (nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=0), NamedLoss("cross_entropy", 0.1, 0)),
        ({"name": "nll", "ignore": -100}, NamedLoss("nll", ignore=-100)),
    ],
)
def test_losses_with_settings_have_names(loss: object, named: object) -> None:
    assert read_loss(loss) == (named, None)


@pytest.mark.parametrize(
    "loss", [nn.CrossEntropyLoss(weight=torch.ones(2)), nn.KLDivLoss(reduction="mean"), nn.PoissonNLLLoss(), sum, 3]
)
def test_a_loss_that_no_job_file_can_name(loss: object) -> None:
    with pytest.raises(Unsupported) as refusal:
        read_loss(loss)
    assert refusal.value.hint


def test_optimizers_of_torch_become_tables() -> None:
    sgd = read_optimizer(torch.optim.SGD(NET.parameters(), lr=0.5, momentum=0.9, weight_decay=0.25))
    assert sgd == {"name": "sgd", "lr": 0.5, "momentum": 0.9, "nesterov": False, "weight_decay": 0.25}
    adam = read_optimizer(torch.optim.Adam(NET.parameters(), lr=0.5))
    assert adam is not None
    assert (adam["name"], adam["betas"], adam["eps"]) == ("adamw", [0.9, 0.999], 1e-8)
    decayed = read_optimizer(torch.optim.Adam(NET.parameters(), lr=0.5, weight_decay=0.25))
    assert decayed == {**adam, "name": "adam", "weight_decay": 0.25}
    assert read_optimizer(torch.optim.Adagrad(NET.parameters(), lr=0.5)) == {
        "name": "adagrad", "lr": 0.5, "eps": 1e-10, "weight_decay": 0.0
    }  # fmt: skip


@pytest.mark.parametrize(
    "optimizer",
    [
        torch.optim.RMSprop(NET.parameters(), lr=0.1),
        torch.optim.Adagrad(NET.parameters(), lr=0.1, lr_decay=0.1),
        torch.optim.AdamW(NET.parameters(), lr=0.1, amsgrad=True),
        torch.optim.SGD(NET.parameters(), lr=0.1, momentum=0.9, dampening=0.5),
        torch.optim.SGD([{"params": NET.first.parameters()}, {"params": NET.second.parameters(), "lr": 1}], lr=0.1),
        "sgd",
    ],
)
def test_an_optimizer_that_no_job_file_can_say(optimizer: object) -> None:
    with pytest.raises((Unsupported, BadInput)) as refusal:
        read_optimizer(optimizer)
    assert refusal.value.hint


def test_an_optimizer_trains_what_the_job_would_and_nothing_else() -> None:
    net = make_net()
    first = net.first.weight
    with pytest.raises(Unsupported, match=r"trains 1 of 4 parameters, first\.bias") as refusal:
        capture(net, "cross_entropy", torch.optim.SGD([first], lr=0.1))
    assert "requires_grad_(False)" in refusal.value.hint
    with pytest.raises(Unsupported, match="4 parameters that are not this model's"):
        capture(net, "cross_entropy", torch.optim.SGD(NET.parameters(), lr=0.1))
    groups = [{"params": net.first.parameters()}, {"params": net.second.parameters(), "weight_decay": 0.5}]
    with pytest.raises(Unsupported, match=r"several parameter groups: weight_decay is 0 in one, 0\.5 in another"):
        capture(net, "cross_entropy", torch.optim.SGD(groups, lr=0.1))
    alike = [{"params": net.first.parameters()}, {"params": net.second.parameters()}]
    assert capture(net, "cross_entropy", torch.optim.SGD(alike, lr=0.1)).optimizer is not None
    net.requires_grad_(False)
    first.requires_grad_()
    for held in ([first], net.parameters()):
        own = capture(net, "cross_entropy", torch.optim.SGD(held, lr=0.5))
    bundle = make_draft(tiny_job(), own, tiny_samples()).bundle
    from assay.work.interpret import Runner

    x, y = torch.from_numpy(tiny_samples().x[:4]), torch.from_numpy(tiny_samples().y[:4])
    after = Runner(bundle.step).run([*bundle.state.values(), x, y])
    assert isinstance(after, list)
    rows = zip(bundle.state, bundle.state.values(), after, strict=False)
    moved = [name for name, old, new in rows if (old != new).any()]
    assert [name for name in moved if name in dict(net.named_parameters())] == ["first.weight"]


def test_what_a_program_gives_stands_in_the_job_that_is_published() -> None:
    net = make_net()
    own = capture(net, "cross_entropy", torch.optim.SGD(net.parameters(), lr=0.25))
    draft = make_draft(tiny_job(), own, tiny_samples())
    assert draft.document.job["train"]["optimizer"]["lr"] == 0.25
    assert draft.document.job["model"]["architecture"] == "own_jobs:Net"
    assert draft.document.job["data"]["source"] == "memory:given"


def test_one_training_step_is_that_of_torch() -> None:
    """The captured step moves the weights as the user's own loop would, up to the arithmetic's operand bits."""
    net, data = make_net(), tiny_samples()
    draft = make_draft(tiny_job(), capture(net, nn.CrossEntropyLoss()), data)
    from assay.work.interpret import Runner

    x, y = torch.from_numpy(draft.train.x[:4]), torch.from_numpy(draft.train.y[:4])
    after = Runner(draft.bundle.step).run([*draft.bundle.state.values(), x, y])
    assert isinstance(after, list)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    functional.cross_entropy(net(x), y).backward()
    optimizer.step()
    for tensor, parameter in zip(after, net.parameters(), strict=False):
        assert torch.allclose(tensor, parameter, atol=1e-3)


class Pairs(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.full((3,), float(index)), index


def test_data_in_every_form_a_program_has_it() -> None:
    x, y = torch.arange(15.0).reshape(5, 3), torch.arange(5)
    for given in ((x, y), (x.numpy(), y.numpy()), TensorDataset(x, y), DataLoader(TensorDataset(x, y)), Pairs()):
        samples = read_samples(given)
        assert isinstance(samples, Samples)
        assert samples.x.shape == (5, 3)
        assert samples.x.dtype == np.float32
        assert samples.y.dtype == np.int64
        assert list(samples.y) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("given", [3, "x", (np.zeros(3),), (np.array(["a"]), np.zeros(1))])
def test_data_in_no_form(given: object) -> None:
    with pytest.raises((BadInput, Unsupported)) as refusal:
        read_samples(given)
    assert refusal.value.hint


def test_data_that_is_not_finite_is_refused_before_anything() -> None:
    samples = tiny_samples()
    samples.x[3, 2] = np.nan
    with pytest.raises(Malformed, match="finite"):
        make_draft(tiny_job(), make_net(), samples)


@pytest.mark.parametrize(("low", "high"), [(0, 2), (-1, 1), (5, 7)])
def test_labels_that_the_model_has_no_output_for_are_refused(low: int, high: int) -> None:
    samples = tiny_samples()
    samples.y[:] = np.where(samples.y > 0, high, low)
    with pytest.raises(BadInput, match=f"labels go from {low} to {high}") as refusal:
        make_draft(tiny_job(), make_net(), samples)
    fields = refusal.value.fields
    assert (fields["key"], fields["value"]) == ("data.source", "memory:given")
    assert "model.architecture = own:Net gives 2 numbers" in fields["allowed"]
    assert refusal.value.hint


class Table(nn.Module):
    """Looks its samples up among seven rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.out = nn.Embedding(7, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.out(self.rows(x))
        return answer


def test_a_job_that_is_at_fault_at_once_is_not_posted() -> None:
    """It would burn its deposit."""
    huge = tiny_samples()
    huge.x[:] = 3e38
    net = make_net()
    nn.init.constant_(net.first.weight, 2)
    with pytest.raises(AtFault, match="first step of training: not finite in") as refusal:
        make_draft(tiny_job(), net, huge)
    assert "scale inputs" in refusal.value.hint
    assert refusal.value.fields["operator"]
    x, y = np.arange(60) % 7, tiny_samples().y
    make_draft(tiny_job(), Table(), Samples(x, y))
    x[59] = 7
    with pytest.raises(AtFault, match="initial weights") as refusal:
        make_draft(tiny_job(), Table(), Samples(x, y))
    assert "indices" in refusal.value.hint


OWN = """
from torch import nn
import torch
class Net(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        self.first, self.second = nn.Linear(64, width), nn.Linear(width, 10)
    def forward(self, x):
        return self.second(torch.relu(self.first(x.flatten(1))))
class Fourier(Net):
    def forward(self, x):
        return torch.fft.fft(super().forward(x)).real
class Dropping(Net):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5, self.training)
class Narrow(Net):
    def forward(self, x):
        return self.first(x[:, :7])
def number():
    return 3
def broken():
    return undefined
"""


def job_in(folder: Path, **changes: str) -> Job:
    text = JOB.replace("batch_size = 4", "batch_size = 8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "own.py").write_text(OWN)
    (folder / "job.toml").write_text(text)
    return Job.load(folder / "job.toml", consent=agree)


def test_a_model_in_a_file_beside_the_job(tmp_path: Path) -> None:
    job = job_in(tmp_path, **{'"own:Net"': '"own:Net"\noptions = { width = 7 }'})
    draft = make_draft(job)
    assert draft.bundle.state["first.weight"].shape == (7, 64)
    assert draft.document.job["model"]["options"] == {"width": 7}


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("Fourier", Unsupported, "_fft_r2c"),
        ("Dropping", Unsupported, "random"),
        ("Narrow", BadInput, "does not take this data"),
        ("number", BadInput, "not an nn.Module"),
        ("broken", BadInput, r"own\.py:\d+: NameError"),
        ("Nett", BadInput, "has no Nett"),
    ],
)
def test_a_model_that_cannot_be_is_refused_with_its_own_words(
    tmp_path: Path, name: str, kind: type[AssayError], words: str
) -> None:
    with pytest.raises(kind, match=words) as refusal:
        make_draft(job_in(tmp_path, **{'"own:Net"': f'"own:{name}"'}))
    assert refusal.value.hint


def test_a_file_that_does_not_import_names_its_line(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    (tmp_path / "own.py").write_text("import torch\nx = (\n")
    with pytest.raises(BadInput, match="SyntaxError"):
        load_architecture(job)
    (tmp_path / "own.py").write_text("import not_there_at_all\n")
    with pytest.raises(BadInput, match=r"own\.py:1: ModuleNotFoundError"):
        load_architecture(job)
    (tmp_path / "own.py").unlink()
    with pytest.raises(BadInput, match=r"there is no .*own\.py") as refusal:
        load_architecture(job)
    assert refusal.value.fields["key"] == "model.architecture"


STRANGE = (
    "os:system",
    "subprocess:run",
    "builtins:eval",
    "torch:load",
    "assay.architectures:load_shipped",
    "assay.api.own_file:find_own",
    "a.own:Net",
)


@pytest.mark.parametrize("key", ["model.architecture", "model.loss"])
@pytest.mark.parametrize("place", STRANGE)
def test_a_job_file_runs_no_installed_code(tmp_path: Path, key: str, place: str) -> None:
    """Not that of this machine, and not what a file of its own has from there."""
    mark = tmp_path / "ran"
    options = f'"{place}"\noptions = {{ command = "touch {mark}" }}'
    new = options if key == "model.architecture" else f'"own:Net"\nloss = "{place}"'
    job = job_in(tmp_path, **{'"own:Net"': new})
    for content in ("", "from os import system\nfrom subprocess import run\nfrom torch import load\neval = eval\n"):
        if content:
            (tmp_path / f"{place.partition(':')[0]}.py").write_text(content)
        with pytest.raises(BadInput) as refusal:
            make_draft(job)
        assert refusal.value.fields["key"] == key
        assert place in refusal.value.fields["value"]
        assert refusal.value.fields["allowed"]
        assert refusal.value.hint
    assert not mark.exists()


def test_a_file_runs_only_when_somebody_agreed_to_it(tmp_path: Path) -> None:
    job_in(tmp_path)
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{OWN}")
    with pytest.raises(Refused, match=r"runs own\.py.*nobody has agreed"):
        make_draft(Job.load(tmp_path / "job.toml"))
    assert not (tmp_path / "ran").exists()
    asked: list[bytes] = []
    make_draft(Job.load(tmp_path / "job.toml", consent=lambda path, content: asked.append(content)))
    assert asked == [(tmp_path / "own.py").read_bytes()]
    assert (tmp_path / "ran").exists()


def test_what_runs_is_what_was_agreed_to(tmp_path: Path) -> None:
    """Neither cached bytecode, nor what the file has become meanwhile."""
    job = job_in(tmp_path)
    source, other = tmp_path / "own.py", tmp_path / "other.py"
    other.write_text("raise SystemExit('the cache was run')" + " " * (source.stat().st_size - 37))
    os.utime(other, ns=(source.stat().st_mtime_ns,) * 2)
    (tmp_path / "__pycache__").mkdir()
    cached = importlib.util.cache_from_source(str(source))
    py_compile.compile(str(other), cached, dfile=str(source), doraise=True)

    def turn(path: Path, content: bytes) -> None:
        path.write_text("raise SystemExit('another file was run')")

    assert type(load_architecture(replace(job, consent=turn)).module).__name__ == "Net"


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    job = job_in(tmp_path / "job")
    (tmp_path / "job" / "own.py").rename(tmp_path / "elsewhere.py")
    (tmp_path / "job" / "own.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(SymbolicLink, match=r"own\.py"):
        load_architecture(job)


def test_a_file_that_ends_the_process_is_refused_by_its_name(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    for content in ("import sys\nsys.exit(3)\n", "import sys\ndef Net():\n    sys.exit(3)\n"):
        (tmp_path / "own.py").write_text(content)
        with pytest.raises(BadInput, match=r"own(\.py|:Net) cannot be .* at own\.py:[23]: .*sys\.exit\(3\)"):
            make_draft(job)
    (tmp_path / "own.py").write_text(OWN + "class Net(Net):\n    def forward(self, x):\n        raise SystemExit(3)\n")
    with pytest.raises(BadInput, match=r"does not take this data at own\.py"):
        make_draft(job)


def test_what_was_agreed_to_is_remembered_by_place_and_content(tmp_path: Path) -> None:
    one, other = tmp_path / "a.py", tmp_path / "b.py"
    Agreed(tmp_path / "home").add(one, b"x")
    known = Agreed(tmp_path / "home")
    assert known.knows(one, b"x")
    assert not known.knows(one, b"y")
    assert not known.knows(other, b"x")
    assert ((tmp_path / "home").stat().st_mode & 0o777, known.path.stat().st_mode & 0o777) == (0o700, 0o600)
    for content in (b"{", b"", b"\xff" * 64, b"0" * 64):
        known.path.write_bytes(content)
        assert not Agreed(tmp_path / "home").knows(one, b"x")
    known.add(one, b"x")
    known.path.chmod(0o666)
    assert not Agreed(tmp_path / "home").knows(one, b"x"), "others could have written it"
    Agreed(tmp_path / "a-file").path.parent.write_text("")
    kept = Agreed(tmp_path / "a-file")
    kept.add(one, b"x")
    assert kept.knows(one, b"x"), "for this process"
    assert KEPT_MAX > 1


def test_a_file_called_like_a_package_is_the_users_own(tmp_path: Path) -> None:
    job = job_in(tmp_path, **{'"own:Net"': '"json:Net"'})
    (tmp_path / "json.py").write_text(OWN)
    assert type(load_architecture(job).module).__name__ == "Net"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("rounds = 2", 'rounds = "two"', "train.rounds"),
        ("rounds = 2", 'rounds = 2\nstop = { metric = "accuracy", at = 2 }', "train.stop.at"),
        ("rounds = 2", 'rounds = 2\nstop = { metric = "accuracy", at = 0 }', "train.stop.at"),
        ('"own:Net"', '"own:Net"\noptions = { widht = 3 }', "model.options"),
        ('"own:Net"', '"own:Netz"', "model.architecture"),
        ('"own:Net"', '"assay.architectures:mpl"', "model.architecture"),
        ('"own:Net"', '"own:Narrow"', "model.architecture"),
        ('"sklearn:digits"', '"folder:file"', "data.source"),
        ('"sklearn:digits"', '"folder:empty"', "data.source"),
        ('"sklearn:digits"', '"folder:uneven"', "data.source"),
        ('"sklearn:digits"', '"folder:damaged"', "data.source"),
        ("rounds = 2", "rouns = 2", "train.rouns"),
        ("rounds = 2", "rounds = 2\nsegment_step = 1", "train.segment_step"),
        ("reports_min = 1", 'reports_min = 1\nrule = "krum"\nbyzantine_max = 1', "match.providers"),
        ('budget = "100"', 'budget = "0.000001"', "job.budget"),
        ('budget = "100"', "budget = 100", "job.budget"),
        ('"sklearn:digits"', '"sklearn:digit"', "data.source"),
        ('"sklearn:digits"', '"folder:nowhere"', "data.source"),
        ("samples = 2", 'samples = 2\nquorum = "1 of 3"', "verify.quorum"),
        ("samples = 2", "samples = 200", "verify.samples"),
    ],
)
def test_a_wrong_job_file_names_the_field_and_a_fix(tmp_path: Path, old: str, new: str, key: str) -> None:
    (tmp_path / "file").write_text("")
    for name in ("empty", "uneven", "damaged"):
        (tmp_path / name).mkdir()
    np.savez(tmp_path / "uneven" / "a.npz", x=np.zeros((60, 6), np.float32), y=np.arange(59))
    (tmp_path / "damaged" / "a.npz").write_bytes(b"no archive")
    with pytest.raises((BadInput, Malformed)) as refusal:
        make_draft(job_in(tmp_path, **{old: new}))
    fields = refusal.value.fields
    assert fields["key"] == key
    assert str(fields["value"]) if refusal.value.code != "unknown-key" else "value" not in fields
    assert fields["allowed"]
    assert refusal.value.hint
    malformed = {"folder:uneven": "malformed", "folder:damaged": "unreadable-data"}.get(new.strip('"'))
    assert refusal.value.code == malformed if malformed else refusal.value.exit_code == 2


def test_private_data_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="private"):
        job_in(tmp_path, **{'source = "sklearn:digits"': 'source = "sklearn:digits"\nmode = "private"'})


def test_files_that_are_no_job_files(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "long").write_bytes(b"#" * (2 << 20))
    (tmp_path / "toml").write_text("[job\n")
    for name, words in (
        ("binary", "UTF-8"),
        ("long", "larger"),
        ("toml", "TOML"),
        ("none", "no job file"),
        (".", "no job"),
    ):
        with pytest.raises(BadInput, match=words) as refusal:
            Job.load(tmp_path / name)
        assert refusal.value.hint


def test_a_folder_of_data_is_published_by_name_and_not_by_path(tmp_path: Path) -> None:
    data = tmp_path / "mine" / "secret-name"
    data.mkdir(parents=True)
    draw = np.random.default_rng(0)
    np.savez(data / "a.npz", x=draw.random((40, 64), dtype=np.float32), y=draw.integers(0, 10, 40))
    draft = make_draft(job_in(tmp_path, **{"sklearn:digits": "folder:mine/secret-name"}))
    assert draft.document.job["data"]["source"] == "folder:secret-name"
    assert b"mine" not in draft.document.to_bytes()
    assert str(tmp_path).encode() not in b"".join(draft.contents)


def test_the_template_is_a_job_with_every_key_in_it() -> None:
    settings = {
        "job": {"name": "mine", "budget": "10"},
        "model": {"architecture": "own:Net"},
        "data": {"source": 'folder:a "quoted" \\ path'},
        "train": {"optimizer": {"name": "sgd", "lr": 0.5}},
    }
    text = write_template("job.toml", settings)
    job = Job.parse(text)
    assert job.data.source == settings["data"]["source"]
    plain = Job.from_tables(settings)
    assert job == plain, "what is commented out is the default"
    uncommented = "\n".join(
        line.removeprefix("# ")
        if line.startswith("# ") and " = " in line and "..." not in line and "metric" not in line
        else line
        for line in text.splitlines()
    )
    assert Job.parse(uncommented) == plain, "and shows the default's value"
    for section, (_, kind) in SECTIONS.items():
        assert f"[{section}]" in text
        for field in kind.__dataclass_fields__:
            assert f"{field.removesuffix('_s')} = " in text


LOSSES = """
import torch
from torch.nn import functional

def ranked(output, y):
    cost = functional.cross_entropy(output, y, reduction="none")
    return torch.sort(cost).values[1:].mean()

def smoothed(output, y):
    return 0.9 * functional.cross_entropy(output, y) + 0.01 * (output * output).mean()

def each(output, y):
    return functional.cross_entropy(output, y, reduction="none")

def broken(output, y):
    return output + nothing

class Kind:
    pass
"""


def with_loss(tmp_path: Path, name: str) -> Job:
    (tmp_path / "losses.py").write_text(LOSSES)
    (tmp_path / "own.py").write_text(
        "from torch import nn\n\nclass Net(nn.Linear):\n    def __init__(self):\n        super().__init__(6, 2)\n"
    )
    path = tmp_path / "job.toml"
    path.write_text(JOB.replace('init = "given"', f'init = "given"\nloss = "{name}"'))
    return Job.load(path, consent=agree)


def test_a_job_file_names_a_loss_of_the_users_own(tmp_path: Path) -> None:
    job = with_loss(tmp_path, "losses:smoothed")
    draft = make_draft(job, samples=tiny_samples())
    assert draft.job.model.loss == "losses:smoothed"
    plain = make_draft(with_loss(tmp_path, "cross_entropy"), samples=tiny_samples())
    assert draft.bundle.step.root != plain.bundle.step.root
    assert draft.bundle.predict.root == plain.bundle.predict.root


def test_what_no_program_may_hold_is_refused_before_it_is_traced() -> None:
    with torch.device("meta"):
        wide, deep = nn.Linear(64, 40_000_000), nn.Sequential(*(nn.Linear(20_000, 20_000) for _ in range(4)))
    for net, words in ((wide, "largest value"), (deep, "memory in bytes")):
        with pytest.raises(LimitExceeded, match=words):
            make_draft(tiny_job(), net, tiny_samples())


def test_a_loss_without_an_exact_form_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"sort.*losses\.py:7"):
        make_draft(with_loss(tmp_path, "losses:ranked"), samples=tiny_samples())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("losses:nothing", "has no nothing"),
        ("nowhere:loss", "nowhere.py"),
        ("losses:each", "not one number"),
        ("losses:broken", "at losses.py:16: NameError"),
        ("losses:Kind", "Kind is not a function"),
        ("losses:functional", "functional is not a function"),
        ("crossentropy", "will not do"),
    ],
)
def test_a_loss_that_will_not_do_names_the_field(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(BadInput) as refusal:
        make_draft(with_loss(tmp_path, name), samples=tiny_samples())
    assert words in refusal.value.message
    assert refusal.value.fields["key"] == "model.loss"
    assert refusal.value.hint


@pytest.mark.parametrize("loss", ["mse", "l1"])
@pytest.mark.parametrize("width", [1, 2])
def test_a_loss_of_numbers_on_class_labels_says_what_fits(tmp_path: Path, loss: str, width: int) -> None:
    job = with_loss(tmp_path, loss)
    with pytest.raises(BadKey, match=f"{loss} compares with numbers .* and y is int64") as refusal:
        make_draft(job, nn.Linear(6, width), samples=tiny_samples())
    assert refusal.value.fields == {"key": "model.loss", "value": repr(loss), "allowed": "cross_entropy, nll"}
    assert refusal.value.hint == "use cross_entropy for class numbers"
    x, y = (torch.from_numpy(each[:4]) for each in (tiny_samples().x, tiny_samples().y))
    with pytest.raises(BadInput, match="y is int64"):
        capture(nn.Linear(6, width), loss, {"name": "sgd", "lr": 0.5}, x, y)


def test_a_loss_of_numbers_takes_targets_of_the_outputs_shape_alone() -> None:
    """PyTorch would compare every output with every target, and warn."""
    samples = Samples(tiny_samples().x, tiny_samples().y.astype(np.float32))
    with pytest.raises(BadKey, match=r"the model gives \[4, 1\] for a batch, and y is \[4\]") as refusal:
        make_draft(tiny_job(), capture(nn.Linear(6, 1), "mse"), samples)
    assert refusal.value.fields["key"] == "model.architecture"
    assert refusal.value.fields["allowed"] == "a model that gives [4], as y has"
    assert refusal.value.hint


def test_a_function_is_captured_as_the_loss_and_trains() -> None:
    def halved(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(output, y) / 2

    own = capture(make_net(), halved, {"name": "sgd", "lr": 0.5})
    assert own.loss == "test_own_model:halved"
    plain = make_draft(tiny_job(), make_net(), tiny_samples()).bundle
    mine = make_draft(tiny_job(), own, tiny_samples()).bundle
    assert mine.step.root != plain.step.root
    with pytest.raises(Unsupported, match="lambda"):
        capture(make_net(), lambda output, y: output.mean())


@pytest.mark.parametrize("is_beside", [False, True])
def test_files_that_nobody_has_been_shown_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_beside: bool
) -> None:
    """A neighbour named like a module of the standard library neither runs nor hides it, even where this process was
    started beside it."""
    if is_beside:
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend("")
    (tmp_path / "colorsys.py").write_text("raise SystemExit('the neighbour ran')\n")
    (tmp_path / "blocks.py").write_text("WIDTH = 3\n")
    net = "import torch\nclass Net(torch.nn.Linear):\n    def __init__(self): super().__init__(2, 2)\n"
    (tmp_path / "model.py").write_text("import colorsys\ncolorsys.rgb_to_hsv\n" + net)
    assert find_own("model:Net", tmp_path, "model.architecture", agree)
    (tmp_path / "wide.py").write_text("import blocks\n" + net)
    with pytest.raises(BadKey, match="blocks"):
        find_own("wide:Net", tmp_path, "model.architecture", agree)
