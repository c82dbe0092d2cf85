// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Wired: contracts that must know each other learn it once, from whoever deployed them, and never again.
abstract contract Wired {
    address private immutable DEPLOYER = msg.sender;
    bool public wired;

    error NotDeployer(address caller);
    error AlreadyWired();

    modifier once() {
        if (msg.sender != DEPLOYER) revert NotDeployer(msg.sender);
        if (wired) revert AlreadyWired();
        wired = true;
        _;
    }
}
