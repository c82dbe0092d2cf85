// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Vault} from "../src/Vault.sol";
import {Wired} from "../src/Wired.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {TestStablecoin} from "../src/tokens/TestStablecoin.sol";
import {Base} from "./Base.sol";

/// Takes one part in ten of every transfer.
contract Taxed is ERC20("Taxed", "TAX") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0)) {
            super._update(from, address(this), value / 10);
            value -= value / 10;
        }
        super._update(from, to, value);
    }
}

/// Calls back into the vault while it receives.
contract Greedy {
    Vault private immutable VAULT;

    constructor(Vault vault) {
        VAULT = vault;
    }

    function run() external payable {
        VAULT.deposit{value: msg.value}(address(0), msg.value);
        VAULT.withdraw(address(0), msg.value / 2);
    }

    receive() external payable {
        VAULT.withdraw(address(0), msg.value);
    }
}

contract VaultTest is Base {
    Vault internal vault;
    TestStablecoin internal coin;
    uint256 internal constant KEY = 0xA11CE;
    address internal alice = vm.addr(KEY);
    address internal bob = vm.addr(0xB0B);

    function setUp() external {
        vault = new Vault();
        address[] memory modules = new address[](1);
        modules[0] = address(this);
        vault.wire(modules);
        coin = new TestStablecoin();
        coin.mint(alice, 1000);
        vm.prank(alice);
        coin.approve(address(vault), 1000);
    }

    function _deposit(uint256 amount) private {
        vm.prank(alice);
        vault.deposit(address(coin), amount);
    }

    function _key(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function test_wire_twice_reverts() external {
        vm.expectPartialRevert(Wired.AlreadyWired.selector);
        vault.wire(new address[](0));
    }

    function test_wire_stranger_reverts() external {
        Vault other = new Vault();
        vm.prank(alice);
        vm.expectPartialRevert(Wired.NotDeployer.selector);
        other.wire(new address[](0));
    }

    function test_deposit_coinWithValue_reverts() external {
        vm.deal(alice, 1);
        vm.prank(alice);
        vm.expectPartialRevert(IVault.WrongValue.selector);
        vault.deposit{value: 1}(address(coin), 10);
    }

    function test_deposit_nativeOtherValue_reverts() external {
        vm.deal(alice, 5);
        vm.prank(alice);
        vm.expectPartialRevert(IVault.WrongValue.selector);
        vault.deposit{value: 5}(address(0), 6);
    }

    function test_deposit_feeOnTransfer_succeeds() external {
        Taxed tax = new Taxed();
        tax.mint(alice, 1000);
        vm.startPrank(alice);
        tax.approve(address(vault), 1000);
        equal(vault.deposit(address(tax), 1000), 900, "what arrived");
        equal(vault.free(address(tax), alice), 900, "credited");
        vm.stopPrank();
    }

    function test_depositWithPermit_signed_succeeds() external {
        coin.mint(alice, 50);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                alice,
                address(vault),
                50,
                coin.nonces(alice),
                type(uint256).max
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", coin.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest);
        vm.prank(alice);
        vault.depositWithPermit(address(coin), 50, type(uint256).max, v, r, s);
        equal(vault.free(address(coin), alice), 50, "credited");
    }

    function test_depositWithPermit_alreadyAllowed_succeeds() external {
        vm.prank(alice);
        vault.depositWithPermit(address(coin), 20, 0, 27, 0, 0);
        equal(vault.free(address(coin), alice), 20, "credited by allowance");
    }

    function test_withdraw_moreThanFree_reverts() external {
        _deposit(10);
        vm.prank(alice);
        vm.expectPartialRevert(IVault.Insufficient.selector);
        vault.withdraw(address(coin), 11);
    }

    function test_withdraw_another_reverts() external {
        _deposit(10);
        vm.prank(bob);
        vm.expectPartialRevert(IVault.Insufficient.selector);
        vault.withdraw(address(coin), 1);
    }

    function test_withdraw_reentrant_reverts() external {
        vm.deal(address(vault), 0);
        Greedy greedy = new Greedy(vault);
        vm.deal(address(this), 100);
        vm.expectPartialRevert(IVault.TransferFailed.selector);
        greedy.run{value: 100}();
    }

    function test_move_stranger_reverts() external {
        _deposit(10);
        vm.prank(bob);
        vm.expectPartialRevert(IVault.NotModule.selector);
        vault.move(address(coin), IVault.Kind.Free, _key(alice), IVault.Kind.Free, _key(bob), 1);
    }

    function test_move_overdraw_reverts() external {
        _deposit(10);
        vm.expectPartialRevert(IVault.Insufficient.selector);
        vault.move(address(coin), IVault.Kind.Free, _key(alice), IVault.Kind.Burned, 0, 11);
    }

    function test_sweepBurned_leavesTheRecord_succeeds() external {
        _deposit(10);
        vault.move(address(coin), IVault.Kind.Free, _key(alice), IVault.Kind.Burned, 0, 4);
        equal(vault.burned(address(coin)), 4, "before");
        equal(vault.sweepBurned(address(coin)), 4, "swept");
        equal(vault.burned(address(coin)), 4, "after");
        equal(coin.balanceOf(address(vault)), 6, "left");
    }

    function test_mint_overCap_reverts() external {
        vm.expectPartialRevert(TestStablecoin.OverCap.selector);
        coin.mint(alice, 10 ** 12 + 1);
    }

    function test_moves_conserve_succeeds(uint256 seed) external {
        _deposit(1000);
        for (uint256 i = 0; i < 20; i++) {
            seed = uint256(keccak256(abi.encode(seed, i)));
            IVault.Kind from = IVault.Kind(seed % 6);
            IVault.Kind to = IVault.Kind((seed >> 8) % 6);
            bytes32 fromKey = from == IVault.Kind.Free ? _key(alice) : bytes32((seed >> 16) % 2);
            bytes32 toKey = to == IVault.Kind.Free ? _key(alice) : to == IVault.Kind.Burned ? bytes32(0) : bytes32((seed >> 32) % 2);
            if (from == IVault.Kind.Burned) continue;
            uint256 held = vault.balance(address(coin), from, fromKey);
            vault.move(address(coin), from, fromKey, to, toKey, bound(seed >> 64, 0, held));
        }
        uint256 sum;
        for (uint8 kind = 0; kind < 6; kind++) sum += vault.total(address(coin), IVault.Kind(kind));
        equal(sum, 1000, "buckets");
        equal(coin.balanceOf(address(vault)), 1000, "balance");
    }
}
