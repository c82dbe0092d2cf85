// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Order, JobPhase} from "../Types.sol";

/// @title Jobs: order, bids, match, draw, cancel, end.
/// @dev Every phase has an exit that anybody may take, by time alone:
///
///      | phase     | ends by | may be called                                       | otherwise                                         |
///      |-----------|---------|-----------------------------------------------------|---------------------------------------------------|
///      | Bidding   | close   | all opened after bid, else after bid + reveal       | fewer than n opened: cancelled, refunded          |
///      | Drawing   | draw    | after the draw block                                | pool too small after enlist: cancelled, refunded  |
///      | Enlisting | start   | all enlisted, else after enlist                     | below the quorum: cancelled, refunded             |
///      | Running   | end     | all rounds final, or ending and none unfinal; no    | advance, finalise, settle of Rounds and Disputes  |
///      |           |         | dispute open                                        | bring it there                                    |
///      | Faulted   | end     | no dispute open                                     |                                                   |
///
///      Between match and start there is no way out for the consumer: whoever could leave then could choose its validators.
///      After the end `settleBid` releases what `end` did not (it releases 64 slots itself) and burns unopened bonds.
interface IJobs {
    struct JobView {
        address consumer;
        JobPhase phase;
        uint64 postedAt;
        uint64 phaseDeadline; // of bids, opening, or enlisting
        uint64 drawBlock; // whose hash draws validators, aggregator and the order of samples
        bytes32 beacon; // that hash, zero before the draw
        uint128 price; // per slot and round, as cleared
        uint256 deposited; // escrow and fault deposit at posting
        bool ending; // no further round opens
        bool ended; // escrow refunded, locks released
    }

    struct Basis {
        bytes32 programs;
        bytes32 dataRoot;
        bytes32 testRoot;
        bytes32 seed;
        uint32 providers;
        uint32 stepsPerRound;
        uint32 stepsPerSegment;
        bool scoresLoss;
    }

    struct Bid {
        address bidder;
        uint128 price;
    }

    event Posted(uint256 indexed job, address indexed consumer, bytes32 document, uint256 deposited);
    event BidCommitted(uint256 indexed job, address indexed bidder, uint256 bond);
    event BidRevealed(uint256 indexed job, address indexed bidder, uint128 price);
    event BidForfeited(uint256 indexed job, address indexed bidder, uint256 bond);
    event Matched(uint256 indexed job, address[] providers, uint128 price, uint256 drawBlock);
    event Abstained(uint256 indexed job, address indexed account);
    event Drawn(uint256 indexed job, address[] validators, address aggregator, bytes32 beacon);
    event Unenlisted(uint256 indexed job, address indexed validator, uint256 penalty);
    event Enlisted(uint256 indexed job, address indexed validator, bytes32 nonceTip);
    event Started(uint256 indexed job);
    event AggregatorReplaced(uint256 indexed job, address indexed from, address indexed to);
    event ValidatorReplaced(uint256 indexed job, uint256 indexed index, address indexed to);
    event AggregatorLeft(uint256 indexed job, address indexed from);
    event SlotReleased(uint256 indexed job, uint256 indexed slot, address indexed provider, uint256 bond);
    event SlotClosed(uint256 indexed job, uint256 indexed slot, address indexed provider);
    event Cancelled(uint256 indexed job);
    event Faulted(uint256 indexed job, uint256 forfeited);
    event Ended(uint256 indexed job, uint256 refunded);

    error WrongPhase(uint256 job, JobPhase phase);
    error OutsideWindow(uint256 job, uint256 opensAt, uint256 closesAt);
    error BadOrder(bytes32 field);
    error NotConsumer(address caller);
    error NotDrawn(address caller);
    error AlreadyBid(address bidder);
    error WrongOpening(address bidder);
    error TooFewBids(uint256 bids, uint256 needed);
    error PoolTooSmall(uint256 found, uint256 needed);

