// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Beacon} from "../src/Beacon.sol";
import {Clock} from "../src/Clock.sol";
import {Disputes} from "../src/Disputes.sol";
import {Hashing} from "../src/Hashing.sol";
import {Jobs} from "../src/Jobs.sol";
import {Models} from "../src/Models.sol";
import {Params} from "../src/Params.sol";
import {Rounds} from "../src/Rounds.sol";
import {Stakes} from "../src/Stakes.sol";
import {
    Commitment, Entry, JobPhase, Leaf, Order, RoundPhase, RoundView, Target, TranscriptOpening, UNSCORED, Windows
} from "../src/Types.sol";
import {Vault} from "../src/Vault.sol";
import {Arbiter} from "../src/arbiter/Arbiter.sol";
import {Games} from "../src/disputes/Games.sol";
import {Claim} from "../src/interfaces/IDisputes.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IParams} from "../src/interfaces/IParams.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {TestStablecoin} from "../src/tokens/TestStablecoin.sol";
import {Base} from "./Base.sol";
import {Tree} from "./Tree.sol";

/// @title A whole network in one process: real contracts, accounts with keys, and the steps that each role takes.
abstract contract Network is Base {
    uint256 internal constant CHAIN = 100; // nonces in a validator's chain
    uint256 internal constant FUNDS = 1_000_000;
    uint32 internal constant SEGMENTS = 4;

    Params internal params;
    Clock internal clock;
    Vault internal vault;
    Stakes internal stakes;
    Beacon internal beacon;
    Jobs internal jobs;
    Rounds internal rounds;
    Disputes internal disputes;
    Games internal games;
    Models internal models;
    address internal token;

    address internal consumer;
    address internal stranger;
    address[] internal bidders;
    address[] internal pool; // validators
    address[] internal aggregators;
    address[] internal everybody;
    mapping(address => uint256) internal keyOf;
    Order internal order;

    function deploy(bool native) internal {
        vm.warp(1_800_000_000);
        vm.roll(1000);
        params = new Params(
            address(this),
            IParams.Limits({
                windowFloor: 1,
                windowCeiling: 30 days,
                unbonding: 60,
                roundsMax: 1024,
                providersMax: 256,
                validatorsMax: 64,
                lookaheadMax: 4,
                beaconDelay: 2,
                challengeBondBps: 2000
            })
        );
        clock = new Clock(params);
        vault = new Vault();
        stakes = new Stakes(vault, params, clock);
        beacon = new Beacon();
        jobs = new Jobs(vault, stakes, params, beacon, clock);
        rounds = new Rounds(vault, stakes, jobs, beacon, clock);
        disputes = new Disputes(vault, jobs, rounds, clock);
        games = new Games(new Arbiter(), address(disputes), clock);
        disputes.wire(games);
        models = new Models(jobs, rounds);
        address[] memory modules = new address[](4);
        (modules[0], modules[1], modules[2], modules[3]) = (address(stakes), address(jobs), address(rounds), address(disputes));
        vault.wire(modules);
        modules = new address[](2);
        (modules[0], modules[1]) = (address(jobs), address(rounds));
        stakes.wire(modules);
        jobs.wire(rounds);
        rounds.wire(address(disputes));
        token = native ? address(0) : address(new TestStablecoin());
    }

    function populate(uint256 bidderCount, uint256 validatorCount, uint256 aggregatorCount) internal {
        consumer = _account(0xC0);
        stranger = _account(0x57);
        for (uint256 i = 0; i < bidderCount; i++) bidders.push(_account(0xB000 + i));
        for (uint256 i = 0; i < validatorCount; i++) {
            pool.push(_account(0xA000 + i));
            _enrol(pool[i], IStakes.Role.Validator);
        }
        for (uint256 i = 0; i < aggregatorCount; i++) {
            aggregators.push(_account(0xE000 + i));
            _enrol(aggregators[i], IStakes.Role.Aggregator);
        }
        vm.roll(block.number + 1);
    }

    function draft(uint16 providers, uint16 validators, uint32 rounds_) internal {
        order.token = token;
        order.programs = "programs";
        order.profile = "exact15";
        order.dataRoot = "data";
        order.testRoot = "test";
        order.stateRoot = "state";
        order.document = "document";
        order.seed = "seed";
        order.rounds = rounds_;
        order.stepsPerRound = 8 * SEGMENTS;
        order.stepsPerSegment = 8;
        order.providers = providers;
        order.reportsMin = 1;
        order.validators = validators;
        order.quorum = validators / 2 + 1;
        order.samplesPerValidator = 2;
        order.lookahead = 1;
        order.redoRounds = 2;
        order.priceCeiling = 1000;
        order.validatorFee = 100;
        order.aggregatorFee = 300;
        order.providerStake = 20_000;
        order.validatorStake = 20_000;
        order.aggregatorStake = 20_000;
        order.faultDeposit = 500;
        order.stopScore = type(int64).max;
        order.windows =
            Windows({bid: 60, reveal: 60, enlist: 60, train: 100, table: 60, open: 60, aggregate: 80, challenge: 120});
    }

    // ---------------------------------------------------------------- a job up to its first round

    function post() internal returns (uint256 job) {
        vm.prank(consumer);
        job = jobs.post(order);
    }

    function sealBid(uint256 job, address bidder, uint128 price) internal {
        vm.prank(bidder);
        jobs.commitBid(job, keccak256(abi.encode(job, bidder, price, bytes32("salt"))));
    }

    function openBid(uint256 job, address bidder, uint128 price) internal {
        vm.prank(bidder);
        jobs.revealBid(job, price, "salt");
    }

    /// Bidder i asks 800 + i.
    function bid(uint256 job, uint256 count) internal {
        for (uint256 i = 0; i < count; i++) sealBid(job, bidders[i], uint128(800 + i));
        skip(order.windows.bid);
        for (uint256 i = 0; i < count; i++) openBid(job, bidders[i], uint128(800 + i));
    }

    function matched(uint256 count) internal returns (uint256 job) {
        job = post();
        bid(job, count);
        jobs.close(job);
        mine(3);
    }

    function drawn(uint256 count) internal returns (uint256 job) {
        job = matched(count);
        jobs.draw(job);
    }

    function enlist(uint256 job, address validator) internal {
        bytes32 tip = nonceOf(job, validator, 0);
        vm.prank(validator);
        jobs.enlist(job, tip);
    }

    function running(uint256 count) internal returns (uint256 job) {
        job = drawn(count);
        address[] memory drawn_ = jobs.validatorsOf(job);
        for (uint256 i = 0; i < drawn_.length; i++) enlist(job, drawn_[i]);
        jobs.start(job);
    }

    // ---------------------------------------------------------------- a round

    function commitRound(uint256 job, uint32 generation, uint32 round, uint256 present) internal {
        commitAs(jobs.aggregatorOf(job), job, generation, round, commitmentRoot(job, generation, round, present), present, order.quorum);
        mine(3);
    }

    /// Commits a root with so many validators' signatures; a few blocks before its beacon.
    function commitAs(
        address caller, uint256 job, uint32 generation, uint32 round, bytes32 root, uint256 present, uint256 signers
    ) internal {
        bytes[] memory signatures = sign(job, rootHash(job, generation, round, root, present), signers);
        vm.prank(caller);
        rounds.commit(job, generation, round, root, bits(present), signatures);
    }

    function rootHash(uint256 job, uint32 generation, uint32 round, bytes32 root, uint256 present) internal pure returns (bytes32) {
        return keccak256(abi.encode(Hashing.ROOT_TYPE, job, generation, round, root, keccak256(abi.encodePacked(bits(present)))));
    }

    function sealTable(uint256 job, uint32 generation, uint32 round, address validator) internal {
        bytes32 nonce = nonceFor(job, generation, round, validator);
        bytes32 sealedTable = keccak256(abi.encode(tableRoot(job, round), nonce, bytes32("pepper")));
        vm.prank(validator);
        rounds.commitTable(job, generation, round, sealedTable);
    }

    function openTable(uint256 job, uint32 generation, uint32 round, address validator) internal {
        bytes32 nonce = nonceFor(job, generation, round, validator);
        bytes32 root = tableRoot(job, round);
        vm.prank(validator);
        rounds.revealTable(job, generation, round, root, nonce, "pepper");
    }

    function tables(uint256 job, uint32 generation, uint32 round) internal {
        address[] memory drawn_ = jobs.validatorsOf(job);
        for (uint256 i = 0; i < drawn_.length; i++) sealTable(job, generation, round, drawn_[i]);
        for (uint256 i = 0; i < drawn_.length; i++) openTable(job, generation, round, drawn_[i]);
    }

    function includeRound(uint256 job, uint32 generation, uint32 round, uint256 accepted, uint256 included) internal {
        includeServed(job, generation, round, accepted, included, servedIn(job, generation, round));
    }

    function includeServed(uint256 job, uint32 generation, uint32 round, uint256 accepted, uint256 included, uint256 served) internal {
        bytes[] memory signatures = sign(job, resultHash(job, generation, round, accepted, included, served), order.quorum);
        rounds.include(job, generation, round, bits(accepted), bits(included), served, "result", signatures);
    }

    /// The aggregator's include without anybody's signature.
    function includeAlone(uint256 job, uint32 generation, uint32 round, uint256 accepted) internal {
        uint256 served = servedIn(job, generation, round);
        vm.prank(jobs.aggregatorOf(job));
        rounds.include(job, generation, round, bits(accepted), bits(accepted), served, "result", new bytes[](0));
    }

    function servedIn(uint256 job, uint32 generation, uint32 round) internal view returns (uint256) {
        return rounds.viewOf(job, generation, round).tablesRevealed;
    }

    /// A claim that what a round comes to, as it stands now, is false: its end (Aggregate) or its score (Score).
    function aggregateClaim(Target target_, uint256 job, uint32 generation, uint32 round)
        internal
        view
        returns (Claim memory claim)
    {
        RoundView memory r = rounds.viewOf(job, generation, round);
        claim.target = target_;
        Commitment memory c = claim.commitment;
        (c.job, c.generation, c.round) = (job, generation, round);
        c.transcriptRoot = target_ == Target.Score ? Hashing.scoreDigest(r.endRoot, r.score) : r.endRoot;
    }

    function aggregateRound(uint256 job, uint32 generation, uint32 round) internal {
        aggregateScored(job, generation, round, UNSCORED);
    }

    function aggregateScored(uint256 job, uint32 generation, uint32 round, int64 score) internal {
        bytes32 endRoot = endRootOf(generation, round);
        bytes32 structHash = keccak256(abi.encode(Hashing.AGGREGATE_TYPE, job, generation, round, endRoot, score));
        bytes[] memory signatures = sign(job, structHash, order.quorum);
        vm.prank(jobs.aggregatorOf(job));
        rounds.aggregate(job, generation, round, endRoot, score, signatures);
    }

    function playTo(RoundPhase phase, uint256 job, uint32 generation, uint32 round, uint256 present) internal {
        commitRound(job, generation, round, present);
        if (phase == RoundPhase.Sampling) return;
        tables(job, generation, round);
        if (phase == RoundPhase.Opening) return;
        includeRound(job, generation, round, present, present);
        if (phase == RoundPhase.Aggregating) return;
        aggregateRound(job, generation, round);
        if (phase == RoundPhase.Challenging) return;
        skip(order.windows.challenge + order.windows.open);
        rounds.finalise(job, generation, round);
    }

    function endRootOf(uint32 generation, uint32 round) internal pure virtual returns (bytes32) {
        return keccak256(abi.encode("end", generation, round));
    }

    function tableRoot(uint256 job, uint32 round) internal view virtual returns (bytes32) {
        return keccak256(abi.encode("table", job, round));
    }

    // ---------------------------------------------------------------- commitments and transcripts

    function commitmentOf(uint256 job, uint32 generation, uint32 round, uint16 slot) public view returns (Commitment memory c) {
        c.job = job;
        c.generation = generation;
        c.round = round;
        c.slot = slot;
        c.provider = jobs.providerAt(job, slot);
        c.beacon = jobs.viewOf(job).beacon;
        c.startRoot = rounds.viewOf(job, generation, round).startRoot;
        c.secretHash = sha256(abi.encode(secretOf(c)));
        c.sealedHash = keccak256(abi.encode("sealed", job, round, slot));
        c.transcriptRoot = Tree.root(leafHashes(c));
    }

    function secretOf(Commitment memory c) internal pure returns (bytes32) {
        return keccak256(abi.encode("secret", c.job, c.generation, c.round, c.slot));
    }

    function leafAt(Commitment memory c, uint32 index) internal pure virtual returns (Leaf memory leaf) {
        leaf.index = index;
        leaf.stateRoot = index == 0 ? c.startRoot : keccak256(abi.encode("state", c.job, c.generation, c.round, c.slot, index));
        leaf.lossBits = index == 0 ? 0 : 0x3f800000 + index;
        leaf.updateRoot = index == SEGMENTS ? keccak256(abi.encode("update", c.slot)) : bytes32(0);
    }

    function leafHashes(Commitment memory c) internal view returns (bytes32[] memory out) {
        out = new bytes32[](SEGMENTS + 1);
        for (uint32 i = 0; i <= SEGMENTS; i++) out[i] = this.hashLeaf(c, secretOf(c), leafAt(c, i));
    }

    /// All that a transcript hides.
    function openingOf(Commitment memory c) internal pure returns (TranscriptOpening memory o) {
        o.secret = secretOf(c);
        o.stateRoots = new bytes32[](SEGMENTS + 1);
        o.lossBits = new uint32[](SEGMENTS);
        for (uint32 i = 0; i <= SEGMENTS; i++) {
            Leaf memory leaf = leafAt(c, i);
            o.stateRoots[i] = leaf.stateRoot;
            if (i > 0) o.lossBits[i - 1] = leaf.lossBits;
            o.updateRoot = leaf.updateRoot;
        }
    }

    function hashLeaf(Commitment calldata c, bytes32 secret, Leaf calldata leaf) external pure returns (bytes32) {
        return Hashing.segmentLeaf(c, secret, leaf);
    }

    function hashCommitment(Commitment calldata c) external view returns (bytes32) {
        return Hashing.commitmentLeaf(address(rounds), c);
    }

    function hashStruct(Commitment calldata c) external pure returns (bytes32) {
        return Hashing.structHash(c);
    }

    function slotLeaves(uint256 job, uint32 generation, uint32 round, uint256 present) internal view returns (bytes32[] memory out) {
        out = new bytes32[](order.providers);
        for (uint16 slot = 0; slot < out.length; slot++) {
            out[slot] = (present >> slot) & 1 == 1 ? this.hashCommitment(commitmentOf(job, generation, round, slot)) : Tree.EMPTY;
        }
    }

    function commitmentRoot(uint256 job, uint32 generation, uint32 round, uint256 present) internal view returns (bytes32) {
        return Tree.root(slotLeaves(job, generation, round, present));
    }

    function slotProof(uint256 job, uint32 generation, uint32 round, uint256 present, uint16 slot)
        internal
        view
        returns (bytes32[] memory)
    {
        return Tree.proof(slotLeaves(job, generation, round, present), slot);
    }

    function segmentClaim(uint256 job, uint32 generation, uint32 round, uint256 present, uint16 slot, uint32 segment)
        external
        view
        returns (Claim memory claim)
    {
        Commitment memory c = commitmentOf(job, generation, round, slot);
        claim.target = Target.Segment;
        claim.commitment = c;
        claim.commitmentProof = slotProof(job, generation, round, present, slot);
        claim.signature = signCommitment(c);
        claim.secret = secretOf(c);
        _openLeaves(claim, leafHashes(c), segment);
    }

    function _openLeaves(Claim memory claim, bytes32[] memory leaves, uint32 segment) private pure {
        claim.before = leafAt(claim.commitment, segment);
        claim.beforeProof = Tree.proof(leaves, segment);
        claim.after_ = leafAt(claim.commitment, segment + 1);
        claim.afterProof = Tree.proof(leaves, segment + 1);
    }

    // ---------------------------------------------------------------- signatures and nonces

    function domain() internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Assay"),
                keccak256("1"),
                block.chainid,
                address(rounds)
            )
        );
    }

    function signAs(address signer, bytes32 structHash) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[signer], MessageHashUtils.toTypedDataHash(domain(), structHash));
        return abi.encodePacked(r, s, v);
    }

    function signCommitment(Commitment memory c) internal view returns (bytes memory) {
        return signAs(c.provider, this.hashStruct(c));
    }

    /// `count` signatures of drawn validators, ascending by address.
    function sign(uint256 job, bytes32 structHash, uint256 count) internal view returns (bytes[] memory out) {
        address[] memory drawn_ = jobs.validatorsOf(job);
        for (uint256 i = 0; i < drawn_.length; i++) {
            for (uint256 k = i + 1; k < drawn_.length; k++) {
                if (drawn_[k] < drawn_[i]) (drawn_[i], drawn_[k]) = (drawn_[k], drawn_[i]);
            }
        }
        out = new bytes[](count);
        uint256 made;
        for (uint256 i = 0; i < drawn_.length && made < count; i++) {
            if (drawn_[i] != address(0)) out[made++] = signAs(drawn_[i], structHash);
        }
    }

    function resultSignatures(uint256 job, uint32 generation, uint32 round, uint256 accepted, uint256 included, uint256 count)
        internal
        view
        returns (bytes[] memory)
    {
        return sign(job, resultHash(job, generation, round, accepted, included, servedIn(job, generation, round)), count);
    }

    function resultHash(uint256 job, uint32 generation, uint32 round, uint256 accepted, uint256 included, uint256 served)
        internal
        view
        returns (bytes32)
    {
        bytes32 acceptedHash = keccak256(abi.encodePacked(bits(accepted)));
        bytes32 includedHash = keccak256(abi.encodePacked(bits(included)));
        uint32 drawing = rounds.viewOf(job, generation, round).drawing;
        bytes32 resultRoot = "result";
        return keccak256(
            abi.encode(Hashing.RESULT_TYPE, job, generation, round, drawing, acceptedHash, includedHash, served, resultRoot)
        );
    }

    /// The nonce at a position of a validator's chain for a job, 0 the tip; each is the hash of the next.
    function nonceOf(uint256 job, address validator, uint256 position) internal pure returns (bytes32 nonce) {
        nonce = keccak256(abi.encode("nonce", job, validator));
        for (uint256 i = position; i < CHAIN; i++) nonce = sha256(abi.encode(nonce));
    }

    /// The one that belongs to the present drawing of a round.
    function nonceFor(uint256 job, uint32 generation, uint32 round, address validator) internal view returns (bytes32) {
        address[] memory seats = jobs.validatorsOf(job);
        for (uint256 i = 0; i < seats.length; i++) {
            if (seats[i] != validator) continue;
            (,,, uint256 base) = jobs.seatAt(job, i);
            uint256 drawing = rounds.viewOf(job, generation, round).drawing;
            // Who has enlisted later has no nonce for it, and owes no table.
            return base > drawing ? bytes32(0) : nonceOf(job, validator, drawing + 1 - base);
        }
        return 0;
    }

    // ---------------------------------------------------------------- small things

    function bits(uint256 word) internal pure returns (uint256[] memory out) {
        out = new uint256[](1);
        out[0] = word;
    }

    function skip(uint256 seconds_) internal {
        vm.warp(vm.getBlockTimestamp() + seconds_);
        vm.roll(vm.getBlockNumber() + 1);
    }

    function mine(uint256 blocks) internal {
        vm.roll(vm.getBlockNumber() + blocks);
        vm.warp(vm.getBlockTimestamp() + blocks);
    }

    function phaseOf(uint256 job) internal view returns (JobPhase) {
        return jobs.viewOf(job).phase;
    }

    function free(address account) internal view returns (uint256) {
        return vault.free(token, account);
    }

    function bucket(IVault.Kind kind, uint256 key) internal view returns (uint256) {
        return vault.balance(token, kind, bytes32(key));
    }

    function sumOfBuckets() internal view returns (uint256 sum) {
        for (uint8 kind = 0; kind <= uint8(IVault.Kind.Burned); kind++) sum += vault.total(token, IVault.Kind(kind));
    }

    function held() internal view returns (uint256) {
        return token == address(0) ? address(vault).balance : TestStablecoin(token).balanceOf(address(vault));
    }

    /// Free balance and stake of an account.
    function worth(address account) internal view returns (uint256) {
        return free(account) + stakes.staked(token, account);
    }

    function _account(uint256 key) internal returns (address account) {
        account = vm.addr(key);
        keyOf[account] = key;
        everybody.push(account);
        vm.startPrank(account);
        if (token == address(0)) {
            vm.deal(account, FUNDS);
            vault.deposit{value: FUNDS}(token, FUNDS);
        } else {
            TestStablecoin(token).mint(account, FUNDS);
            TestStablecoin(token).approve(address(vault), FUNDS);
            vault.deposit(token, FUNDS);
        }
        stakes.stake(token, FUNDS / 2);
        vm.stopPrank();
    }

    function _enrol(address account, IStakes.Role role) internal {
        _enrolWith(account, role, uint96(FUNDS / 4));
    }

    /// For any lock and any window.
    function _enrolWith(address account, IStakes.Role role, uint96 weight) internal {
        vm.prank(account);
        stakes.enrol(token, role, weight, type(uint96).max, 1);
    }
}
