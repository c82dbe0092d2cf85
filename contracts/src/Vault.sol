// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Wired} from "./Wired.sol";
import {IVault} from "./interfaces/IVault.sol";

contract Vault is IVault, Wired, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    address private constant GRAVE = 0x000000000000000000000000000000000000dEaD;

    mapping(address module => bool) public isModule;
    mapping(address token => mapping(Kind kind => mapping(bytes32 key => uint256))) private _balances;
    mapping(address token => mapping(Kind kind => uint256)) private _totals;
    mapping(address token => uint256) private _swept;

    function wire(address[] calldata modules) external once {
        for (uint256 i = 0; i < modules.length; i++) isModule[modules[i]] = true;
    }

    function deposit(address token, uint256 amount) external payable nonReentrant returns (uint256 received) {
        uint256 expected = token == address(0) ? amount : 0;
        if (msg.value != expected) revert WrongValue(msg.value, expected);
        received = token == address(0) ? amount : _pull(token, amount);
        _credit(token, received);
    }

    function depositWithPermit(address token, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        returns (uint256 received)
    {
        // Somebody may have sent the permit first: the allowance decides.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        received = _pull(token, amount);
        _credit(token, received);
    }

    function withdraw(address token, uint256 amount) external nonReentrant {
        _take(token, Kind.Free, _key(msg.sender), amount);
        emit Withdrawn(token, msg.sender, amount);
        _push(token, msg.sender, amount);
    }

    function sweepBurned(address token) external nonReentrant returns (uint256 amount) {
        amount = _balances[token][Kind.Burned][0];
        _take(token, Kind.Burned, 0, amount);
        _swept[token] += amount;
        emit Withdrawn(token, GRAVE, amount);
        _push(token, GRAVE, amount);
    }

    function move(address token, Kind fromKind, bytes32 fromKey, Kind toKind, bytes32 toKey, uint256 amount) external {
        // INVARIANT: only the modules that were wired at deployment say whose money it is.
        if (!isModule[msg.sender]) revert NotModule(msg.sender);
        if (amount == 0) return;
        _take(token, fromKind, fromKey, amount);
        _balances[token][toKind][toKey] += amount;
        _totals[token][toKind] += amount;
        emit Moved(token, fromKind, fromKey, toKind, toKey, amount);
    }

    function balance(address token, Kind kind, bytes32 key) external view returns (uint256) {
        return _balances[token][kind][key];
    }

    function total(address token, Kind kind) external view returns (uint256) {
        return _totals[token][kind];
    }

    function free(address token, address account) external view returns (uint256) {
        return _balances[token][Kind.Free][_key(account)];
    }

    function burned(address token) external view returns (uint256) {
        return _swept[token] + _balances[token][Kind.Burned][0];
    }

    function _key(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _credit(address token, uint256 amount) private {
        _balances[token][Kind.Free][_key(msg.sender)] += amount;
        _totals[token][Kind.Free] += amount;
        emit Deposited(token, msg.sender, amount);
    }

    function _take(address token, Kind kind, bytes32 key, uint256 amount) private {
        uint256 held = _balances[token][kind][key];
        // INVARIANT: no bucket gives more than it holds, so the buckets never exceed what the vault holds.
        if (held < amount) revert Insufficient(token, kind, key, held, amount);
        unchecked {
            _balances[token][kind][key] = held - amount;
        }
        _totals[token][kind] -= amount;
    }

    /// What arrives counts, not what was announced. The guard keeps a token's callback from depositing within it.
    function _pull(address token, uint256 amount) private returns (uint256) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        return IERC20(token).balanceOf(address(this)) - before;
    }

    function _push(address token, address to, uint256 amount) private {
        if (token == address(0)) {
            (bool sent,) = to.call{value: amount}("");
            if (!sent) revert TransferFailed(token);
        } else {
            IERC20(token).safeTransfer(to, amount);
        }
    }
}
