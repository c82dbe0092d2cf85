// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "./Bitmap.sol";
import {JobPhase, Order, Terms, UNSCORED, Windows} from "./Types.sol";
import {Wired} from "./Wired.sol";
import {IBeacon} from "./interfaces/IBeacon.sol";
import {IClock} from "./interfaces/IClock.sol";
import {IJobs} from "./interfaces/IJobs.sol";
import {IParams} from "./interfaces/IParams.sol";
import {IRounds} from "./interfaces/IRounds.sol";
import {IStakes} from "./interfaces/IStakes.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Bids} from "./jobs/Bids.sol";
import {Book, Books, Job, Offer, Seat} from "./jobs/Book.sol";
import {Draws} from "./jobs/Draws.sol";

contract Jobs is IJobs, Wired {
    using Bitmap for uint256[4];
    using Book for Books;

    uint256 private constant SEGMENTS_MAX = 1024; // of a slot's round: an opening of all its leaves fits one transaction
    uint256 private constant STEPS_MAX = 1024; // of a segment: the states between them fit one transaction

    uint256 private constant LOCK_MAX = 16; // a drawn account's lock, in prices of a round

    Books private _s;

    constructor(IVault vault, IStakes stakes, IParams params, IBeacon beacon, IClock clock) {
        _s.vault = vault;
        _s.stakes = stakes;
        _s.params = params;
        _s.beacon = beacon;
        _s.clock = clock;
    }

    function wire(IRounds rounds_) external once {
        _s.rounds = rounds_;
    }

    modifier onlyRounds() {
        if (msg.sender != address(_s.rounds)) revert NotDrawn(msg.sender);
        _;
    }

    // ---------------------------------------------------------------- order

    function post(Order calldata order) external returns (uint256 job) {
        IParams.Limits memory limits = _s.params.limits();
        _check(order, limits);
        job = ++_s.count;
        Job storage j = _s.jobs[job];
        j.consumer = msg.sender;
        j.phase = JobPhase.Bidding;
        j.beaconDelay = limits.beaconDelay;
        j.challengeBondBps = limits.challengeBondBps;
        j.postedAt = uint64(_s.clock.time());
        j.order = order;
        uint256 worst = cost(order);
        j.deposited = worst;
        bytes32 from = Book.key(msg.sender);
        // INVARIANT: the escrow covers every round and every redo at the ceiling before anybody is asked to work.
        _s.vault.move(order.token, IVault.Kind.Free, from, IVault.Kind.Escrow, bytes32(job), worst - order.faultDeposit);
        _s.vault.move(order.token, IVault.Kind.Free, from, IVault.Kind.Bond, Book.faultKey(job), order.faultDeposit);
        emit Posted(job, msg.sender, order.document, worst);
    }

    function cost(Order calldata order) public pure returns (uint256) {
        return (uint256(order.rounds) + order.redoRounds) * Book.roundCost(order, order.priceCeiling) + order.faultDeposit;
    }

    // ---------------------------------------------------------------- bids

    function commitBid(uint256 job, bytes32 sealedBid) external {
        Bids.commit(_s, job, sealedBid);
    }

    function revealBid(uint256 job, uint128 price, bytes32 salt) external {
        Bids.reveal(_s, job, price, salt);
    }

    function settleBid(uint256 job, address bidder) external {
        Bids.settle(_s, job, bidder);
    }

    function close(uint256 job) external {
        Bids.close(_s, job);
    }

    // ---------------------------------------------------------------- draw

    function abstain(uint256 job) external {
        Draws.abstain(_s, job);
    }

    function draw(uint256 job) external {
        Draws.draw(_s, job);
    }

    function enlist(uint256 job, bytes32 nonceTip) external {
        Draws.enlist(_s, job, nonceTip);
    }

    function start(uint256 job) external {
        Job storage j = _s.jobs[job];
        if (!Draws.seal(_s, job)) return Book.cancel(_s, job, j);
        j.phase = JobPhase.Running;
        emit Started(job);
        _s.rounds.open(job, _terms(j));
    }

    // ---------------------------------------------------------------- end

    function cancel(uint256 job) external {
        Job storage j = _s.jobs[job];
        if (msg.sender != j.consumer) revert NotConsumer(msg.sender);
        if (j.phase == JobPhase.Bidding) {
            j.bidsVoid = true;
            return Book.cancel(_s, job, j);
        }
        if (j.phase != JobPhase.Running || j.ended) revert WrongPhase(job, j.phase);
        j.ending = true;
        emit Cancelled(job);
    }

    function end(uint256 job) external {
        Job storage j = _s.jobs[job];
        if ((j.phase != JobPhase.Running && j.phase != JobPhase.Faulted) || j.ended) revert WrongPhase(job, j.phase);
        // INVARIANT: no lock and no escrow is let go while a round can still be disputed or a dispute is open.
        if (!_s.rounds.settled(job)) revert WrongPhase(job, j.phase);
        if (j.phase == JobPhase.Running) j.phase = JobPhase.Done;
        emit Ended(job, Book.finish(_s, job, j));
    }

    // ---------------------------------------------------------------- for Rounds

    function closeSlot(uint256 job, uint256 slot) external onlyRounds {
        Book.closeSlot(_s, job, _s.jobs[job], slot);
    }

    function miss(uint256 job, uint256 slot) external onlyRounds returns (uint256) {
        return Bids.miss(_s, job, slot);
    }

    function bill(uint256 job, uint256 slot, address[] calldata to) external onlyRounds returns (uint256) {
        return Bids.bill(_s, job, slot, to);
    }

    function replaceAggregator(uint256 job, address to, bytes32 seed) external onlyRounds returns (address) {
        return Draws.replaceAggregator(_s, job, to, seed);
    }

    function replaceValidators(uint256 job, uint256 missing, bytes32 seed) external onlyRounds {
        Draws.replaceValidators(_s, job, missing, seed);
    }

    function fault(uint256 job) external onlyRounds {
        Job storage j = _s.jobs[job];
        j.phase = JobPhase.Faulted;
        j.ending = true;
        _s.vault.move(j.order.token, IVault.Kind.Bond, Book.faultKey(job), IVault.Kind.Burned, 0, j.order.faultDeposit);
        emit Faulted(job, j.order.faultDeposit);
    }

    function stop(uint256 job) external onlyRounds {
        _s.jobs[job].ending = true;
    }

    function spendNonce(uint256 job, uint256 validatorIndex, bytes32 nonce, uint256 drawing) external onlyRounds {
        Draws.spendNonce(_s, job, validatorIndex, nonce, drawing);
    }

    // ---------------------------------------------------------------- views

    function orderOf(uint256 job) external view returns (Order memory) {
        return _s.jobs[job].order;
    }

    function basisOf(uint256 job) external view returns (Basis memory) {
        Order storage o = _s.jobs[job].order;
        return Basis(
            o.programs, o.dataRoot, o.testRoot, o.seed, o.providers, o.stepsPerRound, o.stepsPerSegment, o.scoresLoss
        );
    }

    function viewOf(uint256 job) external view returns (JobView memory out) {
        Job storage j = _s.jobs[job];
        out.consumer = j.consumer;
        out.phase = j.phase;
        out.postedAt = j.postedAt;
        out.phaseDeadline = j.phaseDeadline;
        if (j.phase == JobPhase.Bidding) {
            uint256 bidEnd = Bids.bidEnd(j);
            out.phaseDeadline = uint64(_s.before(bidEnd) ? bidEnd : Bids.revealEnd(j));
        }
        out.drawBlock = j.drawBlock;
        out.beacon = j.beacon;
        out.price = j.price;
        out.deposited = j.deposited;
        out.ending = j.ending;
        out.ended = j.ended;
    }

    function phaseOf(uint256 job) external view returns (JobPhase phase, bool ending, bool ended) {
        Job storage j = _s.jobs[job];
        return (j.phase, j.ending, j.ended);
    }

    function providersOf(uint256 job) public view returns (address[] memory out) {
        Offer[] storage offers = _s.offers[job];
        out = new address[](_s.jobs[job].matchBlock == 0 ? 0 : offers.length);
        for (uint256 i = 0; i < out.length; i++) out[i] = offers[i].bidder;
    }

    function providerAt(uint256 job, uint256 slot) external view returns (address) {
        return _s.offers[job][slot].bidder;
    }

    function slotsOpen(uint256 job) external view returns (uint256[] memory) {
        return _s.jobs[job].open.copy(_s.jobs[job].order.providers);
    }

    function slotOf(uint256 job, address account) external view returns (uint256) {
        return _s.bids[job][account].slot;
    }

    function validatorsOf(uint256 job) external view returns (address[] memory) {
        return _s.validators(job);
    }

    function seatsLive(uint256 job) external view returns (uint256) {
        return _s.jobs[job].live;
    }

    function seatsOf(uint256 job, address[] calldata accounts) external view returns (uint256 bitmap) {
        for (uint256 i = 0; i < accounts.length; i++) bitmap |= 1 << _s.seatIndex(job, accounts[i]);
    }

    function seatAt(uint256 job, uint256 validatorIndex)
        external
        view
        returns (address account, uint256 drawnAt, uint256 enlistedBlock, uint256 base)
    {
        Seat storage seat = _s.seats[job][validatorIndex];
        return (seat.account, seat.drawnAt, seat.enlistedBlock, seat.base);
    }

    function aggregatorOf(uint256 job) external view returns (address) {
        return _s.jobs[job].aggregator;
    }

    function bidsOf(uint256 job) external view returns (Bid[] memory out) {
        Offer[] storage offers = _s.offers[job];
        out = new Bid[](offers.length);
        for (uint256 i = 0; i < out.length; i++) out[i] = Bid(offers[i].bidder, offers[i].price);
    }

    function obligation(uint256 job, address account) external pure returns (bytes32) {
        return Book.obligation(job, account);
    }

    function jobCount() external view returns (uint256) {
        return _s.count;
    }

    function rounds() external view returns (IRounds) {
        return _s.rounds;
    }

    // ---------------------------------------------------------------- inside

    function _check(Order calldata o, IParams.Limits memory limits) private pure {
        _require(o.programs != 0, "programs");
        _require(o.profile != 0, "profile");
        _require(o.dataRoot != 0, "dataRoot");
        _require(o.stateRoot != 0, "stateRoot");
        _require(o.document != 0, "document");
        // Planted slots are not built: an order that counts on them is refused rather than left without.
        _require(o.canaryRoot == 0, "canaryRoot");
        _require(o.rounds > 0 && uint256(o.rounds) + o.redoRounds <= limits.roundsMax, "rounds");
        _require(o.stepsPerSegment > 0 && o.stepsPerSegment <= STEPS_MAX, "stepsPerSegment");
        _require(o.stepsPerRound > 0 && o.stepsPerRound % o.stepsPerSegment == 0, "stepsPerRound");
        _require(o.stepsPerRound / o.stepsPerSegment <= SEGMENTS_MAX, "stepsPerSegment");
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
        // A round that was not measured must never end a job.
        _require(o.stopScore != UNSCORED, "stopScore");
        _require(o.lookahead <= limits.lookaheadMax, "lookahead");
        _require(o.priceCeiling > 0 && o.priceCeiling <= type(uint80).max, "priceCeiling");
        _require(o.validatorFee <= type(uint80).max, "validatorFee");
        _require(o.aggregatorFee <= type(uint80).max, "aggregatorFee");
        // INVARIANT: a lock covers what a vote can take, and who judges has as much to lose as who is judged.
        uint256 worst = Book.roundCost(o, o.priceCeiling);
        _require(o.providerStake >= worst, "providerStake");
        // INVARIANT: whoever locks other people's stake has a part of as much in escrow.
        _require(o.validatorStake >= worst && o.validatorStake <= LOCK_MAX * worst, "validatorStake");
        _require(o.aggregatorStake >= worst && o.aggregatorStake <= LOCK_MAX * worst, "aggregatorStake");
        Windows calldata w = o.windows;
        uint32[8] memory all = [w.bid, w.reveal, w.enlist, w.train, w.table, w.open, w.aggregate, w.challenge];
        for (uint256 i = 0; i < 8; i++) _require(all[i] >= limits.windowFloor && all[i] <= limits.windowCeiling, "windows");
    }

    function _require(bool holds, bytes32 field) private pure {
        if (!holds) revert BadOrder(field);
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
        t.stopScore = o.stopScore;
        t.stateRoot = o.stateRoot;
        t.beacon = j.beacon;
    }
}
