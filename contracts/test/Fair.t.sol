// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, Entry, JobPhase, RoundPhase, RoundView, Target, UNSCORED, Windows} from "../src/Types.sol";
import {Claim, IDisputes, Marks} from "../src/interfaces/IDisputes.sol";
import {Demand, Ending} from "../src/interfaces/IGames.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Book} from "../src/jobs/Book.sol";
import {Base} from "./Base.sol";
import {Ledger} from "./Ledger.sol";
import {Plays} from "./Plays.sol";

/// @title The honest against a conspiracy of the consumer, a provider, one validator of three (k - 1 of 2k - 1), two of three
///        aggregators and a challenger with money. The honest act as soon as they may; the conspirators as the fuzzer pleases.
///        In games the honest open what they are asked for, and conspirators sometimes: what they open contradicts itself.
contract Conspiracy is Plays, Ledger {
    uint256 private constant JOBS_MAX = 16;
    bytes32 private constant PEPPER = "pepper";

    address[] public honest;
    address[] public conspirators;
    mapping(address => bool) public isHonest;
    mapping(address => uint256) public least; // what an honest account was worth, at its best
    mapping(uint256 job => mapping(address => bool)) private _claimed;
    mapping(bytes32 key => bool) private _lies; // whether a slot's or an account's work of a round is false
    mapping(bytes32 key => bool) private _noticed; // what the watcher has challenged
    mapping(bytes32 key => bytes32) private _roots; // of the tables of a round: the honest ones', and the conspirator's
    mapping(uint256 dispute => bytes) private _plays; // until it is settled
    uint256 public start; // what the conspirators had
    uint256 public deeds;
    uint256 public caught; // whose rows were false
    uint256 public exposed; // whose score was
    uint256 public beaten; // slots and aggregates
    uint256 public withstood; // games that the honest won against a challenger
    uint256 public roots; // made by a conspirator alone
    uint256 public ends; // likewise
    uint256 public revealed; // by the conspirators' validator
    address private watcher;
    uint256 private job;

    constructor() {
        deploy(false);
        populate(4, 6, 3);
        watcher = _account(0x3A7C);
        draft(3, 3, 2);
        order.lookahead = 1;
        order.redoRounds = 3;
        _programs(3);
        order.windows = Windows({bid: 60, reveal: 60, enlist: 60, train: 100, table: 60, open: 60, aggregate: 80, challenge: 90});
        for (uint256 i = 1; i < 4; i++) honest.push(bidders[i]);
        for (uint256 i = 1; i < 6; i++) honest.push(pool[i]);
        honest.push(aggregators[2]);
        honest.push(watcher);
        for (uint256 i = 0; i < honest.length; i++) {
            isHonest[honest[i]] = true;
            least[honest[i]] = FUNDS;
        }
        for (uint256 i = 0; i < everybody.length; i++) if (!isHonest[everybody[i]]) conspirators.push(everybody[i]);
        start = conspirators.length * FUNDS;
    }

    // ---------------------------------------------------------------- what the fuzzer calls

    function wait(uint256 seed) external {
        for (uint256 i = 0; i < 1 + seed % 4; i++) {
            vm.warp(vm.getBlockTimestamp() + 1 + (seed >> (8 * i + 8)) % 20);
            vm.roll(vm.getBlockNumber() + 1);
            _act();
        }
    }

    function mischief(uint256 seed) external {
        _watched(abi.encodeCall(this.doMischief, (seed)));
        _act();
    }

    function lie(uint256 seed) external {
        _watched(abi.encodeCall(this.doLie, (seed)));
        _act();
    }

    function _watched(bytes memory call) private {
        vm.recordLogs();
        (bool done,) = address(this).call(call);
        if (done) deeds++;
        _read(vm.getRecordedLogs(), address(rounds), address(stakes));
    }

    // ---------------------------------------------------------------- the honest

    function _act() private {
        if (job == 0 || jobs.viewOf(job).ended) {
            if (job != 0) _collect();
            if (jobs.jobCount() == JOBS_MAX) return;
            job = post();
            for (uint256 i = 0; i < 4; i++) sealBid(job, bidders[i], uint128(896 + i));
        }
        for (uint256 i = 0; i < 3; i++) _watched(abi.encodeCall(this.doDuty, ()));
    }

    function _collect() private {
        for (uint256 i = 0; i < everybody.length; i++) {
            try jobs.settleBid(job, everybody[i]) {} catch {}
            if (_claimed[job][everybody[i]]) continue;
            try rounds.claim(job, everybody[i]) {
                _claimed[job][everybody[i]] = true;
            } catch {}
        }
    }

    function doDuty() external {
        JobPhase phase = phaseOf(job);
        if (phase == JobPhase.Bidding) {
            // The conspirator's too, which asks the least.
            for (uint256 i = 0; i < 4; i++) {
                vm.prank(bidders[i]);
                try jobs.revealBid(job, uint128(896 + i), "salt") {} catch {}
            }
            try jobs.close(job) {} catch {}
        } else if (phase == JobPhase.Drawing) {
            jobs.draw(job);
        } else if (phase == JobPhase.Enlisting) {
            address[] memory seats = jobs.validatorsOf(job);
            for (uint256 i = 0; i < seats.length; i++) _enlistHonest(seats[i], i);
            try jobs.start(job) {} catch {}
        } else if (phase == JobPhase.Running || phase == JobPhase.Faulted) {
            _runAll();
            if (rounds.settled(job)) jobs.end(job);
        }
    }

    function _enlistHonest(address account, uint256 index) private {
        (,, uint256 enlistedBlock,) = jobs.seatAt(job, index);
        if ((isHonest[account] || (account == pool[0] && job % 4 != 0)) && enlistedBlock == 0) enlist(job, account);
    }

    function _runAll() private {
        address[] memory seats = jobs.validatorsOf(job);
        for (uint256 i = 0; i < seats.length; i++) _enlistHonest(seats[i], i);
        for (uint256 id = 1; id <= disputes.disputeCount(); id++) if (_plays[id].length != 0) _play(id);
        (, uint32 first, uint32 next) = rounds.progress(job);
        for (uint32 round = first; round < next; round++) {
            try this.doRound(rounds.generationOf(job, round), round) {} catch {}
        }
        uint64[] memory orphans = rounds.orphansOf(job);
        for (uint256 i = 0; i < orphans.length; i++) {
            try this.doRound(uint32(orphans[i] >> 32), uint32(orphans[i])) {} catch {}
        }
    }

    function doRound(uint32 generation, uint32 round) external {
        RoundView memory r = rounds.viewOf(job, generation, round);
        if (r.phase == RoundPhase.Training) _train(r);
        else if (r.phase == RoundPhase.Sampling) _sample(r);
        else if (r.phase == RoundPhase.Opening) _open(r);
        else if (r.phase == RoundPhase.Aggregating) _aggregate(r);
        else if (r.phase == RoundPhase.Challenging) _watch(r);
        r = rounds.viewOf(job, generation, round);
        if (r.phase >= RoundPhase.Opening && r.phase <= RoundPhase.Challenging) {
            _revealAll(r);
            _watchTables(r);
        }
        if (r.phase < RoundPhase.Challenging && block.timestamp >= r.deadline) {
            try rounds.advance(job, generation, round) {} catch {}
        }
    }

    function _key(RoundView memory r, uint256 slot) private view returns (bytes32) {
        return keccak256(abi.encode(job, r.generation, r.round, slot));
    }

    /// Slots that honest providers hold.
    function _honestSlots() private view returns (uint256 slots) {
        address[] memory providers = jobs.providersOf(job);
        for (uint256 i = 0; i < providers.length; i++) if (isHonest[providers[i]]) slots |= 1 << i;
    }

    function _train(RoundView memory r) private {
        uint256 open = jobs.slotsOpen(job)[0];
        for (uint256 slot = 0; slot < 3; slot++) {
            if (!isHonest[jobs.providerAt(job, slot)] && uint256(_key(r, 305)) % 3 == 0) _lies[_key(r, slot)] = true;
        }
        if (isHonest[jobs.aggregatorOf(job)]) {
            // All report to it; the conspirator's slot too, when it likes.
            uint256 here = open & (_honestSlots() | (_lies[_key(r, 100)] ? 0 : 7));
            if (here == open || block.timestamp >= r.openedAt + order.windows.train) commitRoot(r, here);
        } else if (block.timestamp >= r.openedAt + order.windows.train) {
            _enterAll(r);
        }
    }

    function commitRoot(RoundView memory r, uint256 here) private {
        bytes32 root = commitmentRoot(job, r.generation, r.round, here);
        bytes[] memory signatures = _signHonest(rootHash(job, r.generation, r.round, root, here));
        vm.prank(jobs.aggregatorOf(job));
        rounds.commit(job, r.generation, r.round, root, bits(here), signatures);
    }

    function _enterAll(RoundView memory r) private {
        for (uint16 slot = 0; slot < 3; slot++) {
            Commitment memory c = commitmentOf(job, r.generation, r.round, slot);
            if (!isHonest[c.provider]) continue;
            vm.prank(c.provider);
            try rounds.commitSlot(c) {} catch {}
        }
    }

    function _stands(RoundView memory r, uint16 slot) private view returns (bool) {
        Commitment memory c = commitmentOf(job, r.generation, r.round, slot);
        return rounds.standing(c, slotProof(job, r.generation, r.round, r.present[0], slot), signCommitment(c));
    }

    function _sample(RoundView memory r) private {
        // A root that is not what was reported: whoever is left out or misquoted enters before the beacon block.
        if (block.number <= r.beaconBlock) {
            if (r.commitmentRoot != commitmentRoot(job, r.generation, r.round, r.present[0])) _enterAll(r);
            for (uint16 slot = 0; slot < 3; slot++) if ((r.present[0] >> slot) & 1 == 0) _enterAll(r);
            return;
        }
        address[] memory seats = jobs.validatorsOf(job);
        for (uint256 i = 0; i < seats.length; i++) {
            if (_makesTable(r, seats[i]) && (r.tablesCommitted >> i) & 1 == 0) this.trySeal(r, seats[i]);
        }
        _revealAll(r);
    }

    function trySeal(RoundView calldata r, address validator) external {
        bytes32 sealedTable = keccak256(abi.encode(_rootOfTable(r, validator), nonceFor(job, r.generation, r.round, validator), PEPPER));
        vm.prank(validator);
        try rounds.commitTable(job, r.generation, r.round, sealedTable) {} catch {}
    }

    function _revealAll(RoundView memory r) private {
        address[] memory seats = jobs.validatorsOf(job);
        for (uint256 i = 0; i < seats.length; i++) {
            if (!_makesTable(r, seats[i]) || (r.tablesRevealed >> i) & 1 == 1) continue;
            (bytes32 root, bytes32 nonce) = (_rootOfTable(r, seats[i]), nonceFor(job, r.generation, r.round, seats[i]));
            vm.prank(seats[i]);
            try rounds.revealTable(job, r.generation, r.round, root, nonce, PEPPER) {
                if (!isHonest[seats[i]]) revealed++;
            } catch {}
        }
        r.tablesRevealed = rounds.viewOf(job, r.generation, r.round).tablesRevealed;
    }

    /// The second segment of each slot, and the first of one. What the honest find is true, whatever a slot has committed to; what
    /// the conspirator says ends in something else, or begins with another round; or is true.
    function _entries(RoundView memory r, address validator) private view returns (Entry[] memory entries) {
        entries = new Entry[](4);
        for (uint16 slot = 0; slot < 3; slot++) {
            entries[slot] = _trueRow(commitmentOf(job, r.generation, r.round, slot), 1);
            if (_lies[_key(r, slot)]) (entries[slot].startRoot, entries[slot].stateRoot) = (_tuple("derived"), _tuple("and executed"));
        }
        entries[3] = _trueRow(commitmentOf(job, r.generation, r.round, 0), 0);
        if (_lies[_key(r, 0)]) entries[3].stateRoot = _tuple("derived");
        uint256 kind = isHonest[validator] ? 0 : _falsehood(r);
        if (kind == 1) entries[1].stateRoot = _tuple("a false end");
        if (kind == 2) entries[3].startRoot = _tuple("another start");
    }

    /// The conspirator too does what it has to, in most rounds: of a table that is false.
    function _makesTable(RoundView memory r, address validator) private view returns (bool) {
        return isHonest[validator] || (validator == pool[0] && uint256(_key(r, 304)) % 4 != 0);
    }

    function _falsehood(RoundView memory r) private view returns (uint256) {
        return uint256(_key(r, 300)) % 3;
    }

    function _rootOfTable(RoundView memory r, address validator) private returns (bytes32 root) {
        bytes32 key = _key(r, isHonest[validator] ? 302 : 303);
        root = _roots[key];
        if (root == 0) _roots[key] = root = _tableOf(_entries(r, validator));
    }

    /// Whoever has looked at what a conspirator says it has found challenges what is false of it.
    function _watchTables(RoundView memory r) private {
        uint256 kind = _falsehood(r);
        uint256 row = kind == 2 ? 3 : 1;
        if (kind == 0 || rounds.tableRootOf(job, r.generation, r.round, pool[0]) == 0) return;
        if (_noticed[_key(r, 301)] || !_stands(r, kind == 2 ? 0 : 1)) return;
        _notice(r, 301, _rowClaim(job, r.generation, r.round, pool[0], _entries(r, pool[0]), row));
    }

    /// What honest validators find good: it stands, it is true, and its provider has not lost its word.
    function _good(RoundView memory r) private view returns (uint256 slots) {
        for (uint16 slot = 0; slot < 3; slot++) {
            if (rounds.forfeited(job, jobs.providerAt(job, slot))) continue;
            if (_stands(r, slot) && !_lies[_key(r, slot)]) slots |= 1 << slot;
        }
    }

    function _open(RoundView memory r) private {
        _answer(r);
        _revealAll(r);
        // Nobody has to hurry, as long as there is time.
        if (r.deadline > block.timestamp + 45 && uint256(keccak256(abi.encode(block.number, r.round))) % 2 == 0) return;
        uint256 accepted = _good(r);
        bytes32 structHash = resultHash(job, r.generation, r.round, accepted, accepted, r.tablesRevealed);
        try rounds.include(job, r.generation, r.round, bits(accepted), bits(accepted), r.tablesRevealed, "result", _signHonest(structHash)) {}
            catch {}
    }

    /// An honest provider opens what it is called for.
    function _answer(RoundView memory r) private {
        if (r.disputesOpen == 0) return;
        for (uint16 slot = 0; slot < 3; slot++) {
            Commitment memory c = commitmentOf(job, r.generation, r.round, slot);
            if (!isHonest[c.provider]) continue;
            try rounds.revealSecret(c, slotProof(job, r.generation, r.round, r.present[0], slot), openingOf(c)) {} catch {}
        }
    }

    function _aggregate(RoundView memory r) private {
        _answer(r);
        if (!isHonest[jobs.aggregatorOf(job)]) return;
        bytes32 endRoot = endRootOf(r.generation, r.round);
        bytes32 structHash = keccak256(abi.encode(Hashing.AGGREGATE_TYPE, job, r.generation, r.round, endRoot, UNSCORED));
        vm.startPrank(jobs.aggregatorOf(job));
        try rounds.aggregate(job, r.generation, r.round, endRoot, UNSCORED, _signHonest(structHash)) {} catch {}
        vm.stopPrank();
    }

    /// A false end, a false score, and what a lying slot has got into a round are challenged; what stands is made final by
    /// whoever comes.
    function _watch(RoundView memory r) private {
        _answer(r);
        if (r.endRoot != endRootOf(r.generation, r.round)) _notice(r, 200, aggregateClaim(Target.Aggregate, job, r.generation, r.round));
        if (r.score != UNSCORED) _notice(r, 201, aggregateClaim(Target.Score, job, r.generation, r.round));
        for (uint16 slot = 0; slot < 3; slot++) {
            if ((r.included[0] >> slot) & 1 == 0 || !_lies[_key(r, slot)] || !_stands(r, slot)) continue;
            _notice(r, 202 + slot, this.segmentClaim(job, r.generation, r.round, r.present[0], slot, 1));
        }
        try rounds.finalise(job, r.generation, r.round) {} catch {}
    }

    function _notice(RoundView memory r, uint256 what, Claim memory claim) private {
        if (_noticed[_key(r, what)]) return;
        _noticed[_key(r, what)] = true;
        this.challenge(claim, watcher);
    }

    function challenge(Claim calldata claim, address challenger) external {
        _challengeInGame(claim, challenger);
    }

    function _challengeInGame(Claim memory claim, address challenger) private {
        _seal(claim, challenger);
        vm.roll(vm.getBlockNumber() + 1);
        if (claim.target == Target.Aggregate) {
            // Each by itself: of one that has not committed there is none to be shown.
            Commitment memory c = claim.commitment;
            Claim[] memory one = new Claim[](1);
            Claim[] memory all = _emissions(job, c.generation, c.round);
            for (uint256 i = 0; i < all.length; i++) {
                one[0] = all[i];
                try disputes.showUpdates(one) {} catch {}
            }
        }
        try this.tryOpen(claim, challenger) returns (Play memory p) {
            if (disputes.viewOf(p.dispute).outcome == IDisputes.Settlement.Open) _plays[p.dispute] = abi.encode(p);
            else _upheld(claim.target);
        } catch {
            vm.prank(challenger);
            disputes.withdrawChallenge(job, _sealOf(claim, challenger));
        }
    }

    function tryOpen(Claim calldata claim, address challenger) external returns (Play memory) {
        return _open(claim, challenger);
    }

    // ---------------------------------------------------------------- games

    /// The honest move as soon as it is their turn; anybody calls the time, and settles.
    function _play(uint256 id) private {
        Play memory p = abi.decode(_plays[id], (Play));
        if (p.game == 0) {
            try this.doPrepare(id, p) {} catch {}
        } else if (games.endingOf(p.game) == Ending.Open) {
            try games.recall(p.game) {} catch {}
            bool answers = games.viewOf(p.game).demand != Demand.None;
            if (isHonest[answers ? p.accused : p.challenger]) {
                try this.doMove(p) {} catch {}
            }
            try games.timeout(p.game) {} catch {}
        } else if (isHonest[p.accused] && (p.claim.target == Target.Segment || p.claim.target == Target.Emit)) {
            // Where it has come to a fault an honest provider shows its leaves.
            try this.doReveal(p.claim) {} catch {}
        }
        try disputes.settle(id) {
            IDisputes.Settlement outcome = disputes.viewOf(id).outcome;
            if (outcome == IDisputes.Settlement.Upheld) _upheld(p.claim.target);
            if (outcome == IDisputes.Settlement.Dismissed && isHonest[p.accused]) withstood++;
            if (outcome != IDisputes.Settlement.Open) delete _plays[id];
        } catch {}
    }

    function doReveal(Claim memory claim) external {
        _reveal(claim);
    }

    function _upheld(Target about) private {
        if (about == Target.Table) caught++;
        else if (about == Target.Score) exposed++;
        else beaten++;
    }

    /// What comes before a game: an honest aggregator shows the marks, an honest challenger begins.
    function doPrepare(uint256 id, Play memory p) external {
        Commitment memory c = p.claim.commitment;
        RoundView memory r = rounds.viewOf(c.job, c.generation, c.round);
        if (p.claim.target != Target.Score) return;
        if (disputes.marksOf(c.job, c.generation, c.round) == 0) {
            if (isHonest[p.accused]) _showMarks(c.job, c.generation, c.round, _marksOf(r.score));
        } else if (isHonest[p.challenger]) {
            _beginPlay(id, p, r.score);
        }
    }

    function _beginPlay(uint256 id, Play memory p, int64 score) private {
        _beginScore(p, _marksOf(score), 0);
        _plays[id] = abi.encode(p);
    }

    /// A false score is one of seven millionths; what is true here is that no state can be measured.
    function _marksOf(int64 score) private pure returns (Marks memory marks) {
        if (score == UNSCORED) return _impossible(0);
        marks.batches = bytes.concat(_mark(score, 1_000_000, 0), _mark(0, 0, 0), _mark(0, 0, 0));
    }

    /// What whoever answers opens of the first run.
    function _rowsOf(Play memory p) private view returns (bytes32[] memory) {
        bool good = isHonest[p.accused];
        Commitment memory c = p.claim.commitment;
        if (_isOfStep(p.claim.target)) return _rows(good ? 1 : 6, "node");
        if (p.claim.target == Target.Score) return _scoreRows(_batchOf(0, 0), good ? _batchOf(0, 1) : _otherTargets());
        return _row(good ? _end(c.generation, c.round) : _value("false"));
    }

    function _otherTargets() private pure returns (bytes memory y) {
        y = _batchOf(0, 1);
        y[0] = 0x7f;
    }

    /// Whoever is to move opens what it owes, or asks for the rows of the first run, and then shows what is wrong with them. What
    /// conspirators open is never what their claim says.
    function doMove(Play memory p) external {
        Demand demand = games.viewOf(p.game).demand;
        bool good = isHonest[p.accused];
        bool step = _isOfStep(p.claim.target);
        if (demand == Demand.Steps) return _answerSteps(p, _states());
        if (demand == Demand.Rows) return _answerRows(p, 0, _rowsOf(p));
        if (games.rowsOf(games.viewOf(p.game).claim, 0) == 0) return _demandRun(p, 0, step ? _states() : new bytes32[](0));
        // Of a row a fault of the job says nothing; else there is nothing to be shown.
        if (good && p.claim.target == Target.Table && p.dispute % 2 == 0) return _proveSample(p, 1, _rowsOf(p));
        if (good) return _leave(p);
        if (step) return _proveSample(p, 6, _rowsOf(p));
        if (p.claim.target == Target.Score) return _proveHeldOut(p, 1, 0, _otherTargets(), _rowsOf(p));
        _proveOutput(p, _value("false"), _tensorOf(p.a.end));
    }

    function _leave(Play memory p) private {
        vm.prank(p.challenger);
        games.resign(p.game);
    }

    /// Of an end: the true one's or the false one's.
    function _tensorOf(bytes32 end) private view returns (bytes32) {
        for (uint32 round = 0; round < order.rounds; round++) {
            (uint32 newest,,) = rounds.progress(job);
            for (uint32 generation = 0; generation <= newest; generation++) {
                if (end == endRootOf(generation, round)) return _rootOf(_end(generation, round));
            }
        }
        return _rootOf(_value("a false end"));
    }

    function _signHonest(bytes32 structHash) private view returns (bytes[] memory out) {
        address[] memory signers = jobs.validatorsOf(job);
        uint256 count;
        for (uint256 i = 0; i < signers.length; i++) if (isHonest[signers[i]]) signers[count++] = signers[i];
        out = new bytes[](count);
        for (uint256 i = 0; i < count; i++) {
            for (uint256 k = i + 1; k < count; k++) if (signers[k] < signers[i]) (signers[i], signers[k]) = (signers[k], signers[i]);
            out[i] = signAs(signers[i], structHash);
        }
    }

    // ---------------------------------------------------------------- the conspirators

    function _someRound(uint256 dice) private view returns (RoundView memory) {
        (, uint32 first, uint32 next) = rounds.progress(job);
        uint64[] memory orphans = rounds.orphansOf(job);
        uint256 pick = dice % (next - first + orphans.length);
        if (pick < next - first) {
            uint32 round = first + uint32(pick);
            return rounds.viewOf(job, rounds.generationOf(job, round), round);
        }
        uint64 name = orphans[pick - (next - first)];
        return rounds.viewOf(job, uint32(name >> 32), uint32(name));
    }

    /// A provider that does its work falsely, or reports nothing; two roots for a slot.
    function doLie(uint256 seed) external {
        RoundView memory r = _someRound(seed);
        require(r.phase == RoundPhase.Training || seed % 4 == 0, "too late to lie");
        address[] memory providers = jobs.providersOf(job);
        for (uint16 slot = 0; slot < 3; slot++) {
            if (isHonest[providers[slot]]) continue;
            if (r.phase == RoundPhase.Training) {
                if ((seed >> 8) % 3 != 0) _lies[_key(r, slot)] = true;
                if ((seed >> 16) % 4 == 0) _lies[_key(r, 100)] = true;
            }
            Commitment memory c = commitmentOf(job, r.generation, r.round, slot);
            if ((seed >> 24) % 4 == 0) {
                vm.prank(c.provider);
                try rounds.commitSlot(c) {} catch {}
            } else if ((seed >> 24) % 8 == 1) {
                Commitment memory other = commitmentOf(job, r.generation, r.round, slot);
                other.sealedHash = "another";
                rounds.equivocate(c, signCommitment(c), other, signCommitment(other));
            }
        }
    }

    function doMischief(uint256 seed) external {
        uint256 kind = seed % 16;
        uint256 dice = seed >> 16;
        if (kind == 0 && dice % 8 == 0) {
            vm.prank(consumer);
            jobs.cancel(job);
        } else if (kind == 1) {
            address account = conspirators[dice % conspirators.length];
            vm.prank(account);
            stakes.unstake(token, bound(dice >> 16, 0, stakes.available(token, account)));
        } else if (kind == 2 || phaseOf(job) == JobPhase.Enlisting) {
            enlist(job, pool[0]);
        } else if (kind < 6) {
            _hostileAggregator(_someRound(dice), dice >> 16);
        } else if (kind < 10) {
            _hostileValidator(_someRound(dice), dice >> 16);
        } else if (kind == 10) {
            _hostileChallenge(_someRound(dice), dice >> 16);
        } else if (kind < 15) {
            _hostileMove(1 + dice % disputes.disputeCount(), dice >> 16);
        } else {
            _anybody(_someRound(dice), dice >> 16);
        }
    }

    /// Anybody may bring a result; this one has only its own validator's word.
    function _hostileResult(RoundView memory r, uint256 dice) private {
        uint256 accepted = (dice >> 8) & r.present[0];
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signAs(pool[0], resultHash(job, r.generation, r.round, accepted, accepted, r.tablesRevealed));
        rounds.include(job, r.generation, r.round, bits(accepted), bits(accepted), r.tablesRevealed, "result", signatures);
    }

    /// Roots of its own, results of its own, ends of its own; with nobody's word, or with its one validator's.
    function _hostileAggregator(RoundView memory r, uint256 dice) private {
        address aggregator = jobs.aggregatorOf(job);
        require(!isHonest[aggregator], "not ours");
        if (r.phase == RoundPhase.Training) {
            if (dice % 3 == 0) {
                commitRoot(r, jobs.slotsOpen(job)[0]);
            } else {
                // Rarely is it its turn; when it is, it waits as long as it must and no longer.
                uint256 readyAt = r.openedAt + order.windows.train + order.windows.aggregate / 2;
                if (dice % 3 == 1 && vm.getBlockTimestamp() > readyAt - 60) vm.warp(readyAt);
                uint256[] memory present = bits((dice >> 8) & jobs.slotsOpen(job)[0]);
                vm.prank(aggregator);
                rounds.commit(job, r.generation, r.round, bytes32(dice), present, new bytes[](0));
                roots++;
            }
        } else if (r.phase == RoundPhase.Opening) {
            uint256 accepted = (dice >> 8) & r.present[0];
            bytes32 structHash = resultHash(job, r.generation, r.round, accepted, accepted, r.tablesRevealed);
            bytes[] memory signatures = new bytes[](dice % 2);
            if (dice % 2 == 1) signatures[0] = signAs(pool[0], structHash);
            vm.prank(aggregator);
            rounds.include(job, r.generation, r.round, bits(accepted), bits(accepted), r.tablesRevealed, "result", signatures);
        } else {
            bytes32 endRoot = dice % 2 == 0 ? endRootOf(r.generation, r.round) : _tuple(_rootOf(_value("a false end")));
            vm.prank(aggregator);
            rounds.aggregate(job, r.generation, r.round, endRoot, dice % 3 == 0 ? int64(7) : UNSCORED, new bytes[](0));
            ends++;
        }
    }

    function _hostileValidator(RoundView memory r, uint256 dice) private {
        address hostile = pool[0];
        if (r.phase == RoundPhase.Opening && dice % 3 == 0) return _hostileResult(r, dice);
        (bytes32 root, bytes32 nonce) = (_rootOfTable(r, hostile), nonceFor(job, r.generation, r.round, hostile));
        if (r.phase == RoundPhase.Sampling && dice % 8 < 5) {
            if (dice % 8 == 0) nonce = bytes32(dice);
            vm.prank(hostile);
            rounds.commitTable(job, r.generation, r.round, keccak256(abi.encode(root, nonce, PEPPER)));
        } else if (dice % 8 < 3) {
            vm.prank(hostile);
            rounds.revealTable(job, r.generation, r.round, root, nonce, PEPPER);
            revealed++;
        } else if (dice % 8 < 6) {
            uint16 slot = uint16((dice >> 8) % 3);
            Commitment memory c = commitmentOf(job, r.generation, r.round, slot);
            bytes32[] memory proof = slotProof(job, r.generation, r.round, r.present[0], slot);
            bytes memory signature = signCommitment(c);
            vm.prank(hostile);
            rounds.demandSecret(c, proof, signature);
        } else {
            uint16 slot = uint16((dice >> 8) % 3);
            bytes[] memory signatures = new bytes[](1 + (dice >> 16) % 2);
            for (uint256 i = 0; i < signatures.length; i++) {
                signatures[i] = signAs(hostile, keccak256(abi.encode(Hashing.UNSERVED_TYPE, job, r.generation, r.round, slot)));
            }
            rounds.billUnserved(job, r.generation, r.round, slot, signatures);
        }
    }

    function _hostileChallenge(RoundView memory r, uint256 dice) private {
        Claim memory claim = aggregateClaim(dice % 8 == 0 ? Target.Score : Target.Aggregate, job, r.generation, r.round);
        if (dice % 4 != 0) {
            claim = this.segmentClaim(job, r.generation, r.round, r.present[0], uint16((dice >> 8) % 3), uint32((dice >> 16) % SEGMENTS));
            if (dice % 4 == 2) {
                claim = this.segmentClaim(job, r.generation, r.round, r.present[0], uint16((dice >> 8) % 3), SEGMENTS - 1);
                claim.target = Target.Emit;
            } else if (dice % 4 == 3) {
                address validator = jobs.validatorsOf(job)[(dice >> 8) % 3];
                claim = _rowClaim(job, r.generation, r.round, validator, _entries(r, validator), (dice >> 16) % 4);
            }
        }
        this.challenge(claim, conspirators[(dice >> 32) % conspirators.length]);
    }

    /// Leaves, asks, or opens something; or lets its clock run.
    function _hostileMove(uint256 id, uint256 dice) private {
        Play memory p = abi.decode(_plays[id], (Play));
        if (p.game == 0 && p.claim.target == Target.Score) return _hostilePreparation(id, p, dice);
        bool answers = games.viewOf(p.game).demand != Demand.None;
        require(!isHonest[answers ? p.accused : p.challenger], "not ours");
        if (!answers && dice % 4 == 0) _leave(p);
        else this.doMove(p);
    }

    /// Shows what a false score would be made of, or begins; or does not.
    function _hostilePreparation(uint256 id, Play memory p, uint256 dice) private {
        Commitment memory c = p.claim.commitment;
        int64 score = rounds.viewOf(c.job, c.generation, c.round).score;
        bool shown = disputes.marksOf(c.job, c.generation, c.round) != 0;
        require(!isHonest[shown ? p.challenger : p.accused] && dice % 4 != 0, "not ours");
        if (shown) _beginPlay(id, p, score);
        else _showMarks(c.job, c.generation, c.round, _marksOf(score));
    }

    function _anybody(RoundView memory r, uint256 dice) private {
        if (dice % 4 == 0) rounds.penaliseSilent(job, r.generation, r.round, (dice >> 8) % 3);
        else if (dice % 4 == 1) rounds.defaultSecret(job, r.generation, r.round, uint16((dice >> 8) % 3));
        else if (dice % 4 == 2) _advanceAs(conspirators[(dice >> 8) % conspirators.length], r);
        else rounds.proceed(job);
    }

    function _advanceAs(address account, RoundView memory r) private {
        vm.prank(account);
        rounds.advance(job, r.generation, r.round);
    }

    // ---------------------------------------------------------------- what must hold

    /// Free, staked, bonded and earned.
    function wealth(address account) public view returns (uint256 sum) {
        sum = worth(account);
        for (uint256 i = 1; i <= jobs.jobCount(); i++) {
            sum += vault.balance(token, IVault.Kind.Bond, Book.bondKey(i, account));
            if (!_claimed[i][account]) sum += rounds.earned(i, account);
        }
        for (uint256 id = 1; id <= disputes.disputeCount(); id++) {
            if (_plays[id].length == 0 || disputes.viewOf(id).challenger != account) continue;
            sum += vault.balance(token, IVault.Kind.Bond, keccak256(abi.encode("assay.dispute.bond.1", id)));
        }
    }

    function check() external {
        uint256 total;
        for (uint256 i = 0; i < honest.length; i++) {
            uint256 now_ = wealth(honest[i]);
            if (now_ < least[honest[i]]) revert Differ("an honest party lost", now_, least[honest[i]]);
            least[honest[i]] = now_;
            total += now_;
        }
        // The liar, its challenger and its consumer share a purse: what is burned is theirs, and all that the honest gained.
        uint256 theirs = sumOfBuckets() - total - vault.total(token, IVault.Kind.Burned);
        atMost(theirs + vault.burned(token), start, "the conspirators lose at least what is burned");
        equal(sumOfBuckets(), held(), "conserved");
        checkEvents();
    }

    function corners() external view returns (uint256 finals, uint256 rewinds, uint256 played, uint256 burned) {
        for (uint256 i = 1; i <= jobs.jobCount(); i++) {
            (uint32 newest, uint32 first,) = rounds.progress(i);
            finals += first;
            rewinds += newest;
        }
        return (finals, rewinds, disputes.disputeCount(), vault.burned(token));
    }
}

