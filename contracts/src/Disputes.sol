// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, Target, Terms} from "./Types.sol";
import {Wired} from "./Wired.sol";
import {Claims} from "./disputes/Claims.sol";
import {Grounds} from "./disputes/Grounds.sol";
import {Facts, IDisputes} from "./interfaces/IDisputes.sol";
import {Assertion, IGames, Ending} from "./interfaces/IGames.sol";
import {IJobs} from "./interfaces/IJobs.sol";
import {IRerun} from "./interfaces/IRerun.sol";
import {IRounds} from "./interfaces/IRounds.sol";
import {IVault} from "./interfaces/IVault.sol";

contract Disputes is IDisputes, Wired {
    struct Sealed {
        uint48 committedBlock;
        uint96 bond;
    }

    struct Dispute {
        uint256 job;
        uint32 generation;
        uint32 round;
        uint32 segment;
        uint16 slot;
        Target target;
        Settlement outcome;
        uint48 sealedBlock; // when its challenger had committed
        address accused;
        uint96 bond;
        address challenger;
        bool faulted;
        uint256 game;
        bytes32 unit;
    }

    /// All that is disputed of one slot's transcript.
    struct Case {
        uint64 faultUntil;
        bool disproved;
        uint256[] disputes; // those that may earn
        uint256 open; // games that have not ended in a fault
    }

    uint256 private constant EARNERS_MAX = 64; // disputes of a slot among which the earliest sealed is looked for

    IVault private immutable VAULT;
    IJobs private immutable JOBS;
    IRounds private immutable ROUNDS;

    IGames public games;
    uint256 public disputeCount;
    mapping(uint256 job => mapping(address challenger => mapping(bytes32 sealedChallenge => Sealed))) private _sealed;
    mapping(uint256 dispute => Dispute) private _disputes;
    mapping(bytes32 slot => Case) private _cases;

    constructor(IVault vault, IJobs jobs, IRounds rounds) {
        VAULT = vault;
        JOBS = jobs;
        ROUNDS = rounds;
    }

    function wire(IGames games_) external once {
        games = games_;
    }

    // ---------------------------------------------------------------- challenge

    function commitChallenge(uint256 job, bytes32 sealedChallenge) external {
        // INVARIANT: a challenge belongs to who has sealed it: nobody takes its place by sealing the same first.
        if (sealedChallenge == 0 || _sealed[job][msg.sender][sealedChallenge].committedBlock != 0) revert NotSealed(sealedChallenge);
        // Before a job runs there is nothing to challenge, and no bond to reckon.
        if (ROUNDS.termsOf(job).providers == 0) revert IRerun.WrongClaim("job");
        uint256 bond = bondOf(job);
        _sealed[job][msg.sender][sealedChallenge] = Sealed(uint48(block.number), uint96(bond));
        _move(job, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Bond, _bondKey(job, sealedChallenge), bond);
        emit ChallengeSealed(sealedChallenge, msg.sender);
    }

    function withdrawChallenge(uint256 job, bytes32 sealedChallenge) external {
        uint256 bond = _unseal(job, sealedChallenge).bond;
        _move(job, IVault.Kind.Bond, _bondKey(job, sealedChallenge), IVault.Kind.Free, _key(msg.sender), bond);
    }

    function openChallenge(IRerun.Claim calldata claim, Facts calldata facts, bytes32 salt) external returns (uint256 dispute) {
        if (claim.target != Target.Segment && claim.target != Target.Emit) revert NoGame(claim.target);
        uint256 job = claim.commitment.job;
        bytes32 sealedChallenge = keccak256(abi.encode(claim, msg.sender, salt));
        Sealed memory challenge = _unseal(job, sealedChallenge);
        if (block.number <= challenge.committedBlock) revert TooSoon(challenge.committedBlock + 1);

        (address accused, uint32 segment,, bytes32 plain) = Claims.examine(ROUNDS, claim);
        dispute = ++disputeCount;
        Case storage about = _enter(dispute, claim.commitment, claim.target, segment, challenge);
        bytes32 key = _disputeKey(dispute);
        _move(job, IVault.Kind.Bond, _bondKey(job, sealedChallenge), IVault.Kind.Bond, key, challenge.bond);
        if (plain == 0) plain = _begin(dispute, claim, facts);
        emit ChallengeOpened(
            dispute, job, accused, claim.target, claim.commitment.generation, claim.commitment.round, claim.commitment.slot, segment,
            msg.sender, _disputes[dispute].game
        );
        if (plain != 0) _uphold(dispute, _disputes[dispute], about, plain);
    }

    // ---------------------------------------------------------------- what follows

    function settle(uint256 dispute) external {
        Dispute storage d = _disputes[dispute];
        if (d.job == 0 || d.outcome != Settlement.Open) revert AlreadySettled(dispute);
        Case storage about = _cases[_caseOf(d)];
        IGames.GameView memory game = games.viewOf(d.game);
        if (about.disproved) {
            // INVARIANT: a fault that rests on a slot which lied is none, and costs whoever had it found its bond.
            bool undone = game.outcome == Ending.JobFault;
            if (!d.faulted) about.open--;
            return _close(dispute, d, undone ? Settlement.Undone : Settlement.Moot, address(0), undone ? d.bond : 0, 0);
        }
        if (game.outcome == Ending.Open) revert StillOpen(dispute);
        if (game.outcome == Ending.Upheld) return _uphold(dispute, d, about, d.target == Target.Emit ? bytes32("emit") : bytes32("segment"));
        if (game.outcome == Ending.Dismissed) {
            about.open--;
            // INVARIANT: a challenge that fails costs its bond: a third burned, the rest for whom it made work.
            return _close(dispute, d, Settlement.Dismissed, address(0), d.bond / 3, d.bond - d.bond / 3);
        }
        _fault(dispute, d, about);
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
            accused: d.accused,
            challenger: d.challenger,
            bond: d.bond,
            sealedBlock: d.sealedBlock,
            game: d.game,
            faultUntil: d.faulted ? _cases[_caseOf(d)].faultUntil : 0,
            outcome: d.outcome
        });
    }

    function bondOf(uint256 job) public view returns (uint256) {
        Terms memory t = ROUNDS.termsOf(job);
        uint256 share = (ROUNDS.roundCost(job) * t.challengeBondBps) / 10_000;
        uint256 floor = uint256(t.validators) * t.validatorFee;
        return share > floor ? share : floor;
    }

    // ---------------------------------------------------------------- inside

    function _unseal(uint256 job, bytes32 sealedChallenge) private returns (Sealed memory challenge) {
        challenge = _sealed[job][msg.sender][sealedChallenge];
        if (challenge.committedBlock == 0) revert NotSealed(sealedChallenge);
        delete _sealed[job][msg.sender][sealedChallenge];
    }

    function _enter(uint256 dispute, Commitment calldata c, Target target, uint32 segment, Sealed memory challenge)
        private
        returns (Case storage about)
    {
        Dispute storage d = _disputes[dispute];
        (d.job, d.generation, d.round, d.slot) = (c.job, c.generation, c.round, c.slot);
        (d.target, d.segment, d.accused, d.challenger) = (target, segment, c.provider, msg.sender);
        (d.sealedBlock, d.bond) = (challenge.committedBlock, challenge.bond);
        d.unit = keccak256(abi.encode(c.job, c.generation, c.round, c.slot, target, segment));
        about = _cases[_caseOf(d)];
        if (about.disproved) revert AlreadyDisproved();
        // INVARIANT: whoever comes later cannot crowd out those that were there, nor make looking among them dear.
        if (about.disputes.length < EARNERS_MAX) about.disputes.push(dispute);
        about.open++;
        // INVARIANT: until a fault stands the slot that it rests on can be challenged, and not for longer.
        if (block.timestamp < about.faultUntil) ROUNDS.disputeJoined(c.job, c.generation, c.round);
        else ROUNDS.disputeOpened(c.job, c.generation, c.round);
    }

    function _begin(uint256 dispute, IRerun.Claim calldata claim, Facts calldata facts) private returns (bytes32 plain) {
        Dispute storage d = _disputes[dispute];
        Assertion memory a;
        (a, plain) = Grounds.assertion(JOBS, ROUNDS, claim, facts, d.unit);
        if (plain != 0) return plain;
        Terms memory t = ROUNDS.termsOf(d.job);
        d.game = games.open(a, msg.sender, t.windows.table + t.windows.open);
    }

    function _uphold(uint256 dispute, Dispute storage d, Case storage about, bytes32 reason) private {
        about.disproved = true;
        about.open--;
        address earner = _earner(dispute, d, about);
        (uint256 job, uint32 generation, uint32 round, uint16 slot) = (d.job, d.generation, d.round, d.slot);
        _close(dispute, d, Settlement.Upheld, earner, 0, 0);
        ROUNDS.disprovedSlot(job, generation, round, slot, earner, reason, 0, 0);
    }

    /// The earliest sealed of those about the same thing that have not lost.
    function _earner(uint256 dispute, Dispute storage d, Case storage about) private view returns (address earner) {
        uint256 earliest = d.sealedBlock;
        earner = d.challenger;
        for (uint256 i = 0; i < about.disputes.length; i++) {
            Dispute storage other = _disputes[about.disputes[i]];
            if (about.disputes[i] == dispute || other.unit != d.unit || other.outcome != Settlement.Open || other.faulted) continue;
            if (other.sealedBlock >= earliest) continue;
            Ending outcome = games.viewOf(other.game).outcome;
            if (outcome == Ending.Dismissed || outcome == Ending.JobFault) continue;
            (earliest, earner) = (other.sealedBlock, other.challenger);
        }
    }

    function _fault(uint256 dispute, Dispute storage d, Case storage about) private {
        if (!d.faulted) {
            d.faulted = true;
            about.open--;
            // INVARIANT: a fault does not stand on the word of one pair: what it rests on can be disproved first, once.
            if (about.faultUntil == 0) about.faultUntil = uint64(block.timestamp + ROUNDS.termsOf(d.job).windows.challenge);
            emit FaultFound(dispute, about.faultUntil);
            return;
        }
        if (block.timestamp < about.faultUntil) revert TooSoon(about.faultUntil);
        if (about.open != 0) revert StillOpen(about.open);
        // INVARIANT: no fault is found on a start that is still open to dispute.
        if (ROUNDS.generationOf(d.job, d.round) == d.generation) {
            (, uint32 firstOpen,) = ROUNDS.progress(d.job);
            if (firstOpen < d.round) revert NotFirst(firstOpen);
        }
        (uint256 job, uint32 generation, uint32 round) = (d.job, d.generation, d.round);
        _close(dispute, d, Settlement.JobFault, address(0), 0, 0);
        if (!ROUNDS.forfeited(job, d.accused)) ROUNDS.jobFault(job, generation, round);
    }

    function _close(uint256 dispute, Dispute storage d, Settlement outcome, address earner, uint256 burned, uint256 toAccused) private {
        d.outcome = outcome;
        bytes32 key = _disputeKey(dispute);
        _move(d.job, IVault.Kind.Bond, key, IVault.Kind.Burned, 0, burned);
        _move(d.job, IVault.Kind.Bond, key, IVault.Kind.Free, _key(d.accused), toAccused);
        _move(d.job, IVault.Kind.Bond, key, IVault.Kind.Free, _key(d.challenger), d.bond - burned - toAccused);
        emit Settled(dispute, outcome, earner);
        ROUNDS.disputeClosed(d.job, d.generation, d.round);
    }

    function _caseOf(Dispute storage d) private view returns (bytes32) {
        return keccak256(abi.encode(d.job, d.generation, d.round, d.slot));
    }

    function _move(uint256 job, IVault.Kind fromKind, bytes32 fromKey, IVault.Kind toKind, bytes32 toKey, uint256 amount) private {
        if (amount != 0) VAULT.move(ROUNDS.termsOf(job).token, fromKind, fromKey, toKind, toKey, amount);
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
