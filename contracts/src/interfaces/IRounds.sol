// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, RoundPhase, RoundView, Terms, TranscriptOpening} from "../Types.sol";

/// @title Rounds: commit, tables, included set, aggregate, final or void; and what each was worth.
/// @notice Rounds of a job are numbered 0..; `generation` counts rewinds. A round is named by (job, generation, round).
///         Gas per round does not grow with the number of providers: roots and bitmaps only.
/// @dev Every phase has an exit that anybody may take, by time alone:
///
///      | phase       | ends by                                 | `deadline`                    | after it, anybody calls                 |
///      |-------------|-----------------------------------------|-------------------------------|-----------------------------------------|
///      | Training    | commit: all there, or train is over     | opened + train + aggregate    | advance: aggregator loses its lock, is  |
///      |             |                                         |                               | replaced; the fourth time: void, ending |
///      | Sampling    | first revealTable: all tables, or table | commit + table                | advance: Opening, or without a quorum   |
///      |             | is over and a quorum of tables is there |                               | of tables a redraw                      |
///      | Opening     | include                                 | first reveal + open           | advance: redraw; the third time the     |
///      |             |                                         |                               | round is optimistic, then as Training   |
///      | Aggregating | aggregate                               | include + aggregate           | advance: as Training                    |
///      | Challenging | finalise                                | aggregate + challenge (x 4 if | finalise, in order, once its disputes   |
///      |             |                                         | optimistic)                   | are decided                             |
///      | a demand    | revealSecret                            | demand + open                 | defaultSecret                           |
///      | a dispute   | Disputes.settle                         | its game's clocks; of a fault | Disputes.settle                         |
///
///      An orphan (committed, not judged when a round before it was disproved) takes tables and `include` like any other, is
///      paid by half and leads nowhere; past its deadline advance() closes it.
///      A slot that committed nothing in Training has until the beacon block to commitSlot. With nobody present, advance()
///      voids the round right after the beacon block. At most two redraws in a round, each at the silent validators' cost.
interface IRounds {
    event RoundOpened(uint256 indexed job, uint32 generation, uint32 round, bytes32 startRoot, uint256 deadline);
    event Committed(uint256 indexed job, uint32 generation, uint32 round, bytes32 commitmentRoot, uint256[] present, uint256 beaconBlock);
    event SlotCommitted(uint256 indexed job, uint32 generation, uint32 round, uint16 slot, bytes32 leaf);
    event TableCommitted(uint256 indexed job, uint32 generation, uint32 round, address indexed validator, bytes32 sealedTable);
    event TableRevealed(uint256 indexed job, uint32 generation, uint32 round, address indexed validator, bytes32 tableRoot, bytes32 nonce);
    event SecretDemanded(uint256 indexed job, uint32 generation, uint32 round, uint16 slot, uint256 deadline);
    event SecretRevealed(
        uint256 indexed job, uint32 generation, uint32 round, uint16 slot, bytes32 transcriptRoot, TranscriptOpening opening
    );
    event Billed(uint256 indexed job, uint32 generation, uint32 round, uint16 slot, uint256 paid);
    event Included(
        uint256 indexed job, uint32 generation, uint32 round, uint256[] accepted, uint256[] included, uint256 served, bytes32 resultRoot
    );
    event Aggregated(uint256 indexed job, uint32 generation, uint32 round, bytes32 endRoot, int64 score, address indexed aggregator, bool optimistic);
    event FaultAttested(uint256 indexed job, uint32 generation, uint32 round, bytes32 digest);
    event Finalised(uint256 indexed job, uint32 generation, uint32 round, bytes32 endRoot, uint256 credited);
    event Voided(uint256 indexed job, uint32 generation, uint32 round, uint256 credited);
    event Orphaned(uint256 indexed job, uint32 generation, uint32 round);
    event Rewound(uint256 indexed job, uint32 generation, uint32 round);
    event Disproved(uint256 indexed job, uint32 generation, uint32 round, uint16 slot, address indexed provider, uint256 slashed, bytes32 reason);
    event Penalised(uint256 indexed job, uint32 generation, uint32 round, address indexed account, uint256 amount, bytes32 reason);
    event Late(uint256 indexed job, uint32 generation, uint32 round, uint16 slot, address indexed provider, uint256 burned);
    event Claimed(uint256 indexed job, address indexed account, uint256 amount);

    error WrongRound(uint256 job, uint32 generation, uint32 round);
    error TooEarly(uint256 readyAt);
    error TooLate(uint256 closedAt);
    error NotAggregator(address caller);
    error NotValidator(address caller);
    error NotProvider(address caller);
    error WrongOpening();
    error WrongProof();
    error BadSignature(address expected, address actual);
    error NoQuorum(uint256 signers, uint256 needed);
    error NotIncluded(uint256 slot);
    error DisputeOpen(uint256 count);
    error AlreadyDone();
    error NotModule(address caller);
    error WrongPhase(RoundPhase phase);

