// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRounds} from "../src/interfaces/IRounds.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {Base, Vm} from "./Base.sol";

/// @title Keeps book of what the contracts announce, and of what they must never announce.
abstract contract Ledger is Base {
    uint256 public bills;
    string public broken; // the first rule that was broken
    mapping(bytes32 obligation => uint256) private _lockedTimes;
    mapping(bytes32 obligation => uint256) private _releasedTimes;
    mapping(bytes32 round => bytes32) private _roots;
    mapping(bytes32 slot => bytes32) private _leaves;
    mapping(bytes32 round => bool) private _final;
    mapping(bytes32 round => bool) private _void;
    mapping(bytes32 round => bool) private _orphaned;

    function checkEvents() public view {
        yes(bytes(broken).length == 0, broken);
    }

    function _holds(bool holds, string memory rule) private {
        if (!holds && bytes(broken).length == 0) broken = rule;
    }

    function _read(Vm.Log[] memory logs, address rounds_, address stakes_) internal {
        for (uint256 i = 0; i < logs.length; i++) {
            bytes32 topic = logs[i].topics[0];
            if (logs[i].emitter == stakes_) _readStakes(topic, logs[i]);
            else if (logs[i].emitter == rounds_) _readRounds(topic, logs[i]);
        }
    }

    function _readStakes(bytes32 topic, Vm.Log memory log) private {
        bytes32 obligation = topic == IStakes.Locked.selector || topic == IStakes.Released.selector ? log.topics[1] : bytes32(0);
        if (topic == IStakes.Locked.selector) {
            _holds(++_lockedTimes[obligation] == 1, "an obligation is locked once");
        } else if (topic == IStakes.Released.selector) {
            _holds(_lockedTimes[obligation] == 1 && ++_releasedTimes[obligation] == 1, "a lock is released once");
        } else if (topic == IStakes.Slashed.selector) {
            _holds(_releasedTimes[log.topics[1]] == 0, "nothing released is slashed");
            (uint256 amount, uint256 burned, uint256 toChallenger, uint256 toJob) =
                abi.decode(log.data, (uint256, uint256, uint256, uint256));
            _holds(3 * burned >= amount && 3 * toChallenger <= amount, "a third is burned, a third at most rewards");
            _holds(burned + toChallenger + toJob == amount, "all of a slash goes somewhere");
        }
    }

    function _readRounds(bytes32 topic, Vm.Log memory log) private {
        if (
            topic != IRounds.Committed.selector && topic != IRounds.SlotCommitted.selector && topic != IRounds.Finalised.selector
                && topic != IRounds.Voided.selector && topic != IRounds.Orphaned.selector && topic != IRounds.Billed.selector
        ) return;
        (uint256 generation, uint256 round) = abi.decode(log.data, (uint256, uint256));
        bytes32 key = keccak256(abi.encode(log.topics[1], generation, round));
        if (topic == IRounds.Committed.selector) {
            (,, bytes32 root) = abi.decode(log.data, (uint256, uint256, bytes32));
            _holds(_roots[key] == 0 || _roots[key] == root, "a round has one root, whatever is drawn anew");
            _roots[key] = root;
        } else if (topic == IRounds.SlotCommitted.selector) {
            (,, uint256 slot, bytes32 leaf) = abi.decode(log.data, (uint256, uint256, uint256, bytes32));
            bytes32 slotKey = keccak256(abi.encode(key, slot));
            _holds(_leaves[slotKey] == 0, "a slot enters a round once");
            _leaves[slotKey] = leaf;
        } else if (topic == IRounds.Finalised.selector) {
            _holds(!_final[key], "a round is final once");
            _holds(!_void[key] && !_orphaned[key], "nothing of a void generation is final");
            _final[key] = true;
        } else if (topic == IRounds.Voided.selector) {
            _holds(!_void[key] && !_final[key], "a round ends once");
            _void[key] = true;
        } else if (topic == IRounds.Orphaned.selector) {
            _holds(!_orphaned[key] && !_void[key] && !_final[key], "an orphan was open");
            _orphaned[key] = true;
        } else {
            bills++;
        }
    }
}
