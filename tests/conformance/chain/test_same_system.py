"""The shipped system and the Python around it, on every chain: deployment, clients, cursor."""

from typing import Any

import pytest
from chain_networks import NETWORKS, open_network

from assay.chain.cursor import Cursor
from assay.chain.deploy import deploy, plan_system
from assay.chain.ledger import Ledger
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner
from assay.protocol.errors import Reverted

COIN = "0x" + "00" * 20
KEY = KeySigner(b"\x05" * 32)
ETHER = 10**18


def use_system(network: str) -> list[Any]:
    with open_network(network) as web3:
        web3.provider.make_request("anvil_setBalance", [KEY.address, hex(100 * ETHER)])
        sender = Sender(web3, KEY)
        deployment = deploy(sender, plan_system(KEY.address))
        ledger = Ledger(web3, deployment, KEY)
        seen: list[Any] = [deployment.addresses, deployment.gas_used]
        for amount in (1, 2, 3):
            sent = ledger.vault.deposit(COIN, amount, value_wei=amount).send()
            seen.append((sent.gas_used, [emitted and emitted.event for emitted in map(ledger.decode, sent.logs)]))
        with pytest.raises(Reverted) as refusal:
            ledger.vault.withdraw(COIN, 7).send()
        seen.append(refusal.value.to_json())
        with pytest.raises(Reverted) as refusal:
            ledger.vault.withdraw(COIN, 7).send(gas=100_000)
        seen.append({k: v for k, v in refusal.value.to_json().items() if k != "transaction_hash"})
        number = sender.rpc.get_head() - 1
        ledger.beacon.record(number).send()
        assert ledger.beacon.read(number).value == bytes(web3.eth.get_block(number)["hash"])
        cursor = ledger.open_cursor()
        seen.append(len(cursor.drain().added))
        assert "error" not in web3.provider.make_request("anvil_reorg", [4, []])
        page = cursor.drain()
        seen.append([(log.block_number, log.log_index) for log in page.removed])
        seen.append([(log.block_number, log.log_index) for log in page.added])
        fresh = Cursor(web3, list(deployment.addresses.values()), first_block=deployment.first_block).drain()
        seen.append([log.place for log in fresh.added])
        return seen


@pytest.mark.parametrize("network", [n for n in NETWORKS if n != "anvil"])
def test_the_system_behaves_the_same_on_anvil(network: str) -> None:
    ours, theirs = use_system(network), use_system("anvil")
    assert ours == theirs
    assert ours[-3]