    /// @notice Opens the job's first round; Jobs only.
    function open(uint256 job, Terms calldata terms) external;
    /// @notice The aggregator's root over the slots' commitments (leaf: Hashing.commitmentLeaf; an absent slot is EMPTY)
    ///         and the bitmap of those present, with a quorum's signatures that they hold them all and know of no other:
    ///         Root(uint256 job,uint32 generation,uint32 round,bytes32 root,bytes32 present), present as in `include`.
    ///         May come when all open slots have reported, or after the train window; fixes the beacon block. Without
    ///         signatures half an aggregate window later, so that whoever it leaves out has had the time to `commitSlot`, and
    ///         without a fee; at once when all open slots have done that.
    function commit(
        uint256 job, uint32 generation, uint32 round, bytes32 root, uint256[] calldata present, bytes[] calldata signatures
    ) external;
    /// @notice Direct inclusion by the provider itself, until the beacon block; overrides the aggregator's leaf.
    function commitSlot(Commitment calldata commitment) external;
    /// @notice keccak256(abi.encode(tableRoot, nonce, salt)) of a drawn validator, after the beacon block.
    function commitTable(uint256 job, uint32 generation, uint32 round, bytes32 sealedTable) external;
    /// @notice Opens the table once all have committed or the window is over. `nonce` is the next preimage of its chain.
    function revealTable(uint256 job, uint32 generation, uint32 round, bytes32 tableRoot, bytes32 nonce, bytes32 salt) external;
    /// @notice Calls for a secret that was not served; the commitment must stand, so that nobody is asked to open what an
    ///         aggregator made up. Drawn validators only, once for a slot and round.
    function demandSecret(Commitment calldata commitment, bytes32[] calldata proof, bytes calldata signature) external;
    /// @notice Opens a secret and every leaf of the transcript, so that anybody can compare and challenge. Without a demand the
    ///         proof is checked against the round's root (or the direct inclusion).
    function revealSecret(Commitment calldata commitment, bytes32[] calldata proof, TranscriptOpening calldata opening) external;
    /// @notice A demanded secret that did not come: the whole lock is lost. Anybody may call after the deadline.
    function defaultSecret(uint256 job, uint32 generation, uint32 round, uint16 slot) external;
    /// @notice Two commitments signed for one slot: the whole lock is lost.
    function equivocate(Commitment calldata a, bytes calldata signatureA, Commitment calldata b, bytes calldata signatureB) external;
    /// @notice A quorum's word that a slot served them no start states, Unserved(uint256 job,uint32 generation,uint32 round,
    ///         uint16 slot): one price of its bond goes to the signers, who had to replay from the round's start. Anybody.
    function billUnserved(uint256 job, uint32 generation, uint32 round, uint16 slot, bytes[] calldata signatures) external;
    /// @notice Fixes which slots are accepted, which of them enter the aggregate, and which seats served (showed their whole
    ///         sample; the others earn nothing and may be penalised), with a quorum's signatures over
    ///         Result(uint256 job,uint32 generation,uint32 round,uint32 drawing,bytes32 accepted,bytes32 included,
    ///         uint256 served,bytes32 resultRoot) where `drawing` is the round's and bitmaps over slots are hashed as
    ///         keccak256(abi.encodePacked(words)). Signers in ascending order of address.
    ///         Fewer accepted than reportsMin, or none that enters: the round is void and accepted work is paid half.
    ///         Anybody may bring the signatures. Once the round is optimistic the aggregator needs none.
    ///         Open slots that did not come, or that a quorum did not accept, lose one price of their bond.
    function include(
        uint256 job, uint32 generation, uint32 round, uint256[] calldata accepted, uint256[] calldata included, uint256 served,
        bytes32 resultRoot, bytes[] calldata signatures
    ) external;
    /// @notice The aggregate's state root and its score, with a quorum's signatures over
    ///         Aggregate(uint256 job,uint32 generation,uint32 round,bytes32 endRoot,int64 score). Opens the next round within
    ///         the lookahead, unless this one scores as much as the job asks for: then it is the last.
    ///         Without signatures when the round is optimistic, or after half the aggregate window: then it becomes so, and the
    ///         next round opens when it is final.
    function aggregate(
        uint256 job, uint32 generation, uint32 round, bytes32 endRoot, int64 score, bytes[] calldata signatures
    ) external;
    /// @notice The aggregate ends in a fault of the job, at this node of the program over the included updates: the round's end is
    ///         its digest, disputable as any end is for four challenge windows. Nothing opens on it, and being final it is a
    ///         fault of the job.
    function aggregateFault(uint256 job, uint32 generation, uint32 round, uint256 node, bytes32 operator) external;
    /// @notice After the challenge window, in order, with no dispute open: credits everyone's pay for this round.
    function finalise(uint256 job, uint32 generation, uint32 round) external;
    /// @notice The exit of every phase whose deadline is over: late slots burn, a silent aggregator loses its bond and the
    ///         caller replaces it, no quorum redraws (twice, then optimistic). While something of the round is disputed or
    ///         called for, slots are judged for another window. Anybody may call.
    function advance(uint256 job, uint32 generation, uint32 round) external;
    /// @notice Opens the next round if the lookahead now admits it. Anybody may call.
    function proceed(uint256 job) external;
    /// @notice A quorum's word that nothing of the job can be re-executed, since its bytes are not to be had or not what its
    ///         order says: Fault(uint256 job,uint32 generation,uint32 round,bytes32 digest). It ends the job with what it has,
    ///         and forfeits nothing: what a program has met is claimed instead (Disputes.claimFault, aggregateFault).
    function attestFault(uint256 job, uint32 generation, uint32 round, bytes32 digest, bytes[] calldata signatures) external;
    /// @notice Burns the penalty of a drawn validator that did not commit or did not reveal in a finished phase, or whose table
    ///         a quorum did not accept as its sample.
    function penaliseSilent(uint256 job, uint32 generation, uint32 round, uint256 validatorIndex) external;
    /// @notice Moves what an account earned in a job that has ended to its free balance. Anybody may call for it.
    function claim(uint256 job, address account) external returns (uint256 amount);

