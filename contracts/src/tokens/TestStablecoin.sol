// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A worthless dollar for tests and demonstrations: six decimals, anybody may mint, up to a cap a call.
contract TestStablecoin is ERC20, ERC20Permit {
    uint256 public constant MINT_MAX = 1_000_000 * 10 ** 6;

    error OverCap(uint256 amount, uint256 cap);

    constructor() ERC20("Assay Test Dollar", "aUSD") ERC20Permit("Assay Test Dollar") {}

    function mint(address to, uint256 amount) external {
        if (amount > MINT_MAX) revert OverCap(amount, MINT_MAX);
        _mint(to, amount);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
