// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../Bitmap.sol";
import {JobPhase, Order} from "../Types.sol";
import {IBeacon} from "../interfaces/IBeacon.sol";
import {IClock} from "../interfaces/IClock.sol";
import {IJobs} from "../interfaces/IJobs.sol";
import {IParams} from "../interfaces/IParams.sol";
import {IRounds} from "../interfaces/IRounds.sol";
import {IStakes} from "../interfaces/IStakes.sol";
import {IVault} from "../interfaces/IVault.sol";

/// A pool as it stood at the match: who joins later changes nothing of a draw.
struct Pool {
    uint32 size;
    uint96 peak;
}

struct Job {
    address consumer;
    JobPhase phase;
    bool ending;
    bool ended;
    bool bidsVoid; // cancelled while bids were open: all bonds go back
    uint16 beaconDelay;
    uint16 challengeBondBps;
    uint64 postedAt; // this and all other moments in protocol time
    uint64 phaseDeadline; // of drawing and enlisting
    uint48 matchBlock;
    uint48 drawBlock;
    uint32 unopened; // sealed bids that have not been opened
    uint96 price;
    address aggregator;
    uint256 deposited;
    bytes32 beacon;
    uint256 live; // seats held and enlisted
    Pool validators;
    Pool aggregators;
    uint256[4] open; // slots
    Order order;
}

struct Sealed {
    bytes32 hash;
    bool opened;
    bool settled;
    uint16 slot; // plus one
}

/// A winner after the match; before it one of the n + 1 lowest bids opened so far, in order.
struct Offer {
    address bidder;
    uint96 price;
}

struct Seat {
    address account;
    uint48 drawnAt;
    uint48 enlistedBlock;
    uint32 base; // drawings of the job before its chain of nonces began
    uint32 position; // of the latest nonce spent
    bytes32 nonce; // at that position; at zero the tip
}

/// All of the state of Jobs; its libraries get it by reference.
struct Books {
    IVault vault;
    IStakes stakes;
    IParams params;
    IBeacon beacon;
    IClock clock;
    IRounds rounds;
    uint256 count;
    mapping(uint256 job => Job) jobs;
    mapping(uint256 job => Offer[]) offers;
    mapping(uint256 job => mapping(address bidder => Sealed)) bids;
    mapping(uint256 job => Seat[]) seats;
    mapping(uint256 job => mapping(address account => uint256)) seatOf; // plus one
    mapping(uint256 job => mapping(address account => bool)) abstains;
    mapping(uint256 job => address[]) former; // left their place; their locks hold until the end
}

/// @title Book: lookups, keys and endings that Jobs and its libraries share.
library Book {
    using Bitmap for uint256[4];

    uint256 private constant RELEASES = 64; // slots released by the end itself; further ones by `settleBid`

    function expect(Books storage s, uint256 job, JobPhase phase) internal view returns (Job storage j) {
        j = s.jobs[job];
        if (j.phase != phase) revert IJobs.WrongPhase(job, j.phase);
    }

    /// Whether an instant of protocol time is still to come. The chain's time is never behind: mostly it answers.
    function before(Books storage s, uint256 instant) internal view returns (bool) {
        return block.timestamp < instant || s.clock.time() < instant;
    }

    /// Whether what waits for an instant has waited for long enough; never while the network is frozen.
    function reached(Books storage s, uint256 instant) internal view returns (bool) {
        return block.timestamp >= instant && s.clock.reached(instant);
    }

    function roundCost(Order memory o, uint256 price) internal pure returns (uint256) {
        return o.providers * price + uint256(o.validators) * o.validatorFee + o.aggregatorFee;
    }

    /// Before a round ran: everything back.
    function cancel(Books storage s, uint256 job, Job storage j) public {
        j.phase = JobPhase.Cancelled;
        finish(s, job, j);
        emit IJobs.Cancelled(job);
    }

    function finish(Books storage s, uint256 job, Job storage j) public returns (uint256 refunded) {
        j.ended = true;
        j.ending = true;
        address token = j.order.token;
        uint256 left = s.vault.balance(token, IVault.Kind.Escrow, bytes32(job));
        uint256 deposit = s.vault.balance(token, IVault.Kind.Bond, faultKey(job));
        s.vault.move(token, IVault.Kind.Escrow, bytes32(job), IVault.Kind.Free, key(j.consumer), left);
        s.vault.move(token, IVault.Kind.Bond, faultKey(job), IVault.Kind.Free, key(j.consumer), deposit);
        refunded = left + deposit;

        Offer[] storage offers = s.offers[job];
        for (uint256 i = 0; i < offers.length && i < RELEASES; i++) {
            address provider = offers[i].bidder;
            emit IJobs.SlotReleased(job, i, provider, release(s, job, token, provider));
        }
        Seat[] storage seats = s.seats[job];
        for (uint256 i = 0; i < seats.length; i++) {
            if (seats[i].account != address(0)) unlock(s, job, seats[i].account);
        }
        address[] storage former = s.former[job];
        for (uint256 i = 0; i < former.length && i < RELEASES; i++) unlock(s, job, former[i]);
        if (j.aggregator != address(0)) unlock(s, job, j.aggregator);
    }

    /// Gives back what an account still has locked or bonded in a job. Idempotent.
    function release(Books storage s, uint256 job, address token, address account) internal returns (uint256 bond) {
        unlock(s, job, account);
        bytes32 from = bondKey(job, account);
        bond = s.vault.balance(token, IVault.Kind.Bond, from);
        s.vault.move(token, IVault.Kind.Bond, from, IVault.Kind.Free, key(account), bond);
    }

    function unlock(Books storage s, uint256 job, address account) internal {
        bytes32 held = obligation(job, account);
        IStakes.Lock memory lock = s.stakes.lockOf(held);
        if (lock.account != address(0) && !lock.released) s.stakes.unlock(held);
    }

    function closeSlot(Books storage s, uint256 job, Job storage j, uint256 slot) internal {
        if (!j.open.has(slot)) return;
        j.open.remove(slot);
        emit IJobs.SlotClosed(job, slot, s.offers[job][slot].bidder);
    }

    function validators(Books storage s, uint256 job) internal view returns (address[] memory out) {
        Seat[] storage seats = s.seats[job];
        out = new address[](seats.length);
        for (uint256 i = 0; i < out.length; i++) out[i] = seats[i].account;
    }

    function seatIndex(Books storage s, uint256 job, address account) internal view returns (uint256) {
        uint256 place = s.seatOf[job][account];
        if (place == 0) revert IJobs.NotDrawn(account);
        return place - 1;
    }

    function obligation(uint256 job, address account) internal pure returns (bytes32) {
        return keccak256(abi.encode("assay.obligation.1", job, account));
    }

    function bondKey(uint256 job, address bidder) internal pure returns (bytes32) {
        return keccak256(abi.encode("assay.bond.1", job, bidder));
    }

    function faultKey(uint256 job) internal pure returns (bytes32) {
        return keccak256(abi.encode("assay.fault.1", job));
    }

    function key(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
