// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, JobPhase, Leaf, RoundPhase, Target, UNSCORED} from "../src/Types.sol";
import {Openings, Origin, Value} from "../src/arbiter/Openings.sol";
import {Claim, Facts, IDisputes} from "../src/interfaces/IDisputes.sol";
import {Assertion, Demand, Ending, IGames} from "../src/interfaces/IGames.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Contested} from "./Plays.sol";
import {Tree} from "./Tree.sol";

/// @title Challenges of aggregates: that a round's end follows from its start and its included updates.
contract AggregatesTest is Contested {
    function setUp() external {
        _run(3, type(int64).max);
    }

    // ---------------------------------------------------------------- helpers

    function _claim() private view returns (Claim memory) {
        return aggregateClaim(Target.Aggregate, job, 0, 0);
    }

    /// Round 0 stands, its updates are shown, and somebody challenges its end.
    function _disputed(address challenger) private returns (Play memory) {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _show(job, 0, 0);
        return _challenge(_claim(), challenger);
    }

    function _refused(Claim memory claim, Facts memory facts, bytes memory reason) private {
        vm.prank(stranger);
        vm.expectRevert(reason);
        disputes.openChallenge(claim, facts, "salt");
    }

    function _wrongClaim(bytes32 part) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDisputes.WrongClaim.selector, part);
    }

    function _falseValue() private pure returns (Value memory) {
        return _value("false");
    }

    /// The aggregator opens another value than the one that its end is of.
    function _shownFalse(Play memory p) private {
        _opened(p, _falseValue());
        _proveOutput(p, _falseValue(), _rootOf(_end(0, 0)));
        disputes.settle(p.dispute);
    }

    function _faulted(Play memory p) private {
        _opened(p, _falseValue());
        _proveFault(p, _falseValue());
        yes(games.viewOf(p.game).outcome == Ending.JobFault, "a fault of the job");
        disputes.settle(p.dispute);
    }

    function _endJob(uint32 generation, uint256 present) private {
        (, uint32 first,) = rounds.progress(job);
        for (uint32 round = first; round < 3; round++) playTo(RoundPhase.Final, job, generation, round, present);
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

    // ---------------------------------------------------------------- the updates

    /// Whoever asks is to begin then; nobody else does, and not before all is shown.
    function test_openChallenge_updatesNotShown_areAwaited_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Claim memory claim = _claim();
        Facts memory facts = _facts(claim);
        Play memory p = _challenge(claim, stranger);
        equal(p.game, 0, "no game yet");
        equal(disputes.viewOf(p.dispute).showUntil, block.timestamp + order.windows.open, "a window to show them");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 1, "disputed");
        Claim[] memory all = _emissions(job, 0, 0);
        Claim[] memory one = new Claim[](1);
        for (uint256 i = 0; i < 4; i++) {
            vm.prank(stranger);
            vm.expectRevert(_fact("updates"));
            disputes.begin(p.dispute, facts);
            one[0] = all[3 - i];
            disputes.showUpdates(one);
        }
        vm.expectPartialRevert(IGames.NotYourTurn.selector);
        disputes.begin(p.dispute, facts);
        vm.expectPartialRevert(IDisputes.TooSoon.selector);
        disputes.settle(p.dispute);
        vm.prank(stranger);
        disputes.begin(p.dispute, facts);
        (p.game, p.a) = (disputes.viewOf(p.dispute).game, _assertion(claim));
        equal(games.viewOf(p.game).claim, keccak256(abi.encode(p.a)), "the same game");
        vm.prank(stranger);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.begin(p.dispute, facts);
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(p.dispute);
        _demandRun(p, 0, new bytes32[](0));
        skip(order.windows.challenge + order.windows.open);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "not answered");
        _conserved();
    }

    function test_openChallenge_updatesNeverShown_isUpheld_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        address aggregator = rounds.aggregatorOf(job, 0, 0);
        uint256 had = free(stranger);
        Play memory p = _challenge(_claim(), stranger);
        skip(order.windows.open - 1);
        vm.expectPartialRevert(IDisputes.TooSoon.selector);
        disputes.settle(p.dispute);
        skip(1);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "who includes an update shows it");
        equal(stakes.staked(token, aggregator), FUNDS / 2 - COST, "slashed");
        equal(free(stranger), had + COST / 3, "bond back, and a third");
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "done again");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    function test_openChallenge_updatesShown_gameNotBegun_isDismissed_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        address aggregator = rounds.aggregatorOf(job, 0, 0);
        (uint256 had, uint256 bond) = (free(aggregator), disputes.bondOf(job));
        Play memory p = _challenge(_claim(), stranger);
        _show(job, 0, 0);
        skip(order.windows.open);
        vm.expectPartialRevert(IDisputes.TooSoon.selector);
        disputes.settle(p.dispute);
        skip(order.windows.open);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Dismissed, "who asks for it begins then");
        equal(free(aggregator), had + bond - bond / 3, "for the work of showing");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    function test_showUpdates_otherTargets_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Claim[] memory all = _emissions(job, 0, 0);
        Target[4] memory others = [Target.Segment, Target.Table, Target.Aggregate, Target.Score];
        for (uint256 i = 0; i < 4; i++) {
            all[3].target = others[i];
            vm.expectRevert(abi.encodeWithSelector(IDisputes.NoGame.selector, others[i]));
            disputes.showUpdates(all);
        }
        bytes32[] memory roots = disputes.updatesOf(job, 0, 0);
        for (uint256 i = 0; i < 4; i++) equal(roots[i], 0, "nothing is shown by half");
    }

    function _notShown(Claim memory claim, bytes32 part) private {
        Claim[] memory one = new Claim[](1);
        one[0] = claim;
        vm.expectRevert(_wrongClaim(part));
        disputes.showUpdates(one);
    }

    function test_showUpdates_falseLeaves_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Claim memory claim = _emissions(job, 0, 0)[1];
        claim.after_.updateRoot = "another";
        _notShown(claim, "leaf");
        claim = _emissions(job, 0, 0)[1];
        claim.after_.stateRoot = "another";
        _notShown(claim, "leaf");
        claim = _emissions(job, 0, 0)[1];
        claim.secret = "another";
        _notShown(claim, "secret");
        claim = _emissions(job, 0, 0)[1];
        (claim.after_, claim.afterProof) = (claim.before, claim.beforeProof);
        _notShown(claim, "after");
        claim = _emissions(job, 0, 0)[1];
        claim.commitment.transcriptRoot = "another";
        _notShown(claim, "commitment");
        claim = _emissions(job, 0, 0)[1];
        claim.commitment.slot = 2;
        _notShown(claim, "commitment");
        claim = _emissions(job, 0, 0)[1];
        claim.signature = new bytes(65);
        _notShown(claim, "commitment");
        claim = _emissions(job, 0, 0)[1];
        claim.commitment.round = 1;
        Claim[] memory one = new Claim[](1);
        one[0] = claim;
        vm.expectPartialRevert(IRounds.WrongPhase.selector);
        disputes.showUpdates(one);
    }

    function test_showUpdates_twice_changesNothing_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        equal(disputes.updatesOf(job, 0, 0).length, 4, "four are included");
        for (uint256 times = 0; times < 2; times++) {
            Claim[] memory claims = _emissions(job, 0, 0);
            vm.prank(times == 0 ? consumer : stranger);
            disputes.showUpdates(claims);
            bytes32[] memory roots = disputes.updatesOf(job, 0, 0);
            equal(roots.length, 4, "four");
            for (uint16 slot = 0; slot < 4; slot++) equal(roots[slot], keccak256(abi.encode("update", slot)), "as committed");
        }
        equal(disputes.updatesOf(job, 0, 1).length, 0, "of no other round");
        _conserved();
    }

    /// Those of the included, by slot: what else is shown has no part in it.
    function test_updatesOf_includedOnly_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        equal(disputes.updatesOf(job, 0, 0).length, 0, "nothing is included yet");
        includeRound(job, 0, 0, 0xf, 0xb);
        aggregateRound(job, 0, 0);
        Claim[] memory one = new Claim[](1);
        one[0] = _segment(2, SEGMENTS - 1);
        one[0].target = Target.Emit;
        disputes.showUpdates(one);
        _show(job, 0, 0);
        bytes32[] memory roots = disputes.updatesOf(job, 0, 0);
        equal(roots.length, 3, "three");
        for (uint16 i = 0; i < 3; i++) equal(roots[i], keccak256(abi.encode("update", i == 2 ? 3 : i)), "by slot");
        Play memory p = _challenge(_claim(), stranger);
        equal(games.viewOf(p.game).claim, keccak256(abi.encode(p.a)), "of three");
        equal(p.a.origins.length, 4, "a start and three updates");
    }

    // ---------------------------------------------------------------- what the aggregator stands for

    function test_openChallenge_standsForWhatIsCommitted_succeeds() external {
        Play memory p = _disputed(stranger);
        Assertion memory a;
        a.subject = keccak256(abi.encode(job, uint32(0), uint32(0), uint16(0), Target.Aggregate, uint32(0)));
        a.defender = rounds.aggregatorOf(job, 0, 0);
        a.program = _aggregation(4).program;
        a.origins = new Origin[](5);
        a.origins[0] = Origin(order.stateRoot, 1);
        for (uint16 slot = 0; slot < 4; slot++) a.origins[slot + 1] = Origin(keccak256(abi.encode("update", slot)), 1);
        (a.rowsFrom, a.endCount, a.steps, a.end) = (5, 1, 1, endRootOf(0, 0));
        equal(games.viewOf(p.game).claim, keccak256(abi.encode(a)), "of the order and the commitments");
        yes(games.viewOf(p.game).demand == Demand.None, "the challenger is to move");
        equal(games.viewOf(p.game).challenger, stranger, "who has opened it");
        IDisputes.ChallengeView memory v = disputes.viewOf(p.dispute);
        yes(v.target == Target.Aggregate && v.slot == 0 && v.segment == 0, "of no slot");
        // Of nothing but this is anything asked, and nobody but the aggregator answers.
        Assertion memory other = p.a;
        bytes32 root = other.origins[2].root;
        other.origins[2].root = "another";
        vm.prank(stranger);
        vm.expectPartialRevert(IGames.WrongClaim.selector);
        games.demandRun(p.game, other, 0, new bytes32[](0));
        p.a.origins[2].root = root;
        _demandRun(p, 0, new bytes32[](0));
        bytes32[] memory rows = _row(_end(0, 0));
        vm.prank(stranger);
        vm.expectPartialRevert(IGames.NotYourTurn.selector);
        games.answerRows(p.game, 0, 0, 0, rows, new bytes32[](0));
    }

    function test_openChallenge_anotherProgram_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _show(job, 0, 0);
        Claim memory claim = _claim();
        _seal(claim, stranger);
        mine(1);
        bytes memory tuple = abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple"));
        _refused(claim, _aggregation(3), tuple); // for another number of updates
        _refused(claim, _step, tuple); // of another kind
        _refused(claim, _emit, tuple);
        Facts memory f = _aggregation(4);
        f.place--;
        _refused(claim, f, tuple);
        f.place = f.programCount;
        _refused(claim, f, _fact("program"));
        f = _aggregation(4);
        f.programCount++;
        _refused(claim, f, tuple);
        f = _aggregation(4);
        f.program.nodes = "others";
        _refused(claim, f, tuple);
        f = _aggregation(4);
        f.head = _head(4, 1, 1);
        _refused(claim, f, _fact("head"));
        f.head = _head(5, 2, 1);
        _refused(claim, f, _fact("head"));
        f.head = _head(5, 1, 2);
        _refused(claim, f, _fact("head"));
        f.head = bytes.concat(_head(5, 1, 1), bytes1(0));
        _refused(claim, f, _fact("head"));
        (f.head, f.program.inputCount) = (_head(4, 1, 1), 4);
        _refused(claim, f, tuple);
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "nothing is disputed");
        vm.prank(stranger);
        disputes.withdrawChallenge(job, _sealOf(claim, stranger));
        equal(free(stranger), FUNDS / 2, "and nothing lost");
    }

    function _wrong(Claim memory claim) private {
        Facts memory facts = _aggregation(4);
        _seal(claim, stranger);
        mine(1);
        _refused(claim, facts, _wrongClaim("aggregate"));
    }

    function test_openChallenge_ofAnotherEnd_reverts() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        _wrong(_claim()); // there is none yet
        aggregateRound(job, 0, 0);
        _show(job, 0, 0);
        Claim memory claim = _claim();
        claim.commitment.transcriptRoot = "another";
        _wrong(claim);
        claim.commitment.transcriptRoot = Hashing.scoreDigest(endRootOf(0, 0), UNSCORED);
        _wrong(claim);
        claim = _claim();
        claim.commitment.slot = 1;
        _wrong(claim);
    }

    function test_openChallenge_afterTheWindow_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _show(job, 0, 0);
        Claim memory claim = _claim();
        Facts memory facts = _facts(claim);
        _seal(claim, stranger);
        skip(order.windows.challenge);
        _refused(claim, facts, abi.encodeWithSelector(IRounds.TooLate.selector, rounds.viewOf(job, 0, 0).deadline));
        rounds.finalise(job, 0, 0);
        _refused(claim, facts, abi.encodeWithSelector(IRounds.TooLate.selector, rounds.viewOf(job, 0, 0).deadline));
    }

    // ---------------------------------------------------------------- won

    function _isDisproved(Play memory p) private view {
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "slashed by the round's cost");
        equal(vault.burned(token), COST - 2 * (COST / 3), "a third burned");
        equal(free(stranger), FUNDS / 2 + COST / 3, "bond back and a third");
        yes(jobs.aggregatorOf(job) != p.accused && jobs.aggregatorOf(job) != address(0), "replaced");
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        equal(bucket(IVault.Kind.Credit, job), COST - 300, "all but the aggregator are paid");
        equal(rounds.earned(job, p.accused), 0, "unpaid");
        for (uint256 i = 0; i < 4; i++) equal(rounds.earned(job, jobs.providerAt(job, i)), PRICE, "providers in full");
        equal(jobs.slotsOpen(job)[0], 0xf, "no slot closed");
        _closed();
    }

    function test_silentAggregator_isDisproved_succeeds() external {
        Play memory p = _disputed(stranger);
        _demandRun(p, 0, new bytes32[](0));
        _silent(p);
        _isDisproved(p);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.settle(p.dispute);
        Claim memory claim = _claim();
        Facts memory facts = _facts(claim);
        vm.prank(consumer);
        disputes.commitChallenge(job, _sealOf(claim, consumer));
        mine(1);
        vm.prank(consumer);
        vm.expectPartialRevert(IDisputes.AlreadyDisproved.selector);
        disputes.openChallenge(claim, facts, "salt");
        vm.prank(consumer);
        disputes.withdrawChallenge(job, _sealOf(claim, consumer));
        _endJob(1, 0xf);
    }

    function test_shownByTheArbiter_isDisproved_succeeds() external {
        Play memory p = _disputed(stranger);
        _shownFalse(p);
        _isDisproved(p);
        _endJob(1, 0xf);
    }

    /// What was built on the false end falls with it, and is judged first.
    function test_disproved_laterRoundIsAnOrphan_succeeds() external {
        Play memory p = _disputed(stranger);
        playTo(RoundPhase.Sampling, job, 0, 1, 0xf);
        _shownFalse(p);
        yes(rounds.viewOf(job, 0, 1).orphan, "an orphan");
        tables(job, 0, 1);
        includeRound(job, 0, 1, 0xf, 0xf);
        equal(rounds.earned(job, bidders[0]), PRICE + PRICE / 2, "and half paid");
        _closed();
        _endJob(1, 0xf);
    }

    /// The slash has one cap for all that is decided of an aggregator in a round.
    function test_scoreThenEnd_slashedOnce_succeeds() external {
        order.stopScore = 950_000;
        job = running(5);
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _show(job, 0, 0);
        Play memory p = _challenge(_claim(), stranger);
        Play memory score = _challenge(aggregateClaim(Target.Score, job, 0, 0), consumer);
        _demandRun(p, 0, new bytes32[](0));
        skip(order.windows.open);
        disputes.settle(score.dispute);
        _is(score.dispute, IDisputes.Settlement.Upheld, "nobody shows what it is made of");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "for the score");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        uint256 burned = vault.burned(token);
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "the end is false too");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "no more than a round's cost");
        equal(free(stranger), FUNDS / 2, "the bond is back, and nothing is left to earn");
        equal(vault.burned(token), burned, "nor to burn");
        (uint32 generation,,) = rounds.progress(job);
        equal(generation, 1, "rewound once");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    /// Aggregator, challenger and consumer in one: what is burned is lost.
    function test_liarAndFriends_loseAtLeastTheBurn_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _show(job, 0, 0);
        address liar = rounds.aggregatorOf(job, 0, 0);
        uint256 alone = worth(liar);
        uint256 before = alone + worth(consumer) + bucket(IVault.Kind.Escrow, job) + bucket(IVault.Kind.Credit, job);
        Play memory p = _challenge(_claim(), liar);
        equal(p.accused, p.challenger, "it challenges itself");
        _demandRun(p, 0, new bytes32[](0));
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(worth(liar), alone - COST + COST / 3, "a third comes back");
        uint256 afterwards = worth(liar) + worth(consumer) + bucket(IVault.Kind.Escrow, job) + bucket(IVault.Kind.Credit, job);
        equal(before - afterwards, COST - 2 * (COST / 3), "the burn is lost by whoever conspires");
        _closed();
    }

    /// Nor does it gain by losing to itself, or by keeping others from what they earn.
    function test_challengeOfItsOwn_gainsNothing_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _show(job, 0, 0);
        address liar = rounds.aggregatorOf(job, 0, 0);
        Play memory own = _challenge(_claim(), liar);
        Play memory p = _challenge(_claim(), stranger);
        _resign(own);
        _is(own.dispute, IDisputes.Settlement.Dismissed, "dismissed");
        equal(worth(liar), FUNDS - bond / 3, "a third of its bond is burned");
        _shownFalse(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "the other goes on");
        equal(free(stranger), FUNDS / 2 + COST / 3, "and earns");
        equal(worth(liar), FUNDS - bond / 3 - COST, "all of the slash");
        _closed();
    }

    // ---------------------------------------------------------------- lost

    function _isDismissed(Play memory p) private {
        _is(p.dispute, IDisputes.Settlement.Dismissed, "dismissed");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        equal(vault.burned(token), bond / 3, "a third burned");
        equal(worth(p.accused), FUNDS + bond - bond / 3, "the rest for whom it made work");
        equal(stakes.staked(token, p.accused), FUNDS / 2, "who is not slashed");
        equal(jobs.aggregatorOf(job), p.accused, "and stays");
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Challenging, "the end stands");
        _closed();
        skip(order.windows.challenge + order.windows.open);
        rounds.finalise(job, 0, 0);
        _endJob(0, 0xf);
    }

    function test_challengerResigns_losesItsBond_succeeds() external {
        Play memory p = _disputed(stranger);
        _resign(p);
        _isDismissed(p);
    }

    function test_idleChallenger_losesItsBond_succeeds() external {
        Play memory p = _disputed(stranger);
        _demandRun(p, 0, new bytes32[](0));
        _answerRows(p, 0, _row(_end(0, 0)));
        _silent(p);
        _isDismissed(p);
    }

    function test_neverMovedChallenger_losesItsBond_succeeds() external {
        Play memory p = _disputed(stranger);
        _silent(p);
        _isDismissed(p);
    }

    function test_theEndIsWhatTheProgramGave_dismissed_succeeds() external {
        Play memory p = _disputed(stranger);
        _opened(p, _end(0, 0));
        _proveOutput(p, _end(0, 0), _rootOf(_end(0, 0)));
        disputes.settle(p.dispute);
        _isDismissed(p);
    }

    // ---------------------------------------------------------------- who earns

    function test_six_theEarliestSealedEarns_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _show(job, 0, 0);
        Claim memory claim = _claim();
        for (uint256 i = 0; i < 6; i++) {
            _seal(claim, i < 5 ? pool[i] : stranger);
            mine(1);
        }
        Play[] memory all = new Play[](6);
        for (uint256 i = 6; i > 0; i--) all[i - 1] = _open(claim, i - 1 < 5 ? pool[i - 1] : stranger);
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 6, "six");
        vm.prank(pool[0]);
        games.resign(all[0].game);
        _shownFalse(all[3]);
        _is(all[3].dispute, IDisputes.Settlement.Upheld, "one of them has won");
        equal(worth(pool[1]), FUNDS - bond + COST / 3, "the first to have sealed that has not lost earns");
        for (uint256 i = 0; i < 6; i++) {
            if (i == 3) continue;
            disputes.settle(all[i].dispute);
            _is(all[i].dispute, IDisputes.Settlement.Moot, "moot");
        }
        equal(worth(pool[1]), FUNDS + COST / 3, "bond back");
        for (uint256 i = 0; i < 5; i++) if (i != 1) equal(worth(pool[i]), FUNDS, "nothing lost or won");
        equal(free(stranger), FUNDS / 2, "nothing lost or won");
        equal(stakes.staked(token, all[0].accused), FUNDS / 2 - COST, "slashed once");
        _closed();
    }

    /// Who let its clock run out has lost, whether or not anybody has said so.
    function test_earner_clockHasRunOut_doesNotEarn_succeeds() external {
        Play memory idle = _disputed(stranger);
        Play memory p = _challenge(_claim(), pool[0]);
        _demandRun(p, 0, new bytes32[](0));
        _silent(p);
        equal(worth(pool[0]), FUNDS + COST / 3, "who has won earns");
        disputes.settle(idle.dispute);
        equal(free(stranger), FUNDS / 2, "the idle one does not");
        _closed();
    }

    // ---------------------------------------------------------------- beside slots

    function test_slot0Disproved_theAggregatesGameGoesOn_succeeds() external {
        Play memory p = _disputed(stranger);
        _demandRun(p, 0, new bytes32[](0));
        Play memory slot = _challenge(_segment(0, 2), pool[0]);
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 2, "two");
        _shown(slot, 6);
        disputes.settle(slot.dispute);
        _is(slot.dispute, IDisputes.Settlement.Upheld, "the slot is disproved");
        equal(worth(pool[0]), FUNDS + COST / 3, "by who looked there");
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(p.dispute);
        equal(stakes.staked(token, p.accused), FUNDS / 2, "which says nothing of the aggregator");
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "its game is its own");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "slashed");
        equal(free(stranger), FUNDS / 2 + COST / 3, "who looked here earns here");
        (uint32 generation,,) = rounds.progress(job);
        equal(generation, 1, "rewound once");
        _closed();
        _endJob(1, 0xe);
    }

    function test_slot0Disproved_theAggregatesChallengerMayLose_succeeds() external {
        Play memory p = _disputed(stranger);
        Play memory slot = _challenge(_segment(0, 2), pool[0]);
        _shown(slot, 6);
        disputes.settle(slot.dispute);
        _resign(p);
        _is(p.dispute, IDisputes.Settlement.Dismissed, "dismissed, not moot");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        _closed();
    }

    function test_aggregateDisproved_slot0sGameGoesOn_succeeds() external {
        Play memory p = _disputed(stranger);
        Play memory slot = _challenge(_segment(0, 2), pool[0]);
        _shownFalse(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "the end is disproved");
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(slot.dispute);
        equal(stakes.staked(token, slot.accused), FUNDS / 2, "which says nothing of the slot");
        _shown(slot, 6);
        disputes.settle(slot.dispute);
        _is(slot.dispute, IDisputes.Settlement.Upheld, "the slot's game is its own");
        equal(stakes.staked(token, slot.accused), FUNDS / 2 - COST, "slashed");
        equal(worth(pool[0]), FUNDS + COST / 3, "earns");
        (uint32 generation,,) = rounds.progress(job);
        equal(generation, 1, "a slot of a void round rewinds nothing");
        equal(jobs.slotsOpen(job)[0], 0xe, "its slot is closed");
        _closed();
        _endJob(1, 0xe);
    }

    // ---------------------------------------------------------------- void rounds

    /// An end that fell for a slot's sake can be challenged as well, and as long as slots of that round.
    function test_void_isChallenged_notForEver_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        _show(job, 0, 0);
        Claim memory claim = _claim();
        Facts memory facts = _facts(claim);
        Play memory slot = _challenge(_segment(1, 2), pool[0]);
        _shown(slot, 6);
        disputes.settle(slot.dispute);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        equal(rounds.earned(job, rounds.aggregatorOf(job, 0, 0)), 300, "paid for it");
        Play memory p = _challenge(claim, stranger);
        _seal(claim, pool[1]);
        mine(1);
        _demandRun(p, 0, new bytes32[](0));
        skip(order.windows.challenge + order.windows.open);
        vm.prank(pool[1]);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
        vm.prank(pool[1]);
        disputes.withdrawChallenge(job, _sealOf(claim, pool[1]));
        games.timeout(p.game);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "a liar of a void round is slashed");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "slashed");
        equal(rounds.earned(job, p.accused), 0, "and not paid");
        (uint32 generation,,) = rounds.progress(job);
        equal(generation, 1, "nothing more is rewound");
        yes(jobs.aggregatorOf(job) != p.accused, "its place is another's");
        _closed();
        _endJob(1, 0xd);
    }

    // ---------------------------------------------------------------- a fault of the job

    function test_fault_stands_succeeds() external {
        Play memory p = _disputed(stranger);
        _faulted(p);
        uint256 until = disputes.viewOf(p.dispute).faultUntil;
        equal(until, block.timestamp + order.windows.challenge, "a window");
        _is(p.dispute, IDisputes.Settlement.Open, "open");
        yes(phaseOf(job) == JobPhase.Running, "running");
        vm.expectRevert(abi.encodeWithSelector(IDisputes.TooSoon.selector, until));
        disputes.settle(p.dispute);
        skip(order.windows.challenge);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
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

    function test_fault_waitsForEarlierRounds_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Challenging, job, 0, 1, 0xf);
        _show(job, 0, 1);
        Play memory p = _challenge(aggregateClaim(Target.Aggregate, job, 0, 1), stranger);
        _faulted(p);
        skip(order.windows.challenge);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotFirst.selector, uint32(0)));
        disputes.settle(p.dispute);
        rounds.finalise(job, 0, 0);
        disputes.settle(p.dispute);
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        _conserved();
    }

    /// Aggregator and challenger are friends; the round's window is over, and what the fault rests on can be disproved all the same.
    function test_fault_disproved_isUndone_succeeds() external {
        Play memory p = _disputed(stranger);
        _faulted(p);
        Claim memory claim = _claim();
        _seal(claim, pool[0]);
        skip(order.windows.challenge - 1);
        yes(block.timestamp >= rounds.viewOf(job, 0, 0).deadline, "the round's window is over");
        Play memory honest = _open(claim, pool[0]);
        skip(1);
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(p.dispute);
        _shownFalse(honest);
        _is(honest.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(worth(pool[0]), FUNDS + COST / 3, "who looked earns");
        equal(worth(p.accused), FUNDS - COST, "the liar is slashed");
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Undone, "undone");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        equal(vault.burned(token), bond + COST - 2 * (COST / 3), "and burned");
        yes(phaseOf(job) == JobPhase.Running, "the job goes on");
        _closed();
        _endJob(1, 0xf);
    }

    /// A fault may rest on a slot's false update, whose own window is over by then.
    function test_fault_slotIsChallengedUntilItStands_succeeds() external {
        Play memory p = _disputed(stranger);
        _faulted(p);
        Claim memory claim = _segment(0, 2);
        _seal(claim, pool[0]);
        skip(order.windows.challenge - 1);
        yes(block.timestamp >= rounds.viewOf(job, 0, 0).deadline, "the round's window is over");
        Play memory slot = _open(claim, pool[0]);
        skip(1);
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(p.dispute);
        _shown(slot, 6);
        disputes.settle(slot.dispute);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.JobFault, "found");
        yes(phaseOf(job) == JobPhase.Running, "and nothing follows");
        _closed();
        _endJob(1, 0xe);
    }

    /// A slot that is disproved meanwhile undoes no fault of the aggregate, but of its round nothing follows any more.
    function test_fault_slotDisproved_faultsNothing_succeeds() external {
        Play memory p = _disputed(stranger);
        Play memory slot = _challenge(_segment(0, 2), pool[0]);
        _faulted(p);
        _shown(slot, 6);
        disputes.settle(slot.dispute);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        skip(order.windows.challenge);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.JobFault, "found");
        yes(phaseOf(job) == JobPhase.Running, "and nothing follows");
        equal(free(stranger), FUNDS / 2, "bond back");
        _closed();
        _endJob(1, 0xe);
    }

    // ---------------------------------------------------------------- a fault as the end

    /// The aggregator says that the updates of round 0 come to the fault of the program's only node.
    function _endedInFault() private returns (Claim memory) {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        vm.prank(jobs.aggregatorOf(job));
        rounds.aggregateFault(job, 0, 0, 0, OPERATOR);
        _show(job, 0, 0);
        return _claim();
    }

    /// A fault that nobody stands by is none.
    function test_faultAsEnd_undefended_isDisproved_succeeds() external {
        Play memory p = _challenge(_endedInFault(), stranger);
        _demandRun(p, 0, new bytes32[](0));
        skip(4 * order.windows.challenge);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "disproved");
        equal(worth(p.accused), FUNDS - COST, "the liar is slashed");
        yes(phaseOf(job) == JobPhase.Running && rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "the job goes on");
        _closed();
        _endJob(1, 0xf);
    }

    function test_faultAsEnd_defended_isOneOfTheJob_succeeds() external {
        Play memory p = _challenge(_endedInFault(), stranger);
        _opened(p, _falseValue());
        vm.prank(stranger);
        games.demandState(p.game, 0, 0);
        _answerFault(p, _row(_falseValue()));
        yes(games.viewOf(p.game).outcome == Ending.JobFault, "a fault of the job");
        disputes.settle(p.dispute);
        skip(order.windows.challenge);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.JobFault, "found");
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        equal(vault.burned(token), order.faultDeposit, "the consumer's deposit is forfeited");
        equal(stakes.staked(token, p.accused), FUNDS / 2, "nobody slashed");
        _conserved();
    }

    /// What has no state has no score either.
    function test_faultAsEnd_score_reverts() external {
        _endedInFault();
        Claim memory claim = aggregateClaim(Target.Score, job, 0, 0);
        _seal(claim, stranger);
        mine(1);
        _refused(claim, _facts(claim), _wrongClaim("score"));
    }

    // ---------------------------------------------------------------- what does not stand

    function _showOne(Claim memory claim) private {
        Claim[] memory one = new Claim[](1);
        one[0] = claim;
        one[0].target = Target.Emit;
        try disputes.showUpdates(one) {} catch {}
    }

    /// Until the beacon block a slot may replace what the root has of it by a commitment of its own, and only that one stands
    /// then. An update that was shown before stays shown: an honest aggregator would have to stand for it.
    function test_updatesOf_replacedCommitment_isNotShown_succeeds() external {
        commitAs(jobs.aggregatorOf(job), job, 0, 0, commitmentRoot(job, 0, 0, 0xf), 0xf, order.quorum);
        _showOne(this.segmentClaim(job, 0, 0, 0xf, 1, SEGMENTS - 1));
        Commitment memory b = commitmentOf(job, 0, 0, 1);
        bytes32[] memory leaves = leafHashes(b);
        Leaf memory last = leafAt(b, SEGMENTS);
        last.updateRoot = "another";
        leaves[SEGMENTS] = this.hashLeaf(b, secretOf(b), last);
        b.transcriptRoot = Tree.root(leaves);
        vm.prank(b.provider);
        rounds.commitSlot(b);
        mine(3);
        tables(job, 0, 0);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        bytes32 shown = disputes.updatesOf(job, 0, 0)[1];
        yes(shown != keccak256(abi.encode("update", uint16(1))), "of a commitment that does not stand");
    }

    /// No quorum comes. The aggregator's own root says that a slot is present which has committed nothing, and it includes that
    /// slot: there is no update to be shown, so nobody can challenge an end that it made up, and it becomes final.
    function test_aggregate_ofASlotThatCommittedNothing_isChallenged_succeeds() external {
        address aggregator = jobs.aggregatorOf(job);
        bytes32 root = commitmentRoot(job, 0, 0, 0x7);
        skip(order.windows.train + order.windows.aggregate / 2);
        vm.prank(aggregator);
        rounds.commit(job, 0, 0, root, bits(0xf), new bytes[](0));
        mine(3);
        for (uint256 times = 0; times < 3; times++) {
            skip(order.windows.table);
            rounds.advance(job, 0, 0);
        }
        yes(rounds.viewOf(job, 0, 0).optimistic, "nobody judges it");
        includeAlone(job, 0, 0, 0xf);
        skip(order.windows.aggregate / 2);
        vm.prank(aggregator);
        rounds.aggregate(job, 0, 0, "made up", UNSCORED, new bytes[](0));
        for (uint16 slot = 0; slot < 4; slot++) _showOne(this.segmentClaim(job, 0, 0, 0x7, slot, SEGMENTS - 1));
        Claim memory claim = aggregateClaim(Target.Aggregate, job, 0, 0);
        _seal(claim, stranger);
        mine(1);
        Facts memory facts = _facts(claim);
        vm.prank(stranger);
        try disputes.openChallenge(claim, facts, "salt") {} catch {}
        skip(4 * order.windows.challenge);
        try rounds.finalise(job, 0, 0) {} catch {}
        yes(rounds.viewOf(job, 0, 0).phase != RoundPhase.Final, "a made up end is final, and nobody could challenge it");
    }
}
