// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {JobPhase} from "../Types.sol";
import {IJobs} from "../interfaces/IJobs.sol";
import {IStakes} from "../interfaces/IStakes.sol";
import {Book, Books, Job, Pool, Seat} from "./Book.sol";

/// @title Draws: who checks and who aggregates, by the beacon and by stake; their chains of nonces; who replaces them.
library Draws {
    using Book for Books;

    uint256 private constant TRIES = 64; // weighted picks for each place, then a walk
    uint256 private constant WALK = 512;
    /// Members that one search looks at. A draw goes on until it has looked at as many; refills share one such search.
    uint256 private constant LOOKS = TRIES + WALK;
    /// One account counts for at most so many locks: a cap keeps the number of tries low, more stake takes more accounts.
    uint256 private constant UNITS = 16;
    uint256 private constant SEATS = 32; // drawn in one transaction; `draw` goes on where it stopped
    uint256 private constant REFILLS = 16; // seats filled anew in one transaction; the rest stay vacant until the next redraw

    function draw(Books storage s, uint256 job) external {
        Job storage j = s.expect(job, JobPhase.Drawing);
        // A pool too crowded to be searched in one transaction must not hold the escrow: long after the deadline nobody draws.
        if (s.reached(uint256(j.phaseDeadline) + j.order.windows.enlist)) return Book.cancel(s, job, j);
        bytes32 beacon = s.beacon.record(j.drawBlock);
        uint256 wanted = j.order.validators;
        uint256 from = s.seats[job].length;
        uint256 until = from + SEATS < wanted ? from + SEATS : wanted;
        uint256 looked;
        // INVARIANT: however crowded the pool, a call of this fits one transaction, and the next goes on where it stopped.
        for (uint256 i = from; i < until; i++) {
            if (looked >= LOOKS) return;
            (address drawn, uint256 looks) = _drawSeat(s, job, j, i, keccak256(abi.encode(beacon, i)), LOOKS);
            if (drawn == address(0)) return _tooSmall(s, job, j, i, wanted);
            looked += looks;
        }
        if (until < wanted || looked >= LOOKS) return;
        bytes32 seed = keccak256(abi.encode(beacon, "aggregator"));
        (address aggregator,) = _pick(s, job, j, IStakes.Role.Aggregator, j.order.aggregatorStake, seed, LOOKS);
        if (aggregator == address(0)) return _tooSmall(s, job, j, 0, 1);
        s.stakes.lock(Book.obligation(job, aggregator), j.order.token, aggregator, j.order.aggregatorStake);
        j.aggregator = aggregator;
        j.beacon = beacon;
        j.phase = JobPhase.Enlisting;
        j.phaseDeadline = uint64(s.clock.time() + j.order.windows.enlist);
        emit IJobs.Drawn(job, s.validators(job), aggregator, beacon);
    }

    function abstain(Books storage s, uint256 job) external {
        Job storage j = s.jobs[job];
        // INVARIANT: whoever leaves a draw does so before the block that decides it, when nobody can know whom it will take.
        // After the match too: until then nobody knows of how many jobs it may be drawn at once.
        if (j.phase != JobPhase.Bidding && (j.phase != JobPhase.Drawing || block.number >= j.drawBlock)) {
            revert IJobs.WrongPhase(job, j.phase);
        }
        s.abstains[job][msg.sender] = true;
        emit IJobs.Abstained(job, msg.sender);
    }

    function enlist(Books storage s, uint256 job, bytes32 nonceTip) external {
        Job storage j = s.jobs[job];
        uint256 base;
        if (j.phase == JobPhase.Enlisting) {
            if (!s.before(j.phaseDeadline)) revert IJobs.OutsideWindow(job, 0, j.phaseDeadline);
        } else if (j.phase == JobPhase.Running) {
            base = s.rounds.drawings(job);
        } else {
            revert IJobs.WrongPhase(job, j.phase);
        }
        uint256 index = s.seatIndex(job, msg.sender);
        Seat storage seat = s.seats[job][index];
        if (nonceTip == 0 || seat.nonce != 0) revert IJobs.WrongOpening(msg.sender);
        (seat.nonce, seat.base, seat.position) = (nonceTip, uint32(base), 0);
        seat.enlistedBlock = uint48(block.number);
        j.live |= 1 << index;
        emit IJobs.Enlisted(job, msg.sender, nonceTip);
    }

    /// Leaves the seats that enlisted; whether they are a quorum.
    function seal(Books storage s, uint256 job) external returns (bool enough) {
        Job storage j = s.expect(job, JobPhase.Enlisting);
        Seat[] storage seats = s.seats[job];
        uint256 drawn = seats.length;
        if (j.live != (1 << drawn) - 1 && !s.reached(j.phaseDeadline)) {
            revert IJobs.OutsideWindow(job, j.phaseDeadline, type(uint64).max);
        }
        uint256 kept;
        uint256 penalty = Book.roundCost(j.order, j.price);
        for (uint256 i = 0; i < drawn; i++) {
            address account = seats[i].account;
            if (seats[i].nonce == 0) {
                (uint256 taken,) = s.stakes.slash(Book.obligation(job, account), penalty, address(0), job);
                _vacate(s, job, account);
                emit IJobs.Unenlisted(job, account, taken);
            } else {
                if (kept != i) {
                    seats[kept] = seats[i];
                    s.seatOf[job][account] = kept + 1;
                }
                kept++;
            }
        }
        while (seats.length > kept) seats.pop();
        j.live = (1 << kept) - 1;
        return kept >= j.order.quorum;
    }

    function replaceAggregator(Books storage s, uint256 job, address to, bytes32 seed) external returns (address) {
        Job storage j = s.jobs[job];
        address from = j.aggregator;
        if (from != address(0)) s.former[job].push(from);
        uint256 needed = j.order.aggregatorStake;
        if (to == address(0) || !_outsider(s, job, j, to) || s.stakes.available(j.order.token, to) < needed) {
            (to,) = _pick(s, job, j, IStakes.Role.Aggregator, needed, seed, LOOKS);
        }
        j.aggregator = to;
        if (to == address(0)) {
            emit IJobs.AggregatorLeft(job, from);
        } else {
            s.stakes.lock(Book.obligation(job, to), j.order.token, to, needed);
            emit IJobs.AggregatorReplaced(job, from, to);
        }
        return to;
    }

    function replaceValidators(Books storage s, uint256 job, uint256 missing, bytes32 seed) external {
        Job storage j = s.jobs[job];
        Seat[] storage seats = s.seats[job];
        j.live &= ~missing;
        for (uint256 i = 0; i < seats.length; i++) {
            if ((missing >> i) & 1 == 0) continue;
            address account = seats[i].account;
            if (account != address(0)) _vacate(s, job, account);
            delete seats[i];
        }
        uint256 filled;
        uint256 looked;
        for (uint256 i = 0; i < seats.length; i++) {
            if ((missing >> i) & 1 == 0) continue;
            address account;
            // INVARIANT: however many are silent at once, and however crowded the pool, the way out of a phase fits one
            // transaction.
            if (seed != 0 && filled < REFILLS && looked < LOOKS) {
                uint256 looks;
                (account, looks) = _drawSeat(s, job, j, i, keccak256(abi.encode(seed, i)), LOOKS - looked);
                looked += looks;
                if (account != address(0)) filled++;
            }
            emit IJobs.ValidatorReplaced(job, i, account);
        }
    }

    function spendNonce(Books storage s, uint256 job, uint256 index, bytes32 nonce, uint256 drawing) external {
        Seat storage seat = s.seats[job][index];
        // INVARIANT: one nonce belongs to each drawing of the job, so that nobody picks its sample among several.
        if (drawing < seat.base) revert IJobs.WrongOpening(seat.account);
        uint256 position = drawing + 1 - seat.base;
        (bytes32 image, bytes32 known) = (nonce, seat.nonce);
        uint256 latest = seat.position;
        if (position > latest) {
            (seat.nonce, seat.position) = (nonce, uint32(position));
        } else {
            (image, known) = (known, image);
            (position, latest) = (latest, position);
        }
        for (uint256 i = latest; i < position; i++) image = sha256(abi.encode(image));
        if (image != known) revert IJobs.WrongOpening(seat.account);
    }

    function _tooSmall(Books storage s, uint256 job, Job storage j, uint256 found, uint256 needed) private {
        if (!s.reached(j.phaseDeadline)) revert IJobs.PoolTooSmall(found, needed);
        Book.cancel(s, job, j);
    }

    function _vacate(Books storage s, uint256 job, address account) private {
        delete s.seatOf[job][account];
        s.former[job].push(account);
    }

    function _drawSeat(Books storage s, uint256 job, Job storage j, uint256 index, bytes32 seed, uint256 most)
        private
        returns (address account, uint256 looks)
    {
        (account, looks) = _pick(s, job, j, IStakes.Role.Validator, j.order.validatorStake, seed, most);
        if (account == address(0)) return (account, looks);
        s.stakes.lock(Book.obligation(job, account), j.order.token, account, j.order.validatorStake);
        Seat[] storage seats = s.seats[job];
        if (index == seats.length) seats.push();
        seats[index] = Seat(account, uint48(s.clock.time()), 0, 0, 0, 0);
        s.seatOf[job][account] = index + 1;
    }

    /// A member of the pool as it stood at the match, in proportion to its weight, who takes no other part in the job, accepts
    /// its windows and its lock, and has the stake free. Looks at `most` members, and says at how many it has looked.
    function _pick(Books storage s, uint256 job, Job storage j, IStakes.Role role, uint256 needed, bytes32 seed, uint256 most)
        private
        view
        returns (address, uint256)
    {
        Pool memory pool = role == IStakes.Role.Validator ? j.validators : j.aggregators;
        if (pool.size == 0) return (address(0), 0);
        uint256 window = _duty(j, role);
        uint256 cap = _units(pool.peak, needed);
        uint256 tries = TRIES + (pool.size < WALK ? pool.size : WALK);
        if (tries > most) tries = most;
        for (uint256 i = 0; i < tries; i++) {
            // Weighted picks first; then a walk from a random place, so that a small pool is searched through.
            uint256 random = uint256(keccak256(abi.encode(seed, i < TRIES ? i : TRIES)));
            uint256 place = (i < TRIES ? random >> 16 : (random >> 17) + i) % pool.size;
            // INVARIANT: who joined in the match's own block, before it or after, counts as late.
            IStakes.Member memory member = s.stakes.poolAt(j.order.token, role, place, j.matchBlock - 1);
            if (
                member.weight == 0 || member.lockMax < needed || member.windowMin > window
                    || (i < TRIES && (random & 0xffff) % cap >= _units(member.weight, needed))
            ) continue;
            if (_outsider(s, job, j, member.account) && s.stakes.available(j.order.token, member.account) >= needed) {
                return (member.account, i + 1);
            }
        }
        return (address(0), tries);
    }

    /// The shortest window in which a role owes something.
    function _duty(Job storage j, IStakes.Role role) private view returns (uint256 window) {
        bool aggregates = role == IStakes.Role.Aggregator;
        window = aggregates ? j.order.windows.aggregate : j.order.windows.enlist;
        if (!aggregates && j.order.windows.table < window) window = j.order.windows.table;
        if (j.order.windows.open < window) window = j.order.windows.open;
    }

    function _units(uint256 weight, uint256 needed) private pure returns (uint256) {
        uint256 units = weight / needed;
        return units > UNITS ? UNITS : units > 0 ? units : 1;
    }

    function _outsider(Books storage s, uint256 job, Job storage j, address account) private view returns (bool) {
        return account != j.consumer && !s.abstains[job][account]
            && s.stakes.lockOf(Book.obligation(job, account)).account == address(0);
    }
}
