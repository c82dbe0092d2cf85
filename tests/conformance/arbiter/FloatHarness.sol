// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float} from "../src/arbiter/Float.sol";
import {Functions} from "../src/arbiter/Functions.sol";

/// Each entry takes cases of two words (one for functions of one) and gives two for each: the result, and the gas of the call.
contract FloatHarness {
    function add(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.add);
    }

    function sub(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.sub);
    }

    function mul(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.mul);
    }

    function div(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.div);
    }

    function maximum(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.maximum);
    }

    function minimum(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.minimum);
    }

    function eq(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.eq);
    }

    function ne(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.ne);
    }

    function gt(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.gt);
    }

    function ge(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.ge);
    }

    function lt(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.lt);
    }

    function le(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, Float.le);
    }

    function scale(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, _scale);
    }

    /// What measuring costs by itself.
    function second(bytes calldata cases) external view returns (bytes memory) {
        return _pairs(cases, _second);
    }

    function neg(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Float.neg);
    }

    function abs(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Float.abs);
    }

    function sqrt(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Float.sqrt);
    }

    function whole(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Float.whole);
    }

    function integer(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, _integer);
    }

    function isFinite(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, _isFinite);
    }

    function exp(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Functions.exp);
    }

    function log(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Functions.log);
    }

    function tanh(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Functions.tanh);
    }

    function erf(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Functions.erf);
    }

    function sin(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Functions.sin);
    }

    function cos(bytes calldata cases) external view returns (bytes memory) {
        return _singles(cases, Functions.cos);
    }

    function _scale(uint256 a, uint256 b) private pure returns (uint256) {
        return Float.scale(int256(a), int256(b));
    }

    function _second(uint256, uint256 b) private pure returns (uint256) {
        return b;
    }

    function _integer(uint256 a) private pure returns (uint256) {
        return uint256(Float.integer(a));
    }

    function _isFinite(uint256 a) private pure returns (uint256) {
        return Float.isFinite(a) ? 1 : 0;
    }

    function _pairs(bytes calldata cases, function(uint256, uint256) pure returns (uint256) f) private view returns (bytes memory results) {
        results = new bytes(cases.length);
        for (uint256 at = 0; at < cases.length; at += 64) {
            uint256 a;
            uint256 b;
            assembly ("memory-safe") {
                a := calldataload(add(cases.offset, at))
                b := calldataload(add(add(cases.offset, at), 32))
            }
            uint256 before = gasleft();
            _put(results, at, f(a, b));
            _put(results, at + 32, before - gasleft());
        }
    }

    function _singles(bytes calldata cases, function(uint256) pure returns (uint256) f) private view returns (bytes memory results) {
        results = new bytes(2 * cases.length);
        for (uint256 at = 0; at < cases.length; at += 32) {
            uint256 a;
            assembly ("memory-safe") {
                a := calldataload(add(cases.offset, at))
            }
            uint256 before = gasleft();
            _put(results, 2 * at, f(a));
            _put(results, 2 * at + 32, before - gasleft());
        }
    }

    function _put(bytes memory results, uint256 at, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(add(add(results, 32), at), word)
        }
    }
}
