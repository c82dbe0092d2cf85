// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, Entry, Leaf, TranscriptOpening} from "./Types.sol";

/// @title Hashing: what a root means. The same bytes as assay/protocol/{merkle,leaf}.py; all sha256, big endian.
library Hashing {
    bytes32 internal constant EMPTY = 0x66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925; // sha256 of 32 zero bytes
    bytes32 internal constant COMMITMENT = "assay.commitment.2";
    bytes32 internal constant SEGMENT = "assay.segment.2";
    bytes32 internal constant SALT = "assay.salt.1";
    bytes32 internal constant LOSS = "assay.loss.1";
    bytes32 internal constant ENTRY = "assay.entry.2";
    bytes32 internal constant TABLE = "assay.table.1";
    bytes32 internal constant DIGEST_SCORE = "assay.digest.score.1";

    bytes32 internal constant COMMITMENT_TYPE = keccak256(
        "Commitment(uint256 job,uint32 generation,uint32 round,uint16 slot,address provider,bytes32 beacon,bytes32 startRoot,bytes32 transcriptRoot,bytes32 secretHash,bytes32 sealedHash)"
    );
    bytes32 internal constant ROOT_TYPE = keccak256("Root(uint256 job,uint32 generation,uint32 round,bytes32 root,bytes32 present)");
    bytes32 internal constant RESULT_TYPE = keccak256(
        "Result(uint256 job,uint32 generation,uint32 round,uint32 drawing,bytes32 accepted,bytes32 included,uint256 served,bytes32 resultRoot)"
    );
    bytes32 internal constant UNSERVED_TYPE = keccak256("Unserved(uint256 job,uint32 generation,uint32 round,uint16 slot)");
    bytes32 internal constant AGGREGATE_TYPE = 
        keccak256("Aggregate(uint256 job,uint32 generation,uint32 round,bytes32 endRoot,int64 score)");
    bytes32 internal constant FAULT_TYPE = keccak256("Fault(uint256 job,uint32 generation,uint32 round,bytes32 digest)");

    function leafHash(bytes memory content) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), content));
    }

    /// sha256 of 0x01 and both, by hand: games are made of this, and it is half the price without the copies.
    function nodeHash(bytes32 left, bytes32 right) internal view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 1)
            mstore(add(free, 1), left)
            mstore(add(free, 33), right)
            // The second precompile is sha256.
            if iszero(staticcall(gas(), 2, free, 65, 0, 32)) { revert(0, 0) }
            hash := mload(0)
        }
    }

    /// Levels above the leaves of a tree over `count` leaves.
    function depth(uint256 count) internal pure returns (uint256 levels) {
        for (uint256 rest = count > 0 ? count - 1 : 0; rest > 0; rest >>= 1) levels++;
    }

    /// Binds the index: unlike sorted pairs, a leaf proves itself at one place only.
    function verify(bytes32 root, uint256 count, uint256 index, bytes32 node, bytes32[] calldata proof) internal view returns (bool) {
        return index < count && proof.length == depth(count) && climb(index, node, proof) == root;
    }

    /// The root that a proof leads to; whoever calls has checked index and length.
    function climb(uint256 index, bytes32 node, bytes32[] calldata proof) internal view returns (bytes32) {
        for (uint256 i = 0; i < proof.length; i++) {
            node = index & 1 == 1 ? nodeHash(proof[i], node) : nodeHash(node, proof[i]);
            index >>= 1;
        }
        return node;
    }

    function commitmentLeaf(address rounds, Commitment calldata c) internal view returns (bytes32) {
        return leafHash(bytes.concat(abi.encode(COMMITMENT, block.chainid, rounds), abi.encode(c)));
    }

    function secretHash(bytes32 secret) internal pure returns (bytes32) {
        return sha256(abi.encode(secret));
    }

    function salt(bytes32 secret, uint256 index) internal pure returns (bytes32) {
        return sha256(abi.encode(SALT, secret, index));
    }

    /// A loss as a leaf holds it: whoever is shown the state after a segment does not know what executing it gives.
    function sealedLoss(bytes32 secret, uint256 index, uint32 lossBits) internal pure returns (bytes32) {
        return sha256(abi.encode(LOSS, secret, index, lossBits));
    }

    /// Root over leaves 0..N of a transcript, from all that they hide; only the last one binds an update.
    function transcriptRoot(Commitment calldata c, TranscriptOpening calldata o) internal view returns (bytes32) {
        uint256 count = o.stateRoots.length;
        bytes memory head = abi.encode(SEGMENT, c.job, c.generation, c.round, c.slot, c.provider);
        bytes32[] memory level = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) {
            uint32 loss = i == 0 ? 0 : o.lossBits[i - 1];
            bytes32 update = i + 1 == count ? o.updateRoot : bytes32(0);
            bytes32 sealedBits = sealedLoss(o.secret, i, loss);
            level[i] = leafHash(bytes.concat(head, abi.encode(i, salt(o.secret, i), o.stateRoots[i], sealedBits, update)));
        }
        for (uint256 size = count; size > 1; size = (size + 1) / 2) {
            for (uint256 i = 0; 2 * i < size; i++) level[i] = nodeHash(level[2 * i], 2 * i + 1 < size ? level[2 * i + 1] : EMPTY);
        }
        return level[0];
    }

    function segmentLeaf(Commitment calldata c, bytes32 secret, Leaf calldata leaf) internal pure returns (bytes32) {
        return leafHash(
            bytes.concat(
                abi.encode(SEGMENT, c.job, c.generation, c.round, c.slot, c.provider),
                abi.encode(
                    leaf.index, salt(secret, leaf.index), leaf.stateRoot, sealedLoss(secret, leaf.index, leaf.lossBits), leaf.updateRoot
                )
            )
        );
    }

    function scoreDigest(bytes32 endRoot, int64 score) internal pure returns (bytes32) {
        return sha256(abi.encode(DIGEST_SCORE, endRoot, score));
    }

    function entryLeaf(Entry calldata entry) internal pure returns (bytes32) {
        return leafHash(abi.encode(ENTRY, entry.slot, entry.segment, entry.startRoot, entry.stateRoot, entry.lossBits));
    }

    function tableRoot(uint256 count, bytes32 merkleRoot) internal pure returns (bytes32) {
        return sha256(abi.encode(TABLE, count, merkleRoot));
    }

    /// What a leaf has in place of a state's root where a step cannot be run because the job itself is at fault.
    function faultDigest(uint256 step, uint256 node, bytes32 operator) internal pure returns (bytes32) {
        return sha256(abi.encode(bytes32("assay.fault.1"), step, node, operator));
    }

    function structHash(Commitment calldata c) internal pure returns (bytes32) {
        return keccak256(bytes.concat(COMMITMENT_TYPE, abi.encode(c)));
    }
}
