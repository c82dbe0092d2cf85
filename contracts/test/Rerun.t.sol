// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Entry, RoundPhase, Target, UNSCORED} from "../src/Types.sol";
import {IRerun} from "../src/interfaces/IRerun.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";
import {Tree} from "./Tree.sol";

/// @title Votes of drawn validators: about a row of one of their tables, on which the others vote, or about a round's score.
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

    function _table(uint256 row, address validator) private view returns (IRerun.Claim memory claim) {
        claim = this.segmentClaim(job, 0, 0, 0xf, uint16(row), 0);
        claim.target = Target.Table;
        claim.validator = validator;
        claim.entry = _entry(row);
        claim.entryIndex = uint32(row);
        claim.entryCount = 3;
        claim.entryProof = Tree.proof(_rows(), row);
    }

    function _score() private view returns (IRerun.Claim memory) {
        return aggregateClaim(Target.Score, job, 0, 0);
    }

    function _seat(uint256 index) private view returns (address) {
        return jobs.validatorsOf(job)[index];
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

    function test_table_upheld_unseatsTheValidator_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address liar = _seat(2);
        uint256 dispute = _challenge(_table(1, liar), stranger);
        equal(rerun.votersOf(dispute).length, 4, "the accused does not vote");
        equal(rerun.viewOf(dispute).claimed, _entry(1).digest, "claimed");
        equal(uint256(rerun.viewOf(dispute).slot), 1, "of which slot");
        equal(rerun.viewOf(dispute).segment, 1, "and segment");
        _decide(dispute, TRUTH);
        yes(_outcome(dispute) == IRerun.Outcome.Upheld, "upheld");
        equal(rerun.viewOf(dispute).truth, TRUTH, "what they found");
        equal(stakes.staked(token, liar), FUNDS / 2 - COST, "slash capped at the round's cost");
        equal(free(stranger), FUNDS / 2 + COST / 3, "bond back and a third");
        equal(vault.burned(token), COST - 2 * (COST / 3), "a third burned");
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < 4; i++) equal(free(voters[i]), FUNDS / 2 + 100, "voters paid");
        yes(_seat(2) != liar, "unseated");
        equal(jobs.slotsOpen(job)[0], 0xf, "no slot closed");
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(rounds.earned(job, liar), 0, "fee forfeited");
        equal(bucket(IVault.Kind.Credit, job), COST - 100, "and not credited");
        equal(vault.total(token, IVault.Kind.Bond), _otherBonds(), "no bond left");
        equal(sumOfBuckets(), held(), "conserved");
    }

    /// The consumer's, for a fault of the job, and the providers'.
    function _otherBonds() private view returns (uint256 sum) {
        sum = bucket(IVault.Kind.Bond, uint256(keccak256(abi.encode("assay.fault.1", job))));
        for (uint256 i = 0; i < bidders.length; i++) {
            sum += bucket(IVault.Kind.Bond, uint256(keccak256(abi.encode("assay.bond.1", job, bidders[i]))));
        }
    }

    function test_score_upheld_rewinds_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Sampling, job, 0, 1, 0xf);
        address liar = rounds.aggregatorOf(job, 0, 0);
        uint256 dispute = _challenge(_score(), stranger);
        equal(rerun.votersOf(dispute).length, 5, "all vote");
        equal(rerun.viewOf(dispute).claimed, Hashing.scoreDigest(endRootOf(0, 0), UNSCORED), "claimed");
        _decide(dispute, TRUTH);
        equal(stakes.staked(token, liar), FUNDS / 2 - COST, "slash capped at the round's cost");
        equal(free(stranger), FUNDS / 2 + COST / 3, "bond back and a third");
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < 5; i++) equal(free(voters[i]), FUNDS / 2 + 100, "voters paid");
        yes(jobs.aggregatorOf(job) != liar && jobs.aggregatorOf(job) != address(0), "replaced");
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        equal(bucket(IVault.Kind.Credit, job), COST - 300, "all but the aggregator are paid");
        yes(rounds.viewOf(job, 0, 1).orphan, "what was built on it is judged first");
        skip(order.windows.table);
        rounds.advance(job, 0, 1);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Void, "then void too");
        equal(rounds.earned(job, bidders[1]), PRICE + PRICE / 2, "full for the included, half for the committed");
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.finalise(job, 0, 0);
        for (uint32 round = 0; round < 3; round++) {
            if (rounds.viewOf(job, 1, round).phase == RoundPhase.Training) playTo(RoundPhase.Final, job, 1, round, 0xf);
        }
        jobs.end(job);
        yes(rounds.complete(job), "complete");
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
        uint256 dispute = _challenge(_score(), stranger);
        skip(order.windows.challenge);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        vm.prank(jobs.validatorsOf(job)[0]);
        vm.expectPartialRevert(IRerun.WindowClosed.selector);
        rerun.vote(dispute, "late");
        rerun.decide(dispute);
        rounds.finalise(job, 0, 0);
    }

    function test_score_dismissed_honestAccusedGains_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
        address accused = rounds.aggregatorOf(job, 0, 0);
        uint256 dispute = _challenge(claim, stranger);
        _decide(dispute, rerun.viewOf(dispute).claimed);
        _lost(dispute, accused);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Challenging, "it stands");
        _seal(claim, bidders[5]);
        mine(1);
        vm.prank(bidders[5]);
        vm.expectPartialRevert(IRerun.AlreadyDisputed.selector);
        rerun.openChallenge(claim, "salt");
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
    }

    function test_table_dismissed_honestAccusedGains_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address accused = _seat(2);
        uint256 dispute = _challenge(_table(1, accused), stranger);
        _decide(dispute, _entry(1).digest);
        _lost(dispute, accused);
        equal(_seat(2), accused, "keeps its seat");
    }

    /// A third of the bond is burned; of the rest the voters get a half, as far as their fees go, and the accused what is left.
    function _lost(uint256 dispute, address accused) private view {
        yes(_outcome(dispute) == IRerun.Outcome.Dismissed, "dismissed");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        equal(vault.burned(token), bond - (2 * bond) / 3, "a third burned");
        address[] memory voters = rerun.votersOf(dispute);
        uint256 rest = (2 * bond) / 3;
        uint256 fee = rest / 2 / voters.length;
        if (fee > 100) fee = 100;
        for (uint256 i = 0; i < voters.length; i++) equal(worth(voters[i]), FUNDS + fee, "voters paid");
        equal(worth(accused), FUNDS + rest - voters.length * fee, "accused is compensated");
        equal(stakes.staked(token, accused), FUNDS / 2, "and not slashed");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        equal(vault.total(token, IVault.Kind.Bond), _otherBonds(), "no bond left");
        equal(sumOfBuckets(), held(), "conserved");
    }

    /// A liar that serves a state to some splits the honest: neither half pays for it.
    function test_decide_unserved_splitsNobody_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        (bytes32 claimed, bytes32 unserved) = (_entry(1).digest, Hashing.unservedDigest());
        uint256 dispute = _challenge(_table(1, _seat(2)), stranger);
        _split(dispute, 3, claimed, unserved);
        yes(_outcome(dispute) == IRerun.Outcome.Dismissed, "as most were served it");

        claimed = _entry(2).digest;
        dispute = _challenge(_table(2, _seat(2)), stranger);
        _split(dispute, 1, claimed, unserved);
        yes(_outcome(dispute) == IRerun.Outcome.Upheld, "nobody can derive it");
    }

    /// The first so many of four voters find the one, the others another; nobody is slashed.
    function _split(uint256 dispute, uint256 count, bytes32 digest, bytes32 another) private {
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < 4; i++) _vote(dispute, voters[i], i < count ? digest : another);
        for (uint256 i = 0; i < 4; i++) _reveal(dispute, voters[i], i < count ? digest : another);
        rerun.decide(dispute);
        for (uint256 i = 0; i < 4; i++) equal(stakes.staked(token, voters[i]), FUNDS / 2, "no voter slashed");
    }

    /// Who is shown nothing can say so: bytes that are hidden from the honest cost them nothing, and decide nothing.
    function test_decide_abstained_isNeitherCountedNorPenalised_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes32 abstained = Hashing.abstainDigest();
        uint256 dispute = _challenge(_table(1, _seat(2)), stranger);
        _split(dispute, 4, abstained, abstained);
        yes(_outcome(dispute) == IRerun.Outcome.NoQuorum, "it decides nothing");

        dispute = _challenge(_table(2, _seat(2)), stranger);
        _split(dispute, 3, TRUTH, abstained);
        yes(_outcome(dispute) == IRerun.Outcome.Upheld, "who can tell decides");
        address[] memory voters = rerun.votersOf(dispute);
        equal(worth(voters[3]), FUNDS, "the other loses and earns nothing");
        yes(worth(voters[0]) > FUNDS, "who told is paid");
    }

    function test_commitChallenge_copied_staysItsOwners_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
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
        _decide(_challenge(_score(), stranger), TRUTH);
        playTo(RoundPhase.Challenging, job, 1, 0, 0xf);
        IRerun.Claim memory claim = _table(1, _seat(0));
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
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_score(), stranger);
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
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
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
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
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
        yes(_challenge(_table(1, _seat(0)), stranger) != 0, "another unit may");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_undecided_again_withoutTheMoney_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
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
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
        _undecided(claim, stranger);
        uint256 dispute = _challenge(claim, stranger);
        equal(free(stranger), FUNDS / 2 - bond / 3 - 2 * bond, "twice");
        _decide(dispute, TRUTH);
        equal(free(stranger), FUNDS / 2 - bond / 3 + COST / 3, "all of it back, and a third of the slash");
        equal(sumOfBuckets(), held(), "conserved");
    }

    /// A challenge sealed before would else hold up finality again at the first price.
    function test_undecided_takenOver_costsAsMuch_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
        _seal(claim, bidders[5]);
        mine(1);
        _undecided(claim, stranger);
        uint256 dispute = _challenge(claim, stranger);
        uint256 before = free(stranger);
        vm.prank(bidders[5]);
        rerun.openChallenge(claim, "salt");
        equal(free(bidders[5]), FUNDS / 2 - 2 * bond, "twice the bond");
        equal(free(stranger), before + 2 * bond, "the other's is back");
        _decide(dispute, rerun.viewOf(dispute).claimed);
        equal(free(bidders[5]), FUNDS / 2 - 2 * bond, "lost whole");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_slash_byVote_isCappedForTheRound_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        (address liar, address silent) = (_seat(2), _seat(4));
        for (uint256 row = 0; row < 2; row++) {
            uint256 dispute = _challenge(_table(row, liar), stranger);
            address[] memory voters = rerun.votersOf(dispute);
            for (uint256 i = 0; i < voters.length; i++) if (voters[i] != silent) _vote(dispute, voters[i], TRUTH);
            skip(order.windows.table);
            for (uint256 i = 0; i < voters.length; i++) if (voters[i] != silent) _reveal(dispute, voters[i], TRUTH);
            skip(order.windows.open);
            rerun.decide(dispute);
            yes(_outcome(dispute) == IRerun.Outcome.Upheld, "upheld");
            equal(stakes.staked(token, liar), FUNDS / 2 - COST, "one round's cost for all its rows");
            equal(stakes.staked(token, silent), FUNDS / 2 - COST, "and for all the votes missed");
        }
        equal(free(stranger), FUNDS / 2 + COST / 3, "one third");
        equal(vault.total(token, IVault.Kind.Bond), _otherBonds(), "no bond left");
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
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        uint256 dispute = _challenge(_score(), stranger);
        equal(rerun.votersOf(dispute).length, 2, "both judge a score");
    }

    function test_score_ofAnotherEnd_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
        claim.commitment.transcriptRoot = Hashing.scoreDigest("another", UNSCORED);
        _refuse(claim, "aggregate");
        claim.commitment.transcriptRoot = endRootOf(0, 0);
        _refuse(claim, "aggregate");
        claim = _score();
        claim.commitment.slot = 1;
        _refuse(claim, "aggregate");
    }

    /// What arithmetic decides is no matter of votes, nor is what follows from it.
    function test_openChallenge_whatGamesDecide_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = this.segmentClaim(job, 0, 0, 0xf, 1, SEGMENTS - 1);
        _noVote(claim);
        claim.target = Target.Emit;
        _noVote(claim);
        _noVote(aggregateClaim(Target.Aggregate, job, 0, 0));
        equal(rerun.disputeCount(), 0, "nothing is disputed");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "nor held up");
        equal(free(stranger), FUNDS / 2, "and nothing lost");
        vm.startPrank(address(rerun));
        vm.expectRevert(abi.encodeWithSelector(IRounds.NotModule.selector, address(rerun)));
        rounds.disprovedSlot(job, 0, 0, 1, stranger, "segment");
        vm.expectRevert(abi.encodeWithSelector(IRounds.NotModule.selector, address(rerun)));
        rounds.jobFault(job, 0, 0);
        vm.stopPrank();
    }

    function _noVote(IRerun.Claim memory claim) private {
        _seal(claim, stranger);
        mine(1);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRerun.NoVote.selector, claim.target));
        rerun.openChallenge(claim, "salt");
        rerun.withdrawChallenge(job, keccak256(abi.encode(claim, stranger, bytes32("salt"))));
        vm.stopPrank();
    }

    function test_liarAndFriends_loseAtLeastTheBurn_succeeds(uint256 digest) external {
        vm.assume(digest > 1 << 200);
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address liar = _seat(2);
        uint256 consumerBefore = free(consumer) + bucket(IVault.Kind.Escrow, job);
        uint256 before = worth(liar) + worth(stranger) + consumerBefore;
        uint256 dispute = _challenge(_table(1, liar), stranger);
        _decide(dispute, bytes32(digest));
        uint256 afterwards = worth(liar) + worth(stranger) + free(consumer) + bucket(IVault.Kind.Escrow, job);
        yes(before - afterwards >= COST / 3, "the burn is lost by whoever conspires");
    }

    /// At most k - 1 of the drawn are malicious: they vote wrongly, differently, or not at all.
    function test_honest_neverLose_succeeds(uint256 seed) external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_score(), stranger);
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
        yes(worth(rounds.aggregatorOf(job, 0, 0)) > FUNDS, "the accused");
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
        uint256 dispute = _challenge(_score(), stranger);
        _decide(dispute, TRUTH);
        uint32 round;
        while (rounds.viewOf(job, 1, round).phase == RoundPhase.Training) playTo(RoundPhase.Final, job, 1, round++, 0xf);
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
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
        _seal(claim, stranger);
        vm.prank(stranger);
        vm.expectPartialRevert(IRerun.NotReady.selector);
        rerun.openChallenge(claim, "salt");
    }

    function test_openChallenge_stolen_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
        _seal(claim, stranger);
        mine(1);
        vm.prank(bidders[5]);
        vm.expectPartialRevert(IRerun.NoSealedChallenge.selector);
        rerun.openChallenge(claim, "salt");
    }

    function test_openChallenge_earlierCommitTakesOver_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
        _seal(claim, stranger);
        mine(1);
        uint256 dispute = _challenge(claim, bidders[5]);
        vm.prank(stranger);
        equal(rerun.openChallenge(claim, "salt"), dispute, "the same dispute");
        equal(rerun.viewOf(dispute).challenger, stranger, "whoever committed first");
        equal(worth(bidders[5]), FUNDS, "the other's bond is back");
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
        address accused = _seat(0);
        IRerun.Claim memory claim = _table(1, accused);
        claim.commitment.sealedHash = "another";
        _refuse(claim, "commitment");
        claim = _table(1, accused);
        claim.signature = new bytes(65);
        _refuse(claim, "commitment");
        claim = _score();
        _refuse(claim, "aggregate");
        claim = _table(1, accused);
        claim.entry.digest = "another";
        _refuse(claim, "table");
        claim = _table(1, accused);
        claim.entry.slot = 2;
        _refuse(claim, "entry");
        claim = _table(1, accused);
        claim.entryCount = 2;
        _refuse(claim, "entryProof");
        claim = _table(1, stranger);
        _refuse(claim, "table");
    }

    function test_openChallenge_afterTheWindow_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        IRerun.Claim memory claim = _score();
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
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_score(), stranger);
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
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        uint256 dispute = _challenge(_score(), stranger);
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
