// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IClock} from "./interfaces/IClock.sol";

contract Clock is IClock {
    /// `until` is where it ends by itself, or where it was thawed; `before` is what all earlier ones came to.
    struct Freeze {
        uint48 began;
        uint48 until;
        uint48 before;
    }

    uint256 private constant YEAR = 365 days;
    uint256 private constant FROZEN_MAX = 14 days; // within any year

    Ownable private immutable PARAMS;

    Freeze private _last; // one word: whoever asks for the time reads no more
    Freeze[] private _past; // all before it, in order

    constructor(Ownable params) {
        PARAMS = params;
    }

    modifier onlyOwner() {
        if (msg.sender != PARAMS.owner()) revert NotOwner(msg.sender);
        _;
    }

    function freeze() external onlyOwner {
        Freeze memory f = _last;
        if (block.timestamp < f.until) revert AlreadyFrozen(f.until);
        uint256 left = _left();
        if (left == 0) revert NoneLeft();
        if (f.until != 0) _past.push(f);
        // INVARIANT: however a year is laid, no more than 14 days of it are frozen: of the year that ends with this freeze all that
        // was frozen before it is counted here.
        _last = Freeze(uint48(block.timestamp), uint48(block.timestamp + left), f.before + f.until - f.began);
        emit Frozen(block.timestamp, block.timestamp + left);
    }

    function thaw() external onlyOwner {
        Freeze storage f = _last;
        if (block.timestamp >= f.until) revert NotFrozen();
        f.until = uint48(block.timestamp);
        emit Thawed(block.timestamp, block.timestamp - f.began);
    }

    function time() external view returns (uint256) {
        return block.timestamp - _within(_last, block.timestamp);
    }

    function timeAt(uint256 instant) external view returns (uint256) {
        return instant - _frozen(instant);
    }

    function elapsed(uint256 since) external view returns (uint256) {
        return block.timestamp - since - (_within(_last, block.timestamp) - _frozen(since));
    }

    function reached(uint256 instant) external view returns (bool) {
        Freeze memory f = _last;
        return block.timestamp >= f.until && block.timestamp - _within(f, block.timestamp) >= instant;
    }

    function frozenUntil() external view returns (uint256) {
        uint256 until = _last.until;
        return block.timestamp < until ? until : 0;
    }

    function allowance() external view returns (uint256) {
        uint256 until = _last.until;
        return block.timestamp < until ? until - block.timestamp : _left();
    }

    /// What is left of a year's 14 days while none runs.
    function _left() private view returns (uint256) {
        uint256 from = block.timestamp > YEAR ? block.timestamp - YEAR : 0;
        return FROZEN_MAX - (_within(_last, block.timestamp) - _frozen(from));
    }

    /// Seconds frozen before a moment.
    function _frozen(uint256 instant) private view returns (uint256) {
        Freeze memory f = _last;
        if (instant >= f.began) return _within(f, instant);
        // The last that began by then. Only the owner makes them more, and it takes many to make this dearer.
        (uint256 low, uint256 high) = (0, _past.length);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_past[middle].began <= instant) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? 0 : _within(_past[low - 1], instant);
    }

    /// The same, where `f` is the last freeze that began by then.
    function _within(Freeze memory f, uint256 instant) private pure returns (uint256) {
        return f.before + (instant < f.until ? instant : f.until) - f.began;
    }
}
