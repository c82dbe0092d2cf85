// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, Entry, JobPhase, RoundPhase, Target, TranscriptOpening} from "../src/Types.sol";
import {Claim, Facts, IDisputes, Marks} from "../src/interfaces/IDisputes.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {Meter} from "./Gas.t.sol";
import {Plays} from "./Plays.sol";
import {Tree} from "./Tree.sol";

/// @title What the heaviest transactions cost at the ceilings: 256 providers, 64 validators, four rounds ahead. None may need more
///        than a block admits to one transaction (EIP-7825). Run with --isolate, so that calldata is paid for.
contract CeilingsTest is Plays {
    event Measured(string name, uint256 gas);

    Meter private constant METER = Meter(address(vm));
    uint256 private constant LIMIT = 16_777_216;
    uint16 private constant PROVIDERS = 256;
    uint16 private constant VALIDATORS = 64;
    uint128 private constant CEILING = 100;
    uint256 private constant ALL = type(uint256).max;
    uint96 private constant COST = 256 * 100 + 64 * 10 + 30;

    function _measure(string memory name) private {
        uint256 gas = METER.lastCallGas().gasTotalUsed;
        emit Measured(name, gas);
        atMost(gas, LIMIT, name);
    }

    /// Validators of weights 1 to 16 in a pool of 200, so that most picks are refused; locks that one verdict uses up.
    function setUp() external {
        deploy(false);
        populate(0, 0, 8);
        for (uint256 i = 0; i <= PROVIDERS; i++) bidders.push(_account(0xB000 + i));
        draft(PROVIDERS, VALIDATORS, 8);
        order.priceCeiling = CEILING;
        order.validatorFee = 10;
        order.aggregatorFee = 30;
        (order.providerStake, order.validatorStake, order.aggregatorStake) = (COST, COST, COST);
        order.lookahead = 4;
        for (uint256 i = 0; i < 200; i++) {
            pool.push(_account(0xA000 + i));
            _enrolWith(pool[i], IStakes.Role.Validator, i == 0 ? 16 * COST : COST);
        }
        mine(1);
    }

    function _matched() private returns (uint256 job) {
        job = post();
        // Each bid is lower than all before it: the list moves as a whole.
        for (uint256 i = 0; i <= PROVIDERS; i++) sealBid(job, bidders[i], _price(i));
        skip(order.windows.bid);
        for (uint256 i = 0; i <= PROVIDERS; i++) openBid(job, bidders[i], _price(i));
        _measure("revealBid");
        jobs.close(job);
        _measure("close");
        mine(3);
    }

    function _price(uint256 i) private pure returns (uint128) {
        return uint128(CEILING - (i * CEILING) / 300);
    }

    function _running() private returns (uint256 job) {
        job = _matched();
        for (uint256 calls = 0; phaseOf(job) == JobPhase.Drawing; calls++) {
            yes(calls < 12, "some seats at a time");
            jobs.draw(job);
            _measure("draw");
        }
        address[] memory seats = jobs.validatorsOf(job);
        for (uint256 i = 0; i < seats.length; i++) enlist(job, seats[i]);
        jobs.start(job);
        _measure("start");
    }

    function _commit(uint256 job, uint32 generation, uint32 round) private {
        commitAs(jobs.aggregatorOf(job), job, generation, round, "root", ALL, order.quorum);
        mine(3);
    }

    function _challenging(uint256 job, uint32 generation, uint32 round) private {
        _commit(job, generation, round);
        tables(job, generation, round);
        includeRound(job, generation, round, ALL, ALL);
        _measure("include");
        aggregateRound(job, generation, round);
        _measure("aggregate");
    }

    /// Four rounds stand, a fifth is committed.
    function _ahead(uint256 job) private {
        for (uint32 round = 0; round < 4; round++) _challenging(job, 0, round);
        _commit(job, 0, 4);
    }

    function test_ceilings_match_end_succeeds() external {
        order.rounds = 1;
        uint256 job = _running();
        _challenging(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        _measure("finalise");
        jobs.end(job);
        _measure("end");
        // What the end left is had by each alone.
        uint256 left;
        for (uint256 i = 0; i <= PROVIDERS; i++) if (stakes.locked(token, bidders[i]) != 0) left++;
        equal(left, PROVIDERS - 64, "released by settleBid");
        for (uint256 i = 0; i <= PROVIDERS; i++) {
            if (stakes.locked(token, bidders[i]) == 0) continue;
            jobs.settleBid(job, bidders[i]);
            if (left-- == PROVIDERS - 64) _measure("settleBid");
            equal(stakes.locked(token, bidders[i]), 0, "unlocked");
        }
        equal(left, 0, "each of them");
        for (uint256 i = 0; i < pool.length; i++) equal(stakes.locked(token, pool[i]), 0, "unlocked");
    }

    function test_ceilings_late_succeeds() external {
        uint256 job = _running();
        skip(order.windows.train);
        commitAs(jobs.aggregatorOf(job), job, 0, 0, "root", 1, order.quorum);
        mine(3);
        tables(job, 0, 0);
        includeRound(job, 0, 0, 1, 1);
        _measure("includeLate");
    }

    function test_ceilings_fault_succeeds() external {
        uint256 job = _running();
        _ahead(job);
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(0), bytes32("fault")));
        bytes[] memory signatures = sign(job, structHash, VALIDATORS);
        tables(job, 0, 4);
        rounds.attestFault(job, 0, 0, "fault", signatures);
        _measure("attestFault");
    }

    function test_ceilings_redraw_succeeds() external {
        uint256 job = _running();
        _commit(job, 0, 0);
        skip(order.windows.table);
        rounds.advance(job, 0, 0);
        _measure("redraw");
    }

    function tableRoot(uint256 job, uint32 round) internal view override returns (bytes32) {
        return _tableOf(_rowsOf(job, round));
    }

    /// Begins elsewhere than the round.
    function _rowsOf(uint256 job, uint32 round) private view returns (Entry[] memory entries) {
        entries = new Entry[](1);
        entries[0] = _trueRow(_committed(job, round, 0), 0);
        entries[0].startRoot = "another start";
    }

    function _committed(uint256 job, uint32 round, uint16 slot) private view returns (Commitment memory) {
        return commitmentOf(job, 0, round, slot);
    }

    /// A row of a table of 256 slots' round.
    function test_ceilings_table_succeeds() external {
        uint256 job = _running();
        bytes32[] memory leaves = slotLeaves(job, 0, 0, ALL);
        commitAs(jobs.aggregatorOf(job), job, 0, 0, Tree.root(leaves), ALL, order.quorum);
        mine(3);
        tables(job, 0, 0);
        Claim memory claim;
        claim.target = Target.Table;
        claim.commitment = _committed(job, 0, 0);
        (claim.commitmentProof, claim.signature) = (Tree.proof(leaves, 0), signCommitment(claim.commitment));
        (claim.validator, claim.entry, claim.entryCount) = (jobs.validatorsOf(job)[0], _rowsOf(job, 0)[0], 1);
        Facts memory facts;
        _seal(claim, consumer);
        mine(1);
        vm.prank(consumer);
        disputes.openChallenge(claim, facts, "salt");
        _measure("openTable");
        yes(jobs.validatorsOf(job)[0] != claim.validator, "unseated");
    }

    /// The score of the oldest of five open rounds falls.
    function test_ceilings_rewind_succeeds() external {
        order.stopScore = 950_000;
        uint256 job = _running();
        _ahead(job);
        Play memory p = _challenge(aggregateClaim(Target.Score, job, 0, 0), consumer);
        skip(order.windows.open);
        disputes.settle(p.dispute);
        _measure("settleRewind");
        yes(rounds.viewOf(job, 0, 4).orphan, "rewound");
    }

    /// As many marks as whoever aggregates agrees to show.
    function test_ceilings_marks_succeeds() external {
        uint32 count = 4096;
        _programs(2);
        _holdOut(count * BATCH, "held out");
        order.scoresLoss = true;
        order.stopScore = 950_000;
        uint256 job = _running();
        _commit(job, 0, 0);
        tables(job, 0, 0);
        includeRound(job, 0, 0, ALL, ALL);
        aggregateScored(job, 0, 0, -1_234_568);
        Play memory p = _challenge(aggregateClaim(Target.Score, job, 0, 0), consumer);
        Marks memory marks;
        marks.batches = new bytes(20 * count);
        // Of each batch 16 targets, none of them right, at a loss of 1.2345678 each.
        bytes memory mark = _mark(0, 16, 0x419e0651);
        for (uint256 i = 0; i < marks.batches.length; i++) marks.batches[i] = mark[i % 20];
        _showMarks(job, 0, 0, marks);
        _measure("showMarks4096");
        _beginScore(p, marks, count - 1);
        yes(p.game != 0, "a game");
        Facts memory facts = _evaluate;
        p = _challenge(aggregateClaim(Target.Score, job, 0, 0), consumer);
        vm.prank(consumer);
        disputes.beginScore(p.dispute, facts, marks, 0);
        _measure("beginScore4096");
    }

    // ---------------------------------------------------------------- an aggregate of 256 updates

    /// The last of 258 programs, whose leaves are in five groups.
    function _largest() private returns (Facts memory f) {
        f = _aggregation(PROVIDERS);
        (f.place, f.programCount) = (PROVIDERS + 1, PROVIDERS + 2);
        f.programs = new bytes32[](7);
        (f.programs[0], f.programs[1]) = ("another", _programLeaf(4, PROVIDERS, f));
        for (uint256 group = 0; group < 4; group++) f.programs[2 + group] = bytes32(group);
        f.programs[6] = sha256(abi.encodePacked(bytes1(0x02), uint32(2), f.programs[0], f.programs[1]));
        bytes memory groups;
        for (uint256 group = 0; group < 5; group++) groups = bytes.concat(groups, f.programs[2 + group]);
        order.programs = sha256(abi.encodePacked(bytes1(0x02), uint32(5), groups));
    }

    function _emissionOf(uint256 job, bytes32[] memory leaves, uint16 slot) private view returns (Claim memory claim) {
        Commitment memory c = commitmentOf(job, 0, 0, slot);
        (claim.target, claim.commitment, claim.secret, claim.after_) = (Target.Emit, c, secretOf(c), leafAt(c, SEGMENTS));
        (claim.commitmentProof, claim.signature) = (Tree.proof(leaves, slot), signCommitment(c));
        claim.afterProof = Tree.proof(leafHashes(c), SEGMENTS);
    }

    function _showSixteen(uint256 job, bytes32[] memory leaves, uint16 first) private {
        Claim[] memory claims = new Claim[](16);
        for (uint16 i = 0; i < 16; i++) claims[i] = _emissionOf(job, leaves, first + i);
        disputes.showUpdates(claims);
        _measure("showUpdates16");
    }

    function test_ceilings_aggregate_succeeds() external {
        Facts memory facts = _largest();
        uint256 job = _running();
        bytes32[] memory leaves = slotLeaves(job, 0, 0, ALL);
        commitAs(jobs.aggregatorOf(job), job, 0, 0, Tree.root(leaves), ALL, order.quorum);
        mine(3);
        tables(job, 0, 0);
        includeRound(job, 0, 0, ALL, ALL);
        aggregateRound(job, 0, 0);
        for (uint16 first = 0; first < PROVIDERS; first += 16) _showSixteen(job, leaves, first);
        Play memory p;
        p.claim = aggregateClaim(Target.Aggregate, job, 0, 0);
        _seal(p.claim, consumer);
        mine(1);
        vm.prank(consumer);
        p.dispute = disputes.openChallenge(p.claim, facts, "salt");
        _measure("openAggregate");
        (p.game, p.accused) = (disputes.viewOf(p.dispute).game, disputes.viewOf(p.dispute).accused);
        (p.challenger, p.a) = (consumer, _assertion(p.claim));
        _demandRun(p, 0, new bytes32[](0));
        _measure("demandRun");
        _answerRows(p, 0, _row(_value("false")));
        _measure("answerRows");
        _proveOutput(p, _value("false"), _rootOf(_end(0, 0)));
        _measure("proveOutput");
        disputes.settle(p.dispute);
        _measure("settleAggregate");
        _is(p.dispute, IDisputes.Settlement.Upheld, "disproved");
    }

    // ---------------------------------------------------------------- openings

    function rootOf(Commitment calldata c, TranscriptOpening calldata o) external view returns (bytes32) {
        return Hashing.transcriptRoot(c, o);
    }

    function _opening(uint32 segments, string memory name) private {
        (order.providers, order.validators, order.quorum, order.rounds) = (1, 1, 1, 1);
        order.stepsPerRound = 8 * segments;
        order.windows.train = 1000;
        uint128 worst = order.priceCeiling + order.validatorFee + order.aggregatorFee;
        (order.providerStake, order.validatorStake, order.aggregatorStake) = (worst, worst, worst);
        uint256 job = post();
        sealBid(job, bidders[0], 50);
        skip(order.windows.bid);
        openBid(job, bidders[0], 50);
        jobs.close(job);
        mine(3);
        jobs.draw(job);
        enlist(job, jobs.validatorsOf(job)[0]);
        jobs.start(job);
        TranscriptOpening memory o;
        o.secret = "secret";
        o.updateRoot = keccak256("update");
        o.stateRoots = new bytes32[](segments + 1);
        o.lossBits = new uint32[](segments);
        for (uint256 i = 0; i <= segments; i++) {
            o.stateRoots[i] = keccak256(abi.encode(i));
            if (i > 0) o.lossBits[i - 1] = 0x3f7fffff - uint32(i);
        }
        Commitment memory c = commitmentOf(job, 0, 0, 0);
        c.secretHash = sha256(abi.encode(o.secret));
        c.transcriptRoot = this.rootOf(c, o);
        vm.prank(c.provider);
        rounds.commitSlot(c);
        vm.prank(jobs.aggregatorOf(job));
        rounds.commit(job, 0, 0, "root", bits(0), new bytes[](0));
        mine(3);
        rounds.revealSecret(c, new bytes32[](0), o);
        _measure(name);
    }

    function test_ceilings_opening17_succeeds() external {
        _opening(16, "revealSecret17");
    }

    function test_ceilings_opening257_succeeds() external {
        _opening(256, "revealSecret257");
    }

    function test_ceilings_opening1025_succeeds() external {
        _opening(1024, "revealSecret1025");
    }
}
