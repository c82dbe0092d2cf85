// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../Bitmap.sol";
import {JobPhase} from "../Types.sol";
import {IJobs} from "../interfaces/IJobs.sol";
import {IStakes} from "../interfaces/IStakes.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Book, Books, Job, Offer, Pool, Sealed} from "./Book.sol";

/// @title Bids: sealed, then opened; the n lowest win at the first losing price. And what becomes of their bonds.
library Bids {
    using Bitmap for uint256[4];
    using Book for Books;

    function commit(Books storage s, uint256 job, bytes32 sealedBid) external {
        Job storage j = s.expect(job, JobPhase.Bidding);
        uint256 closesAt = bidEnd(j);
        if (!s.before(closesAt)) revert IJobs.OutsideWindow(job, j.postedAt, closesAt);
        Sealed storage bid = s.bids[job][msg.sender];
        if (bid.hash != 0) revert IJobs.AlreadyBid(msg.sender);
        if (sealedBid == 0 || msg.sender == j.consumer) revert IJobs.WrongOpening(msg.sender);
        bid.hash = sealedBid;
        j.unopened++;
        uint256 bond = 2 * uint256(j.order.priceCeiling);
        s.vault.move(j.order.token, IVault.Kind.Free, Book.key(msg.sender), IVault.Kind.Bond, Book.bondKey(job, msg.sender), bond);
        emit IJobs.BidCommitted(job, msg.sender, bond);
    }

    function reveal(Books storage s, uint256 job, uint128 price, bytes32 salt) external {
        Job storage j = s.expect(job, JobPhase.Bidding);
        (uint256 opensAt, uint256 closesAt) = (bidEnd(j), revealEnd(j));
        if (s.before(opensAt) || !s.before(closesAt)) revert IJobs.OutsideWindow(job, opensAt, closesAt);
        Sealed storage bid = s.bids[job][msg.sender];
        if (
            bid.hash == 0 || bid.opened || bid.hash != keccak256(abi.encode(job, msg.sender, price, salt)) || price == 0
                || price > j.order.priceCeiling
        ) revert IJobs.WrongOpening(msg.sender);
        bid.opened = true;
        j.unopened--;
        emit IJobs.BidRevealed(job, msg.sender, price);

        Offer[] storage offers = s.offers[job];
        uint256 count = offers.length;
        if (count > j.order.providers) {
            if (price >= offers[count - 1].price) return _settle(s, job, j.order.token, msg.sender);
            // The list holds the n + 1 lowest: it cannot be filled up, and the last of them sets the price.
            address evicted = offers[count - 1].bidder;
            offers.pop();
            _settle(s, job, j.order.token, evicted);
            count--;
        }
        s.stakes.lock(Book.obligation(job, msg.sender), j.order.token, msg.sender, j.order.providerStake);
        offers.push();
        for (; count > 0 && offers[count - 1].price > price; count--) offers[count] = offers[count - 1];
        offers[count] = Offer(msg.sender, uint96(price));
    }

    function settle(Books storage s, uint256 job, address bidder) external {
        Job storage j = s.jobs[job];
        Sealed storage bid = s.bids[job][bidder];
        if (j.ended) {
            if (bid.hash != 0 && !bid.opened && !j.bidsVoid) _forfeit(s, job, j, bidder);
            s.release(job, j.order.token, bidder);
            return;
        }
        if (bid.hash == 0 || bid.opened) revert IJobs.WrongOpening(bidder);
        uint256 opensAt = revealEnd(j);
        if (!s.reached(opensAt)) revert IJobs.OutsideWindow(job, opensAt, type(uint64).max);
        _forfeit(s, job, j, bidder);
    }

    function close(Books storage s, uint256 job) external {
        Job storage j = s.expect(job, JobPhase.Bidding);
        uint256 opensAt = j.unopened == 0 ? bidEnd(j) : revealEnd(j);
        if (!s.reached(opensAt)) revert IJobs.OutsideWindow(job, opensAt, type(uint64).max);
        Offer[] storage offers = s.offers[job];
        uint256 wanted = j.order.providers;
        if (offers.length < wanted) return Book.cancel(s, job, j);

        uint96 price = uint96(j.order.priceCeiling);
        if (offers.length > wanted) {
            Offer memory loser = offers[wanted];
            price = loser.price;
            offers.pop();
            _settle(s, job, j.order.token, loser.bidder);
        }
        address[] memory winners = new address[](wanted);
        for (uint256 slot = 0; slot < wanted; slot++) {
            winners[slot] = offers[slot].bidder;
            s.bids[job][winners[slot]].slot = uint16(slot + 1);
        }
        for (uint256 word = 0; word < Bitmap.words(wanted); word++) {
            uint256 rest = wanted - word * 256;
            j.open[word] = rest >= 256 ? type(uint256).max : (1 << rest) - 1;
        }
        j.price = price;
        j.phase = JobPhase.Drawing;
        j.matchBlock = uint48(block.number);
        j.drawBlock = uint48(block.number + j.beaconDelay);
        j.phaseDeadline = uint64(s.clock.time() + j.order.windows.enlist);
        j.validators = _pool(s, j.order.token, IStakes.Role.Validator);
        j.aggregators = _pool(s, j.order.token, IStakes.Role.Aggregator);
        emit IJobs.Matched(job, winners, price, j.drawBlock);
    }

    /// Burns one price of a slot's bond; closes the slot when the rest cannot cover another.
    function miss(Books storage s, uint256 job, uint256 slot) external returns (uint256 burned) {
        // INVARIANT: lateness is burned, never paid to the consumer, who would else gain from making it.
        return _charge(s, job, slot, new address[](0));
    }

    /// One price of a slot's bond, in equal parts to those whom it made work.
    function bill(Books storage s, uint256 job, uint256 slot, address[] calldata to) external returns (uint256 paid) {
        return _charge(s, job, slot, to);
    }

    function _charge(Books storage s, uint256 job, uint256 slot, address[] memory to) private returns (uint256 taken) {
        Job storage j = s.jobs[job];
        (address token, uint256 price) = (j.order.token, j.price);
        bytes32 from = Book.bondKey(job, s.offers[job][slot].bidder);
        uint256 bond = s.vault.balance(token, IVault.Kind.Bond, from);
        taken = bond < price ? bond : price;
        uint256 rest = taken;
        for (uint256 i = 0; i < to.length; i++) {
            rest -= taken / to.length;
            s.vault.move(token, IVault.Kind.Bond, from, IVault.Kind.Free, Book.key(to[i]), taken / to.length);
        }
        s.vault.move(token, IVault.Kind.Bond, from, IVault.Kind.Burned, 0, rest);
        if (bond - taken < price) Book.closeSlot(s, job, j, slot);
    }

    function bidEnd(Job storage j) internal view returns (uint256) {
        return uint256(j.postedAt) + j.order.windows.bid;
    }

    function revealEnd(Job storage j) internal view returns (uint256) {
        return uint256(j.postedAt) + j.order.windows.bid + j.order.windows.reveal;
    }

    /// A losing bid: its lock and its bond go back.
    function _settle(Books storage s, uint256 job, address token, address bidder) private {
        s.bids[job][bidder].settled = true;
        s.release(job, token, bidder);
    }

    function _forfeit(Books storage s, uint256 job, Job storage j, address bidder) private {
        Sealed storage bid = s.bids[job][bidder];
        if (bid.settled) return;
        bid.settled = true;
        bytes32 from = Book.bondKey(job, bidder);
        uint256 bond = s.vault.balance(j.order.token, IVault.Kind.Bond, from);
        s.vault.move(j.order.token, IVault.Kind.Bond, from, IVault.Kind.Burned, 0, bond);
        emit IJobs.BidForfeited(job, bidder, bond);
    }

    function _pool(Books storage s, address token, IStakes.Role role) private view returns (Pool memory) {
        return Pool(uint32(s.stakes.poolSize(token, role)), uint96(s.stakes.peak(token, role)));
    }
}
