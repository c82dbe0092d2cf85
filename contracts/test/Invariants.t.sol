// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, Entry, JobPhase, RoundPhase, RoundView, Target, UNSCORED, Windows} from "../src/Types.sol";
import {Value} from "../src/arbiter/Openings.sol";
import {IDisputes} from "../src/interfaces/IDisputes.sol";
import {Demand, Ending} from "../src/interfaces/IGames.sol";
import {IRerun} from "../src/interfaces/IRerun.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Base} from "./Base.sol";
import {Ledger} from "./Ledger.sol";
import {Plays} from "./Plays.sol";

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
    mapping(uint256 dispute => mapping(address => bytes32)) private _votes;

    mapping(uint256 dispute => bytes) private _plays;
    mapping(bytes32 round => bool) private _called; // a secret has been called for, which is counted with what is disputed

    Entry private _entry = Entry(0, 0, "row"); // of every table
    bytes32 private _root;

    constructor() {
        deploy(false);
        populate(5, 7, 3);
        draft(3, 3, 3);
        _root = Hashing.tableRoot(1, Hashing.leafHash(abi.encode(Hashing.ENTRY, _entry.slot, _entry.segment, _entry.digest)));
        _programs(3);
        order.reportsMin = 2;
        order.redoRounds = 1;
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
        for (uint256 i = 0; i < 6; i++) _try(abi.encodeCall(this.doDispute, (uint256(keccak256(abi.encode(seed, i))))));
    }

    function duel(uint256 seed) external {
        for (uint256 i = 0; i < 6; i++) _try(abi.encodeCall(this.doDuel, (uint256(keccak256(abi.encode(seed, i))))));
    }

    function wait(uint256 seed) external {
        skip(bound(seed, 1, (seed >> 64) % 6 == 0 ? 150 : 15));
        mine(bound(seed >> 128, 1, 4));
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
        if (block.timestamp < jobs.viewOf(job).postedAt + order.windows.bid) {
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
            bytes32 nonce = nonceFor(job, generation, round, validator);
            vm.prank(validator);
            rounds.commitTable(job, generation, round, keccak256(abi.encode(_root, nonce, bytes32("pepper"))));
        } else {
            _openAny(job, generation, round, validator);
        }
    }

    function _openAny(uint256 job, uint32 generation, uint32 round, address validator) private {
        bytes32 nonce = nonceFor(job, generation, round, validator);
        vm.prank(validator);
        rounds.revealTable(job, generation, round, _root, nonce, "pepper");
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
        } else {
            aggregateRound(job, generation, round);
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

    function doDispute(uint256 seed) external {
        uint256 count = rerun.disputeCount();
        if (count > 0 && seed % 4 != 0) {
            uint256 id = 1 + (seed >> 8) % count;
            if (rerun.viewOf(id).outcome == IRerun.Outcome.Open) {
                _judge(id, seed >> 32);
                return;
            }
        }
        (uint256 job, uint32 generation, uint32 round) = _somewhere(seed);
        IRerun.Claim memory claim = aggregateClaim(Target.Score, job, generation, round);
        if (rounds.viewOf(job, generation, round).endRoot == 0 || (seed >> 48) % 2 == 0) claim = _tableClaim(claim, (seed >> 56) % order.validators);
        address challenger = everybody[(seed >> 72) % everybody.length];
        bytes32 sealedChallenge = _sealOf(claim, challenger);
        vm.prank(challenger);
        rerun.commitChallenge(job, sealedChallenge);
        mine(1);
        vm.prank(challenger);
        rerun.openChallenge(claim, "salt");
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

    function _slotClaim(IRerun.Claim memory claim, uint16 slot) private view returns (IRerun.Claim memory) {
        Commitment memory c = claim.commitment;
        uint256 present = rounds.viewOf(c.job, c.generation, c.round).present[0];
        return this.segmentClaim(c.job, c.generation, c.round, present, slot, SEGMENTS - 1);
    }

    function _tableClaim(IRerun.Claim memory claim, uint256 validatorIndex) private view returns (IRerun.Claim memory full) {
        full = _slotClaim(claim, _entry.slot);
        full.target = Target.Table;
        address[] memory drawn_ = jobs.validatorsOf(claim.commitment.job);
        for (uint256 i = 0; i < drawn_.length && full.validator == address(0); i++) {
            address validator = drawn_[(validatorIndex + i) % drawn_.length];
            bytes32 root = rounds.tableRootOf(claim.commitment.job, claim.commitment.generation, claim.commitment.round, validator);
            if (root != 0) full.validator = validator;
        }
        full.entry = _entry;
        full.entryCount = 1;
    }

    /// Voters find the claim true, false, or that nobody was served; some are silent.
    function _judge(uint256 id, uint256 dice) private {
        address[] memory voters = rerun.votersOf(id);
        IRerun.DisputeView memory d = rerun.viewOf(id);
        if (d.committed == 0 && block.timestamp < d.commitDeadline) {
            uint256 kind = dice % 16;
            bytes32 digest = kind == 0 ? Hashing.unservedDigest() : kind < 10 ? bytes32("another") : d.claimed;
            bool split = kind > 12;
            for (uint256 i = 0; i < voters.length; i++) {
                bytes32 found = split ? bytes32(i + 1) : (dice >> (8 * i)) % 16 == 15 ? bytes32(i + 1) : digest;
                _votes[id][voters[i]] = found;
                if ((dice >> (8 * i)) % 32 == 30) continue;
                vm.prank(voters[i]);
                rerun.vote(id, keccak256(abi.encode(id, voters[i], found, bytes32("pepper"))));
            }
            return;
        }
        if (dice % 4 == 0) skip(order.windows.table);
        for (uint256 i = 0; i < voters.length; i++) {
            if ((dice >> (8 * i)) % 32 == 29) continue;
            vm.prank(voters[i]);
            try rerun.revealVote(id, _votes[id][voters[i]], "pepper") {} catch {}
        }
        if (dice % 4 == 0) skip(order.windows.open);
        rerun.decide(id);
    }

    // ---------------------------------------------------------------- games

    function doDuel(uint256 seed) external {
        uint256 count = disputes.disputeCount();
        if (count > 0 && seed % 4 != 0) {
            uint256 id = 1 + (seed >> 8) % count;
            for (uint256 i = 0; i < count && _plays[id].length == 0; i++) id = 1 + id % count;
            if (_plays[id].length != 0) return _duel(id, seed >> 32);
        }
        (uint256 job, uint32 generation, uint32 round) = _somewhere(seed);
        // Rather where there is an end.
        for (uint256 i = 0; i < JOBS_MAX && rounds.viewOf(job, generation, round).endRoot == 0 && (seed >> 44) % 4 != 0; i++) {
            (job, generation, round) = _somewhere(uint256(keccak256(abi.encode(seed, i))));
        }
        IRerun.Claim memory claim = aggregateClaim(Target.Aggregate, job, generation, round);
        if (claim.commitment.transcriptRoot != 0 && (seed >> 48) % 4 != 0) {
            _show(job, generation, round);
        } else {
            claim = _slotClaim(claim, uint16((seed >> 56) % order.providers));
            if ((seed >> 64) % 2 == 0) claim.target = Target.Emit;
        }
        address challenger = everybody[(seed >> 72) % everybody.length];
        _seal(claim, challenger);
        mine(1);
        if ((seed >> 80) % 16 == 0) {
            vm.prank(challenger);
            disputes.withdrawChallenge(job, _sealOf(claim, challenger));
            return;
        }
        Play memory p = _open(claim, challenger);
        _plays[p.dispute] = abi.encode(p);
    }

    /// Whoever is to move moves, leaves, or lets its clock run; then it is settled, if it can be.
    function _duel(uint256 id, uint256 dice) private {
        Play memory p = abi.decode(_plays[id], (Play));
        if (games.endingOf(p.game) == Ending.Open) {
            if (dice % 8 == 0) skip(order.windows.table + order.windows.open + 1);
            try games.recall(p.game) {} catch {}
            try games.timeout(p.game) {} catch {}
            try this.doMove(p, dice >> 8) {} catch {}
        } else if (dice % 8 == 0) {
            skip(order.windows.challenge);
        }
        try disputes.settle(id) {} catch {}
        if (disputes.viewOf(id).outcome != IDisputes.Settlement.Open) delete _plays[id];
    }

    /// Rows sometimes show a lie, and rarely the job's fault is pointed at.
    function doMove(Play memory p, uint256 dice) external {
        Demand demand = games.viewOf(p.game).demand;
        Target about = p.claim.target;
        if (demand == Demand.Steps) return _answerSteps(p, _states());
        if (demand == Demand.Rows) {
            bytes32[] memory rows = about == Target.Segment ? _rows(dice % 3 == 0 ? 6 : 1, "node") : _row(_value("false"));
            if (about == Target.Aggregate && dice % 3 != 0) {
                rows = _row(_end(p.claim.commitment.generation, p.claim.commitment.round));
            }
            return _answerRows(p, 0, rows);
        }
        if (dice % 4 == 0) {
            vm.prank(p.challenger);
            games.resign(p.game);
        } else if (games.rowsOf(games.viewOf(p.game).claim, 0) == 0) {
            _demandRun(p, 0, about == Target.Segment ? _states() : new bytes32[](0));
            if (about == Target.Emit && dice % 2 == 0) skip(order.windows.table + order.windows.open + 1);
        } else {
            this.doProve(p, dice % 32 == 1);
        }
    }

    function doProve(Play memory p, bool fault) external {
        if (p.claim.target == Target.Segment) return _proveSample(p, fault ? 1 : 6, _rows(fault ? 1 : 6, "node"));
        Value memory end = _end(p.claim.commitment.generation, p.claim.commitment.round);
        bytes32 rows = games.rowsOf(games.viewOf(p.game).claim, 0);
        Value memory given = rows == _rootOf(end) ? end : _value("false");
        if (fault) _proveFault(p, given);
        else if (p.claim.target == Target.Aggregate) _proveOutput(p, given, _rootOf(end));
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

    /// Votes and games that are not over, by generation and round.
    function _openIn(uint256 job, uint32 newest) private view returns (uint256[] memory open) {
        open = new uint256[]((newest + 1) * order.rounds);
        for (uint256 id = 1; id <= disputes.disputeCount(); id++) {
            IDisputes.ChallengeView memory d = disputes.viewOf(id);
            if (d.job == job && d.outcome == IDisputes.Settlement.Open) open[d.generation * order.rounds + d.round]++;
        }
        for (uint256 id = 1; id <= rerun.disputeCount(); id++) {
            IRerun.DisputeView memory d = rerun.viewOf(id);
            if (d.job == job && d.outcome == IRerun.Outcome.Open) open[d.generation * order.rounds + d.round]++;
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

    function undecided() external view returns (uint256 count) {
        for (uint256 id = 1; id <= rerun.disputeCount(); id++) {
            if (rerun.viewOf(id).outcome == IRerun.Outcome.NoQuorum) count++;
        }
    }

    /// Of how many games this came.
    function settled(IDisputes.Settlement outcome, Target about) external view returns (uint256 count) {
        for (uint256 id = 1; id <= disputes.disputeCount(); id++) {
            IDisputes.ChallengeView memory d = disputes.viewOf(id);
            if (d.outcome == outcome && d.target == about) count++;
        }
    }

    function corners() external view returns (uint256 finals, uint256 voids, uint256 votes, uint256 upheld) {
        for (uint256 job = 1; job <= jobs.jobCount(); job++) {
            (uint32 newest, uint32 first,) = rounds.progress(job);
            finals += first;
            voids += newest;
        }
        votes = rerun.disputeCount();
        for (uint256 id = 1; id <= votes; id++) {
            if (rerun.viewOf(id).outcome == IRerun.Outcome.Upheld) upheld++;
        }
    }

    /// Whatever happened, somebody without any role brings every job to its end by time alone, and everything is given back.
    function exitAll() external {
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
        for (uint256 id = 1; id <= rerun.disputeCount(); id++) {
            try rerun.decide(id) {} catch {}
        }
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
        for (uint256 i = 0; i < 1200; i++) {
            uint256 seed = uint256(keccak256(abi.encode("trek", i)));
            if (i % 16 == 4) handler.duel(seed);
            else if (i % 8 == 5) handler.dispute(seed);
            else if (i % 8 == 6) handler.odd(seed);
            else if (i % 8 == 7) handler.wait(seed);
            else handler.steps(seed);
        }
        handler.checkConserved();
        handler.checkLocks();
        handler.checkRounds();
        handler.checkBonds();
        (uint256 finals, uint256 voids, uint256 votes, uint256 upheld) = handler.corners();
        yes(finals > 3, "final rounds");
        yes(voids > 0, "void rounds");
        yes(votes > upheld && upheld > 0, "votes of both ends");
        Target[3] memory about = [Target.Segment, Target.Emit, Target.Aggregate];
        for (uint256 i = 0; i < 3; i++) {
            yes(handler.settled(IDisputes.Settlement.Upheld, about[i]) > 0, "games that were won");
            yes(handler.settled(IDisputes.Settlement.Dismissed, about[i]) > 0, "games that were lost");
        }
        yes(handler.orphansSeen() > 0, "orphans");
        yes(handler.undecided() > 0, "undecided disputes");
        yes(handler.alone() > 0, "roots that nobody vouched for");
        yes(handler.bills() > 0, "bills");
        handler.exitAll();
    }
}
