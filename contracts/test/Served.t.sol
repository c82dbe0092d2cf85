// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, RoundPhase, RoundView, TranscriptOpening} from "../src/Types.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";

/// @title What a seat owes in a round: the nonce of its drawing and its whole sample; and what slots owe the seats.
contract ServedTest is Network {
    uint256 internal constant PRICE = 804;
    uint256 internal constant COST = 4 * PRICE + 5 * 100 + 300;
    uint256 internal job;

    function setUp() external {
        deploy(false);
        populate(6, 12, 4);
        draft(4, 5, 3);
        job = running(5);
    }

    function _seat(uint256 index) private view returns (address) {
        return jobs.validatorsOf(job)[index];
    }

    // ---------------------------------------------------------------- nonces

    function _sealWith(uint32 round, address validator, bytes32 nonce) private {
        bytes32 sealedTable = keccak256(abi.encode(tableRoot(job, round), nonce, bytes32("pepper")));
        vm.prank(validator);
        rounds.commitTable(job, 0, round, sealedTable);
    }

    function _revealWith(uint32 round, address validator, bytes32 nonce, bool refused) private {
        bytes32 root = tableRoot(job, round);
        vm.prank(validator);
        if (refused) vm.expectPartialRevert(IJobs.WrongOpening.selector);
        rounds.revealTable(job, 0, round, root, nonce, "pepper");
    }

    /// Neither a nonce before its own nor one after: a sample cannot be chosen among several.
    function test_nonce_anyOther_reverts() external {
        commitRound(job, 0, 0, 0xf);
        for (uint256 i = 0; i < 5; i++) _sealWith(0, _seat(i), nonceOf(job, _seat(i), i));
        for (uint256 i = 0; i < 5; i++) _revealWith(0, _seat(i), nonceOf(job, _seat(i), i), i != 2);
        equal(rounds.viewOf(job, 0, 0).tablesRevealed, 4, "only the drawing's own: 1 + 1 - 0");
    }

    function test_nonce_afterMissedRounds_succeeds() external {
        address idle = _seat(4);
        for (uint32 round = 0; round < 2; round++) {
            commitRound(job, 0, round, 0xf);
            for (uint256 i = 0; i < 4; i++) sealTable(job, 0, round, _seat(i));
            skip(order.windows.table);
            for (uint256 i = 0; i < 4; i++) openTable(job, 0, round, _seat(i));
            includeRound(job, 0, round, 0xf, 0xf);
            aggregateRound(job, 0, round);
            skip(order.windows.challenge);
            rounds.finalise(job, 0, round);
        }
        commitRound(job, 0, 2, 0xf);
        equal(rounds.viewOf(job, 0, 2).drawing, 3, "third drawing");
        for (uint256 i = 0; i < 4; i++) sealTable(job, 0, 2, _seat(i));
        _sealWith(2, idle, nonceOf(job, idle, 4));
        _revealWith(2, idle, nonceOf(job, idle, 4), false);
        equal(rounds.viewOf(job, 0, 2).tablesRevealed, 1 << 4, "served");
    }

    function test_nonce_skippedOnce_cannotBeSpentLater_reverts() external {
        address idle = _seat(4);
        commitRound(job, 0, 0, 0xf);
        for (uint256 i = 0; i < 5; i++) sealTable(job, 0, 0, _seat(i));
        for (uint256 i = 0; i < 4; i++) openTable(job, 0, 0, _seat(i));
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        commitRound(job, 0, 1, 0xf);
        for (uint256 i = 0; i < 4; i++) sealTable(job, 0, 1, _seat(i));
        _sealWith(1, idle, nonceOf(job, idle, 2));
        _revealWith(1, idle, nonceOf(job, idle, 2), true);
    }

    /// Two rounds are open at once; the later one's table is opened first.
    function test_nonce_outOfOrder_succeeds() external {
        address last = _seat(4);
        commitRound(job, 0, 0, 0xf);
        for (uint256 i = 0; i < 5; i++) sealTable(job, 0, 0, _seat(i));
        for (uint256 i = 0; i < 4; i++) openTable(job, 0, 0, _seat(i));
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        commitRound(job, 0, 1, 0xf);
        tables(job, 0, 1);
        openTable(job, 0, 0, last);
        equal(rounds.tableRootOf(job, 0, 0, last), tableRoot(job, 0), "the earlier one after the later");
    }

    /// A redraw is a drawing of its own.
    function test_nonce_redraw_takesTheNext_succeeds() external {
        commitRound(job, 0, 0, 0xf);
        tables(job, 0, 0);
        skip(order.windows.open);
        rounds.advance(job, 0, 0);
        mine(3);
        equal(rounds.viewOf(job, 0, 0).drawing, 2, "second drawing");
        address first = _seat(0);
        for (uint256 i = 1; i < 5; i++) sealTable(job, 0, 0, _seat(i));
        _sealWith(0, first, nonceOf(job, first, 2));
        _revealWith(0, first, nonceOf(job, first, 2), true);
        openTable(job, 0, 0, _seat(1));
    }

    /// Who is drawn in the middle of a job begins its chain there: base = drawings so far.
    function test_nonce_enlistedMidJob_succeeds() external {
        playTo(RoundPhase.Final, job, 0, 0, 0xf);
        commitRound(job, 0, 1, 0xf);
        for (uint256 i = 0; i < 2; i++) sealTable(job, 0, 1, _seat(i));
        skip(order.windows.table);
        rounds.advance(job, 0, 1);
        equal(rounds.drawings(job), 3, "two rounds and a redraw");
        for (uint256 i = 2; i < 5; i++) enlist(job, _seat(i));
        (,,, uint256 base) = jobs.seatAt(job, 3);
        equal(base, 3, "base");
        mine(3);
        for (uint256 i = 0; i < 5; i++) sealTable(job, 0, 1, _seat(i));
        _revealWith(1, _seat(3), nonceOf(job, _seat(3), 1), false);
        for (uint256 i = 0; i < 5; i++) if (i != 3) openTable(job, 0, 1, _seat(i));
        includeRound(job, 0, 1, 0xf, 0xf);
        aggregateRound(job, 0, 1);
        // The next drawing is the second of its chain.
        commitRound(job, 0, 2, 0xf);
        for (uint256 i = 0; i < 5; i++) sealTable(job, 0, 2, _seat(i));
        _revealWith(2, _seat(3), nonceOf(job, _seat(3), 2), false);
    }

    /// A chain that begins after a drawing has no nonce for it.
    function test_nonce_chainBegunLater_reverts() external {
        commitRound(job, 0, 0, 0xf);
        playToIncluded();
        commitRound(job, 0, 1, 0xf);
        vm.prank(address(rounds));
        jobs.replaceValidators(job, 1, "seed");
        address late = _seat(0);
        enlist(job, late);
        (,,, uint256 base) = jobs.seatAt(job, 0);
        equal(base, 2, "after both drawings");
        vm.prank(address(rounds));
        vm.expectPartialRevert(IJobs.WrongOpening.selector);
        jobs.spendNonce(job, 0, "nonce", 1);
    }

    function playToIncluded() private {
        tables(job, 0, 0);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
    }

    // ---------------------------------------------------------------- served

    function test_include_onlyServedSeatsEarn_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        includeServed(job, 0, 0, 0xf, 0xf, 0x17);
        equal(rounds.viewOf(job, 0, 0).unserved, 0x08, "revealed and not accepted");
        aggregateRound(job, 0, 0);
        address left = _seat(3);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.penaliseSilent(job, 0, 0, 3);
        skip(order.windows.open);
        rounds.penaliseSilent(job, 0, 0, 3);
        equal(stakes.staked(token, left), FUNDS / 2 - COST, "penalised");
        equal(vault.burned(token), COST, "burned whole");
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.penaliseSilent(job, 0, 0, 3);
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.penaliseSilent(job, 0, 0, 2);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(rounds.earned(job, left), 0, "no fee");
        equal(rounds.earned(job, _seat(4)), 100, "the others'");
        equal(bucket(IVault.Kind.Credit, job), COST - 100, "credited");
    }

    function test_include_servedWithoutATable_reverts() external {
        commitRound(job, 0, 0, 0xf);
        for (uint256 i = 0; i < 5; i++) sealTable(job, 0, 0, _seat(i));
        for (uint256 i = 0; i < 4; i++) openTable(job, 0, 0, _seat(i));
        bytes[] memory signatures = sign(job, resultHash(job, 0, 0, 0xf, 0xf, 0x1f), 3);
        vm.expectPartialRevert(IRounds.WrongOpening.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", signatures);
        // A table that comes after the signatures does not undo them.
        signatures = sign(job, resultHash(job, 0, 0, 0xf, 0xf, 0x0f), 3);
        openTable(job, 0, 0, _seat(4));
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x0f, "result", signatures);
        equal(rounds.viewOf(job, 0, 0).unserved, 0x10, "it was not judged a sample");
    }

    function test_include_otherServed_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes[] memory signatures = sign(job, resultHash(job, 0, 0, 0xf, 0xf, 0x1f), 3);
        vm.expectRevert();
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x0f, "result", signatures);
    }

    /// A result belongs to the drawing whose samples it was found by.
    function test_include_signaturesFromBeforeARedraw_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes[] memory old = resultSignatures(job, 0, 0, 0xf, 0xf, 3);
        skip(order.windows.open);
        rounds.advance(job, 0, 0);
        mine(3);
        tables(job, 0, 0);
        vm.expectRevert();
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", old);
        includeRound(job, 0, 0, 0xf, 0xf);
    }

    function test_include_alone_takesEveryTable_succeeds() external {
        commitRound(job, 0, 0, 0xf);
        for (uint256 i = 0; i < 2; i++) {
            tables(job, 0, 0);
            skip(order.windows.open);
            rounds.advance(job, 0, 0);
            mine(3);
        }
        tables(job, 0, 0);
        skip(order.windows.open);
        rounds.advance(job, 0, 0);
        yes(rounds.viewOf(job, 0, 0).optimistic, "optimistic");
        address aggregator = jobs.aggregatorOf(job);
        vm.prank(aggregator);
        vm.expectPartialRevert(IRounds.WrongOpening.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x0f, "result", new bytes[](0));
        vm.prank(aggregator);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", new bytes[](0));
        equal(rounds.viewOf(job, 0, 0).unserved, 0, "an aggregator alone takes no validator's fee");
    }

    // ---------------------------------------------------------------- unserved states

    function _bill(uint16 slot, uint256 count) private {
        bytes32 structHash = keccak256(abi.encode(Hashing.UNSERVED_TYPE, job, uint32(0), uint32(0), slot));
        rounds.billUnserved(job, 0, 0, slot, sign(job, structHash, count));
    }

    function test_billUnserved_paysTheSigners_once_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        uint256[5] memory before;
        for (uint256 i = 0; i < 5; i++) before[i] = free(_seat(i));
        uint256 total = vault.total(token, IVault.Kind.Bond);
        _bill(1, 3);
        equal(total - vault.total(token, IVault.Kind.Bond), PRICE, "one price of the bond");
        uint256 paid;
        for (uint256 i = 0; i < 5; i++) {
            uint256 got = free(_seat(i)) - before[i];
            yes(got == 0 || got == PRICE / 3, "equal parts");
            paid += got;
        }
        equal(paid, PRICE / 3 * 3, "to three");
        equal(vault.burned(token), PRICE % 3, "dust is burned");
        bytes32 structHash = keccak256(abi.encode(Hashing.UNSERVED_TYPE, job, uint32(0), uint32(0), uint16(1)));
        bytes[] memory all = sign(job, structHash, 5);
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.billUnserved(job, 0, 0, 1, all);
        _bill(2, 5);
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_billUnserved_bondUsedUp_closesTheSlot_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        _bill(1, 3);
        equal(jobs.slotsOpen(job)[0], 0xf, "2,000 less 804 covers another");
        // It is not accepted either: another price.
        includeRound(job, 0, 0, 0xd, 0xd);
        equal(jobs.slotsOpen(job)[0], 0xd, "closed");
        Commitment memory c = commitmentOf(job, 0, 0, 1);
        equal(stakes.staked(token, c.provider), FUNDS / 2, "stake is not touched");
    }

    function test_billUnserved_refusals_reverts() external {
        commitRound(job, 0, 0, 0x7 | 0x8);
        bytes32 structHash = keccak256(abi.encode(Hashing.UNSERVED_TYPE, job, uint32(0), uint32(0), uint16(1)));
        bytes[] memory signatures = sign(job, structHash, 3);
        vm.expectPartialRevert(IRounds.WrongPhase.selector);
        rounds.billUnserved(job, 0, 0, 1, signatures);
        tables(job, 0, 0);
        bytes[] memory two = sign(job, structHash, 2);
        vm.expectPartialRevert(IRounds.NoQuorum.selector);
        rounds.billUnserved(job, 0, 0, 1, two);
        vm.expectRevert();
        rounds.billUnserved(job, 0, 0, 2, signatures);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.billUnserved(job, 0, 1, 1, signatures);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.billUnserved(job, 0, 0, 1, signatures);
    }

    function test_billUnserved_absentSlot_reverts() external {
        skip(order.windows.train);
        playTo(RoundPhase.Opening, job, 0, 0, 0x7);
        bytes32 structHash = keccak256(abi.encode(Hashing.UNSERVED_TYPE, job, uint32(0), uint32(0), uint16(3)));
        bytes[] memory signatures = sign(job, structHash, 3);
        vm.expectPartialRevert(IRounds.WrongPhase.selector);
        rounds.billUnserved(job, 0, 0, 3, signatures);
    }

    // ---------------------------------------------------------------- openings

    function _demand(uint16 slot) private returns (Commitment memory c) {
        c = commitmentOf(job, 0, 0, slot);
        bytes32[] memory proof = slotProof(job, 0, 0, 0xf, slot);
        bytes memory signature = signCommitment(c);
        vm.prank(_seat(0));
        rounds.demandSecret(c, proof, signature);
    }

    function _refuseOpening(Commitment memory c, TranscriptOpening memory o) private {
        vm.prank(c.provider);
        vm.expectPartialRevert(IRounds.WrongOpening.selector);
        rounds.revealSecret(c, new bytes32[](0), o);
    }

    /// The secret alone, or leaves that are not all: who hides what it was called for loses its lock.
    function test_revealSecret_hiddenLeaves_losesTheLock_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Commitment memory c = _demand(1);
        TranscriptOpening memory o = openingOf(c);
        o.stateRoots = new bytes32[](0);
        o.lossBits = new uint32[](0);
        _refuseOpening(c, o);
        o = openingOf(c);
        o.stateRoots = new bytes32[](SEGMENTS);
        o.lossBits = new uint32[](SEGMENTS - 1);
        _refuseOpening(c, o);
        o = openingOf(c);
        o.lossBits = new uint32[](SEGMENTS + 1);
        _refuseOpening(c, o);
        o = openingOf(c);
        o.stateRoots[2] = "hidden";
        _refuseOpening(c, o);
        o = openingOf(c);
        o.lossBits[3] ^= 1;
        _refuseOpening(c, o);
        o = openingOf(c);
        o.updateRoot = "hidden";
        _refuseOpening(c, o);
        skip(order.windows.open);
        rounds.defaultSecret(job, 0, 0, 1);
        equal(stakes.staked(token, c.provider), FUNDS / 2 - order.providerStake, "the whole lock");
    }

    /// Nor does an opening of something else under the same secret answer the demand.
    function test_revealSecret_ofAnotherTranscript_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Commitment memory c = _demand(1);
        TranscriptOpening memory o = openingOf(c);
        o.stateRoots[1] = "another";
        c.transcriptRoot = this.rootOf(c, o);
        _refuseOpening(c, o);
    }

    function rootOf(Commitment calldata c, TranscriptOpening calldata o) external view returns (bytes32) {
        return Hashing.transcriptRoot(c, o);
    }

    function test_revealSecret_undemanded_withProof_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Commitment memory c = commitmentOf(job, 0, 0, 1);
        bytes32[] memory proof = slotProof(job, 0, 0, 0xf, 1);
        rounds.revealSecret(c, proof, openingOf(c));
        vm.expectPartialRevert(IRounds.WrongProof.selector);
        rounds.revealSecret(c, new bytes32[](2), openingOf(c));
    }
}
