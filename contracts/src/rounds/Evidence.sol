// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Bitmap} from "../Bitmap.sol";
import {Hashing} from "../Hashing.sol";
import {Commitment, RoundPhase, Terms, TranscriptOpening, UNSCORED, isScored} from "../Types.sol";
import {IRounds} from "../interfaces/IRounds.sol";
import {Demand, Round, State, Store} from "./Store.sol";
import {Verdicts} from "./Verdicts.sol";

/// @title Evidence: what a quorum vouches for, commitments that stand, secrets called for and opened, two roots for one slot.
library Evidence {
    using Bitmap for uint256[4];

    /// A quorum of drawn validators signed `structHash`; signers in ascending order of address, so that each counts once.
    function quorum(State storage s, bytes32 domain, uint256 job, bytes32 structHash, bytes[] calldata signatures)
        public
        view
        returns (address[] memory signers)
    {
        uint256 needed = s.terms[job].quorum;
        if (signatures.length < needed) revert IRounds.NoQuorum(signatures.length, needed);
        bytes32 digest = MessageHashUtils.toTypedDataHash(domain, structHash);
        signers = new address[](signatures.length);
        address last;
        for (uint256 i = 0; i < signatures.length; i++) {
            address signer = _recover(digest, signatures[i]);
            // INVARIANT: nobody counts twice in a quorum.
            if (signer <= last) revert IRounds.BadSignature(last, signer);
            last = signers[i] = signer;
        }
        s.jobs.seatsOf(job, signers); // reverts for who has no seat
    }

    function commit(
        State storage s, bytes32 domain, uint256 job, uint32 generation, uint32 round, bytes32 root, uint256[] calldata present,
        bytes[] calldata signatures
    ) external {
        Round storage r = _due(s, job, generation, round, RoundPhase.Training);
        Terms storage t = s.terms[job];
        uint256[] memory slots = s.jobs.slotsOpen(job);
        if (present.length != slots.length) revert IRounds.WrongOpening();
        bool vouched = signatures.length != 0;
        if (vouched) {
            bytes32 presentHash = keccak256(abi.encodePacked(present));
            quorum(s, domain, job, keccak256(abi.encode(Hashing.ROOT_TYPE, job, generation, round, root, presentHash)), signatures);
        }
        bool all = true;
        for (uint256 word = 0; word < slots.length; word++) {
            if (present[word] & ~slots[word] != 0) revert IRounds.NotIncluded(word);
            uint256 here = present[word] | r.direct[word];
            if (slots[word] & ~(vouched ? here : r.direct[word]) != 0) all = false;
            r.present[word] = here;
        }
        // INVARIANT: a root that no quorum has vouched for comes so late that whoever it leaves out could enter by itself.
        uint256 readyAt = uint256(r.openedAt) + t.windows.train + (vouched ? 0 : t.windows.aggregate / 2);
        if (!all && !Store.reached(s, readyAt)) revert IRounds.TooEarly(readyAt);
        r.unvouched = !vouched;
        r.commitmentRoot = root;
        r.aggregator = msg.sender;
        r.beaconBlock = uint48(block.number + t.beaconDelay);
        r.drawing = ++s.progress[job].drawings;
        r.phase = RoundPhase.Sampling;
        r.deadline = uint40(Store.time(s) + t.windows.table);
        emit IRounds.Committed(job, generation, round, root, r.present.copy(t.providers), r.beaconBlock);
    }

    function aggregate(
        State storage s, bytes32 domain, uint256 job, uint32 generation, uint32 round, bytes32 endRoot, int64 score,
        bytes[] calldata signatures
    ) external {
        Round storage r = _due(s, job, generation, round, RoundPhase.Aggregating);
        if (endRoot == 0) revert IRounds.WrongOpening();
        Terms storage t = s.terms[job];
        // INVARIANT: what nobody has to measure has no score: whoever does not measure it could not say whether it is true.
        if (score != UNSCORED && !isScored(t.stopScore, round, t.rounds)) revert IRounds.WrongOpening();
        if (signatures.length == 0) {
            // An aggregator that the validators leave alone goes on alone, at the price of the longer window.
            uint256 readyAt = uint256(r.includedAt) + t.windows.aggregate / 2;
            if (!r.optimistic && !Store.reached(s, readyAt)) revert IRounds.TooEarly(readyAt);
            r.optimistic = true;
        } else {
            quorum(s, domain, job, keccak256(abi.encode(Hashing.AGGREGATE_TYPE, job, generation, round, endRoot, score)), signatures);
        }
        _end(s, r, job, generation, round, endRoot, score);
        // INVARIANT: only what was measured ends a job, and only until the round is disproved.
        if (score != UNSCORED && score >= t.stopScore) s.progress[job].stopAt = round + 1;
        Verdicts.proceed(s, job);
    }

    /// What the included updates come to is a fault of the job: nobody's word but the aggregator's, so nothing opens on it and
    /// the longer window disputes it.
    function aggregateFault(State storage s, uint256 job, uint32 generation, uint32 round, uint256 node, bytes32 operator) external {
        Round storage r = _due(s, job, generation, round, RoundPhase.Aggregating);
        (r.optimistic, r.faulted) = (true, true);
        _end(s, r, job, generation, round, Hashing.faultDigest(0, node, operator), UNSCORED);
    }

    function standing(State storage s, bytes32 domain, Commitment calldata c, bytes32[] calldata proof, bytes calldata signature)
        public
        view
        returns (bool)
    {
        Round storage r = s.rounds[c.job][c.generation][c.round];
        if (c.slot >= s.terms[c.job].providers || !r.present.has(c.slot)) return false;
        if (!_committed(s, r, c, proof)) return false;
        // What the aggregator put in its root binds the provider only by its signature.
        return r.direct.has(c.slot) || _signed(domain, c, signature);
    }

    function demandSecret(State storage s, bytes32 domain, Commitment calldata c, bytes32[] calldata proof, bytes calldata signature)
        external
    {
        Round storage r = Store.challengeable(s, c.job, c.generation, c.round);
        Store.judged(s, c.job, c.generation, c.round);
        // INVARIANT: while tables are blind no secret is called for: it would tell where somebody has looked.
        if (r.phase < RoundPhase.Opening) revert IRounds.WrongPhase(r.phase);
        address[] memory caller = new address[](1);
        caller[0] = msg.sender;
        s.jobs.seatsOf(c.job, caller);
        if (!standing(s, domain, c, proof, signature)) revert IRounds.WrongProof();
        Demand storage demand = r.demands[c.slot];
        if (demand.leaf != 0 || demand.shown) revert IRounds.AlreadyDone();
        uint256 deadline = Store.time(s) + s.terms[c.job].windows.open;
        r.demands[c.slot] = Demand(Hashing.commitmentLeaf(address(this), c), msg.sender, uint48(deadline), true, false);
        r.disputesOpen++;
        s.progress[c.job].disputesOpen++;
        emit IRounds.SecretDemanded(c.job, c.generation, c.round, c.slot, deadline);
    }

    /// INVARIANT: who is called for opens all: a secret without its leaves would leave nothing to compare with.
    function revealSecret(State storage s, Commitment calldata c, bytes32[] calldata proof, TranscriptOpening calldata opening) external {
        Round storage r = s.rounds[c.job][c.generation][c.round];
        uint256 segments = s.terms[c.job].segments;
        if (
            opening.stateRoots.length != segments + 1 || opening.lossBits.length != segments
                || Hashing.secretHash(opening.secret) != c.secretHash || Hashing.transcriptRoot(c, opening) != c.transcriptRoot
        ) revert IRounds.WrongOpening();
        Demand storage demand = r.demands[c.slot];
        if (demand.open) {
            // INVARIANT: a demand is answered by the commitment that it was made for, not by another with the same secret.
            if (demand.leaf != Hashing.commitmentLeaf(address(this), c)) revert IRounds.WrongOpening();
            _close(s, r, c.job, c.slot);
        } else {
            // Before the beacon block a secret would tell where nobody will look.
            if (r.beaconBlock == 0 || block.number <= r.beaconBlock) revert IRounds.TooEarly(r.beaconBlock);
            if (!_committed(s, r, c, proof)) revert IRounds.WrongProof();
        }
        demand.shown = true;
        emit IRounds.SecretRevealed(c.job, c.generation, c.round, c.slot, c.transcriptRoot, opening);
    }

    function defaultSecret(State storage s, uint256 job, uint32 generation, uint32 round, uint16 slot) external {
        Round storage r = s.rounds[job][generation][round];
        Demand storage demand = r.demands[slot];
        if (!demand.open) revert IRounds.AlreadyDone();
        // INVARIANT: a demand does not outlive its round: nobody owes the secret of a void one.
        if (!r.orphan && !Store.isLive(s, job, generation, round)) return _close(s, r, job, slot);
        if (!Store.reached(s, demand.deadline)) revert IRounds.TooEarly(demand.deadline);
        address by = demand.by;
        _close(s, r, job, slot);
        Verdicts.disprovedSlot(s, job, generation, round, slot, type(uint256).max, by, "secret");
    }

    /// Each signer had to replay from the round's start what the slot did not serve.
    function bill(
        State storage s, bytes32 domain, uint256 job, uint32 generation, uint32 round, uint16 slot, bytes[] calldata signatures
    ) external {
        Round storage r = Store.judged(s, job, generation, round);
        if (r.phase < RoundPhase.Opening || !r.present.has(slot)) revert IRounds.WrongPhase(r.phase);
        // INVARIANT: a slot pays for it once in a round, at most one price of its bond.
        if (r.billed[slot]) revert IRounds.AlreadyDone();
        r.billed[slot] = true;
        bytes32 structHash = keccak256(abi.encode(Hashing.UNSERVED_TYPE, job, generation, round, slot));
        address[] memory signers = quorum(s, domain, job, structHash, signatures);
        emit IRounds.Billed(job, generation, round, slot, s.jobs.bill(job, slot, signers));
    }

    function equivocate(
        State storage s, bytes32 domain, Commitment calldata a, bytes calldata signatureA, Commitment calldata b, bytes calldata signatureB
    ) external {
        if (
            a.job != b.job || a.generation != b.generation || a.round != b.round || a.slot != b.slot || a.provider != b.provider
                || a.beacon != b.beacon || a.startRoot != b.startRoot || Hashing.structHash(a) == Hashing.structHash(b)
        ) revert IRounds.WrongProof();
        if (a.slot >= s.terms[a.job].providers || s.jobs.providerAt(a.job, a.slot) != a.provider) {
            revert IRounds.NotProvider(a.provider);
        }
        (,, bool ended) = s.jobs.phaseOf(a.job);
        if (ended) revert IRounds.TooLate(0);
        _bound(s, domain, a, signatureA);
        _bound(s, domain, b, signatureB);
        Verdicts.disprovedSlot(s, a.job, a.generation, a.round, a.slot, type(uint256).max, msg.sender, "equivocation");
    }

    function _end(
        State storage s, Round storage r, uint256 job, uint32 generation, uint32 round, bytes32 endRoot, int64 score
    ) private {
        (r.endRoot, r.score, r.aggregator, r.phase) = (endRoot, score, msg.sender, RoundPhase.Challenging);
        r.deadline = uint40(Store.time(s) + uint256(s.terms[job].windows.challenge) * (r.optimistic ? 4 : 1));
        emit IRounds.Aggregated(job, generation, round, endRoot, score, msg.sender, r.optimistic);
    }

    /// A live round in this phase, for its aggregator.
    function _due(State storage s, uint256 job, uint32 generation, uint32 round, RoundPhase phase)
        private
        view
        returns (Round storage r)
    {
        r = Store.live(s, job, generation, round);
        Store.expect(r, phase);
        if (msg.sender != s.jobs.aggregatorOf(job)) revert IRounds.NotAggregator(msg.sender);
    }

    /// The provider is bound by its signature or by having included this very commitment itself.
    function _bound(State storage s, bytes32 domain, Commitment calldata c, bytes calldata signature) private view {
        Round storage r = s.rounds[c.job][c.generation][c.round];
        if (signature.length == 0) {
            if (!r.direct.has(c.slot) || r.leaves[c.slot] != Hashing.commitmentLeaf(address(this), c)) revert IRounds.WrongProof();
        } else if (!_signed(domain, c, signature)) {
            revert IRounds.BadSignature(c.provider, _recover(MessageHashUtils.toTypedDataHash(domain, Hashing.structHash(c)), signature));
        }
    }

    function _committed(State storage s, Round storage r, Commitment calldata c, bytes32[] calldata proof) private view returns (bool) {
        uint256 slots = s.terms[c.job].providers;
        if (c.slot >= slots || s.jobs.providerAt(c.job, c.slot) != c.provider) return false;
        // INVARIANT: what was signed of another draw or start, which a reorganisation took back, binds nobody.
        if (c.beacon != s.terms[c.job].beacon || c.startRoot != r.startRoot) return false;
        bytes32 leaf = Hashing.commitmentLeaf(address(this), c);
        if (r.direct.has(c.slot)) return r.leaves[c.slot] == leaf;
        return r.phase != RoundPhase.None && Hashing.verify(r.commitmentRoot, slots, c.slot, leaf, proof);
    }

    function _signed(bytes32 domain, Commitment calldata c, bytes calldata signature) private pure returns (bool) {
        return _recover(MessageHashUtils.toTypedDataHash(domain, Hashing.structHash(c)), signature) == c.provider;
    }

    function _recover(bytes32 digest, bytes calldata signature) private pure returns (address signer) {
        (signer,,) = ECDSA.tryRecover(digest, signature);
    }

    function _close(State storage s, Round storage r, uint256 job, uint16 slot) private {
        r.demands[slot].open = false;
        r.disputesOpen--;
        s.progress[job].disputesOpen--;
    }
}
