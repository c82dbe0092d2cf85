// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {JobPhase, Order} from "./Types.sol";
import {IJobs} from "./interfaces/IJobs.sol";
import {IModels} from "./interfaces/IModels.sol";
import {IRounds} from "./interfaces/IRounds.sol";

contract Models is IModels, ERC721 {
    IJobs private immutable JOBS;
    IRounds private immutable ROUNDS;

    mapping(uint256 token => Lineage) private _lineages;

    constructor(IJobs jobs, IRounds rounds) ERC721("Assay Model", "MODEL") {
        JOBS = jobs;
        ROUNDS = rounds;
    }

    function mint(uint256 job) external returns (uint256 token) {
        if (_lineages[job].job != 0) revert AlreadyMinted(job);
        // Minted only once nothing can be disproved any more.
        if (!ROUNDS.complete(job) || !ROUNDS.settled(job)) revert NotComplete(job);
        token = job;
        IJobs.JobView memory view_ = JOBS.viewOf(job);
        Order memory order = JOBS.orderOf(job);
        (bytes32 stateRoot, int64 score) = ROUNDS.finalState(job);
        (, uint32 rounds,) = ROUNDS.progress(job);
        _lineages[token] = Lineage({
            job: job,
            programs: order.programs,
            profile: order.profile,
            dataRoot: order.dataRoot,
            testRoot: order.testRoot,
            initialRoot: order.stateRoot,
            stateRoot: stateRoot,
            document: order.document,
            rounds: rounds,
            score: score,
            mintedAt: uint64(block.timestamp)
        });
        // Not the safe kind: a consumer that is a contract must not be able to block its own registration.
        _mint(view_.consumer, token);
        emit Minted(token, job, view_.consumer, stateRoot);
    }

    function lineageOf(uint256 token) external view returns (Lineage memory) {
        return _lineages[token];
    }

    function tokenOf(uint256 job) external view returns (uint256) {
        return _lineages[job].job;
    }
}
