"""Generated clients, the sender, decoded errors, and the generator itself."""

import json
from pathlib import Path

import pytest
from chain_probe import ETHER, FIXTURES, KEY, Tampering, deploy_probe, load_client, load_fixture, open_chain, sign
from eth_account import Account
from web3 import Web3

from assay.chain.artifacts import list_artifacts, load_artifact, parse_artifact
from assay.chain.client import Contract
from assay.chain.events import read_log
from assay.chain.generate import find_stale, generate, main, select_artifacts
from assay.chain.reverts import explain_revert
from assay.chain.rpc import Rpc, read_bytes, read_quantity
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner
from assay.protocol.errors import BadInput, Malformed, Refused, Reverted, Unavailable


def test_views_return_structs_and_named_answers() -> None:
    _, web3, _ = open_chain()
    probe, module = deploy_probe(web3), load_client()
    shape = probe.shape(2)
    assert shape == module.Shape(
        name="a title",
        mood=1,
        points=(module.Point(0, 0), module.Point(-1, 1)),
        tags=(bytes(32), bytes(Web3.keccak(text="tag"))),
        owner=KEY.address,
        closed=True,
    )
    assert probe.sum([module.Point(-3, 4), module.Point(5, 6)]) == (2, 10)
    answer = probe.shapes()
    assert (answer.count, len(answer.many)) == (2, 2)
    assert probe.title() == "a title"
    assert probe.values(1, block="latest") == 0


def test_transactions_are_asked_estimated_and_sent() -> None:
    _, web3, _ = open_chain()
    probe, module = deploy_probe(web3), load_client()
    call = probe.store(3, 21)
    assert call.ask() == 42
    assert probe.values(3) == 0
    sent = call.send()
    assert probe.values(3) == 21
    (stored,) = probe.find(sent, module.Stored)
    assert stored.event == module.Stored(slot=3, value=21, by=KEY.address)
    assert stored.log.block_number == sent.block_number
    assert probe.deposit(value_wei=5).send().fee_wei > 0
    assert web3.eth.get_balance(probe.address) == 5
    (shaped,) = probe.find(probe.announce(1).send(), module.Shaped)
    assert shaped.event.label == bytes(Web3.keccak(text="label"))
    assert shaped.event.shape.points == (module.Point(0, 0),)


@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [
        (0, "Plain", {}),
        (1, "TooSmall", {"given": 1, "least": 5, "mood": 1}),
        (2, "Error", {"message": "a reason"}),
        (3, "Panic", {"code": 1}),
        (4, "Panic", {"code": 18}),
        (6, "", {}),
        (8, "Panic", {"code": 50}),
    ],
)
def test_reverts_are_decoded_before_and_after_paying(kind: int, name: str, arguments: dict[str, object]) -> None:
    _, web3, _ = open_chain()
    probe = deploy_probe(web3)
    before = web3.eth.get_balance(KEY.address)
    with pytest.raises(Reverted) as unpaid:
        probe.fail(kind).send()
    assert web3.eth.get_balance(KEY.address) == before
    with pytest.raises(Reverted) as paid:
        probe.fail(kind).send(gas=200_000)
    assert web3.eth.get_balance(KEY.address) < before
    for error in (unpaid.value, paid.value):
        assert (error.fields["contract_error"], error.fields["arguments"]) == (name, arguments)
        assert json.dumps(error.to_json())
    assert paid.value.fields["transaction_hash"].startswith("0x")


def test_running_out_of_gas_is_a_revert_without_a_name() -> None:
    _, web3, _ = open_chain()
    probe = deploy_probe(web3)
    with pytest.raises(Reverted, match="without a reason"):
        probe.store(5, 5).send(gas=30_000)
    with pytest.raises(Refused):
        probe.fail(7).send()


@pytest.mark.parametrize("payload", ["", "08c379a0", "08c379a0" + "ff" * 64, "4e487b71", "12345678aa", "01"])
def test_any_revert_payload_is_explained(payload: str) -> None:
    assert explain_revert(bytes.fromhex(payload)).fields["payload"] == "0x" + payload


def test_nonces_follow_what_others_send_from_the_account() -> None:
    chain, web3, _ = open_chain()
    probe = deploy_probe(web3)
    probe.store(1, 1).send()
    chain.submit(sign(chain))
    probe.store(1, 2).send()
    assert probe.values(1) == 2


