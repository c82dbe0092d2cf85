// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {JobPhase, RoundPhase} from "../src/Types.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";

/// @title The whole walk of a job: order, match, rounds, settlement, registry; with an ERC-20 and with the native coin.
contract WalkTest is Network {
    function _walk(bool native) private {
        deploy(native);
        populate(7, 8, 3);
        draft(6, 5, 3);
        uint256 before = free(consumer);
        uint256 job = running(7);
        yes(phaseOf(job) == JobPhase.Running, "running");
        equal(jobs.viewOf(job).price, 806, "first losing price");
        for (uint32 round = 0; round < 3; round++) playTo(RoundPhase.Final, job, 0, round, 0x3f);
        yes(rounds.complete(job), "complete");
        yes(rounds.settled(job), "settled");
        jobs.end(job);
        models.mint(job);
        equal(models.ownerOf(job), consumer, "owner");
        equal(models.lineageOf(job).stateRoot, endRootOf(0, 2), "final root");
        equal(uint256(models.lineageOf(job).rounds), 3, "rounds");

        address[] memory providers = jobs.providersOf(job);
        address[] memory validators = jobs.validatorsOf(job);
        for (uint256 i = 0; i < providers.length; i++) {
            equal(rounds.claim(job, providers[i]), 3 * 806, "provider's pay");
            equal(worth(providers[i]), FUNDS + 3 * 806, "provider whole");
            equal(stakes.locked(token, providers[i]), 0, "provider's lock");
        }
        for (uint256 i = 0; i < validators.length; i++) {
            equal(rounds.claim(job, validators[i]), 300, "validator's pay");
            equal(stakes.locked(token, validators[i]), 0, "validator's lock");
        }
        equal(rounds.claim(job, jobs.aggregatorOf(job)), 900, "aggregator's pay");
        equal(before - free(consumer), 3 * (6 * 806 + 5 * 100 + 300), "consumer paid what was done");
        equal(bucket(IVault.Kind.Credit, job), 0, "credit");
        equal(bucket(IVault.Kind.Escrow, job), 0, "escrow");
        equal(vault.total(token, IVault.Kind.Bond), 0, "bonds");
        equal(vault.burned(token), 0, "nothing burned");
        equal(sumOfBuckets(), held(), "conserved");
        vm.prank(consumer);
        vault.withdraw(token, 1);
        equal(sumOfBuckets(), held(), "conserved after withdrawal");
    }

    function test_walk_stablecoin_succeeds() external {
        _walk(false);
    }

    function test_walk_nativeCoin_succeeds() external {
        _walk(true);
    }
}
