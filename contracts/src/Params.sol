// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IParams} from "./interfaces/IParams.sol";

contract Params is IParams, Ownable2Step {
    Limits private _limits;
    mapping(address token => uint256) public poolMinimum;

    constructor(address owner, Limits memory first) Ownable(owner) {
        _set(first);
    }

    function set(Limits calldata next) external onlyOwner {
        _set(next);
    }

    function setPoolMinimum(address token, uint256 amount) external onlyOwner {
        _bound("poolMinimum", amount, 0, type(uint96).max);
        poolMinimum[token] = amount;
        emit PoolMinimumChanged(token, amount);
    }

    function limits() external view returns (Limits memory) {
        return _limits;
    }

    function _set(Limits memory next) private {
        _bound("windowFloor", next.windowFloor, 1, 1 days);
        _bound("windowCeiling", next.windowCeiling, 1 hours, 30 days);
        _bound("unbonding", next.unbonding, 1, 90 days);
        _bound("roundsMax", next.roundsMax, 1, 1024);
        _bound("providersMax", next.providersMax, 1, 1024);
        _bound("validatorsMax", next.validatorsMax, 1, 64);
        _bound("lookaheadMax", next.lookaheadMax, 0, 8);
        // The hash must still be visible when somebody comes for it.
        _bound("beaconDelay", next.beaconDelay, 1, 128);
        _bound("challengeBondBps", next.challengeBondBps, 100, 20_000);
        _limits = next;
        emit Changed(next);
    }

    function _bound(bytes32 field, uint256 value, uint256 floor, uint256 ceiling) private pure {
        if (value < floor || value > ceiling) revert OutOfBounds(field, value, floor, ceiling);
    }
}