contract FairTest is Base {
    Conspiracy internal play;
    bytes4[] private _selectors;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() external {
        play = new Conspiracy();
        _selectors.push(Conspiracy.wait.selector);
        _selectors.push(Conspiracy.mischief.selector);
        _selectors.push(Conspiracy.mischief.selector);
        _selectors.push(Conspiracy.lie.selector);
        target(address(play));
    }

    function targetSelectors() public view returns (FuzzSelector[] memory out) {
        out = new FuzzSelector[](1);
        out[0] = FuzzSelector(address(play), _selectors);
    }

    function invariant_honestNeverLose() external {
        play.check();
    }

    /// Rounds are finished, liars are caught and burn while it goes on: else nothing were shown.
    function test_conspiracy_isFought_succeeds() external {
        for (uint256 i = 0; i < 1600; i++) {
            uint256 seed = uint256(keccak256(abi.encode("ruse", i)));
            if (i % 8 == 0) play.wait(seed);
            else if (i % 8 == 3) play.lie(seed);
            else play.mischief(seed);
            play.check();
        }
        (uint256 finals, uint256 rewinds, uint256 played, uint256 burned) = play.corners();
        yes(finals > 2, "final rounds");
        yes(rewinds > 1, "rewinds");
        yes(played > 5, "games");
        yes(play.caught() > 0, "false rows");
        yes(play.exposed() > 0, "false scores");
        yes(play.beaten() > 0, "false slots and ends");
        yes(play.withstood() > 0, "games that the honest stood");
        yes(burned > 0, "burned");
        yes(play.deeds() > 50, "deeds");
        yes(play.roots() > 0, "roots made alone");
        yes(play.ends() > 0, "ends made alone");
        yes(play.revealed() > 0, "tables of the conspirator");
    }
}
