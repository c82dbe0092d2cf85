// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Containers shared by all contracts. Amounts are in the job token's smallest unit, times in seconds.

/// Whether a round of a job has to be measured, and may be: each where a score may end the job, else the last one.
function isScored(int64 stopScore, uint32 round, uint32 rounds) pure returns (bool) {
    return stopScore != type(int64).max || uint256(round) + 1 == rounds;
}

/// How long each phase may last. Every one of them ends in an exit that anybody may take.
struct Windows {
    uint32 bid; // sealed bids are taken
    uint32 reveal; // bids are opened
    uint32 enlist; // drawn validators commit their chain of nonces
    uint32 train; // from a round's opening to its commitment
    uint32 table; // validators re-execute and commit their tables
    uint32 open; // tables and secrets are opened, slots are judged, the included set is fixed
    uint32 aggregate; // the aggregate is made and attested
    uint32 challenge; // anybody may dispute before the round is final
}

/// What a consumer orders. Everything that decides a bit of the result is here by hash.
struct Order {
    address token; // payment and stake; address(0) is the native coin
    bytes32 programs; // one hash over step, emit, aggregate, evaluate, predict
    bytes32 profile; // arithmetic, e.g. "exact15" left-aligned
    bytes32 dataRoot; // manifest of the training data
    bytes32 testRoot; // manifest of the held-out data
    bytes32 stateRoot; // initial state
    bytes32 document; // sha256 of the canonical job document
    bytes32 canaryRoot; // which slots are planted, fixed by hash before matching; zero: that is all that is built
    bytes32 seed;
    uint32 rounds;
    uint32 stepsPerRound; // H, a multiple of stepsPerSegment
    uint32 stepsPerSegment; // k
    uint16 providers; // slots, n
    uint16 reportsMin; // fewer accepted slots than this and the round is void (a robust rule's precondition)
    uint16 validators; // m
    uint16 quorum; // k of m
    uint16 samplesPerValidator; // segments that each validator re-executes in a round
    uint16 lookahead; // rounds ahead of the oldest that is not final, L
    uint16 redoRounds; // rounds of reserve for work that is done again
    uint128 priceCeiling; // per slot and round
    uint128 validatorFee; // per validator and round
    uint128 aggregatorFee; // per round
    uint128 providerStake; // locked per slot until its last commitment is final
    uint128 validatorStake; // locked per drawn validator
    uint128 aggregatorStake;
    uint128 faultDeposit; // forfeited when the job itself is at fault
    int64 stopScore; // the job is over with the first round that scores as much; the greatest number: never
    bool scoresLoss; // a score is a loss below zero, else an accuracy
    Windows windows;
}

// A score is greater where a state is better: accuracy in millionths, or a loss in millionths below zero. Rounds that
// nobody had to measure, and states that could not be measured, have this one.
int64 constant UNSCORED = type(int64).min;

enum JobPhase {
    None,
    Bidding, // sealed bids, then their opening, by time
    Drawing, // matched; waiting for the beacon that draws validators and aggregator
    Enlisting, // drawn validators commit their nonces
    Running,
    Done,
    Cancelled, // before it ran: everything refunded
    Faulted // the job's own program has no result, as a contract has seen
}

/// What a provider commits for its slot and signs. Leaf of the round's commitment root.
struct Commitment {
    uint256 job;
    uint32 generation;
    uint32 round;
    uint16 slot;
    address provider;
    bytes32 beacon; // of the job's draw, on which the work depends: of another draw, it is no commitment
    bytes32 startRoot; // the round's; of another, it is no commitment
    bytes32 transcriptRoot; // Merkle over stepsPerRound / stepsPerSegment + 1 salted leaves
    bytes32 secretHash; // sha256(secret)
    bytes32 sealedHash; // sha256 of the sealed update's bytes
}

/// One salted leaf of a transcript, opened.
struct Leaf {
    uint32 index; // 0 is the start state, i is the state after segment i - 1
    bytes32 stateRoot; // or the fault's digest
    uint32 lossBits; // binary32 of the last step's loss; 0 in leaf 0
    bytes32 updateRoot; // zero but in the last leaf
}

/// All leaves of a transcript, opened.
struct TranscriptOpening {
    bytes32 secret;
    bytes32 updateRoot; // of the last leaf
    bytes32[] stateRoots; // of leaves 0..N
    uint32[] lossBits; // of leaves 1..N
}

/// One row of a validator's table: what it found by re-executing a segment. It says where it began, so that it is true or
/// false whatever the slot has committed to.
struct Entry {
    uint16 slot;
    uint32 segment;
    bytes32 startRoot; // the state it began from, or the digest of a fault that came before
    bytes32 stateRoot; // where it ended, or the fault's digest
    uint32 lossBits; // binary32 of the last step's loss; 0 after a fault
}

enum RoundPhase {
    None,
    Training, // until commit
    Sampling, // the beacon is awaited, then tables are committed
    Opening, // tables, then secrets are opened
    Aggregating, // the included set is fixed
    Challenging, // the aggregate stands unless disproved
    Final,
    Void
}

struct RoundView {
    RoundPhase phase;
    uint32 generation;
    uint32 round;
    bytes32 startRoot;
    bytes32 commitmentRoot;
    bytes32 resultRoot;
    bytes32 endRoot;
    int64 score; // of the end state, by the job's `evaluate`
    uint64 openedAt;
    uint64 deadline; // of the present phase
    uint64 beaconBlock; // whose hash draws the samples
    uint16 redraws;
    uint16 disputesOpen;
    bool optimistic; // no quorum came: four challenge windows
    bool orphan; // a round before it was disproved: it is judged and paid by half, and leads nowhere
    bool faulted; // the aggregate ends in a fault of the job: `endRoot` is its digest
    uint32 drawing; // of the job: which nonce of a validator's chain draws its sample
    uint256[] present; // bitmaps over slots, 256 to a word
    uint256[] accepted;
    uint256[] included;
    uint256 tablesCommitted; // bitmap over validators
    uint256 tablesRevealed;
    uint256 unserved; // revealed, and not accepted by a quorum as the sample that was drawn
}

/// What a running job is reckoned by; fixed when it starts.
struct Terms {
    address token;
    uint16 providers; // n
    uint16 validators; // m
    uint16 quorum; // k
    uint16 reportsMin;
    uint16 lookahead;
    uint16 beaconDelay; // blocks, D
    Windows windows;
    uint96 price; // per slot and round, as cleared
    uint96 validatorFee;
    uint32 rounds;
    uint32 segments; // stepsPerRound / stepsPerSegment, N
    uint96 aggregatorFee;
    uint16 challengeBondBps; // of a round's cost
    int64 stopScore;
    bytes32 stateRoot;
    bytes32 beacon; // of the draw
}

/// What a dispute is about. Games decide all of it.
enum Target {
    Segment, // a slot's transcript: leaf `segment + 1` follows from leaf `segment`
    Emit, // a slot's update follows from its start and end states
    Table, // a validator's row: what it ends in follows from what it began from, which is what the slot has committed to
    Aggregate, // a round's end root follows from its start root and included updates
    Score // a round's score follows from its end root
}
