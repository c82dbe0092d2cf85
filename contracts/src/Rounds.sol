// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Bitmap} from "./Bitmap.sol";
import {Hashing} from "./Hashing.sol";
import {Commitment, JobPhase, RoundPhase, RoundView, Terms, TranscriptOpening, UNSCORED} from "./Types.sol";
import {Wired} from "./Wired.sol";
import {IBeacon} from "./interfaces/IBeacon.sol";
import {IClock} from "./interfaces/IClock.sol";
import {IJobs} from "./interfaces/IJobs.sol";
import {IRounds} from "./interfaces/IRounds.sol";
import {IStakes} from "./interfaces/IStakes.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Evidence} from "./rounds/Evidence.sol";
import {Payroll} from "./rounds/Payroll.sol";
import {Pay, Progress, Round, State, Store, Table} from "./rounds/Store.sol";
import {Verdicts} from "./rounds/Verdicts.sol";

contract Rounds is IRounds, Wired, EIP712 {
    using Bitmap for uint256[4];
    using Store for State;
    using Store for Round;
    using Store for Terms;

    uint256 private constant LATE_MAX = 128; // slots whose lateness one transaction burns

    State private _s;

    constructor(IVault vault, IStakes stakes, IJobs jobs, IBeacon beacon, IClock clock) EIP712("Assay", "1") {
        _s.vault = vault;
        _s.stakes = stakes;
        _s.jobs = jobs;
        _s.beacon = beacon;
        _s.clock = clock;
    }

    function wire(address disputes) external once {
        _s.disputes = disputes;
    }

    modifier onlyDisputes() {
        if (msg.sender != _s.disputes) revert NotModule(msg.sender);
        _;
    }

    // ---------------------------------------------------------------- commit

    function open(uint256 job, Terms calldata terms) external {
        if (msg.sender != address(_s.jobs)) revert NotModule(msg.sender);
        _s.terms[job] = terms;
        Verdicts.proceed(_s, job);
    }

    function commit(
        uint256 job, uint32 generation, uint32 round, bytes32 root, uint256[] calldata present, bytes[] calldata signatures
    ) external {
        Evidence.commit(_s, _domainSeparatorV4(), job, generation, round, root, present, signatures);
    }

    function commitSlot(Commitment calldata c) external {
        Round storage r = _s.live(c.job, c.generation, c.round);
        bool training = r.phase == RoundPhase.Training;
        // After the beacon block the sample is known: nobody commits any more.
        if (!training && (r.phase != RoundPhase.Sampling || r.redraws != 0 || block.number > r.beaconBlock)) {
            revert TooLate(r.beaconBlock);
        }
        if (c.provider != msg.sender || _s.jobs.slotOf(c.job, msg.sender) != uint256(c.slot) + 1) revert NotProvider(msg.sender);
        if (_s.forfeited[c.job][msg.sender]) revert NotProvider(msg.sender);
        // INVARIANT: a slot that was closed, for lateness too, has no part in a round any more.
        if ((_s.jobs.slotsOpen(c.job)[c.slot >> 8] >> (c.slot & 255)) & 1 == 0) revert NotProvider(msg.sender);
        if (c.beacon != _s.terms[c.job].beacon || c.startRoot != r.startRoot) revert WrongOpening();
        // INVARIANT: one root for a job, generation, round and slot.
        if (r.direct.has(c.slot)) revert AlreadyDone();
        bytes32 leaf = Hashing.commitmentLeaf(address(this), c);
        r.direct.add(c.slot);
        r.leaves[c.slot] = leaf;
        if (!training) r.present.add(c.slot);
        emit SlotCommitted(c.job, c.generation, c.round, c.slot, leaf);
    }

    // ---------------------------------------------------------------- tables

    function commitTable(uint256 job, uint32 generation, uint32 round, bytes32 sealedTable) external {
        Round storage r = _s.judged(job, generation, round);
        r.expect(RoundPhase.Sampling);
        if (!_s.before(r.deadline)) revert TooLate(r.deadline);
        uint256 bit = _seat(job);
        (,, uint256 enlistedBlock, uint256 base) = _s.jobs.seatAt(job, _index(bit));
        // A chain of nonces committed after the beacon could be chosen to draw a sample.
        if (enlistedBlock == 0 || enlistedBlock > r.beaconBlock || base > r.drawing) revert NotValidator(msg.sender);
        _s.beacon.record(r.beaconBlock);
        Table storage table = r.tables[msg.sender];
        if (sealedTable == 0 || (table.sealedTable != 0 && table.redraw == r.redraws)) revert AlreadyDone();
        table.sealedTable = sealedTable;
        table.root = 0;
        table.redraw = r.redraws;
        r.tablesCommitted |= bit;
        emit TableCommitted(job, generation, round, msg.sender, sealedTable);
    }

    function revealTable(uint256 job, uint32 generation, uint32 round, bytes32 tableRoot, bytes32 nonce, bytes32 salt) external {
        Round storage r = _s.judged(job, generation, round);
        uint256 bit = _seat(job);
        if (r.phase == RoundPhase.Sampling) {
            bool all = _s.jobs.seatsLive(job) & ~r.tablesCommitted == 0;
            if (!all && !_s.reached(r.deadline)) revert TooEarly(r.deadline);
            // Too few tables: only advance() leads on.
            uint256 count = Bitmap.count(r.tablesCommitted);
            if (count < _s.terms[job].quorum) revert NoQuorum(count, _s.terms[job].quorum);
            _startOpening(job, r);
        }
        if (r.phase < RoundPhase.Opening || !_s.before(r.openDeadline)) revert TooLate(r.openDeadline);
        Table storage table = r.tables[msg.sender];
        if (table.redraw != r.redraws || table.root != 0) revert AlreadyDone();
        if (tableRoot == 0 || table.sealedTable != keccak256(abi.encode(tableRoot, nonce, salt))) revert WrongOpening();
        _s.jobs.spendNonce(job, _index(bit), nonce, r.drawing);
        table.root = tableRoot;
        r.tablesRevealed |= bit;
        emit TableRevealed(job, generation, round, msg.sender, tableRoot, nonce);
    }

    // ---------------------------------------------------------------- evidence

    function demandSecret(Commitment calldata c, bytes32[] calldata proof, bytes calldata signature) external {
        Evidence.demandSecret(_s, _domainSeparatorV4(), c, proof, signature);
    }

    function revealSecret(Commitment calldata c, bytes32[] calldata proof, TranscriptOpening calldata opening) external {
        Evidence.revealSecret(_s, c, proof, opening);
    }

    function defaultSecret(uint256 job, uint32 generation, uint32 round, uint16 slot) external {
        Evidence.defaultSecret(_s, job, generation, round, slot);
    }

    function equivocate(Commitment calldata a, bytes calldata signatureA, Commitment calldata b, bytes calldata signatureB) external {
        Evidence.equivocate(_s, _domainSeparatorV4(), a, signatureA, b, signatureB);
    }

    function billUnserved(uint256 job, uint32 generation, uint32 round, uint16 slot, bytes[] calldata signatures) external {
        Evidence.bill(_s, _domainSeparatorV4(), job, generation, round, slot, signatures);
    }

    // ---------------------------------------------------------------- aggregate

    function include(
        uint256 job, uint32 generation, uint32 round, uint256[] calldata accepted, uint256[] calldata included, uint256 served,
        bytes32 resultRoot, bytes[] calldata signatures
    ) external {
        Round storage r = _s.judged(job, generation, round);
        r.expect(RoundPhase.Opening);
        if (served & ~r.tablesRevealed != 0) revert WrongOpening();
        if (r.optimistic && !r.orphan && signatures.length == 0) {
            _onlyAggregator(job);
            if (served != r.tablesRevealed) revert WrongOpening();
        } else {
            bytes32 structHash = keccak256(
                abi.encode(
                    Hashing.RESULT_TYPE, job, generation, round, r.drawing, keccak256(abi.encodePacked(accepted)),
                    keccak256(abi.encodePacked(included)), served, resultRoot
                )
            );
            Evidence.quorum(_s, _domainSeparatorV4(), job, structHash, signatures);
            r.unserved = r.tablesRevealed & ~served;
        }
        Verdicts.serve(_s, job, r, served);
        Terms storage t = _s.terms[job];
        uint256 words = t.words();
        if (accepted.length != words || included.length != words) revert WrongOpening();
        uint256 count;
        uint256 entering;
        for (uint256 word = 0; word < words; word++) {
            // INVARIANT: nobody that was disproved, or that is not there, is accepted or enters.
            if (accepted[word] & ~(r.present[word] & ~_s.forfeitedSlots[job][word]) != 0 || included[word] & ~accepted[word] != 0) {
                revert NotIncluded(word);
            }
            count += Bitmap.count(accepted[word]);
            entering |= included[word];
        }
        bool enough = !r.orphan && count >= t.reportsMin && entering != 0;
        for (uint256 word = 0; word < words; word++) {
            r.accepted[word] = accepted[word];
            if (enough) r.included[word] = included[word];
        }
        _burnLate(job, generation, round, r, signatures.length != 0);
        r.phase = RoundPhase.Aggregating;
        r.resultRoot = resultRoot;
        r.includedAt = uint40(_s.time());
        r.deadline = r.includedAt + t.windows.aggregate;
        emit Included(job, generation, round, accepted, included, served, resultRoot);
        if (r.orphan) Verdicts.closeOrphan(_s, job, generation, round, Pay.Included);
        else if (!enough) Verdicts.rewind(_s, job, round);
    }

    function aggregate(
        uint256 job, uint32 generation, uint32 round, bytes32 endRoot, int64 score, bytes[] calldata signatures
    ) external {
        Evidence.aggregate(_s, _domainSeparatorV4(), job, generation, round, endRoot, score, signatures);
    }

    function aggregateFault(uint256 job, uint32 generation, uint32 round, uint256 node, bytes32 operator) external {
        Evidence.aggregateFault(_s, job, generation, round, node, operator);
    }

    function finalise(uint256 job, uint32 generation, uint32 round) external {
        Round storage r = _s.live(job, generation, round);
        r.expect(RoundPhase.Challenging);
        if (_s.progress[job].firstOpen != round) revert WrongRound(job, generation, round);
        uint256 readyAt = r.readyAt();
        // INVARIANT: no round is final before its windows are over, or with a dispute open; none is blocked by later ones.
        if (!_s.reached(readyAt)) revert TooEarly(readyAt);
        if (r.disputesOpen != 0) revert DisputeOpen(r.disputesOpen);
        // A fault that nobody has disputed, on a start that is final.
        if (r.faulted) return Verdicts.fault(_s, job, generation, round, true);
        Verdicts.finalise(_s, job, round);
        Verdicts.proceed(_s, job);
    }

    function proceed(uint256 job) external {
        (JobPhase phase,,) = _s.jobs.phaseOf(job);
        if (phase != JobPhase.Running) revert WrongRound(job, 0, 0);
        Verdicts.proceed(_s, job);
    }

    // ---------------------------------------------------------------- exits

    function advance(uint256 job, uint32 generation, uint32 round) external {
        Round storage r = _s.judged(job, generation, round);
        Terms storage t = _s.terms[job];
        RoundPhase phase = r.phase;
        if (phase == RoundPhase.Challenging) revert AlreadyDone();
        if (phase == RoundPhase.Sampling && block.number > r.beaconBlock && r.present.isEmpty(t.words())) {
            _burnLate(job, generation, round, r, false);
            Verdicts.rewind(_s, job, round);
            return;
        }
        bool vacant =
            (phase == RoundPhase.Training || phase == RoundPhase.Aggregating) && _s.jobs.aggregatorOf(job) == address(0);
        if (!vacant && !_s.reached(r.deadline)) revert TooEarly(r.deadline);
        if (phase == RoundPhase.Opening && r.disputesOpen != 0) {
            // Nobody is silent: what is disputed or called for has its own clock, and the set is fixed by what comes of it.
            r.deadline = uint40(_s.time() + t.windows.open);
        } else if (phase == RoundPhase.Sampling && Bitmap.count(r.tablesCommitted) >= t.quorum) {
            _startOpening(job, r);
        } else if (r.orphan) {
            // Nobody judged it in time: what was committed and not disputed is paid all the same.
            Verdicts.closeOrphan(_s, job, generation, round, Pay.PresentHalf);
        } else if (phase == RoundPhase.Sampling) {
            Verdicts.redraw(_s, job, generation, round, r.tablesCommitted);
        } else if (phase == RoundPhase.Opening && !r.optimistic) {
            Verdicts.redraw(_s, job, generation, round, r.tablesRevealed);
        } else {
            Verdicts.silentAggregator(_s, job, generation, round, t.windows.aggregate);
        }
    }

    function attestFault(uint256 job, uint32 generation, uint32 round, bytes32 digest, bytes[] calldata signatures) external {
        // INVARIANT: what has stood for its window is final by this, and while the network is frozen nothing becomes so.
        if (!_s.reached(0)) revert IClock.StandsStill(_s.clock.frozenUntil());
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, generation, round, digest));
        Evidence.quorum(_s, _domainSeparatorV4(), job, structHash, signatures);
        // INVARIANT: what no contract has seen ends a job, and takes nothing from whoever posted it.
        Verdicts.fault(_s, job, generation, round, false);
        emit FaultAttested(job, generation, round, digest);
    }

    function penaliseSilent(uint256 job, uint32 generation, uint32 round, uint256 validatorIndex) external {
        Round storage r = _s.rounds[job][generation][round];
        if (r.phase < RoundPhase.Opening || r.phase > RoundPhase.Final) revert WrongPhase(r.phase);
        if (!_s.reached(r.openDeadline)) revert TooEarly(r.openDeadline);
        (address account,,,) = _s.jobs.seatAt(job, validatorIndex);
        Table storage table = r.tables[account];
        // INVARIANT: each silence is penalised once, and only who had to serve and did not.
        bool unserved = (r.unserved >> validatorIndex) & 1 == 1;
        if (r.penalised[account] || (table.root != 0 && table.redraw == r.redraws && !unserved)) revert AlreadyDone();
        if (!Verdicts.onDuty(_s, job, r, validatorIndex)) revert NotValidator(account);
        r.penalised[account] = true;
        (address[] memory silent, bytes32[] memory reasons) = (new address[](1), new bytes32[](1));
        (silent[0], reasons[0]) = (account, unserved ? bytes32("unserved") : bytes32("silent"));
        Verdicts.penalise(_s, job, generation, round, silent, reasons);
    }

    function claim(uint256 job, address account) external returns (uint256) {
        return Payroll.claim(_s, job, account);
    }

    // ---------------------------------------------------------------- for the disputes contract

    function disputeOpened(uint256 job, uint32 generation, uint32 round) external onlyDisputes {
        _s.challengeable(job, generation, round).disputesOpen++;
        _s.progress[job].disputesOpen++;
    }

    function disputeJoined(uint256 job, uint32 generation, uint32 round) external onlyDisputes {
        Round storage r = _s.rounds[job][generation][round];
        // INVARIANT: only what is disputed already is disputed beyond its window.
        if (r.disputesOpen == 0) revert TooLate(r.deadline);
        r.disputesOpen++;
        _s.progress[job].disputesOpen++;
    }

    function disputeClosed(uint256 job, uint32 generation, uint32 round) external onlyDisputes {
        _s.rounds[job][generation][round].disputesOpen--;
        _s.progress[job].disputesOpen--;
    }

    function disprovedSlot(
        uint256 job, uint32 generation, uint32 round, uint16 slot, address challenger, bytes32 reason
    ) external onlyDisputes {
        Verdicts.disprovedSlot(_s, job, generation, round, slot, _s.terms[job].roundCost(), challenger, reason);
    }

    function disprovedValidator(
        uint256 job, uint32 generation, uint32 round, address validator, address challenger, bytes32 reason
    ) external onlyDisputes {
        Verdicts.disprovedValidator(_s, job, generation, round, validator, challenger, reason);
    }

    function disprovedAggregate(uint256 job, uint32 generation, uint32 round, address challenger, bytes32 reason) external onlyDisputes {
        Verdicts.disprovedAggregate(_s, job, generation, round, challenger, reason);
    }

    function jobFault(uint256 job, uint32 generation, uint32 round) external onlyDisputes {
        if (_s.isLive(job, generation, round)) Verdicts.fault(_s, job, generation, round, true);
    }

    // ---------------------------------------------------------------- views

    function viewOf(uint256 job, uint32 generation, uint32 round) external view returns (RoundView memory out) {
        Round storage r = _s.rounds[job][generation][round];
        uint256 slots = _s.terms[job].providers;
        out.phase = r.phase;
        out.generation = generation;
        out.round = round;
        out.startRoot = r.startRoot;
        out.commitmentRoot = r.commitmentRoot;
        out.resultRoot = r.resultRoot;
        out.endRoot = r.endRoot;
        out.score = r.score;
        out.openedAt = r.openedAt;
        out.deadline = r.deadline;
        out.beaconBlock = r.beaconBlock;
        out.redraws = r.redraws;
        out.disputesOpen = r.disputesOpen;
        out.optimistic = r.optimistic;
        out.orphan = r.orphan;
        out.faulted = r.faulted;
        out.drawing = r.drawing;
        out.present = (r.phase == RoundPhase.Training ? r.direct : r.present).copy(slots);
        out.accepted = r.accepted.copy(slots);
        out.included = r.included.copy(slots);
        out.tablesCommitted = r.tablesCommitted;
        out.tablesRevealed = r.tablesRevealed;
        out.unserved = r.unserved;
    }

    function progress(uint256 job) external view returns (uint32 generation, uint32 firstOpen, uint32 next) {
        Progress storage p = _s.progress[job];
        return (p.generation, p.firstOpen, p.next);
    }

    function drawings(uint256 job) external view returns (uint32) {
        return _s.progress[job].drawings;
    }

    function orphansOf(uint256 job) external view returns (uint64[] memory) {
        return _s.orphans[job];
    }

    function tableRootOf(uint256 job, uint32 generation, uint32 round, address validator) external view returns (bytes32) {
        Round storage r = _s.rounds[job][generation][round];
        Table storage table = r.tables[validator];
        return table.redraw == r.redraws ? table.root : bytes32(0);
    }

    function standing(Commitment calldata c, bytes32[] calldata proof, bytes calldata signature) external view returns (bool) {
        return Evidence.standing(_s, _domainSeparatorV4(), c, proof, signature);
    }

    function aggregatorOf(uint256 job, uint32 generation, uint32 round) external view returns (address) {
        return _s.rounds[job][generation][round].aggregator;
    }

    function termsOf(uint256 job) external view returns (Terms memory) {
        return _s.terms[job];
    }

    function generationOf(uint256 job, uint32 round) external view returns (uint32) {
        return _s.generationOf[job][round];
    }

    function settled(uint256 job) external view returns (bool) {
        Progress storage p = _s.progress[job];
        (, bool ending,) = _s.jobs.phaseOf(job);
        return p.firstOpen == p.next && p.orphans == 0 && p.disputesOpen == 0 && (ending || p.next == _s.roundCount(job))
            && _s.reached(p.settledAt);
    }

    function earned(uint256 job, address account) external view returns (uint256) {
        return Payroll.earned(_s, job, account);
    }

    function phaseOf(uint256 job, uint32 generation, uint32 round) external view returns (RoundPhase phase, bool orphan) {
        Round storage r = _s.rounds[job][generation][round];
        return (r.phase, r.orphan);
    }

    function forfeited(uint256 job, address account) external view returns (bool) {
        return _s.forfeited[job][account];
    }

    function shown(uint256 job, uint32 generation, uint32 round, uint16 slot) external view returns (bool) {
        return _s.rounds[job][generation][round].demands[slot].shown;
    }

    function roundCost(uint256 job) external view returns (uint256) {
        return _s.terms[job].roundCost();
    }

    function finalState(uint256 job) external view returns (bytes32 root, int64 score) {
        uint32 count = _s.progress[job].firstOpen;
        if (count == 0) return (_s.terms[job].stateRoot, UNSCORED);
        Round storage r = _s.rounds[job][_s.generationOf[job][count - 1]][count - 1];
        return (r.endRoot, r.score);
    }

    function complete(uint256 job) external view returns (bool) {
        uint32 rounds = _s.roundCount(job);
        return rounds != 0 && _s.progress[job].firstOpen == rounds;
    }

    // ---------------------------------------------------------------- inside

    function _onlyAggregator(uint256 job) private view {
        if (msg.sender != _s.jobs.aggregatorOf(job)) revert NotAggregator(msg.sender);
    }

    /// The caller's seat as a bit.
    function _seat(uint256 job) private view returns (uint256) {
        address[] memory caller = new address[](1);
        caller[0] = msg.sender;
        return _s.jobs.seatsOf(job, caller);
    }

    function _index(uint256 bit) private pure returns (uint256) {
        return Bitmap.count(bit - 1);
    }

    function _startOpening(uint256 job, Round storage r) private {
        r.phase = RoundPhase.Opening;
        r.deadline = uint40(_s.time() + _s.terms[job].windows.open);
        r.openDeadline = r.deadline;
    }

    /// Open slots that are not there; once a quorum has judged the round, also those that it did not accept.
    function _burnLate(uint256 job, uint32 generation, uint32 round, Round storage r, bool judged) private {
        if (r.lateDone) return;
        r.lateDone = true;
        uint256[] memory slots = _s.jobs.slotsOpen(job);
        uint256 done;
        for (uint256 slot = 0; slot < _s.terms[job].providers && done < LATE_MAX; slot++) {
            uint256 came = judged ? r.accepted[slot >> 8] : r.present[slot >> 8];
            if (((slots[slot >> 8] & ~came) >> (slot & 255)) & 1 == 0) continue;
            done++;
            address provider = _s.jobs.providerAt(job, slot);
            emit Late(job, generation, round, uint16(slot), provider, _s.jobs.miss(job, slot));
        }
    }
}
