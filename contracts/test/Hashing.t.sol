// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../src/Bitmap.sol";
import {Hashing} from "../src/Hashing.sol";
import {Commitment, Entry, Leaf, TranscriptOpening, UNSCORED} from "../src/Types.sol";
import {Base} from "./Base.sol";
import {Tree} from "./Tree.sol";

/// @title The same bytes as assay.protocol makes: constants out of vectors/protocol and of its functions.
contract HashingTest is Base {
    address internal constant ROUNDS = 0x5B5B5b5B5b5B5B5b5B5B5b5b5B5B5B5b5B5B5b5b;

    function verify(bytes32 root, uint256 count, uint256 index, bytes32 node, bytes32[] calldata proof) external view returns (bool) {
        return Hashing.verify(root, count, index, node, proof);
    }

    function commitmentLeaf(Commitment calldata c) external view returns (bytes32) {
        return Hashing.commitmentLeaf(ROUNDS, c);
    }

    function structHash(Commitment calldata c) external pure returns (bytes32) {
        return Hashing.structHash(c);
    }

    function segmentLeaf(Commitment calldata c, bytes32 secret, Leaf calldata leaf) external pure returns (bytes32) {
        return Hashing.segmentLeaf(c, secret, leaf);
    }

    function entryLeaf(Entry calldata entry) external pure returns (bytes32) {
        return Hashing.entryLeaf(entry);
    }

    function _commitment() private pure returns (Commitment memory c) {
        c.job = 3;
        c.generation = 1;
        c.round = 4;
        c.slot = 2;
        c.provider = 0x5e23A28c498A7Bc0C43C156efFAD13bf1a1DbAB8;
        c.beacon = 0x8a62e967fcd6dfa5d75308c37808b4668a7faf1cdb06e09ac0a7161827603887;
        c.startRoot = 0xcced28c6dc3f99c2396a5eaad732bf6b28142335892b1cd0e6af6cdb53f5ccfa;
        c.transcriptRoot = 0x6316af2235b8b52789bb8a75bb32f1fbb31b9a7a18f5a10ab5143ba93bebcc8b;
        c.secretHash = 0xd04b98f48e8f8bcc15c6ae5ac050801cd6dcfd428fb5f9e65c4e16e7807340fa;
        c.sealedHash = 0xc9d0036bed6744bcdf692fc980d8717d7e5f5a4f4e8266b4a84982602fb1cd09;
    }

    function test_commitment_vector_succeeds() external view {
        equal(block.chainid, 31337, "the vector's chain");
        bytes32 leaf = this.commitmentLeaf(_commitment());
        equal(leaf, 0xb426e6dfecae92ed5b7054f918fb82ec74f43e8587512c528baac7d8e1995e61, "leaf");
        bytes32[] memory proof = new bytes32[](3);
        proof[0] = 0x7d7062505256ab43a6cbfb373485d7153a56b4d8fdd2e7afd30835531ad825bf;
        proof[1] = 0x51a6954eb1f3b0341744dd2da651fccfd7a322e1fd4c623cff33005c63e8a514;
        proof[2] = 0xaeb6ef08b800f1e43e738b98a21c61047e94011ec117fb9401f561cce9dfbd68;
        bytes32 root = 0x75856cb907467979566144d3859f89ed193268d3aa4f0c4d078cb80aaf79d0e6;
        yes(this.verify(root, 6, 2, leaf, proof), "proof");
        yes(!this.verify(root, 6, 3, leaf, proof), "bound to its index");
        yes(!this.verify(root, 9, 2, leaf, proof), "and to the count's depth");
        bytes32 separator = 0x09642e5c2c446aecad420f84701332ba0bbb169056740e5657510896c5142c00;
        equal(
            keccak256(abi.encodePacked(hex"1901", separator, this.structHash(_commitment()))),
            0xbd927ea169c92eebf4ffc0b4144cbf0e86e71b1319fdf1043a8ecbe74ada9d60,
            "typed digest"
        );
    }

    function test_types_vector_succeeds() external pure {
        equal(Hashing.COMMITMENT_TYPE, 0xb3a77930badb4b7e971274cceefebda46a854af46b4fe97513f0bf1cd725dc01, "Commitment");
        equal(Hashing.RESULT_TYPE, 0xd2fe30d229656dfcd6aae2b8cde06655bcfd76530b236e5ba95ffc12b6502ec6, "Result");
        equal(Hashing.ROOT_TYPE, 0x0929e85ff6b2e0e906952f7ed289d5358d53ad439b625da2737bd98f206d728a, "Root");
        equal(Hashing.UNSERVED_TYPE, 0x62e3c6ebf7db448ca70eecb97372d83c74fe0032b07a6da50e6bb342c2d9d7ee, "Unserved");
        equal(Hashing.AGGREGATE_TYPE, 0x7978c19616bbe1efcec3c297117b36f95f3422eac202bdff1f9fb6aa3dd68a7e, "Aggregate");
        equal(Hashing.FAULT_TYPE, 0x5b70d8fc2dcd8577681f012fbcf44bac7cec59affa3f3b0bad62de7c9b23fccd, "Fault");
    }

    function test_transcript_vector_succeeds() external view {
        bytes32 secret = 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f;
        Leaf memory leaf = Leaf(5, bytes32(uint256(0x11) * (type(uint256).max / 255)), 0x3f800000, bytes32(uint256(0x22) * (type(uint256).max / 255)));
        equal(Hashing.secretHash(secret), 0x630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd, "secret");
        equal(Hashing.salt(secret, 5), 0x81c1d5f2a51b239ff413b20e98f66c3aedf19a37f86f15b18ce722acf4f915dd, "salt");
        equal(Hashing.sealedLoss(secret, 5, 0x3f800000), 0x552f28a367c49e515edef215ca40d275416baacc5323f7ef1ef34fe00911114e, "sealed loss");
        bytes32 hash = this.segmentLeaf(_commitment(), secret, leaf);
        equal(hash, 0x65e219b08b8a3f35ec5c9bef890e696ba614f73cdb73cdc5a6793f80ffd62589, "leaf");
        bytes32 end = 0x361e48d0308f20e32dba5fb56328baf18d72ef0ccb43b84f5c262d2a6a1fc6c8;
        equal(Hashing.scoreDigest(end, 950_000), 0xcf40bfd0b525163c989b24f7c0c40289235b8ab467132c7902a2027249220bd4, "score digest");
        equal(Hashing.scoreDigest(end, -83_200), 0x4100a83aec77f02e19a3697eb6ef1e0f6d73f11061053f67dcdab334d2e8b483, "below zero");
        equal(Hashing.scoreDigest(end, UNSCORED), 0x55320765158dc35c4a538c61b03703b7ab11aae2f832c8cb16be8ab60e6a17c7, "none");
    }

    function transcriptRoot(Commitment calldata c, TranscriptOpening calldata o) external view returns (bytes32) {
        return Hashing.transcriptRoot(c, o);
    }

    /// An opening of all leaves leads to the root over them, one by one.
    function _opened(uint256 seed, uint256 count) private view returns (Commitment memory c, TranscriptOpening memory o, bytes32 root) {
        c = _commitment();
        o.secret = bytes32(seed);
        o.updateRoot = keccak256(abi.encode(seed, "update"));
        o.stateRoots = new bytes32[](count);
        o.lossBits = new uint32[](count - 1);
        bytes32[] memory leaves = new bytes32[](count);
        for (uint32 i = 0; i < count; i++) {
            o.stateRoots[i] = keccak256(abi.encode(seed, i));
            uint32 loss = uint32(seed >> (i % 200));
            if (i > 0) o.lossBits[i - 1] = loss;
            Leaf memory leaf = Leaf(i, o.stateRoots[i], i == 0 ? 0 : loss, i + 1 == count ? o.updateRoot : bytes32(0));
            leaves[i] = this.segmentLeaf(c, o.secret, leaf);
        }
        root = Tree.root(leaves);
    }

    function test_transcriptRoot_everySize_succeeds() external view {
        for (uint256 count = 1; count <= 20; count++) {
            (Commitment memory c, TranscriptOpening memory o, bytes32 root) = _opened(count << 100, count);
            equal(this.transcriptRoot(c, o), root, "root");
        }
    }

    function test_transcriptRoot_fuzz_succeeds(uint256 seed, uint256 count, uint256 place) external view {
        count = bound(count, 2, 20);
        place = bound(place, 0, count - 1);
        (Commitment memory c, TranscriptOpening memory o, bytes32 root) = _opened(seed, count);
        equal(this.transcriptRoot(c, o), root, "root");
        o.stateRoots[place] ^= bytes32(uint256(1));
        yes(this.transcriptRoot(c, o) != root, "another state");
        o.stateRoots[place] ^= bytes32(uint256(1));
        if (place > 0) o.lossBits[place - 1] ^= 1;
        else o.updateRoot ^= bytes32(uint256(1));
        yes(this.transcriptRoot(c, o) != root, "another loss or update");
    }

    function test_table_vector_succeeds() external view {
        bytes32[] memory rows = new bytes32[](3);
        for (uint256 i = 0; i < 3; i++) {
            (bytes32 start, bytes32 end) = (bytes32((i + 16) * (type(uint256).max / 255)), bytes32(i * (type(uint256).max / 255)));
            rows[i] = this.entryLeaf(Entry(uint16(i), uint32(i + 1), start, end, uint32(0x3f800000 + i)));
        }
        equal(rows[2], 0x4a6798e45c004c86a13ddf19a6b798c42914534752288e18b438449b6fade9cd, "row");
        equal(Hashing.tableRoot(3, Tree.root(rows)), 0x55e78ee72864663622778abd15cf4977d9256cbb121fcd1c29a4aeca96b48ffa, "table");
        bytes32[] memory proof = Tree.proof(rows, 2);
        equal(proof.length, 2, "depth");
        equal(proof[0], Tree.EMPTY, "padding");
        equal(proof[1], 0x1a163e2150182eb56c66fabdb7358d2728fbb2c491fe6541ad268e628ea54de2, "sibling");
    }

    function test_verify_everyLeaf_succeeds(uint256 seed, uint256 count, uint256 index) external view {
        count = bound(count, 1, 40);
        index = bound(index, 0, count - 1);
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) leaves[i] = keccak256(abi.encode(seed, i));
        bytes32 root = Tree.root(leaves);
        bytes32[] memory proof = Tree.proof(leaves, index);
        yes(this.verify(root, count, index, leaves[index], proof), "its own");
        uint256 other = (index + 1 + seed % 50) % 64;
        if (other != index) yes(!this.verify(root, count, other, leaves[index], proof), "at no other index");
        yes(!this.verify(root, count, index, bytes32(seed), proof), "nothing else");
    }

    function test_count_fuzz_succeeds(uint256 word) external pure {
        uint256 slow;
        for (uint256 rest = word; rest != 0; rest >>= 1) slow += rest & 1;
        equal(Bitmap.count(word), slow, "bits");
    }

    function test_count_edges_succeeds() external pure {
        equal(Bitmap.count(0), 0, "none");
        equal(Bitmap.count(type(uint256).max), 256, "all");
        equal(Bitmap.count(1 << 255), 1, "highest");
        equal(Hashing.depth(1), 0, "one leaf");
        equal(Hashing.depth(2), 1, "two");
        equal(Hashing.depth(5), 3, "five");
    }
}
