// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../src/Bitmap.sol";
import {Hashing} from "../src/Hashing.sol";
import {Commitment, Entry, Leaf, TranscriptOpening} from "../src/Types.sol";
import {Base} from "./Base.sol";
import {Tree} from "./Tree.sol";

/// @title The same bytes as assay.protocol makes: constants out of vectors/protocol and of its functions.
contract HashingTest is Base {
    address internal constant ROUNDS = 0x5B5B5b5B5b5B5B5b5B5B5b5b5B5B5B5b5B5B5b5b;

    function verify(bytes32 root, uint256 count, uint256 index, bytes32 node, bytes32[] calldata proof) external pure returns (bool) {
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

    function segmentDigest(Leaf calldata leaf) external pure returns (bytes32) {
        return Hashing.segmentDigest(leaf);
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
        c.startRoot = 0xcced28c6dc3f99c2396a5eaad732bf6b28142335892b1cd0e6af6cdb53f5ccfa;
        c.transcriptRoot = 0x6316af2235b8b52789bb8a75bb32f1fbb31b9a7a18f5a10ab5143ba93bebcc8b;
        c.secretHash = 0xd04b98f48e8f8bcc15c6ae5ac050801cd6dcfd428fb5f9e65c4e16e7807340fa;
        c.sealedHash = 0xc9d0036bed6744bcdf692fc980d8717d7e5f5a4f4e8266b4a84982602fb1cd09;
    }

    function test_commitment_vector_succeeds() external view {
        equal(block.chainid, 31337, "the vector's chain");
        bytes32 leaf = this.commitmentLeaf(_commitment());
        equal(leaf, 0x4a8048280fc3d4c324d8fe2963577733e8cf6158ea2cffb59ab72530c1ceace7, "leaf");
        bytes32[] memory proof = new bytes32[](3);
        proof[0] = 0xd49fc0c22402cc2ff3c37da2889fadfbef4700000322e0f423017953cacf9352;
        proof[1] = 0x37e18490c587ee97049cdfa289da81a3454391d7142eadbd3f3a9e0d88aa9bce;
        proof[2] = 0x6ca7b6744641212ef32897085cb30b0d56efc35c637fc33fdc79db6f85f7daf9;
        bytes32 root = 0xf205e63c6764f0a2c5cef1e37adf24202ee744f848422b939b43321c9f06b404;
        yes(this.verify(root, 6, 2, leaf, proof), "proof");
        yes(!this.verify(root, 6, 3, leaf, proof), "bound to its index");
        yes(!this.verify(root, 9, 2, leaf, proof), "and to the count's depth");
        bytes32 separator = 0x09642e5c2c446aecad420f84701332ba0bbb169056740e5657510896c5142c00;
        equal(
            keccak256(abi.encodePacked(hex"1901", separator, this.structHash(_commitment()))),
            0x5f0251953d1d4d136c9dfad5841c309087d3ab8892bca575dff5c54e7da20d19,
            "typed digest"
        );
    }

    function test_types_vector_succeeds() external pure {
        equal(Hashing.COMMITMENT_TYPE, 0x11b9f538297e1d2f1845a08f4f35d23f8bb806a0dea35c66112688c3e36f9d0d, "Commitment");
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
        bytes32 hash = this.segmentLeaf(_commitment(), secret, leaf);
        equal(hash, 0xc43b840a5318ea9cb76ef405374b3213a49f705d139524db8f01b9fa010025fa, "leaf");
        equal(this.segmentDigest(leaf), 0x91607b1148989f5e3d70b7b7f811e07e4f2657bb0266c8bedd2fd320500eb9ff, "segment digest");
        equal(Hashing.emitDigest(leaf.updateRoot), 0x85856db8607235e6dfe8a030cd575b481d3915ad95c08c248f3b303fa5cab0d5, "emit digest");
    }

    function transcriptRoot(Commitment calldata c, TranscriptOpening calldata o) external pure returns (bytes32) {
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
            rows[i] = this.entryLeaf(Entry(uint16(i), uint32(i + 1), bytes32(i * (type(uint256).max / 255))));
        }
        equal(rows[2], 0x48903acb898fd7ec33198174ea1dbf527fba932dc8ddb5140678de0c6e2ad464, "row");
        equal(Hashing.tableRoot(3, Tree.root(rows)), 0x0acd7856f88cb66ee790c01f116e3c9bfad3208044401b46104d79d9c5a608ae, "table");
        bytes32[] memory proof = Tree.proof(rows, 2);
        equal(proof.length, 2, "depth");
        equal(proof[0], Tree.EMPTY, "padding");
        equal(proof[1], 0x375a4586bf754eca5de468877c9fd6c78a81f738546a98d9489c9b8e42dca4a2, "sibling");
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
