// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "./Hashing.sol";
import {Commitment, Target, Terms} from "./Types.sol";
import {Claims} from "./disputes/Claims.sol";
import {IRerun} from "./interfaces/IRerun.sol";
import {IJobs} from "./interfaces/IJobs.sol";
import {IRounds} from "./interfaces/IRounds.sol";
import {IVault} from "./interfaces/IVault.sol";

contract Rerun is IRerun {
    struct Sealed {
        uint48 committedBlock;
        uint96 bond;
    }

    struct Vote {
        bytes32 sealedVote;
        bytes32 digest;
    }

    struct Dispute {
        uint256 job;
        uint32 generation;
        uint32 round;
        Target target;
        uint16 slot;
        uint32 segment;
        Outcome outcome;
        uint48 sealedBlock; // when its challenger had committed
        uint48 commitDeadline;
        uint48 revealDeadline;
        address accused;
        address challenger;
        uint96 bond;
        bytes32 unit;
        bytes32 claimed;
        bytes32 truth;
        bytes32 claimHash;
        uint256 committed;
        uint256 revealed;
        address[] voters;
        mapping(uint256 index => Vote) votes;
    }

    uint256 private constant ATTEMPTS = 3; // disputes of one unit that may stay undecided

    IVault private immutable VAULT;
    IJobs private immutable JOBS;
    IRounds private immutable ROUNDS;

    uint256 public disputeCount;
    mapping(uint256 job => mapping(address challenger => mapping(bytes32 sealedChallenge => Sealed))) private _sealed;
    mapping(uint256 dispute => Dispute) private _disputes;
    mapping(bytes32 unit => uint256) private _disputeOf;
    mapping(bytes32 unit => uint256) private _undecided; // how often no quorum was found

    constructor(IVault vault, IJobs jobs, IRounds rounds) {
        VAULT = vault;
        JOBS = jobs;
        ROUNDS = rounds;
    }

    // ---------------------------------------------------------------- challenge

    function commitChallenge(uint256 job, bytes32 sealedChallenge) external {
        // INVARIANT: a challenge belongs to who has sealed it: nobody takes its place by sealing the same first.
        if (sealedChallenge == 0 || _sealed[job][msg.sender][sealedChallenge].committedBlock != 0) {
            revert NoSealedChallenge(sealedChallenge);
        }
        // Before a job runs there is nothing to challenge, and no bond to reckon.
        if (ROUNDS.termsOf(job).providers == 0) revert WrongClaim("job");
        uint256 bond = bondOf(job);
        _sealed[job][msg.sender][sealedChallenge] = Sealed(uint48(block.number), uint96(bond));
        _move(job, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Bond, _bondKey(job, sealedChallenge), bond);
        emit ChallengeCommitted(sealedChallenge, msg.sender);
    }

    function withdrawChallenge(uint256 job, bytes32 sealedChallenge) external {
        Sealed memory challenge = _sealed[job][msg.sender][sealedChallenge];
        if (challenge.committedBlock == 0) revert NoSealedChallenge(sealedChallenge);
        delete _sealed[job][msg.sender][sealedChallenge];
        _move(job, IVault.Kind.Bond, _bondKey(job, sealedChallenge), IVault.Kind.Free, _key(msg.sender), challenge.bond);
    }

    function openChallenge(Claim calldata claim, bytes32 salt) external returns (uint256 dispute) {
        Commitment calldata c = claim.commitment;
        bytes32 sealedChallenge = keccak256(abi.encode(claim, msg.sender, salt));
        Sealed memory challenge = _sealed[c.job][msg.sender][sealedChallenge];
        if (challenge.committedBlock == 0) revert NoSealedChallenge(sealedChallenge);
        if (block.number <= challenge.committedBlock) revert NotReady(challenge.committedBlock + 1);
        delete _sealed[c.job][msg.sender][sealedChallenge];

        // INVARIANT: no vote decides what arithmetic does.
        if (claim.target != Target.Table && claim.target != Target.Score) revert NoVote(claim.target);
        (address accused, uint32 segment, bytes32 claimed,) = Claims.examine(ROUNDS, claim);
        bytes32 unit = keccak256(abi.encode(c.job, c.generation, c.round, claim.target, accused, c.slot, segment));
        dispute = _disputeOf[unit];
        if (dispute != 0) {
            _takeOver(dispute, c.job, challenge, sealedChallenge);
            return dispute;
        }
        // INVARIANT: what stays undecided costs twice as much each time, and ends: finality is not held up for nothing.
        uint256 times = _undecided[unit];
        if (times == ATTEMPTS) revert AlreadyDisputed(0);
        uint256 more = uint256(challenge.bond) * ((1 << times) - 1);
        bytes32 from = _bondKey(c.job, sealedChallenge);
        _move(c.job, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Bond, from, more);
        challenge.bond += uint96(more);
        dispute = ++disputeCount;
        _disputeOf[unit] = dispute;
        Dispute storage d = _disputes[dispute];
        d.job = c.job;
        d.generation = c.generation;
        d.round = c.round;
        d.target = claim.target;
        d.slot = c.slot;
        d.segment = segment;
        d.sealedBlock = challenge.committedBlock;
        d.accused = accused;
        d.challenger = msg.sender;
        d.bond = challenge.bond;
        d.unit = unit;
        d.claimed = claimed;
        d.claimHash = keccak256(abi.encode(claim));
        _move(c.job, IVault.Kind.Bond, from, IVault.Kind.Bond, _disputeKey(dispute), challenge.bond);
        emit Challenged(dispute, c.job, accused, claim.target, c.generation, c.round, c.slot, segment, claimed);
        ROUNDS.disputeOpened(c.job, c.generation, c.round);

        Terms memory t = ROUNDS.termsOf(c.job);
        d.commitDeadline = uint48(block.timestamp + t.windows.table);
        d.revealDeadline = d.commitDeadline + t.windows.open;
        address[] memory validators = JOBS.validatorsOf(c.job);
        for (uint256 i = 0; i < validators.length; i++) {
            if (validators[i] != address(0) && validators[i] != accused) d.voters.push(validators[i]);
        }
        // INVARIANT: fewer voters than the quorum never decide, so nobody is asked, and nobody's bond is taken.
        if (d.voters.length < t.quorum) revert TooFewVoters(d.voters.length, t.quorum);
    }

    // ---------------------------------------------------------------- vote

    function vote(uint256 dispute, bytes32 sealedVote) external {
        Dispute storage d = _open(dispute);
        if (block.timestamp >= d.commitDeadline) revert WindowClosed(d.commitDeadline);
        uint256 index = _voter(d);
        if (sealedVote == 0 || d.votes[index].sealedVote != 0) revert AlreadyDisputed(dispute);
        d.votes[index].sealedVote = sealedVote;
        d.committed |= 1 << index;
        emit Voted(dispute, msg.sender, sealedVote);
    }

    function revealVote(uint256 dispute, bytes32 digest, bytes32 salt) external {
        Dispute storage d = _open(dispute);
        if (d.committed != _everyone(d) && block.timestamp < d.commitDeadline) revert NotReady(d.commitDeadline);
        if (block.timestamp >= d.revealDeadline) revert WindowClosed(d.revealDeadline);
        uint256 index = _voter(d);
        Vote storage cast = d.votes[index];
        if (digest == 0 || cast.digest != 0 || cast.sealedVote != keccak256(abi.encode(dispute, msg.sender, digest, salt))) {
            revert WrongClaim("vote");
        }
        cast.digest = digest;
        d.revealed |= 1 << index;
        emit VoteRevealed(dispute, msg.sender, digest);
    }

    function decide(uint256 dispute) external {
        Dispute storage d = _open(dispute);
        uint256 everyone = _everyone(d);
        if (d.revealed != everyone && block.timestamp < d.revealDeadline) revert NotReady(d.revealDeadline);
        Terms memory t = ROUNDS.termsOf(d.job);
        bytes32 truth = _count(d, t.quorum);
        Outcome outcome = truth == 0 ? Outcome.NoQuorum : truth == d.claimed ? Outcome.Dismissed : Outcome.Upheld;
        _close(dispute, d, outcome, truth);

        if (outcome == Outcome.Upheld) {
            bytes32 key = _disputeKey(dispute);
            uint256 kept = _disprove(d, key, _right(d) * t.validatorFee);
            uint256 paid = _payVoters(d, t, key, kept);
            _move(d.job, IVault.Kind.Bond, key, IVault.Kind.Escrow, bytes32(d.job), kept - paid);
        } else if (outcome == Outcome.Dismissed) {
            // INVARIANT: a challenge that fails costs its bond: a third burned, the rest for those it made work.
            uint256 rest = (uint256(d.bond) * 2) / 3;
            bytes32 key = _disputeKey(dispute);
            _move(d.job, IVault.Kind.Bond, key, IVault.Kind.Burned, 0, d.bond - rest);
            uint256 paid = _payVoters(d, t, key, rest / 2);
            _move(d.job, IVault.Kind.Bond, key, IVault.Kind.Free, _key(d.accused), rest - paid);
        }
        _penalise(d, truth);
    }

    // ---------------------------------------------------------------- views

    function viewOf(uint256 dispute) external view returns (DisputeView memory) {
        Dispute storage d = _disputes[dispute];
        return DisputeView({
            job: d.job,
            generation: d.generation,
            round: d.round,
            target: d.target,
            slot: d.slot,
            segment: d.segment,
            accused: d.accused,
            challenger: d.challenger,
            claimed: d.claimed,
            truth: d.truth,
            commitDeadline: d.commitDeadline,
            revealDeadline: d.revealDeadline,
            committed: d.committed,
            revealed: d.revealed,
            outcome: d.outcome
        });
    }

    function claimOf(uint256 dispute) external view returns (bytes32) {
        return _disputes[dispute].claimHash;
    }

    function votersOf(uint256 dispute) external view returns (address[] memory) {
        return _disputes[dispute].voters;
    }

    function bondOf(uint256 job) public view returns (uint256) {
        Terms memory t = ROUNDS.termsOf(job);
        uint256 share = (ROUNDS.roundCost(job) * t.challengeBondBps) / 10_000;
        uint256 floor = uint256(t.validators) * t.validatorFee;
        return share > floor ? share : floor;
    }

    // ---------------------------------------------------------------- inside

    /// Whoever had committed first earns, in whatever order the challenges are opened.
    function _takeOver(uint256 dispute, uint256 job, Sealed memory challenge, bytes32 sealedChallenge) private {
        Dispute storage d = _disputes[dispute];
        if (d.outcome != Outcome.Open || challenge.committedBlock >= d.sealedBlock) revert AlreadyDisputed(dispute);
        // INVARIANT: taking over costs as much as opening: what stayed undecided is not disputed again at the first price.
        (bytes32 from, uint256 bond) = (_bondKey(job, sealedChallenge), d.bond);
        _move(job, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Bond, from, bond - challenge.bond);
        _move(job, IVault.Kind.Bond, _disputeKey(dispute), IVault.Kind.Free, _key(d.challenger), bond);
        _move(job, IVault.Kind.Bond, from, IVault.Kind.Bond, _disputeKey(dispute), bond);
        (d.challenger, d.sealedBlock) = (msg.sender, challenge.committedBlock);
    }

    /// The digest that a quorum of the voters found, or zero.
    function _count(Dispute storage d, uint256 quorum) private view returns (bytes32) {
        uint256 voters = d.voters.length;
        bytes32 abstained = Hashing.abstainDigest();
        for (uint256 i = 0; i < voters; i++) {
            bytes32 digest = d.votes[i].digest;
            if (digest == 0 || digest == abstained) continue;
            uint256 equal;
            for (uint256 k = 0; k < voters; k++) {
                if (d.votes[k].digest == digest) equal++;
            }
            if (equal >= quorum) return digest;
        }
        return 0;
    }

    function _close(uint256 dispute, Dispute storage d, Outcome outcome, bytes32 truth) private {
        d.outcome = outcome;
        d.truth = truth;
        bytes32 key = _disputeKey(dispute);
        uint256 back = d.bond;
        if (outcome == Outcome.NoQuorum) {
            // Without a verdict the unit may be disputed again, at a price: a third is burned.
            delete _disputeOf[d.unit];
            _undecided[d.unit]++;
            back -= d.bond / 3;
            _move(d.job, IVault.Kind.Bond, key, IVault.Kind.Burned, 0, d.bond / 3);
        }
        if (outcome != Outcome.Dismissed) _move(d.job, IVault.Kind.Bond, key, IVault.Kind.Free, _key(d.challenger), back);
        emit Decided(dispute, outcome, truth);
        ROUNDS.disputeClosed(d.job, d.generation, d.round);
    }

    function _disprove(Dispute storage d, bytes32 purse, uint256 fees) private returns (uint256 kept) {
        if (d.target == Target.Score) {
            return ROUNDS.disprovedAggregate(d.job, d.generation, d.round, d.challenger, "score", purse, fees);
        }
        return ROUNDS.disprovedValidator(d.job, d.generation, d.round, d.accused, d.challenger, "table", purse, fees);
    }

    /// Whoever voted with the minority or not at all.
    function _penalise(Dispute storage d, bytes32 truth) private {
        uint256 voters = d.voters.length;
        (address[] memory wrong, bytes32[] memory reasons) = (new address[](voters), new bytes32[](voters));
        uint256 count;
        (bytes32 unserved, bytes32 abstained) = (Hashing.unservedDigest(), Hashing.abstainDigest());
        for (uint256 i = 0; i < voters; i++) {
            bytes32 digest = d.votes[i].digest;
            // INVARIANT: a liar that serves a state to some cannot have either half of the honest slashed.
            if (digest != 0 && (truth == 0 || digest == truth || digest == unserved || truth == unserved)) continue;
            // INVARIANT: who says that it cannot tell loses nothing, and earns nothing: bytes may be hidden from the honest.
            if (digest == abstained) continue;
            (wrong[count], reasons[count]) = (d.voters[i], digest == 0 ? bytes32("vote") : bytes32("minority"));
            count++;
        }
        assembly ("memory-safe") {
            mstore(wrong, count)
            mstore(reasons, count)
        }
        if (count != 0) ROUNDS.penalise(d.job, d.generation, d.round, wrong, reasons);
    }

    function _right(Dispute storage d) private view returns (uint256 right) {
        for (uint256 i = 0; i < d.voters.length; i++) {
            if (d.votes[i].digest == d.truth) right++;
        }
    }

    /// A fee to each voter of the majority, as far as `amount` goes.
    function _payVoters(Dispute storage d, Terms memory t, bytes32 purse, uint256 amount) private returns (uint256 paid) {
        uint256 right = _right(d);
        uint256 fee = amount / right;
        if (fee > t.validatorFee) fee = t.validatorFee;
        // INVARIANT: voters are paid out of what this dispute brought, never out of the reserve of rounds.
        for (uint256 i = 0; i < d.voters.length; i++) {
            if (d.votes[i].digest == d.truth) _move(d.job, IVault.Kind.Bond, purse, IVault.Kind.Free, _key(d.voters[i]), fee);
        }
        return fee * right;
    }

    function _open(uint256 dispute) private view returns (Dispute storage d) {
        d = _disputes[dispute];
        if (d.job == 0 || d.outcome != Outcome.Open) revert AlreadyDisputed(dispute);
    }

    function _voter(Dispute storage d) private view returns (uint256) {
        for (uint256 i = 0; i < d.voters.length; i++) {
            if (d.voters[i] == msg.sender) return i;
        }
        revert NotYours(msg.sender);
    }

    function _everyone(Dispute storage d) private view returns (uint256) {
        return (1 << d.voters.length) - 1;
    }

    function _move(uint256 job, IVault.Kind fromKind, bytes32 fromKey, IVault.Kind toKind, bytes32 toKey, uint256 amount) private {
        VAULT.move(ROUNDS.termsOf(job).token, fromKind, fromKey, toKind, toKey, amount);
    }

    function _key(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _bondKey(uint256 job, bytes32 sealedChallenge) private view returns (bytes32) {
        return keccak256(abi.encode("assay.challenge.1", job, msg.sender, sealedChallenge));
    }

    function _disputeKey(uint256 dispute) private pure returns (bytes32) {
        return keccak256(abi.encode("assay.dispute.1", dispute));
    }
}