def test_a_receipt_is_waited_for_until_the_time_is_up() -> None:
    chain, web3, _ = open_chain(mining="manual")
    pauses: list[float] = []

    def mine_in_the_end(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 5:
            chain.mine()

    sender = Sender(web3, KEY, wait=mine_in_the_end)
    assert sender.send("0x" + "22" * 20, value_wei=3).block_number == 1
    assert pauses == sorted(pauses)
    with pytest.raises(Unavailable, match="not mined") as late:
        Sender(web3, KEY, wait=lambda _: None, timeout_s=3).send("0x" + "22" * 20)
    assert late.value.fields["transaction_hash"]


def test_a_fee_limit_and_an_empty_account_refuse_before_sending() -> None:
    _, web3, _ = open_chain()
    with pytest.raises(Refused, match="could cost"):
        Sender(web3, KEY, fee_limit_wei=1).send("0x" + "22" * 20)
    with pytest.raises(Refused, match="insufficient"):
        Sender(web3, KeySigner(b"\x09" * 32)).send("0x" + "22" * 20)


def test_a_client_without_a_sender_only_reads() -> None:
    _, web3, _ = open_chain()
    probe = load_client().Probe(web3, deploy_probe(web3).address)
    assert probe.title() == "a title"
    assert probe.store(1, 2).ask(KEY.address) == 4
    with pytest.raises(BadInput, match="sign"):
        probe.store(1, 2).send()
    with pytest.raises(BadInput):
        Contract(web3, "0x12")
    with pytest.raises(BadInput, match="fit"):
        probe.store(-1, 2)
    with pytest.raises(Malformed, match="deployed"):
        load_client().Probe(web3, "0x" + "44" * 20).title()


def test_a_signer_signs_digests_and_typed_messages() -> None:
    digest = b"\x07" * 32
    signature = KEY.sign_digest(digest)
    assert len(signature) == 65
    assert Account._recover_hash(digest, signature=signature) == KEY.address
    types = {"Mail": [{"name": "to", "type": "address"}, {"name": "count", "type": "uint256"}]}
    domain = {"name": "Assay", "version": "1", "chainId": 5, "verifyingContract": "0x" + "11" * 20}
    message = {"to": "0x" + "22" * 20, "count": 3}
    assert len(KEY.sign_typed(domain, types, message)) == 65
    assert KEY.sign_typed(domain, types, message) != KEY.sign_typed({**domain, "chainId": 6}, types, message)
    assert "01" * 8 not in repr(KEY)
    assert KeySigner.create().address != KeySigner.create().address
    for key in (b"", bytes(32), b"\xff" * 32):
        with pytest.raises(BadInput):
            KeySigner(key)
    with pytest.raises(BadInput):
        KEY.sign_digest(b"short")


@pytest.mark.parametrize("value", [None, 5, "", "0x", "5", "0xzz", "0x" + "f" * 65, [], {}])
def test_numbers_from_a_node_are_checked(value: object) -> None:
    with pytest.raises(Malformed):
        read_quantity(value)


def test_hostile_answers_are_malformed_not_crashes() -> None:
    chain, _, _ = open_chain()
    provider = Tampering(chain)
    rpc = Rpc(Web3(provider))
    for answer in (None, 7, "zz", [], {"number": "0x"}):
        provider.tamper = lambda method, params, result, answer=answer: answer
        with pytest.raises(Malformed):
            rpc.get_head()
        with pytest.raises(Malformed):
            rpc.get_timestamp()
        with pytest.raises(Malformed):
            rpc.call("0x" + "22" * 20, b"", block="latest")
        with pytest.raises(Malformed):
            read_log(answer)
    with pytest.raises(Malformed):
        read_bytes("0x1234", 20)
    assert ETHER


def test_generation_is_stable_and_staleness_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "clients"
    arguments = ["--artifacts", str(FIXTURES), "--target", str(target), "--package", "clients"]
    assert main([*arguments, "--check"]) == 1
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    (target / "probe.py").write_text("changed")
    (target / "stranger.py").write_text("")
    capsys.readouterr()
    assert main([*arguments, "--check"]) == 1
    assert "probe.py" in (shown := capsys.readouterr().err)
    assert "stranger.py" in shown
    assert main(arguments) == 0
    assert find_stale(generate([load_fixture("Probe"), load_fixture("Child")], "clients"), target) == []


def test_the_shipped_clients_are_fresh() -> None:
    assert main(["--check"]) == 0


def test_libraries_and_interfaces_get_no_client() -> None:
    shipped = {name: load_artifact(name) for name in list_artifacts()}
    chosen = {artifact.name for artifact in select_artifacts(shipped.values())}
    libraries = {name for artifact in shipped.values() for name in artifact.links}
    assert {"Rounds", "Vault"} <= chosen
    assert libraries <= shipped.keys() - chosen
    assert "Payroll" in libraries
    assert "IRounds" not in chosen


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"name": "A", "abi": [1], "bytecode": "", "deployed_size": 0}', "\0"]
)
def test_broken_artifacts_are_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_artifact(text)


def test_libraries_are_linked_where_the_artifact_says() -> None:
    text = (
        '{"name": "A", "abi": [], "bytecode": "0x%s", "links": {"L": [1, 30]}, "deployed_size": 1, "source_hash": ""}'
    )
    artifact = parse_artifact(text % ("aa" * 50))
    linked = artifact.link({"L": "0x" + "11" * 20})
    assert linked == b"\xaa" + b"\x11" * 20 + b"\xaa" * 9 + b"\x11" * 20
    with pytest.raises(BadInput, match="library L"):
        artifact.link({})
    with pytest.raises(Malformed):
        parse_artifact(text % ("aa" * 49))
