"""A bundle's anchors: a node of its chain confirms them, and each that was tampered with is found."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from own_jobs import make_net, tiny_job, tiny_samples

import assay
from assay.api.anchors import check_anchors, check_at
from assay.api.bundle import Evidence, open_bundle
from assay.api.export import export_job
from assay.api.sdk import Network
from assay.chain.server import ChainServer
from assay.cli import main
from assay.protocol.errors import Malformed, WrongChain

Made = tuple[Network, Path, Evidence]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    path = tmp_path_factory.mktemp("anchors") / "job-1.assay"
    with assay.connect(local=True, seed=b"anchors".ljust(32)) as net:
        net.post(tiny_job(), model=make_net(), data=tiny_samples()).wait()
        export_job(net.client, 1, path)
        with open_bundle(path) as (evidence, _):
            yield net, path, evidence


def test_a_node_of_its_chain_confirms_it(made: Made) -> None:
    net, _, evidence = made
    found = check_anchors(evidence, net.client.world.ledger.web3)
    assert found.holds
    assert not found.missing
    assert found.held == len(evidence.logs) + 3


def test_what_the_chain_did_not_say_is_found(made: Made) -> None:
    net, _, evidence = made
    web3 = net.client.world.ledger.web3
    forged = replace(evidence.logs[3], payload=evidence.logs[3].payload[:-1] + b"\x07")
    moved = replace(evidence.logs[3], block_hash=bytes(32))
    for tampered, words in (
        (replace(evidence, logs=[*evidence.logs[:3], forged, *evidence.logs[4:]]), "is not on the chain"),
        (replace(evidence, logs=[*evidence.logs[:3], moved, *evidence.logs[4:]]), "is not on the chain"),
        (replace(evidence, logs=evidence.logs[:-1]), "not in the bundle"),
        (replace(evidence, head_hash=bytes(32)), "is another one there"),
        (replace(evidence, order=replace(evidence.order, rounds=9)), "order on the chain is another"),
    ):
        found = check_anchors(tampered, web3)
        assert not found.holds
        assert words in found.words


def test_another_chain_and_a_node_that_is_behind(made: Made) -> None:
    net, _, evidence = made
    web3 = net.client.world.ledger.web3
    with pytest.raises(WrongChain):
        check_anchors(replace(evidence, chain_id=1), web3)
    with pytest.raises(Malformed):
        check_anchors(replace(evidence, contracts={**evidence.contracts, "Vault": "0x12"}), web3)
    ahead = check_anchors(replace(evidence, head=evidence.head + 10**6), web3)
    assert ahead.missing
    assert not ahead.wrong


def test_the_verb_asks_a_node_over_http(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    net, path, evidence = made
    server = ChainServer(net.client.world.ledger.web3.provider.chain, "operator")  # type: ignore[attr-defined]
    server.start()
    try:
        assert check_at(evidence, server.url).holds
        assert main(["verify-bundle", str(path), "--rpc", server.url]) == 0
        shown = capsys.readouterr().out
        assert "everything holds" in shown
        assert "confirmed by the node" in shown
    finally:
        server.close()
    assert main(["verify-bundle", str(path), "--rpc", server.url]) == 6
