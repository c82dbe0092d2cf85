// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, JobPhase, Leaf, RoundPhase, Target} from "../src/Types.sol";
import {Openings} from "../src/arbiter/Openings.sol";
import {Claim, Facts, IDisputes} from "../src/interfaces/IDisputes.sol";
import {Demand, Ending, IGames} from "../src/interfaces/IGames.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Contested} from "./Plays.sol";

/// @title Challenges of slots. Slot 0 has met the job's fault in its last segment, slots 2 and 3 are wrong in their leaves alone.
contract DisputesTest is Contested {
    function setUp() external {
        _run(3, type(int64).max);
    }

    function leafAt(Commitment memory c, uint32 index) internal pure override returns (Leaf memory leaf) {
        leaf = super.leafAt(c, index);
        if (c.slot == 0 && index == SEGMENTS) (leaf.stateRoot, leaf.lossBits, leaf.updateRoot) = (_fault(), 0, 0);
        if (c.slot == 2 && index == 0) leaf.stateRoot = "another start";
        if (c.slot == 3 && index == 1) leaf.updateRoot = "an update in the middle";
        if (c.slot == 3 && index == SEGMENTS) leaf.updateRoot = 0;
    }

    /// In the second step of the last segment, at the only node.
    function _fault() private pure returns (bytes32) {
        return Hashing.faultDigest(25, 0, OPERATOR);
    }

    function _emission(uint16 slot) private view returns (Claim memory claim) {
        claim = _segment(slot, SEGMENTS - 1);
        claim.target = Target.Emit;
    }

    function _faulted(Claim memory claim, address challenger) private returns (Play memory p) {
        p = _challenge(claim, challenger);
        _shown(p, 1);
        yes(games.viewOf(p.game).outcome == Ending.JobFault, "a fault of the job");
        _reveal(claim);
        disputes.settle(p.dispute);
    }

    // ---------------------------------------------------------------- seal, open, withdraw

    function test_commitChallenge_withdrawn_bondIsBack_succeeds() external {
        equal(bond, (COST * 2000) / 10_000, "a part of a round's cost");
        vm.startPrank(stranger);
        vm.expectPartialRevert(IDisputes.NotSealed.selector);
        disputes.commitChallenge(job, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("job")));
        disputes.commitChallenge(job + 1, "sealed");
        disputes.commitChallenge(job, "sealed");
        equal(free(stranger), FUNDS / 2 - bond, "set aside");
        vm.expectPartialRevert(IDisputes.NotSealed.selector);
        disputes.commitChallenge(job, "sealed");
        vm.stopPrank();
        vm.expectPartialRevert(IDisputes.NotSealed.selector);
        disputes.withdrawChallenge(job, "sealed");
        vm.startPrank(stranger);
        disputes.withdrawChallenge(job, "sealed");
        equal(free(stranger), FUNDS / 2, "back");
        vm.expectPartialRevert(IDisputes.NotSealed.selector);
        disputes.withdrawChallenge(job, "sealed");
        vm.stopPrank();
        _conserved();
    }

    function test_openChallenge_tooSoonOrAnothers_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _segment(1, 2);
        Facts memory facts = _step;
        _seal(claim, stranger);
        vm.prank(stranger);
        vm.expectPartialRevert(IDisputes.TooSoon.selector);
        disputes.openChallenge(claim, facts, "salt");
        mine(1);
        vm.prank(consumer);
        vm.expectPartialRevert(IDisputes.NotSealed.selector);
        disputes.openChallenge(claim, facts, "salt");
        Play memory p = _open(claim, stranger);
        vm.prank(stranger);
        vm.expectPartialRevert(IDisputes.NotSealed.selector);
        disputes.openChallenge(claim, facts, "salt");
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(p.dispute);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.settle(p.dispute + 1);
        equal(disputes.disputeCount(), 1, "one");
    }

    function test_openChallenge_beforeTheBeaconBlock_reverts() external {
        commitAs(jobs.aggregatorOf(job), job, 0, 0, commitmentRoot(job, 0, 0, 0xf), 0xf, order.quorum);
        Claim memory claim = _segment(1, 2);
        Facts memory facts = _step;
        _seal(claim, stranger);
        mine(1);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        disputes.openChallenge(claim, facts, "salt");
    }

    function _wrong(Claim memory claim, bytes32 part) private {
        Facts memory facts = _facts(claim);
        _seal(claim, stranger);
        mine(1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, part));
        disputes.openChallenge(claim, facts, "salt");
    }

    function test_openChallenge_wrongClaims_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _segment(1, 2);
        claim.commitment.sealedHash = "another";
        _wrong(claim, "commitment");
        claim = _segment(1, 2);
        claim.signature = new bytes(65);
        _wrong(claim, "commitment");
        claim = _segment(1, 2);
        claim.secret = "another";
        _wrong(claim, "secret");
        claim = _segment(1, 2);
        claim.after_.stateRoot = "another";
        _wrong(claim, "leaf");
        claim = _segment(1, 2);
        claim.before.lossBits++;
        _wrong(claim, "leaf");
        claim = _segment(1, 2);
        claim.before = _segment(1, 1).before;
        claim.beforeProof = _segment(1, 1).beforeProof;
        _wrong(claim, "before");
        claim = _emission(1);
        claim.after_ = claim.before;
        claim.afterProof = claim.beforeProof;
        _wrong(claim, "after");
        claim = _emission(1);
        claim.after_.updateRoot = "another";
        _wrong(claim, "leaf");
        equal(disputes.disputeCount(), 0, "nothing is disputed");
        _conserved();
    }

    function test_openChallenge_afterTheWindow_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Claim memory claim = _segment(1, 2);
        Facts memory facts = _facts(claim);
        _seal(claim, stranger);
        skip(order.windows.challenge);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
        rounds.finalise(job, 0, 0);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
    }

    // ---------------------------------------------------------------- facts

    function _refused(Claim memory claim, Facts memory facts, bytes memory reason) private {
        vm.prank(stranger);
        vm.expectRevert(reason);
        disputes.openChallenge(claim, facts, "salt");
    }

    function _sealed(Claim memory claim) private returns (Claim memory) {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        claim = claim.target == Target.Emit ? _emission(claim.commitment.slot) : _segment(claim.commitment.slot, claim.before.index);
        _seal(claim, stranger);
        mine(1);
        return claim;
    }

    function test_openChallenge_wrongHead_reverts() external {
        Claim memory claim = _sealed(_segment(1, 2));
        Facts memory f = _step;
        f.head = _head(4, 1, 2);
        _refused(claim, f, _fact("head"));
        f.head = _head(3, 2, 2);
        _refused(claim, f, _fact("head"));
        f.head = _head(3, 1, 3);
        _refused(claim, f, _fact("head"));
        f.head = bytes.concat(_head(3, 1, 2), bytes1(0));
        _refused(claim, f, _fact("head"));
        (f.head, f.program.inputCount) = (_head(4, 1, 2), 4);
        _refused(claim, f, abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple")));
    }

    function test_openChallenge_anotherProgram_reverts() external {
        Claim memory claim = _sealed(_segment(1, 2));
        bytes memory tuple = abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple"));
        Facts memory f = _step;
        f.place = f.programCount;
        _refused(claim, f, _fact("program"));
        f.place = 1;
        _refused(claim, f, tuple);
        (f.place, f.programCount) = (0, 1);
        _refused(claim, f, tuple);
        _refused(claim, _emit, tuple); // of another kind
        f = _step;
        f.program.nodes = "others";
        _refused(claim, f, tuple);
    }

    function test_openChallenge_otherSamplesOrType_reverts() external {
        Claim memory claim = _sealed(_segment(1, 2));
        Facts memory f = _step;
        f.sampleCount++;
        _refused(claim, f, _fact("samples"));
        f = _step;
        f.samplesRoot = "others";
        _refused(claim, f, _fact("samples"));
        f = _step;
        f.form = "another";
        _refused(claim, f, _fact("samples"));
        f = _step;
        f.xType[7] = 0x20;
        _refused(claim, f, _fact("xType"));
        f = _step;
        f.xType = bytes.concat(f.xType, bytes1(0));
        _refused(claim, f, _fact("xType"));
        f = _step;
        f.xTypeProof = new bytes32[](1);
        _refused(claim, f, _fact("xType"));
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "nothing is disputed");
        vm.prank(stranger);
        disputes.withdrawChallenge(job, keccak256(abi.encode(claim, stranger, bytes32("salt"))));
        equal(free(stranger), FUNDS / 2, "and nothing lost");
    }

    function test_openChallenge_noUpdate_withoutTheState_reverts() external {
        Claim memory claim = _sealed(_emission(3));
        Facts memory f = _facts(claim);
        f.stateRoots = new bytes32[](0);
        _refused(claim, f, _fact("stateRoots"));
        f.stateRoots = new bytes32[](1);
        _refused(claim, f, abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple")));
    }

    /// Who has met a fault of the job has no state, and owes no update.
    function test_openChallenge_noUpdate_afterAFault_reverts() external {
        Claim memory claim = _sealed(_emission(0));
        _refused(claim, _facts(claim), abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple")));
    }

    /// Nor has it anything to open of a segment that would begin behind the fault.
    function test_openChallenge_segmentWithoutItsState_reverts() external {
        Claim memory claim = _sealed(_segment(1, 2));
        Facts memory f = _facts(claim);
        f.stateRoots = new bytes32[](0);
        _refused(claim, f, _fact("stateRoots"));
        f.stateRoots = new bytes32[](1);
        _refused(claim, f, abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple")));
    }

    /// The states between so many steps would fit no transaction, and whoever has to open them would lose.
    function test_post_stepsBeyondATransaction_reverts() external {
        (order.stepsPerSegment, order.stepsPerRound) = (1025, 1025 * SEGMENTS);
        vm.expectRevert(abi.encodeWithSelector(IJobs.BadOrder.selector, bytes32("stepsPerSegment")));
        post();
    }

    // ---------------------------------------------------------------- plain

    function _upheldAtOnce(Claim memory claim) private {
        uint16 slot = claim.commitment.slot;
        Play memory p = _challenge(claim, stranger);
        _is(p.dispute, IDisputes.Settlement.Upheld, "at once");
        equal(p.game, 0, "without a game");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "slashed");
        equal(free(stranger), FUNDS / 2 + COST / 3, "bond back and a third");
        equal(vault.burned(token), COST - 2 * (COST / 3), "a third burned");
        equal((jobs.slotsOpen(job)[0] >> slot) & 1, 0, "slot closed");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.settle(p.dispute);
        claim = _segment(slot, 2);
        Facts memory facts = _facts(claim);
        _seal(claim, consumer);
        mine(1);
        vm.prank(consumer);
        vm.expectPartialRevert(IDisputes.AlreadyDisproved.selector);
        disputes.openChallenge(claim, facts, "salt");
        _conserved();
    }

    function test_plain_anotherStart_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        _upheldAtOnce(_segment(2, 0));
    }

    function test_plain_updateInTheMiddle_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        _upheldAtOnce(_segment(3, 1));
    }

    function test_plain_noUpdate_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        _upheldAtOnce(_emission(3));
    }

    function test_plain_included_rewinds_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _challenge(_segment(2, 0), stranger);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        _conserved();
    }

    // ---------------------------------------------------------------- won and lost

    function test_silentDefender_isDisproved_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory p = _challenge(_segment(1, 2), stranger);
        yes(games.viewOf(p.game).demand == Demand.Steps, "the states between are called for");
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "slashed");
        equal(free(stranger), FUNDS / 2 + COST / 3, "bond back and a third");
        equal(vault.burned(token), COST - 2 * (COST / 3), "a third burned");
        equal(jobs.slotsOpen(job)[0], 0xd, "slot closed");
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        equal(rounds.earned(job, p.accused), 0, "unpaid");
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.settle(p.dispute);
        _conserved();
    }

    function test_shownByTheArbiter_beforeInclude_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_segment(1, 2), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "slash capped at the round's cost");
        equal(jobs.slotsOpen(job)[0], 0xd, "slot closed");
        bytes[] memory signatures = resultSignatures(job, 0, 0, 0xf, 0xf, 3);
        vm.expectPartialRevert(IRounds.NotIncluded.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", signatures);
        includeRound(job, 0, 0, 0xd, 0xd);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(rounds.earned(job, p.accused), 0, "unpaid");
        equal(bucket(IVault.Kind.Credit, job), COST - PRICE, "the others are paid");
        _conserved();
    }

    /// What was built on it is judged first; then all of it is made again, and paid, without the liar.
    function test_shownByTheArbiter_afterAggregate_theJobGoesOn_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Sampling, job, 0, 1, 0xf);
        Play memory p = _challenge(_segment(1, 2), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        yes(rounds.viewOf(job, 0, 1).orphan, "an orphan");
        skip(order.windows.table);
        rounds.advance(job, 0, 1);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Void, "then void too");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        equal(rounds.earned(job, bidders[0]), PRICE + PRICE / 2, "full for the included, half for the committed");
        equal(rounds.earned(job, p.accused), 0, "nothing for the liar");
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.finalise(job, 0, 0);
        for (uint32 round = 0; round < 3; round++) playTo(RoundPhase.Final, job, 1, round, 0xd);
        jobs.end(job);
        yes(rounds.complete(job), "complete");
        for (uint256 i = 0; i < everybody.length; i++) {
            rounds.claim(job, everybody[i]);
            equal(stakes.locked(token, everybody[i]), 0, "unlocked");
        }
        equal(bucket(IVault.Kind.Credit, job), 0, "all credit claimed");
        equal(vault.total(token, IVault.Kind.Bond), 0, "no bond left");
        _conserved();
    }

    /// The cap is for what is shown by games: two roots for one slot cost the rest.
    function test_disproved_thenEquivocated_losesTheRest_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_segment(1, 2), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        Commitment memory a = commitmentOf(job, 0, 0, 1);
        Commitment memory b = commitmentOf(job, 0, 0, 1);
        b.sealedHash = "other";
        rounds.equivocate(a, signCommitment(a), b, signCommitment(b));
        equal(stakes.staked(token, p.accused), FUNDS / 2 - order.providerStake, "all of its lock");
        _conserved();
    }

    /// Liar, challenger and consumer in one: what is burned is lost.
    function test_liarAndFriends_loseAtLeastTheBurn_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address liar = jobs.providerAt(job, 1);
        uint256 before = worth(liar) + worth(stranger) + worth(consumer) + bucket(IVault.Kind.Escrow, job);
        Play memory p = _challenge(_segment(1, 2), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        uint256 afterwards = worth(liar) + worth(stranger) + worth(consumer) + bucket(IVault.Kind.Escrow, job);
        yes(before - afterwards >= COST / 3, "a third of the slash");
    }

    function test_emit_silentDefender_isDisproved_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_emission(1), stranger);
        equal(games.viewOf(p.game).claim, keccak256(abi.encode(p.a)), "what it stands for");
        _demandRun(p, 0, new bytes32[](0));
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(disputes.viewOf(p.dispute).segment, SEGMENTS, "N stands for the update");
        _conserved();
    }

    function test_challengerResigns_losesItsBond_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_segment(1, 2), stranger);
        Play memory other = _challenge(_segment(1, 2), consumer);
        uint256 before = free(p.accused);
        _resign(p);
        _is(p.dispute, IDisputes.Settlement.Dismissed, "dismissed");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        equal(vault.burned(token), bond / 3, "a third burned");
        equal(free(p.accused), before + bond - bond / 3, "the rest for whom it made work");
        equal(stakes.staked(token, p.accused), FUNDS / 2, "who is not slashed");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 1, "the other goes on");
        uint256 had = free(consumer);
        _silent(other);
        _is(other.dispute, IDisputes.Settlement.Upheld, "a defeat settles nothing for others");
        equal(free(consumer), had + bond + COST / 3, "who earns");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    function test_idleChallenger_losesItsBond_mayComeAgain_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_segment(1, 2), stranger);
        _answerSteps(p, _states());
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Dismissed, "dismissed");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        vm.prank(stranger);
        disputes.commitChallenge(job, keccak256(abi.encode(p.claim, stranger, bytes32("salt"))));
        mine(1);
        Play memory again = _open(p.claim, stranger);
        yes(games.viewOf(again.game).demand == Demand.None, "what was opened is known");
        _resign(again);
        equal(vault.burned(token), 2 * (bond / 3), "each costs");
        _conserved();
    }

    // ---------------------------------------------------------------- who earns

    function test_ten_theEarliestSealedEarns_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _segment(1, 2);
        for (uint256 i = 0; i < 10; i++) {
            _seal(claim, pool[i]);
            mine(1);
        }
        uint256 had = free(pool[0]) + bond;
        Play[] memory all = new Play[](10);
        for (uint256 i = 10; i > 0; i--) all[i - 1] = _open(claim, pool[i - 1]);
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 10, "ten");
        skip(CLOCK + 1);
        games.timeout(all[7].game);
        disputes.settle(all[7].dispute);
        _is(all[7].dispute, IDisputes.Settlement.Upheld, "one of them has won");
        equal(free(pool[0]), had - bond + COST / 3, "the first to have sealed earns");
        games.timeout(all[3].game);
        for (uint256 i = 0; i < 10; i++) {
            if (i == 7) continue;
            disputes.settle(all[i].dispute);
            _is(all[i].dispute, IDisputes.Settlement.Moot, "moot");
        }
        equal(free(pool[0]), had + COST / 3, "bond back");
        for (uint256 i = 1; i < 10; i++) equal(worth(pool[i]), FUNDS, "nothing lost or won");
        equal(stakes.staked(token, all[0].accused), FUNDS / 2 - COST, "slashed once");
        equal(vault.total(token, IVault.Kind.Bond), _otherBonds(job), "no bond of theirs is left");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    function test_earner_hasNotLost_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory first = _challenge(_segment(1, 2), stranger);
        Play memory second = _challenge(_segment(1, 2), pool[0]);
        Play memory third = _challenge(_segment(1, 2), pool[1]);
        Play memory elsewhere = _challenge(_segment(1, 1), pool[2]);
        vm.prank(stranger);
        games.resign(first.game);
        skip(CLOCK + 1);
        games.timeout(third.game);
        disputes.settle(third.dispute);
        equal(worth(pool[0]), FUNDS - bond + COST / 3, "the first that has not lost earns");
        equal(worth(pool[1]), FUNDS, "not who has won");
        disputes.settle(second.dispute);
        disputes.settle(elsewhere.dispute);
        equal(worth(pool[2]), FUNDS, "nor who looked elsewhere");
        disputes.settle(first.dispute);
        yes(free(stranger) <= FUNDS / 2, "nor who has resigned");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    /// Nobody has to call the time of an idle first challenger before its reward is another's.
    function test_earner_clockHasRunOut_doesNotEarn_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory idle = _challenge(_segment(1, 2), stranger);
        _answerSteps(idle, _states());
        Play memory p = _challenge(_segment(1, 2), pool[0]);
        _demandRun(p, 0, _states());
        skip(CLOCK + 1);
        games.timeout(p.game);
        disputes.settle(p.dispute);
        equal(worth(pool[0]), FUNDS + COST / 3, "who has won earns");
        disputes.settle(idle.dispute);
        yes(worth(stranger) <= FUNDS, "the idle one does not");
        _conserved();
    }

    // ---------------------------------------------------------------- finality

    function test_finalise_waitsForTheGame_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Claim memory late = _segment(1, 1);
        Facts memory facts = _step;
        _seal(late, pool[0]);
        Play memory p = _challenge(_segment(1, 2), stranger);
        skip(order.windows.challenge + order.windows.open);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        vm.prank(pool[0]);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(late, facts, "salt");
        _resign(p);
        rounds.finalise(job, 0, 0);
        vm.prank(pool[0]);
        disputes.withdrawChallenge(job, keccak256(abi.encode(late, pool[0], bytes32("salt"))));
        equal(worth(pool[0]), FUNDS, "nothing lost");
        _conserved();
    }

    /// Nobody signs a set while something is disputed: a challenge can follow the other for so long only.
    function test_opening_isNotHeldUpForEver_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _segment(1, 2);
        Facts memory facts = _step;
        _seal(claim, pool[0]);
        skip(order.windows.open + order.windows.challenge - 2);
        Play memory p = _challenge(claim, stranger);
        rounds.advance(job, 0, 0);
        skip(1);
        vm.prank(pool[0]);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
        _answerSteps(p, _states());
        _resign(p);
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "nothing is disputed");
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        p = _open(claim, pool[0]);
        _shown(p, 6);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "what was included can be challenged as ever");
        _conserved();
    }

    /// Of what was put in another's place, a challenge can follow the other for so long only.
    function test_void_isNotChallengedForEver_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Claim memory claim = _segment(1, 2);
        _challenge(_segment(2, 0), consumer);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        Play memory p = _challenge(claim, stranger);
        skip(order.windows.challenge);
        Play memory second = _challenge(claim, pool[0]);
        _seal(claim, pool[1]);
        skip(order.windows.open);
        Facts memory facts = _step;
        vm.prank(pool[1]);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "a liar of a void round is slashed");
        disputes.settle(second.dispute);
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    // ---------------------------------------------------------------- a fault of the job

    function test_fault_stands_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Opening, job, 0, 1, 0xf);
        Play memory p = _faulted(this.segmentClaim(job, 0, 1, 0xf, 1, 2), stranger);
        uint256 until = disputes.viewOf(p.dispute).faultUntil;
        equal(until, block.timestamp + order.windows.challenge, "a window");
        _is(p.dispute, IDisputes.Settlement.Open, "open");
        yes(phaseOf(job) == JobPhase.Running, "running");
        vm.expectRevert(abi.encodeWithSelector(IDisputes.TooSoon.selector, until));
        disputes.settle(p.dispute);
        skip(order.windows.challenge);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotFirst.selector, uint32(0)));
        disputes.settle(p.dispute);
        rounds.finalise(job, 0, 0);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.JobFault, "fault");
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        equal(vault.burned(token), order.faultDeposit, "the consumer's deposit is forfeited");
        equal(free(stranger), FUNDS / 2, "bond back");
        equal(stakes.staked(token, p.accused), FUNDS / 2, "nobody slashed");
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        _conserved();
    }

    /// Liar and challenger are friends; the slot's window is over, and what it rests on can be disproved all the same.
    function test_fault_disproved_isUndone_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory p = _faulted(_segment(1, 2), stranger);
        _seal(_segment(1, 1), pool[0]);
        skip(order.windows.challenge - 1);
        Play memory honest = _open(_segment(1, 1), pool[0]);
        yes(block.timestamp >= rounds.viewOf(job, 0, 0).deadline, "the round's window is over");
        skip(1);
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(p.dispute);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        _silent(honest);
        _is(honest.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(worth(pool[0]), FUNDS + COST / 3, "who looked earns");
        equal(worth(p.accused), FUNDS - COST - _bondOf(job, p.accused), "the liar is slashed");
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Undone, "undone");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        equal(vault.burned(token), bond + COST - 2 * (COST / 3), "and burned");
        yes(phaseOf(job) == JobPhase.Running, "the job goes on");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "without the liar");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    /// What nobody can see nobody can disprove: a fault of a slot that hides its leaves is none.
    function test_fault_leavesAreNotShown_isDisproved_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory p = _challenge(_segment(1, 2), stranger);
        _shown(p, 1);
        disputes.settle(p.dispute);
        uint256 until = disputes.viewOf(p.dispute).showUntil;
        equal(until, block.timestamp + order.windows.open, "a window to show them");
        equal(disputes.viewOf(p.dispute).faultUntil, 0, "no fault yet");
        vm.expectRevert(abi.encodeWithSelector(IDisputes.TooSoon.selector, until));
        disputes.settle(p.dispute);
        skip(order.windows.open);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "disproved");
        equal(worth(p.accused), FUNDS - COST - _bondOf(job, p.accused), "slashed");
        yes(phaseOf(job) == JobPhase.Running, "the job goes on");
        _conserved();
    }

    function test_fault_leavesAreShownWhenCalledFor_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory p = _challenge(_segment(1, 2), stranger);
        _shown(p, 1);
        disputes.settle(p.dispute);
        skip(order.windows.open);
        _reveal(p.claim);
        disputes.settle(p.dispute);
        equal(disputes.viewOf(p.dispute).faultUntil, block.timestamp + order.windows.challenge, "now there is something to look at");
        skip(order.windows.challenge);
        disputes.settle(p.dispute);
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        _conserved();
    }

    function test_fault_windowIsOnce_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory p = _faulted(_segment(1, 2), stranger);
        Claim memory claim = _segment(1, 1);
        Facts memory facts = _step;
        _seal(claim, pool[0]);
        _seal(claim, pool[1]);
        skip(order.windows.challenge - 1);
        Play memory second = _open(claim, pool[0]);
        skip(1);
        vm.prank(pool[1]);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
        _shown(second, 1);
        disputes.settle(second.dispute);
        equal(disputes.viewOf(second.dispute).faultUntil, disputes.viewOf(p.dispute).faultUntil, "no window anew");
        disputes.settle(second.dispute);
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.JobFault, "the other too");
        equal(free(stranger), FUNDS / 2, "bond back");
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        _conserved();
    }

    /// What waits for rounds that are never final would keep the job from its end.
    function test_fault_twice_theJobEnds_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Opening, job, 0, 1, 0xf);
        Play memory later = _faulted(this.segmentClaim(job, 0, 1, 0xf, 1, 2), pool[0]);
        Play memory p = _faulted(_segment(1, 2), stranger);
        skip(order.windows.challenge);
        disputes.settle(p.dispute);
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        disputes.settle(later.dispute);
        _is(later.dispute, IDisputes.Settlement.JobFault, "nothing follows from it");
        equal(worth(pool[0]), FUNDS, "bond back");
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        _conserved();
    }

    function test_fault_ofVoidRoundOrOrphan_faultsNothing_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Opening, job, 0, 1, 0xf);
        Play memory p = _faulted(_segment(1, 2), stranger);
        Play memory orphan = _faulted(this.segmentClaim(job, 0, 1, 0xf, 1, 2), pool[0]);
        _challenge(_segment(2, 0), consumer);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void && rounds.viewOf(job, 0, 1).orphan, "void, and an orphan");
        skip(order.windows.challenge);
        disputes.settle(p.dispute);
        disputes.settle(orphan.dispute);
        _is(p.dispute, IDisputes.Settlement.JobFault, "found");
        yes(phaseOf(job) == JobPhase.Running, "and nothing follows");
        equal(free(stranger), FUNDS / 2, "bond back");
        equal(worth(pool[0]), FUNDS, "bond back");
        equal(rounds.viewOf(job, 0, 1).disputesOpen, 0, "closed");
        _conserved();
    }

    function test_fault_ofALiarElsewhere_faultsNothing_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory p = _faulted(_segment(1, 2), stranger);
        Commitment memory a = commitmentOf(job, 0, 0, 1);
        Commitment memory b = commitmentOf(job, 0, 0, 1);
        b.sealedHash = "other";
        rounds.equivocate(a, signCommitment(a), b, signCommitment(b));
        skip(order.windows.challenge);
        disputes.settle(p.dispute);
        yes(phaseOf(job) == JobPhase.Running, "its word is none");
        _conserved();
    }

    // ---------------------------------------------------------------- a fault that is claimed

    function _claimFault(Claim memory claim, address by) private returns (uint256) {
        Commitment memory c = claim.commitment;
        if (!rounds.shown(c.job, c.generation, c.round, c.slot)) _reveal(claim);
        vm.prank(by);
        return disputes.claimFault(claim, 25, 0, OPERATOR);
    }

    function test_claimFault_stands_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _claimFault(_emission(0), stranger);
        IDisputes.ChallengeView memory view_ = disputes.viewOf(dispute);
        equal(view_.faultUntil, block.timestamp + order.windows.challenge, "a window");
        equal(view_.game, 0, "without a game");
        equal(free(stranger), FUNDS / 2, "without a bond");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 1, "it holds its round up");
        vm.expectRevert(abi.encodeWithSelector(IDisputes.TooSoon.selector, view_.faultUntil));
        disputes.settle(dispute);
        Claim memory again = _emission(0);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.claimFault(again, 25, 0, OPERATOR);
        skip(order.windows.challenge);
        disputes.settle(dispute);
        _is(dispute, IDisputes.Settlement.JobFault, "fault");
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        equal(vault.burned(token), order.faultDeposit, "the consumer's deposit is forfeited");
        equal(free(stranger), FUNDS / 2, "nothing for who said so");
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.settle(dispute);
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        address[] memory providers = jobs.providersOf(job);
        for (uint256 i = 0; i < 4; i++) equal(rounds.claim(job, providers[i]), PRICE, "paid");
        _conserved();
    }

    /// The segment that ends in it says so as well as the last leaf.
    function test_claimFault_ofItsSegment_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _claimFault(_segment(0, SEGMENTS - 1), stranger);
        equal(disputes.viewOf(dispute).segment, SEGMENTS - 1, "the segment");
        Claim memory again = _emission(0);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.claimFault(again, 25, 0, OPERATOR);
    }

    /// Of the round before nothing is known yet: its window comes first.
    function test_claimFault_waitsForEarlierRounds_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Opening, job, 0, 1, 0xf);
        Claim memory claim = this.segmentClaim(job, 0, 1, 0xf, 0, SEGMENTS - 1);
        claim.target = Target.Emit;
        uint256 dispute = _claimFault(claim, stranger);
        skip(order.windows.challenge);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotFirst.selector, uint32(0)));
        disputes.settle(dispute);
        rounds.finalise(job, 0, 0);
        disputes.settle(dispute);
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Final, "what stood stands");
        _conserved();
    }

    function test_claimFault_disproved_isUndone_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address liar = commitmentOf(job, 0, 0, 0).provider;
        uint256 dispute = _claimFault(_emission(0), liar);
        _seal(_segment(0, 1), pool[0]);
        skip(order.windows.challenge - 1);
        Play memory honest = _open(_segment(0, 1), pool[0]);
        skip(1);
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(dispute);
        _silent(honest);
        _is(honest.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(worth(pool[0]), FUNDS + COST / 3, "who looked earns");
        disputes.settle(dispute);
        _is(dispute, IDisputes.Settlement.Undone, "undone");
        yes(phaseOf(job) == JobPhase.Running, "the job goes on");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        equal(vault.total(token, IVault.Kind.Bond), _otherBonds(job), "no bond left");
        _conserved();
    }

    function test_claimFault_ofALiarElsewhere_faultsNothing_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256 dispute = _claimFault(_emission(0), stranger);
        Commitment memory a = commitmentOf(job, 0, 0, 0);
        Commitment memory b = commitmentOf(job, 0, 0, 0);
        b.sealedHash = "other";
        rounds.equivocate(a, signCommitment(a), b, signCommitment(b));
        skip(order.windows.challenge);
        disputes.settle(dispute);
        yes(phaseOf(job) == JobPhase.Running, "its word is none");
        _conserved();
    }

    /// Only what the last leaf says, at the node that it says it of, of what has a future.
    function test_claimFault_whatIsNone_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _emission(0);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("shown")));
        disputes.claimFault(claim, 25, 0, OPERATOR);
        _reveal(claim);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("fault")));
        disputes.claimFault(claim, 24, 0, OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("fault")));
        disputes.claimFault(claim, 25, 1, OPERATOR);
        Claim memory sound = _emission(1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("fault")));
        disputes.claimFault(sound, 25, 0, OPERATOR);
        Claim memory segment = _segment(0, 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("fault")));
        disputes.claimFault(segment, 25, 0, OPERATOR);
        segment = _segment(2, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("start")));
        disputes.claimFault(segment, 25, 0, OPERATOR);
        segment.target = Target.Table;
        vm.expectPartialRevert(IDisputes.NoGame.selector);
        disputes.claimFault(segment, 25, 0, OPERATOR);
        claim.after_.lossBits ^= 1;
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("leaf")));
        disputes.claimFault(claim, 25, 0, OPERATOR);
    }

    /// Where nobody has looked yet nobody could say that it is false.
    function test_claimFault_whileTablesAreBlind_reverts() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        mine(5);
        Claim memory claim = _emission(0);
        _reveal(claim);
        vm.expectPartialRevert(IRounds.WrongPhase.selector);
        disputes.claimFault(claim, 25, 0, OPERATOR);
    }

    function test_claimFault_ofAVoidRoundOrOrphan_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Opening, job, 0, 1, 0xf);
        _challenge(_segment(2, 0), consumer);
        Claim memory claim = _emission(0);
        vm.expectPartialRevert(IRounds.WrongPhase.selector);
        disputes.claimFault(claim, 25, 0, OPERATOR);
        claim = this.segmentClaim(job, 0, 1, 0xf, 0, SEGMENTS - 1);
        claim.target = Target.Emit;
        vm.expectPartialRevert(IRounds.WrongPhase.selector);
        disputes.claimFault(claim, 25, 0, OPERATOR);
    }

    /// A game about the same slot that ends in its fault takes the window that the claim has begun.
    function test_claimFault_besideAGame_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _segment(0, SEGMENTS - 1);
        Play memory p = _challenge(claim, stranger);
        uint256 dispute = _claimFault(_emission(0), pool[0]);
        uint256 until = disputes.viewOf(dispute).faultUntil;
        skip(order.windows.challenge);
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(dispute);
        _resign(p);
        disputes.settle(dispute);
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        equal(disputes.viewOf(dispute).faultUntil, until, "one window");
        equal(free(stranger), FUNDS / 2 - bond, "who had nothing to show has lost its bond");
        _conserved();
    }

    // ---------------------------------------------------------------- anything

    /// Whatever eight challengers do to an aggregate and to four slots of two rounds: each dispute is settled, money is where it was or burned, and
    /// the job ends.
    function testFuzz_anything_isSettled(uint256 seed) external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        // Slots 0 and 3 have no update: with them there is nothing to aggregate.
        includeRound(job, 0, 0, 0xf, seed % 4 == 0 ? 0xf : 0x6);
        aggregateRound(job, 0, 0);
        _show(job, 0, 0);
        playTo(RoundPhase.Opening, job, 0, 1, 0xf);
        Play[] memory plays = new Play[](8);
        Claim[] memory claims = new Claim[](8);
        for (uint256 i = 0; i < 8; i++) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            claims[i] = this.segmentClaim(job, 0, uint32(dice & 1), 0xf, uint16((dice >> 1) % 4), uint32((dice >> 8) % 3));
            if ((dice >> 16) % 4 == 0) claims[i] = aggregateClaim(Target.Aggregate, job, 0, 0);
            _seal(claims[i], pool[i]);
            if (dice >> 255 == 1) mine(1);
        }
        mine(1);
        uint256 count;
        for (uint256 i = 0; i < 8; i++) {
            uint256 dice = uint256(keccak256(abi.encode(seed, "move", i)));
            if (dice % 3 == 0) skip((dice >> 8) % 40);
            try this.tryOpen(claims[i], pool[i]) returns (Play memory p) {
                plays[count++] = p;
            } catch {
                vm.prank(pool[i]);
                disputes.withdrawChallenge(job, keccak256(abi.encode(claims[i], pool[i], bytes32("salt"))));
            }
            if (count != 0) try this.tryMove(plays[(dice >> 16) % count], dice >> 32) {} catch {}
            _conserved();
        }
        yes(count > 0, "something is disputed");
        for (uint256 i = 0; i < count; i++) {
            uint256 dice = uint256(keccak256(abi.encode(seed, "end", i)));
            try this.tryMove(plays[i], dice) {} catch {}
        }
        for (uint256 times = 0; times < 12; times++) {
            skip(CLOCK + 1);
            for (uint256 i = 0; i < count; i++) {
                try games.timeout(plays[i].game) {} catch {}
                try games.recall(plays[i].game) {} catch {}
                try disputes.settle(plays[i].dispute) {} catch {}
            }
            for (uint32 round = 0; round < 2; round++) {
                try rounds.advance(job, 0, round) {} catch {}
                try rounds.finalise(job, 0, round) {} catch {}
            }
            _conserved();
        }
        for (uint256 i = 0; i < count; i++) {
            yes(disputes.viewOf(plays[i].dispute).outcome != IDisputes.Settlement.Open, "settled");
            equal(rounds.viewOf(job, 0, uint32(plays[i].claim.commitment.round)).disputesOpen, 0, "closed");
        }
        equal(vault.total(token, IVault.Kind.Bond), _otherBonds(job), "no bond left");
    }

    function tryOpen(Claim memory claim, address challenger) external returns (Play memory) {
        return _open(claim, challenger);
    }

    function tryMove(Play memory p, uint256 dice) external {
        if (dice % 5 == 0) return _resign(p);
        if (dice % 5 == 1) return _silent(p);
        if (p.claim.target == Target.Aggregate) {
            _opened(p, _value("another"));
            if (dice % 5 == 3) _proveFault(p, _value("another"));
            else if (dice % 5 == 4) _proveOutput(p, _value("another"), _rootOf(_end(0, 0)));
        } else if (dice % 5 == 2) {
            return _answerSteps(p, _states());
        } else {
            _shown(p, dice % 5 == 3 ? 1 : 6);
        }
        disputes.settle(p.dispute);
    }
}
