// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, RoundPhase, Target, Terms} from "./Types.sol";
import {Wired} from "./Wired.sol";
import {Case, Cases, Dispute} from "./disputes/Cases.sol";
import {Claims} from "./disputes/Claims.sol";
import {Grounds} from "./disputes/Grounds.sol";
import {Claim, Facts, IDisputes, Marks} from "./interfaces/IDisputes.sol";
import {Assertion, Demand, Ending, IGames} from "./interfaces/IGames.sol";
import {IClock} from "./interfaces/IClock.sol";
import {IJobs} from "./interfaces/IJobs.sol";
import {IRounds} from "./interfaces/IRounds.sol";
import {IVault} from "./interfaces/IVault.sol";

contract Disputes is IDisputes, Wired {
    uint256 private constant EARNERS_MAX = 64; // disputes of a slot among which the earliest sealed is looked for

    IVault private immutable VAULT;
    IJobs private immutable JOBS;
    IRounds private immutable ROUNDS;
    IClock private immutable CLOCK;

    IGames public games;
    uint256 public disputeCount;
    mapping(uint256 job => mapping(address challenger => mapping(bytes32 sealedChallenge => uint256 committedBlock))) private _sealed;
    mapping(uint256 dispute => Dispute) private _disputes;
    mapping(bytes32 name => Case) private _cases;
    mapping(bytes32 round => uint256) private _voidUntil; // once a void round is challenged: until then it can be again
    mapping(bytes32 round => uint256) private _running; // disputes of it that have not ended in a fault
    mapping(bytes32 round => mapping(uint256 slot => bytes32)) private _updates; // roots, as they were shown
    mapping(bytes32 round => bytes32) private _marks; // what a score is made of, as it was shown

    constructor(IVault vault, IJobs jobs, IRounds rounds, IClock clock) {
        VAULT = vault;
        JOBS = jobs;
        ROUNDS = rounds;
        CLOCK = clock;
    }

    function wire(IGames games_) external once {
        games = games_;
    }

    // ---------------------------------------------------------------- challenge

    function commitChallenge(uint256 job, bytes32 sealedChallenge) external {
        // INVARIANT: a challenge belongs to who has sealed it: nobody takes its place by sealing the same first.
        if (sealedChallenge == 0 || _sealed[job][msg.sender][sealedChallenge] != 0) revert NotSealed(sealedChallenge);
        Terms memory t = ROUNDS.termsOf(job);
        // Before a job runs there is nothing to challenge, and no bond to reckon.
        if (t.providers == 0) revert WrongClaim("job");
        _sealed[job][msg.sender][sealedChallenge] = block.number;
        VAULT.move(t.token, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Bond, _bondKey(job, sealedChallenge), _bond(t));
        emit ChallengeSealed(sealedChallenge, msg.sender);
    }

    function withdrawChallenge(uint256 job, bytes32 sealedChallenge) external {
        _unseal(job, sealedChallenge);
        Terms memory t = ROUNDS.termsOf(job);
        VAULT.move(t.token, IVault.Kind.Bond, _bondKey(job, sealedChallenge), IVault.Kind.Free, _key(msg.sender), _bond(t));
    }

    function showUpdates(Claim[] calldata claims) external {
        for (uint256 i = 0; i < claims.length; i++) {
            Commitment calldata c = claims[i].commitment;
            if (claims[i].target != Target.Emit) revert NoGame(claims[i].target);
            // INVARIANT: what was committed is known once the set is fixed: until the beacon block another may take its place.
            (RoundPhase phase,) = ROUNDS.phaseOf(c.job, c.generation, c.round);
            if (phase < RoundPhase.Aggregating) revert IRounds.WrongPhase(phase);
            Claims.examine(ROUNDS, claims[i]);
            // INVARIANT: a slot has one commitment that stands, and that one update: whoever shows it shows the same.
            _updates[_roundOf(c.job, c.generation, c.round)][c.slot] = claims[i].after_.updateRoot;
        }
    }

    function showMarks(uint256 job, uint32 generation, uint32 round, Facts calldata facts, Marks calldata marks) external {
        bytes32 key = _roundOf(job, generation, round);
        // INVARIANT: only who stands for a score says what it is made of, and says it once.
        if (msg.sender != ROUNDS.aggregatorOf(job, generation, round)) revert IRounds.NotAggregator(msg.sender);
        (RoundPhase phase,) = ROUNDS.phaseOf(job, generation, round);
        if (phase < RoundPhase.Challenging || _marks[key] != 0) revert IRounds.WrongPhase(phase);
        Grounds.marked(JOBS, ROUNDS, job, generation, round, facts, marks);
        _marks[key] = keccak256(abi.encode(marks));
        emit MarksShown(job, generation, round, marks);
    }

    function openChallenge(Claim calldata claim, Facts calldata facts, bytes32 salt) external returns (uint256 dispute) {
        Commitment calldata c = claim.commitment;
        bytes32 sealedChallenge = keccak256(abi.encode(claim, msg.sender, salt));
        uint256 committedBlock = _unseal(c.job, sealedChallenge);
        if (block.number <= committedBlock) revert TooSoon(committedBlock + 1);

        (address accused, uint32 segment, bytes32 plain) = Claims.examine(ROUNDS, claim);
        dispute = ++disputeCount;
        Terms memory t = ROUNDS.termsOf(c.job);
        Case storage about = _enter(dispute, claim, segment, committedBlock, t);
        VAULT.move(t.token, IVault.Kind.Bond, _bondKey(c.job, sealedChallenge), IVault.Kind.Bond, _disputeKey(dispute), _bond(t));
        uint256 game;
        if (claim.target == Target.Aggregate) {
            bytes32[] memory updates = updatesOf(c.job, c.generation, c.round);
            if (Cases.allShown(updates)) game = _merge(_disputes[dispute], facts, updates, t);
            else _disputes[dispute].showUntil = uint48(_time() + t.windows.open);
        } else if (claim.target == Target.Score) {
            _disputes[dispute].showUntil = uint48(_time() + t.windows.open);
        } else if (plain == 0) {
            (game, plain) = _begin(dispute, claim, facts, t);
        }
        emit ChallengeOpened(
            dispute, c.job, accused, claim.target, c.generation, c.round, c.slot, segment, msg.sender, game
        );
        if (plain != 0) _uphold(dispute, _disputes[dispute], about, t, plain);
    }

    function begin(uint256 dispute, Facts calldata facts) external {
        Dispute storage d = _beginning(dispute, Target.Aggregate);
        bytes32[] memory updates = updatesOf(d.job, d.generation, d.round);
        if (!Cases.allShown(updates)) revert WrongFact("updates");
        emit ChallengeBegun(dispute, d.job, _merge(d, facts, updates, ROUNDS.termsOf(d.job)), 0);
    }

    function beginScore(uint256 dispute, Facts calldata facts, Marks calldata marks, uint32 batch) external {
        Dispute storage d = _beginning(dispute, Target.Score);
        if (_marks[_roundOf(d.job, d.generation, d.round)] != keccak256(abi.encode(marks))) revert WrongFact("marks");
        Assertion memory a = Grounds.evaluation(JOBS, ROUNDS, d.job, d.generation, d.round, facts, marks, batch);
        Terms memory t = ROUNDS.termsOf(d.job);
        uint256 game = games.open(a, d.challenger, t.windows.table + t.windows.open);
        (d.game, d.faultClaimed) = (uint48(game), marks.fault != 0);
        emit ChallengeBegun(dispute, d.job, game, batch);
    }

    function claimFault(Claim calldata claim, uint256 step, uint256 node, bytes32 operator) external returns (uint256 dispute) {
        Commitment calldata c = claim.commitment;
        (address provider, uint32 segment) = Claims.examineFault(ROUNDS, claim, step, node, operator);
        dispute = ++disputeCount;
        Terms memory t = ROUNDS.termsOf(c.job);
        Case storage about = _enter(dispute, claim, segment, block.number, t);
        // INVARIANT: what a slot says holds its round up once.
        if (about.faultUntil != 0) revert AlreadySettled(dispute);
        emit FaultClaimed(dispute, c.job, provider, claim.target, c.generation, c.round, c.slot, segment, msg.sender);
        _find(dispute, _disputes[dispute], about, t);
    }

    // ---------------------------------------------------------------- what follows

    function settle(uint256 dispute) external {
        Dispute storage d = _disputes[dispute];
        if (d.job == 0 || d.outcome != Settlement.Open) revert AlreadySettled(dispute);
        Case storage about = _cases[Cases.caseOf(d)];
        Terms memory t = ROUNDS.termsOf(d.job);
        if (d.game == 0 && !d.faulted && !about.disproved) return _await(dispute, d, about, t);
        Ending ending = d.faulted ? Ending.JobFault : games.endingOf(d.game);
        if (about.disproved) {
            // INVARIANT: a fault that rests on a slot which lied is none, and costs whoever had it found its bond.
            bool undone = ending == Ending.JobFault && Cases.faultCounts(d);
            if (!d.faulted) _stop(d, about);
            _close(dispute, d, undone ? Settlement.Undone : Settlement.Moot, t, undone ? _bondOf(d, t) : 0, 0);
            return;
        }
        if (ending == Ending.Open) revert StillOpen(dispute);
        // INVARIANT: a row rests on a state that its slot may have made up: of a slot that was disproved none costs anything, and
        // no fault of the job comes out of it.
        if (d.target == Target.Table && (ending == Ending.JobFault || (ending == Ending.Upheld && _isForfeited(d)))) {
            _stop(d, about);
            _close(dispute, d, Settlement.Moot, t, 0, 0);
            return;
        }
        if (ending == Ending.Upheld) return _uphold(dispute, d, about, t, Cases.reasonOf(d.target));
        if (ending == Ending.Dismissed) return _dismiss(dispute, d, about, t);
        if (Cases.faultCounts(d)) return _fault(dispute, d, about, t);
        // A state of which the evaluation ends in a fault cannot be measured: that is what was claimed, or is not.
        if (d.faultClaimed) _dismiss(dispute, d, about, t);
        else _uphold(dispute, d, about, t, "score");
    }

    function viewOf(uint256 dispute) external view returns (ChallengeView memory) {
        Dispute storage d = _disputes[dispute];
        return ChallengeView({
            job: d.job,
            generation: d.generation,
            round: d.round,
            target: d.target,
            slot: d.slot,
            segment: d.segment,
            accused: d.job == 0 ? address(0) : _accused(d),
            challenger: d.challenger,
            sealedBlock: d.sealedBlock,
            game: d.game,
            faultUntil: d.faulted ? _cases[Cases.caseOf(d)].faultUntil : 0,
            showUntil: d.showUntil,
            outcome: d.outcome
        });
    }

    function updatesOf(uint256 job, uint32 generation, uint32 round) public view returns (bytes32[] memory) {
        return Cases.updates(ROUNDS, _updates[_roundOf(job, generation, round)], job, generation, round);
    }

    function marksOf(uint256 job, uint32 generation, uint32 round) external view returns (bytes32) {
        return _marks[_roundOf(job, generation, round)];
    }

    function bondOf(uint256 job) external view returns (uint256) {
        return _bond(ROUNDS.termsOf(job));
    }

    // ---------------------------------------------------------------- inside

    /// Of a job always the same.
    function _bond(Terms memory t) private pure returns (uint256) {
        uint256 fees = uint256(t.validators) * t.validatorFee;
        uint256 share = ((uint256(t.providers) * t.price + fees + t.aggregatorFee) * t.challengeBondBps) / 10_000;
        return share > fees ? share : fees;
    }

    function _unseal(uint256 job, bytes32 sealedChallenge) private returns (uint256 committedBlock) {
        committedBlock = _sealed[job][msg.sender][sealedChallenge];
        if (committedBlock == 0) revert NotSealed(sealedChallenge);
        delete _sealed[job][msg.sender][sealedChallenge];
    }

    function _enter(uint256 dispute, Claim calldata claim, uint32 segment, uint256 committedBlock, Terms memory t)
        private
        returns (Case storage about)
    {
        Commitment calldata c = claim.commitment;
        Dispute storage d = _disputes[dispute];
        (d.job, d.generation, d.round, d.slot) = (uint64(c.job), c.generation, c.round, c.slot);
        (d.target, d.segment, d.sealedBlock, d.challenger) = (claim.target, segment, uint48(committedBlock), msg.sender);
        if (claim.target == Target.Table) d.validator = claim.validator;
        about = _cases[Cases.caseOf(d)];
        if (about.disproved) revert AlreadyDisproved();
        // INVARIANT: whoever comes later cannot crowd out those that were there, nor make looking among them dear.
        if (about.count < EARNERS_MAX) (d.previous, about.last, about.count) = (about.last, uint48(dispute), about.count + 1);
        about.open++;
        _running[_roundOf(c.job, c.generation, c.round)]++;
        // INVARIANT: until a fault stands the slot that it rests on can be challenged, and not for longer; of an aggregate any slot.
        uint256 merged = _cases[Cases.caseOf(c.job, c.generation, c.round, Target.Aggregate, 0, address(0))].faultUntil;
        if (_before(about.faultUntil) || _before(merged)) {
            ROUNDS.disputeJoined(c.job, c.generation, c.round);
            return about;
        }
        ROUNDS.disputeOpened(c.job, c.generation, c.round);
        (RoundPhase phase,) = ROUNDS.phaseOf(c.job, c.generation, c.round);
        if (phase == RoundPhase.Void) _limit(c, t);
    }

    /// INVARIANT: what is void is not challenged for ever, one challenge before the other ends: the job would not end.
    function _limit(Commitment calldata c, Terms memory t) private {
        bytes32 key = _roundOf(c.job, c.generation, c.round);
        uint256 until = _voidUntil[key];
        if (until != 0 && !_before(until)) revert IRounds.TooLate(until);
        if (until == 0) _voidUntil[key] = _time() + t.windows.open + t.windows.challenge;
    }

    /// A challenge whose game its challenger begins once what it needs was shown.
    function _beginning(uint256 dispute, Target target) private view returns (Dispute storage d) {
        d = _disputes[dispute];
        if (d.target != target || d.showUntil == 0 || d.game != 0 || d.outcome != Settlement.Open) revert AlreadySettled(dispute);
        if (msg.sender != d.challenger) revert IGames.NotYourTurn(msg.sender);
    }

    function _await(uint256 dispute, Dispute storage d, Case storage about, Terms memory t) private {
        // INVARIANT: whoever includes an update shows it when asked: one that nobody has committed to would make an end that nobody
        // can challenge; the same of a score. And who asks for it begins the game then, or has lost.
        bool isScore = d.target == Target.Score;
        bool shown = isScore
            ? _marks[_roundOf(d.job, d.generation, d.round)] != 0
            : Cases.allShown(updatesOf(d.job, d.generation, d.round));
        uint256 until = uint256(d.showUntil) + (shown ? t.windows.open : 0);
        _awaited(until);
        if (shown) _dismiss(dispute, d, about, t);
        else _uphold(dispute, d, about, t, isScore ? bytes32("marks") : bytes32("updates"));
    }

    function _isForfeited(Dispute storage d) private view returns (bool) {
        return ROUNDS.forfeited(d.job, JOBS.providerAt(d.job, d.slot));
    }

    function _dismiss(uint256 dispute, Dispute storage d, Case storage about, Terms memory t) private {
        _stop(d, about);
        uint256 bond = _bond(t);
        // INVARIANT: a challenge that fails costs its bond: a third burned, the rest for whom it made work.
        _close(dispute, d, Settlement.Dismissed, t, bond / 3, bond - bond / 3);
    }

    function _merge(Dispute storage d, Facts calldata facts, bytes32[] memory updates, Terms memory t) private returns (uint256 game) {
        Assertion memory a = Grounds.aggregation(JOBS, ROUNDS, d.job, d.generation, d.round, facts, updates);
        game = games.open(a, d.challenger, t.windows.table + t.windows.open);
        d.game = uint48(game);
    }

    function _begin(uint256 dispute, Claim calldata claim, Facts calldata facts, Terms memory t)
        private
        returns (uint256 game, bytes32 plain)
    {
        Assertion memory a;
        (a, plain) = Grounds.assertion(JOBS, t.beacon, claim, facts);
        if (plain != 0) return (0, plain);
        game = games.open(a, msg.sender, t.windows.table + t.windows.open);
        _disputes[dispute].game = uint48(game);
    }

    function _uphold(uint256 dispute, Dispute storage d, Case storage about, Terms memory t, bytes32 reason) private {
        about.disproved = true;
        _stop(d, about);
        address earner = Cases.earner(_disputes, games, dispute, about, _time());
        (uint256 job, uint32 generation, uint32 round, uint16 slot) = (d.job, d.generation, d.round, d.slot);
        _close(dispute, d, Settlement.Upheld, t, 0, 0);
        if (d.target == Target.Table) ROUNDS.disprovedValidator(job, generation, round, d.validator, earner, reason);
        else if (Cases.isOfSlot(d.target)) ROUNDS.disprovedSlot(job, generation, round, slot, earner, reason);
        else ROUNDS.disprovedAggregate(job, generation, round, earner, reason);
    }

    function _fault(uint256 dispute, Dispute storage d, Case storage about, Terms memory t) private {
        if (!d.faulted) {
            // INVARIANT: the same of a fault that a game has come to. Whoever has met one shows all its leaves, or has lied.
            if (Cases.isOfSlot(d.target) && !ROUNDS.shown(d.job, d.generation, d.round, d.slot)) {
                if (d.showUntil == 0) {
                    d.showUntil = uint48(_time() + t.windows.open);
                    emit LeavesCalled(dispute, d.showUntil);
                    return;
                }
                _awaited(d.showUntil);
                return _uphold(dispute, d, about, t, "secret");
            }
            return _find(dispute, d, about, t);
        }
        _awaited(about.faultUntil);
        // What an aggregate is made of is the slots': while one of them is disputed no fault of it stands.
        uint256 running = d.target == Target.Aggregate ? _running[_roundOf(d.job, d.generation, d.round)] : about.open;
        if (running != 0) revert StillOpen(about.last);
        // INVARIANT: no fault is found on a start that is still open to dispute. Of a round that leads nowhere none follows, and
        // those before it may never be final.
        (RoundPhase phase, bool orphan) = ROUNDS.phaseOf(d.job, d.generation, d.round);
        (, uint32 firstOpen,) = ROUNDS.progress(d.job);
        if (!orphan && phase != RoundPhase.Void && firstOpen < d.round) revert NotFirst(firstOpen);
        (uint256 job, uint32 generation, uint32 round) = (d.job, d.generation, d.round);
        address accused = _close(dispute, d, Settlement.JobFault, t, 0, 0);
        if (!ROUNDS.forfeited(job, accused)) ROUNDS.jobFault(job, generation, round);
    }

    function _find(uint256 dispute, Dispute storage d, Case storage about, Terms memory t) private {
        d.faulted = true;
        _stop(d, about);
        // INVARIANT: a fault does not stand on the word of one pair: what it rests on can be disproved first, once.
        if (about.faultUntil == 0) about.faultUntil = uint48(_time() + t.windows.challenge);
        emit FaultFound(dispute, about.faultUntil);
    }

    /// Whoever shows what a slot has said lays down nothing for it.
    function _bondOf(Dispute storage d, Terms memory t) private view returns (uint256) {
        return d.faulted && d.game == 0 ? 0 : _bond(t);
    }

    function _close(uint256 dispute, Dispute storage d, Settlement outcome, Terms memory t, uint256 burned, uint256 toAccused)
        private
        returns (address accused)
    {
        // INVARIANT: while the network is frozen nobody loses anything by a dispute, however clear it is.
        uint256 standsStill = CLOCK.frozenUntil();
        if (standsStill != 0) revert IClock.StandsStill(standsStill);
        d.outcome = outcome;
        bytes32 key = _disputeKey(dispute);
        accused = _accused(d);
        VAULT.move(t.token, IVault.Kind.Bond, key, IVault.Kind.Burned, 0, burned);
        VAULT.move(t.token, IVault.Kind.Bond, key, IVault.Kind.Free, _key(accused), toAccused);
        VAULT.move(t.token, IVault.Kind.Bond, key, IVault.Kind.Free, _key(d.challenger), _bondOf(d, t) - burned - toAccused);
        emit Settled(dispute, outcome);
        ROUNDS.disputeClosed(d.job, d.generation, d.round);
    }

    function _time() private view returns (uint256) {
        return CLOCK.time();
    }

    /// Reverts until protocol time has come to this instant, and goes on.
    function _awaited(uint256 instant) private view {
        if (!CLOCK.reached(instant)) revert TooSoon(instant);
    }

    /// Whether an instant of protocol time is still to come; no instant, zero, is not.
    function _before(uint256 instant) private view returns (bool) {
        return block.timestamp < instant || (instant != 0 && _time() < instant);
    }

    function _stop(Dispute storage d, Case storage about) private {
        about.open--;
        _running[_roundOf(d.job, d.generation, d.round)]--;
    }

    function _accused(Dispute storage d) private view returns (address) {
        if (d.target == Target.Table) return d.validator;
        if (Cases.isOfSlot(d.target)) return JOBS.providerAt(d.job, d.slot);
        return ROUNDS.aggregatorOf(d.job, d.generation, d.round);
    }

    function _roundOf(uint256 job, uint32 generation, uint32 round) private pure returns (bytes32) {
        return keccak256(abi.encode(job, generation, round));
    }

    function _key(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _bondKey(uint256 job, bytes32 sealedChallenge) private view returns (bytes32) {
        return keccak256(abi.encode("assay.dispute.sealed.1", job, msg.sender, sealedChallenge));
    }

    function _disputeKey(uint256 dispute) private pure returns (bytes32) {
        return keccak256(abi.encode("assay.dispute.bond.1", dispute));
    }
}
