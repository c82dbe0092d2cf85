// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../Bitmap.sol";
import {RoundPhase, Terms} from "../Types.sol";
import {IRounds} from "../interfaces/IRounds.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Payroll} from "./Payroll.sol";
import {Pay, Progress, Round, State, Store, Table} from "./Store.sol";

/// @title Verdicts: what follows when somebody is disproved or silent; opens rounds and rewinds them.
library Verdicts {
    using Bitmap for uint256[4];

    uint256 private constant GENERATIONS = 64; // rewinds of a job; then it ends with what it has

    /// Opens the next round if order, lookahead, escrow and open slots admit it; when money or slots are short, none opens ever.
    function proceed(State storage s, uint256 job) public {
        Terms storage t = s.terms[job];
        Progress storage p = s.progress[job];
        (, bool ending,) = s.jobs.phaseOf(job);
        if (ending || p.next >= Store.roundCount(s, job) || p.next - p.firstOpen > t.lookahead) return;
        bytes32 startRoot = t.stateRoot;
        if (p.next > 0) {
            Round storage last = s.rounds[job][s.generationOf[job][p.next - 1]][p.next - 1];
            if (last.phase != RoundPhase.Challenging && last.phase != RoundPhase.Final) return;
            // INVARIANT: nobody is asked to train on a state that no quorum has vouched for before its window is over.
            if (last.phase == RoundPhase.Challenging && last.optimistic) return;
            startRoot = last.endRoot;
        }
        uint256 slots;
        uint256[] memory open = s.jobs.slotsOpen(job);
        for (uint256 word = 0; word < open.length; word++) slots += Bitmap.count(open[word]);
        uint256 reserve = (uint256(p.next - p.firstOpen) + p.orphans + 1) * Store.roundCost(t);
        // INVARIANT: the escrow covers every open round, every orphan and the round that opens, at their worst cost.
        if (slots < t.reportsMin || s.vault.balance(t.token, IVault.Kind.Escrow, bytes32(job)) < reserve) {
            s.jobs.stop(job);
            return;
        }
        s.generationOf[job][p.next] = p.generation;
        Round storage r = s.rounds[job][p.generation][p.next];
        r.phase = RoundPhase.Training;
        r.startRoot = startRoot;
        r.openedAt = uint40(Store.time(s));
        r.deadline = r.openedAt + t.windows.train + t.windows.aggregate;
        emit IRounds.RoundOpened(job, p.generation, p.next, startRoot, r.deadline);
        p.next++;
    }

    /// Voids this round and all later ones, pays what was done in them, and reopens from here in the next generation.
    /// What is committed and not judged yet is judged first: an orphan.
    function rewind(State storage s, uint256 job, uint32 round) public {
        Progress storage p = s.progress[job];
        for (uint32 place = round; place < p.next; place++) {
            Round storage r = s.rounds[job][s.generationOf[job][place]][place];
            RoundPhase phase = r.phase;
            if (phase >= RoundPhase.Aggregating) _void(s, job, place, Pay.Included, true);
            else if (phase == RoundPhase.Training || r.present.isEmpty(Store.words(s.terms[job]))) _void(s, job, place, Pay.None, false);
            else _orphan(s, job, place);
        }
        p.next = round;
        p.stopAt = 0; // the round that ended the job is one of those
        // INVARIANT: what an account has earned can be added up in one transaction, so rounds are not void for ever.
        if (++p.generation == GENERATIONS) s.jobs.stop(job);
        emit IRounds.Rewound(job, p.generation, round);
        proceed(s, job);
    }

    function disprovedSlot(
        State storage s, uint256 job, uint32 generation, uint32 round, uint16 slot, uint256 cap, address challenger, bytes32 reason
    ) public {
        address provider = s.jobs.providerAt(job, slot);
        uint256 taken = _take(s, job, s.rounds[job][generation][round], provider, cap, challenger);
        Payroll.forfeit(s, job, provider);
        s.jobs.closeSlot(job, slot);
        emit IRounds.Disproved(job, generation, round, slot, provider, taken, reason);
        if (
            Store.isLive(s, job, generation, round)
                && s.rounds[job][generation][round].phase >= RoundPhase.Aggregating
                && s.rounds[job][generation][round].included.has(slot)
        ) rewind(s, job, round);
    }

    function disprovedValidator(
        State storage s, uint256 job, uint32 generation, uint32 round, address validator, address challenger, bytes32 reason
    ) external {
        Round storage r = s.rounds[job][generation][round];
        uint256 taken = _take(s, job, r, validator, Store.roundCost(s.terms[job]), challenger);
        Payroll.forfeit(s, job, validator);
        emit IRounds.Penalised(job, generation, round, validator, taken, reason);
        _unseat(s, job, r, validator);
    }

    function disprovedAggregate(
        State storage s, uint256 job, uint32 generation, uint32 round, address challenger, bytes32 reason
    ) external {
        Round storage r = s.rounds[job][generation][round];
        address aggregator = r.aggregator;
        uint256 taken = _take(s, job, r, aggregator, Store.roundCost(s.terms[job]), challenger);
        Payroll.forfeit(s, job, aggregator);
        emit IRounds.Penalised(job, generation, round, aggregator, taken, reason);
        if (s.jobs.aggregatorOf(job) == aggregator) s.jobs.replaceAggregator(job, address(0), Store.seed(s, job, r, "aggregator"));
        if (Store.isLive(s, job, generation, round)) rewind(s, job, round);
    }

    /// Silence: up to a round's cost in all, for an account and round.
    function penalise(
        State storage s, uint256 job, uint32 generation, uint32 round, address[] memory validators, bytes32[] memory reasons
    ) external {
        Round storage r = s.rounds[job][generation][round];
        uint256 cost = Store.roundCost(s.terms[job]);
        address[] memory seats = s.jobs.validatorsOf(job);
        uint256 broke;
        for (uint256 i = 0; i < validators.length; i++) {
            uint256 taken = _take(s, job, r, validators[i], cost, address(0));
            emit IRounds.Penalised(job, generation, round, validators[i], taken, reasons[i]);
            // Who has nothing left at stake has no seat.
            if (s.stakes.lockOf(s.jobs.obligation(job, validators[i])).amount == 0) broke |= _seatOf(seats, validators[i]);
        }
        if (broke != 0) s.jobs.replaceValidators(job, broke, Store.seed(s, job, r, "penalised"));
    }

    /// The aggregator let its deadline pass: its lock is lost, the caller or somebody from the pool takes its place, and the
    /// phase runs again. After three times the round is void and the job ends with what it has.
    function silentAggregator(State storage s, uint256 job, uint32 generation, uint32 round, uint256 grace) external {
        Round storage r = s.rounds[job][generation][round];
        address aggregator = s.jobs.aggregatorOf(job);
        bool early = !Store.reached(s, r.deadline); // the place is vacant, and may be taken at once
        if (aggregator != address(0)) {
            (uint256 taken,) = s.stakes.slash(s.jobs.obligation(job, aggregator), type(uint256).max, address(0), job);
            emit IRounds.Penalised(job, generation, round, aggregator, taken, "aggregator");
        }
        if (!early && ++r.replacements > 3) {
            r.aggregator = address(0);
            s.jobs.stop(job);
            rewind(s, job, round);
            return;
        }
        address next = s.jobs.replaceAggregator(job, msg.sender, Store.seed(s, job, r, "aggregator"));
        if (early && next == address(0)) revert IRounds.NotAggregator(msg.sender);
        uint256 from = Store.time(s);
        if (r.phase == RoundPhase.Training) {
            // Before the window is over nobody can commit what some slots still owe: the time for it begins then.
            uint256 closesAt = uint256(r.openedAt) + s.terms[job].windows.train;
            if (closesAt > from) from = closesAt;
        } else {
            (r.aggregator, r.unvouched) = (next, false);
        }
        r.deadline = uint40(from + grace);
    }

    /// No quorum: twice the sample is drawn anew, with new validators for silent ones; then the aggregator may go on alone.
    function redraw(State storage s, uint256 job, uint32 generation, uint32 round, uint256 heard) external {
        Round storage r = s.rounds[job][generation][round];
        Terms storage t = s.terms[job];
        uint256 missing;
        address[] memory validators = s.jobs.validatorsOf(job);
        for (uint256 i = 0; i < validators.length; i++) {
            if (validators[i] == address(0)) {
                missing |= 1 << i;
            } else if ((heard >> i) & 1 == 0 && onDuty(s, job, r, i)) {
                missing |= 1 << i;
                if (!r.penalised[validators[i]]) {
                    r.penalised[validators[i]] = true;
                    uint256 taken = _take(s, job, r, validators[i], Store.roundCost(t), address(0));
                    emit IRounds.Penalised(job, generation, round, validators[i], taken, "silent");
                }
            }
        }
        if (missing != 0) s.jobs.replaceValidators(job, missing, Store.seed(s, job, r, "validators"));
        if (r.redraws == 2) {
            r.optimistic = true;
            r.phase = RoundPhase.Opening;
            r.deadline = uint40(Store.time(s) + t.windows.open);
            r.openDeadline = r.deadline;
            return;
        }
        r.redraws++;
        r.drawing = ++s.progress[job].drawings;
        r.tablesCommitted = 0;
        r.tablesRevealed = 0;
        r.phase = RoundPhase.Sampling;
        r.beaconBlock = uint48(block.number + t.beaconDelay);
        r.deadline = uint40(Store.time(s) + t.windows.table);
        emit IRounds.Committed(job, generation, round, r.commitmentRoot, r.present.copy(t.providers), r.beaconBlock);
    }

    /// Enters the seats in `bits` as those that served: only who holds one still, has opened its table and forfeited nothing.
    function serve(State storage s, uint256 job, Round storage r, uint256 bits) public {
        address[] memory validators = s.jobs.validatorsOf(job);
        for (uint256 i = 0; i < validators.length; i++) {
            if ((bits >> i) & 1 == 0 || s.forfeited[job][validators[i]]) continue;
            Table storage table = r.tables[validators[i]];
            // INVARIANT: a seat earns a round's fee once, so there are no more fees than seats.
            if (table.root == 0 || table.redraw != r.redraws || table.served) continue;
            table.served = true;
            r.served++;
        }
    }

    /// An orphan that has been judged, or that nobody judged in time.
    function closeOrphan(State storage s, uint256 job, uint32 generation, uint32 round, Pay pay) public {
        Round storage r = s.rounds[job][generation][round];
        if (pay != Pay.Included) serve(s, job, r, r.tablesRevealed);
        r.orphan = false;
        r.phase = RoundPhase.Void;
        s.progress[job].orphans--;
        uint64[] storage orphans = s.orphans[job];
        for (uint256 i = 0; i < orphans.length; i++) {
            if (orphans[i] == Store.name(generation, round)) {
                orphans[i] = orphans[orphans.length - 1];
                orphans.pop();
                break;
            }
        }
        emit IRounds.Voided(job, generation, round, Payroll.credit(s, job, generation, round, pay, false));
    }

    function _orphan(State storage s, uint256 job, uint32 round) private {
        uint32 generation = s.generationOf[job][round];
        Round storage r = s.rounds[job][generation][round];
        Terms storage t = s.terms[job];
        uint256 until = Store.time(s) + (r.phase == RoundPhase.Sampling ? t.windows.table : t.windows.open);
        if (r.deadline < until) r.deadline = uint40(until);
        r.orphan = true;
        s.progress[job].orphans++;
        s.orphans[job].push(Store.name(generation, round));
        emit IRounds.Orphaned(job, generation, round);
    }

    /// Whether the seat had to serve in this round: drawn before it opened and given its time to enlist.
    function onDuty(State storage s, uint256 job, Round storage r, uint256 index) public view returns (bool) {
        (address account, uint256 drawnAt, uint256 enlistedBlock, uint256 base) = s.jobs.seatAt(job, index);
        if (account == address(0) || drawnAt > r.openedAt) return false;
        if (enlistedBlock != 0) return enlistedBlock <= r.beaconBlock && base <= r.drawing;
        return drawnAt + s.terms[job].windows.enlist <= r.openedAt;
    }

    /// The job itself is at fault: what stands is final, the rest is paid, nobody is slashed. `proven`: a contract has seen it,
    /// and the deposit is forfeited.
    function fault(State storage s, uint256 job, uint32 generation, uint32 round, bool proven) external {
        Store.live(s, job, generation, round);
        Progress storage p = s.progress[job];
        for (uint32 place = p.firstOpen; place < p.next; place++) {
            Round storage r = s.rounds[job][s.generationOf[job][place]][place];
            RoundPhase phase = r.phase;
            bool over = phase == RoundPhase.Challenging && Store.reached(s, Store.readyAt(r)) && r.disputesOpen == 0;
            // INVARIANT: a fault makes nothing final before its window is over.
            if (place < round && place == p.firstOpen && over) {
                finalise(s, job, place);
            } else if (place < round && phase >= RoundPhase.Aggregating) {
                _void(s, job, place, Pay.Included, true);
            } else {
                if (phase < RoundPhase.Aggregating) serve(s, job, r, r.tablesRevealed);
                _void(s, job, place, phase == RoundPhase.Training ? Pay.None : Pay.PresentFull, phase != RoundPhase.Training);
            }
        }
        p.next = p.firstOpen;
        p.stopAt = 0;
        p.settledAt = uint40(Store.time(s) + s.terms[job].windows.open + s.terms[job].windows.challenge);
        uint64[] storage orphans = s.orphans[job];
        while (orphans.length > 0) {
            uint64 name = orphans[orphans.length - 1];
            closeOrphan(s, job, uint32(name >> 32), uint32(name), Pay.PresentFull);
        }
        if (proven) s.jobs.fault(job);
        else s.jobs.stop(job);
    }

    function finalise(State storage s, uint256 job, uint32 round) public {
        uint32 generation = s.generationOf[job][round];
        Round storage r = s.rounds[job][generation][round];
        uint256 credited = Payroll.credit(s, job, generation, round, Pay.Included, true);
        r.phase = RoundPhase.Final;
        s.progress[job].firstOpen = round + 1;
        emit IRounds.Finalised(job, generation, round, r.endRoot, credited);
    }

    function _void(State storage s, uint256 job, uint32 round, Pay pay, bool withAggregator) private {
        uint32 generation = s.generationOf[job][round];
        Round storage r = s.rounds[job][generation][round];
        r.phase = RoundPhase.Void;
        uint256 credited = pay == Pay.None ? 0 : Payroll.credit(s, job, generation, round, pay, withAggregator);
        emit IRounds.Voided(job, generation, round, credited);
    }

    /// Slashes up to `cap`, less what this round has cost the account already.
    function _take(State storage s, uint256 job, Round storage r, address account, uint256 cap, address challenger)
        private
        returns (uint256 taken)
    {
        uint256 before = r.slashed[account];
        // INVARIANT: the cap holds for the sum over all that is decided of an account in a round, not for each dispute.
        (taken,) = s.stakes.slash(s.jobs.obligation(job, account), cap > before ? cap - before : 0, challenger, job);
        r.slashed[account] = before + taken;
    }

    function _unseat(State storage s, uint256 job, Round storage r, address validator) private {
        uint256 bit = _seatOf(s.jobs.validatorsOf(job), validator);
        if (bit != 0) s.jobs.replaceValidators(job, bit, Store.seed(s, job, r, bytes32(bit)));
    }

    /// An account's seat as a bit; zero if it has none.
    function _seatOf(address[] memory seats, address account) private pure returns (uint256) {
        for (uint256 i = 0; i < seats.length; i++) {
            if (seats[i] == account) return 1 << i;
        }
        return 0;
    }
}