    /// @notice Escrow and fault deposit leave the caller's free balance. Worst cost:
    ///         (rounds + redoRounds) * (providers * priceCeiling + validators * validatorFee + aggregatorFee) + faultDeposit.
    function post(Order calldata order) external returns (uint256 job);
    function cost(Order calldata order) external pure returns (uint256);
    /// @notice Seals a bid: keccak256(abi.encode(job, bidder, price, salt)). The bond (2 * priceCeiling) leaves the free balance.
    function commitBid(uint256 job, bytes32 sealedBid) external;
    /// @notice Opens it; locks providerStake of the bidder while it is among the n lowest. Ties go to the earlier opening.
    function revealBid(uint256 job, uint128 price, bytes32 salt) external;
    /// @notice A bond whose bid was never opened is burned; a losing one goes back. Anybody may call, per bidder.
    function settleBid(uint256 job, address bidder) external;
    /// @notice The n lowest win at the first losing price (the ceiling when nobody lost). Anybody may call after the window.
    ///         With fewer than n bids the job is cancelled and refunded.
    function close(uint256 job) external;
    /// @notice Takes the caller out of the draw of a job that it cannot or does not want to serve; before the draw's block.
    function abstain(uint256 job) external;
    /// @notice Draws validators and aggregator by the beacon, in proportion to their weight, from those enrolled at the time of
    ///         the match who accept the job's windows and locks. A pool too small is waited for until the enlist window ends,
    ///         then the job is cancelled; after another window it is cancelled without looking. Draws 32 seats at a time: with
    ///         more validators than that it is called again.
    function draw(uint256 job) external;
    /// @notice A drawn validator commits the tip of its chain of nonces: nonce_i = sha256(nonce_{i+1}).
    function enlist(uint256 job, bytes32 nonceTip) external;
    /// @notice Opens round 0 once all have enlisted, or after the window with those who have (at least the quorum);
    ///         whoever did not is penalised. Anybody may call.
    function start(uint256 job) external;
    /// @notice Before the match: everything back. After it: no further round opens, committed work is paid.
    function cancel(uint256 job) external;
    /// @notice After the last round is final: refunds what is left of the escrow, releases the locks. Anybody may call.
    function end(uint256 job) external;

    /// @dev For Rounds only. A closed slot takes no further part; what it has earned stays.
    function closeSlot(uint256 job, uint256 slot) external;
    /// @dev Burns one cleared price of the slot's bond; closes the slot when the rest cannot cover another.
    function miss(uint256 job, uint256 slot) external returns (uint256 burned);
    /// @dev The same, but the price goes in equal parts to those whom the slot made work.
    function bill(uint256 job, uint256 slot, address[] calldata to) external returns (uint256 paid);
    /// @dev The present aggregator leaves (what is left of its lock holds until the end). `to` takes its place if it takes no
    ///      other part and has the stake free; else the pool is drawn by `seed`; nobody found leaves the place vacant.
    function replaceAggregator(uint256 job, address to, bytes32 seed) external returns (address found);
    /// @dev Empties the seats in the bitmap `missing` and draws new ones by `seed` as far as the pool goes, 16 at most.
    function replaceValidators(uint256 job, uint256 missing, bytes32 seed) external;
    function fault(uint256 job) external;
    /// @dev No further round opens.
    function stop(uint256 job) external;
    /// @dev `drawing` numbers the job's drawings of samples; each takes the nonce of its own place in the chain.
    function spendNonce(uint256 job, uint256 validatorIndex, bytes32 nonce, uint256 drawing) external;

    /// @notice What of the order claims follow from.
    function basisOf(uint256 job) external view returns (Basis memory);
    function orderOf(uint256 job) external view returns (Order memory);
    function viewOf(uint256 job) external view returns (JobView memory);
    function providersOf(uint256 job) external view returns (address[] memory);
    function providerAt(uint256 job, uint256 slot) external view returns (address);
    function slotsOpen(uint256 job) external view returns (uint256[] memory bitmap);
    function validatorsOf(uint256 job) external view returns (address[] memory);
    /// @notice Bitmap over validators of the seats that are held and enlisted.
    function seatsLive(uint256 job) external view returns (uint256 bitmap);
    /// @notice Bitmap of the seats of these accounts; NotDrawn if one has none.
    function seatsOf(uint256 job, address[] calldata accounts) external view returns (uint256 bitmap);
    /// @notice Who holds a seat, since when, in which block it enlisted (zero: not yet), and how many drawings the job had
    ///         seen by then: drawing d takes nonce d + 1 - base of its chain.
    function seatAt(uint256 job, uint256 validatorIndex)
        external
        view
        returns (address account, uint256 drawnAt, uint256 enlistedBlock, uint256 base);
    /// @notice Slot of a provider, plus one; zero for none.
    function slotOf(uint256 job, address account) external view returns (uint256);
    function phaseOf(uint256 job) external view returns (JobPhase phase, bool ending, bool ended);
    /// @notice Keys of the locks in Stakes that a job holds.
    function obligation(uint256 job, address account) external pure returns (bytes32);
    function aggregatorOf(uint256 job) external view returns (address);
    function bidsOf(uint256 job) external view returns (Bid[] memory);
    function jobCount() external view returns (uint256);
}
