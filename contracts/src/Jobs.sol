// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "./Bitmap.sol";
import {JobPhase, Order, Terms, Windows} from "./Types.sol";
import {Wired} from "./Wired.sol";
import {IBeacon} from "./interfaces/IBeacon.sol";
import {IJobs} from "./interfaces/IJobs.sol";
import {IParams} from "./interfaces/IParams.sol";
import {IRounds} from "./interfaces/IRounds.sol";
import {IStakes} from "./interfaces/IStakes.sol";
import {IVault} from "./interfaces/IVault.sol";

contract Jobs is IJobs, Wired {
    using Bitmap for uint256[4];

    struct Job {
        address consumer;
        JobPhase phase;
        bool ending;
        bool ended;
        bool bidsVoid; // cancelled while bids were open: all bonds go back
        uint16 beaconDelay;
        uint16 challengeBondBps;
        uint64 postedAt;
        uint64 phaseDeadline; // of drawing and enlisting
        uint48 matchBlock;
        uint48 drawBlock;
        uint32 unopened; // sealed bids that have not been opened
        uint96 price;
        address aggregator;
        uint256 deposited;
        bytes32 beacon;
        uint256 live; // seats held and enlisted
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
    }

    uint256 private constant TRIES = 32; // random picks for each place, then a walk
    uint256 private constant WALK = 512;
    uint256 private constant RELEASES = 128; // slots released by `end` itself; further ones by `settleBid`

    IVault private immutable VAULT;
    IStakes private immutable STAKES;
    IParams private immutable PARAMS;
    IBeacon private immutable BEACON;
    IRounds public rounds;

    uint256 public jobCount;
    mapping(uint256 job => Job) private _jobs;
    mapping(uint256 job => Offer[]) private _offers;
    mapping(uint256 job => mapping(address bidder => Sealed)) private _sealed;
    mapping(uint256 job => Seat[]) private _seats;
    mapping(uint256 job => mapping(uint256 index => bytes32)) private _tips;
    mapping(uint256 job => mapping(address account => uint256)) private _seatOf; // plus one
    mapping(uint256 job => address[]) private _former; // left their place; their locks hold until the end

    constructor(IVault vault, IStakes stakes, IParams params, IBeacon beacon) {
        VAULT = vault;
        STAKES = stakes;
        PARAMS = params;
        BEACON = beacon;
    }

    function wire(IRounds rounds_) external once {
        rounds = rounds_;
    }

    modifier onlyRounds() {
        if (msg.sender != address(rounds)) revert NotDrawn(msg.sender);
        _;
    }

    // ---------------------------------------------------------------- order

    function post(Order calldata order) external returns (uint256 job) {
        IParams.Limits memory limits = PARAMS.limits();
        _check(order, limits);
        job = ++jobCount;
        Job storage j = _jobs[job];
        j.consumer = msg.sender;
        j.phase = JobPhase.Bidding;
        j.beaconDelay = limits.beaconDelay;
        j.challengeBondBps = limits.challengeBondBps;
        j.postedAt = uint64(block.timestamp);
        j.order = order;
        uint256 worst = cost(order);
        j.deposited = worst;
        // INVARIANT: the escrow covers every round and every redo at the ceiling before anybody is asked to work.
        VAULT.move(order.token, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Escrow, bytes32(job), worst - order.faultDeposit);
        VAULT.move(order.token, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Bond, _faultKey(job), order.faultDeposit);
        emit Posted(job, msg.sender, order.document, worst);
    }

    function cost(Order calldata order) public pure returns (uint256) {
        return (uint256(order.rounds) + order.redoRounds) * _roundCost(order, order.priceCeiling) + order.faultDeposit;
    }

    // ---------------------------------------------------------------- bids

    function commitBid(uint256 job, bytes32 sealedBid) external {
        Job storage j = _in(job, JobPhase.Bidding);
        uint256 closesAt = _bidEnd(j);
        if (block.timestamp >= closesAt) revert OutsideWindow(job, j.postedAt, closesAt);
        Sealed storage bid = _sealed[job][msg.sender];
        if (bid.hash != 0) revert AlreadyBid(msg.sender);
        if (sealedBid == 0 || msg.sender == j.consumer) revert WrongOpening(msg.sender);
        bid.hash = sealedBid;
        j.unopened++;
        uint256 bond = 2 * uint256(j.order.priceCeiling);
        VAULT.move(j.order.token, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Bond, _bondKey(job, msg.sender), bond);
        emit BidCommitted(job, msg.sender, bond);
    }

    function revealBid(uint256 job, uint128 price, bytes32 salt) external {
        Job storage j = _in(job, JobPhase.Bidding);
        (uint256 opensAt, uint256 closesAt) = (_bidEnd(j), _revealEnd(j));
        if (block.timestamp < opensAt || block.timestamp >= closesAt) revert OutsideWindow(job, opensAt, closesAt);
        Sealed storage bid = _sealed[job][msg.sender];
        if (
            bid.hash == 0 || bid.opened || bid.hash != keccak256(abi.encode(job, msg.sender, price, salt)) || price == 0
                || price > j.order.priceCeiling
        ) revert WrongOpening(msg.sender);
        bid.opened = true;
        j.unopened--;
        emit BidRevealed(job, msg.sender, price);

        Offer[] storage offers = _offers[job];
        uint256 count = offers.length;
        if (count > j.order.providers) {
            if (price >= offers[count - 1].price) {
                _settle(job, j.order.token, msg.sender, bid);
                return;
            }
            // The list holds the n + 1 lowest: it cannot be filled up, and the last of them sets the price.
            address evicted = offers[count - 1].bidder;
            offers.pop();
            _settle(job, j.order.token, evicted, _sealed[job][evicted]);
            count--;
        }
        STAKES.lock(obligation(job, msg.sender), j.order.token, msg.sender, j.order.providerStake);
        offers.push();
        for (; count > 0 && offers[count - 1].price > price; count--) offers[count] = offers[count - 1];
        offers[count] = Offer(msg.sender, uint96(price));
    }

    function settleBid(uint256 job, address bidder) external {
        Job storage j = _jobs[job];
        Sealed storage bid = _sealed[job][bidder];
        if (j.ended) return _settleEnded(job, j, bidder, bid);
        if (bid.hash == 0 || bid.opened) revert WrongOpening(bidder);
        uint256 opensAt = _revealEnd(j);
        if (block.timestamp < opensAt) revert OutsideWindow(job, opensAt, type(uint64).max);
        _forfeit(job, j, bidder, bid);
    }

    function close(uint256 job) external {
        Job storage j = _in(job, JobPhase.Bidding);
        uint256 opensAt = j.unopened == 0 ? _bidEnd(j) : _revealEnd(j);
        if (block.timestamp < opensAt) revert OutsideWindow(job, opensAt, type(uint64).max);
        Offer[] storage offers = _offers[job];
        uint256 wanted = j.order.providers;
        if (offers.length < wanted) return _cancel(job, j);

        uint96 price = uint96(j.order.priceCeiling);
        if (offers.length > wanted) {
            Offer memory loser = offers[wanted];
            price = loser.price;
            offers.pop();
            _settle(job, j.order.token, loser.bidder, _sealed[job][loser.bidder]);
        }
        for (uint256 slot = 0; slot < wanted; slot++) {
            _sealed[job][offers[slot].bidder].slot = uint16(slot + 1);
        }
        for (uint256 word = 0; word < Bitmap.words(wanted); word++) {
            uint256 rest = wanted - word * 256;
            j.open[word] = rest >= 256 ? type(uint256).max : (1 << rest) - 1;
        }
        j.price = price;
        j.phase = JobPhase.Drawing;
        j.matchBlock = uint48(block.number);
        j.drawBlock = uint48(block.number + j.beaconDelay);
        j.phaseDeadline = uint64(block.timestamp + j.order.windows.enlist);
        emit Matched(job, providersOf(job), price, j.drawBlock);
    }

    // ---------------------------------------------------------------- draw

    function draw(uint256 job) external {
        Job storage j = _in(job, JobPhase.Drawing);
        bytes32 beacon = BEACON.record(j.drawBlock);
        uint256 wanted = j.order.validators;
        address[] memory found = new address[](wanted);
        for (uint256 i = 0; i < wanted; i++) {
            found[i] = _drawSeat(job, j, i, keccak256(abi.encode(beacon, i)));
            if (found[i] == address(0)) return _tooSmall(job, j, i, wanted);
        }
        address aggregator =
            _pick(job, j, IStakes.Role.Aggregator, j.order.aggregatorStake, keccak256(abi.encode(beacon, "aggregator")));
        if (aggregator == address(0)) return _tooSmall(job, j, 0, 1);
        STAKES.lock(obligation(job, aggregator), j.order.token, aggregator, j.order.aggregatorStake);
        j.aggregator = aggregator;
        j.beacon = beacon;
        j.phase = JobPhase.Enlisting;
        j.phaseDeadline = uint64(block.timestamp + j.order.windows.enlist);
        emit Drawn(job, found, aggregator, beacon);
    }

    function enlist(uint256 job, bytes32 nonceTip) external {
        Job storage j = _jobs[job];
        if (j.phase == JobPhase.Enlisting) {
            if (block.timestamp >= j.phaseDeadline) revert OutsideWindow(job, 0, j.phaseDeadline);
        } else if (j.phase != JobPhase.Running) {
            revert WrongPhase(job, j.phase);
        }
        uint256 index = _seatIndex(job, msg.sender);
        if (nonceTip == 0 || _tips[job][index] != 0) revert WrongOpening(msg.sender);
        _tips[job][index] = nonceTip;
        _seats[job][index].enlistedBlock = uint48(block.number);
        j.live |= 1 << index;
        emit Enlisted(job, msg.sender, nonceTip);
    }

    function start(uint256 job) external {
        Job storage j = _in(job, JobPhase.Enlisting);
        Seat[] storage seats = _seats[job];
        uint256 drawn = seats.length;
        if (j.live != (1 << drawn) - 1 && block.timestamp < j.phaseDeadline) {
            revert OutsideWindow(job, j.phaseDeadline, type(uint64).max);
        }
        uint256 kept;
        uint256 penalty = _roundCost(j.order, j.price);
        for (uint256 i = 0; i < drawn; i++) {
            address account = seats[i].account;
            if (_tips[job][i] == 0) {
                (uint256 taken,) = STAKES.slash(obligation(job, account), penalty, address(0), job);
                _vacate(job, account);
                emit Unenlisted(job, account, taken);
            } else {
                if (kept != i) {
                    seats[kept] = seats[i];
                    _tips[job][kept] = _tips[job][i];
                    _seatOf[job][account] = kept + 1;
                    delete _tips[job][i];
                }
                kept++;
            }
        }
        while (seats.length > kept) seats.pop();
        j.live = (1 << kept) - 1;
        if (kept < j.order.quorum) return _cancel(job, j);
        j.phase = JobPhase.Running;
        emit Started(job);
        rounds.open(job, _terms(j));
    }

    // ---------------------------------------------------------------- end

    function cancel(uint256 job) external {
        Job storage j = _jobs[job];
        if (msg.sender != j.consumer) revert NotConsumer(msg.sender);
        if (j.phase == JobPhase.Bidding) {
            j.bidsVoid = true;
            return _cancel(job, j);
        }
        if (j.phase != JobPhase.Running || j.ended) revert WrongPhase(job, j.phase);
        j.ending = true;
        emit Cancelled(job);
    }

    function end(uint256 job) external {
        Job storage j = _jobs[job];
        if ((j.phase != JobPhase.Running && j.phase != JobPhase.Faulted) || j.ended) revert WrongPhase(job, j.phase);
        // INVARIANT: no lock and no escrow is let go while a round can still be disputed or a dispute is open.
        if (!rounds.settled(job)) revert WrongPhase(job, j.phase);
        if (j.phase == JobPhase.Running) j.phase = JobPhase.Done;
        uint256 refunded = _finish(job, j);
        emit Ended(job, refunded);
    }

    // ---------------------------------------------------------------- for Rounds

    function closeSlot(uint256 job, uint256 slot) external onlyRounds {
        _closeSlot(job, _jobs[job], slot);
    }

    function miss(uint256 job, uint256 slot) external onlyRounds returns (uint256 burned) {
        Job storage j = _jobs[job];
        bytes32 key = _bondKey(job, _offers[job][slot].bidder);
        uint256 bond = VAULT.balance(j.order.token, IVault.Kind.Bond, key);
        burned = bond < j.price ? bond : j.price;
        // INVARIANT: lateness is burned, never paid to the consumer, who would else gain from making it.
        VAULT.move(j.order.token, IVault.Kind.Bond, key, IVault.Kind.Burned, 0, burned);
        if (bond - burned < j.price) _closeSlot(job, j, slot);
    }

    function replaceAggregator(uint256 job, address to, bytes32 seed) external onlyRounds returns (address) {
        Job storage j = _jobs[job];
        address from = j.aggregator;
        if (from != address(0)) _former[job].push(from);
        uint256 needed = j.order.aggregatorStake;
        if (to == address(0) || !_outsider(job, j, to) || STAKES.available(j.order.token, to) < needed) {
            to = _pick(job, j, IStakes.Role.Aggregator, needed, seed);
        }
        j.aggregator = to;
        if (to == address(0)) {
            emit AggregatorLeft(job, from);
        } else {
            STAKES.lock(obligation(job, to), j.order.token, to, needed);
            emit AggregatorReplaced(job, from, to);
        }
        return to;
    }

    function replaceValidators(uint256 job, uint256 missing, bytes32 seed) external onlyRounds {
        Job storage j = _jobs[job];
        Seat[] storage seats = _seats[job];
        j.live &= ~missing;
        for (uint256 i = 0; i < seats.length; i++) {
            if ((missing >> i) & 1 == 0) continue;
            address account = seats[i].account;
            if (account != address(0)) _vacate(job, account);
            delete seats[i];
            delete _tips[job][i];
        }
        for (uint256 i = 0; i < seats.length; i++) {
            if ((missing >> i) & 1 == 0) continue;
            address account = seed == 0 ? address(0) : _drawSeat(job, j, i, keccak256(abi.encode(seed, i)));
            emit ValidatorReplaced(job, i, account);
        }
    }

    function fault(uint256 job) external onlyRounds {
        Job storage j = _jobs[job];
        j.phase = JobPhase.Faulted;
        j.ending = true;
        VAULT.move(j.order.token, IVault.Kind.Bond, _faultKey(job), IVault.Kind.Burned, 0, j.order.faultDeposit);
        emit Faulted(job, j.order.faultDeposit);
    }

    function stop(uint256 job) external onlyRounds {
        _jobs[job].ending = true;
    }

    function spendNonce(uint256 job, uint256 validatorIndex, bytes32 nonce) external onlyRounds {
        bytes32 tip = _tips[job][validatorIndex];
        bytes32 image = nonce;
        // A validator that missed rounds may skip as many nonces.
        for (uint256 steps = 0; steps < 64; steps++) {
            image = sha256(abi.encode(image));
            if (image == tip) {
                _tips[job][validatorIndex] = nonce;
                return;
            }
        }
        revert WrongOpening(_seats[job][validatorIndex].account);
    }

    // ---------------------------------------------------------------- views

    function orderOf(uint256 job) external view returns (Order memory) {
        return _jobs[job].order;
    }

    function viewOf(uint256 job) external view returns (JobView memory out) {
        Job storage j = _jobs[job];
        out.consumer = j.consumer;
        out.phase = j.phase;
        out.postedAt = j.postedAt;
        out.phaseDeadline = j.phaseDeadline;
        if (j.phase == JobPhase.Bidding) {
            uint256 bidEnd = _bidEnd(j);
            out.phaseDeadline = uint64(block.timestamp < bidEnd ? bidEnd : _revealEnd(j));
        }
        out.drawBlock = j.drawBlock;
        out.beacon = j.beacon;
        out.price = j.price;
        out.deposited = j.deposited;
        out.ending = j.ending;
        out.ended = j.ended;
    }

    function phaseOf(uint256 job) external view returns (JobPhase phase, bool ending, bool ended) {
        Job storage j = _jobs[job];
        return (j.phase, j.ending, j.ended);
    }

    function providersOf(uint256 job) public view returns (address[] memory out) {
        Offer[] storage offers = _offers[job];
        out = new address[](_jobs[job].matchBlock == 0 ? 0 : offers.length);
        for (uint256 i = 0; i < out.length; i++) out[i] = offers[i].bidder;
    }

    function providerAt(uint256 job, uint256 slot) external view returns (address) {
        return _offers[job][slot].bidder;
    }

    function slotsOpen(uint256 job) external view returns (uint256[] memory) {
        return _jobs[job].open.copy(_jobs[job].order.providers);
    }

    function slotOf(uint256 job, address account) external view returns (uint256) {
        return _sealed[job][account].slot;
    }

    function validatorsOf(uint256 job) external view returns (address[] memory out) {
        Seat[] storage seats = _seats[job];
        out = new address[](seats.length);
        for (uint256 i = 0; i < out.length; i++) out[i] = seats[i].account;
    }

    function seatsLive(uint256 job) external view returns (uint256) {
        return _jobs[job].live;
    }

    function seatsOf(uint256 job, address[] calldata accounts) external view returns (uint256 bitmap) {
        for (uint256 i = 0; i < accounts.length; i++) bitmap |= 1 << _seatIndex(job, accounts[i]);
    }

    function seatAt(uint256 job, uint256 validatorIndex)
        external
        view
        returns (address account, uint256 drawnAt, uint256 enlistedBlock, bytes32 nonceTip)
    {
        Seat storage seat = _seats[job][validatorIndex];
        return (seat.account, seat.drawnAt, seat.enlistedBlock, _tips[job][validatorIndex]);
    }

    function aggregatorOf(uint256 job) external view returns (address) {
        return _jobs[job].aggregator;
    }

    function bidsOf(uint256 job) external view returns (Bid[] memory out) {
        Offer[] storage offers = _offers[job];
        out = new Bid[](offers.length);
        for (uint256 i = 0; i < out.length; i++) out[i] = Bid(offers[i].bidder, offers[i].price);
    }

    function obligation(uint256 job, address account) public pure returns (bytes32) {
        return keccak256(abi.encode("assay.obligation.1", job, account));
    }

    // ---------------------------------------------------------------- inside

    function _check(Order calldata o, IParams.Limits memory limits) private pure {
        _require(o.programs != 0, "programs");
        _require(o.profile != 0, "profile");
        _require(o.dataRoot != 0, "dataRoot");
        _require(o.stateRoot != 0, "stateRoot");
        _require(o.document != 0, "document");
        _require(o.rounds > 0 && uint256(o.rounds) + o.redoRounds <= limits.roundsMax, "rounds");
        _require(o.stepsPerSegment > 0, "stepsPerSegment");
        _require(o.stepsPerRound > 0 && o.stepsPerRound % o.stepsPerSegment == 0, "stepsPerRound");
        _require(o.providers > 0 && o.providers <= limits.providersMax, "providers");
        _require(o.reportsMin > 0 && o.reportsMin <= o.providers, "reportsMin");
        _require(o.validators > 0 && o.validators <= limits.validatorsMax, "validators");
        // A majority, so that two quorums never contradict each other.
        _require(2 * uint256(o.quorum) > o.validators && o.quorum <= o.validators, "quorum");
        _require(
            o.samplesPerValidator > 0
                && o.samplesPerValidator <= uint256(o.providers) * (o.stepsPerRound / o.stepsPerSegment + 1),
            "samplesPerValidator"
        );
        _require(o.lookahead <= limits.lookaheadMax, "lookahead");
        _require(o.priceCeiling > 0 && o.priceCeiling <= type(uint80).max, "priceCeiling");
        _require(o.validatorFee <= type(uint80).max, "validatorFee");
        _require(o.aggregatorFee <= type(uint80).max, "aggregatorFee");
        // INVARIANT: a lock covers what a vote can take.
        _require(o.providerStake >= _roundCost(o, o.priceCeiling), "providerStake");
        _require(o.validatorStake > 0, "validatorStake");
        _require(o.aggregatorStake > 0, "aggregatorStake");
        Windows calldata w = o.windows;
        uint32[8] memory all = [w.bid, w.reveal, w.enlist, w.train, w.table, w.open, w.aggregate, w.challenge];
        for (uint256 i = 0; i < 8; i++) _require(all[i] >= limits.windowFloor && all[i] <= limits.windowCeiling, "windows");
    }

    function _require(bool holds, bytes32 field) private pure {
        if (!holds) revert BadOrder(field);
    }

    function _roundCost(Order memory o, uint256 price) private pure returns (uint256) {
        return o.providers * price + uint256(o.validators) * o.validatorFee + o.aggregatorFee;
    }

    function _terms(Job storage j) private view returns (Terms memory t) {
        Order storage o = j.order;
        t.token = o.token;
        t.providers = o.providers;
        t.validators = o.validators;
        t.quorum = o.quorum;
        t.reportsMin = o.reportsMin;
        t.lookahead = o.lookahead;
        t.beaconDelay = j.beaconDelay;
        t.windows = o.windows;
        t.price = j.price;
        t.validatorFee = uint96(o.validatorFee);
        t.rounds = o.rounds;
        t.segments = o.stepsPerRound / o.stepsPerSegment;
        t.aggregatorFee = uint96(o.aggregatorFee);
        t.challengeBondBps = j.challengeBondBps;
        t.stateRoot = o.stateRoot;
    }

    function _in(uint256 job, JobPhase phase) private view returns (Job storage j) {
        j = _jobs[job];
        if (j.phase != phase) revert WrongPhase(job, j.phase);
    }

    function _bidEnd(Job storage j) private view returns (uint256) {
        return uint256(j.postedAt) + j.order.windows.bid;
    }

    function _revealEnd(Job storage j) private view returns (uint256) {
        return uint256(j.postedAt) + j.order.windows.bid + j.order.windows.reveal;
    }

    /// A losing bid: its lock and its bond go back.
    function _settle(uint256 job, address token, address bidder, Sealed storage bid) private {
        bid.settled = true;
        _release(job, token, bidder);
    }

    function _forfeit(uint256 job, Job storage j, address bidder, Sealed storage bid) private {
        if (bid.settled) return;
        bid.settled = true;
        bytes32 key = _bondKey(job, bidder);
        uint256 bond = VAULT.balance(j.order.token, IVault.Kind.Bond, key);
        VAULT.move(j.order.token, IVault.Kind.Bond, key, IVault.Kind.Burned, 0, bond);
        emit BidForfeited(job, bidder, bond);
    }

    function _settleEnded(uint256 job, Job storage j, address account, Sealed storage bid) private {
        if (bid.hash != 0 && !bid.opened && !j.bidsVoid) _forfeit(job, j, account, bid);
        _release(job, j.order.token, account);
    }

    /// Gives back what an account still has locked or bonded in a job. Idempotent.
    function _release(uint256 job, address token, address account) private returns (uint256 bond) {
        _unlock(job, account);
        bytes32 key = _bondKey(job, account);
        bond = VAULT.balance(token, IVault.Kind.Bond, key);
        VAULT.move(token, IVault.Kind.Bond, key, IVault.Kind.Free, _key(account), bond);
    }

    function _unlock(uint256 job, address account) private {
        bytes32 key = obligation(job, account);
        IStakes.Lock memory held = STAKES.lockOf(key);
        if (held.account != address(0) && !held.released) STAKES.unlock(key);
    }

    function _cancel(uint256 job, Job storage j) private {
        j.phase = JobPhase.Cancelled;
        _finish(job, j);
        emit Cancelled(job);
    }

    function _finish(uint256 job, Job storage j) private returns (uint256 refunded) {
        j.ended = true;
        j.ending = true;
        address token = j.order.token;
        uint256 left = VAULT.balance(token, IVault.Kind.Escrow, bytes32(job));
        uint256 deposit = VAULT.balance(token, IVault.Kind.Bond, _faultKey(job));
        VAULT.move(token, IVault.Kind.Escrow, bytes32(job), IVault.Kind.Free, _key(j.consumer), left);
        VAULT.move(token, IVault.Kind.Bond, _faultKey(job), IVault.Kind.Free, _key(j.consumer), deposit);
        refunded = left + deposit;

        Offer[] storage offers = _offers[job];
        for (uint256 i = 0; i < offers.length && i < RELEASES; i++) {
            address provider = offers[i].bidder;
            emit SlotReleased(job, i, provider, _release(job, token, provider));
        }
        Seat[] storage seats = _seats[job];
        for (uint256 i = 0; i < seats.length; i++) {
            if (seats[i].account != address(0)) _unlock(job, seats[i].account);
        }
        address[] storage former = _former[job];
        for (uint256 i = 0; i < former.length && i < RELEASES; i++) _unlock(job, former[i]);
        if (j.aggregator != address(0)) _unlock(job, j.aggregator);
    }

    function _closeSlot(uint256 job, Job storage j, uint256 slot) private {
        if (!j.open.has(slot)) return;
        j.open.remove(slot);
        emit SlotClosed(job, slot, _offers[job][slot].bidder);
    }

    function _tooSmall(uint256 job, Job storage j, uint256 found, uint256 needed) private {
        if (block.timestamp < j.phaseDeadline) revert PoolTooSmall(found, needed);
        _cancel(job, j);
    }

    function _vacate(uint256 job, address account) private {
        delete _seatOf[job][account];
        _former[job].push(account);
    }

    function _seatIndex(uint256 job, address account) private view returns (uint256) {
        uint256 place = _seatOf[job][account];
        if (place == 0) revert NotDrawn(account);
        return place - 1;
    }

    function _drawSeat(uint256 job, Job storage j, uint256 index, bytes32 seed) private returns (address account) {
        account = _pick(job, j, IStakes.Role.Validator, j.order.validatorStake, seed);
        if (account == address(0)) return account;
        STAKES.lock(obligation(job, account), j.order.token, account, j.order.validatorStake);
        Seat[] storage seats = _seats[job];
        if (index == seats.length) seats.push();
        seats[index] = Seat(account, uint48(block.timestamp), 0);
        _seatOf[job][account] = index + 1;
    }

    /// A member of the pool as it stood at the match, who takes no other part in the job and has the stake free.
    function _pick(uint256 job, Job storage j, IStakes.Role role, uint256 needed, bytes32 seed) private view returns (address) {
        address token = j.order.token;
        uint256 size = STAKES.poolSize(token, role);
        if (size == 0) return address(0);
        uint256 tries = TRIES + (size < WALK ? size : WALK);
        for (uint256 i = 0; i < tries; i++) {
            // Random picks first; then a walk from a random place, so that a small pool is searched through.
            uint256 place = uint256(keccak256(abi.encode(seed, i < TRIES ? i : TRIES)));
            place = (i < TRIES ? place : (place >> 1) + i) % size;
            (address account, bool active) = STAKES.poolAt(token, role, place, j.matchBlock);
            if (active && _outsider(job, j, account) && STAKES.available(token, account) >= needed) {
                return account;
            }
        }
        return address(0);
    }

    function _outsider(uint256 job, Job storage j, address account) private view returns (bool) {
        return account != j.consumer && STAKES.lockOf(obligation(job, account)).account == address(0);
    }

    function _bondKey(uint256 job, address bidder) private pure returns (bytes32) {
        return keccak256(abi.encode("assay.bond.1", job, bidder));
    }

    function _faultKey(uint256 job) private pure returns (bytes32) {
        return keccak256(abi.encode("assay.fault.1", job));
    }

    function _key(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
