// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, Entry, JobPhase, RoundPhase, RoundView, Target, UNSCORED, Windows} from "../src/Types.sol";
import {Value} from "../src/arbiter/Openings.sol";
import {Claim, IDisputes, Marks} from "../src/interfaces/IDisputes.sol";
import {Demand, Ending} from "../src/interfaces/IGames.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Base} from "./Base.sol";
import {Ledger} from "./Ledger.sol";
import {Plays} from "./Plays.sol";
import {Tree} from "./Tree.sol";

/// @title Plays random consumers, providers, validators, aggregators, challengers and time over several jobs at once.
/// @notice Most actions are what somebody would do next; some are late, partial, false or out of turn.
contract Handler is Plays, Ledger {
    uint256 internal constant JOBS_MAX = 10;

    error Panicked(bytes reason);

    uint256 public ownCalls;
    uint256 public refusals;
    uint256 public orphansSeen;
    uint256 public alone; // roots that nobody vouched for
    bool public insolvent; // a bucket that must cover a payment did not
    bool public panicked;
    bytes public lastPanic;
    mapping(uint256 job => uint256) public claimedOf;
    mapping(bytes32 round => bytes32) private _tableRoots;
    mapping(bytes32 round => bytes) private _shownMarks;
    mapping(uint256 dispute => bytes) private _plays;
    mapping(bytes32 round => bool) private _called; // a secret has been called for, which is counted with what is disputed

    constructor() {
        deploy(false);
        populate(5, 7, 3);
        draft(3, 3, 3);
        _programs(3);
        order.reportsMin = 2;
        order.redoRounds = 1;
        order.stopScore = 950_000;
        // Long enough that one job's time does not run out while another is played.
        order.windows =
            Windows({bid: 60, reveal: 500, enlist: 500, train: 200, table: 400, open: 400, aggregate: 400, challenge: 300});
    }

    // ---------------------------------------------------------------- what the fuzzer calls

    function step(uint256 seed) external {
        _try(abi.encodeCall(this.doStep, (seed)));
    }

    function steps(uint256 seed) external {
        for (uint256 i = 0; i < 8; i++) _try(abi.encodeCall(this.doStep, (uint256(keccak256(abi.encode(seed, i))))));
    }

    function odd(uint256 seed) external {
        _try(abi.encodeCall(this.doOdd, (seed)));
    }

    function dispute(uint256 seed) external {
        for (uint256 i = 0; i < 10; i++) _try(abi.encodeCall(this.doDispute, (uint256(keccak256(abi.encode(seed, i))))));
    }

    function duel(uint256 seed) external {
        for (uint256 i = 0; i < 10; i++) _try(abi.encodeCall(this.doDuel, (uint256(keccak256(abi.encode(seed, i))))));
    }

    function wait(uint256 seed) external {
        skip(bound(seed, 1, (seed >> 64) % 6 == 0 ? 150 : 15));
        mine(bound(seed >> 128, 1, 4));
    }

    /// The owner freezes the network for some time, mostly while others go on with what waits for nothing.
    function freeze(uint256 seed) external {
        if (clock.frozenUntil() == 0) {
            try clock.freeze() {} catch {}
        }
        skip(bound(seed, 1, seed % 8 == 0 ? 3 days : 2000));
        if ((seed >> 64) % 4 == 0) this.thaw();
    }

    function thaw() external {
        try clock.thaw() {} catch {}
    }

    function _try(bytes memory call) private {
        ownCalls++;
        vm.recordLogs();
        (bool done, bytes memory reason) = address(this).call(call);
        _read(vm.getRecordedLogs(), address(rounds), address(stakes));
        if (done) return;
        refusals++;
        bytes4 selector = bytes4(reason);
        // A failed assertion or an overflow; a division by zero is this handler's, with nobody to choose from.
        if (selector == 0x4e487b71 && (uint8(reason[35]) == 0x01 || uint8(reason[35]) == 0x11)) {
            panicked = true;
            lastPanic = bytes.concat(reason, call);
        }
        if (selector == IVault.Insufficient.selector) {
            bytes memory rest = new bytes(reason.length - 4);
            for (uint256 i = 0; i < rest.length; i++) rest[i] = reason[i + 4];
            (, IVault.Kind kind,,,) = abi.decode(rest, (address, IVault.Kind, bytes32, uint256, uint256));
            if (kind != IVault.Kind.Free) insolvent = true;
        }
    }

    // ---------------------------------------------------------------- one step of some job

    function doStep(uint256 seed) external {
        if (jobs.jobCount() == 0 || (seed % 32 == 0 && jobs.jobCount() < JOBS_MAX)) return _post();
        uint256 job = 1 + (seed >> 8) % jobs.jobCount();
        uint256 dice = seed >> 32;
        // What has ended is rarely touched again.
        for (uint256 i = 0; i < JOBS_MAX && jobs.viewOf(job).ended && (seed >> 24) % 4 != 0; i++) {
            job = 1 + job % jobs.jobCount();
        }
        if (jobs.viewOf(job).ended && jobs.jobCount() < JOBS_MAX) return _post();
        JobPhase phase = phaseOf(job);
        if (phase == JobPhase.Bidding) _bidding(job, dice);
        else if (phase == JobPhase.Drawing) jobs.draw(job);
        else if (phase == JobPhase.Enlisting) _enlisting(job, dice);
        else if (jobs.viewOf(job).ended) _ended(job, dice);
        else _round(job, dice);
    }

    function _post() private {
        uint256 job = post();
        for (uint256 i = 0; i < 4; i++) _sealAny(job, bidders[(i + job) % bidders.length], (i + job) % bidders.length);
    }

    function _bidding(uint256 job, uint256 dice) private {
        if (clock.time() < jobs.viewOf(job).postedAt + order.windows.bid) {
            if (dice % 5 == 4) skip(order.windows.bid);
            else for (uint256 i = 0; i < 4; i++) _sealAny(job, bidders[(dice + i) % bidders.length], (dice + i) % bidders.length);
            return;
        }
        if (dice % 16 == 15) skip(order.windows.reveal);
        if (dice % 4 == 0) return jobs.close(job);
        for (uint256 i = 0; i < 4; i++) {
            uint256 place = (dice + i) % bidders.length;
            vm.prank(bidders[place]);
            try jobs.revealBid(job, uint128(700 + 37 * place), "salt") {} catch {}
        }
    }

    function _sealAny(uint256 job, address bidder, uint256 place) private {
        vm.prank(bidder);
        try jobs.commitBid(job, keccak256(abi.encode(job, bidder, uint128(700 + 37 * place), bytes32("salt")))) {} catch {}
    }

    function _enlisting(uint256 job, uint256 dice) private {
        address[] memory drawn_ = jobs.validatorsOf(job);
        if (dice % 4 == 0) {
            if (dice % 64 == 0) skip(order.windows.enlist);
            jobs.start(job);
        } else {
            enlist(job, drawn_[dice % drawn_.length]);
        }
    }

    function _ended(uint256 job, uint256 dice) private {
        address account = everybody[dice % everybody.length];
        if (dice % 3 == 0) jobs.settleBid(job, account);
        else claimedOf[job] += rounds.claim(job, account);
    }

    function _round(uint256 job, uint256 dice) private {
        (, uint32 first, uint32 next) = rounds.progress(job);
        uint64[] memory orphans = rounds.orphansOf(job);
        if (orphans.length > 0 && (dice >> 200) % 2 == 0) {
            uint64 name = orphans[dice % orphans.length];
            _orphan(job, uint32(name >> 32), uint32(name), dice >> 8);
            return;
        }
        if (first == next) {
            jobs.end(job);
            return;
        }
        uint32 round = first + uint32(dice % (next - first));
        uint32 generation = rounds.generationOf(job, round);
        RoundPhase phase = rounds.viewOf(job, generation, round).phase;
        dice >>= 8;
        if (phase == RoundPhase.Training) _training(job, generation, round, dice);
        else if (phase == RoundPhase.Sampling) _sampling(job, generation, round, dice);
        else if (phase == RoundPhase.Opening) _opening(job, generation, round, dice);
        else if (phase == RoundPhase.Aggregating) _aggregating(job, generation, round, dice);
        else if (dice % 4 == 0) _late(job, generation, round, order.windows.challenge);
        else rounds.finalise(job, generation, round);
    }

    function _orphan(uint256 job, uint32 generation, uint32 round, uint256 dice) private {
        orphansSeen++;
        if (rounds.viewOf(job, generation, round).phase == RoundPhase.Sampling) _sampling(job, generation, round, dice);
        else _opening(job, generation, round, dice);
    }

    function _training(uint256 job, uint32 generation, uint32 round, uint256 dice) private {
        uint256 open = jobs.slotsOpen(job)[0];
        if (dice % 8 == 0) {
            Commitment memory c = commitmentOf(job, generation, round, uint16(dice % order.providers));
            vm.prank(c.provider);
            rounds.commitSlot(c);
        } else if (dice % 8 == 1) {
            skip(order.windows.train);
            commitRound(job, generation, round, open & (dice >> 8));
        } else if (dice % 8 == 3) {
            _hostileRoot(job, generation, round, dice >> 8);
        } else if (dice % 32 == 2) {
            _late(job, generation, round, order.windows.train + order.windows.aggregate);
        } else {
            commitRound(job, generation, round, open);
        }
    }

    /// An aggregator with a root of its own: too early, in time, or with signatures for something else.
    function _hostileRoot(uint256 job, uint32 generation, uint32 round, uint256 dice) private {
        bytes32 root = keccak256(abi.encode("made up", dice));
        bytes[] memory signatures = new bytes[](0);
        if (dice % 4 == 0) signatures = sign(job, rootHash(job, generation, round, "another", dice & 7), order.quorum);
        else if (dice % 4 < 3) skip(order.windows.train + order.windows.aggregate / 2);
        uint256[] memory present = bits((dice >> 8) & jobs.slotsOpen(job)[0]);
        vm.prank(jobs.aggregatorOf(job));
        rounds.commit(job, generation, round, root, present, signatures);
        alone++;
        mine(3);
    }

    function _sampling(uint256 job, uint32 generation, uint32 round, uint256 dice) private {
        address[] memory drawn_ = jobs.validatorsOf(job);
        address validator = drawn_[dice % drawn_.length];
        (,, uint256 enlistedBlock,) = jobs.seatAt(job, dice % drawn_.length);
        if (enlistedBlock == 0) {
            enlist(job, validator);
        } else if (dice % 16 == 15) {
            _late(job, generation, round, order.windows.table);
        } else if (rounds.viewOf(job, generation, round).tablesCommitted & (1 << (dice % drawn_.length)) == 0) {
            (bytes32 root, bytes32 nonce) = (_tableRoot(job, generation, round), nonceFor(job, generation, round, validator));
            vm.prank(validator);
            rounds.commitTable(job, generation, round, keccak256(abi.encode(root, nonce, bytes32("pepper"))));
        } else {
            _openAny(job, generation, round, validator);
        }
    }

    function _openAny(uint256 job, uint32 generation, uint32 round, address validator) private {
        (bytes32 root, bytes32 nonce) = (_tableRoot(job, generation, round), nonceFor(job, generation, round, validator));
        vm.prank(validator);
        rounds.revealTable(job, generation, round, root, nonce, "pepper");
    }

    /// Of every table of a round: a segment of each slot, and the first from another start.
    function _entries(uint256 job, uint32 generation, uint32 round) private view returns (Entry[] memory entries) {
        entries = new Entry[](4);
        for (uint16 i = 0; i < 3; i++) entries[i] = _trueRow(commitmentOf(job, generation, round, i), i);
        entries[3] = _trueRow(commitmentOf(job, generation, round, 0), 0);
        entries[3].startRoot = _tuple("another start");
    }

    function _tableRoot(uint256 job, uint32 generation, uint32 round) private returns (bytes32 root) {
        root = _tableRoots[_name(job, generation, round)];
        if (root == 0) _tableRoots[_name(job, generation, round)] = root = _tableOf(_entries(job, generation, round));
    }

    function _opening(uint256 job, uint32 generation, uint32 round, uint256 dice) private {
        address[] memory drawn_ = jobs.validatorsOf(job);
        RoundView memory r = rounds.viewOf(job, generation, round);
        if (dice % 16 == 15) {
            _late(job, generation, round, order.windows.open);
        } else if (dice % 2 == 0) {
            _openAny(job, generation, round, drawn_[(dice >> 8) % drawn_.length]);
        } else if (r.optimistic) {
            includeAlone(job, generation, round, r.present[0]);
        } else {
            uint256 accepted = r.present[0] & jobs.slotsOpen(job)[0];
            if (dice % 8 == 1) accepted &= dice >> 16;
            uint256 included = dice % 8 == 3 ? accepted & (dice >> 32) : accepted;
            includeRound(job, generation, round, accepted, included);
        }
    }

    function _aggregating(uint256 job, uint32 generation, uint32 round, uint256 dice) private {
        if (dice % 16 == 15) {
            _late(job, generation, round, order.windows.aggregate);
        } else if (dice % 16 == 14) {
            skip(order.windows.aggregate / 2);
            vm.prank(jobs.aggregatorOf(job));
            rounds.aggregate(job, generation, round, "alone", UNSCORED, new bytes[](0));
        } else if (dice % 32 == 13) {
            vm.prank(jobs.aggregatorOf(job));
            rounds.aggregateFault(job, generation, round, 0, OPERATOR);
        } else {
            // Rarely as good as the job asks for.
            uint256 rest = dice >> 8;
            int64 score = rest % 3 == 0 ? UNSCORED : rest % 16 == 1 ? int64(950_000) : int64(uint64(50_000 * ((rest >> 8) % 17)));
            aggregateScored(job, generation, round, score);
        }
    }

    function _late(uint256 job, uint32 generation, uint32 round, uint256 seconds_) private {
        skip(seconds_);
        vm.prank(stranger);
        rounds.advance(job, generation, round);
    }

    // ---------------------------------------------------------------- what is out of turn

    function doOdd(uint256 seed) external {
        uint256 job = 1 + seed % jobs.jobCount();
        uint256 dice = seed >> 16;
        address account = everybody[(seed >> 32) % everybody.length];
        (, uint32 first, uint32 next) = rounds.progress(job);
        uint32 round = uint32((seed >> 64) % (uint256(next) + 1));
        uint32 generation = rounds.generationOf(job, round);
        uint256 kind = dice % 18;
        if (kind == 0) {
            vm.prank(account);
            stakes.unstake(token, bound(seed >> 96, 0, stakes.available(token, account)));
        } else if (kind == 1) {
            vm.prank(account);
            stakes.release(token);
        } else if (kind == 2) {
            vm.prank(account);
            stakes.stake(token, bound(seed >> 96, 0, free(account)));
        } else if (kind == 3) {
            vm.prank(pool[(seed >> 96) % pool.length]);
            stakes.retire(token, IStakes.Role.Validator);
        } else if (kind == 4) {
            _enrol(pool[(seed >> 96) % pool.length], IStakes.Role.Validator);
        } else if (kind == 5 && seed % 4 == 0) {
            vm.prank(consumer);
            jobs.cancel(job);
        } else if (kind == 6) {
            rounds.penaliseSilent(job, generation, round, (seed >> 96) % order.validators);
        } else if (kind == 7 || kind == 8) {
            _evidence(job, generation, first + uint32((seed >> 96) % (next - first)), uint16((seed >> 128) % order.providers), kind == 7);
        } else if (kind == 9) {
            for (uint16 slot = 0; slot < order.providers; slot++) {
                try rounds.defaultSecret(job, generation, round, slot) {} catch {}
            }
        } else if (kind == 10 && seed % 8 == 0) {
            bytes32 digest = "fault";
            bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, generation, round, digest));
            rounds.attestFault(job, generation, round, "fault", sign(job, structHash, order.quorum));
        } else if (kind == 11) {
            jobs.settleBid(job, account);
        } else if (kind == 12) {
            vault.sweepBurned(token);
        } else if (kind == 13) {
            vm.prank(pool[(seed >> 96) % pool.length]);
            jobs.abstain(job);
        } else if (kind == 14) {
            stakes.purge(token, IStakes.Role.Validator, pool[(seed >> 96) % pool.length]);
        } else if (kind == 15 || kind == 16) {
            (job, generation, round) = _somewhere(seed);
            _bill(job, generation, round, uint16((seed >> 96) % order.providers));
        } else {
            rounds.proceed(job);
        }
    }

    function _bill(uint256 job, uint32 generation, uint32 round, uint16 slot) private {
        bytes32 structHash = keccak256(abi.encode(Hashing.UNSERVED_TYPE, job, generation, round, slot));
        rounds.billUnserved(job, generation, round, slot, sign(job, structHash, order.quorum));
    }

    /// A demand for a secret, answered sometimes; or two signatures for a slot.
    function _evidence(uint256 job, uint32 generation, uint32 round, uint16 slot, bool demand) private {
        generation = rounds.generationOf(job, round);
        Commitment memory c = commitmentOf(job, generation, round, slot);
        bytes memory signature = signCommitment(c);
        if (!demand) {
            Commitment memory other = commitmentOf(job, generation, round, slot);
            other.transcriptRoot = "another";
            bytes memory second = signCommitment(other);
            vm.prank(stranger);
            rounds.equivocate(c, signature, other, second);
            return;
        }
        bytes32[] memory proof = slotProof(job, generation, round, rounds.viewOf(job, generation, round).present[0], slot);
        _called[_name(job, generation, round)] = true;
        vm.prank(jobs.validatorsOf(job)[0]);
        rounds.demandSecret(c, proof, signature);
        if (uint256(c.secretHash) % 3 != 0) rounds.revealSecret(c, proof, openingOf(c));
    }

    // ---------------------------------------------------------------- disputes

    /// Scores, and rows of tables.
    function doDispute(uint256 seed) external {
        if (seed % 4 != 0 && _someDuel(seed)) return;
        (uint256 job, uint32 generation, uint32 round) = _somewhereLate(seed);
        Claim memory claim = aggregateClaim(Target.Score, job, generation, round);
        if (rounds.viewOf(job, generation, round).endRoot == 0 || (seed >> 48) % 2 == 0) {
            for (uint256 i = 0; i < JOBS_MAX && rounds.viewOf(job, generation, round).tablesRevealed == 0; i++) {
                (job, generation, round) = _somewhere(uint256(keccak256(abi.encode(seed, "table", i))));
            }
            claim = _tableClaim(job, generation, round, seed >> 56);
        }
        _dispute(claim, everybody[(seed >> 72) % everybody.length], seed >> 80);
    }

    function _dispute(Claim memory claim, address challenger, uint256 dice) private {
        _seal(claim, challenger);
        mine(1);
        if (dice % 16 == 0) {
            vm.prank(challenger);
            disputes.withdrawChallenge(claim.commitment.job, _sealOf(claim, challenger));
            return;
        }
        Play memory p = _open(claim, challenger);
        if (disputes.viewOf(p.dispute).outcome == IDisputes.Settlement.Open) _plays[p.dispute] = abi.encode(p);
    }

    /// A round of a job that runs, rarely one of the generation before.
    function _somewhere(uint256 seed) private view returns (uint256 job, uint32 generation, uint32 round) {
        job = 1 + (seed >> 16) % jobs.jobCount();
        (, uint32 first, uint32 next) = rounds.progress(job);
        for (uint256 i = 0; i < JOBS_MAX && first == next; i++) {
            job = 1 + job % jobs.jobCount();
            (, first, next) = rounds.progress(job);
        }
        round = first + uint32((seed >> 24) % (next - first));
        generation = rounds.generationOf(job, round);
        if ((seed >> 40) % 8 == 0 && generation > 0) generation--;
    }

    /// Rather where there is an end.
    function _somewhereLate(uint256 seed) private view returns (uint256 job, uint32 generation, uint32 round) {
        (job, generation, round) = _somewhere(seed);
        for (uint256 i = 0; i < JOBS_MAX && rounds.viewOf(job, generation, round).endRoot == 0 && (seed >> 44) % 4 != 0; i++) {
            (job, generation, round) = _somewhere(uint256(keccak256(abi.encode(seed, i))));
        }
    }

    function _slotClaim(Claim memory claim, uint16 slot) private view returns (Claim memory) {
        Commitment memory c = claim.commitment;
        uint256 present = rounds.viewOf(c.job, c.generation, c.round).present[0];
        return this.segmentClaim(c.job, c.generation, c.round, present, slot, SEGMENTS - 1);
    }

    function _tableClaim(uint256 job, uint32 generation, uint32 round, uint256 dice) private view returns (Claim memory) {
        address[] memory drawn_ = jobs.validatorsOf(job);
        address accused;
        for (uint256 i = 0; i < drawn_.length && accused == address(0); i++) {
            address validator = drawn_[(dice + i) % drawn_.length];
            if (rounds.tableRootOf(job, generation, round, validator) != 0) accused = validator;
        }
        return _rowClaim(job, generation, round, accused, _entries(job, generation, round), (dice >> 8) % 16 == 0 ? 3 : (dice >> 8) % 3);
    }

    // ---------------------------------------------------------------- games

    /// Slots and aggregates.
    function doDuel(uint256 seed) external {
        if (seed % 4 != 0 && _someDuel(seed)) return;
        (uint256 job, uint32 generation, uint32 round) = _somewhereLate(seed);
        Claim memory claim = aggregateClaim(Target.Aggregate, job, generation, round);
        if (claim.commitment.transcriptRoot != 0 && (seed >> 48) % 4 != 0) {
            _show(job, generation, round);
        } else {
            claim = _slotClaim(claim, uint16((seed >> 56) % order.providers));
            if ((seed >> 64) % 2 == 0) claim.target = Target.Emit;
        }
        _dispute(claim, everybody[(seed >> 72) % everybody.length], seed >> 80);
    }

    /// One that is not settled, if there is any.
    function _someDuel(uint256 seed) private returns (bool) {
        uint256 count = disputes.disputeCount();
        if (count == 0) return false;
        uint256 id = 1 + (seed >> 8) % count;
        for (uint256 i = 0; i < count && _plays[id].length == 0; i++) id = 1 + id % count;
        if (_plays[id].length == 0) return false;
        _duel(id, seed >> 32);
        return true;
    }

    /// Whoever is to move moves, leaves, or lets its clock run; then it is settled, if it can be.
    function _duel(uint256 id, uint256 dice) private {
        Play memory p = abi.decode(_plays[id], (Play));
        if (p.game == 0) {
            try this.doPrepare(p, dice >> 8) {} catch {}
        } else if (games.endingOf(p.game) == Ending.Open) {
            if (dice % 64 == 0) skip(order.windows.table + order.windows.open + 1);
            try games.recall(p.game) {} catch {}
            try games.timeout(p.game) {} catch {}
            try this.doMove(p, dice >> 8) {} catch {}
        } else if (dice % 32 == 0) {
            skip(order.windows.challenge);
        }
        try disputes.settle(id) {} catch {}
        if (disputes.viewOf(id).outcome != IDisputes.Settlement.Open) delete _plays[id];
    }

    /// What is waited for before a game comes, or does not.
    function doPrepare(Play memory p, uint256 dice) external {
        Commitment memory c = p.claim.commitment;
        bytes32 name = _name(c.job, c.generation, c.round);
        if (dice % 8 == 0) skip(order.windows.open);
        if (p.claim.target != Target.Score) return;
        if (disputes.marksOf(c.job, c.generation, c.round) == 0) {
            Marks memory marks = _marksOf(rounds.viewOf(c.job, c.generation, c.round).score, dice >> 8);
            _showMarks(c.job, c.generation, c.round, marks);
            _shownMarks[name] = abi.encode(marks);
        } else {
            Marks memory marks = abi.decode(_shownMarks[name], (Marks));
            _beginScore(p, marks, marks.batches.length > 20 ? uint32((dice >> 8) % 3) : marks.first);
            _plays[p.dispute] = abi.encode(p);
        }
    }

    /// What a score is made of; of none: a fault, or what no batch can come to.
    function _marksOf(int64 score, uint256 dice) private pure returns (Marks memory marks) {
        if (score == UNSCORED && dice % 2 == 0) return _impossible(uint32(dice >> 8) % 3);
        if (score != UNSCORED && score < 950_000) return _marks(score / 50_000);
        if (score != UNSCORED) marks.batches = bytes.concat(_mark(16, 16, 0), _mark(16, 16, 0), _mark(6, 8, 0));
        else (marks.first, marks.fault) = (2, Hashing.faultDigest(2, 0, OPERATOR));
    }

    /// Of an evaluation's run, as they should be, or with another target.
    function _rowsOfScore(Play memory p, bool good) private pure returns (bytes32[] memory) {
        return _scoreRows(_batchOf(p.a.feed.firstStep, 0), _targets(p, good));
    }

    function _targets(Play memory p, bool good) private pure returns (bytes memory y) {
        y = _batchOf(p.a.feed.firstStep, 1);
        if (!good) y[0] = 0x7f;
    }

    /// Rows sometimes show a lie, and rarely the job's fault is pointed at.
    function doMove(Play memory p, uint256 dice) external {
        Demand demand = games.viewOf(p.game).demand;
        Target about = p.claim.target;
        if (demand == Demand.Steps) return _answerSteps(p, _states());
        if (demand == Demand.Rows) {
            bytes32[] memory rows = _isOfStep(about) ? _rows(dice % 3 == 0 ? 6 : 1, "node") : _row(_value("false"));
            if (about == Target.Score) rows = _rowsOfScore(p, dice % 3 != 0);
            if (about == Target.Aggregate && dice % 3 != 0) {
                rows = _row(_end(p.claim.commitment.generation, p.claim.commitment.round));
            }
            return _answerRows(p, 0, rows);
        }
        if (demand == Demand.State) return _answerFault(p, _rowsOfScore(p, true));
        if (dice % 8 == 0) {
            vm.prank(p.challenger);
            games.resign(p.game);
        } else if (about == Target.Score && dice % 8 == 1) {
            vm.prank(p.challenger);
            games.demandState(p.game, 0, 0);
        } else if (games.rowsOf(games.viewOf(p.game).claim, 0) == 0) {
            _demandRun(p, 0, _isOfStep(about) ? _states() : new bytes32[](0));
            if (about == Target.Emit && dice % 4 == 1) skip(order.windows.table + order.windows.open + 1);
        } else {
            this.doProve(p, dice % (about == Target.Table ? 12 : 32) == 1);
        }
    }

    function doProve(Play memory p, bool fault) external {
        if (_isOfStep(p.claim.target)) return _proveSample(p, fault ? 1 : 6, _rows(fault ? 1 : 6, "node"));
        if (p.claim.target == Target.Score) return _proveScore(p, fault);
        Value memory end = _end(p.claim.commitment.generation, p.claim.commitment.round);
        bytes32 rows = games.rowsOf(games.viewOf(p.game).claim, 0);
        Value memory given = rows == _rootOf(end) ? end : _value("false");
        if (fault) _proveFault(p, given);
        else if (p.claim.target == Target.Aggregate) _proveOutput(p, given, _rootOf(end));
    }

    function _proveScore(Play memory p, bool fault) private {
        bytes32[] memory rows = _rowsOfScore(p, true);
        bool good = games.rowsOf(games.viewOf(p.game).claim, 0) == Tree.root(rows);
        if (!good) rows = _rowsOfScore(p, false);
        if (fault) _proveFaultIn(p, _value("counted"), rows);
        else _proveHeldOut(p, 1, 0, _targets(p, good), rows);
    }

    function _name(uint256 job, uint32 generation, uint32 round) private pure returns (bytes32) {
        return keccak256(abi.encode(job, generation, round));
    }

    // ---------------------------------------------------------------- what must hold

    /// Every bond is where it was set aside until its game is settled, and nowhere after.
    function checkBonds() external view {
        for (uint256 id = 1; id <= disputes.disputeCount(); id++) {
            IDisputes.ChallengeView memory d = disputes.viewOf(id);
            bool open = d.outcome == IDisputes.Settlement.Open;
            uint256 bond = bucket(IVault.Kind.Bond, uint256(keccak256(abi.encode("assay.dispute.bond.1", id))));
            equal(bond, open ? disputes.bondOf(d.job) : 0, "a dispute's bond");
        }
    }

    function _checkOpen(uint256 job, RoundView memory r, uint256 count) private view {
        if (_called[_name(job, r.generation, r.round)]) atMost(count, r.disputesOpen, "all that is disputed is counted");
        else equal(r.disputesOpen, count, "what is counted is disputed");
        if (r.phase == RoundPhase.Final) equal(r.disputesOpen, 0, "nothing final is disputed");
    }

    /// Disputes that are not over, by generation and round.
    function _openIn(uint256 job, uint32 newest) private view returns (uint256[] memory open) {
        open = new uint256[]((newest + 1) * order.rounds);
        for (uint256 id = 1; id <= disputes.disputeCount(); id++) {
            IDisputes.ChallengeView memory d = disputes.viewOf(id);
            if (d.job == job && d.outcome == IDisputes.Settlement.Open) open[d.generation * order.rounds + d.round]++;
        }
    }

    function checkConserved() external view {
        equal(sumOfBuckets(), held(), "vault = sum of its buckets");
        yes(!insolvent, "a bucket did not cover what it owes");
        if (panicked) revert Panicked(lastPanic);
        checkEvents();
    }

    function checkLocks() external view {
        for (uint256 i = 0; i < everybody.length; i++) {
            address account = everybody[i];
            uint256 sum;
            for (uint256 job = 1; job <= jobs.jobCount(); job++) {
                IStakes.Lock memory held_ = stakes.lockOf(jobs.obligation(job, account));
                if (held_.account != address(0) && !held_.released) sum += held_.amount;
            }
            equal(stakes.locked(token, account), sum, "locked = sum of live locks");
            atMost(sum, stakes.staked(token, account), "locks <= stake");
            (uint256 leaving,) = stakes.unbonding(token, account);
            atMost(leaving, stakes.staked(token, account), "unbonding <= stake");
        }
    }

    /// What is paid and what is disputed, round by round.
    function checkRounds() external view {
        for (uint256 job = 1; job <= jobs.jobCount(); job++) {
            uint256 sum;
            for (uint256 i = 0; i < everybody.length; i++) sum += rounds.earned(job, everybody[i]);
            equal(bucket(IVault.Kind.Credit, job), sum - claimedOf[job], "credit = earned - claimed");
            (uint32 newest, uint32 first, uint32 next) = rounds.progress(job);
            (,, bool ended) = jobs.phaseOf(job);
            if (!ended) {
                uint256 open = uint256(next - first) + rounds.orphansOf(job).length;
                atMost(open * rounds.roundCost(job), bucket(IVault.Kind.Escrow, job), "reserve covers open rounds and orphans");
            }
            uint256 orphans;
            uint256[] memory disputed = _openIn(job, newest);
            for (uint32 round = 0; round < order.rounds; round++) {
                uint256 finals;
                for (uint32 generation = 0; generation <= newest; generation++) {
                    RoundView memory r = rounds.viewOf(job, generation, round);
                    if (r.phase == RoundPhase.Final) finals++;
                    _checkOpen(job, r, disputed[generation * order.rounds + round]);
                    if (r.orphan) {
                        orphans++;
                        yes(r.phase == RoundPhase.Sampling || r.phase == RoundPhase.Opening, "an orphan leads nowhere");
                    } else if (generation != rounds.generationOf(job, round)) {
                        yes(r.phase == RoundPhase.Void || r.phase == RoundPhase.None, "only the live generation lives");
                    }
                }
                equal(finals, round < first ? 1 : 0, "final once, in order");
            }
            equal(orphans, rounds.orphansOf(job).length, "every orphan is counted");
        }
    }

    /// Of how many disputes this came.
    function settled(IDisputes.Settlement outcome, Target about) external view returns (uint256 count) {
        for (uint256 id = 1; id <= disputes.disputeCount(); id++) {
            IDisputes.ChallengeView memory d = disputes.viewOf(id);
            if (d.outcome == outcome && d.target == about) count++;
        }
    }

    function corners() external view returns (uint256 finals, uint256 voids) {
        for (uint256 job = 1; job <= jobs.jobCount(); job++) {
            (uint32 newest, uint32 first,) = rounds.progress(job);
            finals += first;
            voids += newest;
        }
    }

    /// Whatever happened, somebody without any role brings every job to its end by time alone, and everything is given back.
    function exitAll() external {
        // A freeze is no exception: it ends by itself.
        uint256 until = clock.frozenUntil();
        if (until != 0) vm.warp(until);
        for (uint256 job = 1; job <= jobs.jobCount(); job++) {
            for (uint256 i = 0; i < 80 && !jobs.viewOf(job).ended; i++) _push(job);
            yes(jobs.viewOf(job).ended, "no exit");
            for (uint256 i = 0; i < everybody.length; i++) {
                _settle(job, everybody[i]);
                try rounds.claim(job, everybody[i]) {} catch {}
            }
            equal(bucket(IVault.Kind.Credit, job), 0, "credit left");
            equal(bucket(IVault.Kind.Escrow, job), 0, "escrow left");
        }
        for (uint256 i = 0; i < everybody.length; i++) equal(stakes.locked(token, everybody[i]), 0, "lock left");
        equal(vault.total(token, IVault.Kind.Bond), 0, "bond left");
        equal(sumOfBuckets(), held(), "conserved at the end");
    }

    function _settle(uint256 job, address account) private {
        try jobs.settleBid(job, account) {} catch {}
    }

    function _push(uint256 job) private {
        skip(1 hours);
        mine(3);
        JobPhase phase = phaseOf(job);
        if (phase == JobPhase.Bidding) return jobs.close(job);
        if (phase == JobPhase.Drawing) return jobs.draw(job);
        if (phase == JobPhase.Enlisting) return jobs.start(job);
        for (uint256 id = 1; id <= disputes.disputeCount(); id++) {
            uint256 game = disputes.viewOf(id).game;
            try games.recall(game) {} catch {}
            try games.timeout(game) {} catch {}
            try disputes.settle(id) {} catch {}
        }
        (uint32 newest, uint32 first, uint32 next) = rounds.progress(job);
        for (uint32 generation = 0; generation <= newest; generation++) {
            for (uint32 round = 0; round < order.rounds; round++) {
                for (uint16 slot = 0; slot < order.providers; slot++) {
                    try rounds.defaultSecret(job, generation, round, slot) {} catch {}
                }
            }
        }
        uint64[] memory orphans = rounds.orphansOf(job);
        for (uint256 i = 0; i < orphans.length; i++) {
            try rounds.advance(job, uint32(orphans[i] >> 32), uint32(orphans[i])) {} catch {}
        }
        for (uint32 round = first; round < next; round++) {
            uint32 generation = rounds.generationOf(job, round);
            try rounds.finalise(job, generation, round) {} catch {}
            try rounds.advance(job, generation, round) {} catch {}
        }
        try jobs.end(job) {} catch {}
    }
}

