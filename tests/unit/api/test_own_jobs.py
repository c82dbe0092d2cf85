"""The SDK on a network inside this process: a user's own model is posted, trained, audited, fetched and asked."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from own_jobs import make_net, tiny_job, tiny_samples
from safetensors.torch import load_file
from torch import nn

import assay
from assay.api.draft import make_draft
from assay.api.inspect import Address
from assay.api.lineage import read_folder, read_input
from assay.api.sdk import Network, PostedJob
from assay.proof.verdict import Finding
from assay.protocol.errors import AssayError, BadInput, BadKey, Malformed, Refused, SymbolicLink, Unavailable
from assay.store.port import cid_of

Done = tuple[Network, PostedJob, list[str], nn.Module]


@pytest.fixture(scope="module")
def done() -> Iterator[Done]:
    """A job that is over, and the lines that its events printed."""
    with assay.connect(local=True, seed=b"own jobs".ljust(32)) as net:
        model, data = make_net(), tiny_samples()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        own = assay.capture(model, nn.CrossEntropyLoss(), optimizer)
        job = net.post(tiny_job(), model=own, data=(data.x, data.y))
        yield net, job, [str(event) for event in job.events()], model


def test_events_tell_the_whole_story_and_each_wait(done: Done) -> None:
    lines = "\n".join(done[2])
    for words in (
        "waiting for 2 more providers (0/2), 60 s of simulated time left",
        "matched 2 providers",
        "waiting for 3 more validators (0/3) to enlist",
        "round 0 of 2 begins",
        "round 1: 2 accepted, loss ",
        "went back to the consumer",
        "model 1 is registered",
    ):
        assert words in lines, words
    assert done[2][-1] == "job 1 is over"
    assert "0 more" not in lines


def test_hearing_it_again_gives_the_same_end(done: Done) -> None:
    again = [str(event) for event in done[0].job(1).events()]
    assert again[-1] == done[2][-1]
    assert [line for line in again if line.startswith("round")] == [
        line for line in done[2] if line.startswith("round")
    ]


def test_status_and_refund_agree_with_the_wallet(done: Done) -> None:
    net, job, *_ = done
    status = job.status()
    assert status["complete"]
    assert status["rounds"] == {"ordered": 2, "done": 2}
    assert float(status["credited"]) + float(status["refunded"]) == float(status["deposited"])
    wealth = 1_000_000 - float(status["credited"])
    assert net.client.wallet == round(wealth * 10**6)


def test_an_audit_of_a_step_a_round_and_the_whole_job(done: Done) -> None:
    job = done[1]
    assert job.audit(round=1, slot=1, step=5).honest
    whole = job.audit()
    assert whole.honest
    assert [str(each.address) for each in whole.checked] == ["1/0/0", "1/0/1", "1/0", "1/1/0", "1/1/1", "1/1"]
    json.dumps(whole.to_json())


def test_an_audit_finds_work_that_is_not_as_committed(done: Done) -> None:
    """The same audit of a job whose samples were changed under its feet: nothing fits any more."""
    net = done[0]
    reader = done[1].auditor().party
    train = reader.assignment(1).train
    kept = train.x.copy()
    try:
        train.x[:] = train.x[::-1].copy()
        found = done[1].audit(round=0, slot=0)
    finally:
        train.x[:] = kept
    assert not found.honest
    assert found.checked[0].verdict.finding == Finding.DIFFERS
    assert "not as committed" in found.words
    assert net.job(1).audit(round=0, slot=0).honest


@pytest.mark.parametrize("place", [(7, None, None), (0, 9, None), (0, 0, 99)])
def test_an_audit_of_what_is_not_there_is_refused(done: Done, place: tuple[int | None, ...]) -> None:
    with pytest.raises(BadInput) as refusal:
        done[1].audit(*place)
    assert refusal.value.hint


def test_replay_reaches_the_registered_state(done: Done) -> None:
    verdict = done[1].replay()
    assert verdict.honest
    assert verdict.expected.hex() == done[1].status()["state_root"]


def test_the_model_comes_back_as_the_users_own_class(done: Done) -> None:
    _, job, _, own = done
    model, trained = job.model(), job.trained()
    assert type(model) is type(own)
    assert not torch.equal(model.first.weight, own.first.weight), "the user's own module is left as it was"
    x = torch.from_numpy(trained.assignment.test.x)
    answers = trained.module().outputs(x)[1]
    assert answers is not None
    assert torch.equal(model(x).argmax(1), answers)
    labels = torch.from_numpy(trained.assignment.test.y)
    correct = trained.mark(done[0].client.world.compute).correct_count
    assert int((answers == labels).sum()) == correct


def test_another_module_does_not_take_the_weights(done: Done) -> None:
    with pytest.raises(BadInput, match="differs"):
        done[0].job(1).model(nn.Linear(6, 2))
    again = done[0].job(1).model(make_net())
    assert torch.equal(again.first.weight, done[1].model().first.weight)


def test_a_stranger_gets_the_programs_predictions(done: Done) -> None:
    stranger = done[0].job(1).model()
    x = torch.from_numpy(tiny_samples().x[:7])
    assert torch.allclose(stranger(x), done[1].model()(x), atol=1e-3)
    with pytest.raises(BadInput, match="shape"):
        stranger(x[:, :3])


def test_fetched_files_load_and_answer_alone(done: Done, tmp_path: Path) -> None:
    job = done[1]
    names = [path.name for path in job.fetch(tmp_path / "m")]
    assert names == ["model.safetensors", "state.safetensors", "programs.bin", "lineage.json", "README.md"]
    weights = load_file(tmp_path / "m" / "model.safetensors")
    assert torch.equal(weights["first.weight"], job.model().first.weight)
    predictor, lineage = read_folder(tmp_path / "m")
    assert lineage["state_root"] == job.status()["state_root"]
    assert lineage["job_file"]["data"]["source"] == "memory:given"
    assert f"{lineage['accuracy']:.2%}" in (tmp_path / "m" / "README.md").read_text()
    x = torch.from_numpy(tiny_samples().x[:3])
    assert torch.equal(predictor(x), job.trained().module()(x))
    job.fetch(tmp_path / "m")
    (tmp_path / "m" / "mine.txt").write_text("kept")
    with pytest.raises(BadInput, match="mine"):
        job.fetch(tmp_path / "m")


@pytest.mark.parametrize("name", ["state.safetensors", "programs.bin", "lineage.json"])
@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "gone"])
def test_fetched_files_that_were_damaged_are_refused(done: Done, tmp_path: Path, name: str, harm: str) -> None:
    done[1].fetch(tmp_path)
    content = (tmp_path / name).read_bytes()
    if harm == "gone":
        (tmp_path / name).unlink()
    else:
        changed = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        # The lineage's own words are not bound by a hash; its form is.
        (tmp_path / name).write_bytes({"cut": content[:-4], "changed": changed, "empty": b""}[harm])
    if (name, harm) == ("lineage.json", "changed"):
        (tmp_path / name).write_bytes(content.replace(b'"state_root"', b'"state_rool"'))
    with pytest.raises((Malformed, BadInput)) as refusal:
        read_folder(tmp_path)
    assert refusal.value.message


def test_a_link_in_a_fetched_folder_is_not_followed(done: Done, tmp_path: Path) -> None:
    done[1].fetch(tmp_path / "m")
    state = tmp_path / "m" / "state.safetensors"
    state.rename(tmp_path / "elsewhere")
    state.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SymbolicLink, match=r"state\.safetensors"):
        read_folder(tmp_path / "m")


def test_a_job_begins_with_a_state_by_its_address(done: Done, tmp_path: Path) -> None:
    net, data = done[0], tiny_samples()
    done[1].fetch(tmp_path / "m")
    _, lineage = read_folder(tmp_path / "m")
    address = lineage["state"]
    assert f'init = "{address}"' in (tmp_path / "m" / "README.md").read_text()
    draft = net.draft(tiny_job(**{'init = "given"': f'init = "{address}"'}), make_net(), data)
    assert draft.order.state_root.hex() == lineage["state_root"]
    assert draft.document.state == address
    assert draft.document.job["model"]["init"] == address
    for wrong, words in ((cid_of(b"nowhere"), "cannot be had"), (draft.document.programs, "no state of this model")):
        net.client.world.blobs.put(draft.bundle.to_bytes())
        with pytest.raises(BadKey, match=words) as refusal:
            net.draft(tiny_job(**{'init = "given"': f'init = "{wrong}"'}), make_net(), data)
        assert (refusal.value.fields["key"], refusal.value.fields["value"]) == ("model.init", wrong)
        assert refusal.value.fields["allowed"]
    with pytest.raises(BadKey, match="lies on a network"):
        make_draft(tiny_job(**{'init = "given"': f'init = "{address}"'}), make_net(), data)


def test_the_home_that_is_meant_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "mine"))
    with pytest.raises(BadInput, match=f"no network in {tmp_path}/mine"):
        assay.connect()
    with pytest.raises(BadInput, match=f"no network in {tmp_path}/other"):
        assay.connect(tmp_path / "other")


def test_a_pickle_in_disguise_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(Malformed, match=r"x\.npy"):
        read_input(tmp_path / "x.npy")
    (tmp_path / "y.npy").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(Malformed):
        read_input(tmp_path / "y.npy")
    np.save(tmp_path / "z.npy", np.array([[np.nan]]))
    with pytest.raises(Malformed, match="finite"):
        read_input(tmp_path / "z.npy")


def test_a_quote_spends_nothing_and_is_the_deposit(done: Done) -> None:
    net, job, *_ = done
    before, jobs = net.client.wallet, net.client.world.ledger.jobs.job_count()
    held = len(net.client.world.blobs._blobs)  # type: ignore[attr-defined]
    quoted = net.quote(tiny_job(), model=make_net(), data=(tiny_samples().x, tiny_samples().y))
    assert quoted["cost"]["total"] == job.status()["deposited"]
    assert quoted["gas"]["cost_wei"] > 0
    assert (net.client.wallet, net.client.world.ledger.jobs.job_count()) == (before, jobs)
    assert len(net.client.world.blobs._blobs) == held  # type: ignore[attr-defined]


def test_consumers_gas_is_within_what_is_quoted(done: Done) -> None:
    net, client = done[0], done[0].client
    chain = client.world.ledger.web3.provider.chain  # type: ignore[attr-defined]
    own = bytes.fromhex(client.world.address[2:])
    spent = sum(
        receipt.gas_used for block in chain.blocks for receipt in block.receipts if receipt.transaction.sender == own
    )
    quoted = net.quote(tiny_job(), model=make_net(), data=tiny_samples())["gas"]["consumer"]
    assert 0.9 * quoted < spent < quoted


def test_the_same_job_is_not_posted_twice_unless_asked(done: Done) -> None:
    net, data = done[0], tiny_samples()
    first = net.post(tiny_job(), model=make_net(), data=data)
    with pytest.raises(Refused, match=f"it is job {first.number}"):
        net.post(tiny_job(), model=make_net(), data=data)
    second = net.post(tiny_job(), model=make_net(), data=data, again=True)
    assert second.number == first.number + 1
    for job in (first, second):
        job.cancel()
        assert job.status()["phase"] == "cancelled"
        with pytest.raises(Unavailable, match="cancelled"):
            job.wait()
        with pytest.raises(Refused, match="over"):
            job.cancel()


def test_a_purse_too_small_is_told_before_anything_is_published(done: Done) -> None:
    from assay.api.local import LocalNetwork

    here = LocalNetwork(b"poor".ljust(32), wealth=5)
    net = Network(here.client("poor"), here.close)
    with net:
        with pytest.raises(Refused, match=r"holds 0\.000005 aUSD") as refusal:
            net.post(tiny_job(), model=make_net(), data=tiny_samples())
        assert refusal.value.hint
        assert net.client.world.blobs._blobs == {}  # type: ignore[attr-defined]
        assert net.client.wallet == 5


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("rounds = 2", "rounds = 2000", "train.rounds"),
        ("samples = 2", "samples = 2\nlookahead = 60", "verify.lookahead"),
    ],
)
def test_what_the_network_does_not_admit_is_told_with_its_key(done: Done, old: str, new: str, key: str) -> None:
    budget = {'budget = "100"': 'budget = "900000"'}
    job = tiny_job(**budget, **{old: new})
    with pytest.raises(AssayError) as refusal:
        done[0].quote(job, model=make_net(), data=tiny_samples())
    assert isinstance(refusal.value, BadInput)
    assert refusal.value.fields["key"] == key
    assert refusal.value.fields["value"] in ("2000", "60")
    assert "admits" in refusal.value.fields["allowed"]
    assert "admits" in refusal.value.hint


def test_more_providers_than_an_aggregate_takes(done: Done) -> None:
    job = tiny_job(**{'budget = "100"': 'budget = "900000"', "providers = 2": "providers = 300"})
    with pytest.raises(BadInput, match="at most 256") as refusal:
        done[0].quote(job, model=make_net(), data=tiny_samples())
    assert refusal.value.fields["key"] == "match.providers"


def test_only_the_consumer_cancels(done: Done) -> None:
    job = done[0].post(tiny_job(), model=make_net(), data=tiny_samples(), again=True)
    from assay.api.client import Client

    client = done[0].client
    other = client.world.ledger
    stranger = Client(client.open_world, client.token, client.pass_time)
    stranger.world.signer = type(client.world.signer)(bytes(31) + b"\x01")  # type: ignore[call-arg]
    with pytest.raises(Refused, match="belongs to"):
        stranger.cancel(job.number)
    assert other.jobs.view_of(job.number).phase == 1
    job.cancel()


def test_who_only_looks_posts_and_cancels_nothing(done: Done) -> None:
    from assay.api.client import Client

    client = done[0].client
    looking = Network(Client(client.open_world, client.token, client.pass_time, acts=False))
    assert [str(event) for event in looking.job(1).events()][-1] == "job 1 is over"
    with pytest.raises(BadInput, match="only looks"):
        looking.post(tiny_job(), model=make_net(), data=tiny_samples())
    with pytest.raises(BadInput, match="only looks"):
        looking.job(1).cancel()


def test_there_is_no_such_job(done: Done) -> None:
    with pytest.raises(BadInput, match="no job 99"):
        done[0].job(99)


@pytest.mark.parametrize("text", ["", "x", "1//2", "-1", "1/2/3/4/5", "1/2/", "9" * 30])
def test_no_address(text: str) -> None:
    with pytest.raises(BadInput, match="no address"):
        Address.parse(text)


def test_addresses_print_as_they_are_written() -> None:
    for text in ("3", "3/0", "3/0/1", "3/0/1/17"):
        assert str(Address.parse(text)) == text


def test_looking_at_a_home_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no network") as refusal:
        assay.connect(tmp_path / "none")
    assert "assay up" in refusal.value.hint
    assert not (tmp_path / "none").exists()
