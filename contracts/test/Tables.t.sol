// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, Entry, Leaf, RoundPhase, Target} from "../src/Types.sol";
import {Openings} from "../src/arbiter/Openings.sol";
import {Claim, Facts, IDisputes} from "../src/interfaces/IDisputes.sol";
import {Demand, Ending, IGames} from "../src/interfaces/IGames.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Contested} from "./Plays.sol";

/// @title Rows of validators' tables: what executing a segment gave, from where it began. All have the same table of six rows:
///        slots 0, 1, 2 as they are; slot 3 from elsewhere; slot 1 from another start than the round's; slot 2 to a false end.
contract TablesTest is Contested {
    uint256 private constant ELSEWHERE = 3;
    uint256 private constant OTHER_START = 4;
    uint256 private constant FALSE_END = 5;

    function setUp() external {
        _run(3, type(int64).max);
    }

    function tableRoot(uint256 job_, uint32 round) internal view override returns (bytes32) {
        return _tableOf(_entries(job_, rounds.generationOf(job_, round), round));
    }

    function _entries(uint256 job_, uint32 generation, uint32 round) private view returns (Entry[] memory entries) {
        entries = new Entry[](6);
        for (uint16 i = 0; i < 4; i++) entries[i] = _trueRow(commitmentOf(job_, generation, round, i), i == 3 ? 2 : i);
        entries[ELSEWHERE].startRoot = _tuple("elsewhere");
        entries[OTHER_START] = _trueRow(commitmentOf(job_, generation, round, 1), 0);
        entries[OTHER_START].startRoot = _tuple("another start");
        entries[FALSE_END] = _trueRow(commitmentOf(job_, generation, round, 2), 1);
        entries[FALSE_END].stateRoot = _tuple("a false end");
    }

    function _row(uint256 index, address validator) private view returns (Claim memory) {
        return _rowClaim(job, 0, 0, validator, _entries(job, 0, 0), index);
    }

    function _seat(uint256 index) private view returns (address) {
        return jobs.validatorsOf(job)[index];
    }

    function _refused(Claim memory claim, Facts memory facts, bytes memory reason) private {
        _seal(claim, stranger);
        mine(1);
        vm.startPrank(stranger);
        vm.expectRevert(reason);
        disputes.openChallenge(claim, facts, "salt");
        disputes.withdrawChallenge(job, _sealOf(claim, stranger));
        vm.stopPrank();
    }

    function _wrong(Claim memory claim, bytes32 part) private {
        _refused(claim, _facts(claim), abi.encodeWithSelector(IDisputes.WrongClaim.selector, part));
    }

    /// Its seat, its fee of this job and a round's cost are lost, and nothing else follows.
    function _isDisproved(Play memory p, uint256 seat) private view {
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "slash capped at the round's cost");
        equal(free(p.challenger), FUNDS / 2 + COST / 3, "bond back and a third");
        equal(vault.burned(token), COST - 2 * (COST / 3), "a third burned");
        yes(rounds.forfeited(job, p.accused), "forfeited");
        yes(_seat(seat) != p.accused, "unseated");
        equal(jobs.slotsOpen(job)[0], 0xf, "no slot closed");
        (uint32 generation,,) = rounds.progress(job);
        equal(generation, 0, "nothing is rewound");
        _closed();
    }

    // ---------------------------------------------------------------- a row is a claim of its own

    function test_openChallenge_standsForWhatTheRowSays_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_row(FALSE_END, _seat(2)), stranger);
        IDisputes.ChallengeView memory v = disputes.viewOf(p.dispute);
        equal(v.accused, _seat(2), "the validator is accused");
        yes(v.target == Target.Table && v.slot == 2 && v.segment == 1, "of which slot and segment");
        equal(games.viewOf(p.game).claim, keccak256(abi.encode(p.a)), "from where it began to where it ended");
        equal(p.a.defender, _seat(2), "its own word");
        equal(p.a.end, _tuple("a false end"), "to a false end");
        equal(p.a.lossBits, 0x3f800002, "with its loss");
        bytes32[] memory roots = _states();
        vm.prank(jobs.providerAt(job, 2));
        vm.expectPartialRevert(IGames.NotYourTurn.selector);
        games.answerSteps(p.game, roots);
        _answerSteps(p, roots);
        Play memory other = _challenge(_row(FALSE_END, _seat(1)), consumer);
        yes(games.viewOf(other.game).claim != games.viewOf(p.game).claim, "another's row is another claim");
        yes(games.viewOf(other.game).demand == Demand.Steps, "of which nothing was opened");
        Play memory slot = _challenge(this.segmentClaim(job, 0, 0, 0xf, 2, 1), pool[0]);
        yes(games.viewOf(slot.game).claim != games.viewOf(p.game).claim, "and the slot's another");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 3, "three are open");
        _conserved();
    }

    function test_shownByTheArbiter_isDisproved_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_row(FALSE_END, _seat(2)), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        _isDisproved(p, 2);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.settle(p.dispute);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(rounds.earned(job, p.accused), 0, "fee forfeited");
        equal(bucket(IVault.Kind.Credit, job), COST - 100, "and not credited");
    }

    /// The case is the whole table's: the rows that are left are no more about anything.
    function test_disproved_otherRowsAreMoot_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory other = _challenge(_row(1, _seat(2)), consumer);
        Play memory another = _challenge(_row(2, _seat(2)), pool[0]);
        uint256 had = free(pool[0]);
        Play memory p = _challenge(_row(FALSE_END, _seat(2)), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        disputes.settle(other.dispute);
        disputes.settle(another.dispute);
        _is(other.dispute, IDisputes.Settlement.Moot, "moot");
        _is(another.dispute, IDisputes.Settlement.Moot, "moot");
        equal(free(pool[0]), had + bond, "bond back");
        _isDisproved(p, 2);
        Claim memory claim = _row(1, p.accused);
        _refused(claim, _facts(claim), abi.encodeWithSelector(IDisputes.AlreadyDisproved.selector));
    }

    function test_silentValidator_isDisproved_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory p = _challenge(_row(0, _seat(4)), stranger);
        skip(order.windows.challenge + order.windows.open - CLOCK - 10);
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(p.dispute);
        _silent(p);
        _isDisproved(p, 4);
    }

    function test_challengerResigns_losesItsBond_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_row(1, _seat(2)), stranger);
        _resign(p);
        _is(p.dispute, IDisputes.Settlement.Dismissed, "dismissed");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        equal(vault.burned(token), bond / 3, "a third burned");
        equal(worth(p.accused), FUNDS + bond - bond / 3, "the rest for whom it made work");
        equal(_seat(2), p.accused, "who keeps its seat");
        _closed();
    }

    /// A state that a slot made up may come to anything, so that nothing is said of the job by it, nor of who executed it.
    function test_fault_isMoot_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory p = _challenge(_row(1, _seat(2)), stranger);
        _shown(p, 1);
        yes(games.viewOf(p.game).outcome == Ending.JobFault, "the game ends in a fault");
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Moot, "moot");
        equal(disputes.viewOf(p.dispute).faultUntil, 0, "no fault is found");
        equal(free(stranger), FUNDS / 2, "nobody loses");
        equal(worth(p.accused), FUNDS, "nor wins");
        equal(_seat(2), p.accused, "seated");
        _closed();
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
    }

    /// Nor is one that is found while the same table is disproved.
    function test_fault_ofADisprovedTable_isMoot_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory fault = _challenge(_row(1, _seat(2)), consumer);
        uint256 had = free(consumer);
        _shown(fault, 1);
        Play memory p = _challenge(_row(FALSE_END, _seat(2)), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        disputes.settle(fault.dispute);
        _is(fault.dispute, IDisputes.Settlement.Moot, "moot");
        equal(free(consumer), had + bond, "bond back");
        _isDisproved(p, 2);
    }

    // ---------------------------------------------------------------- where a row begins

    /// Nobody has to be asked where a round begins.
    function test_firstSegment_anotherStart_isUpheldAtOnce_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_row(OTHER_START, _seat(2)), stranger);
        equal(p.game, 0, "without a game");
        _isDisproved(p, 2);
    }

    function test_elsewhere_isAGame_fromThere_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _row(ELSEWHERE, _seat(2));
        Facts memory facts = _facts(claim);
        _refused(claim, facts, abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple")));
        facts.stateRoots = new bytes32[](0);
        _refused(claim, facts, abi.encodeWithSelector(IDisputes.WrongFact.selector, bytes32("stateRoots")));
        facts.stateRoots = new bytes32[](1);
        facts.stateRoots[0] = "elsewhere";
        _seal(claim, stranger);
        mine(1);
        vm.prank(stranger);
        uint256 dispute = disputes.openChallenge(claim, facts, "salt");
        uint256 game = disputes.viewOf(dispute).game;
        equal(games.viewOf(game).claim, keccak256(abi.encode(_assertion(claim))), "from there");
        skip(CLOCK + 1);
        games.timeout(game);
        disputes.settle(dispute);
        _is(dispute, IDisputes.Settlement.Upheld, "not stood for");
        _conserved();
    }

    /// Who loses its bytes once its slot is disproved is not to blame.
    function test_slotDisproved_isMoot_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Play memory p = _challenge(_row(FALSE_END, _seat(2)), stranger);
        Play memory slot = _challenge(this.segmentClaim(job, 0, 0, 0xf, 2, 2), consumer);
        skip(CLOCK + 1);
        games.timeout(slot.game);
        disputes.settle(slot.dispute);
        games.timeout(p.game);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Moot, "moot");
        equal(worth(stranger), FUNDS, "bond back");
        equal(_seat(2), p.accused, "seated");
        _closed();
    }

    // ---------------------------------------------------------------- who is accused of what

    function test_openChallenge_wrongClaims_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address accused = _seat(0);
        Claim memory claim = _row(1, accused);
        claim.commitment.sealedHash = "another";
        _wrong(claim, "commitment");
        claim = _row(1, accused);
        claim.signature = new bytes(65);
        _wrong(claim, "commitment");
        claim = _row(1, accused);
        claim.entry.stateRoot = "another";
        _wrong(claim, "table");
        claim = _row(1, accused);
        claim.entry.startRoot = "another";
        _wrong(claim, "table");
        claim = _row(1, accused);
        claim.entry.lossBits++;
        _wrong(claim, "table");
        claim = _row(1, accused);
        claim.entry.slot = 2;
        _wrong(claim, "entry");
        claim = _row(1, accused);
        claim.entryCount = 4;
        _wrong(claim, "entryProof");
        claim = _row(1, accused);
        claim.entryIndex = 6;
        _wrong(claim, "entryProof");
        claim = _row(1, accused);
        claim.entryCount = 7;
        _wrong(claim, "table");
        _wrong(_row(1, stranger), "table");
        equal(disputes.disputeCount(), 0, "nothing is disputed");
    }

    /// No sample has such a row, and nobody can say what should be in it.
    function test_openChallenge_rowBeyondTheLastSegment_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _row(1, _seat(0));
        claim.entry.segment = SEGMENTS;
        _wrong(claim, "entry");
    }

    /// While tables are blind there is nothing to be accused of.
    function test_openChallenge_tableNotOpened_reverts() external {
        commitRound(job, 0, 0, 0xf);
        sealTable(job, 0, 0, _seat(0));
        _wrong(_row(1, _seat(0)), "table");
    }

    /// The sample was drawn anew, and what was opened before it is no table of the round any more.
    function test_openChallenge_tableOfADrawingBefore_reverts() external {
        commitRound(job, 0, 0, 0xf);
        for (uint256 i = 0; i < 3; i++) sealTable(job, 0, 0, _seat(i));
        skip(order.windows.table);
        rounds.advance(job, 0, 0);
        address validator = _seat(0);
        openTable(job, 0, 0, validator);
        skip(order.windows.open);
        rounds.advance(job, 0, 0);
        equal(rounds.viewOf(job, 0, 0).redraws, 1, "drawn anew");
        mine(3);
        _wrong(_row(1, validator), "table");
    }

    function test_openChallenge_afterTheWindow_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Claim memory claim = _row(1, _seat(0));
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

    function test_openChallenge_voidAndReplaced_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Play memory slot = _challenge(this.segmentClaim(job, 0, 0, 0xf, 0, 1), consumer);
        _shown(slot, 6);
        disputes.settle(slot.dispute);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        playTo(RoundPhase.Challenging, job, 1, 0, 0xe);
        Claim memory claim = _row(FALSE_END, _seat(0));
        Facts memory facts = _facts(claim);
        _seal(claim, stranger);
        mine(1);
        uint256 before = vm.snapshotState();
        Play memory p = _open(claim, stranger);
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "who lied of a void round is slashed");
        vm.revertToState(before);
        skip(order.windows.challenge + order.windows.open);
        rounds.finalise(job, 1, 0);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
    }

    // ---------------------------------------------------------------- what it costs

    /// One cap for a round, and another for the next. Who has lost its seat answers for what it has said all the same.
    function test_slash_isCappedForTheRound_withoutASeatToo_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Opening, job, 0, 1, 0xf);
        address liar = _seat(2);
        Play memory p = _challenge(_row(FALSE_END, liar), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        _isDisproved(p, 2);
        uint256 burned = vault.burned(token);
        Play memory later = _challenge(_rowClaim(job, 0, 1, liar, _entries(job, 0, 1), FALSE_END), consumer);
        uint256 had = free(consumer);
        _silent(later);
        _is(later.dispute, IDisputes.Settlement.Upheld, "the other table is false too");
        equal(stakes.staked(token, liar), FUNDS / 2 - 2 * COST, "each round has its own cap");
        equal(free(consumer), had + bond + COST / 3, "and its own third");
        equal(vault.burned(token) - burned, COST - 2 * (COST / 3), "burned");
        equal(rounds.viewOf(job, 0, 1).disputesOpen, 0, "closed");
        _conserved();
    }

    /// Silence is paid for already.
    function test_slash_afterSilence_isNoMore_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address liar = _seat(2);
        includeServed(job, 0, 0, 0xf, 0xf, 0x1b);
        skip(order.windows.open);
        rounds.penaliseSilent(job, 0, 0, 2);
        equal(stakes.staked(token, liar), FUNDS / 2 - COST, "not served");
        uint256 burned = vault.burned(token);
        Play memory p = _challenge(_row(FALSE_END, liar), stranger);
        _shown(p, 6);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "and false");
        equal(stakes.staked(token, liar), FUNDS / 2 - COST, "a round's cost for both");
        equal(free(stranger), FUNDS / 2, "nothing is left to earn");
        equal(vault.burned(token), burned, "nor to burn");
        _closed();
    }

    function test_two_theEarliestSealedEarns_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        Claim memory claim = _row(FALSE_END, _seat(2));
        Claim memory another = _row(1, _seat(2));
        _seal(another, consumer);
        mine(1);
        _seal(claim, bidders[5]);
        mine(1);
        _seal(claim, stranger);
        mine(1);
        Play memory second = _open(claim, stranger);
        Play memory first = _open(claim, bidders[5]);
        Play memory other = _open(another, consumer);
        skip(CLOCK + 1);
        games.timeout(second.game);
        disputes.settle(second.dispute);
        _is(second.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(worth(bidders[5]), FUNDS - bond + COST / 3, "who sealed first earns");
        disputes.settle(first.dispute);
        disputes.settle(other.dispute);
        _is(first.dispute, IDisputes.Settlement.Moot, "moot");
        equal(worth(bidders[5]), FUNDS + COST / 3, "bond back");
        equal(worth(stranger), FUNDS, "the other's too");
        _closed();
    }

    /// Validator, challenger and consumer in one: what is burned is lost.
    function test_liarAndFriends_loseAtLeastTheBurn_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        address liar = _seat(2);
        uint256 before = worth(liar) + worth(stranger) + free(consumer) + bucket(IVault.Kind.Escrow, job);
        Play memory p = _challenge(_row(FALSE_END, liar), stranger);
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        uint256 afterwards = worth(liar) + worth(stranger) + free(consumer) + bucket(IVault.Kind.Escrow, job);
        yes(before - afterwards >= COST / 3, "a third of the slash");
    }

    // ---------------------------------------------------------------- sealed challenges

    function test_commitChallenge_copied_staysItsOwners_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _row(FALSE_END, _seat(2));
        Facts memory facts = _facts(claim);
        bytes32 sealedChallenge = _sealOf(claim, stranger);
        vm.prank(consumer);
        disputes.commitChallenge(job, sealedChallenge);
        _seal(claim, stranger);
        vm.prank(consumer);
        disputes.withdrawChallenge(job, sealedChallenge);
        mine(1);
        vm.prank(consumer);
        vm.expectPartialRevert(IDisputes.NotSealed.selector);
        disputes.openChallenge(claim, facts, "salt");
        Play memory p = _open(claim, stranger);
        _silent(p);
        _isDisproved(p, 2);
    }

    function test_openChallenge_sameBlock_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Claim memory claim = _row(OTHER_START, _seat(2));
        Facts memory facts = _facts(claim);
        _seal(claim, stranger);
        vm.prank(stranger);
        vm.expectPartialRevert(IDisputes.TooSoon.selector);
        disputes.openChallenge(claim, facts, "salt");
    }

    function test_commitChallenge_jobNotRunning_reverts() external {
        uint256 other = post();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, bytes32("job")));
        disputes.commitChallenge(other, "x");
    }
}
