// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";
import {Ruling} from "../arbiter/Arbiter.sol";
import {Openings, Value} from "../arbiter/Openings.sol";
import {Random} from "../arbiter/Random.sol";
import {Feed, Program, Sample} from "../interfaces/IGames.sol";

/// @title Samples: whether an element of a run's samples is the one that the order's data and the schedule say.
library Samples {
    uint256 private constant TYPE_BYTES = 28;

    /// Whether a value is of the type that the program declares for its input of this number.
    function fits(Program calldata program, uint256 number, bytes calldata declared, bytes32[] calldata proof, Value calldata value)
        external
        view
        returns (bool)
    {
        bool bound = Hashing.verify(program.inputs, program.inputCount, number, Hashing.leafHash(declared), proof);
        return bound && declared.length == TYPE_BYTES && _isOf(value, declared);
    }

    /// What the claimed element is compared with.
    function rule(Program calldata program, Feed calldata feed, uint256 rowsFrom, uint256 step, Sample calldata sample)
        external
        view
        returns (Ruling)
    {
        bytes calldata declared = sample.types[sample.input];
        (bool ok, bytes memory truth) = _truth(program, feed, rowsFrom, step, sample);
        if (!_isOf(sample.value.value, declared)) return Ruling.Upheld;
        if (!ok) return Ruling.JobFault;
        Openings.shown(sample.value);
        uint256 offset = Openings.offset(sample.value, sample.element, 1);
        if (keccak256(truth) != keccak256(sample.value.window.content[offset:offset + truth.length])) return Ruling.Upheld;
        return _isFinite(declared, truth) ? Ruling.Dismissed : Ruling.JobFault;
    }

    /// Whether the element of the record is none that a run could begin with.
    function isFaulty(Program calldata program, Feed calldata feed, uint256 rowsFrom, uint256 step, Sample calldata sample)
        external
        view
        returns (bool)
    {
        (bool ok, bytes memory truth) = _truth(program, feed, rowsFrom, step, sample);
        return !ok || !_isFinite(sample.types[sample.input], truth);
    }

    /// The element that the data and the schedule say; not ok where there is no such thing, since program, samples and schedule do
    /// not fit. Samples that come in their order begin again behind the last, where a target that is no float counts for nothing.
    function _truth(Program calldata program, Feed calldata feed, uint256 rowsFrom, uint256 step, Sample calldata sample)
        private
        view
        returns (bool ok, bytes memory truth)
    {
        uint256[2] memory sizes; // bytes of x and of y in a record
        for (uint256 i = 0; i < 2; i++) {
            bytes32 leaf = Hashing.leafHash(sample.types[i]);
            if (!Hashing.verify(program.inputs, program.inputCount, rowsFrom + i, leaf, sample.typeProofs[i])) {
                revert Openings.WrongOpening("type");
            }
            sizes[i] = _sampleBytes(sample.types[i]);
        }
        bytes calldata declared = sample.types[sample.input];
        uint256 item = Openings.itemBytes(uint8(declared[0]));
        uint256 size = sizes[sample.input];
        if (item == 0 || size == 0 || declared[1] == 0 || _size(declared, 0) != feed.batchSize) return (false, "");
        if (sample.element >= (size / item) * feed.batchSize) revert Openings.WrongOpening("element");
        uint256 place = (sample.element * item) / size;
        uint256 run = uint256(feed.firstStep) + step;
        uint256 index;
        bool beyond;
        if (feed.key == 0) {
            index = run * feed.batchSize + place;
            (ok, beyond) = (feed.sampleCount != 0, index >= feed.sampleCount);
            if (ok) index %= feed.sampleCount;
        } else {
            (ok, index) = Random.sampleOf(feed.key, feed.sampleCount, feed.slot, feed.slotCount, run, feed.batchSize, place);
        }
        if (!ok || index >= feed.sampleCount) return (false, "");
        bytes32 record = Hashing.leafHash(sample.record);
        if (!Hashing.verify(feed.samplesRoot, feed.sampleCount, index, record, sample.recordProof)) revert Openings.WrongOpening("record");
        if (sample.record.length != sizes[0] + sizes[1]) return (false, "");
        uint256 from = (sample.input == 0 ? 0 : sizes[0]) + ((sample.element * item) % size);
        truth = sample.record[from:from + item];
        if (beyond && sample.input == 1 && uint8(declared[0]) != Openings.F32) {
            for (uint256 i = 0; i < item; i++) truth[i] = uint8(declared[0]) == Openings.BOOL ? bytes1(0x01) : bytes1(0xFF);
        }
    }

    function _isFinite(bytes calldata declared, bytes memory truth) private pure returns (bool) {
        return uint8(declared[0]) != Openings.F32 || uint8(truth[3]) & 0x7F != 0x7F || uint8(truth[2]) & 0x80 == 0;
    }

    /// Whether the claimed value is of the program's type.
    function _isOf(Value calldata value, bytes calldata declared) private pure returns (bool) {
        uint256 rank = value.shape.length;
        if (value.tag != 4 || uint8(declared[0]) != value.dtype || uint8(declared[1]) != rank) return false;
        for (uint256 i = 0; i < rank; i++) if (_size(declared, i) != value.shape[i]) return false;
        return true;
    }

    /// Bytes of one sample of a batch of this type; none for a type without a batch.
    function _sampleBytes(bytes calldata declared) private pure returns (uint256 count) {
        if (declared.length != TYPE_BYTES) revert Openings.WrongOpening("type");
        count = Openings.itemBytes(uint8(declared[0]));
        for (uint256 i = 1; i < uint8(declared[1]); i++) count *= _size(declared, i);
    }

    function _size(bytes calldata declared, uint256 axis) private pure returns (uint256) {
        return axis < 6 ? uint32(bytes4(declared[4 + 4 * axis:8 + 4 * axis])) : 0;
    }
}
