// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../Bitmap.sol";
import {Terms} from "../Types.sol";
import {IRounds} from "../interfaces/IRounds.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Pay, Round, State, Store} from "./Store.sol";

/// @title Payroll: what a round was worth to whom. A round credits one sum; accounts walk the paid rounds when they claim.
library Payroll {
    using Bitmap for uint256[4];

    /// Moves a closed round's pay from escrow to credit, once.
    function credit(State storage s, uint256 job, uint32 generation, uint32 round, Pay pay, bool withAggregator)
        external
        returns (uint256 amount)
    {
        Round storage r = s.rounds[job][generation][round];
        Terms storage t = s.terms[job];
        // INVARIANT: a round is paid once.
        if (r.pay != Pay.None) revert IRounds.AlreadyDone();
        r.pay = pay;
        uint256 price = t.price;
        for (uint256 word = 0; word < Store.words(t); word++) {
            uint256 honest = ~s.forfeitedSlots[job][word];
            (uint256 full, uint256 half) = _split(r, pay, word);
            amount += Bitmap.count(full & honest) * price + Bitmap.count(half & honest) * (price / 2);
        }
        amount += uint256(r.served) * t.validatorFee;
        if (withAggregator && !r.unvouched && r.aggregator != address(0) && !s.forfeited[job][r.aggregator]) {
            r.aggregatorPaid = true;
            amount += t.aggregatorFee;
        }
        if (amount != 0) s.paid[job].push(Store.name(generation, round));
        // INVARIANT: a round never costs more than the reserve that was checked when it opened.
        assert(amount <= Store.roundCost(t));
        s.vault.move(t.token, IVault.Kind.Escrow, bytes32(job), IVault.Kind.Credit, bytes32(job), amount);
    }

    /// Takes an account's unvested credit of the job back to the escrow, and its share of rounds that are not paid yet.
    function forfeit(State storage s, uint256 job, address account) external {
        if (s.forfeited[job][account]) return;
        uint256 amount = earned(s, job, account);
        s.forfeited[job][account] = true;
        uint256 slot = s.jobs.slotOf(job, account);
        if (slot != 0) s.forfeitedSlots[job].add(slot - 1);
        for (uint32 round = s.progress[job].firstOpen; round < s.progress[job].next; round++) {
            Round storage r = s.rounds[job][s.generationOf[job][round]][round];
            if (r.pay == Pay.None && r.tables[account].served) {
                r.tables[account].served = false;
                r.served--;
            }
        }
        // INVARIANT: credit = the sum of what accounts have earned and not claimed.
        s.vault.move(s.terms[job].token, IVault.Kind.Credit, bytes32(job), IVault.Kind.Escrow, bytes32(job), amount);
    }

    function claim(State storage s, uint256 job, address account) external returns (uint256 amount) {
        (,, bool ended) = s.jobs.phaseOf(job);
        // INVARIANT: pay vests at the job's end; until then a slash can still take it.
        if (!ended) revert IRounds.TooEarly(0);
        // INVARIANT: an account claims once.
        if (s.claimed[job][account]) revert IRounds.AlreadyDone();
        s.claimed[job][account] = true;
        amount = earned(s, job, account);
        s.vault.move(s.terms[job].token, IVault.Kind.Credit, bytes32(job), IVault.Kind.Free, Store.key(account), amount);
        emit IRounds.Claimed(job, account, amount);
    }

    function earned(State storage s, uint256 job, address account) public view returns (uint256 amount) {
        if (s.forfeited[job][account]) return 0;
        Terms storage t = s.terms[job];
        uint256 slot = s.jobs.slotOf(job, account);
        uint64[] storage paid = s.paid[job];
        for (uint256 i = 0; i < paid.length; i++) {
            Round storage r = s.rounds[job][paid[i] >> 32][uint32(paid[i])];
            if (slot != 0) {
                (uint256 full, uint256 half) = _split(r, r.pay, (slot - 1) >> 8);
                uint256 bit = 1 << ((slot - 1) & 255);
                if (full & bit != 0) amount += t.price;
                else if (half & bit != 0) amount += t.price / 2;
                continue; // who holds a slot takes no other part
            }
            if (r.tables[account].served) amount += t.validatorFee;
            if (r.aggregatorPaid && r.aggregator == account) amount += t.aggregatorFee;
        }
    }

    function _split(Round storage r, Pay pay, uint256 word) private view returns (uint256 full, uint256 half) {
        if (pay == Pay.Included) {
            full = r.included[word];
            half = r.accepted[word] & ~full;
        } else if (pay == Pay.PresentHalf) {
            half = r.present[word];
        } else if (pay == Pay.PresentFull) {
            full = r.present[word];
        }
    }
}