    /// @dev For Disputes. A round takes disputes from its beacon block until its challenge window is over, in Opening no
    ///      longer than a challenge window after its tables' time; a void round until the round in its place is final, or the job
    ///      has ended.
    function disputeOpened(uint256 job, uint32 generation, uint32 round) external;
    /// @dev One more about what is disputed, whatever the time: whoever calls bounds it.
    function disputeJoined(uint256 job, uint32 generation, uint32 round) external;
    function disputeClosed(uint256 job, uint32 generation, uint32 round) external;
    /// @dev Each takes min(lock, roundCost), less what the account has lost for this round already.
    function disprovedSlot(uint256 job, uint32 generation, uint32 round, uint16 slot, address challenger, bytes32 reason) external;
    function disprovedValidator(
        uint256 job, uint32 generation, uint32 round, address validator, address challenger, bytes32 reason
    ) external;
    function disprovedAggregate(uint256 job, uint32 generation, uint32 round, address challenger, bytes32 reason) external;
    function jobFault(uint256 job, uint32 generation, uint32 round) external;

    function viewOf(uint256 job, uint32 generation, uint32 round) external view returns (RoundView memory);
    /// @notice How many samples the job has drawn: each takes the next nonce of every validator's chain.
    function drawings(uint256 job) external view returns (uint32);
    /// @notice Rounds that are judged though a round before them was disproved, each as generation << 32 | round.
    function orphansOf(uint256 job) external view returns (uint64[] memory);
    /// @notice Where the job stands: generation, first round that is not final, next round to open.
    function progress(uint256 job) external view returns (uint32 generation, uint32 firstOpen, uint32 next);
    function tableRootOf(uint256 job, uint32 generation, uint32 round, address validator) external view returns (bytes32);
    /// @notice Whether this commitment stands for its slot: by direct inclusion, or by proof and the provider's signature.
    function standing(Commitment calldata commitment, bytes32[] calldata proof, bytes calldata signature) external view returns (bool);
    /// @notice Whose aggregate a round has, or who is to make it.
    function aggregatorOf(uint256 job, uint32 generation, uint32 round) external view returns (address);
    function termsOf(uint256 job) external view returns (Terms memory);
    /// @notice Generation of the live instance of a round.
    function generationOf(uint256 job, uint32 round) external view returns (uint32);
    /// @notice Whether nothing of the job can change any more: no round unfinal, no dispute open, none to come.
    function settled(uint256 job) external view returns (bool);
    /// @notice What an account has earned so far, claimed or not; zero once it forfeited.
    function earned(uint256 job, address account) external view returns (uint256);
    /// @notice The phase of a round, and whether it leads nowhere.
    function phaseOf(uint256 job, uint32 generation, uint32 round) external view returns (RoundPhase phase, bool orphan);
    /// @notice Whether an account was disproved in the job, and earns nothing in it any more.
    function forfeited(uint256 job, address account) external view returns (bool);
    /// @notice Whether a slot's whole transcript stands on chain (revealSecret): anybody can derive it and compare.
    function shown(uint256 job, uint32 generation, uint32 round, uint16 slot) external view returns (bool);
    /// @notice What one round costs the consumer at the cleared price: the cap of every slash that comes of a dispute.
    function roundCost(uint256 job) external view returns (uint256);
    /// @notice State and score of the last final round, or the initial state.
    function finalState(uint256 job) external view returns (bytes32 root, int64 score);
    function complete(uint256 job) external view returns (bool);
}
