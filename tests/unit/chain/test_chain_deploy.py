"""The whole system on the embedded chain, and the ledger over it."""

from pathlib import Path

import pytest
from chain_probe import ETHER, KEY, open_chain

from assay.chain.connect import connect, disconnect, get_embedded
from assay.chain.contracts.vault import Deposited
from assay.chain.deploy import Create, Deployment, Invoke, Ref, deploy, plan_system
from assay.chain.ledger import Ledger
from assay.chain.sender import Sender
from assay.protocol.errors import BadInput, Malformed, Reverted, Unavailable

COIN = "0x" + "00" * 20


def test_the_system_deploys_wires_once_and_moves_money(tmp_path: Path) -> None:
    _, web3, _ = open_chain()
    deployment = deploy(Sender(web3, KEY), plan_system(KEY.address))
    deployment.save(tmp_path / "deployment.json")
    ledger = Ledger(web3, Deployment.load(tmp_path / "deployment.json"), KEY)
    sent = ledger.vault.deposit(COIN, ETHER, value_wei=ETHER).send()
    said = [emitted.event for log in sent.logs if (emitted := ledger.decode(log)) is not None]
    assert said == [Deposited(COIN, KEY.address, ETHER)]
    assert ledger.vault.free(COIN, ledger.address) == ETHER
    page = ledger.open_cursor().drain()
    assert sent.logs[0] in page.added
    assert all(ledger.decode(log) is not None for log in page.added)
    with pytest.raises(Reverted) as refusal:
        ledger.vault.withdraw(COIN, 2 * ETHER).send()
    assert refusal.value.fields["contract_error"] == "Insufficient"
    with pytest.raises(Reverted) as refusal:
        ledger.jobs.wire(KEY.address).send()
    assert refusal.value.fields["contract_error"] == "AlreadyWired"
    assert ledger.jobs.job_count() == 0
    assert ledger.rounds.address == deployment.addresses["Rounds"]
    assert ledger.params.address != ledger.stakes.address


def test_the_beacon_records_the_hash_that_the_chain_tells() -> None:
    _, web3, _ = open_chain()
    ledger = Ledger(web3, deploy(Sender(web3, KEY), (Create("Beacon"),)), KEY)
    for _ in range(3):
        web3.provider.make_request("evm_mine", [])
    ledger.beacon.record(2).send()
    assert ledger.beacon.read(2).value == bytes(web3.eth.get_block(2)["hash"])


def test_a_plan_that_cannot_be_is_refused_with_its_reason() -> None:
    _, web3, _ = open_chain()
    sender = Sender(web3, KEY)
    for steps, words in (
        ((Create("Stakes", (Ref("Vault"), Ref("Params"))),), "before it deploys"),
        ((Create("Nonsense"),), "no contract is called"),
        ((Create("IVault"),), "interface"),
        ((Create("Vault", (1,)),), "arguments"),
        ((Create("Beacon"), Invoke("Beacon", "wire")), "0 functions"),
        ((Create("Verdicts"),), "library"),
    ):
        with pytest.raises(BadInput, match=words):
            deploy(sender, steps)


def test_deployments_of_other_chains_or_shapes_are_refused(tmp_path: Path) -> None:
    _, web3, _ = open_chain()
    with pytest.raises(BadInput, match="chain"):
        Ledger(web3, Deployment(5, 0, {}))
    ledger = Ledger(web3, Deployment(31_337, 0, {}))
    with pytest.raises(BadInput, match="not deployed"):
        _ = ledger.vault
    with pytest.raises(BadInput, match="only reads"):
        _ = ledger.address
    with pytest.raises(BadInput, match="no deployment"):
        Deployment.load(tmp_path / "none")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"chain_id": ' * 1_000,
        b"9" * 100_000,
        b" " * (2 << 20),
        b'{"chain_id": 1, "first_block": 0}',
        b'{"chain_id": 1, "first_block": 0, "addresses": []}',
        b'{"chain_id": 1, "first_block": 0, "addresses": {"Vault": "0x12"}}',
        b'{"chain_id": 1, "first_block": 0, "addresses": {"Vault": 7}}',
        b'{"chain_id": 1, "first_block": 0, "addresses": {"Vault": {}}}',
        b'{"chain_id": 1, "chain_id": 2, "first_block": 0, "addresses": {}}',
        b'{"chain_id": "1", "first_block": 0, "addresses": {}}',
        b'{"chain_id": true, "first_block": 0, "addresses": {}}',
        b'{"chain_id": 1, "first_block": -1, "addresses": {}}',
        b'{"chain_id": 1, "first_block": NaN, "addresses": {}}',
        b'{"chain_id": 1, "first_block": 1e400, "addresses": {}}',
        b'{"chain_id": 1, "first_block": 1.5, "addresses": {}}',
        b'{"chain_id": 1, "first_block": 18446744073709551616, "addresses": {}}',
    ],
    ids=lambda content: content[:60].decode("ascii", "replace").strip() or "empty",
)
def test_a_damaged_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "contracts.json").write_bytes(content)
    with pytest.raises(Malformed, match=r"contracts\.json is no deployment"):
        Deployment.load(tmp_path / "contracts.json")


def test_connections_to_nowhere_say_so() -> None:
    with pytest.raises(BadInput):
        connect("ftp://example.org")
    with pytest.raises(BadInput):
        connect("http://127.0.0.1:9", chain_id=5)
    with pytest.raises(Unavailable):
        connect("http://127.0.0.1:9", timeout_s=1)
    web3 = connect(chain_id=9)
    chain = get_embedded(web3)
    assert chain is not None
    assert chain.chain_id == 9
    disconnect(web3)
