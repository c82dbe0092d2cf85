// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, Entry, JobPhase, Leaf, RoundPhase, Target, UNSCORED} from "../src/Types.sol";
import {IRerun} from "../src/interfaces/IRerun.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";
import {Tree} from "./Tree.sol";

contract RerunTest is Network {
    uint256 internal constant PRICE = 804;
    uint256 internal constant COST = 4 * PRICE + 5 * 100 + 300;
    bytes32 internal constant TRUTH = "the truth";
    uint256 internal job;
    uint256 internal bond;

    function setUp() external {
        deploy(false);
        populate(6, 12, 4);
        draft(4, 5, 3);
        job = running(5);
        bond = rerun.bondOf(job);
    }

    function tableRoot(uint256, uint32) internal view override returns (bytes32) {
        return Hashing.tableRoot(3, Tree.root(_rows()));
    }

    function _entry(uint256 index) private pure returns (Entry memory entry) {
        entry = Entry(uint16(index), uint32(index), keccak256(abi.encode("row", index)));
    }

    function _rows() private view returns (bytes32[] memory rows) {
        rows = new bytes32[](3);
        for (uint256 i = 0; i < 3; i++) rows[i] = this.hashEntry(_entry(i));
    }

    function hashEntry(Entry calldata entry) external pure returns (bytes32) {
        return Hashing.entryLeaf(entry);
    }

    // ---------------------------------------------------------------- claims

    function _segment(uint16 slot, uint32 segment) private view returns (IRerun.Claim memory) {
        return this.segmentClaim(job, 0, 0, 0xf, slot, segment);
    }

    function _emit(uint16 slot) private view returns (IRerun.Claim memory claim) {
        claim = _segment(slot, SEGMENTS - 1);
        claim.target = Target.Emit;
    }

    function _table(uint256 row, address validator) private view returns (IRerun.Claim memory claim) {
        claim = _segment(uint16(row), 0);
        claim.target = Target.Table;
        claim.validator = validator;
        claim.entry = _entry(row);
        claim.entryIndex = uint32(row);
        claim.entryCount = 3;
        claim.entryProof = Tree.proof(_rows(), row);
    }

    function _aggregate() private view returns (IRerun.Claim memory) {
        return aggregateClaim(job, 0, 0);
    }

    function _challenge(IRerun.Claim memory claim, address challenger) private returns (uint256) {
        _seal(claim, challenger);
        mine(1);
        vm.prank(challenger);
        return rerun.openChallenge(claim, "salt");
    }

    function _seal(IRerun.Claim memory claim, address challenger) private {
        bytes32 sealedChallenge = keccak256(abi.encode(claim, challenger, bytes32("salt")));
        vm.prank(challenger);
        rerun.commitChallenge(job, sealedChallenge);
    }

    function _vote(uint256 dispute, address voter, bytes32 digest) private {
        vm.prank(voter);
        rerun.vote(dispute, keccak256(abi.encode(dispute, voter, digest, bytes32("pepper"))));
    }

    function _reveal(uint256 dispute, address voter, bytes32 digest) private {
        vm.prank(voter);
        rerun.revealVote(dispute, digest, "pepper");
    }

    /// All voters find the same.
    function _decide(uint256 dispute, bytes32 digest) private {
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < voters.length; i++) _vote(dispute, voters[i], digest);
        for (uint256 i = 0; i < voters.length; i++) _reveal(dispute, voters[i], digest);
        rerun.decide(dispute);
    }

    function _outcome(uint256 dispute) private view returns (IRerun.Outcome) {
        return rerun.viewOf(dispute).outcome;
    }

    // ---------------------------------------------------------------- verdicts

    function test_segment_upheld_beforeInclude_closesTheSlot_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        address liar = claim.commitment.provider;
        uint256 dispute = _challenge(claim, stranger);
        equal(rerun.viewOf(dispute).claimed, sha256(abi.encode(bytes32("assay.digest.segment.1"), claim.after_.stateRoot, claim.after_.lossBits)), "claimed");
        _decide(dispute, TRUTH);
        yes(_outcome(dispute) == IRerun.Outcome.Upheld, "upheld");
        equal(stakes.staked(token, liar), FUNDS / 2 - COST, "slash capped at the round's cost");
        equal(free(stranger), FUNDS / 2 + COST / 3, "bond back and a third");
        equal(vault.burned(token), COST - 2 * (COST / 3), "a third burned");
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < 5; i++) equal(free(voters[i]), FUNDS / 2 + 100, "voters paid");
        equal(jobs.slotsOpen(job)[0], 0xd, "slot closed");
        bytes[] memory signatures = resultSignatures(job, 0, 0, 0xf, 0xf, 3);
        vm.expectPartialRevert(IRounds.NotIncluded.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", signatures);
        includeRound(job, 0, 0, 0xd, 0xd);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(rounds.earned(job, liar), 0, "unpaid");
        equal(bucket(IVault.Kind.Credit, job), COST - PRICE, "the others are paid");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_segment_upheld_afterAggregate_rewinds_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Sampling, job, 0, 1, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        _decide(dispute, TRUTH);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        yes(rounds.viewOf(job, 0, 1).orphan, "what was built on it is judged first");
        skip(order.windows.table);
        rounds.advance(job, 0, 1);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Void, "then void too");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        equal(rounds.earned(job, bidders[0]), PRICE + PRICE / 2, "full for the included, half for the committed");
        equal(rounds.earned(job, bidders[1]), 0, "nothing for the liar");
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.finalise(job, 0, 0);
        for (uint32 round = 0; round < 3; round++) {
            if (rounds.viewOf(job, 1, round).phase == RoundPhase.Training) playTo(RoundPhase.Final, job, 1, round, 0xd);
        }
        jobs.end(job);
        for (uint256 i = 0; i < everybody.length; i++) {
            rounds.claim(job, everybody[i]);
            equal(stakes.locked(token, everybody[i]), 0, "unlocked");
        }
        equal(bucket(IVault.Kind.Credit, job), 0, "all credit claimed");
        equal(vault.total(token, IVault.Kind.Bond), 0, "no bond left");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_finalise_disputeOpen_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        skip(order.windows.challenge);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        vm.prank(jobs.validatorsOf(job)[0]);
        vm.expectPartialRevert(IRerun.WindowClosed.selector);
        rerun.vote(dispute, "late");
        rerun.decide(dispute);
        rounds.finalise(job, 0, 0);
    }

    function test_segment_dismissed_honestAccusedGains_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        uint256 dispute = _challenge(claim, stranger);
        _decide(dispute, rerun.viewOf(dispute).claimed);
        yes(_outcome(dispute) == IRerun.Outcome.Dismissed, "dismissed");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        equal(vault.burned(token), bond - (2 * bond) / 3, "a third burned");
        yes(worth(claim.commitment.provider) > FUNDS - 2000, "accused is compensated");
        equal(stakes.staked(token, claim.commitment.provider), FUNDS / 2, "and not slashed");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _seal(claim, aggregators[0]);
        mine(1);
        vm.prank(aggregators[0]);
        vm.expectPartialRevert(IRerun.AlreadyDisputed.selector);
        rerun.openChallenge(claim, "salt");
        equal(sumOfBuckets(), held(), "conserved");
    }

    /// A liar that serves a state to some splits the honest: neither half pays for it.
    function test_decide_unserved_splitsNobody_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        address[] memory voters = rerun.votersOf(dispute);
        bytes32 claimed = rerun.viewOf(dispute).claimed;
        bytes32 unserved = Hashing.unservedDigest();
        for (uint256 i = 0; i < 5; i++) _vote(dispute, voters[i], i < 3 ? claimed : unserved);
        for (uint256 i = 0; i < 5; i++) _reveal(dispute, voters[i], i < 3 ? claimed : unserved);
        rerun.decide(dispute);
        yes(_outcome(dispute) == IRerun.Outcome.Dismissed, "as most were served it");
        for (uint256 i = 0; i < 5; i++) equal(stakes.staked(token, voters[i]), FUNDS / 2, "nobody slashed");

        dispute = _challenge(_segment(2, 2), stranger);
        claimed = rerun.viewOf(dispute).claimed;
        for (uint256 i = 0; i < 5; i++) _vote(dispute, voters[i], i < 2 ? claimed : unserved);
        for (uint256 i = 0; i < 5; i++) _reveal(dispute, voters[i], i < 2 ? claimed : unserved);
        rerun.decide(dispute);
        yes(_outcome(dispute) == IRerun.Outcome.Upheld, "nobody can derive it");
        for (uint256 i = 0; i < 5; i++) equal(stakes.staked(token, voters[i]), FUNDS / 2, "nobody slashed again");
    }

    /// Who is shown nothing can say so: bytes that are hidden from the honest cost them nothing, and decide nothing.
    function test_decide_abstained_isNeitherCountedNorPenalised_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes32 abstained = Hashing.abstainDigest();
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < 5; i++) _vote(dispute, voters[i], abstained);
        for (uint256 i = 0; i < 5; i++) _reveal(dispute, voters[i], abstained);
        rerun.decide(dispute);
        yes(_outcome(dispute) == IRerun.Outcome.NoQuorum, "it decides nothing");
        for (uint256 i = 0; i < 5; i++) equal(worth(voters[i]), FUNDS, "nobody slashed");

        dispute = _challenge(_segment(2, 2), stranger);
        for (uint256 i = 0; i < 5; i++) _vote(dispute, voters[i], i < 3 ? TRUTH : abstained);
        for (uint256 i = 0; i < 5; i++) _reveal(dispute, voters[i], i < 3 ? TRUTH : abstained);
        rerun.decide(dispute);
        yes(_outcome(dispute) == IRerun.Outcome.Upheld, "who can tell decides");
        for (uint256 i = 3; i < 5; i++) equal(worth(voters[i]), FUNDS, "the others lose and earn nothing");
        yes(worth(voters[0]) > FUNDS, "who told is paid");
    }

    function test_commitChallenge_copied_staysItsOwners_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _aggregate();
        bytes32 sealedChallenge = keccak256(abi.encode(claim, stranger, bytes32("salt")));
        vm.prank(consumer);
        rerun.commitChallenge(job, sealedChallenge);
        _seal(claim, stranger);
        vm.prank(consumer);
        rerun.withdrawChallenge(job, sealedChallenge);
        mine(1);
        vm.prank(consumer);
        vm.expectPartialRevert(IRerun.NoSealedChallenge.selector);
        rerun.openChallenge(claim, "salt");
        vm.prank(stranger);
        uint256 dispute = rerun.openChallenge(claim, "salt");
        _decide(dispute, TRUTH);
        yes(_outcome(dispute) == IRerun.Outcome.Upheld, "upheld");
        equal(sumOfBuckets(), held(), "conserved");
    }

    /// No sample has such a row, and nobody can say what should be in it.
    function test_openChallenge_rowBeyondTheLastSegment_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _table(1, jobs.validatorsOf(job)[0]);
        claim.entry.segment = SEGMENTS;
        _seal(claim, stranger);
        mine(1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRerun.WrongClaim.selector, bytes32("entry")));
        rerun.openChallenge(claim, "salt");
    }

    function test_openChallenge_voidAndReplaced_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _decide(_challenge(_aggregate(), stranger), TRUTH);
        playTo(RoundPhase.Challenging, job, 1, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        _seal(claim, stranger);
        mine(1);
        uint256 before = vm.snapshotState();
        vm.prank(stranger);
        rerun.openChallenge(claim, "salt");
        vm.revertToState(before);
        skip(order.windows.challenge + order.windows.open);
        rounds.finalise(job, 1, 0);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        rerun.openChallenge(claim, "salt");
    }

    function test_decide_minorityAndSilent_arePenalised_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < 3; i++) _vote(dispute, voters[i], TRUTH);
        _vote(dispute, voters[3], "rubber stamp");
        vm.expectPartialRevert(IRerun.NotReady.selector);
        rerun.decide(dispute);
        skip(order.windows.table);
        for (uint256 i = 0; i < 3; i++) _reveal(dispute, voters[i], TRUTH);
        _reveal(dispute, voters[3], "rubber stamp");
        skip(order.windows.open);
        rerun.decide(dispute);
        equal(stakes.staked(token, voters[0]), FUNDS / 2, "majority");
        equal(stakes.staked(token, voters[3]), FUNDS / 2 - COST, "minority");
        equal(stakes.staked(token, voters[4]), FUNDS / 2 - COST, "silent");
        vm.expectPartialRevert(IRerun.AlreadyDisputed.selector);
        rerun.decide(dispute);
    }

    function test_decide_noQuorum_burnsAThirdOfTheBond_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        uint256 dispute = _challenge(claim, stranger);
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < 5; i++) _vote(dispute, voters[i], bytes32(i / 2 + 1));
        for (uint256 i = 0; i < 5; i++) _reveal(dispute, voters[i], bytes32(i / 2 + 1));
        rerun.decide(dispute);
        yes(_outcome(dispute) == IRerun.Outcome.NoQuorum, "no quorum");
        equal(free(stranger), FUNDS / 2 - bond / 3, "two thirds back");
        equal(vault.burned(token), bond / 3, "nobody penalised for a tie");
        uint256 again = _challenge(claim, stranger);
        yes(again != dispute, "may be disputed again");
    }

    /// Nobody votes the same: no verdict.
    function _undecided(IRerun.Claim memory claim, address challenger) private returns (uint256 dispute) {
        dispute = _challenge(claim, challenger);
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < voters.length; i++) _vote(dispute, voters[i], bytes32(i + 1));
        for (uint256 i = 0; i < voters.length; i++) _reveal(dispute, voters[i], bytes32(i + 1));
        rerun.decide(dispute);
        yes(_outcome(dispute) == IRerun.Outcome.NoQuorum, "no quorum");
    }

    function test_undecided_costsTwiceEachTime_threeTimes_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        uint256 lost;
        for (uint256 times = 0; times < 3; times++) {
            _undecided(claim, stranger);
            lost += (bond << times) / 3;
            equal(free(stranger), FUNDS / 2 - lost, "a third of once, twice, four times the bond");
        }
        equal(vault.burned(token), lost, "burned");
        _seal(claim, stranger);
        mine(1);
        vm.prank(stranger);
        vm.expectPartialRevert(IRerun.AlreadyDisputed.selector);
        rerun.openChallenge(claim, "salt");
        yes(_challenge(_segment(1, 1), stranger) != 0, "another unit may");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_undecided_again_withoutTheMoney_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        _undecided(claim, stranger);
        _seal(claim, stranger);
        mine(1);
        vm.startPrank(stranger);
        vault.withdraw(token, free(stranger));
        vm.expectPartialRevert(IVault.Insufficient.selector);
        rerun.openChallenge(claim, "salt");
        vm.stopPrank();
    }

    function test_undecided_again_decided_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        _undecided(claim, stranger);
        uint256 dispute = _challenge(claim, stranger);
        equal(free(stranger), FUNDS / 2 - bond / 3 - 2 * bond, "twice");
        _decide(dispute, TRUTH);
        equal(free(stranger), FUNDS / 2 - bond / 3 + COST / 3, "all of it back, and a third of the slash");
        equal(sumOfBuckets(), held(), "conserved");
    }

    /// A challenge sealed before would else hold up finality again at the first price.
    function test_undecided_takenOver_costsAsMuch_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        _seal(claim, aggregators[0]);
        mine(1);
        _undecided(claim, stranger);
        uint256 dispute = _challenge(claim, stranger);
        uint256 before = free(stranger);
        vm.prank(aggregators[0]);
        rerun.openChallenge(claim, "salt");
        equal(free(aggregators[0]), FUNDS / 2 - 2 * bond, "twice the bond");
        equal(free(stranger), before + 2 * bond, "the other's is back");
        _decide(dispute, rerun.viewOf(dispute).claimed);
        equal(free(aggregators[0]), FUNDS / 2 - 2 * bond, "lost whole");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_slash_byVote_isCappedForTheRound_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address silent = jobs.validatorsOf(job)[4];
        for (uint32 segment = 0; segment < 2; segment++) {
            uint256 dispute = _challenge(_segment(1, segment), stranger);
            for (uint256 i = 0; i < 4; i++) _vote(dispute, rerun.votersOf(dispute)[i], TRUTH);
            skip(order.windows.table);
            for (uint256 i = 0; i < 4; i++) _reveal(dispute, rerun.votersOf(dispute)[i], TRUTH);
            skip(order.windows.open);
            rerun.decide(dispute);
            yes(_outcome(dispute) == IRerun.Outcome.Upheld, "upheld");
            equal(stakes.staked(token, bidders[1]), FUNDS / 2 - COST, "one round's cost for all its segments");
            equal(stakes.staked(token, silent), FUNDS / 2 - COST, "and for all the votes missed");
        }
        equal(free(stranger), FUNDS / 2 + COST / 3, "one third");
        Commitment memory a = commitmentOf(job, 0, 0, 1);
        Commitment memory b = commitmentOf(job, 0, 0, 1);
        b.sealedHash = "other";
        rounds.equivocate(a, signCommitment(a), b, signCommitment(b));
        equal(stakes.staked(token, bidders[1]), FUNDS / 2 - order.providerStake, "an objective fault takes the rest");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_slash_byVote_ofAnotherRound_succeeds() external {
        address validator = jobs.validatorsOf(job)[4];
        (address[] memory wrong, bytes32[] memory reasons) = (new address[](1), new bytes32[](1));
        (wrong[0], reasons[0]) = (validator, "minority");
        for (uint32 round = 0; round < 2; round++) {
            vm.prank(address(rerun));
            rounds.penalise(job, 0, round, wrong, reasons);
            equal(stakes.staked(token, validator), FUNDS / 2 - (round + 1) * COST, "each round has its own cap");
        }
    }

    /// With two seats left of three nobody can judge one of them: the other alone is no quorum.
    function test_openChallenge_fewerVotersThanTheQuorum_reverts() external {
        order.validators = 3;
        order.quorum = 2;
        job = drawn(5);
        address[] memory seats = jobs.validatorsOf(job);
        (address liar, address honest) = (seats[0], seats[1]);
        enlist(job, liar);
        enlist(job, honest);
        skip(order.windows.enlist);
        jobs.start(job);
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _table(1, honest);
        _seal(claim, liar);
        mine(1);
        uint256 before = worth(liar);
        vm.prank(liar);
        vm.expectRevert(abi.encodeWithSelector(IRerun.TooFewVoters.selector, 1, 2));
        rerun.openChallenge(claim, "salt");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "finality is not held up");
        vm.prank(liar);
        rerun.withdrawChallenge(job, keccak256(abi.encode(claim, liar, bytes32("salt"))));
        equal(worth(liar), before + rerun.bondOf(job), "the bond can be had back");
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        equal(rerun.votersOf(dispute).length, 2, "both judge a slot");
    }

    function test_decide_jobFault_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        _decide(dispute, Hashing.FAULT);
        yes(_outcome(dispute) == IRerun.Outcome.JobFault, "fault");
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        equal(stakes.staked(token, bidders[1]), FUNDS / 2, "nobody slashed");
        equal(free(stranger), FUNDS / 2, "bond back");
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        equal(rounds.claim(job, bidders[1]), PRICE, "present slots are paid");
    }

    function test_start_stale_isUpheldAtOnce_succeeds() external {
        Commitment memory c = commitmentOf(job, 0, 0, 1);
        Commitment memory stale = commitmentOf(job, 0, 0, 1);
        stale.startRoot = "stale";
        c.transcriptRoot = Tree.root(leafHashes(stale));
        bytes32[] memory leaves = slotLeaves(job, 0, 0, 0xf);
        leaves[1] = this.hashCommitment(c);
        bytes32 root = Tree.root(leaves);
        commitAs(jobs.aggregatorOf(job), job, 0, 0, root, 0xf, order.quorum);
        mine(3);
        IRerun.Claim memory claim = _segment(1, 0);
        claim.commitment = c;
        claim.commitmentProof = Tree.proof(leaves, 1);
        claim.signature = signCommitment(c);
        claim.before = leafAt(stale, 0);
        claim.after_ = leafAt(stale, 1);
        claim.beforeProof = Tree.proof(leafHashes(stale), 0);
        claim.afterProof = Tree.proof(leafHashes(stale), 1);
        uint256 dispute = _challenge(claim, stranger);
        yes(_outcome(dispute) == IRerun.Outcome.Upheld, "at once");
        equal(rerun.viewOf(dispute).truth, bytes32("start"), "reason");
        equal(stakes.staked(token, bidders[1]), FUNDS / 2 - COST, "slashed");
        equal(free(stranger), FUNDS / 2 + COST / 3, "bond back and a third");
    }

    function test_emit_upheld_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_emit(2), stranger);
        equal(rerun.viewOf(dispute).claimed, Hashing.emitDigest(keccak256(abi.encode("update", uint16(2)))), "claimed");
        equal(rerun.viewOf(dispute).segment, SEGMENTS, "N stands for the update");
        _decide(dispute, TRUTH);
        equal(stakes.staked(token, bidders[2]), FUNDS / 2 - COST, "slashed");
    }

    function test_table_upheld_unseatsTheValidator_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address accused = jobs.validatorsOf(job)[2];
        uint256 dispute = _challenge(_table(1, accused), stranger);
        equal(rerun.votersOf(dispute).length, 4, "the accused does not vote");
        equal(rerun.viewOf(dispute).claimed, _entry(1).digest, "claimed");
        _decide(dispute, TRUTH);
        equal(stakes.staked(token, accused), FUNDS / 2 - COST, "slashed");
        yes(jobs.validatorsOf(job)[2] != accused, "unseated");
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(rounds.earned(job, accused), 0, "fee forfeited");
        equal(bucket(IVault.Kind.Credit, job), COST - 100, "and not credited");
    }

    function test_aggregate_ofAnotherEnd_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _aggregate();
        claim.commitment.transcriptRoot = Hashing.aggregateDigest("another", UNSCORED);
        _seal(claim, stranger);
        mine(1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRerun.WrongClaim.selector, bytes32("aggregate")));
        rerun.openChallenge(claim, "salt");
    }

    function test_aggregate_upheld_rewinds_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        address liar = jobs.aggregatorOf(job);
        uint256 dispute = _challenge(_aggregate(), stranger);
        equal(rerun.viewOf(dispute).claimed, Hashing.aggregateDigest(endRootOf(0, 0), UNSCORED), "claimed");
        _decide(dispute, TRUTH);
        equal(stakes.staked(token, liar), FUNDS / 2 - COST, "slashed");
        yes(jobs.aggregatorOf(job) != liar && jobs.aggregatorOf(job) != address(0), "replaced");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        equal(bucket(IVault.Kind.Credit, job), COST - 300, "all but the aggregator are paid");
        equal(rounds.earned(job, bidders[1]), PRICE, "providers in full");
        for (uint32 round = 0; round < 3; round++) playTo(RoundPhase.Final, job, 1, round, 0xf);
        jobs.end(job);
        yes(rounds.complete(job), "complete");
    }

    function test_liarAndFriends_loseAtLeastTheBurn_succeeds(uint256 digest) external {
        vm.assume(digest > 1 << 200);
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 consumerBefore = free(consumer) + bucket(IVault.Kind.Escrow, job);
        uint256 before = worth(bidders[1]) + worth(stranger) + consumerBefore;
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        _decide(dispute, bytes32(digest));
        uint256 afterwards = worth(bidders[1]) + worth(stranger) + free(consumer) + bucket(IVault.Kind.Escrow, job);
        yes(before - afterwards >= COST / 3, "the burn is lost by whoever conspires");
    }

    /// At most k - 1 of the drawn are malicious: they vote wrongly, differently, or not at all.
    function test_honest_neverLose_succeeds(uint256 seed) external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        address[] memory voters = rerun.votersOf(dispute);
        bytes32 claimed = rerun.viewOf(dispute).claimed;
        uint256 first = seed % 5;
        uint256 second = (first + 1 + (seed >> 8) % 4) % 5;
        for (uint256 i = 0; i < 5; i++) {
            bool malicious = i == first || i == second;
            if (malicious && (seed >> (16 + i)) % 3 == 0) continue;
            _vote(dispute, voters[i], malicious ? bytes32(1 + (seed >> (32 + i)) % 2) : claimed);
        }
        skip(order.windows.table);
        for (uint256 i = 0; i < 5; i++) {
            bool malicious = i == first || i == second;
            if (malicious && (seed >> (16 + i)) % 3 <= 1) continue;
            _reveal(dispute, voters[i], malicious ? bytes32(1 + (seed >> (32 + i)) % 2) : claimed);
        }
        skip(order.windows.open);
        rerun.decide(dispute);
        yes(_outcome(dispute) == IRerun.Outcome.Dismissed, "dismissed");
        yes(worth(bidders[1]) >= FUNDS - 2000, "the accused, but for the bond that it gets back at the end");
        for (uint256 i = 0; i < 5; i++) {
            if (i == first || i == second) equal(stakes.staked(token, voters[i]), FUNDS / 2 - COST, "malicious");
            else yes(worth(voters[i]) >= FUNDS, "honest");
        }
    }

    function test_reserve_shortfall_endsTheJob_succeeds() external {
        order.redoRounds = 0;
        order.priceCeiling = 804;
        job = running(5);
        bond = rerun.bondOf(job);
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        _decide(dispute, TRUTH);
        uint32 round;
        while (rounds.viewOf(job, 1, round).phase == RoundPhase.Training) playTo(RoundPhase.Final, job, 1, round++, 0xd);
        yes(rounds.settled(job), "settled");
        yes(!rounds.complete(job), "fewer rounds than ordered");
        jobs.end(job);
        equal(sumOfBuckets(), held(), "conserved");
    }

    // ---------------------------------------------------------------- refusals

    function test_commitChallenge_jobNotRunning_reverts() external {
        uint256 other = post();
        vm.prank(stranger);
        vm.expectPartialRevert(IRerun.WrongClaim.selector);
        rerun.commitChallenge(other, "x");
    }

    function test_withdrawChallenge_succeeds() external {
        vm.prank(stranger);
        rerun.commitChallenge(job, "x");
        equal(free(stranger), FUNDS / 2 - bond, "bonded");
        vm.prank(consumer);
        vm.expectPartialRevert(IRerun.NoSealedChallenge.selector);
        rerun.withdrawChallenge(job, "x");
        vm.startPrank(stranger);
        rerun.withdrawChallenge(job, "x");
        equal(free(stranger), FUNDS / 2, "back");
        vm.expectPartialRevert(IRerun.NoSealedChallenge.selector);
        rerun.withdrawChallenge(job, "x");
        vm.stopPrank();
    }

    function test_openChallenge_sameBlock_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        _seal(claim, stranger);
        vm.prank(stranger);
        vm.expectPartialRevert(IRerun.NotReady.selector);
        rerun.openChallenge(claim, "salt");
    }

    function test_openChallenge_stolen_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        _seal(claim, stranger);
        mine(1);
        vm.prank(aggregators[0]);
        vm.expectPartialRevert(IRerun.NoSealedChallenge.selector);
        rerun.openChallenge(claim, "salt");
    }

    function test_openChallenge_earlierCommitTakesOver_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        _seal(claim, stranger);
        mine(1);
        uint256 dispute = _challenge(claim, aggregators[0]);
        vm.prank(stranger);
        equal(rerun.openChallenge(claim, "salt"), dispute, "the same dispute");
        equal(rerun.viewOf(dispute).challenger, stranger, "whoever committed first");
        equal(worth(aggregators[0]), FUNDS, "the other's bond is back");
        _decide(dispute, TRUTH);
        equal(free(stranger), FUNDS / 2 + COST / 3, "earns");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function _refuse(IRerun.Claim memory claim, bytes32 part) private {
        _seal(claim, stranger);
        mine(1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRerun.WrongClaim.selector, part));
        rerun.openChallenge(claim, "salt");
    }

    function test_openChallenge_wrongClaims_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        claim.commitment.sealedHash = "another";
        _refuse(claim, "commitment");
        claim = _segment(1, 2);
        claim.signature = new bytes(65);
        _refuse(claim, "commitment");
        claim = _segment(1, 2);
        claim.secret = "another";
        _refuse(claim, "secret");
        claim = _segment(1, 2);
        claim.after_.stateRoot = "another";
        _refuse(claim, "leaf");
        claim = _segment(1, 2);
        claim.before = _segment(1, 1).before;
        claim.beforeProof = _segment(1, 1).beforeProof;
        _refuse(claim, "before");
        claim = _emit(1);
        claim.after_ = claim.before;
        claim.afterProof = claim.beforeProof;
        _refuse(claim, "after");
        claim = _aggregate();
        _refuse(claim, "aggregate");
        claim = _table(1, jobs.validatorsOf(job)[0]);
        claim.entry.digest = "another";
        _refuse(claim, "table");
        claim = _table(1, jobs.validatorsOf(job)[0]);
        claim.entry.slot = 2;
        _refuse(claim, "entry");
        claim = _table(1, jobs.validatorsOf(job)[0]);
        claim.entryCount = 2;
        _refuse(claim, "entryProof");
        claim = _table(1, stranger);
        _refuse(claim, "table");
    }

    function test_openChallenge_afterTheWindow_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _segment(1, 2);
        _seal(claim, stranger);
        skip(order.windows.challenge);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        rerun.openChallenge(claim, "salt");
        rounds.finalise(job, 0, 0);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        rerun.openChallenge(claim, "salt");
    }

    function test_vote_strangerOrTwice_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        address voter = rerun.votersOf(dispute)[0];
        vm.prank(stranger);
        vm.expectPartialRevert(IRerun.NotYours.selector);
        rerun.vote(dispute, "x");
        _vote(dispute, voter, TRUTH);
        vm.prank(voter);
        vm.expectPartialRevert(IRerun.AlreadyDisputed.selector);
        rerun.vote(dispute, "x");
        vm.prank(voter);
        vm.expectPartialRevert(IRerun.NotReady.selector);
        rerun.revealVote(dispute, TRUTH, "pepper");
    }

    function test_revealVote_copied_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_segment(1, 2), stranger);
        address[] memory voters = rerun.votersOf(dispute);
        bytes32 sealedVote = keccak256(abi.encode(dispute, voters[0], TRUTH, bytes32("pepper")));
        for (uint256 i = 0; i < 5; i++) {
            vm.prank(voters[i]);
            rerun.vote(dispute, sealedVote);
        }
        _reveal(dispute, voters[0], TRUTH);
        vm.prank(voters[1]);
        vm.expectPartialRevert(IRerun.WrongClaim.selector);
        rerun.revealVote(dispute, TRUTH, "pepper");
    }
}