contract InvariantTest is Base {
    uint256 private constant TREKS = 4;
    Handler internal handler;
    bytes4[] private _selectors;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() external {
        handler = new Handler();
        _selectors.push(Handler.step.selector);
        _selectors.push(Handler.steps.selector);
        _selectors.push(Handler.steps.selector);
        _selectors.push(Handler.odd.selector);
        _selectors.push(Handler.dispute.selector);
        _selectors.push(Handler.duel.selector);
        _selectors.push(Handler.wait.selector);
        _selectors.push(Handler.freeze.selector);
        _selectors.push(Handler.thaw.selector);
        target(address(handler));
    }

    function targetSelectors() public view returns (FuzzSelector[] memory out) {
        out = new FuzzSelector[](1);
        out[0] = FuzzSelector(address(handler), _selectors);
    }

    function invariant_everythingHolds() external view {
        handler.checkConserved();
        handler.checkLocks();
        handler.checkRounds();
        handler.checkBonds();
    }

    function afterInvariant() external {
        handler.exitAll();
    }

    /// The handler does reach the end of jobs, verdicts and voids: a walk that never leaves the market would prove nothing.
    function test_handler_reachesEveryCorner_succeeds() external {
        uint256[6][5] memory came;
        uint256[5] memory seen;
        for (uint256 trek = 0; trek < TREKS; trek++) {
            if (trek > 0) handler = new Handler();
            _walk(trek);
            (uint256 finals, uint256 voids) = handler.corners();
            (seen[0], seen[1], seen[2]) = (seen[0] + finals, seen[1] + voids, seen[2] + handler.orphansSeen());
            (seen[3], seen[4]) = (seen[3] + handler.alone(), seen[4] + handler.bills());
            for (uint256 i = 0; i < 5; i++) {
                for (uint256 k = 0; k < 6; k++) came[i][k] += handler.settled(IDisputes.Settlement(k), Target(i));
            }
            handler.exitAll();
        }
        yes(seen[0] > 3, "final rounds");
        yes(seen[1] > 0, "void rounds");
        yes(seen[2] > 0, "orphans");
        yes(seen[3] > 0, "roots that nobody vouched for");
        yes(seen[4] > 0, "bills");
        string[5] memory names = ["slots", "updates", "rows", "aggregates", "scores"];
        for (uint256 i = 0; i < 5; i++) {
            yes(came[i][uint256(IDisputes.Settlement.Upheld)] > 0, string.concat(names[i], " that were disproved"));
            yes(came[i][uint256(IDisputes.Settlement.Dismissed)] > 0, string.concat(names[i], " that stood"));
        }
        yes(came[uint256(Target.Table)][uint256(IDisputes.Settlement.Moot)] > 0, "rows of which nothing is said");
    }

    function _walk(uint256 trek) private {
        for (uint256 i = 0; i < 1200; i++) {
            uint256 seed = uint256(keccak256(abi.encode("trek", trek, i)));
            if (i % 16 == 4) handler.duel(seed);
            else if (i % 8 == 5) handler.dispute(seed);
            else if (i % 8 == 6) handler.odd(seed);
            else if (i % 8 == 7) handler.wait(seed);
            else handler.steps(seed);
            if (i % 100 == 50) handler.freeze(seed);
            else if (i % 100 == 53) handler.thaw();
        }
        handler.checkConserved();
        handler.checkLocks();
        handler.checkRounds();
        handler.checkBonds();
    }
}
